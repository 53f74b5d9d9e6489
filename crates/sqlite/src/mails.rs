//! Mails that wait to be sent, and who sends which.

use std::time::Duration;

use auth_domain::Timestamp;
use auth_domain::error::{Entity, Error, Result};
use auth_domain::model::{
    ClaimedMail, Invitation, InviteId, Listing, Mail, MailDepth, MailId, MailState, Message, Name,
    Page, QueuedMail, Settled, UserId, Verdict,
};
use serde_json::json;
use sqlx::{FromRow, SqliteConnection, SqlitePool, query, query_as};
use uuid::Uuid;

use crate::failure::failure;
use crate::rows::{listing, moment, page, window};

/// It is due at once: the caller's clock need not be the store's.
pub(crate) async fn insert(db: &mut SqliteConnection, mail: &Mail) -> Result<()> {
    query(
        "INSERT INTO keyward_mails \
         (id, kind, payload, created_at, expires_at, state, attempts, due_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, 'queued', 0, CAST(unixepoch('subsec') * 1000000 AS INTEGER))",
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

/// Whoever holds it is sending it: for them nothing changes.
pub(crate) async fn retry(db: &mut SqliteConnection, id: MailId) -> Result<()> {
    let known = query(
        "UPDATE keyward_mails SET state = 'queued', \
         due_at = iif(holder IS NULL, CAST(unixepoch('subsec') * 1000000 AS INTEGER), due_at) \
         WHERE id = ?1",
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

pub(crate) async fn purge(db: &mut SqliteConnection, died_before: Timestamp) -> Result<()> {
    query("DELETE FROM keyward_mails WHERE state = 'dead' AND due_at < ?1")
        .bind(died_before.micros())
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

pub(crate) async fn depth(db: &SqlitePool) -> Result<MailDepth> {
    let (queued, due, dead, since): (i64, bool, i64, Option<i64>) = query_as(
        "WITH clock (now) AS (SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)) \
         SELECT \
         (SELECT count(*) FROM (SELECT 1 FROM keyward_mails WHERE state = 'queued' LIMIT ?1)), \
         EXISTS (SELECT 1 FROM keyward_mails WHERE state = 'queued' \
         AND (due_at <= now OR due_at > now + 7200000000)), \
         (SELECT count(*) FROM (SELECT 1 FROM keyward_mails WHERE state = 'dead' LIMIT ?1)), \
         (SELECT min(created_at) FROM \
         (SELECT created_at FROM keyward_mails WHERE state = 'queued' LIMIT ?1)) \
         FROM clock",
    )
    .bind(MailDepth::MOST)
    .fetch_one(db)
    .await
    .map_err(failure)?;
    let number = |count| u64::try_from(count).unwrap_or(0);
    Ok(MailDepth { queued: number(queued), due, dead: number(dead), since: since.map(moment) })
}

#[derive(FromRow)]
struct MailRow {
    id: Uuid,
    kind: String,
    payload: String,
    created_at: i64,
    expires_at: i64,
    state: String,
    attempts: i64,
    due_at: i64,
    problem: Option<String>,
}

impl TryFrom<MailRow> for QueuedMail {
    type Error = Error;

    fn try_from(row: MailRow) -> Result<Self> {
        let payload = serde_json::from_str(&row.payload).map_err(Error::internal)?;
        Ok(Self {
            id: MailId::new(row.id),
            message: Message::stored(&row.kind, &payload),
            kind: row.kind,
            created_at: moment(row.created_at),
            expires_at: moment(row.expires_at),
            state: row.state.parse().map_err(Error::internal)?,
            attempts: u32::try_from(row.attempts).unwrap_or(0),
            due_at: moment(row.due_at),
            problem: row.problem,
        })
    }
}

pub(crate) async fn list(
    db: &SqlitePool,
    state: Option<MailState>,
    page: Page<()>,
) -> Result<Listing<QueuedMail>> {
    let (limit, offset) = window(&page);
    let rows = query_as(page!(
        "SELECT id, kind, payload, created_at, expires_at, state, attempts, due_at, problem \
         FROM keyward_mails WHERE ?3 IS NULL OR state = ?3",
        "id"
    ))
    .bind(limit)
    .bind(offset)
    .bind(state.map(MailState::as_str))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    listing::<MailRow, _>(rows)
}

#[derive(FromRow)]
struct InvitationRow {
    name: String,
    inviter_id: Uuid,
    invitee_id: Uuid,
    invitee_role: String,
    expires_at: i64,
}

pub(crate) async fn invitation(db: &SqlitePool, invite: InviteId) -> Result<Option<Invitation>> {
    let row: Option<InvitationRow> = query_as(
        "SELECT orgs.name, inviter_id, invitee_id, invitee_role, expires_at \
         FROM org_invites JOIN orgs ON orgs.id = org_id \
         WHERE org_invites.id = ?1 AND invitee_id IS NOT NULL AND state = 'pending' \
         AND expires_at > CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    )
    .bind(invite.uuid())
    .fetch_optional(db)
    .await
    .map_err(failure)?;
    Ok(row.and_then(|row| {
        Some(Invitation {
            org: Name::stored(row.name),
            inviter: UserId::new(row.inviter_id),
            invitee: UserId::new(row.invitee_id),
            role: row.invitee_role.parse().ok()?,
            expires_at: moment(row.expires_at),
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

/// Two hours are more than anybody puts a mail off for. There is one writer, so nobody comes between.
pub(crate) async fn claim(
    db: &SqlitePool,
    holder: Uuid,
    hold: Duration,
    limit: u32,
) -> Result<Vec<ClaimedMail>> {
    let kinds = json!(Message::KINDS).to_string();
    let mut tx = db.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
    let rows: Vec<ClaimedRow> = query_as(
        "WITH clock (now) AS (SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)) \
         SELECT id, kind, payload, created_at, expires_at, state, attempts, due_at, problem, \
         expires_at <= now AS is_late FROM keyward_mails CROSS JOIN clock \
         WHERE state = 'queued' AND kind IN (SELECT value FROM json_each(?2)) \
         AND (due_at <= now OR due_at > now + 7200000000) ORDER BY due_at, id LIMIT ?1",
    )
    .bind(limit)
    .bind(kinds)
    .fetch_all(&mut *tx)
    .await
    .map_err(failure)?;
    for row in &rows {
        query(
            "UPDATE keyward_mails SET holder = ?2, \
             due_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?3 WHERE id = ?1",
        )
        .bind(row.mail.id)
        .bind(holder)
        .bind(micros(hold))
        .execute(&mut *tx)
        .await
        .map_err(failure)?;
    }
    tx.commit().await.map_err(failure)?;
    rows.into_iter().map(ClaimedMail::try_from).collect()
}

pub(crate) async fn settle(
    db: &SqlitePool,
    id: MailId,
    holder: Uuid,
    verdict: Verdict,
) -> Result<Settled> {
    let (after, tries, problem) = match verdict {
        Verdict::Done => return remove(db, id, holder).await,
        Verdict::Later { after, counts, problem } => (Some(after), i64::from(counts), problem),
        Verdict::Dead { problem } => (None, 1, problem),
    };
    let state: Option<(String,)> = query_as(
        "UPDATE keyward_mails SET holder = NULL, attempts = attempts + ?4, problem = ?5, \
         state = iif(CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?3 < expires_at, \
         'queued', 'dead'), \
         due_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER) + \
         iif(CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?3 < expires_at, ?3, 0) \
         WHERE id = ?1 AND holder = ?2 AND state = 'queued' RETURNING state",
    )
    .bind(id.uuid())
    .bind(holder)
    .bind(after.map(micros))
    .bind(tries)
    .bind(problem)
    .fetch_optional(db)
    .await
    .map_err(failure)?;
    match state {
        Some((state,)) => Ok(Settled::Is(state.parse().map_err(Error::internal)?)),
        None => Ok(Settled::Lost),
    }
}

async fn remove(db: &SqlitePool, id: MailId, holder: Uuid) -> Result<Settled> {
    let removed = query("DELETE FROM keyward_mails WHERE id = ?1 AND holder = ?2")
        .bind(id.uuid())
        .bind(holder)
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(if removed.rows_affected() > 0 { Settled::Gone } else { Settled::Lost })
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
