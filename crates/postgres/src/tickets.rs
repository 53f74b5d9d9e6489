//! Tickets, which expire by the store's clock.

use auth_domain::error::{Error, Result, Unauthenticated};
use auth_domain::model::{LiveTicket, Purpose, Ticket, TicketId, UserId};
use sqlx::{FromRow, PgConnection, query, query_as};
use uuid::Uuid;

use crate::connections::Connections;
use crate::failure::failure;
use crate::moment::Moment;

#[derive(FromRow)]
struct TicketRow {
    id: Uuid,
    target: String,
    digest: Vec<u8>,
    expires_at: Moment,
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
            expires_at: row.expires_at.0,
        })
    }
}

pub(crate) async fn find(db: &Connections, id: TicketId) -> Result<Option<LiveTicket>> {
    let row: Option<TicketRow> = db
        .optional(|| {
            query_as(
                "SELECT id, target, digest, expires_at FROM keyward_tickets \
                 WHERE id = $1 AND expires_at > clock_timestamp()",
            )
            .bind(id.uuid())
        })
        .await?;
    row.map(LiveTicket::try_from).transpose()
}

pub(crate) async fn find_by_digest(
    db: &Connections,
    purpose: Purpose,
    digest: [u8; 32],
) -> Result<Option<LiveTicket>> {
    let row: Option<TicketRow> = db
        .optional(|| {
            query_as(
                "SELECT id, target, digest, expires_at FROM keyward_tickets \
                 WHERE digest = $1 AND purpose = $2 AND expires_at > clock_timestamp()",
            )
            .bind(digest.to_vec())
            .bind(purpose.as_str())
        })
        .await?;
    row.map(LiveTicket::try_from).transpose()
}

/// One statement, so that two at once replace one another instead of meeting.
pub(crate) async fn put(db: &mut PgConnection, ticket: &Ticket) -> Result<()> {
    query(
        "INSERT INTO keyward_tickets (id, purpose, target, digest, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, clock_timestamp(), \
         clock_timestamp() + $5 * interval '1 microsecond') \
         ON CONFLICT (purpose, target) DO UPDATE SET id = excluded.id, digest = excluded.digest, \
         tries = 0, created_at = excluded.created_at, expires_at = excluded.expires_at",
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

/// Of several at once one finds it: the others wait for its row, and it is gone.
pub(crate) async fn consume(db: &mut PgConnection, id: TicketId) -> Result<()> {
    let used =
        query("DELETE FROM keyward_tickets WHERE id = $1 AND expires_at > clock_timestamp()")
            .bind(id.uuid())
            .execute(db)
            .await
            .map_err(failure)?;
    match used.rows_affected() {
        0 => Err(Unauthenticated::NotHonoured.into()),
        _ => Ok(()),
    }
}

pub(crate) async fn remove(db: &mut PgConnection, purpose: Purpose, user: UserId) -> Result<()> {
    query("DELETE FROM keyward_tickets WHERE purpose = $1 AND target = $2")
        .bind(purpose.as_str())
        .bind(user.to_string())
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

pub(crate) async fn purge(db: &mut PgConnection) -> Result<()> {
    query("DELETE FROM keyward_tickets WHERE expires_at <= clock_timestamp()")
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}
