//! Who belongs to an org.
//!
//! Rows with a role that does not exist are not read: each statement names the roles it wants.

use auth_domain::Timestamp;
use auth_domain::error::{Conflict, Entity, Error, Result};
use auth_domain::model::{
    Direction, Listing, Member, MemberOrder, MemberQuery, Membership, OrgId, OrgRole, Page, UserId,
};
use sqlx::{FromRow, PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::connections::Connections;
use crate::failure::failure;
use crate::group_members;
use crate::moment::Moment;
use crate::rows::{listing, moment, page, window};

#[derive(FromRow)]
pub(crate) struct MembershipRow {
    member_id: Uuid,
    org_id: Uuid,
    role: String,
    created_at: Option<Moment>,
    updated_at: Option<Moment>,
}

impl TryFrom<MembershipRow> for Membership {
    type Error = Error;

    fn try_from(row: MembershipRow) -> Result<Self> {
        Ok(Self {
            org: OrgId::new(row.org_id),
            member: UserId::new(row.member_id),
            role: row.role.parse().map_err(Error::internal)?,
            created_at: moment(row.created_at),
            updated_at: moment(row.updated_at),
        })
    }
}

#[derive(FromRow)]
struct MemberRow {
    #[sqlx(flatten)]
    membership: MembershipRow,
    email: String,
}

impl TryFrom<MemberRow> for Member {
    type Error = Error;

    fn try_from(row: MemberRow) -> Result<Self> {
        Ok(Self { membership: row.membership.try_into()?, email: row.email })
    }
}

/// The roles to look for.
pub(crate) fn words(role: Option<OrgRole>) -> Vec<&'static str> {
    let wanted = |other: &OrgRole| role.is_none_or(|role| role == *other);
    OrgRole::ALL.into_iter().filter(wanted).map(OrgRole::as_str).collect()
}

pub(crate) async fn find(
    db: &Connections,
    org: OrgId,
    member: UserId,
) -> Result<Option<Membership>> {
    let row: Option<MembershipRow> = db
        .optional(|| {
            query_as(
                "SELECT member_id, org_id, role, created_at, updated_at FROM org_memberships \
                 WHERE member_id = $1 AND org_id = $2 AND role = ANY ($3)",
            )
            .bind(member.uuid())
            .bind(org.uuid())
            .bind(words(None))
        })
        .await?;
    row.map(Membership::try_from).transpose()
}

pub(crate) async fn list(
    db: &Connections,
    org: OrgId,
    role: Option<OrgRole>,
    page: Page<()>,
) -> Result<Listing<Membership>> {
    let (limit, offset) = window(&page);
    let statement = list_statement(role, page.direction);
    let rows = db
        .all(|| query_as(statement).bind(limit).bind(offset).bind(org.uuid()).bind(words(role)))
        .await?;
    listing::<MembershipRow, _>(rows)
}

/// One role is named by itself, so that an index has its members in order. `$4` holds it, or all.
const fn list_statement(role: Option<OrgRole>, direction: Direction) -> &'static str {
    macro_rules! by {
        ($role:literal, $order:literal) => {
            page!(
                concat!(
                    "SELECT member_id, org_id, role, created_at, updated_at FROM org_memberships \
                     WHERE org_id = $3 AND role = ",
                    $role
                ),
                $order,
                "SELECT coalesce(sum(members), 0)::bigint FROM keyward_member_counts \
                 WHERE org_id = $3 AND role = ANY ($4)"
            )
        };
    }
    match (role, direction) {
        (None, Direction::Ascending) => by!("ANY ($4)", "member_id"),
        (None, Direction::Descending) => by!("ANY ($4)", "member_id DESC"),
        (Some(_), Direction::Ascending) => by!("$4[1]", "member_id"),
        (Some(_), Direction::Descending) => by!("$4[1]", "member_id DESC"),
    }
}

