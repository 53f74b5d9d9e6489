//! Groups: their rows, and the shape of the trees.
//!
//! The only thing a row says of its place is its parent; ways up and down are walked (ADR 10). Each step
//! of a walk is a `LATERAL` subquery with an `OFFSET`, which keeps the planner from reading the whole table
//! instead: it cannot know how few rows a walk meets.

use auth_domain::Timestamp;
use auth_domain::error::{Conflict, Entity, Error, Invalid, Result};
use auth_domain::model::{
    Description, Group, GroupEdit, GroupId, GroupQuery, GroupsFrom, Listing, MAX_DEPTH,
    MAX_REMOVED, Name, OrgId, OrgRole, Part, Placed, UserId,
};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::connections::Connections;
use crate::failure::failure;
use crate::group_standing::{Hold, Scope, hold, scope};
use crate::moment::Moment;
use crate::rows::{listing, metadata, metadata_column};

#[derive(FromRow)]
pub(crate) struct GroupRow {
    id: Uuid,
    parent_id: Option<Uuid>,
    owner_id: Uuid,
    org_id: Option<Uuid>,
    name: String,
    description: String,
    metadata: Option<String>,
    created_at: Moment,
    updated_at: Moment,
}

impl TryFrom<GroupRow> for Group {
    type Error = Error;

    fn try_from(row: GroupRow) -> Result<Self> {
        Ok(Self {
            id: GroupId::new(row.id),
            owner: UserId::new(row.owner_id),
            org: row.org_id.map(OrgId::new),
            parent: row.parent_id.map(GroupId::new),
            name: Name::stored(row.name),
            description: Description::stored(row.description),
            metadata: metadata(row.metadata.as_deref()),
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
        })
    }
}

#[derive(FromRow)]
struct PlacedRow {
    #[sqlx(flatten)]
    group: GroupRow,
    path: String,
}

impl TryFrom<PlacedRow> for Placed {
    type Error = Error;

    fn try_from(row: PlacedRow) -> Result<Self> {
        let ids = row.path.split('.').map(|id| Uuid::try_parse(id).map(GroupId::new));
        let path = ids.collect::<Result<_, _>>().map_err(Error::internal)?;
        Ok(Self { group: row.group.try_into()?, path })
    }
}

pub(crate) async fn find(db: &Connections, ids: &[GroupId]) -> Result<Vec<Group>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows: Vec<GroupRow> = db
        .all(|| {
            query_as(
                "SELECT id, parent_id, owner_id, org_id, name, description, \
                 metadata::text AS metadata, created_at, updated_at FROM keyward_groups \
                 WHERE id = ANY ($1)",
            )
            .bind(&ids)
        })
        .await?;
    rows.into_iter().map(Group::try_from).collect()
}

/// A page of a tree, given what it begins with. `$1` to `$5` are limit, offset, what it comes after,
/// metadata and levels; `$6` is a group or a user, `$7` an org, `$8` the roles there are.
macro_rules! tree {
    ($tops:literal) => {
        concat!(
            "WITH RECURSIVE tops (id) AS (",
            $tops,
            "), tree (id, depth, path) AS (\
             SELECT id, 1, CAST(id AS text) COLLATE \"C\" FROM tops \
             UNION ALL \
             SELECT below.id, depth + 1, path || '.' || CAST(below.id AS text) \
             FROM tree CROSS JOIN LATERAL \
             (SELECT id FROM keyward_groups WHERE parent_id = tree.id OFFSET 0) AS below \
             WHERE depth < $5), \
             matching (id, path) AS (SELECT id, path FROM tree WHERE $4::jsonb IS NULL OR \
             coalesce((SELECT metadata @> $4 FROM keyward_groups AS own WHERE own.id = tree.id), FALSE)) \
             SELECT counted.total, page.* FROM (SELECT count(*) AS total FROM matching) AS counted \
             LEFT JOIN (SELECT own.*, path FROM \
             (SELECT id, path FROM matching WHERE $3::text IS NULL OR path > $3 \
             ORDER BY path LIMIT $1 OFFSET $2) AS part CROSS JOIN LATERAL \
             (SELECT id, parent_id, owner_id, org_id, name, description, metadata::text AS metadata, \
             created_at, updated_at FROM keyward_groups WHERE id = part.id OFFSET 0) AS own) AS page \
             ON TRUE ORDER BY path"
        )
    };
}

