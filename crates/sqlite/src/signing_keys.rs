//! Signing keys that were withdrawn.

use auth_domain::Timestamp;
use auth_domain::error::Result;
use auth_domain::model::SigningKeyId;
use sqlx::{SqliteConnection, SqliteExecutor, query, query_scalar};

use crate::failure::failure;

pub(crate) async fn is_withdrawn(db: impl SqliteExecutor<'_>, key: SigningKeyId) -> Result<bool> {
    query_scalar("SELECT EXISTS (SELECT 1 FROM keyward_withdrawn_keys WHERE thumbprint = ?1)")
        .bind(key.bytes().as_slice())
        .fetch_one(db)
        .await
        .map_err(failure)
}

pub(crate) async fn withdraw(
    db: &mut SqliteConnection,
    key: SigningKeyId,
    at: Timestamp,
) -> Result<()> {
    query(
        "INSERT INTO keyward_withdrawn_keys (thumbprint, withdrawn_at) VALUES (?1, ?2) \
         ON CONFLICT (thumbprint) DO NOTHING",
    )
    .bind(key.bytes().as_slice())
    .bind(at.micros())
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}
