//! What is stored of groups, their members and roles.

use auth_domain::error::Result;
use auth_domain::model::{Group, GroupGrant, GroupMember};
use sqlx::{PgConnection, query_as};
use uuid::Uuid;

use super::nouns;
use crate::failure::failure;
use crate::group_members::{GrantRow, MemberRow};
use crate::groups::GroupRow;

pub(super) async fn groups(db: &mut PgConnection, rows: &[Group]) -> Result<Vec<Group>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id.uuid()).collect();
    let found = query_as::<_, GroupRow>(
        "SELECT id, parent_id, owner_id, org_id, name, description, \
         metadata::text AS metadata, created_at, updated_at FROM keyward_groups \
         WHERE id = ANY ($1)",
    )
    .bind(ids);
    nouns(found.fetch_all(db).await.map_err(failure)?)
}

pub(super) async fn members(
    db: &mut PgConnection,
    rows: &[GroupMember],
) -> Result<Vec<GroupMember>> {
    let groups: Vec<Uuid> = rows.iter().map(|row| row.group.uuid()).collect();
    let members: Vec<&str> = rows.iter().map(|row| row.member.as_str()).collect();
    let found = query_as::<_, MemberRow>(
        "SELECT stored.group_id, stored.member_id, stored.type, stored.created_at \
         FROM unnest($1::uuid[], $2::text[]) AS wanted (group_id, member_id) \
         JOIN keyward_group_members AS stored ON stored.group_id = wanted.group_id \
         AND stored.member_id = wanted.member_id COLLATE \"C\"",
    )
    .bind(groups)
    .bind(members);
    let found = found.fetch_all(db).await.map_err(failure)?;
    nouns(found)
}

pub(super) async fn roles(db: &mut PgConnection, rows: &[GroupGrant]) -> Result<Vec<GroupGrant>> {
    let groups: Vec<Uuid> = rows.iter().map(|row| row.group.uuid()).collect();
    let users: Vec<Uuid> = rows.iter().map(|row| row.user.uuid()).collect();
    let found = query_as::<_, GrantRow>(
        "SELECT stored.group_id, stored.user_id, role, created_at, updated_at \
         FROM unnest($1::uuid[], $2::uuid[]) AS wanted (group_id, user_id) \
         JOIN keyward_group_roles AS stored ON stored.group_id = wanted.group_id \
         AND stored.user_id = wanted.user_id",
    )
    .bind(groups)
    .bind(users);
    nouns(found.fetch_all(db).await.map_err(failure)?)
}
