//! A plain tree to hold a store's against, and ways to look at a store's trees.
//!
//! [`Tree`] keeps every rule in the most obvious way and none of the speed: it walks, compares and copies.

use std::collections::BTreeMap;

use auth_domain::change::Change;
use auth_domain::model::{
    EntityId, Group, GroupId, GroupQuery, GroupsFrom, MAX_DEPTH, Metadata, OrgId, Part, Placed,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Strategy, prop_oneof};
use serde_json::Value;

use crate::AnyStore;
use crate::sample::{group, group_edit, group_id, metadata, moment, org_id, own_group};

/// Groups by id, and what is in each.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    groups: BTreeMap<GroupId, Group>,
    members: BTreeMap<GroupId, Vec<EntityId>>,
    orgs: Vec<OrgId>,
}

impl Tree {
    /// Nothing grows there yet; these orgs exist.
    #[must_use]
    pub fn new(orgs: Vec<OrgId>) -> Self {
        Self { orgs, ..Self::default() }
    }

    /// Applies one change about groups or refuses it, and says what became of it, by the stable code.
    pub fn apply(&mut self, change: &Change) -> &'static str {
        let mut next = self.clone();
        let verdict = next.change(change);
        if verdict == "ok" {
            *self = next;
        }
        verdict
    }

    fn change(&mut self, change: &Change) -> &'static str {
        match change {
            Change::InsertGroup(group) => self.insert(group),
            Change::UpdateGroup(edit) => {
                let Some(group) = self.groups.get_mut(&edit.id) else { return "not_found" };
                group.name = edit.name.clone();
                let id = edit.id;
                self.unless_taken(id)
            }
            Change::MoveGroup { id, parent, .. } => self.relocate(*id, *parent),
            Change::RemoveGroup { id, subtree } => self.remove(*id, *subtree),
            Change::AssignMembers { group, members, .. } => {
                if !self.groups.contains_key(group) {
                    return "not_found";
                }
                let inside = self.members.entry(*group).or_default();
                if members.iter().any(|member| inside.contains(member)) {
                    return "already_exists";
                }
                inside.extend(members.iter().cloned());
                "ok"
            }
            Change::UnassignMembers { group, members } => {
                if !self.groups.contains_key(group) {
                    return "not_found";
                }
                self.members.entry(*group).or_default().retain(|member| !members.contains(member));
                "ok"
            }
            _ => "not about groups",
        }
    }

    fn insert(&mut self, group: &Group) -> &'static str {
        if group.org.is_some_and(|org| !self.orgs.contains(&org)) {
            return "not_found";
        }
        if let Some(parent) = group.parent {
            match self.refuse_parent(group, parent) {
                "ok" if self.way(parent).len() >= MAX_DEPTH => return "too_deep",
                "ok" => {}
                refusal => return refusal,
            }
        }
        if self.groups.contains_key(&group.id) {
            return "already_exists";
        }
        self.groups.insert(group.id, group.clone());
        self.unless_taken(group.id)
    }

    fn refuse_parent(&self, group: &Group, parent: GroupId) -> &'static str {
        match self.groups.get(&parent) {
            None => "not_found",
            Some(above) if same_scope(above, group) => "ok",
            Some(_) => "invalid_parent",
        }
    }

    fn relocate(&mut self, id: GroupId, parent: Option<GroupId>) -> &'static str {
        let Some(group) = self.groups.get(&id).cloned() else { return "not_found" };
        if let Some(parent) = parent {
            match self.refuse_parent(&group, parent) {
                "ok" => {}
                refusal => return refusal,
            }
            let above = self.way(parent);
            if above.contains(&id) {
                return "group_cycle";
            }
            let own = self.way(id).len();
            let below = self.groups.keys().map(|other| self.way(*other));
            let deepest = below.filter(|way| way.contains(&id)).map(|way| way.len()).max();
            if above.len() + (deepest.unwrap() + 1 - own) > MAX_DEPTH {
                return "too_deep";
            }
        }
        self.groups.get_mut(&id).unwrap().parent = parent;
        self.unless_taken(id)
    }

    fn remove(&mut self, id: GroupId, subtree: bool) -> &'static str {
        if !self.groups.contains_key(&id) {
            return "not_found";
        }
        let below: Vec<GroupId> =
            self.groups.keys().copied().filter(|other| self.way(*other).contains(&id)).collect();
        let is_empty = self.members.get(&id).is_none_or(Vec::is_empty);
        if !subtree && (below.len() > 1 || !is_empty) {
            return "group_not_empty";
        }
        for id in below {
            self.groups.remove(&id);
            self.members.remove(&id);
        }
        "ok"
    }

    fn unless_taken(&self, id: GroupId) -> &'static str {
        let own = &self.groups[&id];
        let sibling = |other: &&Group| {
            other.id != id
                && other.name == own.name
                && other.parent == own.parent
                && same_scope(other, own)
        };
        if self.groups.values().any(|other| sibling(&other)) { "already_exists" } else { "ok" }
    }

    /// The ids from the root down.
    fn way(&self, id: GroupId) -> Vec<GroupId> {
        let mut way = vec![id];
        while let Some(parent) = self.groups[&way[0]].parent {
            way.insert(0, parent);
            assert!(way.len() <= MAX_DEPTH, "a cycle, or too deep: {way:?}");
        }
        way
    }

    /// Every way with the name at its end and what is in the group, in order.
    #[must_use]
    pub fn look(&self) -> Vec<(Vec<GroupId>, String, Vec<EntityId>)> {
        let mut seen: Vec<_> = self
            .groups
            .values()
            .map(|group| {
                let mut members = self.members.get(&group.id).cloned().unwrap_or_default();
                members.sort();
                (self.way(group.id), group.name.as_str().to_owned(), members)
            })
            .collect();
        seen.sort();
        seen
    }
}

