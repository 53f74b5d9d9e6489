//! Platform roles, and where a user stands.

use std::collections::HashMap;
use std::str::FromStr;

use auth_domain::error::{Conflict, Entity, Error, Result};
use auth_domain::model::{
    Evidence, Listing, Membership, OrgId, OrgRole, Page, PlatformRole, RoleHolder, Standing, UserId,
};
use sqlx::{FromRow, PgConnection, query_as, query_scalar};
use uuid::Uuid;

use crate::connections::Connections;
use crate::failure::failure;
use crate::moment::Moment;
use crate::rows::{listing, moment, page, window};

/// The role a column names. The original's tables can hold words that are no role, which allow
/// nothing.
pub(crate) fn known<R: FromStr>(column: Option<String>) -> Option<R> {
    column.and_then(|role| role.parse().ok())
}

#[derive(FromRow)]
struct StandingRow {
    platform: Option<String>,
    org_exists: bool,
    org: Option<String>,
}

pub(crate) async fn standing(
    db: &Connections,
    user: UserId,
    org: Option<OrgId>,
) -> Result<Standing> {
    let row: StandingRow = db
        .one(|| {
            query_as(
                "SELECT (SELECT role FROM users_roles WHERE user_id = $1) AS platform, \
                 EXISTS (SELECT 1 FROM orgs WHERE id = $2) AS org_exists, \
                 (SELECT role FROM org_memberships WHERE member_id = $1 AND org_id = $2) AS org",
            )
            .bind(user.uuid())
            .bind(org.map(OrgId::uuid))
        })
        .await?;
    Ok(Standing { platform: known(row.platform), org_exists: row.org_exists, org: known(row.org) })
}

#[derive(FromRow)]
struct StandingsRow {
    platform: Option<String>,
    org_id: Option<Uuid>,
    org: Option<String>,
}

pub(crate) async fn standings(
    db: &Connections,
    user: UserId,
    orgs: &[Option<OrgId>],
) -> Result<Vec<Standing>> {
    let ids: Vec<Uuid> = orgs.iter().flatten().map(|org| org.uuid()).collect();
    // Without any of the orgs there is still one row: the platform role.
    let rows: Vec<StandingsRow> = db
        .all(|| {
            query_as(
                "SELECT held.platform, orgs.id AS org_id, org_memberships.role AS org \
                 FROM (SELECT (SELECT role FROM users_roles WHERE user_id = $1) AS platform) AS held \
                 LEFT JOIN orgs ON orgs.id = ANY($2) \
                 LEFT JOIN org_memberships \
                 ON org_memberships.org_id = orgs.id AND org_memberships.member_id = $1",
            )
            .bind(user.uuid())
            .bind(ids.as_slice())
        })
        .await?;
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
    created_at: Option<Moment>,
    updated_at: Option<Moment>,
}

pub(crate) async fn evidence(
    db: &Connections,
    user: UserId,
    org: Option<OrgId>,
) -> Result<Evidence> {
    let row: EvidenceRow = db
        .one(|| {
            query_as(
                "SELECT held.platform, orgs.id AS org_id, org_memberships.role, \
                 org_memberships.created_at, org_memberships.updated_at \
                 FROM (SELECT (SELECT role FROM users_roles WHERE user_id = $1) AS platform) AS held \
                 LEFT JOIN orgs ON orgs.id = $2 \
                 LEFT JOIN org_memberships \
                 ON org_memberships.org_id = orgs.id AND org_memberships.member_id = $1",
            )
            .bind(user.uuid())
            .bind(org.map(OrgId::uuid))
        })
        .await?;
    let membership = row.org_id.zip(known(row.role)).map(|(org, role)| Membership {
        org: OrgId::new(org),
        member: user,
        role,
        created_at: moment(row.created_at),
        updated_at: moment(row.updated_at),
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

pub(crate) async fn list(db: &Connections, page: Page<()>) -> Result<Listing<RoleHolder>> {
    let (limit, offset) = window(&page);
    let rows = db
        .all(|| {
            query_as(page!(
                "SELECT user_id, role FROM users_roles WHERE role IS NOT NULL",
                "user_id"
            ))
            .bind(limit)
            .bind(offset)
        })
        .await?;
    listing::<HolderRow, _>(rows)
}

/// Locks everybody who is root, so that of two who take a root's role the second sees what the first
/// did. Others may become root meanwhile; nobody stops being one.
pub(crate) async fn lock_roots(db: &mut PgConnection) -> Result<()> {
    loop {
        let locked: Vec<Uuid> = query_scalar(
            "SELECT user_id FROM users_roles WHERE role = 'root' ORDER BY user_id FOR UPDATE",
        )
        .fetch_all(&mut *db)
        .await
        .map_err(failure)?;
        // While it waited for a lock, the roots may have become others than those it found first.
        let current: Vec<Uuid> =
            query_scalar("SELECT user_id FROM users_roles WHERE role = 'root' ORDER BY user_id")
                .fetch_all(&mut *db)
                .await
                .map_err(failure)?;
        if locked == current {
            return Ok(());
        }
    }
}

/// Gives the role that it replaced; nobody else writes it meanwhile, see [`lock_roots`].
pub(crate) async fn put(
    db: &mut PgConnection,
    user: UserId,
    role: PlatformRole,
) -> Result<Option<String>> {
    if role != PlatformRole::Root && is_last_root(db, user).await? == Some(true) {
        return Err(Error::Conflict(Conflict::LastRoot));
    }
    query_scalar(
        "WITH before AS (SELECT role FROM users_roles WHERE user_id = $1) \
         INSERT INTO users_roles (user_id, role) VALUES ($1, $2) \
         ON CONFLICT (user_id) DO UPDATE SET role = excluded.role \
         RETURNING (SELECT role FROM before)",
    )
    .bind(user.uuid())
    .bind(role.as_str())
    .fetch_one(db)
    .await
    .map_err(failure)
}

/// Gives the role that it took.
pub(crate) async fn remove(db: &mut PgConnection, user: UserId) -> Result<Option<String>> {
    if is_last_root(db, user).await? == Some(true) {
        return Err(Error::Conflict(Conflict::LastRoot));
    }
    let removed: Option<Option<String>> =
        query_scalar("DELETE FROM users_roles WHERE user_id = $1 RETURNING role")
            .bind(user.uuid())
            .fetch_optional(db)
            .await
            .map_err(failure)?;
    removed.ok_or(Error::NotFound(Entity::PlatformRole))
}

/// Whether nobody else is root who may sign in; `None` when the user has no role at all.
pub(crate) async fn is_last_root(db: &mut PgConnection, user: UserId) -> Result<Option<bool>> {
    query_scalar(
        "SELECT role IS NOT DISTINCT FROM 'root' AND NOT EXISTS \
         (SELECT 1 FROM users_roles AS other WHERE role = 'root' AND user_id <> $1 \
         AND NOT EXISTS (SELECT 1 FROM keyward_accounts \
         WHERE id = other.user_id AND status = 'disabled')) \
         FROM users_roles WHERE user_id = $1",
    )
    .bind(user.uuid())
    .fetch_optional(db)
    .await
    .map_err(failure)
}
