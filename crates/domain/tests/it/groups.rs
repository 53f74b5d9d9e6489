//! Groups: who may do what, and what the operations make of it.

use auth_domain::model::{
    Direction, EntityId, Explanation, GroupId, GroupRole, KeyKind, Metadata, OrgRole, Page,
    PlatformRole,
};
use auth_domain::ops::access::{Authorize, Question};
use auth_domain::ops::explain::Explain;
use auth_domain::ops::group_members::{AssignMembers, ListGroupsOf};
use auth_domain::ops::group_roles::GrantGroupRole;
use auth_domain::ops::groups::{
    CreateGroup, Home, ListGroups, ListParents, MoveGroup, RemoveGroup, ViewGroup,
};
use auth_domain::ops::members::{Batch, RemoveMembers};
use auth_domain::ops::paging::PartAsked;
use auth_domain::{Entity, Error, Invalid, Result};

use crate::world::{World, user, world};

async fn make(world: &World, by: u128, home: Home, name: &str) -> Result<GroupId> {
    let (name, description) = (name.parse().unwrap(), "".parse().unwrap());
    let operation = CreateGroup { home, name, description, metadata: Metadata::default() };
    world.as_user(by, operation).await.map(|group| group.id)
}

fn part(limit: u64) -> PartAsked {
    PartAsked { page: Page::new(0, limit, (), Direction::Ascending).unwrap(), cursor: None }
}

async fn moved(world: &World, by: u128, id: GroupId, parent: Option<GroupId>) -> Result<()> {
    world.as_user(by, MoveGroup { id, parent }).await
}

async fn may(world: &World, who: u128, group: GroupId, needed: GroupRole) -> bool {
    let token = world.token(who, KeyKind::Login);
    let question = Question::Group(Some(group), needed);
    world.as_anyone(Authorize { token, question }).await.is_ok()
}

/// An org of user 1 with an editor, 2, and a viewer, 3, and in it a tree of two.
async fn planted(world: &World) -> (auth_domain::model::OrgId, GroupId, GroupId) {
    let org = world.org(1, "acme").await;
    world.join(org, 2, OrgRole::Editor).await;
    world.join(org, 3, OrgRole::Viewer).await;
    let root = make(world, 1, Home::Org(org), "root").await.unwrap();
    let leaf = make(world, 2, Home::Below(root, Some(org)), "leaf").await.unwrap();
    (org, root, leaf)
}

#[tokio::test]
async fn roles_in_the_org_come_with_roles_in_its_groups() {
    let world = world().await;
    let (_, root, leaf) = planted(&world).await;
    world.promote(8, PlatformRole::Admin).await;
    for group in [root, leaf] {
        for (who, greatest) in [(1, 3), (2, 2), (3, 1), (8, 3), (9, 0)] {
            for (place, needed) in GroupRole::ALL.into_iter().enumerate() {
                assert_eq!(
                    may(&world, who, group, needed).await,
                    place < greatest,
                    "{who} {needed}"
                );
            }
        }
    }
}

#[tokio::test]
async fn explain_names_the_row_or_what_is_missing() {
    let world = world().await;
    let (org, root, leaf) = planted(&world).await;
    world.promote(8, PlatformRole::Admin).await;
    world.account(9, "user9@example.com").await;
    let own = make(&world, 5, Home::Own, "own").await.unwrap();
    let grant = |group, who, role| GrantGroupRole { group, user: user(who), role };
    world.as_user(1, grant(root, 3, GroupRole::Editor)).await.unwrap();
    world.as_user(5, grant(own, 9, GroupRole::Viewer)).await.unwrap();
    let by_grant = |group, role| Explanation::ByGroupRole { group, role };
    for (who, group, needed, expected) in [
        (2, Some(leaf), GroupRole::Editor, Explanation::ByOrgRole { org, role: OrgRole::Editor }),
        (3, Some(leaf), GroupRole::Editor, by_grant(root, GroupRole::Editor)),
        (3, Some(leaf), GroupRole::Viewer, Explanation::ByOrgRole { org, role: OrgRole::Viewer }),
        (
            3,
            Some(leaf),
            GroupRole::Admin,
            Explanation::GroupRoleTooSmall { role: GroupRole::Editor, needed: GroupRole::Admin },
        ),
        (9, Some(own), GroupRole::Viewer, by_grant(own, GroupRole::Viewer)),
        (5, Some(own), GroupRole::Admin, Explanation::ByOwnTree),
        (8, Some(own), GroupRole::Admin, Explanation::ByPlatformRole(PlatformRole::Admin)),
        (9, Some(leaf), GroupRole::Viewer, Explanation::NoGroupRole { needed: GroupRole::Viewer }),
        (8, Some(GroupId::sought("")), GroupRole::Viewer, Explanation::NoGroup),
        (1, None, GroupRole::Viewer, Explanation::NoGroup),
    ] {
        let explain = Explain { user: user(who), question: Question::Group(group, needed) };
        let told = world.as_user(8, explain).await.unwrap();
        assert_eq!(told, expected, "{who} {group:?} {needed}");
    }
}

