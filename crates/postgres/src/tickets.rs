//! Tickets, which expire by the store's clock.

use std::time::Duration;

use auth_domain::error::{Error, Result, Unauthenticated};
use auth_domain::model::{Grant, Purpose, StoredTicket, Ticket, TicketId};
use serde_json::Value;
use sqlx::{FromRow, PgConnection, query, query_as};
use uuid::Uuid;

use crate::connections::Connections;
use crate::failure::failure;
use crate::moment::Moment;

/// How often a slot is looked for that nobody else takes at the same moment.
const LOOKS: u32 = 4;

#[derive(FromRow)]
struct TicketRow {
    id: Uuid,
    purpose: String,
    target: String,
    payload: Option<String>,
    digest: Vec<u8>,
    created_at: Moment,
    expires_at: Moment,
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
            created_at: self.created_at.0,
            expires_at: self.expires_at.0,
            is_over: self.is_over,
        }))
    }
}

pub(crate) async fn find(db: &Connections, id: TicketId) -> Result<Option<StoredTicket>> {
    let row: Option<TicketRow> = db
        .optional(|| {
            query_as(
                "SELECT id, purpose, target, payload, digest, created_at, expires_at, \
                 expires_at <= clock_timestamp() AS is_over \
                 FROM keyward_tickets WHERE id = $1 AND tries < $2",
            )
            .bind(id.uuid())
            .bind(i16::from(Ticket::TRIES))
        })
        .await?;
    row.map_or(Ok(None), TicketRow::read)
}

/// Each has a slot, which the database gives once: an empty one, so that one that is over says so as long as there is
/// room, or the one that has been over for longest. Of two that choose the same at the same moment one waits for the
/// other, and looks again.
pub(crate) async fn put(db: &mut PgConnection, ticket: &Ticket) -> Result<()> {
    for _ in 0..LOOKS {
        let stored = query(
            "INSERT INTO keyward_tickets AS taken \
             (id, purpose, target, slot, payload, digest, created_at, expires_at) \
             SELECT $1, $2, $3, free, $4, $5, clock_timestamp(), \
             clock_timestamp() + $6 * interval '1 microsecond' \
             FROM generate_series(0, $7::int - 1) AS free \
             WHERE NOT EXISTS (SELECT 1 FROM keyward_tickets AS other WHERE other.purpose = $2 \
             AND other.target = $3 AND other.slot = free AND other.expires_at > clock_timestamp()) \
             ORDER BY (SELECT old.expires_at FROM keyward_tickets AS old WHERE old.purpose = $2 \
             AND old.target = $3 AND old.slot = free) NULLS FIRST, free LIMIT 1 \
             ON CONFLICT (purpose, target, slot) DO UPDATE SET id = excluded.id, \
             payload = excluded.payload, digest = excluded.digest, tries = 0, \
             created_at = excluded.created_at, expires_at = excluded.expires_at \
             WHERE taken.expires_at <= clock_timestamp()",
        )
        .bind(ticket.id.uuid())
        .bind(ticket.grant.purpose().as_str())
        .bind(ticket.grant.target())
        .bind(ticket.grant.payload().map(|payload| payload.to_string()))
        .bind(ticket.digest.to_vec())
        .bind(i64::try_from(ticket.life.as_micros()).unwrap_or(i64::MAX))
        .bind(i32::from(Ticket::MOST_ALIVE))
        .execute(&mut *db)
        .await
        .map_err(failure)?;
        if stored.rows_affected() > 0 {
            break;
        }
    }
    Ok(())
}

pub(crate) async fn count_try(db: &mut PgConnection, id: TicketId) -> Result<()> {
    query("UPDATE keyward_tickets SET tries = tries + 1 WHERE id = $1 AND tries < $2")
        .bind(id.uuid())
        .bind(i16::from(Ticket::TRIES))
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

/// Of several at once one finds it: the others wait for its row, and it is gone.
pub(crate) async fn consume(db: &mut PgConnection, id: TicketId) -> Result<()> {
    let used = query(
        "DELETE FROM keyward_tickets \
         WHERE id = $1 AND tries < $2 AND expires_at > clock_timestamp()",
    )
    .bind(id.uuid())
    .bind(i16::from(Ticket::TRIES))
    .execute(db)
    .await
    .map_err(failure)?;
    match used.rows_affected() {
        0 => Err(Unauthenticated::NotHonoured.into()),
        _ => Ok(()),
    }
}

pub(crate) async fn remove(db: &mut PgConnection, purpose: Purpose, target: &str) -> Result<()> {
    query("DELETE FROM keyward_tickets WHERE purpose = $1 AND target = $2")
        .bind(purpose.as_str())
        .bind(target)
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

pub(crate) async fn purge(db: &mut PgConnection, over_for: Duration) -> Result<()> {
    query(
        "DELETE FROM keyward_tickets \
         WHERE expires_at <= clock_timestamp() - $1 * interval '1 microsecond'",
    )
    .bind(i64::try_from(over_for.as_micros()).unwrap_or(i64::MAX))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}
