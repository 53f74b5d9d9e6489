//! Platform invites. Whether one's time is over is asked of the store's clock by every statement that writes; lists are
//! of the moment that their query names.

use auth_domain::error::{Entity, Error, InviteClosed, Result};
use auth_domain::model::{
    Direction, Email, InviteState, Listing, Page, PlatformInvite, PlatformInviteId,
    PlatformInviteOrder, PlatformInviteQuery, Settlement, UserId,
};
use sqlx::{FromRow, SqliteConnection, SqlitePool, query, query_as, query_scalar};
use uuid::Uuid;

use crate::failure::failure;
use crate::rows::{json_array, listing, moment, page, window};

#[derive(FromRow)]
struct PlatformInviteRow {
    id: Uuid,
    invitee_email: String,
    inviter_id: Uuid,
    state: String,
    created_at: i64,
    expires_at: i64,
}

impl TryFrom<PlatformInviteRow> for PlatformInvite {
    type Error = Error;

    fn try_from(row: PlatformInviteRow) -> Result<Self> {
        Ok(Self {
            id: PlatformInviteId::new(row.id),
            email: row.invitee_email.parse().map_err(Error::internal)?,
            inviter: UserId::new(row.inviter_id),
            state: row.state.parse().map_err(Error::internal)?,
            created_at: moment(row.created_at),
            expires_at: moment(row.expires_at),
        })
    }
}

pub(crate) async fn find(db: &SqlitePool, id: PlatformInviteId) -> Result<Option<PlatformInvite>> {
    query_as::<_, PlatformInviteRow>(
        "SELECT id, invitee_email, inviter_id, state, created_at, expires_at \
         FROM keyward_platform_invites WHERE id = ?1",
    )
    .bind(id.uuid())
    .fetch_optional(db)
    .await
    .map_err(failure)?
    .map(PlatformInvite::try_from)
    .transpose()
}

pub(crate) async fn find_pending(db: &SqlitePool, email: &Email) -> Result<Option<PlatformInvite>> {
    query_as::<_, PlatformInviteRow>(
        "SELECT id, invitee_email, inviter_id, state, created_at, expires_at \
         FROM keyward_platform_invites WHERE email_key = ?1 AND state = 'pending'",
    )
    .bind(email.key())
    .fetch_optional(db)
    .await
    .map_err(failure)?
    .map(PlatformInvite::try_from)
    .transpose()
}

pub(crate) async fn list(
    db: &SqlitePool,
    query: &PlatformInviteQuery,
    page: Page<PlatformInviteOrder>,
) -> Result<Listing<PlatformInvite>> {
    let (limit, offset) = window(&page);
    let rows = query_as(list_statement(page.order, page.direction))
        .bind(limit)
        .bind(offset)
        .bind(query.email.to_lowercase())
        .bind(json_array(query.states.iter().map(|state| state.as_str().to_owned())))
        .bind(query.at.micros())
        .fetch_all(db)
        .await
        .map_err(failure)?;
    listing::<PlatformInviteRow, _>(rows)
}

const fn list_statement(order: PlatformInviteOrder, direction: Direction) -> &'static str {
    macro_rules! by {
        ($order:literal) => {
            page!(
                "SELECT id, invitee_email, inviter_id, state, created_at, expires_at \
                 FROM keyward_platform_invites WHERE instr(email_lower, ?3) > 0 \
                 AND CASE WHEN state = 'pending' AND expires_at <= ?5 THEN 'expired' \
                 ELSE state END IN (SELECT value FROM json_each(?4))",
                $order
            )
        };
    }
    match (order, direction) {
        (PlatformInviteOrder::Id, Direction::Ascending) => by!("id"),
        (PlatformInviteOrder::Id, Direction::Descending) => by!("id DESC"),
    }
}

/// One to the same address whose time is over makes room first, and what waits for it ends.
pub(crate) async fn insert(db: &mut SqliteConnection, invite: &PlatformInvite) -> Result<()> {
    expire(db, Some(invite.email.key())).await?;
    query(
        "INSERT INTO keyward_platform_invites (id, invitee_email, email_lower, email_key, \
         inviter_id, state, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .bind(invite.id.uuid())
    .bind(invite.email.as_str())
    .bind(invite.email.as_str().to_lowercase())
    .bind(invite.email.key())
    .bind(invite.inviter.uuid())
    .bind(invite.state.as_str())
    .bind(invite.created_at.micros())
    .bind(invite.expires_at.micros())
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

/// Of several at once one finds it pending.
pub(crate) async fn settle(
    db: &mut SqliteConnection,
    id: PlatformInviteId,
    to: Settlement,
) -> Result<()> {
    let settled = query(
        "UPDATE keyward_platform_invites SET state = ?2 \
         WHERE id = ?1 AND state = 'pending' \
         AND expires_at > CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    )
    .bind(id.uuid())
    .bind(InviteState::from(to).as_str())
    .execute(&mut *db)
    .await
    .map_err(failure)?;
    if settled.rows_affected() > 0 {
        return Ok(());
    }
    let state: Option<String> =
        query_scalar("SELECT state FROM keyward_platform_invites WHERE id = ?1")
            .bind(id.uuid())
            .fetch_optional(db)
            .await
            .map_err(failure)?;
    Err(match state.as_deref() {
        None => Error::NotFound(Entity::Invite),
        Some("pending" | "expired") => InviteClosed::Expired.into(),
        Some(_) => InviteClosed::Settled.into(),
    })
}

/// Notes what has expired, all of it or what went to one address, and what waited for that.
pub(crate) async fn expire(db: &mut SqliteConnection, email_key: Option<&str>) -> Result<()> {
    let expired = query(
        "UPDATE keyward_platform_invites SET state = 'expired' WHERE state = 'pending' \
         AND expires_at <= CAST(unixepoch('subsec') * 1000000 AS INTEGER) AND email_key = coalesce(?1, email_key)",
    )
    .bind(email_key)
    .execute(&mut *db)
    .await
    .map_err(failure)?;
    if expired.rows_affected() == 0 {
        return Ok(());
    }
    query(
        "UPDATE org_invites SET state = 'expired' \
         WHERE state = 'pending' AND invitee_id IS NULL AND id IN (SELECT org_invite_id \
         FROM dormant_org_invites JOIN keyward_platform_invites AS gone \
         ON gone.id = platform_invite_id WHERE gone.state = 'expired')",
    )
    .execute(&mut *db)
    .await
    .map_err(failure)?;
    query(
        "DELETE FROM dormant_org_invites WHERE platform_invite_id IN \
         (SELECT id FROM keyward_platform_invites WHERE state = 'expired')",
    )
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}
