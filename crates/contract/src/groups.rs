//! Groups: what each change does and refuses.

use auth_domain::backup::Rows;
use auth_domain::change::{Change, Guard};
use auth_domain::error::{Conflict, Entity, Error, Invalid};
use auth_domain::model::{
    Direction, EntityId, EntityType, Group, GroupRole, MAX_DEPTH, MAX_REMOVED, OrgRole,
    PlatformRole,
};
use auth_domain::policy;
use serde_json::json;

use crate::AnyStore;
use crate::memberships::acme;
use crate::sample::{
    apply, given, grant, group, group_edit, group_id, guarded, membership, metadata, moment, org,
    org_id, outcome, own_group, page, user,
};
use crate::trees::{all, members_of, paths};

/// In acme: 1 above 2 and 3, 4 below 2.
pub(crate) async fn planted(store: &AnyStore) {
    acme(store).await;
    let groups = [group(1, None), group(2, Some(1)), group(3, Some(1)), group(4, Some(2))];
    given(store, groups.map(Change::InsertGroup).into()).await;
}

fn moved(id: u32, parent: Option<u32>) -> Change {
    Change::MoveGroup { id: group_id(id), parent: parent.map(group_id), at: moment(50) }
}

pub(crate) fn assigned(id: u32, kind: &str, members: &[&str]) -> Change {
    Change::AssignMembers {
        group: group_id(id),
        kind: EntityType::stored(kind.into()),
        members: members.iter().map(|id| EntityId::stored((*id).into())).collect(),
        at: moment(60),
    }
}

fn removed(id: u32, subtree: bool) -> Change {
    Change::RemoveGroup { id: group_id(id), subtree }
}

async fn one(store: &AnyStore, id: u32) -> Option<Group> {
    store.groups(&[group_id(id)]).await.unwrap().pop()
}

async fn refusal(store: &AnyStore, change: Change) -> Error {
    let before = (all(store).await, store.revision().await.unwrap());
    let error = apply(store, vec![change]).await.unwrap_err();
    assert_eq!((all(store).await, store.revision().await.unwrap()), before, "{error:?}");
    error
}

/// All of it, once for each id; unknown ones are left out.
pub async fn a_group_reads_back_as_written(store: AnyStore) {
    acme(&store).await;
    let root = Group { metadata: metadata(json!({ "a": [1.0, "x"] })), ..group(1, None) };
    let leaf = Group { description: "a leaf".parse().unwrap(), ..group(2, Some(1)) };
    let own = own_group(3, None);
    let groups = [root, leaf, own];
    given(&store, groups.clone().map(Change::InsertGroup).into()).await;
    let ids = [1, 2, 3, 9, 1].map(group_id);
    let mut found = store.groups(&ids).await.unwrap();
    found.sort_by_key(|group| group.id);
    assert_eq!(found, groups);
}

/// D-G2: also among the roots of an org or a user; elsewhere it is free.
pub async fn d_g2_a_name_is_taken_once_among_siblings(store: AnyStore) {
    planted(&store).await;
    given(&store, vec![Change::InsertOrg(org(2, "other"))]).await;
    given(&store, vec![Change::InsertGroup(own_group(10, None))]).await;
    let named =
        |id: u32, parent, name: &str| Group { name: name.parse().unwrap(), ..group(id, parent) };
    for (taken, own) in [
        (named(11, None, "group 1"), false),
        (named(11, Some(1), "group 3"), false),
        (named(11, None, "group 10"), true),
    ] {
        let taken = if own { Group { org: None, ..taken } } else { taken };
        let error = refusal(&store, Change::InsertGroup(taken)).await;
        assert!(matches!(error, Error::AlreadyExists(Entity::Group)), "{error:?}");
    }
    for change in [
        Change::UpdateGroup(group_edit(2, "group 3")),
        moved(10, None),
        Change::InsertGroup(group(1, None)),
    ] {
        if !matches!(change, Change::MoveGroup { .. }) {
            let error = refusal(&store, change).await;
            assert!(matches!(error, Error::AlreadyExists(Entity::Group)), "{error:?}");
        }
    }
    let error = refusal(&store, Change::InsertGroup(group(1, Some(1)))).await;
    assert!(matches!(error, Error::AlreadyExists(Entity::Group)), "{error:?}");
    let elsewhere = [
        named(20, Some(2), "group 1"),
        named(21, None, "group 10"),
        Group { org: None, ..named(22, None, "group 1") },
        Group { org: None, owner: user(2), ..named(23, None, "group 1") },
        Group { org: Some(org_id(2)), ..named(24, None, "group 1") },
        named(25, None, "Group 1"),
    ];
    given(&store, elsewhere.map(Change::InsertGroup).into()).await;
    let error = refusal(&store, moved(20, None)).await;
    assert!(matches!(error, Error::AlreadyExists(Entity::Group)), "{error:?}");
}

