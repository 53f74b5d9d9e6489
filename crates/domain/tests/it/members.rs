//! Members, and directories that say odd things about them.

use std::collections::HashMap;
use std::sync::Arc;

use auth_domain::model::{
    Direction, Member, MemberOrder, MemberQuery, OrgId, OrgRole, Page, PlatformRole,
};
use auth_domain::ops::members::{
    AddMembers, Batch, Grant, ListMembers, RemoveMembers, TransferOwnership, UpdateMembers,
    ViewMember,
};
use auth_domain::ports::{MAX_PEOPLE, Memberships, Orgs};
use auth_domain::{Conflict, Error, Id, Result};

use crate::elsewhere::{Elsewhere, Manner, number};
use crate::world::{World, user, world, world_with};

/// An org with its owner, user 1, and members 2 to 4; people are known elsewhere.
async fn acme() -> (World, OrgId, Arc<Elsewhere>) {
    let elsewhere = Elsewhere::new();
    let world = world_with(elsewhere.clone()).await;
    let org = world.org(1, "acme").await;
    for (number, role) in [(2, OrgRole::Admin), (3, OrgRole::Editor), (4, OrgRole::Viewer)] {
        world.join(org, number, role).await;
    }
    (world, org, elsewhere)
}

fn batch(numbers: &[u128], role: OrgRole) -> Batch<Grant> {
    let grant = |number: &u128| Grant {
        email: Some(format!("user{number}@example.com").parse().unwrap()),
        role,
    };
    Batch::new(numbers.iter().map(grant).collect()).unwrap()
}

async fn list(world: &World, org: OrgId, email: &str, order: MemberOrder) -> Result<Vec<Member>> {
    let query = MemberQuery { org, role: None, email: email.into() };
    let page = Page::new(0, 10, order, Direction::Ascending).unwrap();
    Ok(world.as_user(1, ListMembers { query, page }).await?.items)
}

fn shown(members: &[Member]) -> HashMap<u128, &str> {
    members.iter().map(|m| (number(m.membership.member), m.email.as_str())).collect()
}

