//! Who belongs to an org.

use auth_domain::Timestamp;
use auth_domain::error::{Conflict, Entity, Error, Result};
use auth_domain::model::{
    Direction, Listing, Member, MemberOrder, MemberQuery, Membership, OrgId, OrgRole, Page, UserId,
};
use sqlx::{FromRow, SqliteConnection, SqlitePool, query, query_as, query_scalar};
use uuid::Uuid;

use crate::failure::failure;
use crate::group_members;
use crate::rows::{listing, moment, page, window};

#[derive(FromRow)]
pub(crate) struct MembershipRow {
    member_id: Uuid,
    org_id: Uuid,
    role: String,
    created_at: i64,
    updated_at: i64,
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

pub(crate) async fn find(
    db: &SqlitePool,
    org: OrgId,
    member: UserId,
) -> Result<Option<Membership>> {
    query_as::<_, MembershipRow>(
        "SELECT member_id, org_id, role, created_at, updated_at FROM org_memberships \
         WHERE member_id = ?1 AND org_id = ?2",
    )
    .bind(member.uuid())
    .bind(org.uuid())
    .fetch_optional(db)
    .await
    .map_err(failure)?
    .map(Membership::try_from)
    .transpose()
}

pub(crate) async fn list(
    db: &SqlitePool,
    org: OrgId,
    role: Option<OrgRole>,
    page: Page<()>,
) -> Result<Listing<Membership>> {
    let (limit, offset) = window(&page);
    let rows = query_as(list_statement(role, page.direction))
        .bind(limit)
        .bind(offset)
        .bind(org.uuid())
        .bind(role.map(OrgRole::as_str))
        .fetch_all(db)
        .await
        .map_err(failure)?;
    listing::<MembershipRow, _>(rows)
}

/// Without a role to look for, `?4` is null.
const fn list_statement(role: Option<OrgRole>, direction: Direction) -> &'static str {
    macro_rules! by {
        ($role:literal, $order:literal) => {
            page!(
                concat!(
                    "SELECT member_id, org_id, role, created_at, updated_at FROM org_memberships \
                     WHERE org_id = ?3 AND ",
                    $role
                ),
                $order,
                concat!(
                    "SELECT coalesce(sum(members), 0) FROM keyward_member_counts \
                     WHERE org_id = ?3 AND ",
                    $role
                )
            )
        };
    }
    match (role, direction) {
        (None, Direction::Ascending) => by!("?4 IS NULL", "member_id"),
        (None, Direction::Descending) => by!("?4 IS NULL", "member_id DESC"),
        (Some(_), Direction::Ascending) => by!("role = ?4", "member_id"),
        (Some(_), Direction::Descending) => by!("role = ?4", "member_id DESC"),
    }
}