const FROM_GROUP: &str = tree!(
    "SELECT id FROM keyward_groups WHERE id = $6 AND $7::uuid IS NULL AND $8::text[] IS NOT NULL"
);

const FROM_ROOTS: &str = tree!(
    "SELECT id FROM keyward_groups WHERE parent_id IS NULL AND org_id IS NULL AND $7::uuid IS NULL \
     AND $6::uuid IS NULL AND $8::text[] IS NOT NULL \
     UNION ALL \
     SELECT id FROM keyward_groups WHERE parent_id IS NULL AND org_id IS NOT NULL AND $7 IS NULL \
     AND EXISTS (SELECT 1 FROM orgs WHERE orgs.id = keyward_groups.org_id) \
     UNION ALL \
     SELECT id FROM keyward_groups WHERE parent_id IS NULL AND org_id = $7 \
     AND EXISTS (SELECT 1 FROM orgs WHERE orgs.id = $7)"
);

/// The roots of their orgs and their own, and of other people's trees the highest groups in which they
/// were given a role.
const SEEN_BY: &str = tree!(
    "SELECT root.id FROM org_memberships AS membership JOIN keyward_groups AS root \
     ON root.org_id = membership.org_id AND root.parent_id IS NULL \
     WHERE membership.member_id = $6 AND membership.role = ANY ($8) \
     AND ($7::uuid IS NULL OR membership.org_id = $7) \
     UNION ALL \
     SELECT id FROM keyward_groups \
     WHERE parent_id IS NULL AND org_id IS NULL AND owner_id = $6 AND $7 IS NULL \
     UNION ALL \
     SELECT given.group_id FROM keyward_group_roles AS given JOIN keyward_groups AS own \
     ON own.id = given.group_id \
     WHERE given.user_id = $6 AND own.org_id IS NULL AND own.owner_id <> $6 AND $7 IS NULL \
     AND NOT EXISTS (WITH RECURSIVE up (id, distance) AS (\
     SELECT own.parent_id, 1 \
     UNION ALL \
     SELECT above.parent_id, distance + 1 FROM up JOIN keyward_groups AS above ON above.id = up.id \
     WHERE distance < 32) \
     SELECT 1 FROM up JOIN keyward_group_roles AS higher \
     ON higher.group_id = up.id AND higher.user_id = $6)"
);

pub(crate) async fn tree(
    db: &Connections,
    query: &GroupQuery,
    part: &Part<Vec<GroupId>>,
) -> Result<Listing<Placed>> {
    let (statement, id, org) = match query.from {
        GroupsFrom::Group(group) => (FROM_GROUP, Some(group.uuid()), None),
        GroupsFrom::Roots(org) => (FROM_ROOTS, None, org),
        GroupsFrom::SeenBy(user, org) => (SEEN_BY, Some(user.uuid()), org),
    };
    let after = part.after.as_ref().map(|path| {
        path.iter().map(|id| id.uuid().hyphenated().to_string()).collect::<Vec<_>>().join(".")
    });
    let bounded = |number| i64::try_from(number).unwrap_or(i64::MAX);
    let levels = i32::try_from(query.levels).unwrap_or(i32::MAX);
    let rows = db
        .all(|| {
            query_as(statement)
                .bind(bounded(part.limit))
                .bind(bounded(part.offset))
                .bind(&after)
                .bind((!query.metadata.is_empty()).then(|| Json(query.metadata.object())))
                .bind(levels)
                .bind(id)
                .bind(org.map(OrgId::uuid))
                .bind(OrgRole::ALL.map(OrgRole::as_str).to_vec())
        })
        .await?;
    listing::<PlacedRow, _>(rows)
}

