//! Mails that wait to be sent, and who sends which, by the server's clock.

use std::time::Duration;

use auth_domain::Timestamp;
use auth_domain::error::{Entity, Error, Result};
use auth_domain::model::{
    ClaimedMail, Invitation, InviteId, Listing, Mail, MailDepth, MailId, MailState, Message, Name,
    Page, QueuedMail, Settled, UserId, Verdict,
};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, query, query_as};
use uuid::Uuid;

use crate::connections::Connections;
use crate::failure::failure;
use crate::moment::Moment;
use crate::rows::{listing, page, window};

/// It is due at once: the caller's clock may be ahead of the server's.
pub(crate) async fn insert(db: &mut PgConnection, mail: &Mail) -> Result<()> {
    query(
        "INSERT INTO keyward_mails \
         (id, kind, payload, created_at, expires_at, state, attempts, due_at) \
         VALUES ($1, $2, $3, $4, $5, 'queued', 0, clock_timestamp())",
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

/// Whoever holds it is sending it: for them nothing changes.
pub(crate) async fn retry(db: &mut PgConnection, id: MailId) -> Result<()> {
    let known = query(
        "UPDATE keyward_mails SET state = 'queued', \
         due_at = CASE WHEN holder IS NULL THEN clock_timestamp() ELSE due_at END WHERE id = $1",
    )
    .bind(id.uuid())
    .execute(db)
    .await
    .map_err(failure)?;
    match known.rows_affected() {
        0 => Err(Error::NotFound(Entity::Mail)),
        _ => Ok(()),
    }
}

pub(crate) async fn purge(db: &mut PgConnection, died_before: Timestamp) -> Result<()> {
    query("DELETE FROM keyward_mails WHERE state = 'dead' AND due_at < $1")
        .bind(Moment(died_before))
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

pub(crate) async fn depth(db: &Connections) -> Result<MailDepth> {
    let (queued, due, dead, since): (i64, bool, i64, Option<Moment>) = db
        .one(|| {
            query_as(
                "SELECT \
                 (SELECT count(*) FROM \
                 (SELECT 1 FROM keyward_mails WHERE state = 'queued' LIMIT $1) AS part), \
                 EXISTS (SELECT 1 FROM keyward_mails WHERE state = 'queued' AND \
                 (due_at <= clock_timestamp() OR due_at > clock_timestamp() + interval '2 hours')), \
                 (SELECT count(*) FROM \
                 (SELECT 1 FROM keyward_mails WHERE state = 'dead' LIMIT $1) AS part), \
                 (SELECT min(created_at) FROM \
                 (SELECT created_at FROM keyward_mails WHERE state = 'queued' LIMIT $1) AS part)",
            )
            .bind(MailDepth::MOST)
        })
        .await?;
    let number = |count| u64::try_from(count).unwrap_or(0);
    let since = since.map(|moment| moment.0);
    Ok(MailDepth { queued: number(queued), due, dead: number(dead), since })
}

#[derive(FromRow)]
struct MailRow {
    id: Uuid,
    kind: String,
    payload: Json<Value>,
    created_at: Moment,
    expires_at: Moment,
    state: String,
    attempts: i32,
    due_at: Moment,
    problem: Option<String>,
}

impl TryFrom<MailRow> for QueuedMail {
    type Error = Error;

    fn try_from(row: MailRow) -> Result<Self> {
        Ok(Self {
            id: MailId::new(row.id),
            message: Message::stored(&row.kind, &row.payload.0),
            kind: row.kind,
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
            state: row.state.parse().map_err(Error::internal)?,
            attempts: u32::try_from(row.attempts).unwrap_or(0),
            due_at: row.due_at.0,
            problem: row.problem,
        })
    }
}

pub(crate) async fn list(
    db: &Connections,
    state: Option<MailState>,
    page: Page<()>,
) -> Result<Listing<QueuedMail>> {
    let (limit, offset) = window(&page);
    let rows = db
        .all(|| {
            query_as(page!(
                "SELECT id, kind, payload, created_at, expires_at, state, attempts, due_at, problem \
                 FROM keyward_mails WHERE $3::text IS NULL OR state = $3",
                "id"
            ))
            .bind(limit)
            .bind(offset)
            .bind(state.map(MailState::as_str))
        })
        .await?;
    listing::<MailRow, _>(rows)
}

#[derive(FromRow)]
struct InvitationRow {
    name: String,
    inviter_id: Uuid,
    invitee_id: Uuid,
    invitee_role: String,
    expires_at: Moment,
}

pub(crate) async fn invitation(db: &Connections, invite: InviteId) -> Result<Option<Invitation>> {
    let row: Option<InvitationRow> = db
        .optional(|| {
            query_as(
                "SELECT orgs.name, inviter_id, invitee_id, invitee_role, expires_at \
                 FROM org_invites JOIN orgs ON orgs.id = org_id \
                 WHERE org_invites.id = $1 AND invitee_id IS NOT NULL AND state = 'pending' \
                 AND expires_at > clock_timestamp()",
            )
            .bind(invite.uuid())
        })
        .await?;
    // The original's table may hold a role that is none; nobody can become that.
    Ok(row.and_then(|row| {
        Some(Invitation {
            org: Name::stored(row.name),
            inviter: UserId::new(row.inviter_id),
            invitee: UserId::new(row.invitee_id),
            role: row.invitee_role.parse().ok()?,
            expires_at: row.expires_at.0,
        })
    }))
}

#[derive(FromRow)]
struct ClaimedRow {
    #[sqlx(flatten)]
    mail: MailRow,
    is_late: bool,
}

impl TryFrom<ClaimedRow> for ClaimedMail {
    type Error = Error;

    fn try_from(row: ClaimedRow) -> Result<Self> {
        Ok(Self { mail: row.mail.try_into()?, is_late: row.is_late })
    }
}

/// Two hours are more than anybody puts a mail off for. If the answer is lost, those taken wait for
/// the end of their hold.
pub(crate) async fn claim(
    db: &Connections,
    holder: Uuid,
    hold: Duration,
    limit: u32,
) -> Result<Vec<ClaimedMail>> {
    let rows: Vec<ClaimedRow> = db
        .all(|| {
            query_as(
                "WITH due AS (SELECT id, due_at AS since FROM keyward_mails \
                 WHERE state = 'queued' AND kind = ANY($4) AND (due_at <= clock_timestamp() \
                 OR due_at > clock_timestamp() + interval '2 hours') \
                 ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED), \
                 claimed AS (UPDATE keyward_mails AS mail SET holder = $1, \
                 due_at = clock_timestamp() + $2 * interval '1 microsecond' \
                 FROM due WHERE mail.id = due.id RETURNING mail.*, due.since) \
                 SELECT id, kind, payload, created_at, expires_at, state, attempts, due_at, problem, \
                 expires_at <= clock_timestamp() AS is_late FROM claimed ORDER BY since, id",
            )
            .bind(holder)
            .bind(micros(hold))
            .bind(i64::from(limit))
            .bind(&Message::KINDS[..])
        })
        .await?;
    rows.into_iter().map(ClaimedMail::try_from).collect()
}

pub(crate) async fn settle(
    db: &Connections,
    id: MailId,
    holder: Uuid,
    verdict: Verdict,
) -> Result<Settled> {
    let (after, tries, problem) = match verdict {
        Verdict::Done => return remove(db, id, holder).await,
        Verdict::Later { after, counts, problem } => (Some(after), i32::from(counts), problem),
        Verdict::Dead { problem } => (None, 1, problem),
    };
    let state: Option<(String,)> = db
        .optional(|| {
            query_as(
                "UPDATE keyward_mails SET holder = NULL, attempts = attempts + $4, problem = $5, \
                 state = CASE WHEN clock_timestamp() + $3 * interval '1 microsecond' < expires_at \
                 THEN 'queued' ELSE 'dead' END, \
                 due_at = CASE WHEN clock_timestamp() + $3 * interval '1 microsecond' < expires_at \
                 THEN clock_timestamp() + $3 * interval '1 microsecond' \
                 ELSE clock_timestamp() END \
                 WHERE id = $1 AND holder = $2 AND state = 'queued' RETURNING state",
            )
            .bind(id.uuid())
            .bind(holder)
            .bind(after.map(micros))
            .bind(tries)
            .bind(problem)
        })
        .await?;
    match state {
        Some((state,)) => Ok(Settled::Is(state.parse().map_err(Error::internal)?)),
        None => Ok(Settled::Lost),
    }
}

async fn remove(db: &Connections, id: MailId, holder: Uuid) -> Result<Settled> {
    let removed: Option<(Uuid,)> = db
        .optional(|| {
            query_as("DELETE FROM keyward_mails WHERE id = $1 AND holder = $2 RETURNING id")
                .bind(id.uuid())
                .bind(holder)
        })
        .await?;
    Ok(removed.map_or(Settled::Lost, |_| Settled::Gone))
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