#[tokio::test]
async fn s84_a_list_takes_no_harm_from_what_a_directory_says() {
    let (world, org, elsewhere) = acme().await;
    for (manner, known) in [
        (Manner::Well, 4),
        (Manner::Reversed, 4),
        (Manner::Twice, 4),
        (Manner::WithStrangers, 4),
        (Manner::Short, 3),
        (Manner::Empty, 0),
    ] {
        elsewhere.behave(manner);
        let members = list(&world, org, "", MemberOrder::Id).await.unwrap();
        let shown = shown(&members);
        assert_eq!((shown.len(), elsewhere.calls()), (4, vec![4]), "{manner:?}: one call a page");
        for number in 1..=4_u128 {
            let email =
                if number <= known { format!("user{number}@example.com") } else { String::new() };
            assert_eq!(shown[&number], email, "{manner:?}");
        }
        let view = ViewMember { org, member: user(2) };
        let email = world.as_user(4, view).await.unwrap().email;
        let said = !matches!(manner, Manner::Empty | Manner::Short);
        assert_eq!(email, if said { "user2@example.com" } else { "" }, "{manner:?}");
        elsewhere.calls();
    }
    elsewhere.behave(Manner::Away);
    let answer = list(&world, org, "", MemberOrder::Id).await;
    assert!(matches!(answer, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn s84_nobody_is_added_whom_a_directory_does_not_name() {
    let (world, org, elsewhere) = acme().await;
    for manner in [Manner::Empty, Manner::Short] {
        elsewhere.behave(manner);
        let add = AddMembers { org, grants: batch(&[6, 7], OrgRole::Viewer) };
        assert!(matches!(world.as_user(1, add).await, Err(Error::NotFound(_))), "{manner:?}");
    }
    for (manner, number) in
        [(Manner::Reversed, 10), (Manner::Twice, 20), (Manner::WithStrangers, 30)]
    {
        elsewhere.behave(manner);
        let roles = [(number, OrgRole::Editor), (number + 1, OrgRole::Viewer)];
        let grants = roles.map(|(number, role)| batch(&[number], role).items()[0].clone());
        let add = AddMembers { org, grants: Batch::new(grants.into()).unwrap() };
        world.as_user(1, add).await.unwrap();
        for (number, role) in roles {
            let joined = world.store.membership(org, user(number)).await.unwrap().unwrap();
            assert_eq!(joined.role, role, "{manner:?}");
        }
    }
    assert!(world.store.membership(org, user(4711)).await.unwrap().is_none());
}

#[tokio::test]
async fn d36_go32_a_search_elsewhere_asks_in_parts_and_answers_like_the_store() {
    let (world, org, elsewhere) = acme().await;
    for number in 1_000..2_200 {
        world.join(org, number, OrgRole::Viewer).await;
    }
    let found = list(&world, org, "USER21", MemberOrder::Email).await.unwrap();
    assert_eq!(elsewhere.calls(), [MAX_PEOPLE, 204]);
    let ids: Vec<_> = found.iter().map(|member| number(member.membership.member)).collect();
    assert_eq!(ids, (2_100..2_110).collect::<Vec<_>>());
    elsewhere.behave(Manner::Empty);
    assert!(list(&world, org, "user", MemberOrder::Id).await.unwrap().is_empty());
    assert_eq!(list(&world, org, "", MemberOrder::Email).await.unwrap().len(), 10);
}

#[tokio::test]
async fn d05_the_directory_is_asked_about_members_only() {
    let (world, org, elsewhere) = acme().await;
    for (number, member) in [(1, 9), (9, 2), (9, 9)] {
        let view = ViewMember { org, member: user(member) };
        assert!(matches!(world.as_user(number, view).await, Err(Error::NotFound(_))));
    }
    let add = || AddMembers { org, grants: batch(&[6], OrgRole::Viewer) };
    assert!(matches!(world.as_user(9, add()).await, Err(Error::NotFound(_))));
    assert!(matches!(world.as_user(3, add()).await, Err(Error::Forbidden)));
    let odd = Grant { email: None, role: OrgRole::Viewer };
    let odd = AddMembers { org, grants: Batch::new(vec![odd]).unwrap() };
    assert!(matches!(world.as_user(1, odd).await, Err(Error::NotFound(_))));
    assert!(elsewhere.calls().is_empty());
}

#[tokio::test]
async fn each_change_of_members_is_in_the_log() {
    let world = world().await;
    let org = world.org(1, "acme").await;
    world.join(org, 2, OrgRole::Viewer).await;
    let transfer = TransferOwnership { org, to: user(2) };
    world.as_user(1, transfer).await.unwrap();
    let members = Batch::new(vec![user(1)]).unwrap();
    world.as_user(2, RemoveMembers { org, members }).await.unwrap();
    let facts = world.facts().await;
    assert_eq!(facts[2..], ["membership.create", "org.transfer", "membership.remove"]);
    assert_eq!(world.store.org(org).await.unwrap().unwrap().owner, user(2));
}

#[tokio::test]
async fn a_platform_admin_is_no_member_and_may_all_the_same() {
    let (world, org, _) = acme().await;
    world.promote(8, PlatformRole::Admin).await;
    let update = UpdateMembers { org, grants: batch(&[4], OrgRole::Admin) };
    world.as_user(8, update).await.unwrap();
    world.as_user(8, TransferOwnership { org, to: user(3) }).await.unwrap();
    let unknown = TransferOwnership { org: Id::new(user(77).uuid()), to: user(3) };
    assert!(matches!(world.as_user(8, unknown).await, Err(Error::NotFound(_))));
    let stays = world.as_user(3, auth_domain::ops::members::LeaveOrg { org }).await;
    assert!(matches!(stays, Err(Error::Conflict(Conflict::OwnerStays))));
}