/// Of the same org or user, and there.
pub async fn a_parent_is_a_group_of_the_same_org_or_user(store: AnyStore) {
    planted(&store).await;
    let other = Group { org: Some(org_id(2)), ..group(20, None) };
    let theirs = Group { owner: user(2), ..own_group(30, None) };
    given(&store, vec![Change::InsertOrg(org(2, "other")), Change::InsertGroup(other)]).await;
    given(&store, vec![Change::InsertGroup(own_group(10, None)), Change::InsertGroup(theirs)])
        .await;
    for parent in [10, 20, 30] {
        for change in [Change::InsertGroup(group(50, Some(parent))), moved(2, Some(parent))] {
            let error = refusal(&store, change).await;
            assert!(matches!(error, Error::Invalid(Invalid::GroupParent)), "{error:?}");
        }
    }
    let error = refusal(&store, Change::InsertGroup(own_group(50, Some(30)))).await;
    assert!(matches!(error, Error::Invalid(Invalid::GroupParent)), "{error:?}");
    for change in [
        Change::InsertGroup(group(50, Some(99))),
        moved(2, Some(99)),
        moved(99, None),
        Change::UpdateGroup(group_edit(99, "x")),
        removed(99, true),
        assigned(99, "things", &["t"]),
        Change::UnassignMembers { group: group_id(99), members: vec![] },
        Change::PutGroupRole(grant(99, user(2), GroupRole::Viewer)),
    ] {
        let error = refusal(&store, change).await;
        assert!(matches!(error, Error::NotFound(Entity::Group)), "{error:?}");
    }
    let nowhere = Group { org: Some(org_id(9)), ..group(50, None) };
    let error = refusal(&store, Change::InsertGroup(nowhere)).await;
    assert!(matches!(error, Error::NotFound(Entity::Org)), "{error:?}");
}

/// What may change, and nothing else.
pub async fn an_update_replaces_what_may_change(store: AnyStore) {
    planted(&store).await;
    let edit = auth_domain::model::GroupEdit {
        description: "new".parse().unwrap(),
        metadata: metadata(json!({ "b": 1 })),
        ..group_edit(2, "renamed")
    };
    given(&store, vec![Change::UpdateGroup(edit.clone())]).await;
    let expected = Group {
        name: edit.name,
        description: edit.description,
        metadata: edit.metadata,
        updated_at: edit.updated_at,
        ..group(2, Some(1))
    };
    assert_eq!(one(&store, 2).await, Some(expected));
    given(&store, vec![Change::UpdateGroup(group_edit(2, "renamed"))]).await;
    assert_eq!(one(&store, 2).await.unwrap().metadata, metadata(json!({})));
}

/// With all that lies below it; to a root and back.
pub async fn a_subtree_is_moved(store: AnyStore) {
    planted(&store).await;
    given(&store, vec![moved(2, Some(3))]).await;
    assert_eq!(paths(&store).await, ["1", "1.3", "1.3.2", "1.3.2.4"]);
    let group = one(&store, 2).await.unwrap();
    assert_eq!((group.parent, group.updated_at), (Some(group_id(3)), moment(50)));
    given(&store, vec![moved(2, None)]).await;
    assert_eq!(paths(&store).await, ["1", "1.3", "2", "2.4"]);
    given(&store, vec![moved(1, Some(4)), moved(3, Some(4))]).await;
    assert_eq!(paths(&store).await, ["2", "2.4", "2.4.1", "2.4.3"]);
    given(&store, vec![moved(3, Some(4))]).await;
}

/// Neither itself nor anything below it.
pub async fn a_group_is_not_moved_below_itself(store: AnyStore) {
    planted(&store).await;
    for (id, parent) in [(1, 1), (1, 2), (1, 4), (2, 4), (2, 2)] {
        let error = refusal(&store, moved(id, Some(parent))).await;
        assert!(matches!(error, Error::Conflict(Conflict::GroupCycle)), "{error:?}");
    }
}

