//! Where a user stands towards a group, and the locks that keep it so.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use auth_domain::change::Change;
use auth_domain::error::{Conflict, Entity, Error, Result};
use auth_domain::model::{GroupId, GroupStanding, OrgId, Standing, Step, UserId};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row, ValueRef, query, query_as, query_scalar};
use uuid::Uuid;

use crate::connections::{Connections, Select};
use crate::failure::failure;
use crate::roles::{known, towards};

/// Whom a tree belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// This org.
    Org(OrgId),
    /// This user.
    User(UserId),
}

impl Scope {
    pub(crate) const fn of(org: Option<OrgId>, owner: UserId) -> Self {
        match org {
            Some(org) => Self::Org(org),
            None => Self::User(owner),
        }
    }
}

/// How the trees of an org or a user are held while a commit works on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Their shape, and who was given which role in them, must not change.
    Shared,
    /// That, and nobody else may rely on either: this commit changes it.
    Alone,
}

impl Hold {
    /// What a commit with these changes needs: taken at once, because two who hold something shared
    /// cannot both come to hold it alone.
    pub(crate) fn for_all(changes: &[Change]) -> Self {
        let reshapes = |change: &Change| {
            matches!(
                change,
                Change::InsertGroup(_)
                    | Change::MoveGroup { .. }
                    | Change::RemoveGroup { .. }
                    | Change::PutGroupRole(_)
                    | Change::RemoveGroupRole { .. }
                    | Change::RemoveOrg(_)
            )
        };
        if changes.iter().any(reshapes) { Self::Alone } else { Self::Shared }
    }
}

/// Takes the lock. What is read after it is as it will be when the commit ends.
pub(crate) async fn hold(db: &mut PgConnection, scope: Scope, hold: Hold) -> Result<()> {
    let (id, is_org) = match scope {
        Scope::Org(org) => (org.uuid(), true),
        Scope::User(user) => (user.uuid(), false),
    };
    let statement = match hold {
        Hold::Shared => {
            "SELECT 1 FROM keyward_group_scopes WHERE id = $1 AND is_org = $2 FOR SHARE"
        }
        Hold::Alone => {
            "SELECT 1 FROM keyward_group_scopes WHERE id = $1 AND is_org = $2 FOR UPDATE"
        }
    };
    loop {
        let locked: Option<i32> = query_scalar(statement)
            .bind(id)
            .bind(is_org)
            .fetch_optional(&mut *db)
            .await
            .map_err(failure)?;
        if locked.is_some() {
            return Ok(());
        }
        query(
            "INSERT INTO keyward_group_scopes (id, is_org) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(is_org)
        .execute(&mut *db)
        .await
        .map_err(failure)?;
    }
}

/// Holds the trees of all of these alone, for a restore.
pub(crate) async fn hold_all(
    db: &mut PgConnection,
    scopes: impl Iterator<Item = Scope>,
) -> Result<()> {
    let wanted: BTreeSet<(Uuid, bool)> = scopes
        .map(|scope| match scope {
            Scope::Org(org) => (org.uuid(), true),
            Scope::User(user) => (user.uuid(), false),
        })
        .collect();
    let (ids, are_orgs): (Vec<Uuid>, Vec<bool>) = wanted.into_iter().unzip();
    for statement in [
        "INSERT INTO keyward_group_scopes (id, is_org) SELECT * FROM unnest($1::uuid[], $2::bool[]) \
         ORDER BY 1, 2 ON CONFLICT DO NOTHING",
        "SELECT 1 FROM keyward_group_scopes WHERE (id, is_org) IN \
         (SELECT * FROM unnest($1::uuid[], $2::bool[])) ORDER BY id, is_org FOR UPDATE",
    ] {
        query(statement).bind(&ids).bind(&are_orgs).execute(&mut *db).await.map_err(failure)?;
    }
    Ok(())
}

/// Whom a group belongs to, which never changes.
pub(crate) async fn scope(db: &mut PgConnection, group: GroupId) -> Result<Option<Scope>> {
    let row: Option<(Option<Uuid>, Uuid)> =
        query_as("SELECT org_id, owner_id FROM keyward_groups WHERE id = $1")
            .bind(group.uuid())
            .fetch_optional(db)
            .await
            .map_err(failure)?;
    Ok(row.map(|(org, owner)| Scope::of(org.map(OrgId::new), UserId::new(owner))))
}

/// Holds the trees that the group is in; gives whom they belong to.
pub(crate) async fn hold_group(db: &mut PgConnection, group: GroupId, how: Hold) -> Result<Scope> {
    let belongs_to = scope(db, group).await?.ok_or(Error::NotFound(Entity::Group))?;
    hold(db, belongs_to, how).await?;
    // It may have gone while this waited.
    scope(db, group).await?.ok_or(Error::NotFound(Entity::Group))
}

pub(crate) async fn lies_below(
    db: &mut PgConnection,
    group: GroupId,
    parent: Option<GroupId>,
    how: Hold,
) -> Result<()> {
    hold_group(db, group, how).await?;
    let found: Option<Uuid> = query_scalar("SELECT parent_id FROM keyward_groups WHERE id = $1")
        .bind(group.uuid())
        .fetch_one(db)
        .await
        .map_err(failure)?;
    if found == parent.map(GroupId::uuid) { Ok(()) } else { Err(Conflict::Contention.into()) }
}

#[derive(FromRow)]
struct StepRow {
    start: Uuid,
    id: Uuid,
    org_id: Option<Uuid>,
    owner_id: Uuid,
    role: Option<String>,
    platform: Option<String>,
    org_role: Option<String>,
    org_exists: bool,
}

/// One row for each step of each way, from the root down, and whatever else is asked for. What is the same
/// for all of a way stands in its last row. That there is an org is not asked for with `EXISTS`, which outside
/// of a `WHERE` may read all orgs to answer for many at once.
macro_rules! steps {
    ($more:literal) => {
        concat!(
            "WITH RECURSIVE up (start, id, parent_id, org_id, owner_id, distance) AS (\
             SELECT id, id, parent_id, org_id, owner_id, 0 FROM keyward_groups WHERE id = ANY ($2) \
             UNION ALL \
             SELECT up.start, above.id, above.parent_id, up.org_id, up.owner_id, distance + 1 \
             FROM up CROSS JOIN LATERAL \
             (SELECT id, parent_id FROM keyward_groups WHERE id = up.parent_id OFFSET 0) AS above \
             WHERE distance < 32) \
             SELECT up.start, up.id, up.org_id, up.owner_id, \
             (SELECT role FROM keyward_group_roles WHERE user_id = $1 AND group_id = up.id) AS role, \
             (SELECT role FROM users_roles WHERE user_id = $1) AS platform, \
             CASE WHEN distance = 0 THEN (SELECT role FROM org_memberships \
             WHERE member_id = $1 AND org_id = up.org_id) END AS org_role, \
             CASE WHEN distance = 0 THEN (SELECT 1 FROM orgs WHERE orgs.id = up.org_id) IS NOT NULL \
             ELSE FALSE END AS org_exists, distance FROM up ",
            $more,
            "ORDER BY start, distance DESC"
        )
    };
}

fn statement(user: UserId, ids: &[Uuid]) -> Select<'_, StepRow> {
    query_as(steps!("")).bind(user.uuid()).bind(ids)
}

