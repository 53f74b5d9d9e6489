//! Invites.
//!
//! Whether an invite's time is over is asked of this machine's clock by every statement that writes; lists
//! are of the moment that their query names.

use auth_domain::Timestamp;
use auth_domain::error::{Conflict, Entity, Error, InviteClosed, Result};
use auth_domain::model::{
    Direction, Invite, InviteId, InviteOrder, InviteQuery, InviteState, InvitesOf, Listing, Name,
    OrgId, OrgInvite, Page, PlatformInviteId, Rival, Settlement, UserId, WaitingInvite,
};
use sqlx::{FromRow, SqliteConnection, SqlitePool, query, query_as, query_scalar};
use uuid::Uuid;

use crate::failure::failure;
use crate::rows::{listing, moment, page, window};

#[derive(FromRow)]
pub(crate) struct InviteRow {
    id: Uuid,
    invitee_id: Option<Uuid>,
    inviter_id: Uuid,
    org_id: Uuid,
    invitee_role: String,
    created_at: i64,
    expires_at: i64,
    state: String,
}

impl TryFrom<InviteRow> for Invite {
    type Error = Error;

    fn try_from(row: InviteRow) -> Result<Self> {
        Ok(Self {
            id: InviteId::new(row.id),
            org: OrgId::new(row.org_id),
            inviter: UserId::new(row.inviter_id),
            invitee: row.invitee_id.map(UserId::new),
            role: row.invitee_role.parse().map_err(Error::internal)?,
            state: row.state.parse().map_err(Error::internal)?,
            created_at: moment(row.created_at),
            expires_at: moment(row.expires_at),
        })
    }
}

#[derive(FromRow)]
struct OrgInviteRow {
    #[sqlx(flatten)]
    invite: InviteRow,
    org_name: String,
}

impl TryFrom<OrgInviteRow> for OrgInvite {
    type Error = Error;

    fn try_from(row: OrgInviteRow) -> Result<Self> {
        Ok(Self { invite: row.invite.try_into()?, org_name: Name::stored(row.org_name) })
    }
}

#[derive(FromRow)]
struct WaitingRow {
    #[sqlx(flatten)]
    invite: InviteRow,
    is_member: bool,
    rival_id: Option<Uuid>,
    rival_role: Option<String>,
    rival_created_at: Option<i64>,
}

impl TryFrom<WaitingRow> for WaitingInvite {
    type Error = Error;

    fn try_from(row: WaitingRow) -> Result<Self> {
        let rival = match (row.rival_id, row.rival_role, row.rival_created_at) {
            (Some(id), Some(role), Some(created_at)) => Some(Rival {
                id: InviteId::new(id),
                role: role.parse().map_err(Error::internal)?,
                created_at: moment(created_at),
            }),
            _ => None,
        };
        Ok(Self { invite: row.invite.try_into()?, is_member: row.is_member, rival })
    }
}

/// Words as a list that statements can read.
fn words(states: &[InviteState]) -> Result<String> {
    let words: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    serde_json::to_string(&words).map_err(Error::internal)
}

pub(crate) async fn find(db: &SqlitePool, id: InviteId) -> Result<Option<OrgInvite>> {
    query_as::<_, OrgInviteRow>(
        "SELECT invite.id, invitee_id, inviter_id, org_id, invitee_role, invite.created_at, \
         expires_at, state, coalesce(orgs.name, '') AS org_name \
         FROM org_invites AS invite LEFT JOIN orgs ON orgs.id = org_id WHERE invite.id = ?1",
    )
    .bind(id.uuid())
    .fetch_optional(db)
    .await
    .map_err(failure)?
    .map(OrgInvite::try_from)
    .transpose()
}

pub(crate) async fn list(
    db: &SqlitePool,
    query: &InviteQuery,
    page: Page<InviteOrder>,
) -> Result<Listing<OrgInvite>> {
    let (limit, offset) = window(&page);
    let whose = match query.of {
        InvitesOf::Org(org) => org.uuid(),
        InvitesOf::Invitee(user) | InvitesOf::Inviter(user) => user.uuid(),
    };
    let rows = query_as(list_statement(query.of, page.order, page.direction))
        .bind(limit)
        .bind(offset)
        .bind(whose)
        .bind(words(&query.states)?)
        .bind(query.at.micros())
        .fetch_all(db)
        .await
        .map_err(failure)?;
    listing::<OrgInviteRow, _>(rows)
}

