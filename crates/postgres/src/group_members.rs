//! What is in a group, and who has which role in it.

use auth_domain::Timestamp;
use auth_domain::error::{Entity, Error, Result};
use auth_domain::model::{
    EntityId, EntityType, Group, GroupGrant, GroupId, GroupMember, GroupsOfQuery, Listing, OrgId,
    OrgRole, Page, Part, UserId,
};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::connections::Connections;
use crate::failure::failure;
use crate::group_standing::{Hold, Scope, hold_group};
use crate::groups::GroupRow;
use crate::moment::Moment;
use crate::rows::{listing, page, window};

#[derive(FromRow)]
pub(crate) struct MemberRow {
    group_id: Uuid,
    member_id: String,
    #[sqlx(rename = "type")]
    kind: String,
    created_at: Moment,
}

impl TryFrom<MemberRow> for GroupMember {
    type Error = Error;

    fn try_from(row: MemberRow) -> Result<Self> {
        Ok(Self {
            group: GroupId::new(row.group_id),
            kind: EntityType::stored(row.kind),
            member: EntityId::stored(row.member_id),
            created_at: row.created_at.0,
        })
    }
}

pub(crate) async fn list(
    db: &Connections,
    group: GroupId,
    kind: Option<&EntityType>,
    part: &Part<EntityId>,
) -> Result<Listing<GroupMember>> {
    let bounded = |number| i64::try_from(number).unwrap_or(i64::MAX);
    let rows = db
        .all(|| {
            // Every id is greater than no text.
            query_as(
                "SELECT counted.total, page.* FROM (SELECT count(*) AS total \
                 FROM keyward_group_members WHERE group_id = $3 AND ($4::text IS NULL OR type = $4)) \
                 AS counted LEFT JOIN (SELECT group_id, member_id, type, created_at \
                 FROM keyward_group_members WHERE group_id = $3 AND ($4 IS NULL OR type = $4) \
                 AND member_id > $5 ORDER BY member_id LIMIT $1 OFFSET $2) AS page \
                 ON TRUE ORDER BY member_id",
            )
            .bind(bounded(part.limit))
            .bind(bounded(part.offset))
            .bind(group.uuid())
            .bind(kind.map(EntityType::as_str))
            .bind(part.after.as_ref().map_or("", EntityId::as_str))
        })
        .await?;
    listing::<MemberRow, _>(rows)
}

pub(crate) async fn groups_of(
    db: &Connections,
    query: &GroupsOfQuery,
    part: &Part<GroupId>,
) -> Result<Listing<Group>> {
    let bounded = |number| i64::try_from(number).unwrap_or(i64::MAX);
    let rows = db
        .all(|| {
            query_as(
                "WITH matching AS MATERIALIZED (SELECT own.id, parent_id, owner_id, own.org_id, name, \
                 description, metadata::text AS metadata, own.created_at, own.updated_at \
                 FROM keyward_group_members AS place JOIN keyward_groups AS own \
                 ON own.id = place.group_id WHERE place.member_id = $4 \
                 AND ($5::jsonb IS NULL OR metadata @> $5) AND CASE \
                 WHEN $6::uuid IS NULL THEN \
                 own.org_id IS NULL OR (SELECT 1 FROM orgs WHERE orgs.id = own.org_id) IS NOT NULL \
                 WHEN own.org_id IS NOT NULL THEN EXISTS (SELECT 1 FROM org_memberships AS membership \
                 WHERE membership.member_id = $6 AND membership.org_id = own.org_id \
                 AND role = ANY ($7)) \
                 ELSE own.owner_id = $6 OR EXISTS (WITH RECURSIVE up (id, distance) AS (\
                 SELECT own.id, 0 \
                 UNION ALL \
                 SELECT above.parent_id, distance + 1 FROM up JOIN keyward_groups AS above \
                 ON above.id = up.id WHERE distance < 32) \
                 SELECT 1 FROM up JOIN keyward_group_roles AS given \
                 ON given.group_id = up.id AND given.user_id = $6) END) \
                 SELECT counted.total, page.* FROM (SELECT count(*) AS total FROM matching) AS counted \
                 LEFT JOIN (SELECT * FROM matching WHERE id > $3 ORDER BY id LIMIT $1 OFFSET $2) AS page \
                 ON TRUE ORDER BY id",
            )
            .bind(bounded(part.limit))
            .bind(bounded(part.offset))
            .bind(part.after.map_or(Uuid::nil(), GroupId::uuid))
            .bind(query.member.as_str())
            .bind((!query.metadata.is_empty()).then(|| Json(query.metadata.object())))
            .bind(query.seen_by.map(UserId::uuid))
            .bind(OrgRole::ALL.map(OrgRole::as_str).to_vec())
        })
        .await?;
    listing::<GroupRow, _>(rows)
}