#[tokio::test]
async fn moving_takes_a_role_in_all_three_places() {
    let world = world().await;
    let (org, root, leaf) = planted(&world).await;
    let other = make(&world, 1, Home::Org(org), "other").await.unwrap();
    // An editor of the org who is an admin of one group may move it wherever they are an editor.
    assert!(matches!(moved(&world, 2, leaf, Some(other)).await, Err(Error::Forbidden)));
    let grant = |who, group| GrantGroupRole { group, user: user(who), role: GroupRole::Admin };
    world.as_user(1, grant(2, leaf)).await.unwrap();
    moved(&world, 2, leaf, Some(other)).await.unwrap();
    moved(&world, 2, leaf, None).await.unwrap();
    moved(&world, 2, leaf, Some(root)).await.unwrap();
    // A viewer of the org who is an admin of that group is no editor of the places around it.
    world.as_user(1, grant(3, leaf)).await.unwrap();
    for parent in [Some(other), None] {
        assert!(matches!(moved(&world, 3, leaf, parent).await, Err(Error::Forbidden)));
    }
    let view = world.as_user(3, ViewGroup { id: leaf }).await.unwrap();
    assert_eq!(view.path, [root, leaf]);
}

#[tokio::test]
async fn a_root_of_ones_own_is_moved_by_its_owner() {
    let world = world().await;
    let root = make(&world, 1, Home::Own, "root").await.unwrap();
    let other = make(&world, 1, Home::Own, "other").await.unwrap();
    world.account(5, "five@example.com").await;
    for group in [root, other] {
        let grant = GrantGroupRole { group, user: user(5), role: GroupRole::Admin };
        world.as_user(1, grant).await.unwrap();
    }
    assert!(matches!(moved(&world, 5, root, Some(other)).await, Err(Error::Forbidden)));
    moved(&world, 1, root, Some(other)).await.unwrap();
    assert!(matches!(moved(&world, 5, root, None).await, Err(Error::Forbidden)));
    let theirs = make(&world, 5, Home::Own, "root").await.unwrap();
    let refusal = moved(&world, 5, theirs, Some(other)).await;
    assert!(matches!(refusal, Err(Error::Invalid(Invalid::GroupParent))), "{refusal:?}");
}

#[tokio::test]
async fn what_lies_below_belongs_to_whom_the_tree_belongs() {
    let world = world().await;
    let root = make(&world, 1, Home::Own, "root").await.unwrap();
    world.account(5, "five@example.com").await;
    let grant = GrantGroupRole { group: root, user: user(5), role: GroupRole::Editor };
    world.as_user(1, grant).await.unwrap();
    let leaf = make(&world, 5, Home::Below(root, None), "leaf").await.unwrap();
    let shown = world.as_user(5, ViewGroup { id: leaf }).await.unwrap();
    assert_eq!((shown.group.owner, shown.group.org), (user(1), None));
    assert!(matches!(
        world.as_user(5, RemoveGroup { id: leaf, subtree: false }).await,
        Err(Error::Forbidden)
    ));
    world.as_user(1, RemoveGroup { id: leaf, subtree: false }).await.unwrap();
}