/// D-G11: by making a group as little as by moving a tree.
pub async fn d_g11_no_tree_gets_deeper_than_allowed(store: AnyStore) {
    acme(&store).await;
    let deepest = u32::try_from(MAX_DEPTH).unwrap();
    let chain = (1..=deepest).map(|n| group(n, (n > 1).then(|| n - 1)));
    given(&store, chain.map(Change::InsertGroup).collect()).await;
    let error = refusal(&store, Change::InsertGroup(group(99, Some(deepest)))).await;
    assert!(matches!(error, Error::Invalid(Invalid::GroupDepth)), "{error:?}");

    let pair = [group(50, None), group(51, Some(50))];
    given(&store, pair.map(Change::InsertGroup).into()).await;
    let error = refusal(&store, moved(50, Some(deepest - 1))).await;
    assert!(matches!(error, Error::Invalid(Invalid::GroupDepth)), "{error:?}");
    given(&store, vec![moved(50, Some(deepest - 2))]).await;
    given(&store, vec![moved(51, Some(deepest - 1))]).await;
    let error = refusal(&store, moved(1, Some(50))).await;
    assert!(matches!(error, Error::Conflict(Conflict::GroupCycle)), "{error:?}");
    let standing = store.group_standings(user(1), &[group_id(deepest)]).await.unwrap();
    assert_eq!(standing[0].trail.len(), MAX_DEPTH);
}

/// Unless all of it is to go, and then with members and roles.
pub async fn only_an_empty_group_is_removed_by_itself(store: AnyStore) {
    planted(&store).await;
    let role = grant(4, user(3), GroupRole::Admin);
    given(&store, vec![assigned(3, "things", &["t"]), Change::PutGroupRole(role)]).await;
    for id in [1, 2, 3] {
        let error = refusal(&store, removed(id, false)).await;
        assert!(matches!(error, Error::Conflict(Conflict::GroupNotEmpty)), "{error:?}");
    }
    given(&store, vec![removed(4, false)]).await;
    let again = refusal(&store, removed(4, false)).await;
    assert!(matches!(again, Error::NotFound(Entity::Group)), "{again:?}");
    given(&store, vec![removed(2, false), Change::InsertGroup(group(4, Some(3)))]).await;
    assert!(
        store.group_standings(user(3), &[group_id(4)]).await.unwrap()[0].trail[2].role.is_none()
    );
    given(&store, vec![removed(1, true)]).await;
    assert_eq!(all(&store).await, []);
    let gone = group_id(3);
    given(&store, vec![Change::InsertGroup(group(3, None))]).await;
    assert_eq!(members_of(&store, gone).await, Vec::<String>::new());
}

/// Neither with their subtree nor with their org; one fewer goes.
pub async fn more_groups_than_go_at_a_time_stay(store: AnyStore) {
    acme(&store).await;
    let last = u32::try_from(MAX_REMOVED).unwrap() + 1;
    let groups: Vec<_> = (1..=last).map(|n| group(n, (n > 1).then_some(1))).collect();
    for part in groups.chunks(2_000) {
        given(&store, vec![Change::InsertRows(Rows::Groups(part.to_vec()))]).await;
    }
    let ends = [1, last].map(group_id);
    for change in [removed(1, true), Change::RemoveOrg(org_id(1))] {
        let error = apply(&store, vec![change]).await.unwrap_err();
        assert!(matches!(error, Error::Conflict(Conflict::TooManyGroups)), "{error:?}");
        assert_eq!(store.groups(&ends).await.unwrap().len(), 2);
    }
    given(&store, vec![removed(last, false)]).await;
    given(&store, vec![removed(1, true)]).await;
    assert_eq!(store.groups(&[1, 2, last - 1].map(group_id)).await.unwrap(), []);
}

/// With members and roles; other orgs and users keep theirs.
pub async fn removing_an_org_takes_its_groups(store: AnyStore) {
    planted(&store).await;
    given(
        &store,
        vec![
            assigned(4, "users", &[&user(2).to_string()]),
            Change::PutGroupRole(grant(2, user(4), GroupRole::Admin)),
            Change::InsertOrg(org(2, "other")),
            Change::InsertGroup(Group { org: Some(org_id(2)), ..group(10, None) }),
            Change::InsertGroup(own_group(11, None)),
            Change::RemoveOrg(org_id(1)),
        ],
    )
    .await;
    assert_eq!(paths(&store).await, ["10", "11"]);
    assert_eq!(store.groups(&[1, 2, 3, 4].map(group_id)).await.unwrap(), []);
    let reborn = vec![
        Change::InsertOrg(org(1, "acme")),
        Change::InsertMembership(membership(org_id(1), user(4), OrgRole::Viewer)),
        Change::InsertGroup(group(2, None)),
    ];
    given(&store, reborn).await;
    assert!(
        store.group_standings(user(4), &[group_id(2)]).await.unwrap()[0].trail[0].role.is_none()
    );
    assert_eq!(members_of(&store, group_id(4)).await, Vec::<String>::new());
}

