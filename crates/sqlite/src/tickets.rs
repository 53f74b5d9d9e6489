//! Tickets, which expire by the store's clock.

use auth_domain::error::{Error, Result, Unauthenticated};
use auth_domain::model::{LiveTicket, Purpose, Ticket, TicketId, UserId};
use sqlx::{FromRow, SqliteConnection, SqlitePool, query, query_as};
use uuid::Uuid;

use crate::failure::failure;
use crate::rows::moment;

#[derive(FromRow)]
struct TicketRow {
    id: Uuid,
    target: String,
    digest: Vec<u8>,
    expires_at: i64,
}

impl TryFrom<TicketRow> for LiveTicket {
    type Error = Error;

    fn try_from(row: TicketRow) -> Result<Self> {
        Ok(Self {
            id: TicketId::new(row.id),
            user: row.target.parse().map_err(Error::internal)?,
            digest: row
                .digest
                .try_into()
                .map_err(|_| Error::internal("a stored digest is no SHA-256"))?,
            expires_at: moment(row.expires_at),
        })
    }
}

pub(crate) async fn find(db: &SqlitePool, id: TicketId) -> Result<Option<LiveTicket>> {
    query_as::<_, TicketRow>(
        "SELECT id, target, digest, expires_at FROM keyward_tickets \
         WHERE id = ?1 AND expires_at > CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    )
    .bind(id.uuid())
    .fetch_optional(db)
    .await
    .map_err(failure)?
    .map(LiveTicket::try_from)
    .transpose()
}

pub(crate) async fn find_by_digest(
    db: &SqlitePool,
    purpose: Purpose,
    digest: [u8; 32],
) -> Result<Option<LiveTicket>> {
    query_as::<_, TicketRow>(
        "SELECT id, target, digest, expires_at FROM keyward_tickets WHERE digest = ?1 \
         AND purpose = ?2 AND expires_at > CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    )
    .bind(digest.to_vec())
    .bind(purpose.as_str())
    .fetch_optional(db)
    .await
    .map_err(failure)?
    .map(LiveTicket::try_from)
    .transpose()
}

pub(crate) async fn put(db: &mut SqliteConnection, ticket: &Ticket) -> Result<()> {
    remove(&mut *db, ticket.purpose, ticket.user).await?;
    query(
        "INSERT INTO keyward_tickets (id, purpose, target, digest, created_at, expires_at) \
         SELECT ?1, ?2, ?3, ?4, now, now + ?5 \
         FROM (SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER) AS now)",
    )
    .bind(ticket.id.uuid())
    .bind(ticket.purpose.as_str())
    .bind(ticket.user.to_string())
    .bind(ticket.digest.to_vec())
    .bind(i64::try_from(ticket.life.as_micros()).unwrap_or(i64::MAX))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

/// Of several at once one finds it.
pub(crate) async fn consume(db: &mut SqliteConnection, id: TicketId) -> Result<()> {
    let used = query(
        "DELETE FROM keyward_tickets \
         WHERE id = ?1 AND expires_at > CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    )
    .bind(id.uuid())
    .execute(db)
    .await
    .map_err(failure)?;
    match used.rows_affected() {
        0 => Err(Unauthenticated::NotHonoured.into()),
        _ => Ok(()),
    }
}

pub(crate) async fn remove(
    db: &mut SqliteConnection,
    purpose: Purpose,
    user: UserId,
) -> Result<()> {
    query("DELETE FROM keyward_tickets WHERE purpose = ?1 AND target = ?2")
        .bind(purpose.as_str())
        .bind(user.to_string())
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

pub(crate) async fn purge(db: &mut SqliteConnection) -> Result<()> {
    query(
        "DELETE FROM keyward_tickets \
         WHERE expires_at <= CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    )
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}