pub(crate) async fn after(
    db: &SqlitePool,
    org: OrgId,
    role: Option<OrgRole>,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<Membership>> {
    query_as::<_, MembershipRow>(
        "SELECT member_id, org_id, role, created_at, updated_at FROM org_memberships \
         WHERE org_id = ?1 AND (?2 IS NULL OR role = ?2) AND member_id > ?3 \
         ORDER BY member_id LIMIT ?4",
    )
    .bind(org.uuid())
    .bind(role.map(OrgRole::as_str))
    // Every id is greater than no bytes.
    .bind(after.map_or_else(Vec::new, |after| after.uuid().as_bytes().to_vec()))
    .bind(limit)
    .fetch_all(db)
    .await
    .map_err(failure)?
    .into_iter()
    .map(Membership::try_from)
    .collect()
}

pub(crate) async fn search(
    db: &SqlitePool,
    query: &MemberQuery,
    page: Page<MemberOrder>,
) -> Result<Listing<Member>> {
    let (limit, offset) = window(&page);
    let rows = query_as(search_statement(page.order, page.direction))
        .bind(limit)
        .bind(offset)
        .bind(query.org.uuid())
        .bind(query.role.map(OrgRole::as_str))
        .bind(query.email.to_lowercase())
        .fetch_all(db)
        .await
        .map_err(failure)?;
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
                 WHERE org_id = ?3 AND (?4 IS NULL OR role = ?4) \
                 AND instr(coalesce(email_lower, ''), ?5) > 0",
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

pub(crate) async fn insert(db: &mut SqliteConnection, membership: &Membership) -> Result<()> {
    query(
        "INSERT INTO org_memberships (member_id, org_id, role, created_at, updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(membership.member.uuid())
    .bind(membership.org.uuid())
    .bind(membership.role.as_str())
    .bind(membership.created_at.micros())
    .bind(membership.updated_at.micros())
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

/// Gives the role that it replaced.
pub(crate) async fn update(
    db: &mut SqliteConnection,
    org: OrgId,
    member: UserId,
    role: OrgRole,
    at: Timestamp,
) -> Result<String> {
    let before = check_replaceable(db, org, member).await?;
    query(
        "UPDATE org_memberships SET role = ?3, updated_at = ?4 WHERE member_id = ?1 AND org_id = ?2",
    )
    .bind(member.uuid())
    .bind(org.uuid())
    .bind(role.as_str())
    .bind(at.micros())
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(before)
}

/// Gives the role that it took.
pub(crate) async fn remove(
    db: &mut SqliteConnection,
    org: OrgId,
    member: UserId,
) -> Result<String> {
    let before = check_replaceable(db, org, member).await?;
    for statement in [
        "DELETE FROM org_memberships WHERE member_id = ?1 AND org_id = ?2",
        "UPDATE org_invites SET state = 'revoked' \
         WHERE inviter_id = ?1 AND org_id = ?2 AND state = 'pending' AND (invitee_id IS NULL \
         OR expires_at > CAST(unixepoch('subsec') * 1000000 AS INTEGER))",
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

/// The role of somebody who is a member, and no owner.
async fn check_replaceable(
    db: &mut SqliteConnection,
    org: OrgId,
    member: UserId,
) -> Result<String> {
    let found: Option<(String, bool)> = query_as(
        "SELECT role, role = 'owner' OR owner_id = member_id \
         FROM org_memberships JOIN orgs ON id = org_id WHERE member_id = ?1 AND org_id = ?2",
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
    db: &mut SqliteConnection,
    org: OrgId,
    from: UserId,
    to: UserId,
    at: Timestamp,
) -> Result<()> {
    let owner: Option<Uuid> = query_scalar("SELECT owner_id FROM orgs WHERE id = ?1")
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
        let run = query(statement).bind(org.uuid()).bind(to.uuid()).bind(at.micros());
        run.execute(&mut *db).await.map_err(failure)
    };
    let promoted = set("UPDATE org_memberships SET role = 'owner', updated_at = ?3 \
         WHERE org_id = ?1 AND member_id = ?2")
    .await?;
    if promoted.rows_affected() == 0 {
        return Err(Error::NotFound(Entity::Membership));
    }
    set("UPDATE org_memberships SET role = 'admin', updated_at = ?3 \
         WHERE org_id = ?1 AND member_id <> ?2 AND role = 'owner'")
    .await?;
    set("UPDATE orgs SET owner_id = ?2, updated_at = ?3 WHERE id = ?1").await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::SqliteStore;

    async fn fill(db: &SqlitePool, org: OrgId, many: u32) {
        query("INSERT INTO orgs VALUES (?1, ?1, 'x', 'x', '', NULL, 0, 0)")
            .bind(org.uuid())
            .execute(db)
            .await
            .unwrap();
        query(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers \
             WHERE n < ?2) INSERT INTO org_memberships SELECT randomblob(16), ?1, \
             CASE WHEN n % 20000 = 0 THEN 'admin' ELSE 'viewer' END, 0, 0 FROM numbers",
        )
        .bind(org.uuid())
        .bind(many)
        .execute(db)
        .await
        .unwrap();
    }

    /// Whatever is read, is found by an index and not looked through: the plan has no other step, and
    /// none that sorts.
    #[tokio::test]
    async fn r20_go32_a_page_costs_the_same_however_large_the_org_is() {
        let store = SqliteStore::in_memory().await.unwrap();
        let db = &store.readers;
        let (small, large) = (OrgId::new(Uuid::from_u128(7)), OrgId::new(Uuid::from_u128(8)));
        fill(db, small, 10).await;
        fill(db, large, 100_000).await;
        let roles = [None, Some(OrgRole::Viewer), Some(OrgRole::Admin)];
        for (role, direction) in
            roles.into_iter().flat_map(|role| Direction::ALL.map(|direction| (role, direction)))
        {
            let statement = list_statement(role, direction);
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let plan: Vec<(i64, i64, i64, String)> = query_as(explain).fetch_all(db).await.unwrap();
            let steps: Vec<_> = plan.iter().map(|(.., step)| step.as_str()).collect();
            let by = if role.is_none() { "(org_id=?)" } else { "(org_id=? AND role=?)" };
            for table in ["org_memberships", "keyward_member_counts"] {
                let mut reads = steps.iter().filter(|step| step.contains(table));
                assert!(reads.all(|step| step.starts_with("SEARCH")), "{steps:#?}");
                assert!(steps.iter().any(|step| step.contains(table) && step.ends_with(by)));
            }
            for org in [small, large] {
                let page = Page::new(0, 10, (), direction).unwrap();
                let begun = Instant::now();
                let listing = list(db, org, role, page).await.unwrap();
                println!(
                    "{role:?} {direction:?}: {} of {} in {:?}",
                    listing.items.len(),
                    listing.total,
                    begun.elapsed()
                );
            }
        }
        let page = Page::new(0, 10, (), Direction::Ascending).unwrap();
        for (role, shown, total) in
            [(None, 10, 100_000), (Some(OrgRole::Viewer), 10, 99_995), (Some(OrgRole::Admin), 5, 5)]
        {
            let listing = list(db, large, role, page).await.unwrap();
            assert_eq!((listing.items.len(), listing.total), (shown, total));
        }
    }
}