fn same_scope(one: &Group, other: &Group) -> bool {
    one.org == other.org && (one.org.is_some() || one.owner == other.owner)
}

/// The same look at a store.
pub async fn look(store: &AnyStore) -> Vec<(Vec<GroupId>, String, Vec<EntityId>)> {
    let mut seen = Vec::new();
    for Placed { group, path } in all(store).await {
        assert_eq!(path.last(), Some(&group.id));
        assert_eq!(path.iter().rev().nth(1).copied(), group.parent);
        let part = Part { offset: 0, limit: 200, after: None };
        let found = store.group_members(group.id, None, &part).await.unwrap();
        let members = found.items.into_iter().map(|item| item.member).collect();
        seen.push((path, group.name.as_str().to_owned(), members));
    }
    seen
}

/// Every group, from the roots down.
pub(crate) async fn all(store: &AnyStore) -> Vec<Placed> {
    let query = GroupQuery {
        from: GroupsFrom::Roots(None),
        levels: MAX_DEPTH,
        metadata: Metadata::default(),
    };
    let part = Part { offset: 0, limit: 200, after: None };
    store.group_tree(&query, &part).await.unwrap().items
}

/// The number a group has in these tests.
fn number(id: GroupId) -> String {
    (id.uuid().as_u128() & 0xffff_ffff).to_string()
}

fn words(items: &[Placed]) -> Vec<String> {
    let word =
        |placed: &Placed| placed.path.iter().map(|id| number(*id)).collect::<Vec<_>>().join(".");
    items.iter().map(word).collect()
}

pub(crate) async fn paths(store: &AnyStore) -> Vec<String> {
    words(&all(store).await)
}

pub(crate) async fn listed(store: &AnyStore, from: GroupsFrom, levels: usize) -> Vec<String> {
    let query = GroupQuery { from, levels, metadata: Metadata::default() };
    let part = Part { offset: 0, limit: 200, after: None };
    let found = store.group_tree(&query, &part).await.unwrap();
    assert_eq!(found.total, found.items.len() as u64);
    words(&found.items)
}

