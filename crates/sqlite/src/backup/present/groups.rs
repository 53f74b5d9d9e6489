//! What is stored of groups, their members and roles.

use auth_domain::error::Result;
use auth_domain::model::{Group, GroupGrant, GroupMember};
use serde_json::json;
use sqlx::SqliteConnection;

use super::super::bulk::hex;
use super::{nouns, pair};
use crate::group_members::{GrantRow, MemberRow};
use crate::groups::GroupRow;

pub(super) async fn groups(db: &mut SqliteConnection, rows: &[Group]) -> Result<Vec<Group>> {
    nouns::<GroupRow, Group>(
        db,
        "SELECT id, parent_id, owner_id, org_id, name, description, metadata, \
         created_at, updated_at FROM keyward_groups \
         WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
        rows.iter().map(|row| hex(row.id.uuid())).collect(),
    )
    .await
}

pub(super) async fn members(
    db: &mut SqliteConnection,
    rows: &[GroupMember],
) -> Result<Vec<GroupMember>> {
    nouns::<MemberRow, GroupMember>(
        db,
        "SELECT stored.group_id, stored.member_id, stored.type, stored.created_at \
         FROM json_each(?1) AS wanted CROSS JOIN keyward_group_members AS stored \
         ON stored.group_id = unhex(wanted.value ->> 0) \
         AND stored.member_id = wanted.value ->> 1",
        rows.iter().map(|row| json!([hex(row.group.uuid()), row.member.as_str()])).collect(),
    )
    .await
}

pub(super) async fn roles(
    db: &mut SqliteConnection,
    rows: &[GroupGrant],
) -> Result<Vec<GroupGrant>> {
    nouns::<GrantRow, GroupGrant>(
        db,
        "SELECT stored.group_id, stored.user_id, role, created_at, updated_at \
         FROM json_each(?1) AS wanted CROSS JOIN keyward_group_roles AS stored \
         ON stored.group_id = unhex(wanted.value ->> 0) \
         AND stored.user_id = unhex(wanted.value ->> 1)",
        rows.iter().map(|row| pair(row.group.uuid(), row.user.uuid())).collect(),
    )
    .await
}
