//! Up to when people's sessions are ended.

use auth_domain::Timestamp;
use auth_domain::error::Result;
use auth_domain::model::UserId;
use sqlx::{SqliteConnection, SqlitePool, query, query_scalar};

use crate::failure::failure;

pub(crate) async fn find(db: &SqlitePool, user: UserId) -> Result<Option<i64>> {
    query_scalar("SELECT until FROM keyward_cutoffs WHERE user_id = ?1")
        .bind(user.uuid())
        .fetch_optional(db)
        .await
        .map_err(failure)
}

pub(crate) async fn within(db: &mut SqliteConnection, user: UserId) -> Result<Option<i64>> {
    query_scalar("SELECT until FROM keyward_cutoffs WHERE user_id = ?1")
        .bind(user.uuid())
        .fetch_optional(db)
        .await
        .map_err(failure)
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
