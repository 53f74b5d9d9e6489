//! Mails that wait to be sent.

use auth_domain::error::Result;
use auth_domain::model::Mail;
use sqlx::types::Json;
use sqlx::{PgConnection, query};

use crate::failure::failure;
use crate::moment::Moment;

pub(crate) async fn insert(db: &mut PgConnection, mail: &Mail) -> Result<()> {
    query(
        "INSERT INTO keyward_mails \
         (id, kind, payload, created_at, expires_at, state, attempts, due_at) \
         VALUES ($1, $2, $3, $4, $5, 'queued', 0, $4)",
    )
    .bind(mail.id.uuid())
    .bind(mail.message.kind())
    .bind(Json(mail.message.payload()))
    .bind(Moment(mail.created_at))
    .bind(Moment(mail.expires_at))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}
