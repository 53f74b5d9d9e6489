//! Orgs.

use std::time::Duration;

use auth_domain::model::{Direction, Metadata, OrgOrder, OrgRole, Page, PlatformRole, Standing};
use auth_domain::ops::orgs::{CreateOrg, ListOrgs, RemoveOrgs, UpdateOrg, ViewOrg, ViewOwner};
use auth_domain::ports::{ChangeLog, Orgs, Standings};
use auth_domain::{Caller, Error, Id};
use serde_json::json;
use uuid::Uuid;

use crate::world::{World, user, world};

fn unknown() -> auth_domain::model::OrgId {
    Id::new(Uuid::from_u128(0xdead))
}

fn update(id: auth_domain::model::OrgId, name: &str) -> UpdateOrg {
    UpdateOrg {
        id,
        name: name.parse().unwrap(),
        description: "changed".parse().unwrap(),
        metadata: Metadata::default(),
    }
}

async fn names(world: &World, number: u128, part: &str) -> Vec<String> {
    let page = Page::new(0, 10, OrgOrder::Name, Direction::Ascending).unwrap();
    let list = ListOrgs { name: part.into(), metadata: Metadata::default(), page };
    let listed = world.as_user(number, list).await.unwrap();
    assert_eq!(listed.total, listed.items.len() as u64);
    listed.items.iter().map(|org| org.name.as_str().to_owned()).collect()
}

#[tokio::test]
async fn d21_go15_founding_an_org_makes_its_owner_a_member_in_the_same_commit() {
    let world = world().await;
    let org = world.org(1, "acme").await;
    assert_eq!(world.store.org(org).await.unwrap().unwrap().owner, user(1));
    let standing = world.store.standing(user(1), Some(org)).await.unwrap();
    let owner = Standing { platform: None, org_exists: true, org: Some(OrgRole::Owner) };
    assert_eq!(standing, owner);
    let records = world.store.records(0, 10).await.unwrap();
    let kinds: Vec<_> =
        records.iter().map(|record| (record.revision, record.kind.as_str())).collect();
    assert_eq!(kinds, [(1, "org.create"), (1, "membership.create")]);
    assert!(records.iter().all(|record| record.actor == format!("user:{}", user(1))));
}

#[tokio::test]
async fn members_see_their_orgs_and_nobody_else_does() {
    let world = world().await;
    let org = world.org(1, "acme").await;
    world.join(org, 4, OrgRole::Viewer).await;
    for number in [1, 4] {
        assert_eq!(world.as_user(number, ViewOrg { id: org }).await.unwrap().id, org);
    }
    for id in [org, unknown()] {
        let answer = world.as_user(7, ViewOrg { id }).await;
        assert!(matches!(answer, Err(Error::NotFound(_))), "{id}");
    }
}

