//! Up to when people's sessions are ended.

use auth_domain::Timestamp;
use auth_domain::error::Result;
use auth_domain::model::UserId;
use sqlx::{PgConnection, query, query_as};

use crate::connections::Connections;
use crate::failure::failure;
use crate::moment::Moment;

pub(crate) async fn find(db: &Connections, user: UserId) -> Result<Option<i64>> {
    let row: Option<(Moment,)> = db
        .optional(|| {
            query_as("SELECT until FROM keyward_cutoffs WHERE user_id = $1").bind(user.uuid())
        })
        .await?;
    Ok(row.map(|(until,)| until.0.seconds()))
}

/// The same within a transaction. It locks nothing: `guards::comes_last` says why it need not.
pub(crate) async fn within(db: &mut PgConnection, user: UserId) -> Result<Option<i64>> {
    let row: Option<(Moment,)> = query_as("SELECT until FROM keyward_cutoffs WHERE user_id = $1")
        .bind(user.uuid())
        .fetch_optional(db)
        .await
        .map_err(failure)?;
    Ok(row.map(|(until,)| until.0.seconds()))
}

pub(crate) async fn raise(db: &mut PgConnection, user: UserId, until: Timestamp) -> Result<()> {
    query(
        "INSERT INTO keyward_cutoffs AS cutoff (user_id, until) VALUES ($1, $2) \
         ON CONFLICT (user_id) DO UPDATE SET until = greatest(cutoff.until, excluded.until)",
    )
    .bind(user.uuid())
    .bind(Moment(until))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}
