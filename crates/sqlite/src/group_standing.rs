//! Where a user stands towards a group.

use std::collections::BTreeMap;

use auth_domain::error::{Conflict, Entity, Error, Result};
use auth_domain::model::{GroupId, GroupStanding, OrgId, Step, UserId};
use sqlx::{Executor, FromRow, Sqlite, SqliteConnection, query_as, query_scalar};
use uuid::Uuid;

use crate::failure::failure;
use crate::groups::list_of;

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

/// One row for each step of each way, from the root down.
pub(crate) async fn list(
    db: impl Executor<'_, Database = Sqlite>,
    user: UserId,
    ids: &[GroupId],
) -> Result<Vec<GroupStanding>> {
    let rows: Vec<StepRow> = query_as(
        "WITH RECURSIVE up (start, id, parent_id, org_id, owner_id, distance) AS (\
         SELECT id, id, parent_id, org_id, owner_id, 0 FROM keyward_groups \
         WHERE id IN (SELECT unhex(value) FROM json_each(?2)) \
         UNION ALL \
         SELECT up.start, above.id, above.parent_id, up.org_id, up.owner_id, distance + 1 \
         FROM up JOIN keyward_groups AS above ON above.id = up.parent_id WHERE distance < 32) \
         SELECT up.start, up.id, up.org_id, up.owner_id, \
         (SELECT role FROM keyward_group_roles WHERE user_id = ?1 AND group_id = up.id) AS role, \
         (SELECT role FROM users_roles WHERE user_id = ?1) AS platform, \
         (SELECT role FROM org_memberships WHERE member_id = ?1 AND org_id = up.org_id) AS org_role, \
         EXISTS (SELECT 1 FROM orgs WHERE orgs.id = up.org_id) AS org_exists \
         FROM up ORDER BY start, distance DESC",
    )
    .bind(user.uuid())
    .bind(list_of(ids))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    let mut found: BTreeMap<Uuid, GroupStanding> = BTreeMap::new();
    for row in rows {
        let StepRow { start, id, org_id, owner_id, role, platform, org_role, org_exists } = row;
        let org_role = org_role.map(|role| role.parse()).transpose().map_err(Error::internal)?;
        let platform = platform.map(|role| role.parse()).transpose().map_err(Error::internal)?;
        let standing = found.entry(start).or_insert_with(|| GroupStanding {
            group: GroupId::new(start),
            owner: UserId::new(owner_id),
            org: org_id.map(OrgId::new),
            org_exists,
            org_role,
            platform,
            trail: Vec::new(),
        });
        let role = role.map(|role| role.parse()).transpose().map_err(Error::internal)?;
        standing.trail.push(Step { group: GroupId::new(id), role });
    }
    Ok(found.into_values().collect())
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
