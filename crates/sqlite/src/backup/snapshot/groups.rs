//! The lists of groups, their members and roles.

use std::collections::HashMap;

use auth_domain::backup::Rows;
use auth_domain::backup::ports::PART;
use auth_domain::error::Result;
use auth_domain::model::{EntityId, Group, GroupGrant, GroupId, GroupMember};
use sqlx::{query_as, query_scalar};
use uuid::Uuid;

use super::SqliteSnapshot;
use crate::failure::failure;
use crate::group_members::{GrantRow, MemberRow};
use crate::groups::{GroupRow, list_of};

const GROUP_ROLES: &str = "SELECT group_id, user_id, role, created_at, updated_at \
    FROM keyward_group_roles WHERE (group_id, user_id) > (?1, ?2) \
    ORDER BY group_id, user_id LIMIT ?3";

impl SqliteSnapshot {
    /// Finds out in which order groups come: each after the one above it.
    pub(super) async fn order_groups(&mut self) -> Result<()> {
        let ids: Vec<Uuid> = query_scalar(
            "WITH RECURSIVE tree (id, level) AS (\
             SELECT id, 1 FROM keyward_groups WHERE parent_id IS NULL UNION ALL \
             SELECT below.id, level + 1 FROM tree JOIN keyward_groups AS below \
             ON below.parent_id = tree.id) SELECT id FROM tree ORDER BY level DESC, id DESC",
        )
        .fetch_all(&mut *self.tx)
        .await
        .map_err(failure)?;
        self.groups = ids.into_iter().map(GroupId::new).collect();
        Ok(())
    }

    /// Some groups, and how many were to be read.
    pub(super) async fn groups(&mut self) -> Result<(Rows, usize)> {
        let kept = self.groups.len().saturating_sub(PART);
        let mut wanted = self.groups.split_off(kept);
        wanted.reverse();
        let rows: Vec<GroupRow> = query_as(
            "SELECT id, parent_id, owner_id, org_id, name, description, metadata, created_at, \
             updated_at FROM keyward_groups WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
        )
        .bind(list_of(&wanted))
        .fetch_all(&mut *self.tx)
        .await
        .map_err(failure)?;
        let mut found: HashMap<GroupId, Group> = HashMap::with_capacity(rows.len());
        for row in rows {
            let group = Group::try_from(row)?;
            found.insert(group.id, group);
        }
        let rows = wanted.iter().filter_map(|id| found.remove(id)).collect();
        Ok((Rows::Groups(rows), wanted.len()))
    }

    pub(super) async fn group_members(&mut self) -> Result<(Rows, usize)> {
        let rows: Vec<MemberRow> = query_as(
            "SELECT group_id, member_id, type, created_at FROM keyward_group_members \
             WHERE (group_id, member_id) > (?1, ?2) ORDER BY group_id, member_id LIMIT ?3",
        )
        .bind(&self.after.0)
        .bind(&self.after_member)
        .bind(i64::try_from(PART).unwrap_or(i64::MAX))
        .fetch_all(&mut *self.tx)
        .await
        .map_err(failure)?;
        let read = rows.len();
        let rows: Vec<GroupMember> =
            rows.into_iter().map(GroupMember::try_from).collect::<Result<_>>()?;
        if let Some(last) = rows.last() {
            self.pass(Some((last.group.uuid(), Uuid::nil())));
            EntityId::as_str(&last.member).clone_into(&mut self.after_member);
        }
        Ok((Rows::GroupMembers(rows), read))
    }

    pub(super) async fn group_roles(&mut self) -> Result<(Rows, usize)> {
        let rows: Vec<GrantRow> = self.read(GROUP_ROLES).await?;
        let read = rows.len();
        let rows: Vec<GroupGrant> =
            rows.into_iter().map(GroupGrant::try_from).collect::<Result<_>>()?;
        self.pass(rows.last().map(|row| (row.group.uuid(), row.user.uuid())));
        Ok((Rows::GroupRoles(rows), read))
    }
}
