//! Tickets, which expire by the store's clock.

use std::time::Duration;

use auth_domain::error::{Error, Result, Unauthenticated};
use auth_domain::model::{Grant, Purpose, StoredTicket, Ticket, TicketId};
use serde_json::Value;
use sqlx::{FromRow, SqliteConnection, SqlitePool, query, query_as};
use uuid::Uuid;

use crate::failure::failure;
use crate::rows::moment;

#[derive(FromRow)]
struct TicketRow {
    id: Uuid,
    purpose: String,
    target: String,
    payload: Option<String>,
    digest: Vec<u8>,
    created_at: i64,
    expires_at: i64,
    is_over: bool,
}

impl TicketRow {
    /// Nothing for one that this version does not know.
    fn read(self) -> Result<Option<StoredTicket>> {
        let payload: Option<Value> = self
            .payload
            .as_deref()
            .map(serde_json::from_str)
            .transpose()
            .map_err(Error::internal)?;
        let Some(grant) = Grant::stored(&self.purpose, &self.target, payload.as_ref()) else {
            return Ok(None);
        };
        Ok(Some(StoredTicket {
            id: TicketId::new(self.id),
            grant,
            digest: self
                .digest
                .try_into()
                .map_err(|_| Error::internal("a stored digest is no SHA-256"))?,
            created_at: moment(self.created_at),
            expires_at: moment(self.expires_at),
            is_over: self.is_over,
        }))
    }
}

pub(crate) async fn find(db: &SqlitePool, id: TicketId) -> Result<Option<StoredTicket>> {
    let row: Option<TicketRow> = query_as(
        "SELECT id, purpose, target, payload, digest, created_at, expires_at, \
         expires_at <= CAST(unixepoch('subsec') * 1000000 AS INTEGER) AS is_over \
         FROM keyward_tickets WHERE id = ?1 AND tries < ?2",
    )
    .bind(id.uuid())
    .bind(i64::from(Ticket::TRIES))
    .fetch_optional(db)
    .await
    .map_err(failure)?;
    row.map_or(Ok(None), TicketRow::read)
}

/// There is one writer at a time, so what is counted stays so.
pub(crate) async fn put(db: &mut SqliteConnection, ticket: &Ticket) -> Result<()> {
    query(
        "INSERT INTO keyward_tickets (id, purpose, target, payload, digest, created_at, expires_at) \
         SELECT ?1, ?2, ?3, ?4, ?5, now, now + ?6 \
         FROM (SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER) AS now) \
         WHERE (SELECT count(*) FROM keyward_tickets \
         WHERE purpose = ?2 AND target = ?3 AND expires_at > now) < ?7",
    )
    .bind(ticket.id.uuid())
    .bind(ticket.grant.purpose().as_str())
    .bind(ticket.grant.target())
    .bind(ticket.grant.payload().map(|payload| payload.to_string()))
    .bind(ticket.digest.to_vec())
    .bind(i64::try_from(ticket.life.as_micros()).unwrap_or(i64::MAX))
    .bind(i64::from(Ticket::MOST_ALIVE))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(crate) async fn count_try(db: &mut SqliteConnection, id: TicketId) -> Result<()> {
    query("UPDATE keyward_tickets SET tries = tries + 1 WHERE id = ?1")
        .bind(id.uuid())
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

/// Of several at once one finds it.
pub(crate) async fn consume(db: &mut SqliteConnection, id: TicketId) -> Result<()> {
    let used = query(
        "DELETE FROM keyward_tickets WHERE id = ?1 AND tries < ?2 \
         AND expires_at > CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    )
    .bind(id.uuid())
    .bind(i64::from(Ticket::TRIES))
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
    target: &str,
) -> Result<()> {
    query("DELETE FROM keyward_tickets WHERE purpose = ?1 AND target = ?2")
        .bind(purpose.as_str())
        .bind(target)
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

pub(crate) async fn purge(db: &mut SqliteConnection, over_for: Duration) -> Result<()> {
    query(
        "DELETE FROM keyward_tickets \
         WHERE expires_at <= CAST(unixepoch('subsec') * 1000000 AS INTEGER) - ?1",
    )
    .bind(i64::try_from(over_for.as_micros()).unwrap_or(i64::MAX))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}
