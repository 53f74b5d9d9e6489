//! Groups: their rows, and the shape of the trees. There is one writer, so nothing needs a lock.

use auth_domain::Timestamp;
use auth_domain::error::{Conflict, Entity, Error, Invalid, Result};
use auth_domain::model::{
    Description, Group, GroupEdit, GroupId, GroupQuery, GroupsFrom, Listing, MAX_DEPTH,
    MAX_REMOVED, Name, OrgId, Part, Placed, UserId,
};
use futures_util::TryStreamExt;
use sqlx::{FromRow, SqliteConnection, SqlitePool, query, query_as, query_scalar};
use uuid::Uuid;

use crate::failure::failure;
use crate::rows::{Counted, listing, metadata, metadata_column, moment};

#[derive(FromRow)]
pub(crate) struct GroupRow {
    id: Uuid,
    parent_id: Option<Uuid>,
    owner_id: Uuid,
    org_id: Option<Uuid>,
    name: String,
    description: String,
    metadata: Option<String>,
    created_at: i64,
    updated_at: i64,
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
            metadata: metadata(row.metadata.as_deref())?,
            created_at: moment(row.created_at),
            updated_at: moment(row.updated_at),
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

/// Ids as a list SQLite can read: JSON, of their bytes in hexadecimal.
pub(crate) fn list_of(ids: &[GroupId]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| id.uuid().simple().to_string()).collect();
    serde_json::Value::from(ids).to_string()
}

pub(crate) async fn find(db: &SqlitePool, ids: &[GroupId]) -> Result<Vec<Group>> {
    let rows: Vec<GroupRow> = query_as(
        "SELECT id, parent_id, owner_id, org_id, name, description, metadata, created_at, updated_at \
         FROM keyward_groups WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
    )
    .bind(list_of(ids))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    rows.into_iter().map(Group::try_from).collect()
}

/// A page of a tree, given what it begins with. `?1` to `?4` are limit, offset, what it comes after, and
/// levels; `?5` is a group or a user, `?6` an org.
macro_rules! tree {
    ($tops:literal) => {
        concat!(
            "WITH RECURSIVE tops (id) AS (",
            $tops,
            "), tree (id, depth, path) AS (\
             SELECT id, 1, lower(hex(id)) FROM tops \
             UNION ALL \
             SELECT below.id, depth + 1, path || '.' || lower(hex(below.id)) \
             FROM tree JOIN keyward_groups AS below ON below.parent_id = tree.id WHERE depth < ?4) \
             SELECT counted.total, page.* FROM (SELECT count(*) AS total FROM tree) AS counted \
             LEFT JOIN (SELECT own.id, parent_id, owner_id, org_id, name, description, metadata, \
             created_at, updated_at, path FROM tree JOIN keyward_groups AS own ON own.id = tree.id \
             WHERE path > ?3 ORDER BY path LIMIT ?1 OFFSET ?2) AS page ON TRUE ORDER BY path"
        )
    };
}

const FROM_GROUP: &str = tree!("SELECT id FROM keyward_groups WHERE id = ?5 AND ?6 IS NULL");

const FROM_ROOTS: &str = tree!(
    "SELECT id FROM keyward_groups WHERE parent_id IS NULL AND ?5 IS NULL \
     AND CASE WHEN org_id IS NULL THEN ?6 IS NULL ELSE (?6 IS NULL OR org_id = ?6) \
     AND EXISTS (SELECT 1 FROM orgs WHERE orgs.id = keyward_groups.org_id) END"
);

