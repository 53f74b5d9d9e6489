//! Where a user stands towards a group.

use std::collections::{BTreeMap, HashMap};

use auth_domain::error::{Conflict, Entity, Error, Result};
use auth_domain::model::{GroupId, GroupStanding, OrgId, Standing, Step, UserId};
use sqlx::sqlite::SqliteRow;
use sqlx::{
    Executor, FromRow, Row, Sqlite, SqliteConnection, SqlitePool, ValueRef, query_as, query_scalar,
};
use uuid::Uuid;

use crate::failure::failure;
use crate::groups::list_of;
use crate::roles::{known, towards};
use crate::rows::json_array;

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

/// One row for each step of each way, from the root down, and whatever else is asked for.
macro_rules! steps {
    ($more:literal) => {
        concat!(
            "WITH RECURSIVE up (start, id, parent_id, org_id, owner_id, distance) AS (\
             SELECT id, id, parent_id, org_id, owner_id, 0 FROM keyward_groups \
             WHERE id IN (SELECT unhex(value) FROM json_each(?2)) \
             UNION ALL \
             SELECT up.start, above.id, above.parent_id, up.org_id, up.owner_id, distance + 1 \
             FROM up JOIN keyward_groups AS above ON above.id = up.parent_id WHERE distance < 32) \
             SELECT up.start, up.id, up.org_id, up.owner_id, \
             (SELECT role FROM keyward_group_roles WHERE user_id = ?1 AND group_id = up.id) AS role, \
             (SELECT role FROM users_roles WHERE user_id = ?1) AS platform, \
             (SELECT role FROM org_memberships WHERE member_id = ?1 AND org_id = up.org_id) \
             AS org_role, \
             EXISTS (SELECT 1 FROM orgs WHERE orgs.id = up.org_id) AS org_exists, distance FROM up ",
            $more,
            "ORDER BY start, distance DESC"
        )
    };
}

pub(crate) async fn list(
    db: impl Executor<'_, Database = Sqlite>,
    user: UserId,
    ids: &[GroupId],
) -> Result<Vec<GroupStanding>> {
    let rows: Vec<StepRow> = query_as(steps!(""))
        .bind(user.uuid())
        .bind(list_of(ids))
        .fetch_all(db)
        .await
        .map_err(failure)?;
    Ok(standings(rows))
}

fn standings(rows: Vec<StepRow>) -> Vec<GroupStanding> {
    let mut found: BTreeMap<Uuid, GroupStanding> = BTreeMap::new();
    for row in rows {
        let standing = found.entry(row.start).or_insert_with(|| GroupStanding {
            group: GroupId::new(row.start),
            owner: UserId::new(row.owner_id),
            org: row.org_id.map(OrgId::new),
            org_exists: row.org_exists,
            org_role: known(row.org_role),
            platform: known(row.platform),
            trail: Vec::new(),
        });
        standing.trail.push(Step { group: GroupId::new(row.id), role: known(row.role) });
    }
    found.into_values().collect()
}

/// A step, or, without a start, an org; or neither, for the platform role when there is no such org.
struct Either {
    step: Option<StepRow>,
    platform: Option<String>,
    org: Option<Uuid>,
    org_role: Option<String>,
}

impl<'r> FromRow<'r, SqliteRow> for Either {
    fn from_row(row: &'r SqliteRow) -> sqlx::Result<Self> {
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
    db: &SqlitePool,
    user: UserId,
    orgs: &[Option<OrgId>],
    groups: &[GroupId],
) -> Result<(Vec<Standing>, Vec<GroupStanding>)> {
    let wanted = json_array(orgs.iter().flatten().map(|org| org.uuid().as_simple().to_string()));
    let rows: Vec<Either> = query_as(steps!(
        "UNION ALL SELECT NULL, NULL, orgs.id, NULL, NULL, held.platform, \
         org_memberships.role, orgs.id IS NOT NULL, 0 \
         FROM (SELECT (SELECT role FROM users_roles WHERE user_id = ?1) AS platform) AS held \
         LEFT JOIN orgs ON orgs.id IN (SELECT unhex(value) FROM json_each(?3)) \
         LEFT JOIN org_memberships \
         ON org_memberships.org_id = orgs.id AND org_memberships.member_id = ?1 "
    ))
    .bind(user.uuid())
    .bind(list_of(groups))
    .bind(wanted)
    .fetch_all(db)
    .await
    .map_err(failure)?;
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

pub(crate) async fn lies_below(
    db: &mut SqliteConnection,
    group: GroupId,
    parent: Option<GroupId>,
) -> Result<()> {
    let found: Option<Option<Uuid>> =
        query_scalar("SELECT parent_id FROM keyward_groups WHERE id = ?1")
            .bind(group.uuid())
            .fetch_optional(db)
            .await
            .map_err(failure)?;
    match found {
        None => Err(Error::NotFound(Entity::Group)),
        Some(found) if found == parent.map(GroupId::uuid) => Ok(()),
        Some(_) => Err(Conflict::Contention.into()),
    }
}