/// All of them or none; each of them once.
pub async fn members_are_assigned_once_and_unassigned(store: AnyStore) {
    planted(&store).await;
    given(&store, vec![assigned(2, "things", &["b", "a"]), assigned(3, "things", &["a"])]).await;
    for again in [assigned(2, "things", &["c", "a"]), assigned(2, "rooms", &["a"])] {
        let error = refusal(&store, again).await;
        assert!(matches!(error, Error::AlreadyExists(Entity::GroupMember)), "{error:?}");
    }
    assert_eq!(members_of(&store, group_id(2)).await, ["a", "b"]);
    let out = |ids: &[&str]| Change::UnassignMembers {
        group: group_id(2),
        members: ids.iter().map(|id| EntityId::stored((*id).into())).collect(),
    };
    given(&store, vec![out(&["a", "nobody"]), out(&["a"])]).await;
    assert_eq!(members_of(&store, group_id(2)).await, ["b"]);
    assert_eq!(members_of(&store, group_id(3)).await, ["a"]);
}

/// Assigned and given roles; in a tree of one's own the store asks nobody.
pub async fn users_in_the_groups_of_an_org_belong_to_it(store: AnyStore) {
    planted(&store).await;
    given(&store, vec![Change::InsertGroup(own_group(10, None))]).await;
    let (inside, outside) = (user(4).to_string(), user(9).to_string());
    for members in [vec![&*inside, &*outside], vec!["no user"]] {
        let error = refusal(&store, assigned(2, "users", &members)).await;
        assert!(matches!(error, Error::NotFound(Entity::Membership)), "{error:?}");
    }
    let role = |id, user| Change::PutGroupRole(grant(id, user, GroupRole::Editor));
    let error = refusal(&store, role(2, user(9))).await;
    assert!(matches!(error, Error::NotFound(Entity::Membership)), "{error:?}");
    let fine = vec![
        assigned(2, "users", &[&inside]),
        assigned(2, "things", &[&outside]),
        assigned(10, "users", &[&outside]),
        role(2, user(4)),
        role(10, user(9)),
    ];
    given(&store, fine).await;
}

/// S-41: in the same commit, from every group of that org and no other.
pub async fn s41_whoever_leaves_an_org_leaves_its_groups(store: AnyStore) {
    planted(&store).await;
    let four = user(4).to_string();
    given(
        &store,
        vec![
            Change::InsertGroup(own_group(10, None)),
            assigned(2, "users", &[&four]),
            assigned(4, "users", &[&four, &user(3).to_string()]),
            assigned(3, "things", &[&four]),
            assigned(10, "users", &[&four]),
            Change::PutGroupRole(grant(1, user(4), GroupRole::Admin)),
            Change::PutGroupRole(grant(4, user(3), GroupRole::Admin)),
            Change::PutGroupRole(grant(10, user(4), GroupRole::Admin)),
            Change::RemoveMembership { org: org_id(1), member: user(4) },
        ],
    )
    .await;
    for (id, expected) in [
        (2, vec![]),
        (4, vec![user(3).to_string()]),
        (3, vec![four.clone()]),
        (10, vec![four.clone()]),
    ] {
        assert_eq!(members_of(&store, group_id(id)).await, expected, "{id}");
    }
    let back = membership(org_id(1), user(4), OrgRole::Viewer);
    given(&store, vec![Change::InsertMembership(back)]).await;
    let standings = store.group_standings(user(4), &[1, 10].map(group_id)).await.unwrap();
    for standing in standings {
        let kept = standing.org.is_none();
        assert_eq!(standing.trail[0].role.is_some(), kept, "{standing:?}");
    }
}