pub(crate) async fn after(
    db: &Connections,
    org: OrgId,
    role: Option<OrgRole>,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<Membership>> {
    macro_rules! of {
        ($role:literal) => {
            concat!(
                "SELECT member_id, org_id, role, created_at, updated_at FROM org_memberships \
                 WHERE org_id = $1 AND role = ",
                $role,
                " AND ($3::uuid IS NULL OR member_id > $3) ORDER BY member_id LIMIT $4"
            )
        };
    }
    let statement = if role.is_none() { of!("ANY ($2)") } else { of!("$2[1]") };
    let rows: Vec<MembershipRow> = db
        .all(|| {
            query_as(statement)
                .bind(org.uuid())
                .bind(words(role))
                .bind(after.map(UserId::uuid))
                .bind(i64::from(limit))
        })
        .await?;
    rows.into_iter().map(Membership::try_from).collect()
}

pub(crate) async fn search(
    db: &Connections,
    query: &MemberQuery,
    page: Page<MemberOrder>,
) -> Result<Listing<Member>> {
    if query.email.contains('\0') {
        // No address does, and PostgreSQL would not even take the question.
        return Ok(Listing { items: Vec::new(), total: 0 });
    }
    let (limit, offset) = window(&page);
    let statement = search_statement(page.order, page.direction);
    let rows = db
        .all(|| {
            query_as(statement)
                .bind(limit)
                .bind(offset)
                .bind(query.org.uuid())
                .bind(words(query.role))
                .bind(query.email.to_lowercase())
        })
        .await?;
    listing::<MemberRow, _>(rows)
}

const fn search_statement(order: MemberOrder, direction: Direction) -> &'static str {
    macro_rules! by {
        ($order:literal) => {
            page!(
                "SELECT member_id, org_id, role, membership.created_at, membership.updated_at, \
                 coalesce(email, '') AS email, coalesce(email_lower, '') AS email_lower \
                 FROM org_memberships AS membership LEFT JOIN keyward_accounts AS account \
                 ON account.id = member_id AND status = 'enabled' \
                 WHERE org_id = $3 AND role = ANY ($4) \
                 AND strpos(coalesce(email_lower, ''), $5) > 0",
                $order
            )
        };
    }
    match (order, direction) {
        (MemberOrder::Id, Direction::Ascending) => by!("member_id"),
        (MemberOrder::Id, Direction::Descending) => by!("member_id DESC"),
        (MemberOrder::Email, Direction::Ascending) => by!("email_lower, member_id"),
        (MemberOrder::Email, Direction::Descending) => by!("email_lower DESC, member_id DESC"),
    }
}

