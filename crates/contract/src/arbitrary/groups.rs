//! Changes of groups.

#[cfg(test)]
use auth_domain::backup::Rows;
use auth_domain::change::Change;
#[cfg(test)]
use auth_domain::model::GroupMember;
use auth_domain::model::{EntityId, EntityType, Group, GroupEdit, GroupRole};
#[cfg(test)]
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;

use super::{NAMES, metadatas, moments, numbers, users};
use crate::sample::{grant, group, group_edit, group_id, org_id};

pub(super) fn group_roles() -> impl Strategy<Value = GroupRole> {
    select(GroupRole::ALL.to_vec())
}

/// One of each kind: users by their ids, and things by the same.
fn entities() -> impl Strategy<Value = (EntityType, Vec<EntityId>)> {
    let kind = select(vec!["users", "things"]);
    (kind, proptest::collection::btree_set(users(), 0..3)).prop_map(|(kind, users)| {
        let members = users.into_iter().map(EntityId::of_user).collect();
        (EntityType::stored(kind.into()), members)
    })
}

fn groups() -> impl Strategy<Value = Group> {
    let home = (option::weighted(0.6, 1..=2_u32), users(), option::weighted(0.6, numbers()));
    (numbers(), home, select(NAMES.to_vec()), metadatas(), moments()).prop_map(
        |(number, (org, owner, parent), name, metadata, at)| Group {
            owner,
            org: org.map(org_id),
            name: name.parse().unwrap(),
            metadata,
            created_at: at,
            ..group(number, parent)
        },
    )
}

pub(super) fn group_changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => groups().prop_map(Change::InsertGroup),
        1 => (numbers(), select(NAMES.to_vec()), metadatas()).prop_map(|(number, name, metadata)| {
            Change::UpdateGroup(GroupEdit { metadata, ..group_edit(number, name) })
        }),
        3 => (numbers(), option::of(numbers()), moments()).prop_map(|(id, parent, at)| {
            Change::MoveGroup { id: group_id(id), parent: parent.map(group_id), at }
        }),
        1 => (numbers(), any::<bool>())
            .prop_map(|(id, subtree)| Change::RemoveGroup { id: group_id(id), subtree }),
        3 => (numbers(), entities(), moments()).prop_map(|(id, (kind, members), at)| {
            Change::AssignMembers { group: group_id(id), kind, members, at }
        }),
        1 => (numbers(), entities()).prop_map(|(id, (_, members))| {
            Change::UnassignMembers { group: group_id(id), members }
        }),
        3 => (numbers(), users(), group_roles())
            .prop_map(|(id, user, role)| Change::PutGroupRole(grant(id, user, role))),
        1 => (numbers(), users())
            .prop_map(|(id, user)| Change::RemoveGroupRole { group: group_id(id), user }),
    ]
}

/// Some rows of one list of groups, which are no tree of any kind.
#[cfg(test)]
pub(super) fn group_rows() -> impl Strategy<Value = Rows> {
    let member = (numbers(), entities(), moments()).prop_map(|(group, (kind, members), at)| {
        let member = |member| GroupMember {
            group: group_id(group),
            kind: kind.clone(),
            member,
            created_at: at,
        };
        Rows::GroupMembers(members.into_iter().map(member).collect())
    });
    let grants =
        (numbers(), users(), group_roles()).prop_map(|(id, user, role)| grant(id, user, role));
    prop_oneof![
        vec(groups(), 0..3).prop_map(Rows::Groups),
        member,
        vec(grants, 0..3).prop_map(Rows::GroupRoles),
    ]
}