#[tokio::test]
async fn only_admins_and_owners_change_an_org() {
    let world = world().await;
    let org = world.org(1, "acme").await;
    world.join(org, 2, OrgRole::Admin).await;
    world.join(org, 3, OrgRole::Editor).await;
    world.clock.advance(Duration::from_secs(5));
    world.as_user(2, update(org, "apex")).await.unwrap();
    let changed = world.store.org(org).await.unwrap().unwrap();
    assert_eq!((changed.name.as_str(), changed.description.as_str()), ("apex", "changed"));
    assert_eq!(changed.updated_at, changed.created_at.plus(Duration::from_secs(5)));
    assert!(matches!(world.as_user(3, update(org, "x")).await, Err(Error::Forbidden)));
    assert!(matches!(world.as_user(7, update(org, "x")).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn d20_a_platform_admin_cannot_change_what_does_not_exist() {
    let world = world().await;
    world.promote(6, PlatformRole::Admin).await;
    assert!(matches!(world.as_user(6, update(unknown(), "x")).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn d19_whoever_is_allowed_to_can_delete() {
    let world = world().await;
    world.promote(6, PlatformRole::Admin).await;
    let (first, second) = (world.org(1, "first").await, world.org(1, "second").await);
    world.join(first, 2, OrgRole::Admin).await;
    assert!(matches!(
        world.as_user(2, RemoveOrgs { ids: vec![first] }).await,
        Err(Error::Forbidden)
    ));
    world.as_user(1, RemoveOrgs { ids: vec![first] }).await.unwrap();
    world.as_user(6, RemoveOrgs { ids: vec![second] }).await.unwrap();
    for id in [first, second] {
        assert_eq!(world.store.org(id).await.unwrap(), None);
        assert!(matches!(
            world.as_user(1, RemoveOrgs { ids: vec![id] }).await,
            Err(Error::NotFound(_))
        ));
    }
}

#[tokio::test]
async fn d22_go14_a_bulk_delete_takes_all_or_none() {
    let world = world().await;
    let (mine, other) = (world.org(1, "mine").await, world.org(1, "other").await);
    let foreign = world.org(9, "foreign").await;
    world.join(foreign, 1, OrgRole::Admin).await;
    for bad in [unknown(), foreign] {
        for ids in [vec![bad, mine, other], vec![mine, bad, other], vec![mine, other, bad]] {
            world.as_user(1, RemoveOrgs { ids }).await.unwrap_err();
            assert!(world.store.org(mine).await.unwrap().is_some());
            assert!(world.store.org(other).await.unwrap().is_some());
        }
    }
    world.as_user(1, RemoveOrgs { ids: vec![mine, other, mine] }).await.unwrap();
    assert_eq!(world.store.org(mine).await.unwrap(), None);
    let removed = world.facts().await.iter().filter(|kind| *kind == "org.remove").count();
    assert_eq!(removed, 2, "naming one twice removes it once");
}

#[tokio::test]
async fn a_bulk_delete_has_bounds() {
    let world = world().await;
    assert!(world.as_user(1, RemoveOrgs { ids: vec![] }).await.is_err());
    assert!(matches!(
        world.as_user(1, RemoveOrgs { ids: vec![unknown(); 201] }).await,
        Err(Error::Invalid(_))
    ));
}

#[tokio::test]
async fn people_list_their_own_orgs_and_platform_admins_all() {
    let world = world().await;
    let alpha = world.org(1, "Alpha").await;
    world.org(1, "beta").await;
    world.org(2, "alphabet").await;
    world.join(alpha, 3, OrgRole::Viewer).await;
    world.promote(6, PlatformRole::Admin).await;
    assert_eq!(names(&world, 1, "").await, ["Alpha", "beta"]);
    assert_eq!(names(&world, 3, "").await, ["Alpha"]);
    assert_eq!(names(&world, 6, "").await, ["Alpha", "alphabet", "beta"]);
    assert_eq!(names(&world, 6, "ALP").await, ["Alpha", "alphabet"]);
    assert_eq!(names(&world, 7, "").await, [""; 0]);
}

#[tokio::test]
async fn lists_filter_by_metadata() {
    let world = world().await;
    let make = |name: &str, metadata| CreateOrg {
        name: name.parse().unwrap(),
        description: "".parse().unwrap(),
        metadata: Metadata::from_value(metadata).unwrap(),
    };
    world.as_user(1, make("a", json!({"tier": 1, "tags": ["x", "y"]}))).await.unwrap();
    world.as_user(1, make("b", json!({"tier": 2}))).await.unwrap();
    for (filter, found) in [
        (json!({}), 2),
        (json!({"tier": 1}), 1),
        (json!({"tier": 1, "tags": ["y"]}), 1),
        (json!({"tier": 3}), 0),
    ] {
        let page = Page::new(0, 10, OrgOrder::Id, Direction::Ascending).unwrap();
        let metadata = Metadata::from_value(filter.clone()).unwrap();
        let list = ListOrgs { name: String::new(), metadata, page };
        assert_eq!(world.as_user(1, list).await.unwrap().total, found, "{filter}");
    }
}

#[tokio::test]
async fn d69_only_siblings_ask_who_owns_an_org() {
    let world = world().await;
    let org = world.org(1, "acme").await;
    assert_eq!(world.as_service(ViewOwner { org }).await.unwrap(), user(1));
    assert!(matches!(
        world.as_service(ViewOwner { org: unknown() }).await,
        Err(Error::NotFound(_))
    ));
    assert!(world.as_user(1, ViewOwner { org }).await.is_err());
    assert!(world.as_anyone(ViewOwner { org }).await.is_err());
}

#[tokio::test]
async fn s43_a_bad_token_is_refused_before_anything_is_looked_up() {
    let world = world().await;
    let org = world.org(1, "acme").await;
    let garbage = || Caller::Bearer(auth_domain::model::Token::new("garbage".into()));
    for id in [org, unknown()] {
        let answer = world.app.execute(garbage(), ViewOrg { id }).await;
        assert!(matches!(answer, Err(Error::Unauthenticated(_))), "{id}");
    }
}
