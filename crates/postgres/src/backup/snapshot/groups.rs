//! The lists of groups, their members and roles.

use std::collections::HashMap;

use auth_domain::backup::Rows;
use auth_domain::backup::ports::PART;
use auth_domain::error::Result;
use auth_domain::model::{Group, GroupGrant, GroupMember};
use sqlx::{query_as, query_scalar};
use uuid::Uuid;

use super::{PgSnapshot, limit};
use crate::failure::failure;
use crate::group_members::{GrantRow, MemberRow};
use crate::groups::GroupRow;

const GROUP_ROLES: &str = "SELECT group_id, user_id, role, created_at, updated_at \
    FROM keyward_group_roles WHERE (group_id, user_id) > ($1, $2) \
    ORDER BY group_id, user_id LIMIT $3";

impl PgSnapshot {
    /// Finds out in which order groups come: each after the one above it.
    pub(super) async fn order_groups(&mut self) -> Result<()> {
        self.groups = self
            .held
            .run(async |db| {
                query_scalar(
                    "WITH RECURSIVE tree (id, level) AS (\
                     SELECT id, 1 FROM keyward_groups WHERE parent_id IS NULL UNION ALL \
                     SELECT below.id, level + 1 FROM tree JOIN keyward_groups AS below \
                     ON below.parent_id = tree.id) SELECT id FROM tree ORDER BY level DESC, id DESC",
                )
                .fetch_all(db)
                .await
                .map_err(failure)
            })
            .await?;
        Ok(())
    }

    /// Some groups, and how many were to be read.
    pub(super) async fn groups(&mut self) -> Result<(Rows, usize)> {
        let kept = self.groups.len().saturating_sub(PART);
        let mut wanted = self.groups.split_off(kept);
        wanted.reverse();
        let rows: Vec<GroupRow> = self
            .held
            .run(async |db| {
                query_as(
                    "SELECT id, parent_id, owner_id, org_id, name, description, \
                     metadata::text AS metadata, created_at, updated_at FROM keyward_groups \
                     WHERE id = ANY ($1)",
                )
                .bind(&wanted)
                .fetch_all(db)
                .await
                .map_err(failure)
            })
            .await?;
        let mut found: HashMap<Uuid, Group> = HashMap::with_capacity(rows.len());
        for row in rows {
            let group = Group::try_from(row)?;
            found.insert(group.id.uuid(), group);
        }
        let rows = wanted.iter().filter_map(|id| found.remove(id)).collect();
        Ok((Rows::Groups(rows), wanted.len()))
    }

    pub(super) async fn group_members(&mut self) -> Result<(Rows, usize)> {
        let (group, member) = (self.after.0, self.after_member.as_str());
        let rows: Vec<MemberRow> = self
            .held
            .run(async |db| {
                query_as(
                    "SELECT group_id, member_id, type, created_at FROM keyward_group_members \
                     WHERE (group_id, member_id) > ($1, $2 COLLATE \"C\") \
                     ORDER BY group_id, member_id LIMIT $3",
                )
                .bind(group)
                .bind(member)
                .bind(limit())
                .fetch_all(db)
                .await
                .map_err(failure)
            })
            .await?;
        let read = rows.len();
        let rows: Vec<GroupMember> =
            rows.into_iter().map(GroupMember::try_from).collect::<Result<_>>()?;
        if let Some(last) = rows.last() {
            self.after = (last.group.uuid(), Uuid::nil());
            last.member.as_str().clone_into(&mut self.after_member);
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