/// The roots of their orgs and their own, and of other people's trees the highest groups in which they
/// were given a role.
const SEEN_BY: &str = tree!(
    "SELECT root.id FROM org_memberships AS membership JOIN keyward_groups AS root \
     ON root.org_id = membership.org_id AND root.parent_id IS NULL \
     WHERE membership.member_id = ?5 AND (?6 IS NULL OR membership.org_id = ?6) \
     UNION ALL \
     SELECT id FROM keyward_groups \
     WHERE parent_id IS NULL AND org_id IS NULL AND owner_id = ?5 AND ?6 IS NULL \
     UNION ALL \
     SELECT given.group_id FROM keyward_group_roles AS given JOIN keyward_groups AS own \
     ON own.id = given.group_id \
     WHERE given.user_id = ?5 AND own.org_id IS NULL AND own.owner_id <> ?5 AND ?6 IS NULL \
     AND NOT EXISTS (WITH RECURSIVE up (id, distance) AS (\
     SELECT own.parent_id, 1 \
     UNION ALL \
     SELECT above.parent_id, distance + 1 FROM up JOIN keyward_groups AS above ON above.id = up.id \
     WHERE distance < 32) \
     SELECT 1 FROM up JOIN keyward_group_roles AS higher \
     ON higher.group_id = up.id AND higher.user_id = ?5)"
);

pub(crate) async fn tree(
    db: &SqlitePool,
    asked: &GroupQuery,
    part: &Part<Vec<GroupId>>,
) -> Result<Listing<Placed>> {
    let (statement, id, org) = match asked.from {
        GroupsFrom::Group(group) => (FROM_GROUP, Some(group.uuid()), None),
        GroupsFrom::Roots(org) => (FROM_ROOTS, None, org),
        GroupsFrom::SeenBy(user, org) => (SEEN_BY, Some(user.uuid()), org),
    };
    let path = |path: &Vec<GroupId>| {
        path.iter().map(|id| id.uuid().simple().to_string()).collect::<Vec<_>>().join(".")
    };
    let after = part.after.as_ref().map(path).unwrap_or_default();
    let bounded = |number| i64::try_from(number).unwrap_or(i64::MAX);
    let by_metadata = !asked.metadata.is_empty();
    let (limit, offset, first) = if by_metadata {
        (-1, 0, "")
    } else {
        (bounded(part.limit), bounded(part.offset), &*after)
    };
    let found = query_as::<_, Counted<PlacedRow>>(statement)
        .bind(limit)
        .bind(offset)
        .bind(first)
        .bind(i64::try_from(asked.levels).unwrap_or(i64::MAX))
        .bind(id)
        .bind(org.map(OrgId::uuid));
    if !by_metadata {
        return listing(found.fetch_all(db).await.map_err(failure)?);
    }
    // SQLite has no word for "contains this JSON": all candidates pass by here, and only the page is kept.
    let mut rows = found.fetch(db);
    let mut kept = Kept::new(part.offset, part.limit);
    while let Some(row) = rows.try_next().await.map_err(failure)? {
        let Some(placed) = row.item.map(Placed::try_from).transpose()? else { continue };
        if placed.group.metadata.contains(&asked.metadata) {
            let passed = part.after.as_ref().is_some_and(|after| placed.path <= *after);
            kept.meet(placed, passed);
        }
    }
    Ok(kept.listing)
}

/// A page being put together out of everything that matches.
pub(crate) struct Kept<T> {
    offset: u64,
    limit: u64,
    seen: u64,
    pub(crate) listing: Listing<T>,
}

impl<T> Kept<T> {
    pub(crate) const fn new(offset: u64, limit: u64) -> Self {
        Self { offset, limit, seen: 0, listing: Listing { items: Vec::new(), total: 0 } }
    }

    /// Counts it, and keeps it if it is on the page; not if it was passed by a cursor.
    pub(crate) fn meet(&mut self, item: T, passed: bool) {
        self.listing.total = self.listing.total.saturating_add(1);
        if passed {
            return;
        }
        if self.seen >= self.offset && self.seen < self.offset.saturating_add(self.limit) {
            self.listing.items.push(item);
        }
        self.seen = self.seen.saturating_add(1);
    }
}

/// Whom a tree belongs to: an org, or a user.
pub(crate) type Scope = (Option<OrgId>, Option<UserId>);

