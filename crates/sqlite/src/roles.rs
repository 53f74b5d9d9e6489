//! Platform roles, and where a user stands.

use std::collections::HashMap;
use std::str::FromStr;

use auth_domain::error::{Conflict, Entity, Error, Result};
use auth_domain::model::{
    Evidence, Listing, Membership, OrgId, OrgRole, Page, PlatformRole, RoleHolder, Standing, UserId,
};
use sqlx::{FromRow, Sqlite, SqliteConnection, SqliteExecutor, SqlitePool, query, query_as};
use uuid::Uuid;

use crate::failure::failure;
use crate::rows::{json_array, listing, moment, page, window};

#[derive(FromRow)]
struct StandingRow {
    platform: Option<String>,
    org_exists: bool,
    org: Option<String>,
}

/// The role a column names. A word that is no role allows nothing.
pub(crate) fn known<R: FromStr>(column: Option<String>) -> Option<R> {
    column.and_then(|role| role.parse().ok())
}

pub(crate) async fn standing(
    db: impl SqliteExecutor<'_>,
    user: UserId,
    org: Option<OrgId>,
) -> Result<Standing> {
    let row = query_as::<Sqlite, StandingRow>(
        "SELECT (SELECT role FROM users_roles WHERE user_id = ?1) AS platform, \
         EXISTS (SELECT 1 FROM orgs WHERE id = ?2) AS org_exists, \
         (SELECT role FROM org_memberships WHERE member_id = ?1 AND org_id = ?2) AS org",
    )
    .bind(user.uuid())
    .bind(org.map(OrgId::uuid))
    .fetch_one(db)
    .await
    .map_err(failure)?;
    Ok(Standing { platform: known(row.platform), org_exists: row.org_exists, org: known(row.org) })
}

#[derive(FromRow)]
struct StandingsRow {
    platform: Option<String>,
    org_id: Option<Uuid>,
    org: Option<String>,
}

pub(crate) async fn standings(
    db: &SqlitePool,
    user: UserId,
    orgs: &[Option<OrgId>],
) -> Result<Vec<Standing>> {
    let ids = json_array(orgs.iter().flatten().map(|org| org.uuid().as_simple().to_string()));
    // Without any of the orgs there is still one row: the platform role.
    let rows = query_as::<Sqlite, StandingsRow>(
        "SELECT held.platform, orgs.id AS org_id, org_memberships.role AS org \
         FROM (SELECT (SELECT role FROM users_roles WHERE user_id = ?1) AS platform) AS held \
         LEFT JOIN orgs ON orgs.id IN (SELECT unhex(value) FROM json_each(?2)) \
         LEFT JOIN org_memberships \
         ON org_memberships.org_id = orgs.id AND org_memberships.member_id = ?1",
    )
    .bind(user.uuid())
    .bind(ids)
    .fetch_all(db)
    .await
    .map_err(failure)?;
    let platform = known(rows.first().and_then(|row| row.platform.clone()));
    let found = rows.into_iter().filter_map(|row| Some((row.org_id?, known(row.org)))).collect();
    Ok(towards(orgs, platform, &found))
}

/// Where somebody with this platform role stands towards each of these, given the orgs among them that
/// exist and their roles there.
pub(crate) fn towards(
    orgs: &[Option<OrgId>],
    platform: Option<PlatformRole>,
    found: &HashMap<Uuid, Option<OrgRole>>,
) -> Vec<Standing> {
    let standing = |org: &Option<OrgId>| {
        let found = org.and_then(|org| found.get(&org.uuid()).copied());
        Standing { platform, org_exists: found.is_some(), org: found.flatten() }
    };
    orgs.iter().map(standing).collect()
}

#[derive(FromRow)]
struct EvidenceRow {
    platform: Option<String>,
    org_id: Option<Uuid>,
    role: Option<String>,
    created_at: Option<i64>,
    updated_at: Option<i64>,
}