pub(crate) async fn insert(db: &mut PgConnection, group: &Group) -> Result<()> {
    let belongs_to = Scope::of(group.org, group.owner);
    if let Scope::Org(org) = belongs_to {
        let found: Option<i32> = query_scalar("SELECT 1 FROM orgs WHERE id = $1 FOR KEY SHARE")
            .bind(org.uuid())
            .fetch_optional(&mut *db)
            .await
            .map_err(failure)?;
        found.ok_or(Error::NotFound(Entity::Org))?;
    }
    hold(db, belongs_to, Hold::Alone).await?;
    if let Some(parent) = group.parent
        && trail(db, belongs_to, parent).await?.len() >= MAX_DEPTH
    {
        return Err(Invalid::GroupDepth.into());
    }
    // It has been found, so the id is taken; the constraint on parents would notice first.
    if group.parent == Some(group.id) {
        return Err(Error::AlreadyExists(Entity::Group));
    }
    query(
        "INSERT INTO keyward_groups (id, parent_id, owner_id, org_id, name, description, metadata, \
         created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(group.id.uuid())
    .bind(group.parent.map(GroupId::uuid))
    .bind(group.owner.uuid())
    .bind(group.org.map(OrgId::uuid))
    .bind(group.name.as_str())
    .bind(group.description.as_str())
    .bind(metadata_column(&group.metadata))
    .bind(Moment(group.created_at))
    .bind(Moment(group.updated_at))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

/// The groups above the future parent of a group that belongs to this one, and the parent itself.
async fn trail(db: &mut PgConnection, belongs_to: Scope, parent: GroupId) -> Result<Vec<Uuid>> {
    if scope(db, parent).await?.ok_or(Error::NotFound(Entity::Group))? != belongs_to {
        return Err(Invalid::GroupParent.into());
    }
    query_scalar(
        "WITH RECURSIVE up (id, parent_id, distance) AS (\
         SELECT id, parent_id, 1 FROM keyward_groups WHERE id = $1 \
         UNION ALL \
         SELECT above.id, above.parent_id, distance + 1 FROM up CROSS JOIN LATERAL \
         (SELECT id, parent_id FROM keyward_groups WHERE id = up.parent_id OFFSET 0) AS above \
         WHERE distance < $2) \
         SELECT id FROM up",
    )
    .bind(parent.uuid())
    .bind(i32::try_from(MAX_DEPTH).unwrap_or(i32::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)
}

pub(crate) async fn update(db: &mut PgConnection, edit: &GroupEdit) -> Result<()> {
    let updated = query(
        "UPDATE keyward_groups SET name = $2, description = $3, metadata = $4, updated_at = $5 \
         WHERE id = $1",
    )
    .bind(edit.id.uuid())
    .bind(edit.name.as_str())
    .bind(edit.description.as_str())
    .bind(metadata_column(&edit.metadata))
    .bind(Moment(edit.updated_at))
    .execute(db)
    .await
    .map_err(failure)?;
    one_group(updated.rows_affected())
}

const fn one_group(rows: u64) -> Result<()> {
    match rows {
        0 => Err(Error::NotFound(Entity::Group)),
        _ => Ok(()),
    }
}

pub(crate) async fn relocate(
    db: &mut PgConnection,
    id: GroupId,
    parent: Option<GroupId>,
    at: Timestamp,
) -> Result<()> {
    let belongs_to = scope(db, id).await?.ok_or(Error::NotFound(Entity::Group))?;
    hold(db, belongs_to, Hold::Alone).await?;
    if let Some(parent) = parent {
        // It may have gone while this waited.
        scope(db, id).await?.ok_or(Error::NotFound(Entity::Group))?;
        let above = trail(db, belongs_to, parent).await?;
        if above.contains(&id.uuid()) {
            return Err(Conflict::GroupCycle.into());
        }
        let room = MAX_DEPTH.saturating_sub(above.len());
        if height(db, id, room).await? > room {
            return Err(Invalid::GroupDepth.into());
        }
    }
    let moved = query("UPDATE keyward_groups SET parent_id = $2, updated_at = $3 WHERE id = $1")
        .bind(id.uuid())
        .bind(parent.map(GroupId::uuid))
        .bind(Moment(at))
        .execute(db)
        .await
        .map_err(failure)?;
    one_group(moved.rows_affected())
}

/// How many levels a subtree has, the group's own included, counted up to one more than there is room for.
async fn height(db: &mut PgConnection, id: GroupId, room: usize) -> Result<usize> {
    let levels: i32 = query_scalar(
        "WITH RECURSIVE down (id, depth) AS (\
         SELECT $1::uuid, 1 \
         UNION ALL \
         SELECT below.id, depth + 1 FROM down CROSS JOIN LATERAL \
         (SELECT id FROM keyward_groups WHERE parent_id = down.id OFFSET 0) AS below \
         WHERE depth <= $2) \
         SELECT max(depth) FROM down",
    )
    .bind(id.uuid())
    .bind(i32::try_from(room).unwrap_or(i32::MAX))
    .fetch_one(db)
    .await
    .map_err(failure)?;
    Ok(usize::try_from(levels).unwrap_or(usize::MAX))
}

/// How many groups have to be found to know that they are not to go.
fn one_too_many() -> i64 {
    i64::try_from(MAX_REMOVED.saturating_add(1)).unwrap_or(i64::MAX)
}

fn not_too_many(groups: usize) -> Result<()> {
    if groups > MAX_REMOVED { Err(Conflict::TooManyGroups.into()) } else { Ok(()) }
}

pub(crate) async fn remove(db: &mut PgConnection, id: GroupId, subtree: bool) -> Result<()> {
    let belongs_to = scope(db, id).await?.ok_or(Error::NotFound(Entity::Group))?;
    hold(db, belongs_to, Hold::Alone).await?;
    let ids: Vec<Uuid> = query_scalar(
        "WITH RECURSIVE down (id, depth) AS (\
         SELECT id, 1 FROM keyward_groups WHERE id = $1 \
         UNION ALL \
         SELECT below.id, depth + 1 FROM down CROSS JOIN LATERAL \
         (SELECT id FROM keyward_groups WHERE parent_id = down.id OFFSET 0) AS below \
         WHERE depth < $2) \
         SELECT id FROM down LIMIT $3",
    )
    .bind(id.uuid())
    .bind(if subtree { i32::try_from(MAX_DEPTH).unwrap_or(i32::MAX) } else { 2 })
    .bind(one_too_many())
    .fetch_all(&mut *db)
    .await
    .map_err(failure)?;
    one_group(u64::try_from(ids.len()).unwrap_or(u64::MAX))?;
    if !subtree {
        let has_members: bool =
            query_scalar("SELECT EXISTS (SELECT 1 FROM keyward_group_members WHERE group_id = $1)")
                .bind(id.uuid())
                .fetch_one(&mut *db)
                .await
                .map_err(failure)?;
        if has_members || ids.len() > 1 {
            return Err(Conflict::GroupNotEmpty.into());
        }
    }
    not_too_many(ids.len())?;
    for statement in [
        "DELETE FROM keyward_group_members WHERE group_id = ANY ($1)",
        "DELETE FROM keyward_group_roles WHERE group_id = ANY ($1)",
        "DELETE FROM keyward_groups WHERE id = ANY ($1)",
    ] {
        query(statement).bind(&ids).execute(&mut *db).await.map_err(failure)?;
    }
    Ok(())
}

/// Deletes the groups of an org, which is held already.
pub(crate) async fn remove_all(db: &mut PgConnection, org: OrgId) -> Result<()> {
    hold(db, Scope::Org(org), Hold::Alone).await?;
    let found: Vec<Uuid> = query_scalar("SELECT id FROM keyward_groups WHERE org_id = $1 LIMIT $2")
        .bind(org.uuid())
        .bind(one_too_many())
        .fetch_all(&mut *db)
        .await
        .map_err(failure)?;
    not_too_many(found.len())?;
    for statement in [
        "DELETE FROM keyward_group_members WHERE group_id IN \
         (SELECT id FROM keyward_groups WHERE org_id = $1)",
        "DELETE FROM keyward_group_roles WHERE group_id IN \
         (SELECT id FROM keyward_groups WHERE org_id = $1)",
        "DELETE FROM keyward_groups WHERE org_id = $1",
        "DELETE FROM keyward_group_scopes WHERE id = $1 AND is_org",
    ] {
        query(statement).bind(org.uuid()).execute(&mut *db).await.map_err(failure)?;
    }
    Ok(())
}
