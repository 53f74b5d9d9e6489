//! What is in a group: users, or whatever other services have.

use std::collections::BTreeSet;

use super::members::Batch;
use super::paging::{Paged, PartAsked};
use crate::app::{Access, Cx, Operation};
use crate::change::Change;
use crate::directory;
use crate::error::{Entity, Error, Result};
use crate::model::{
    EntityId, EntityType, GroupId, GroupMember, GroupRole, GroupsOfQuery, Metadata, Placed, UserId,
};
use crate::policy;
use crate::ports::Class;

/// Makes things members of a group: all of them or none. Naming one twice changes nothing.
#[derive(Debug)]
pub struct AssignMembers {
    /// Of which group.
    pub group: GroupId,
    /// What they are.
    pub kind: EntityType,
    /// Which.
    pub members: Batch<EntityId>,
}

impl Operation for AssignMembers {
    type Output = ();
    const NAME: &'static str = "assign_group_members";

    fn access(&self) -> Access {
        Access::InGroup(self.group, GroupRole::Editor)
    }

    /// Whether users belong to the group's org is checked in the commit; whether there are such users at
    /// all, in a group that belongs to no org, here.
    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let mut members: BTreeSet<EntityId> = self.members.items().iter().cloned().collect();
        if self.kind.is_users() {
            let users: Option<BTreeSet<UserId>> = members.iter().map(EntityId::user).collect();
            let users = users.ok_or(Error::NotFound(Entity::Account))?;
            if cx.standing_in(self.group)?.org.is_none() {
                known(cx, &users.iter().copied().collect::<Vec<_>>()).await?;
            }
            members = users.into_iter().map(EntityId::of_user).collect();
        }
        let (group, kind, at) = (self.group, self.kind, cx.now);
        let members = members.into_iter().collect();
        cx.commit(vec![Change::AssignMembers { group, kind, members, at }]).await
    }
}

/// Whether the directory knows all of these.
pub(super) async fn known(cx: &Cx<'_>, users: &[UserId]) -> Result<()> {
    let found = directory::addresses(cx.directory(), users).await?;
    if users.iter().all(|user| found.contains_key(user)) {
        Ok(())
    } else {
        Err(Error::NotFound(Entity::Account))
    }
}

/// Takes things out of a group. Those that are not in it stay where they are.
#[derive(Debug)]
pub struct UnassignMembers {
    /// Out of which group.
    pub group: GroupId,
    /// Which.
    pub members: Batch<EntityId>,
}

impl Operation for UnassignMembers {
    type Output = ();
    const NAME: &'static str = "unassign_group_members";

    fn access(&self) -> Access {
        Access::InGroup(self.group, GroupRole::Editor)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let members: BTreeSet<EntityId> = self.members.items().iter().cloned().collect();
        let (group, members) = (self.group, members.into_iter().collect());
        cx.commit(vec![Change::UnassignMembers { group, members }]).await
    }
}

/// Lists what is in a group.
#[derive(Debug)]
pub struct ListGroupMembers {
    /// Which group.
    pub group: GroupId,
    /// Only members of this type.
    pub kind: Option<EntityType>,
    /// Nothing, unless the group's metadata contains this.
    pub metadata: Metadata,
    /// Which part of them.
    pub part: PartAsked,
}

impl Operation for ListGroupMembers {
    type Output = Paged<GroupMember>;
    const NAME: &'static str = "list_group_members";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::InGroup(self.group, GroupRole::Viewer)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Paged<GroupMember>> {
        let list = format!("members {}", self.group);
        let part = self.part.part(cx, &list, read_text)?;
        if !self.metadata.is_empty() {
            let group = cx.store().groups(&[self.group]).await?.pop();
            if group.is_none_or(|group| !group.metadata.contains(&self.metadata)) {
                return Ok(Paged { items: Vec::new(), total: 0, next: None });
            }
        }
        let found = cx.store().group_members(self.group, self.kind.as_ref(), &part).await?;
        let place = |last: &GroupMember| last.member.as_str().as_bytes().to_vec();
        Ok(self.part.paged(cx, &list, (found.items, found.total), place))
    }
}

fn read_text(bytes: &[u8]) -> Option<EntityId> {
    String::from_utf8(bytes.to_vec()).ok().map(EntityId::stored)
}

/// Lists the groups something is in, as far as the caller may see them.
#[derive(Debug)]
pub struct ListGroupsOf {
    /// What.
    pub member: EntityId,
    /// Only groups whose metadata contains this.
    pub metadata: Metadata,
    /// Which part of them.
    pub part: PartAsked,
}

impl Operation for ListGroupsOf {
    type Output = Paged<Placed>;
    const NAME: &'static str = "list_group_memberships";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::SignedIn
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Paged<Placed>> {
        let user = cx.identity()?.user;
        let list = format!("groups of {}", self.member.as_str());
        let part = self.part.part(cx, &list, read_id)?;
        let sees_all = cx.store().standing(user, None).await?.platform.is_some();
        let seen_by = (!sees_all).then_some(user);
        let query = GroupsOfQuery { member: self.member, seen_by, metadata: self.metadata };
        let found = cx.store().groups_of(&query, &part).await?;
        let place = |last: &crate::model::Group| last.id.uuid().into_bytes().to_vec();
        let page = self.part.paged(cx, &list, (found.items, found.total), place);
        let ids: Vec<GroupId> = page.items.iter().map(|group| group.id).collect();
        let standings = cx.store().group_standings(user, &ids).await?;
        let seen = |mut group: crate::model::Group| {
            // One that has gone meanwhile, or is not the caller's to see any more, is left out.
            let standing = standings.iter().find(|standing| standing.group == group.id)?;
            let path = policy::visible_trail(user, standing);
            group.parent = path.iter().rev().nth(1).copied();
            (!path.is_empty()).then_some(Placed { group, path })
        };
        let items = page.items.into_iter().filter_map(seen).collect();
        Ok(Paged { items, total: page.total, next: page.next })
    }
}

fn read_id(bytes: &[u8]) -> Option<GroupId> {
    uuid::Uuid::from_slice(bytes).ok().map(GroupId::new)
}