const fn list_statement(of: InvitesOf, order: InviteOrder, direction: Direction) -> &'static str {
    macro_rules! by {
        ($whose:literal, $order:literal) => {
            page!(
                concat!(
                    "SELECT invite.id, invitee_id, inviter_id, org_id, invitee_role, \
                     invite.created_at, expires_at, state, coalesce(orgs.name, '') AS org_name, \
                     CASE WHEN state = 'pending' AND expires_at <= ?5 THEN 'expired' \
                     ELSE state END AS shown_state \
                     FROM org_invites AS invite LEFT JOIN orgs ON orgs.id = org_id \
                     WHERE ",
                    $whose,
                    " = ?3 AND invitee_id IS NOT NULL \
                     AND CASE WHEN state = 'pending' AND expires_at <= ?5 THEN 'expired' \
                     ELSE state END IN (SELECT value FROM json_each(?4))"
                ),
                $order
            )
        };
    }
    macro_rules! ordered {
        ($whose:literal) => {
            match (order, direction) {
                (InviteOrder::Id, Direction::Ascending) => by!($whose, "id"),
                (InviteOrder::Id, Direction::Descending) => by!($whose, "id DESC"),
                (InviteOrder::InviteeId, Direction::Ascending) => by!($whose, "invitee_id, id"),
                (InviteOrder::InviteeId, Direction::Descending) => {
                    by!($whose, "invitee_id DESC, id DESC")
                }
                (InviteOrder::InviterId, Direction::Ascending) => by!($whose, "inviter_id, id"),
                (InviteOrder::InviterId, Direction::Descending) => {
                    by!($whose, "inviter_id DESC, id DESC")
                }
                (InviteOrder::OrgId, Direction::Ascending) => by!($whose, "org_id, id"),
                (InviteOrder::OrgId, Direction::Descending) => by!($whose, "org_id DESC, id DESC"),
                (InviteOrder::State, Direction::Ascending) => by!($whose, "shown_state, id"),
                (InviteOrder::State, Direction::Descending) => {
                    by!($whose, "shown_state DESC, id DESC")
                }
                (InviteOrder::CreatedAt, Direction::Ascending) => by!($whose, "created_at, id"),
                (InviteOrder::CreatedAt, Direction::Descending) => {
                    by!($whose, "created_at DESC, id DESC")
                }
            }
        };
    }
    match of {
        InvitesOf::Org(_) => ordered!("org_id"),
        InvitesOf::Invitee(_) => ordered!("invitee_id"),
        InvitesOf::Inviter(_) => ordered!("inviter_id"),
    }
}

pub(crate) async fn dormant(
    db: &SqlitePool,
    waits_for: PlatformInviteId,
) -> Result<Option<OrgInvite>> {
    query_as::<_, OrgInviteRow>(
        "SELECT invite.id, invitee_id, inviter_id, org_id, invitee_role, invite.created_at, \
         expires_at, state, coalesce(orgs.name, '') AS org_name \
         FROM dormant_org_invites JOIN org_invites AS invite ON invite.id = org_invite_id \
         LEFT JOIN orgs ON orgs.id = org_id \
         WHERE platform_invite_id = ?1 AND invitee_id IS NULL AND state = 'pending' \
         AND invitee_role IN ('viewer', 'editor', 'admin') \
         ORDER BY invite.created_at DESC, invite.id DESC LIMIT 1",
    )
    .bind(waits_for.uuid())
    .fetch_optional(db)
    .await
    .map_err(failure)?
    .map(OrgInvite::try_from)
    .transpose()
}

pub(crate) async fn waiting(
    db: &SqlitePool,
    waits_for: PlatformInviteId,
    user: UserId,
) -> Result<Vec<WaitingInvite>> {
    query_as::<_, WaitingRow>(
        "SELECT invite.id, invite.invitee_id, invite.inviter_id, invite.org_id, \
         invite.invitee_role, invite.created_at, invite.expires_at, invite.state, \
         EXISTS (SELECT 1 FROM org_memberships AS membership \
         WHERE member_id = ?2 AND membership.org_id = invite.org_id) AS is_member, \
         rival.id AS rival_id, rival.invitee_role AS rival_role, \
         rival.created_at AS rival_created_at \
         FROM dormant_org_invites JOIN org_invites AS invite ON invite.id = org_invite_id \
         LEFT JOIN org_invites AS rival ON rival.invitee_id = ?2 \
         AND rival.org_id = invite.org_id AND rival.state = 'pending' \
         AND rival.expires_at > CAST(unixepoch('subsec') * 1000000 AS INTEGER) \
         AND rival.invitee_role IN ('viewer', 'editor', 'admin') \
         WHERE platform_invite_id = ?1 AND invite.invitee_id IS NULL \
         AND invite.state = 'pending' AND invite.invitee_role IN ('viewer', 'editor', 'admin') \
         ORDER BY invite.org_id, invite.id",
    )
    .bind(waits_for.uuid())
    .bind(user.uuid())
    .fetch_all(db)
    .await
    .map_err(failure)?
    .into_iter()
    .map(WaitingInvite::try_from)
    .collect()
}

