//! What is in a group, and who has which role in it.

use auth_domain::Timestamp;
use auth_domain::error::{Entity, Error, Result};
use auth_domain::model::{
    EntityId, EntityType, Group, GroupGrant, GroupId, GroupMember, GroupsOfQuery, Listing, OrgId,
    Page, Part, UserId,
};
use futures_util::TryStreamExt;
use sqlx::{FromRow, SqliteConnection, SqlitePool, query, query_as, query_scalar};
use uuid::Uuid;

use crate::failure::failure;
use crate::groups::{GroupRow, Kept, scope};
use crate::rows::{Counted, listing, moment, page, window};

#[derive(FromRow)]
pub(crate) struct MemberRow {
    group_id: Uuid,
    member_id: String,
    #[sqlx(rename = "type")]
    kind: String,
    created_at: i64,
}

impl TryFrom<MemberRow> for GroupMember {
    type Error = Error;

    fn try_from(row: MemberRow) -> Result<Self> {
        Ok(Self {
            group: GroupId::new(row.group_id),
            kind: EntityType::stored(row.kind),
            member: EntityId::stored(row.member_id),
            created_at: moment(row.created_at),
        })
    }
}

pub(crate) async fn list(
    db: &SqlitePool,
    group: GroupId,
    kind: Option<&EntityType>,
    part: &Part<EntityId>,
) -> Result<Listing<GroupMember>> {
    let bounded = |number| i64::try_from(number).unwrap_or(i64::MAX);
    // Every id is greater than no text.
    let rows = query_as(
        "SELECT counted.total, page.* FROM (SELECT count(*) AS total \
         FROM keyward_group_members WHERE group_id = ?3 AND (?4 IS NULL OR type = ?4)) AS counted \
         LEFT JOIN (SELECT group_id, member_id, type, created_at FROM keyward_group_members \
         WHERE group_id = ?3 AND (?4 IS NULL OR type = ?4) AND member_id > ?5 \
         ORDER BY member_id LIMIT ?1 OFFSET ?2) AS page ON TRUE ORDER BY member_id",
    )
    .bind(bounded(part.limit))
    .bind(bounded(part.offset))
    .bind(group.uuid())
    .bind(kind.map(EntityType::as_str))
    .bind(part.after.as_ref().map_or("", EntityId::as_str))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    listing::<MemberRow, _>(rows)
}

pub(crate) async fn groups_of(
    db: &SqlitePool,
    asked: &GroupsOfQuery,
    part: &Part<GroupId>,
) -> Result<Listing<Group>> {
    let bounded = |number| i64::try_from(number).unwrap_or(i64::MAX);
    let by_metadata = !asked.metadata.is_empty();
    let after = part.after.map_or(Uuid::nil(), GroupId::uuid);
    let (limit, offset, first) = if by_metadata {
        (-1, 0, Uuid::nil())
    } else {
        (bounded(part.limit), bounded(part.offset), after)
    };
    let found = query_as::<_, Counted<GroupRow>>(
        "WITH matching AS MATERIALIZED (SELECT own.id, parent_id, owner_id, own.org_id, name, \
         description, metadata, own.created_at, own.updated_at \
         FROM keyward_group_members AS place JOIN keyward_groups AS own ON own.id = place.group_id \
         WHERE place.member_id = ?4 AND CASE \
         WHEN ?5 IS NULL THEN \
         own.org_id IS NULL OR EXISTS (SELECT 1 FROM orgs WHERE orgs.id = own.org_id) \
         WHEN own.org_id IS NOT NULL THEN EXISTS (SELECT 1 FROM org_memberships AS membership \
         WHERE membership.member_id = ?5 AND membership.org_id = own.org_id) \
         ELSE own.owner_id = ?5 OR EXISTS (WITH RECURSIVE up (id, distance) AS (\
         SELECT own.id, 0 \
         UNION ALL \
         SELECT above.parent_id, distance + 1 FROM up JOIN keyward_groups AS above \
         ON above.id = up.id WHERE distance < 32) \
         SELECT 1 FROM up JOIN keyward_group_roles AS given \
         ON given.group_id = up.id AND given.user_id = ?5) END) \
         SELECT counted.total, page.* FROM (SELECT count(*) AS total FROM matching) AS counted \
         LEFT JOIN (SELECT * FROM matching WHERE id > ?3 ORDER BY id LIMIT ?1 OFFSET ?2) AS page \
         ON TRUE ORDER BY id",
    )
    .bind(limit)
    .bind(offset)
    .bind(first)
    .bind(asked.member.as_str())
    .bind(asked.seen_by.map(UserId::uuid));
    if !by_metadata {
        return listing(found.fetch_all(db).await.map_err(failure)?);
    }
    let mut rows = found.fetch(db);
    let mut kept = Kept::new(part.offset, part.limit);
    while let Some(row) = rows.try_next().await.map_err(failure)? {
        let Some(group) = row.item.map(Group::try_from).transpose()? else { continue };
        if group.metadata.contains(&asked.metadata) {
            let passed = group.id.uuid() <= after;
            kept.meet(group, passed);
        }
    }
    Ok(kept.listing)
}

