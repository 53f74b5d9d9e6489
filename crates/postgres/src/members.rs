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
struct MembershipRow {
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
fn words(role: Option<OrgRole>) -> Vec<&'static str> {
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
    let statement = list_statement(page.direction);
    let rows = db
        .all(|| query_as(statement).bind(limit).bind(offset).bind(org.uuid()).bind(words(role)))
        .await?;
    listing::<MembershipRow, _>(rows)
}

const fn list_statement(direction: Direction) -> &'static str {
    macro_rules! by {
        ($order:literal) => {
            page!(
                "SELECT member_id, org_id, role, created_at, updated_at FROM org_memberships \
                 WHERE org_id = $3 AND role = ANY ($4)",
                $order
            )
        };
    }
    match direction {
        Direction::Ascending => by!("member_id"),
        Direction::Descending => by!("member_id DESC"),
    }
}

pub(crate) async fn after(
    db: &Connections,
    org: OrgId,
    role: Option<OrgRole>,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<Membership>> {
    let rows: Vec<MembershipRow> = db
        .all(|| {
            query_as(
                "SELECT member_id, org_id, role, created_at, updated_at FROM org_memberships \
                 WHERE org_id = $1 AND role = ANY ($2) AND ($3::uuid IS NULL OR member_id > $3) \
                 ORDER BY member_id LIMIT $4",
            )
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

pub(crate) async fn update(
    db: &mut PgConnection,
    org: OrgId,
    member: UserId,
    role: OrgRole,
    at: Timestamp,
) -> Result<()> {
    hold_replaceable(db, org, member).await?;
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
    Ok(())
}

pub(crate) async fn remove(db: &mut PgConnection, org: OrgId, member: UserId) -> Result<()> {
    hold_replaceable(db, org, member).await?;
    for statement in [
        "DELETE FROM org_memberships WHERE member_id = $1 AND org_id = $2",
        "UPDATE org_invites SET state = 'revoked' \
         WHERE inviter_id = $1 AND org_id = $2 AND state = 'pending'",
    ] {
        query(statement)
            .bind(member.uuid())
            .bind(org.uuid())
            .execute(&mut *db)
            .await
            .map_err(failure)?;
    }
    group_members::forget(db, org, member).await
}

/// Locks a membership, if there is one and it is no owner's. One with a role that does not exist is one:
/// this is how it gets another, or goes.
async fn hold_replaceable(db: &mut PgConnection, org: OrgId, member: UserId) -> Result<()> {
    let is_owner: Option<bool> = query_scalar(
        "SELECT membership.role = 'owner' OR orgs.owner_id = membership.member_id \
         FROM org_memberships AS membership JOIN orgs ON orgs.id = membership.org_id \
         WHERE membership.member_id = $1 AND membership.org_id = $2 FOR UPDATE OF membership",
    )
    .bind(member.uuid())
    .bind(org.uuid())
    .fetch_optional(db)
    .await
    .map_err(failure)?;
    match is_owner {
        None => Err(Error::NotFound(Entity::Membership)),
        Some(true) => Err(Error::Forbidden),
        Some(false) => Ok(()),
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
    use sqlx::{AssertSqlSafe, query_scalar};

    use super::*;
    use crate::{PgConfig, PgStore};

    #[tokio::test]
    async fn r20_go32_a_page_of_a_large_org_is_read_by_an_index() {
        let database = Postgres::shared().await.unwrap().database().await.unwrap();
        let config = PgConfig::new(
            &database.host,
            database.port,
            &database.user,
            database.password.clone().into(),
            &database.name,
        );
        let store = PgStore::connect(&config).await.unwrap();
        let org = OrgId::new(Uuid::from_u128(7));
        let fill = format!(
            "INSERT INTO orgs (id, owner_id, name) VALUES ('{org}', '{org}', 'large'); \
             INSERT INTO org_memberships (member_id, org_id, role) \
             SELECT gen_random_uuid(), '{org}', 'viewer' FROM generate_series(1, 100000); \
             INSERT INTO orgs (id, owner_id, name) SELECT id, id, 'small' \
             FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, 20000)) AS small; \
             INSERT INTO org_memberships (member_id, org_id, role) \
             SELECT gen_random_uuid(), id, 'viewer' FROM orgs, generate_series(1, 10) \
             WHERE name = 'small'"
        );
        database.execute(&fill).await.unwrap();
        database.execute("VACUUM ANALYZE org_memberships").await.unwrap();
        let mut db = database.connect().await.unwrap();
        for direction in Direction::ALL {
            let explain = AssertSqlSafe(format!("EXPLAIN {}", list_statement(direction)));
            let plan: Vec<String> = query_scalar(explain)
                .bind(10_i64)
                .bind(0_i64)
                .bind(org.uuid())
                .bind(words(None))
                .fetch_all(&mut db)
                .await
                .unwrap();
            let plan = plan.join("\n");
            // The count is a third of this table, for which the planner may well read all of it.
            let page = "using keyward_org_memberships_org_id_member_id on org_memberships";
            assert!(plan.contains(page), "{plan}");
            let page = Page::new(0, 10, (), direction).unwrap();
            let begun = Instant::now();
            let listing = store.memberships(org, None, page).await.unwrap();
            println!("100000 members, a page of 10 of them: {:?}", begun.elapsed());
            assert_eq!((listing.items.len(), listing.total), (10, 100_000));
        }
    }
}