pub(crate) async fn assign(
    db: &mut PgConnection,
    group: GroupId,
    kind: &EntityType,
    members: &[EntityId],
    at: Timestamp,
) -> Result<()> {
    let belongs_to = hold_group(db, group, Hold::Shared).await?;
    if kind.is_users()
        && let Scope::Org(org) = belongs_to
    {
        let users: Option<Vec<UserId>> = members.iter().map(EntityId::user).collect();
        hold_members(db, org, &users.ok_or(Error::NotFound(Entity::Membership))?).await?;
    }
    let members: Vec<&str> = members.iter().map(EntityId::as_str).collect();
    query(
        "INSERT INTO keyward_group_members (group_id, member_id, type, created_at) \
         SELECT $1, member, $3, $4 FROM unnest($2::text[]) AS member",
    )
    .bind(group.uuid())
    .bind(members)
    .bind(kind.as_str())
    .bind(Moment(at))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

/// Sees to it that these are members of the org, and stay so until the commit ends.
async fn hold_members(db: &mut PgConnection, org: OrgId, users: &[UserId]) -> Result<()> {
    let mut wanted: Vec<Uuid> = users.iter().map(|user| user.uuid()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let found: Vec<Uuid> = query_scalar(
        "SELECT member_id FROM org_memberships \
         WHERE org_id = $1 AND member_id = ANY ($2) AND role = ANY ($3) \
         ORDER BY member_id FOR KEY SHARE",
    )
    .bind(org.uuid())
    .bind(&wanted)
    .bind(OrgRole::ALL.map(OrgRole::as_str).to_vec())
    .fetch_all(db)
    .await
    .map_err(failure)?;
    if found.len() == wanted.len() { Ok(()) } else { Err(Error::NotFound(Entity::Membership)) }
}

pub(crate) async fn unassign(
    db: &mut PgConnection,
    group: GroupId,
    members: &[EntityId],
) -> Result<()> {
    hold_group(db, group, Hold::Shared).await?;
    let members: Vec<&str> = members.iter().map(EntityId::as_str).collect();
    query("DELETE FROM keyward_group_members WHERE group_id = $1 AND member_id = ANY ($2)")
        .bind(group.uuid())
        .bind(members)
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

/// Takes somebody who leaves an org out of its groups.
pub(crate) async fn forget(db: &mut PgConnection, org: OrgId, user: UserId) -> Result<()> {
    for statement in [
        "DELETE FROM keyward_group_roles AS given USING keyward_groups AS own \
         WHERE own.id = given.group_id AND own.org_id = $1 AND given.user_id = $2::uuid",
        "DELETE FROM keyward_group_members AS place USING keyward_groups AS own \
         WHERE own.id = place.group_id AND own.org_id = $1 AND place.type = 'users' \
         AND place.member_id = CAST($2::uuid AS text)",
    ] {
        query(statement)
            .bind(org.uuid())
            .bind(user.uuid())
            .execute(&mut *db)
            .await
            .map_err(failure)?;
    }
    Ok(())
}

#[derive(FromRow)]
pub(crate) struct GrantRow {
    user_id: Uuid,
    group_id: Uuid,
    role: String,
    created_at: Moment,
    updated_at: Moment,
}

impl TryFrom<GrantRow> for GroupGrant {
    type Error = Error;

    fn try_from(row: GrantRow) -> Result<Self> {
        Ok(Self {
            group: GroupId::new(row.group_id),
            user: UserId::new(row.user_id),
            role: row.role.parse().map_err(Error::internal)?,
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
        })
    }
}

pub(crate) async fn roles(
    db: &Connections,
    group: GroupId,
    page: Page<()>,
) -> Result<Listing<GroupGrant>> {
    let (limit, offset) = window(&page);
    let rows = db
        .all(|| {
            query_as(page!(
                "SELECT user_id, group_id, role, created_at, updated_at FROM keyward_group_roles \
                 WHERE group_id = $3",
                "user_id"
            ))
            .bind(limit)
            .bind(offset)
            .bind(group.uuid())
        })
        .await?;
    listing::<GrantRow, _>(rows)
}

/// Gives the role that it replaced.
pub(crate) async fn put_role(db: &mut PgConnection, grant: &GroupGrant) -> Result<Option<String>> {
    if let Scope::Org(org) = hold_group(db, grant.group, Hold::Alone).await? {
        hold_members(db, org, &[grant.user]).await?;
    }
    query_scalar(
        "WITH before AS \
         (SELECT role FROM keyward_group_roles WHERE user_id = $1 AND group_id = $2) \
         INSERT INTO keyward_group_roles (user_id, group_id, role, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_id, group_id) \
         DO UPDATE SET role = excluded.role, updated_at = excluded.updated_at \
         RETURNING (SELECT role FROM before)",
    )
    .bind(grant.user.uuid())
    .bind(grant.group.uuid())
    .bind(grant.role.as_str())
    .bind(Moment(grant.created_at))
    .bind(Moment(grant.updated_at))
    .fetch_one(db)
    .await
    .map_err(failure)
}

/// Gives the role that it took.
pub(crate) async fn remove_role(
    db: &mut PgConnection,
    group: GroupId,
    user: UserId,
) -> Result<String> {
    let none = || Error::NotFound(Entity::GroupRole);
    hold_group(db, group, Hold::Alone).await.map_err(|error| match error {
        Error::NotFound(_) => none(),
        other => other,
    })?;
    let removed = query_scalar(
        "DELETE FROM keyward_group_roles WHERE user_id = $1 AND group_id = $2 RETURNING role",
    )
    .bind(user.uuid())
    .bind(group.uuid())
    .fetch_optional(db)
    .await
    .map_err(failure)?;
    removed.ok_or_else(none)
}
