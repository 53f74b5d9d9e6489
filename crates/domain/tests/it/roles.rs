//! Platform roles.

use auth_domain::model::{Direction, KeyKind, Page, PlatformRole};
use auth_domain::ops::roles::{AssignRole, GrantRole, ListRoles, RemoveRole, RetrieveRole};
use auth_domain::{Caller, Conflict, Error};

use crate::world::{World, user, world};

fn page() -> Page<()> {
    Page::new(0, 10, (), Direction::Ascending).unwrap()
}

async fn role_of(world: &World, number: u128) -> Option<PlatformRole> {
    world.as_service(RetrieveRole { user: user(number) }).await.unwrap()
}

#[tokio::test]
async fn d18_assigning_is_idempotent_and_may_change_a_role() {
    let world = world().await;
    assert_eq!(role_of(&world, 5).await, None);
    for role in [PlatformRole::Admin, PlatformRole::Admin, PlatformRole::Root, PlatformRole::Root] {
        world.as_service(AssignRole { user: user(5), role }).await.unwrap();
        assert_eq!(role_of(&world, 5).await, Some(role));
    }
    assert_eq!(world.facts().await, ["platform_role.assign"; 2], "repeating changes nothing");
}

#[tokio::test]
async fn go0_people_cannot_use_what_is_for_siblings() {
    let world = world().await;
    world.promote(6, PlatformRole::Root).await;
    let role = PlatformRole::Root;
    assert!(world.as_user(6, AssignRole { user: user(7), role }).await.is_err());
    assert!(world.as_user(6, RetrieveRole { user: user(6) }).await.is_err());
    assert!(world.as_anyone(AssignRole { user: user(7), role }).await.is_err());
    assert_eq!(role_of(&world, 7).await, None);
}

#[tokio::test]
async fn s42_a_root_gives_and_takes_roles_and_an_admin_looks() {
    let world = world().await;
    world.promote(6, PlatformRole::Root).await;
    world.as_user(6, GrantRole { user: user(5), role: PlatformRole::Admin }).await.unwrap();
    for number in [5, 6] {
        assert_eq!(world.as_user(number, ListRoles { page: page() }).await.unwrap().total, 2);
    }
    let more = GrantRole { user: user(5), role: PlatformRole::Root };
    assert!(matches!(world.as_user(5, more).await, Err(Error::Forbidden)));
    assert!(matches!(world.as_user(5, RemoveRole { user: user(6) }).await, Err(Error::Forbidden)));
    assert!(matches!(world.as_user(7, ListRoles { page: page() }).await, Err(Error::Forbidden)));
    world.as_user(6, RemoveRole { user: user(5) }).await.unwrap();
    assert_eq!(role_of(&world, 5).await, None);
    assert!(matches!(
        world.as_user(6, RemoveRole { user: user(5) }).await,
        Err(Error::NotFound(_))
    ));
}

#[tokio::test]
async fn s42_it_needs_a_login_token() {
    let world = world().await;
    world.promote(6, PlatformRole::Root).await;
    let key = world.key(6, None).await.token;
    let recovery = world.token(6, KeyKind::Recovery);
    for token in [key, recovery] {
        let by = || Caller::Bearer(token.clone());
        assert!(world.app.execute(by(), ListRoles { page: page() }).await.is_err());
        let grant = GrantRole { user: user(7), role: PlatformRole::Root };
        assert!(world.app.execute(by(), grant).await.is_err());
        assert!(world.app.execute(by(), RemoveRole { user: user(6) }).await.is_err());
    }
    assert_eq!(
        (role_of(&world, 6).await, role_of(&world, 7).await),
        (Some(PlatformRole::Root), None)
    );
}

#[tokio::test]
async fn the_last_root_stays() {
    let world = world().await;
    world.promote(6, PlatformRole::Root).await;
    let last = |answer| matches!(answer, Err(Error::Conflict(Conflict::LastRoot)));
    assert!(last(world.as_user(6, RemoveRole { user: user(6) }).await));
    let demotion = GrantRole { user: user(6), role: PlatformRole::Admin };
    assert!(last(world.as_user(6, demotion).await));
    world.promote(8, PlatformRole::Root).await;
    world.as_user(6, RemoveRole { user: user(6) }).await.unwrap();
    assert_eq!(role_of(&world, 6).await, None);
}