pub(crate) async fn evidence(
    db: &SqlitePool,
    user: UserId,
    org: Option<OrgId>,
) -> Result<Evidence> {
    let row = query_as::<Sqlite, EvidenceRow>(
        "SELECT held.platform, orgs.id AS org_id, org_memberships.role, \
         org_memberships.created_at, org_memberships.updated_at \
         FROM (SELECT (SELECT role FROM users_roles WHERE user_id = ?1) AS platform) AS held \
         LEFT JOIN orgs ON orgs.id = ?2 \
         LEFT JOIN org_memberships \
         ON org_memberships.org_id = orgs.id AND org_memberships.member_id = ?1",
    )
    .bind(user.uuid())
    .bind(org.map(OrgId::uuid))
    .fetch_one(db)
    .await
    .map_err(failure)?;
    let rows = row.org_id.zip(known(row.role)).zip(row.created_at.zip(row.updated_at));
    let membership = rows.map(|((org, role), (created_at, updated_at))| Membership {
        org: OrgId::new(org),
        member: user,
        role,
        created_at: moment(created_at),
        updated_at: moment(updated_at),
    });
    Ok(Evidence { platform: known(row.platform), org_exists: row.org_id.is_some(), membership })
}

#[derive(FromRow)]
struct HolderRow {
    user_id: Uuid,
    role: String,
}

impl TryFrom<HolderRow> for RoleHolder {
    type Error = Error;

    fn try_from(row: HolderRow) -> Result<Self> {
        let role = row.role.parse().map_err(Error::internal)?;
        Ok(Self { user: UserId::new(row.user_id), role })
    }
}

pub(crate) async fn list(db: &SqlitePool, page: Page<()>) -> Result<Listing<RoleHolder>> {
    let (limit, offset) = window(&page);
    let rows = query_as(page!("SELECT user_id, role FROM users_roles", "user_id"))
        .bind(limit)
        .bind(offset)
        .fetch_all(db)
        .await
        .map_err(failure)?;
    listing::<HolderRow, _>(rows)
}

/// Gives the role that it replaced.
pub(crate) async fn put(
    db: &mut SqliteConnection,
    user: UserId,
    role: PlatformRole,
) -> Result<Option<String>> {
    if role != PlatformRole::Root && is_last_root(db, user).await? == Some(true) {
        return Err(Error::Conflict(Conflict::LastRoot));
    }
    let before = sqlx::query_scalar("SELECT role FROM users_roles WHERE user_id = ?1")
        .bind(user.uuid())
        .fetch_optional(&mut *db)
        .await
        .map_err(failure)?;
    query(
        "INSERT INTO users_roles (user_id, role) VALUES (?1, ?2) \
         ON CONFLICT (user_id) DO UPDATE SET role = excluded.role",
    )
    .bind(user.uuid())
    .bind(role.as_str())
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(before)
}

/// Gives the role that it took.
pub(crate) async fn remove(db: &mut SqliteConnection, user: UserId) -> Result<Option<String>> {
    match is_last_root(db, user).await? {
        None => return Err(Error::NotFound(Entity::PlatformRole)),
        Some(true) => return Err(Error::Conflict(Conflict::LastRoot)),
        Some(false) => {}
    }
    sqlx::query_scalar("DELETE FROM users_roles WHERE user_id = ?1 RETURNING role")
        .bind(user.uuid())
        .fetch_optional(db)
        .await
        .map_err(failure)
}

/// Whether nobody else is root who may sign in; `None` when the user has no role at all.
pub(crate) async fn is_last_root(db: &mut SqliteConnection, user: UserId) -> Result<Option<bool>> {
    sqlx::query_scalar(
        "SELECT role = 'root' AND NOT EXISTS \
         (SELECT 1 FROM users_roles AS other WHERE role = 'root' AND user_id <> ?1 \
         AND NOT EXISTS (SELECT 1 FROM keyward_accounts \
         WHERE id = other.user_id AND status = 'disabled')) \
         FROM users_roles WHERE user_id = ?1",
    )
    .bind(user.uuid())
    .fetch_optional(db)
    .await
    .map_err(failure)
}