pub(crate) async fn insert(db: &mut PgConnection, membership: &Membership) -> Result<()> {
    query(
        "INSERT INTO org_memberships (member_id, org_id, role, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(membership.member.uuid())
    .bind(membership.org.uuid())
    .bind(membership.role.as_str())
    .bind(Moment(membership.created_at))
    .bind(Moment(membership.updated_at))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

/// Gives the role that it replaced.
pub(crate) async fn update(
    db: &mut PgConnection,
    org: OrgId,
    member: UserId,
    role: OrgRole,
    at: Timestamp,
) -> Result<String> {
    let before = hold_replaceable(db, org, member).await?;
    query(
        "UPDATE org_memberships SET role = $3, updated_at = $4 WHERE member_id = $1 AND org_id = $2",
    )
    .bind(member.uuid())
    .bind(org.uuid())
    .bind(role.as_str())
    .bind(Moment(at))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(before)
}

/// Gives the role that it took.
pub(crate) async fn remove(db: &mut PgConnection, org: OrgId, member: UserId) -> Result<String> {
    let before = hold_replaceable(db, org, member).await?;
    for statement in [
        "DELETE FROM org_memberships WHERE member_id = $1 AND org_id = $2",
        "UPDATE org_invites SET state = 'revoked' \
         WHERE inviter_id = $1 AND org_id = $2 AND state = 'pending' \
         AND (invitee_id IS NULL OR expires_at > clock_timestamp())",
    ] {
        query(statement)
            .bind(member.uuid())
            .bind(org.uuid())
            .execute(&mut *db)
            .await
            .map_err(failure)?;
    }
    group_members::forget(db, org, member).await?;
    Ok(before)
}

/// Locks a membership, if there is one and it is no owner's. One with a role that does not exist is one:
/// this is how it gets another, or goes. Gives the role.
async fn hold_replaceable(db: &mut PgConnection, org: OrgId, member: UserId) -> Result<String> {
    let found: Option<(String, bool)> = query_as(
        "SELECT membership.role, \
         membership.role = 'owner' OR orgs.owner_id = membership.member_id \
         FROM org_memberships AS membership JOIN orgs ON orgs.id = membership.org_id \
         WHERE membership.member_id = $1 AND membership.org_id = $2 FOR UPDATE OF membership",
    )
    .bind(member.uuid())
    .bind(org.uuid())
    .fetch_optional(db)
    .await
    .map_err(failure)?;
    match found {
        None => Err(Error::NotFound(Entity::Membership)),
        Some((_, true)) => Err(Error::Forbidden),
        Some((role, false)) => Ok(role),
    }
}

pub(crate) async fn transfer(
    db: &mut PgConnection,
    org: OrgId,
    from: UserId,
    to: UserId,
    at: Timestamp,
) -> Result<()> {
    let owner: Option<Uuid> = query_scalar("SELECT owner_id FROM orgs WHERE id = $1 FOR UPDATE")
        .bind(org.uuid())
        .fetch_optional(&mut *db)
        .await
        .map_err(failure)?;
    match owner {
        None => return Err(Error::NotFound(Entity::Org)),
        Some(owner) if owner != from.uuid() => return Err(Conflict::Contention.into()),
        Some(_) => {}
    }
    let mut set = async |statement: &'static str| {
        let run = query(statement).bind(org.uuid()).bind(to.uuid()).bind(Moment(at));
        run.execute(&mut *db).await.map_err(failure)
    };
    let promoted = set("UPDATE org_memberships SET role = 'owner', updated_at = $3 \
         WHERE org_id = $1 AND member_id = $2")
    .await?;
    if promoted.rows_affected() == 0 {
        return Err(Error::NotFound(Entity::Membership));
    }
    set("UPDATE org_memberships SET role = 'admin', updated_at = $3 \
         WHERE org_id = $1 AND member_id <> $2 AND role = 'owner'")
    .await?;
    set("UPDATE orgs SET owner_id = $2, updated_at = $3 WHERE id = $1").await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use auth_domain::ports::Memberships;
    use auth_testkit::Postgres;
    use serde_json::Value;
    use sqlx::{AssertSqlSafe, query_scalar};

    use super::*;
    use crate::{PgConfig, PgStore};

    const LARGE: u128 = 7;
    const SMALL: u128 = 8;

    /// An org of 100,000, five of them admins, one of 10, and many others.
    async fn fill(database: &auth_testkit::Database) {
        let org = |number| OrgId::new(Uuid::from_u128(number));
        let fill = format!(
            "INSERT INTO orgs (id, owner_id, name) SELECT id, id, 'x' \
             FROM unnest(ARRAY['{large}', '{small}']::uuid[]) AS id; \
             INSERT INTO orgs (id, owner_id, name) SELECT id, id, 'other' \
             FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, 20000)) AS other; \
             INSERT INTO org_memberships (member_id, org_id, role) \
             SELECT gen_random_uuid(), id, 'viewer' FROM orgs, generate_series(1, 10) \
             WHERE name = 'other' OR id = '{small}'; \
             INSERT INTO org_memberships (member_id, org_id, role) \
             SELECT gen_random_uuid(), '{large}', \
             CASE WHEN place % 20000 = 0 THEN 'admin' ELSE 'viewer' END \
             FROM generate_series(1, 100000) AS place",
            large = org(LARGE),
            small = org(SMALL),
        );
        database.execute(&fill).await.unwrap();
        // In one statement they would be one transaction.
        for table in ["org_memberships", "keyward_member_counts"] {
            database.execute(&format!("VACUUM ANALYZE {table}")).await.unwrap();
        }
    }

    #[tokio::test]
    async fn r20_go32_a_page_costs_the_same_however_large_the_org_is() {
        let database = Postgres::shared().await.unwrap().database().await.unwrap();
        let config = PgConfig::new(
            &database.host,
            database.port,
            &database.user,
            database.password.clone().into(),
            &database.name,
        );
        let store = PgStore::connect(&config).await.unwrap();
        fill(&database).await;
        let mut db = database.connect().await.unwrap();
        let roles = [None, Some(OrgRole::Viewer), Some(OrgRole::Admin)];
        for (role, direction) in
            roles.into_iter().flat_map(|role| Direction::ALL.map(|direction| (role, direction)))
        {
            let mut pages = Vec::new();
            for org in [SMALL, LARGE].map(|number| OrgId::new(Uuid::from_u128(number))) {
                let explain = AssertSqlSafe(format!(
                    "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {}",
                    list_statement(role, direction)
                ));
                let plan: Value = query_scalar(explain)
                    .bind(10_i64)
                    .bind(0_i64)
                    .bind(org.uuid())
                    .bind(words(role))
                    .fetch_one(&mut db)
                    .await
                    .unwrap();
                let read = |kind: &str| plan[0]["Plan"][kind].as_u64().unwrap();
                pages.push(read("Shared Hit Blocks") + read("Shared Read Blocks"));
                let begun = Instant::now();
                let page = Page::new(0, 10, (), direction).unwrap();
                let listing = store.memberships(org, role, page).await.unwrap();
                println!("{role:?} {direction:?}: {} of {}", listing.items.len(), listing.total);
                println!("{} pages of the database, {:?}", pages.last().unwrap(), begun.elapsed());
            }
            // Ten more members on as many pages, where the small org has no admin at all.
            assert!(pages[1] <= pages[0] + 30, "{role:?} {direction:?}: {pages:?}");
        }
        let page = Page::new(0, 10, (), Direction::Ascending).unwrap();
        for (role, shown, total) in
            [(None, 10, 100_000), (Some(OrgRole::Viewer), 10, 99_995), (Some(OrgRole::Admin), 5, 5)]
        {
            let org = OrgId::new(Uuid::from_u128(LARGE));
            let listing = store.memberships(org, role, page).await.unwrap();
            assert_eq!((listing.items.len(), listing.total), (shown, total));
        }
    }
}