pub(crate) async fn insert(db: &mut SqliteConnection, invite: &Invite) -> Result<()> {
    if let Some(invitee) = invite.invitee {
        clear_the_way(db, invite.org, invitee).await?;
    }
    query(
        "INSERT INTO org_invites \
         (id, invitee_id, inviter_id, org_id, invitee_role, created_at, expires_at, state) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .bind(invite.id.uuid())
    .bind(invite.invitee.map(UserId::uuid))
    .bind(invite.inviter.uuid())
    .bind(invite.org.uuid())
    .bind(invite.role.as_str())
    .bind(invite.created_at.micros())
    .bind(invite.expires_at.micros())
    .bind(invite.state.as_str())
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(crate) async fn insert_dormant(
    db: &mut SqliteConnection,
    invite: &Invite,
    waits_for: PlatformInviteId,
) -> Result<()> {
    insert(db, invite).await?;
    query("INSERT INTO dormant_org_invites (org_invite_id, platform_invite_id) VALUES (?1, ?2)")
        .bind(invite.id.uuid())
        .bind(waits_for.uuid())
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

/// Notes that an invite has expired which nobody can accept any more; members need none.
async fn clear_the_way(db: &mut SqliteConnection, org: OrgId, invitee: UserId) -> Result<()> {
    query(
        "UPDATE org_invites SET state = 'expired' \
         WHERE invitee_id = ?1 AND org_id = ?2 AND state = 'pending' \
         AND NOT (expires_at > CAST(unixepoch('subsec') * 1000000 AS INTEGER) \
         AND invitee_role IN ('viewer', 'editor', 'admin'))",
    )
    .bind(invitee.uuid())
    .bind(org.uuid())
    .execute(&mut *db)
    .await
    .map_err(failure)?;
    let is_member: bool = query_scalar(
        "SELECT EXISTS (SELECT 1 FROM org_memberships WHERE member_id = ?1 AND org_id = ?2)",
    )
    .bind(invitee.uuid())
    .bind(org.uuid())
    .fetch_one(db)
    .await
    .map_err(failure)?;
    if is_member { Err(Error::AlreadyExists(Entity::Membership)) } else { Ok(()) }
}

pub(crate) async fn activate(
    db: &mut SqliteConnection,
    id: InviteId,
    org: OrgId,
    invitee: UserId,
    expires_at: Timestamp,
) -> Result<()> {
    clear_the_way(db, org, invitee).await?;
    let activated = query(
        "UPDATE org_invites SET invitee_id = ?3, expires_at = ?4 \
         WHERE id = ?1 AND org_id = ?2 AND invitee_id IS NULL AND state = 'pending'",
    )
    .bind(id.uuid())
    .bind(org.uuid())
    .bind(invitee.uuid())
    .bind(expires_at.micros())
    .execute(&mut *db)
    .await
    .map_err(failure)?;
    if activated.rows_affected() == 0 {
        return Err(match state(db, id, org).await? {
            None => Error::NotFound(Entity::Invite),
            Some(_) => Conflict::InviteAnswered.into(),
        });
    }
    unlink(db, id).await
}

pub(crate) async fn settle(
    db: &mut SqliteConnection,
    id: InviteId,
    org: OrgId,
    to: Settlement,
) -> Result<()> {
    let settled = query(
        "UPDATE org_invites SET state = ?3 WHERE id = ?1 AND org_id = ?2 AND state = 'pending' \
         AND (invitee_id IS NULL OR expires_at > CAST(unixepoch('subsec') * 1000000 AS INTEGER))",
    )
    .bind(id.uuid())
    .bind(org.uuid())
    .bind(InviteState::from(to).as_str())
    .execute(&mut *db)
    .await
    .map_err(failure)?;
    if settled.rows_affected() == 0 {
        return Err(match state(db, id, org).await?.as_deref() {
            None => Error::NotFound(Entity::Invite),
            Some("pending" | "expired") => InviteClosed::Expired.into(),
            Some(_) => Conflict::InviteAnswered.into(),
        });
    }
    unlink(db, id).await
}

async fn state(db: &mut SqliteConnection, id: InviteId, org: OrgId) -> Result<Option<String>> {
    query_scalar("SELECT state FROM org_invites WHERE id = ?1 AND org_id = ?2")
        .bind(id.uuid())
        .bind(org.uuid())
        .fetch_optional(db)
        .await
        .map_err(failure)
}

/// It waits for nothing any more.
async fn unlink(db: &mut SqliteConnection, id: InviteId) -> Result<()> {
    query("DELETE FROM dormant_org_invites WHERE org_invite_id = ?1")
        .bind(id.uuid())
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SqliteStore;

    #[tokio::test]
    async fn d34_a_page_of_invites_is_read_by_an_index() {
        let store = SqliteStore::in_memory().await.unwrap();
        let one = Uuid::from_u128(1);
        for (of, index) in [
            (InvitesOf::Org(OrgId::new(one)), "org_invites_org_id_state"),
            (InvitesOf::Invitee(UserId::new(one)), "org_invites_invitee_id"),
            (InvitesOf::Inviter(UserId::new(one)), "org_invites_inviter_id"),
        ] {
            let statement = list_statement(of, InviteOrder::Id, Direction::Descending);
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let plan: Vec<(i64, i64, i64, String)> = query_as(explain)
                .bind(10)
                .bind(0)
                .bind(one)
                .bind("[]")
                .bind(0)
                .fetch_all(&store.readers)
                .await
                .unwrap();
            let steps: Vec<_> = plan.iter().map(|(.., step)| step.as_str()).collect();
            let reads: Vec<_> = steps.iter().filter(|step| step.contains("invite USING")).collect();
            assert!(!reads.is_empty(), "{steps:#?}");
            assert!(reads.iter().all(|read| read.contains(index)), "{steps:#?}");
        }
    }
}