pub(crate) async fn assign(
    db: &mut SqliteConnection,
    group: GroupId,
    kind: &EntityType,
    members: &[EntityId],
    at: Timestamp,
) -> Result<()> {
    let (org, _) = scope(db, group).await?;
    if kind.is_users()
        && let Some(org) = org
    {
        for member in members {
            let user = member.user().ok_or(Error::NotFound(Entity::Membership))?;
            check_member(db, org, user).await?;
        }
    }
    for member in members {
        query(
            "INSERT INTO keyward_group_members (group_id, member_id, type, created_at) \
             VALUES (?1, ?2, ?3, ?4)",
        )
        .bind(group.uuid())
        .bind(member.as_str())
        .bind(kind.as_str())
        .bind(at.micros())
        .execute(&mut *db)
        .await
        .map_err(failure)?;
    }
    Ok(())
}

async fn check_member(db: &mut SqliteConnection, org: OrgId, user: UserId) -> Result<()> {
    let found: Option<i32> =
        query_scalar("SELECT 1 FROM org_memberships WHERE org_id = ?1 AND member_id = ?2")
            .bind(org.uuid())
            .bind(user.uuid())
            .fetch_optional(db)
            .await
            .map_err(failure)?;
    found.map(drop).ok_or(Error::NotFound(Entity::Membership))
}

pub(crate) async fn unassign(
    db: &mut SqliteConnection,
    group: GroupId,
    members: &[EntityId],
) -> Result<()> {
    scope(db, group).await?;
    for member in members {
        query("DELETE FROM keyward_group_members WHERE group_id = ?1 AND member_id = ?2")
            .bind(group.uuid())
            .bind(member.as_str())
            .execute(&mut *db)
            .await
            .map_err(failure)?;
    }
    Ok(())
}

/// Takes somebody who leaves an org out of its groups.
pub(crate) async fn forget(db: &mut SqliteConnection, org: OrgId, user: UserId) -> Result<()> {
    query(
        "DELETE FROM keyward_group_roles WHERE user_id = ?2 \
         AND group_id IN (SELECT id FROM keyward_groups WHERE org_id = ?1)",
    )
    .bind(org.uuid())
    .bind(user.uuid())
    .execute(&mut *db)
    .await
    .map_err(failure)?;
    query(
        "DELETE FROM keyward_group_members WHERE member_id = ?2 AND type = 'users' \
         AND group_id IN (SELECT id FROM keyward_groups WHERE org_id = ?1)",
    )
    .bind(org.uuid())
    .bind(user.to_string())
    .execute(&mut *db)
    .await
    .map_err(failure)?;
    Ok(())
}

#[derive(FromRow)]
pub(crate) struct GrantRow {
    user_id: Uuid,
    group_id: Uuid,
    role: String,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<GrantRow> for GroupGrant {
    type Error = Error;

    fn try_from(row: GrantRow) -> Result<Self> {
        Ok(Self {
            group: GroupId::new(row.group_id),
            user: UserId::new(row.user_id),
            role: row.role.parse().map_err(Error::internal)?,
            created_at: moment(row.created_at),
            updated_at: moment(row.updated_at),
        })
    }
}

pub(crate) async fn roles(
    db: &SqlitePool,
    group: GroupId,
    page: Page<()>,
) -> Result<Listing<GroupGrant>> {
    let (limit, offset) = window(&page);
    let rows = query_as(page!(
        "SELECT user_id, group_id, role, created_at, updated_at FROM keyward_group_roles \
         WHERE group_id = ?3",
        "user_id"
    ))
    .bind(limit)
    .bind(offset)
    .bind(group.uuid())
    .fetch_all(db)
    .await
    .map_err(failure)?;
    listing::<GrantRow, _>(rows)
}

/// Gives the role that it replaced.
pub(crate) async fn put_role(
    db: &mut SqliteConnection,
    grant: &GroupGrant,
) -> Result<Option<String>> {
    if let (Some(org), _) = scope(db, grant.group).await? {
        check_member(db, org, grant.user).await?;
    }
    let before =
        query_scalar("SELECT role FROM keyward_group_roles WHERE user_id = ?1 AND group_id = ?2")
            .bind(grant.user.uuid())
            .bind(grant.group.uuid())
            .fetch_optional(&mut *db)
            .await
            .map_err(failure)?;
    query(
        "INSERT INTO keyward_group_roles (user_id, group_id, role, created_at, updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (user_id, group_id) \
         DO UPDATE SET role = excluded.role, updated_at = excluded.updated_at",
    )
    .bind(grant.user.uuid())
    .bind(grant.group.uuid())
    .bind(grant.role.as_str())
    .bind(grant.created_at.micros())
    .bind(grant.updated_at.micros())
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(before)
}

/// Gives the role that it took.
pub(crate) async fn remove_role(
    db: &mut SqliteConnection,
    group: GroupId,
    user: UserId,
) -> Result<String> {
    let removed: Option<String> = query_scalar(
        "DELETE FROM keyward_group_roles WHERE user_id = ?1 AND group_id = ?2 RETURNING role",
    )
    .bind(user.uuid())
    .bind(group.uuid())
    .fetch_optional(db)
    .await
    .map_err(failure)?;
    removed.ok_or(Error::NotFound(Entity::GroupRole))
}