const fn scope_of(org: Option<OrgId>, owner: UserId) -> Scope {
    match org {
        Some(org) => (Some(org), None),
        None => (None, Some(owner)),
    }
}

/// Whom a group belongs to.
pub(crate) async fn scope(db: &mut SqliteConnection, group: GroupId) -> Result<Scope> {
    let row: Option<(Option<Uuid>, Uuid)> =
        query_as("SELECT org_id, owner_id FROM keyward_groups WHERE id = ?1")
            .bind(group.uuid())
            .fetch_optional(db)
            .await
            .map_err(failure)?;
    let (org, owner) = row.ok_or(Error::NotFound(Entity::Group))?;
    Ok(scope_of(org.map(OrgId::new), UserId::new(owner)))
}

pub(crate) async fn insert(db: &mut SqliteConnection, group: &Group) -> Result<()> {
    if let Some(org) = group.org {
        let found: Option<i32> = query_scalar("SELECT 1 FROM orgs WHERE id = ?1")
            .bind(org.uuid())
            .fetch_optional(&mut *db)
            .await
            .map_err(failure)?;
        found.ok_or(Error::NotFound(Entity::Org))?;
    }
    if let Some(parent) = group.parent
        && trail(db, scope_of(group.org, group.owner), parent).await?.len() >= MAX_DEPTH
    {
        return Err(Invalid::GroupDepth.into());
    }
    // It has been found, so the id is taken; the constraint on parents would notice first.
    if group.parent == Some(group.id) {
        return Err(Error::AlreadyExists(Entity::Group));
    }
    query(
        "INSERT INTO keyward_groups (id, parent_id, owner_id, org_id, name, description, metadata, \
         created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )
    .bind(group.id.uuid())
    .bind(group.parent.map(GroupId::uuid))
    .bind(group.owner.uuid())
    .bind(group.org.map(OrgId::uuid))
    .bind(group.name.as_str())
    .bind(group.description.as_str())
    .bind(metadata_column(&group.metadata))
    .bind(group.created_at.micros())
    .bind(group.updated_at.micros())
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

/// The groups above the future parent of a group that belongs to this one, and the parent itself.
async fn trail(db: &mut SqliteConnection, belongs_to: Scope, parent: GroupId) -> Result<Vec<Uuid>> {
    if scope(db, parent).await? != belongs_to {
        return Err(Invalid::GroupParent.into());
    }
    query_scalar(
        "WITH RECURSIVE up (id, parent_id, distance) AS (\
         SELECT id, parent_id, 1 FROM keyward_groups WHERE id = ?1 \
         UNION ALL \
         SELECT above.id, above.parent_id, distance + 1 FROM up JOIN keyward_groups AS above \
         ON above.id = up.parent_id WHERE distance < ?2) \
         SELECT id FROM up",
    )
    .bind(parent.uuid())
    .bind(i64::try_from(MAX_DEPTH).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)
}

pub(crate) async fn update(db: &mut SqliteConnection, edit: &GroupEdit) -> Result<()> {
    let updated = query(
        "UPDATE keyward_groups SET name = ?2, description = ?3, metadata = ?4, updated_at = ?5 \
         WHERE id = ?1",
    )
    .bind(edit.id.uuid())
    .bind(edit.name.as_str())
    .bind(edit.description.as_str())
    .bind(metadata_column(&edit.metadata))
    .bind(edit.updated_at.micros())
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
    db: &mut SqliteConnection,
    id: GroupId,
    parent: Option<GroupId>,
    at: Timestamp,
) -> Result<()> {
    let belongs_to = scope(db, id).await?;
    if let Some(parent) = parent {
        let above = trail(db, belongs_to, parent).await?;
        if above.contains(&id.uuid()) {
            return Err(Conflict::GroupCycle.into());
        }
        let room = MAX_DEPTH.saturating_sub(above.len());
        if height(db, id, room).await? > room {
            return Err(Invalid::GroupDepth.into());
        }
    }
    let moved = query("UPDATE keyward_groups SET parent_id = ?2, updated_at = ?3 WHERE id = ?1")
        .bind(id.uuid())
        .bind(parent.map(GroupId::uuid))
        .bind(at.micros())
        .execute(db)
        .await
        .map_err(failure)?;
    one_group(moved.rows_affected())
}

/// How many levels a subtree has, the group's own included, counted up to one more than there is room for.
async fn height(db: &mut SqliteConnection, id: GroupId, room: usize) -> Result<usize> {
    let levels: i64 = query_scalar(
        "WITH RECURSIVE down (id, depth) AS (\
         SELECT ?1, 1 \
         UNION ALL \
         SELECT below.id, depth + 1 FROM down JOIN keyward_groups AS below \
         ON below.parent_id = down.id WHERE depth <= ?2) \
         SELECT max(depth) FROM down",
    )
    .bind(id.uuid())
    .bind(i64::try_from(room).unwrap_or(i64::MAX))
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

pub(crate) async fn remove(db: &mut SqliteConnection, id: GroupId, subtree: bool) -> Result<()> {
    scope(db, id).await?;
    let ids: Vec<Uuid> = query_scalar(
        "WITH RECURSIVE down (id, depth) AS (\
         SELECT id, 1 FROM keyward_groups WHERE id = ?1 \
         UNION ALL \
         SELECT below.id, depth + 1 FROM down JOIN keyward_groups AS below \
         ON below.parent_id = down.id WHERE depth < ?2) \
         SELECT id FROM down LIMIT ?3",
    )
    .bind(id.uuid())
    .bind(if subtree { i64::try_from(MAX_DEPTH).unwrap_or(i64::MAX) } else { 2 })
    .bind(one_too_many())
    .fetch_all(&mut *db)
    .await
    .map_err(failure)?;
    if !subtree {
        let has_members: bool =
            query_scalar("SELECT EXISTS (SELECT 1 FROM keyward_group_members WHERE group_id = ?1)")
                .bind(id.uuid())
                .fetch_one(&mut *db)
                .await
                .map_err(failure)?;
        if has_members || ids.len() > 1 {
            return Err(Conflict::GroupNotEmpty.into());
        }
    }
    not_too_many(ids.len())?;
    let ids = list_of(&ids.into_iter().map(GroupId::new).collect::<Vec<_>>());
    for statement in [
        "DELETE FROM keyward_group_members \
         WHERE group_id IN (SELECT unhex(value) FROM json_each(?1))",
        "DELETE FROM keyward_group_roles \
         WHERE group_id IN (SELECT unhex(value) FROM json_each(?1))",
        "DELETE FROM keyward_groups WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
    ] {
        query(statement).bind(&ids).execute(&mut *db).await.map_err(failure)?;
    }
    Ok(())
}

/// Deletes the groups of an org.
pub(crate) async fn remove_all(db: &mut SqliteConnection, org: OrgId) -> Result<()> {
    let found: Vec<Uuid> = query_scalar("SELECT id FROM keyward_groups WHERE org_id = ?1 LIMIT ?2")
        .bind(org.uuid())
        .bind(one_too_many())
        .fetch_all(&mut *db)
        .await
        .map_err(failure)?;
    not_too_many(found.len())?;
    for statement in [
        "DELETE FROM keyward_group_members WHERE group_id IN \
         (SELECT id FROM keyward_groups WHERE org_id = ?1)",
        "DELETE FROM keyward_group_roles WHERE group_id IN \
         (SELECT id FROM keyward_groups WHERE org_id = ?1)",
        "DELETE FROM keyward_groups WHERE org_id = ?1",
    ] {
        query(statement).bind(org.uuid()).execute(&mut *db).await.map_err(failure)?;
    }
    Ok(())
}