fn standings(rows: impl IntoIterator<Item = StepRow>) -> Vec<GroupStanding> {
    let mut found: BTreeMap<Uuid, GroupStanding> = BTreeMap::new();
    for row in rows {
        let standing = found.entry(row.start).or_insert_with(|| GroupStanding {
            group: GroupId::new(row.start),
            owner: UserId::new(row.owner_id),
            org: row.org_id.map(OrgId::new),
            org_exists: false,
            org_role: None,
            platform: known(row.platform),
            trail: Vec::new(),
        });
        standing.org_exists = row.org_exists;
        standing.org_role = known(row.org_role);
        standing.trail.push(Step { group: GroupId::new(row.id), role: known(row.role) });
    }
    found.into_values().collect()
}

pub(crate) async fn list(
    db: &Connections,
    user: UserId,
    ids: &[GroupId],
) -> Result<Vec<GroupStanding>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    Ok(standings(db.all(|| statement(user, &ids)).await?))
}

/// The same within a commit.
pub(crate) async fn find(
    db: &mut PgConnection,
    user: UserId,
    id: GroupId,
) -> Result<Option<GroupStanding>> {
    let rows = statement(user, &[id.uuid()]).fetch_all(db).await.map_err(failure)?;
    Ok(standings(rows).pop())
}

/// A step, or, without a start, an org; or neither, for the platform role when there is no such org.
struct Either {
    step: Option<StepRow>,
    platform: Option<String>,
    org: Option<Uuid>,
    org_role: Option<String>,
}

impl<'r> FromRow<'r, PgRow> for Either {
    fn from_row(row: &'r PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            step: if row.try_get_raw("start")?.is_null() {
                None
            } else {
                Some(StepRow::from_row(row)?)
            },
            platform: row.try_get("platform")?,
            org: row.try_get("org_id")?,
            org_role: row.try_get("org_role")?,
        })
    }
}

pub(crate) async fn joint(
    db: &Connections,
    user: UserId,
    orgs: &[Option<OrgId>],
    groups: &[GroupId],
) -> Result<(Vec<Standing>, Vec<GroupStanding>)> {
    let ids: Vec<Uuid> = groups.iter().map(|id| id.uuid()).collect();
    let wanted: Vec<Uuid> = orgs.iter().flatten().map(|org| org.uuid()).collect();
    let rows: Vec<Either> = db
        .all(|| {
            query_as(steps!(
                "UNION ALL SELECT NULL, NULL, orgs.id, NULL, NULL, held.platform, \
                 org_memberships.role, orgs.id IS NOT NULL, 0 \
                 FROM (SELECT (SELECT role FROM users_roles WHERE user_id = $1) AS platform) AS held \
                 LEFT JOIN orgs ON orgs.id = ANY ($3) \
                 LEFT JOIN org_memberships \
                 ON org_memberships.org_id = orgs.id AND org_memberships.member_id = $1 "
            ))
            .bind(user.uuid())
            .bind(ids.as_slice())
            .bind(wanted.as_slice())
        })
        .await?;
    let platform = known(rows.first().and_then(|row| row.platform.clone()));
    let (mut steps, mut found) = (Vec::new(), HashMap::new());
    for row in rows {
        match (row.step, row.org) {
            (Some(step), _) => steps.push(step),
            (None, Some(org)) => {
                found.insert(org, known(row.org_role));
            }
            (None, None) => {}
        }
    }
    Ok((towards(orgs, platform, &found), standings(steps)))
}
