//! Invites.
//!
//! Rows with a role or a state that does not exist are not read: each statement names the words it wants.
//! Whether an invite's time is over is asked of the server's clock, at the moment a row is locked, by every
//! statement that writes; lists are of the moment that their query names.

use auth_domain::Timestamp;
use auth_domain::error::{Conflict, Entity, Error, InviteClosed, Result};
use auth_domain::model::{
    Direction, Invite, InviteId, InviteOrder, InviteQuery, InviteState, InvitesOf, Listing, Name,
    OrgId, OrgInvite, OrgRole, Page, PlatformInviteId, Rival, Settlement, UserId, WaitingInvite,
};
use sqlx::{FromRow, PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::connections::Connections;
use crate::failure::failure;
use crate::moment::Moment;
use crate::rows::{listing, moment, page, window};

#[derive(FromRow)]
pub(crate) struct InviteRow {
    id: Uuid,
    invitee_id: Option<Uuid>,
    inviter_id: Uuid,
    org_id: Uuid,
    invitee_role: String,
    created_at: Option<Moment>,
    expires_at: Option<Moment>,
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
    org_name: Option<String>,
}

impl TryFrom<OrgInviteRow> for OrgInvite {
    type Error = Error;

    fn try_from(row: OrgInviteRow) -> Result<Self> {
        let org_name = Name::stored(row.org_name.unwrap_or_default());
        Ok(Self { invite: row.invite.try_into()?, org_name })
    }
}

#[derive(FromRow)]
struct WaitingRow {
    #[sqlx(flatten)]
    invite: InviteRow,
    is_member: bool,
    rival_id: Option<Uuid>,
    rival_role: Option<String>,
    rival_created_at: Option<Moment>,
}

impl TryFrom<WaitingRow> for WaitingInvite {
    type Error = Error;

    fn try_from(row: WaitingRow) -> Result<Self> {
        let rival = match (row.rival_id, row.rival_role) {
            (Some(id), Some(role)) => Some(Rival {
                id: InviteId::new(id),
                role: role.parse().map_err(Error::internal)?,
                created_at: moment(row.rival_created_at),
            }),
            _ => None,
        };
        Ok(Self { invite: row.invite.try_into()?, is_member: row.is_member, rival })
    }
}

/// Every role there is.
fn roles() -> Vec<&'static str> {
    OrgRole::ALL.map(OrgRole::as_str).to_vec()
}

/// The roles an invite can give.
fn given() -> Vec<&'static str> {
    OrgRole::GIVEN.map(OrgRole::as_str).to_vec()
}

fn words(states: &[InviteState]) -> Vec<&'static str> {
    states.iter().map(|state| state.as_str()).collect()
}

/// What the column of an invite in one of these states can hold: one that has expired may still be
/// written down as pending.
fn stored(states: &[InviteState]) -> Vec<&'static str> {
    let mut stored = words(states);
    if states.contains(&InviteState::Expired) && !states.contains(&InviteState::Pending) {
        stored.push(InviteState::Pending.as_str());
    }
    stored
}

pub(crate) async fn find(db: &Connections, id: InviteId) -> Result<Option<OrgInvite>> {
    let row: Option<OrgInviteRow> = db
        .optional(|| {
            query_as(
                "SELECT invite.id, invitee_id, inviter_id, org_id, invitee_role, \
                 invite.created_at, expires_at, state, orgs.name AS org_name \
                 FROM org_invites AS invite LEFT JOIN orgs ON orgs.id = org_id \
                 WHERE invite.id = $1 AND invitee_role = ANY ($2) AND state = ANY ($3)",
            )
            .bind(id.uuid())
            .bind(roles())
            .bind(words(&InviteState::ALL))
        })
        .await?;
    row.map(OrgInvite::try_from).transpose()
}

pub(crate) async fn list(
    db: &Connections,
    query: &InviteQuery,
    page: Page<InviteOrder>,
) -> Result<Listing<OrgInvite>> {
    let (limit, offset) = window(&page);
    let statement = list_statement(query.of, page.order, page.direction);
    let whose = match query.of {
        InvitesOf::Org(org) => org.uuid(),
        InvitesOf::Invitee(user) | InvitesOf::Inviter(user) => user.uuid(),
    };
    let rows = db
        .all(|| {
            query_as(statement)
                .bind(limit)
                .bind(offset)
                .bind(whose)
                .bind(roles())
                .bind(stored(&query.states))
                .bind(words(&query.states))
                .bind(Moment(query.at))
        })
        .await?;
    listing::<OrgInviteRow, _>(rows)
}