/// Given, replaced, listed and taken, right in that group.
pub async fn a_role_in_a_group_is_given_replaced_and_taken(store: AnyStore) {
    planted(&store).await;
    let viewer = grant(2, user(4), GroupRole::Viewer);
    let admin = auth_domain::model::GroupGrant {
        role: GroupRole::Admin,
        created_at: moment(7),
        updated_at: moment(8),
        ..viewer.clone()
    };
    let other = grant(2, user(3), GroupRole::Editor);
    given(&store, vec![Change::PutGroupRole(viewer.clone()), Change::PutGroupRole(other.clone())])
        .await;
    given(&store, vec![Change::PutGroupRole(admin.clone())]).await;
    let replaced = auth_domain::model::GroupGrant { created_at: viewer.created_at, ..admin };
    let listed =
        store.group_roles(group_id(2), page(0, 10, (), Direction::Ascending)).await.unwrap();
    assert_eq!((listed.items, listed.total), (vec![other.clone(), replaced], 2));
    let part = store.group_roles(group_id(2), page(1, 1, (), Direction::Ascending)).await.unwrap();
    assert_eq!((part.items.len(), part.total), (1, 2));
    let taken = Change::RemoveGroupRole { group: group_id(2), user: user(4) };
    given(&store, vec![taken.clone()]).await;
    for missing in [taken, Change::RemoveGroupRole { group: group_id(99), user: user(4) }] {
        let error = refusal(&store, missing).await;
        assert!(matches!(error, Error::NotFound(Entity::GroupRole)), "{error:?}");
    }
    let none = store.group_roles(group_id(1), page(0, 10, (), Direction::Ascending)).await.unwrap();
    assert_eq!(none.total, 0);
}

/// Everything that decides, from the root down.
pub async fn a_standing_is_all_that_decides(store: AnyStore) {
    planted(&store).await;
    given(
        &store,
        vec![
            Change::InsertGroup(own_group(10, None)),
            Change::PutGroupRole(grant(1, user(4), GroupRole::Viewer)),
            Change::PutGroupRole(grant(4, user(4), GroupRole::Admin)),
            Change::PutPlatformRole { user: user(8), role: PlatformRole::Admin },
        ],
    )
    .await;
    let ids = [4, 10, 99, 4].map(group_id);
    let mut found = store.group_standings(user(4), &ids).await.unwrap();
    found.sort_by_key(|standing| standing.group);
    assert_eq!(found.len(), 2, "{found:?}");
    let (org, own) = (&found[0], &found[1]);
    assert_eq!((org.owner, org.org, org.org_exists), (user(1), Some(org_id(1)), true));
    assert_eq!((org.org_role, org.platform), (Some(OrgRole::Viewer), None));
    let trail: Vec<_> = org.trail.iter().map(|step| (step.group, step.role)).collect();
    let expected = [(1, Some(GroupRole::Viewer)), (2, None), (4, Some(GroupRole::Admin))];
    assert_eq!(trail, expected.map(|(id, role)| (group_id(id), role)));
    assert_eq!((own.org, own.org_exists, own.org_role), (None, false, None));
    assert_eq!(own.trail.len(), 1);
    let by_platform = store.group_standings(user(8), &[group_id(1)]).await.unwrap().pop().unwrap();
    assert_eq!((by_platform.platform, by_platform.org_role), (Some(PlatformRole::Admin), None));
}

/// By the policy, for whoever stands anywhere; without the group for nobody.
pub async fn the_guard_decides_by_the_policy(store: AnyStore) {
    planted(&store).await;
    given(
        &store,
        vec![
            Change::InsertGroup(own_group(10, None)),
            Change::InsertGroup(own_group(11, Some(10))),
            Change::PutGroupRole(grant(10, user(9), GroupRole::Editor)),
            Change::PutGroupRole(grant(2, user(4), GroupRole::Editor)),
            Change::PutPlatformRole { user: user(8), role: PlatformRole::Root },
        ],
    )
    .await;
    for who in [1, 2, 3, 4, 7, 8, 9].map(user) {
        for group in [1, 2, 4, 10, 11, 99].map(group_id) {
            for needed in GroupRole::ALL {
                let standing = store.group_standings(who, &[group]).await.unwrap().pop();
                let expected = policy::in_group(who, standing.as_ref(), needed);
                let guard = Guard::InGroup { user: who, group, needed };
                let result = store.commit(guarded(vec![guard], vec![])).await;
                assert_eq!(outcome(&result), outcome(&expected), "{who} {group} {needed}");
            }
        }
    }
}

/// Where it was when the decision was made.
pub async fn a_guard_notices_that_a_group_was_moved(store: AnyStore) {
    planted(&store).await;
    let lies = |id, parent: Option<u32>| Guard::LiesBelow {
        group: group_id(id),
        parent: parent.map(group_id),
    };
    for (guard, expected) in [
        (lies(2, Some(1)), "ok"),
        (lies(1, None), "ok"),
        (lies(2, None), "contention"),
        (lies(4, Some(1)), "contention"),
        (lies(99, None), "not_found"),
    ] {
        let result = store.commit(guarded(vec![guard], vec![])).await;
        assert_eq!(outcome(&result), expected, "{guard:?}");
    }
}
