//! Looking after the change log.

use std::time::Duration;

use auth_domain::ops::changes::PurgeChanges;
use auth_domain::ops::orgs::RemoveOrgs;
use auth_domain::{Caller, Error, Unauthenticated};

use crate::world::world;

#[tokio::test]
async fn records_go_when_they_are_old_enough_and_not_before() {
    let world = world().await;
    let org = world.org(7, "acme").await;
    let purge = PurgeChanges { keep: Duration::from_hours(1) };
    let before = world.facts().await;
    world.clock.advance(Duration::from_mins(59));
    world.as_user(7, RemoveOrgs { ids: vec![org] }).await.unwrap();
    world.app.execute(Caller::System, purge).await.unwrap();
    assert_eq!(world.facts().await, [before, vec!["org.remove".to_owned()]].concat());
    world.clock.advance(Duration::from_mins(2));
    world.app.execute(Caller::System, purge).await.unwrap();
    assert_eq!(world.facts().await, ["org.remove"]);
}

#[tokio::test]
async fn nobody_else_trims_the_log() {
    let world = world().await;
    assert!(matches!(
        world.as_user(7, PurgeChanges { keep: Duration::ZERO }).await,
        Err(Error::Unauthenticated(Unauthenticated::UnknownService))
    ));
}

#[tokio::test]
async fn whoever_waits_for_commits_hears_of_each_that_succeeded() {
    let world = world().await;
    let org = world.org(7, "acme").await;
    assert_eq!(world.seen.commits(), 1);
    let remove = || RemoveOrgs { ids: vec![org] };
    world.as_user(8, remove()).await.unwrap_err();
    assert_eq!(world.seen.commits(), 1);
    world.as_user(7, remove()).await.unwrap();
    assert_eq!(world.seen.commits(), 2);
}
