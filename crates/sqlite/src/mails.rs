//! Mails that wait to be sent.

use auth_domain::error::Result;
use auth_domain::model::Mail;
use sqlx::{SqliteConnection, query};

use crate::failure::failure;

pub(crate) async fn insert(db: &mut SqliteConnection, mail: &Mail) -> Result<()> {
    query(
        "INSERT INTO keyward_mails \
         (id, kind, payload, created_at, expires_at, state, attempts, due_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, 'queued', 0, ?4)",
    )
    .bind(mail.id.uuid())
    .bind(mail.message.kind())
    .bind(mail.message.payload().to_string())
    .bind(mail.created_at.micros())
    .bind(mail.expires_at.micros())
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}
