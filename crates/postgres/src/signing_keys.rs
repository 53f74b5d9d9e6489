//! Signing keys that were withdrawn.

use auth_domain::Timestamp;
use auth_domain::error::Result;
use auth_domain::model::SigningKeyId;
use sqlx::{PgConnection, query, query_as, query_scalar};

use crate::connections::Connections;
use crate::failure::failure;
use crate::moment::Moment;

pub(crate) async fn is_withdrawn(db: &Connections, key: SigningKeyId) -> Result<bool> {
    let row: Option<(bool,)> = db
        .optional(|| {
            query_as("SELECT TRUE FROM keyward_withdrawn_keys WHERE thumbprint = $1")
                .bind(key.bytes().as_slice())
        })
        .await?;
    Ok(row.is_some())
}

/// The same, as the transaction sees it.
pub(crate) async fn is_withdrawn_within(db: &mut PgConnection, key: SigningKeyId) -> Result<bool> {
    query_scalar("SELECT EXISTS (SELECT FROM keyward_withdrawn_keys WHERE thumbprint = $1)")
        .bind(key.bytes().as_slice())
        .fetch_one(db)
        .await
        .map_err(failure)
}

pub(crate) async fn withdraw(
    db: &mut PgConnection,
    key: SigningKeyId,
    at: Timestamp,
) -> Result<()> {
    query(
        "INSERT INTO keyward_withdrawn_keys (thumbprint, withdrawn_at) VALUES ($1, $2) \
         ON CONFLICT (thumbprint) DO NOTHING",
    )
    .bind(key.bytes().as_slice())
    .bind(Moment(at))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}