#[tokio::test]
async fn users_are_known_before_they_are_let_in() {
    let world = world().await;
    let (_, root, _) = planted(&world).await;
    let own = make(&world, 1, Home::Own, "own").await.unwrap();
    let assign = |group, who: u128| AssignMembers {
        group,
        kind: "users".parse().unwrap(),
        members: Batch::new(vec![EntityId::of_user(user(who))]).unwrap(),
    };
    for (group, entity) in [(root, Entity::Membership), (own, Entity::Account)] {
        let refusal = world.as_user(1, assign(group, 77)).await;
        assert!(matches!(refusal, Err(Error::NotFound(found)) if found == entity), "{refusal:?}");
        let grant = GrantGroupRole { group, user: user(77), role: GroupRole::Viewer };
        let refusal = world.as_user(1, grant).await;
        assert!(matches!(refusal, Err(Error::NotFound(found)) if found == entity), "{refusal:?}");
    }
    world.account(77, "user77@example.com").await;
    world.as_user(1, assign(own, 77)).await.unwrap();
    world.as_user(1, assign(root, 3)).await.unwrap();
}

#[tokio::test]
async fn s41_leaving_an_org_takes_what_was_given_in_its_groups() {
    let world = world().await;
    let (org, root, leaf) = planted(&world).await;
    let grant = GrantGroupRole { group: root, user: user(3), role: GroupRole::Admin };
    world.as_user(1, grant).await.unwrap();
    assert!(may(&world, 3, leaf, GroupRole::Admin).await);
    let members = Batch::new(vec![user(3)]).unwrap();
    world.as_user(1, RemoveMembers { org, members }).await.unwrap();
    assert!(!may(&world, 3, leaf, GroupRole::Viewer).await);
    world.join(org, 3, OrgRole::Viewer).await;
    assert!(!may(&world, 3, leaf, GroupRole::Editor).await, "it does not come back with them");
}

#[tokio::test]
async fn lists_are_of_what_the_caller_may_see() {
    let world = world().await;
    let (_, root, leaf) = planted(&world).await;
    let list =
        |levels| ListGroups { org: None, levels, metadata: Metadata::default(), part: part(10) };
    for (who, expected) in [(3, vec![root, leaf]), (9, vec![])] {
        let page = world.as_user(who, list(32)).await.unwrap();
        let found: Vec<_> = page.items.iter().map(|placed| placed.group.id).collect();
        assert_eq!((found, page.next), (expected, None), "{who}");
    }
    let parents = |cursor: Option<String>| ListParents {
        id: leaf,
        levels: 32,
        metadata: Metadata::default(),
        part: PartAsked { cursor, ..part(1) },
    };
    let first = world.as_user(3, parents(None)).await.unwrap();
    assert_eq!((first.items[0].group.id, first.total), (root, 2));
    let second = world.as_user(3, parents(first.next)).await.unwrap();
    assert_eq!(second.items[0].group.id, leaf);
    let of = |who| {
        let member = "t".parse().unwrap();
        let operation = ListGroupsOf { member, metadata: Metadata::default(), part: part(10) };
        world.as_user(who, operation)
    };
    let members = Batch::new(vec!["t".parse().unwrap()]).unwrap();
    let assign = AssignMembers { group: leaf, kind: "things".parse().unwrap(), members };
    world.as_user(2, assign).await.unwrap();
    assert_eq!(of(3).await.unwrap().items[0].path, [root, leaf]);
    assert_eq!(of(9).await.unwrap().total, 0);
}

#[tokio::test]
async fn s8_a_recovery_token_opens_no_group() {
    let world = world().await;
    let root = make(&world, 1, Home::Own, "root").await.unwrap();
    let token = world.token(1, KeyKind::Recovery);
    let caller = auth_domain::Caller::Bearer(token);
    let refusal = world.app.execute(caller, ViewGroup { id: root }).await;
    assert!(matches!(refusal, Err(Error::Unauthenticated(_))), "{refusal:?}");
}