pub(crate) async fn filtered(store: &AnyStore, from: GroupsFrom, by: Value) -> Vec<String> {
    let query = GroupQuery { from, levels: MAX_DEPTH, metadata: metadata(by) };
    let part = Part { offset: 0, limit: 200, after: None };
    let found = store.group_tree(&query, &part).await.unwrap();
    assert_eq!(found.total, found.items.len() as u64);
    let mut seen = Vec::new();
    let mut part = Part { offset: 0, limit: 1, after: None };
    while let Some(next) = store.group_tree(&query, &part).await.unwrap().items.pop() {
        part.after = Some(next.path.clone());
        seen.push(next);
    }
    assert_eq!(seen, found.items, "by cursor");
    words(&found.items)
}

/// However it is cut, it is the same list.
pub(crate) async fn check_parts(store: &AnyStore, from: &GroupsFrom) {
    let query = GroupQuery { from: from.clone(), levels: MAX_DEPTH, metadata: Metadata::default() };
    let whole = Part { offset: 0, limit: 200, after: None };
    let whole = store.group_tree(&query, &whole).await.unwrap().items;
    for limit in 1..4 {
        let (mut by_number, mut by_cursor) = (Vec::new(), Vec::new());
        for offset in (0..whole.len() as u64 + limit).step_by(usize::try_from(limit).unwrap()) {
            let part = Part { offset, limit, after: None };
            let found = store.group_tree(&query, &part).await.unwrap();
            assert_eq!(found.total, whole.len() as u64);
            by_number.extend(found.items);
            let after = by_cursor.last().map(|last: &Placed| last.path.clone());
            let part = Part { offset: 0, limit, after };
            let found = store.group_tree(&query, &part).await.unwrap();
            assert_eq!(found.total, whole.len() as u64);
            by_cursor.extend(found.items);
        }
        assert_eq!(by_number, whole);
        assert_eq!(by_cursor, whole);
    }
}

pub(crate) async fn members_of(store: &AnyStore, group: GroupId) -> Vec<String> {
    let part = Part { offset: 0, limit: 200, after: None };
    let found = store.group_members(group, None, &part).await.unwrap();
    found.items.iter().map(|item| item.member.as_str().to_owned()).collect()
}

/// Histories of changes about groups, over so few of them that they keep meeting each other: in orgs 1 and
/// 2, in one that does not exist, and of user 1's own.
pub fn histories() -> impl Strategy<Value = Vec<Change>> {
    let ids = || 1..9_u32;
    let names = || proptest::sample::select(vec!["a", "b", "c", "d"]);
    let things = || vec(proptest::sample::select(vec!["t", "u", "v"]), 0..3);
    let entities = |mut ids: Vec<&'static str>| {
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().map(|id| EntityId::stored(id.into())).collect::<Vec<_>>()
    };
    let insert = (ids(), option::weighted(0.7, ids()), names(), 0..8_u32).prop_map(
        |(id, parent, name, home)| {
            let group = match home {
                0 => own_group(id, parent),
                1 => Group { org: Some(org_id(2)), ..group(id, parent) },
                2 => Group { org: Some(org_id(3)), ..group(id, parent) },
                _ => group(id, parent),
            };
            Change::InsertGroup(Group { name: name.parse().unwrap(), ..group })
        },
    );
    let change = prop_oneof![
        6 => insert,
        1 => (ids(), names()).prop_map(|(id, name)| Change::UpdateGroup(group_edit(id, name))),
        5 => (ids(), option::weighted(0.8, ids())).prop_map(|(id, parent)| Change::MoveGroup {
            id: group_id(id),
            parent: parent.map(group_id),
            at: moment(9),
        }),
        1 => (ids(), proptest::bool::ANY)
            .prop_map(|(id, subtree)| Change::RemoveGroup { id: group_id(id), subtree }),
        2 => (ids(), things()).prop_map(move |(id, members)| Change::AssignMembers {
            group: group_id(id),
            kind: auth_domain::model::EntityType::stored("things".into()),
            members: entities(members),
            at: moment(9),
        }),
        1 => (ids(), things()).prop_map(move |(id, members)| Change::UnassignMembers {
            group: group_id(id),
            members: entities(members),
        }),
    ];
    vec(change, 1..60)
}
