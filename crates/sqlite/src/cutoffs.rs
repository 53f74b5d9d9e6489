//! Up to when people's sessions are ended.

use auth_domain::Timestamp;
use auth_domain::error::Result;
use auth_domain::model::UserId;
use auth_domain::ports::BARRED;
use sqlx::{SqliteConnection, SqliteExecutor, query, query_as};

use crate::failure::failure;

pub(crate) async fn find(db: impl SqliteExecutor<'_>, user: UserId) -> Result<Option<i64>> {
    let (barred, until): (bool, Option<i64>) = query_as(
        "SELECT EXISTS (SELECT 1 FROM keyward_accounts WHERE id = ?1 AND status = 'disabled'), \
         (SELECT until FROM keyward_cutoffs WHERE user_id = ?1)",
    )
    .bind(user.uuid())
    .fetch_one(db)
    .await
    .map_err(failure)?;
    Ok(if barred { Some(BARRED) } else { until })
}

pub(crate) async fn raise(db: &mut SqliteConnection, user: UserId, until: Timestamp) -> Result<()> {
    query(
        "INSERT INTO keyward_cutoffs (user_id, until) VALUES (?1, ?2) \
         ON CONFLICT (user_id) DO UPDATE SET until = max(until, excluded.until)",
    )
    .bind(user.uuid())
    .bind(until.seconds())
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}