/// A row without a time comes before all others, as the year 1 it is shown with, and has expired.
const fn list_statement(of: InvitesOf, order: InviteOrder, direction: Direction) -> &'static str {
    macro_rules! by {
        ($whose:literal, $order:literal) => {
            page!(
                concat!(
                    "SELECT invite.id, invitee_id, inviter_id, org_id, invitee_role, \
                     invite.created_at, expires_at, state, orgs.name AS org_name, \
                     CASE WHEN state = 'pending' AND coalesce(expires_at, '-infinity') <= $7 \
                     THEN 'expired' ELSE state END COLLATE \"C\" AS shown_state, \
                     coalesce(invite.created_at, '-infinity') AS created \
                     FROM org_invites AS invite LEFT JOIN orgs ON orgs.id = org_id \
                     WHERE ",
                    $whose,
                    " = $3 AND invitee_id IS NOT NULL AND invitee_role = ANY ($4) \
                     AND state = ANY ($5) \
                     AND CASE WHEN state = 'pending' AND coalesce(expires_at, '-infinity') <= $7 \
                     THEN 'expired' ELSE state END = ANY ($6)"
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
                (InviteOrder::CreatedAt, Direction::Ascending) => by!($whose, "created, id"),
                (InviteOrder::CreatedAt, Direction::Descending) => {
                    by!($whose, "created DESC, id DESC")
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
    db: &Connections,
    waits_for: PlatformInviteId,
) -> Result<Option<OrgInvite>> {
    let row: Option<OrgInviteRow> = db
        .optional(|| {
            query_as(
                "SELECT invite.id, invitee_id, inviter_id, org_id, invitee_role, \
                 invite.created_at, expires_at, state, orgs.name AS org_name \
                 FROM dormant_org_invites JOIN org_invites AS invite ON invite.id = org_invite_id \
                 LEFT JOIN orgs ON orgs.id = org_id \
                 WHERE platform_invite_id = $1 AND invitee_id IS NULL AND state = 'pending' \
                 AND invitee_role = ANY ($2) \
                 ORDER BY coalesce(invite.created_at, '-infinity') DESC, invite.id DESC LIMIT 1",
            )
            .bind(waits_for.uuid())
            .bind(given())
        })
        .await?;
    row.map(OrgInvite::try_from).transpose()
}

pub(crate) async fn waiting(
    db: &Connections,
    waits_for: PlatformInviteId,
    user: UserId,
) -> Result<Vec<WaitingInvite>> {
    let rows: Vec<WaitingRow> = db
        .all(|| {
            query_as(
                "SELECT invite.id, invite.invitee_id, invite.inviter_id, invite.org_id, \
                 invite.invitee_role, invite.created_at, invite.expires_at, invite.state, \
                 EXISTS (SELECT 1 FROM org_memberships AS membership \
                 WHERE member_id = $2 AND membership.org_id = invite.org_id) AS is_member, \
                 rival.id AS rival_id, rival.invitee_role AS rival_role, \
                 rival.created_at AS rival_created_at \
                 FROM dormant_org_invites JOIN org_invites AS invite ON invite.id = org_invite_id \
                 LEFT JOIN org_invites AS rival ON rival.invitee_id = $2 \
                 AND rival.org_id = invite.org_id AND rival.state = 'pending' \
                 AND rival.expires_at > clock_timestamp() AND rival.invitee_role = ANY ($3) \
                 WHERE platform_invite_id = $1 AND invite.invitee_id IS NULL \
                 AND invite.state = 'pending' AND invite.invitee_role = ANY ($3) \
                 ORDER BY invite.org_id, invite.id",
            )
            .bind(waits_for.uuid())
            .bind(user.uuid())
            .bind(given())
        })
        .await?;
    rows.into_iter().map(WaitingInvite::try_from).collect()
}

pub(crate) async fn insert(db: &mut PgConnection, invite: &Invite) -> Result<()> {
    if let Some(invitee) = invite.invitee {
        clear_the_way(db, invite.org, invitee).await?;
    }
    query(
        "INSERT INTO org_invites \
         (id, invitee_id, inviter_id, org_id, invitee_role, created_at, expires_at, state) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(invite.id.uuid())
    .bind(invite.invitee.map(UserId::uuid))
    .bind(invite.inviter.uuid())
    .bind(invite.org.uuid())
    .bind(invite.role.as_str())
    .bind(Moment(invite.created_at))
    .bind(Moment(invite.expires_at))
    .bind(invite.state.as_str())
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(crate) async fn insert_dormant(
    db: &mut PgConnection,
    invite: &Invite,
    waits_for: PlatformInviteId,
) -> Result<()> {
    insert(db, invite).await?;
    query("INSERT INTO dormant_org_invites (org_invite_id, platform_invite_id) VALUES ($1, $2)")
        .bind(invite.id.uuid())
        .bind(waits_for.uuid())
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

/// Notes that an invite has expired which nobody can accept any more; members need none.
async fn clear_the_way(db: &mut PgConnection, org: OrgId, invitee: UserId) -> Result<()> {
    query(
        "UPDATE org_invites SET state = 'expired' \
         WHERE invitee_id = $1 AND org_id = $2 AND state = 'pending' \
         AND NOT (coalesce(expires_at, '-infinity') > clock_timestamp() AND invitee_role = ANY ($3))",
    )
    .bind(invitee.uuid())
    .bind(org.uuid())
    .bind(given())
    .execute(&mut *db)
    .await
    .map_err(failure)?;
    let is_member: bool = query_scalar(
        "SELECT EXISTS (SELECT 1 FROM org_memberships WHERE member_id = $1 AND org_id = $2)",
    )
    .bind(invitee.uuid())
    .bind(org.uuid())
    .fetch_one(db)
    .await
    .map_err(failure)?;
    if is_member { Err(Error::AlreadyExists(Entity::Membership)) } else { Ok(()) }
}

pub(crate) async fn activate(
    db: &mut PgConnection,
    id: InviteId,
    org: OrgId,
    invitee: UserId,
    expires_at: Timestamp,
) -> Result<()> {
    clear_the_way(db, org, invitee).await?;
    let activated = query(
        "UPDATE org_invites SET invitee_id = $3, expires_at = $4 \
         WHERE id = $1 AND org_id = $2 AND invitee_id IS NULL AND state = 'pending'",
    )
    .bind(id.uuid())
    .bind(org.uuid())
    .bind(invitee.uuid())
    .bind(Moment(expires_at))
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
    db: &mut PgConnection,
    id: InviteId,
    org: OrgId,
    to: Settlement,
) -> Result<()> {
    let settled = query(
        "UPDATE org_invites SET state = $3 WHERE id = $1 AND org_id = $2 AND state = 'pending' \
         AND (invitee_id IS NULL OR expires_at > clock_timestamp())",
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

async fn state(db: &mut PgConnection, id: InviteId, org: OrgId) -> Result<Option<String>> {
    query_scalar("SELECT state FROM org_invites WHERE id = $1 AND org_id = $2")
        .bind(id.uuid())
        .bind(org.uuid())
        .fetch_optional(db)
        .await
        .map_err(failure)
}

/// It waits for nothing any more.
async fn unlink(db: &mut PgConnection, id: InviteId) -> Result<()> {
    query("DELETE FROM dormant_org_invites WHERE org_invite_id = $1")
        .bind(id.uuid())
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use auth_domain::ports::Invites;
    use auth_testkit::Postgres;
    use sqlx::{AssertSqlSafe, query_scalar};

    use super::*;
    use crate::{PgConfig, PgStore};

    #[tokio::test]
    async fn d34_a_page_among_many_invites_is_read_by_an_index() {
        let database = Postgres::shared().await.unwrap().database().await.unwrap();
        let config = PgConfig::new(
            &database.host,
            database.port,
            &database.user,
            database.password.clone().into(),
            &database.name,
        );
        let store = PgStore::connect(&config).await.unwrap();
        // A thousand orgs with a hundred invites each; everybody has made, and got, a hundred.
        let one = Uuid::from_u128(1);
        database
            .execute(
                "CREATE FUNCTION number(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE \
                 RETURN lpad(to_hex(n), 32, '0')::uuid; \
                 INSERT INTO orgs (id, owner_id, name) \
                 SELECT number(n), number(n), 'acme' FROM generate_series(1, 1000) AS n; \
                 INSERT INTO org_invites \
                 SELECT gen_random_uuid(), number(1 + n / 1000 * 7 % 1000 + n % 7), number(1 + n % 1000), \
                 number(1 + n % 1000), 'viewer', now(), now() + '7 days', 'declined' \
                 FROM generate_series(0, 99999) AS n",
            )
            .await
            .unwrap();
        database.execute("VACUUM ANALYZE org_invites").await.unwrap();
        let mut db = database.connect().await.unwrap();
        for (of, index) in [
            (InvitesOf::Org(OrgId::new(one)), "keyward_org_invites_org_id_state"),
            (InvitesOf::Invitee(UserId::new(one)), "keyward_org_invites_invitee_id"),
            (InvitesOf::Inviter(UserId::new(one)), "keyward_org_invites_inviter_id"),
        ] {
            let statement = list_statement(of, InviteOrder::Id, Direction::Descending);
            let plan: Vec<String> = query_scalar(AssertSqlSafe(format!("EXPLAIN {statement}")))
                .bind(10_i64)
                .bind(0_i64)
                .bind(one)
                .bind(roles())
                .bind(stored(&InviteState::ALL))
                .bind(words(&InviteState::ALL))
                .bind(Moment(Timestamp::from_seconds(0)))
                .fetch_all(&mut db)
                .await
                .unwrap();
            let plan = plan.join("\n");
            assert!(plan.contains(index) && !plan.contains("Seq Scan on org_invites"), "{plan}");
            let query = InviteQuery {
                of,
                states: InviteState::ALL.to_vec(),
                at: Timestamp::from_seconds(0),
            };
            let page = Page::new(0, 10, InviteOrder::Id, Direction::Descending).unwrap();
            let begun = Instant::now();
            let listing = store.invites(&query, page).await.unwrap();
            println!("100000 invites, a page of 10 of {of:?}: {:?}", begun.elapsed());
            assert!(listing.items.len() == 10 && listing.total >= 100, "{}", listing.total);
        }
    }
}
