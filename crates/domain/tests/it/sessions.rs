//! Ending sessions and revoking all keys.

use std::time::Duration;

use auth_domain::model::{Direction, KeyKind, KeyOrder, Page, PlatformRole, UserId};
use auth_domain::ops::By;
use auth_domain::ops::access::Identify;
use auth_domain::ops::keys::{IssueToken, ListKeysOf, RevokeKeyOf};
use auth_domain::ops::sessions::{EndSessions, EndSessionsOf, RevokeKeys, RevokeKeysOf};
use auth_domain::ports::Clock;
use auth_domain::{Caller, Entity, Error, Unauthenticated};

use crate::world::{World, user, world};

async fn lives(world: &World, token: &auth_domain::model::Token) -> bool {
    let answer = world.as_anyone(Identify { token: token.clone() }).await;
    let refused = matches!(&answer, Err(Error::Unauthenticated(Unauthenticated::NotHonoured)));
    assert!(answer.is_ok() || refused, "{answer:?}");
    !refused
}

#[tokio::test]
async fn s26_sessions_made_so_far_are_dead_and_later_ones_live_also_in_the_same_second() {
    let world = world().await;
    let (login, recovery) = (world.token(7, KeyKind::Login), world.token(7, KeyKind::Recovery));
    let (other, key) = (world.token(8, KeyKind::Login), world.key(7, None).await.token);
    world.as_user(7, EndSessions).await.unwrap();
    assert!(!lives(&world, &login).await && !lives(&world, &recovery).await);
    assert!(lives(&world, &other).await && lives(&world, &key).await);
    for kind in [KeyKind::Login, KeyKind::Recovery] {
        let issue = IssueToken { user: user(7), email: "user7@example.com".into(), kind };
        let later = world.as_service(issue).await.unwrap();
        assert!(lives(&world, &later).await);
        let by = Caller::Bearer(later.clone());
        if kind == KeyKind::Login {
            world.app.execute(by, EndSessions).await.unwrap();
            assert!(!lives(&world, &later).await, "ended again within the second");
        }
    }
    assert_eq!(world.facts().await, ["key.issue", "session.cutoff", "session.cutoff"]);
}

#[tokio::test]
async fn a_session_made_by_a_faster_clock_ends_too() {
    let world = world().await;
    world.clock.advance(Duration::from_secs(5));
    let ahead = world.token(7, KeyKind::Login);
    world.clock.back(Duration::from_secs(5));
    world.app.execute(Caller::Bearer(ahead.clone()), EndSessions).await.unwrap();
    assert!(!lives(&world, &ahead).await);
}

#[tokio::test]
async fn so_does_one_that_nobody_asked_with() {
    let world = world().await;
    world.promote(5, PlatformRole::Admin).await;
    world.clock.advance(Duration::from_secs(9));
    let ahead = [world.token(7, KeyKind::Login), world.token(8, KeyKind::Login)];
    world.clock.back(Duration::from_secs(9));
    world.as_user(5, EndSessionsOf { by: By::Platform, user: user(7) }).await.unwrap();
    world.as_user(8, EndSessions).await.unwrap();
    for token in &ahead {
        assert!(!lives(&world, token).await);
    }
    // By a clock that is as slow.
    let issue =
        IssueToken { user: user(7), email: "user7@example.com".into(), kind: KeyKind::Login };
    let later = world.as_service(issue).await.unwrap();
    world.clock.back(Duration::from_secs(9));
    assert!(lives(&world, &later).await);
}

#[tokio::test]
async fn ends_of_sessions_do_not_run_away_from_the_clock() {
    let world = world().await;
    world.promote(5, PlatformRole::Admin).await;
    let mut refused = false;
    for _ in 0..40 {
        match world.as_user(5, EndSessionsOf { by: By::Platform, user: user(7) }).await {
            Ok(()) => assert!(!refused),
            Err(Error::RateLimited(_)) => refused = true,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(refused);
    let issue =
        IssueToken { user: user(7), email: "user7@example.com".into(), kind: KeyKind::Login };
    let token = world.as_service(issue).await.unwrap();
    assert!(lives(&world, &token).await);
}

#[tokio::test]
async fn where_nobody_is_refused_ends_of_sessions_wait_for_the_clock() {
    let world = world().await;
    *world.throttle.waits.lock().unwrap() = Some(world.clock.clone());
    world.promote(5, PlatformRole::Admin).await;
    let begun = world.clock.now();
    for _ in 0..60 {
        let before = world.as_service(issue_for_seven()).await.unwrap();
        world.as_user(5, EndSessionsOf { by: By::Platform, user: user(7) }).await.unwrap();
        assert!(!lives(&world, &before).await, "whatever it waited for");
        let since = world.as_service(issue_for_seven()).await.unwrap();
        assert!(lives(&world, &since).await);
    }
    let waited = world.clock.now().seconds() - begun.seconds();
    assert!((20..=60).contains(&waited), "{waited} s");
}

fn issue_for_seven() -> IssueToken {
    IssueToken { user: user(7), email: "user7@example.com".into(), kind: KeyKind::Login }
}

/// With a login for each, so that nobody is kept out by the session that ended.
#[tokio::test]
async fn whoever_ends_their_own_sessions_without_end_leaves_room_for_the_platform() {
    let world = world().await;
    world.promote(5, PlatformRole::Admin).await;
    let log_in_and_out = async || {
        let (user, email) = (user(7), "user7@example.com".into());
        let login = world.as_service(IssueToken { user, email, kind: KeyKind::Login }).await;
        world.app.execute(Caller::Bearer(login.unwrap()), EndSessions).await
    };
    let mut refused = None;
    for _ in 0..40 {
        match log_in_and_out().await {
            Ok(()) => assert!(refused.is_none()),
            Err(Error::RateLimited(wait)) => refused = Some(wait),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, Some(Duration::from_secs(1)), "and after that it works again");
    for _ in 0..10 {
        world.as_user(5, EndSessionsOf { by: By::Platform, user: user(7) }).await.unwrap();
    }
    world.clock.advance(Duration::from_secs(15));
    log_in_and_out().await.unwrap();
}

#[tokio::test]
async fn what_is_no_id_is_not_taken_for_somebody_without_sessions() {
    let world = world().await;
    world.promote(5, PlatformRole::Admin).await;
    let nobody = UserId::sought("ada@example.com");
    for outcome in [
        world.as_user(5, EndSessionsOf { by: By::Platform, user: nobody }).await,
        world.as_user(5, RevokeKeysOf { by: By::Platform, user: nobody }).await,
    ] {
        assert!(matches!(outcome, Err(Error::NotFound(Entity::Account))), "{outcome:?}");
    }
    world.as_user(5, EndSessionsOf { by: By::Platform, user: user(99) }).await.unwrap();
}

#[tokio::test]
async fn all_keys_go_and_nobody_elses() {
    let world = world().await;
    let mut keys = Vec::new();
    for _ in 0..250 {
        keys.push(world.key(7, None).await.token);
    }
    let other = world.key(8, None).await.token;
    world.as_user(7, RevokeKeys).await.unwrap();
    world.as_user(7, RevokeKeys).await.unwrap();
    for key in &keys {
        assert!(!lives(&world, key).await);
    }
    assert!(lives(&world, &other).await);
    let revoked = world.facts().await.into_iter().filter(|kind| kind == "key.revoke").count();
    assert_eq!(revoked, 250, "one fact for each key");
}

#[tokio::test]
async fn others_access_is_for_the_platform_and_a_roots_is_for_roots() {
    let world = world().await;
    world.promote(1, PlatformRole::Root).await;
    world.promote(5, PlatformRole::Admin).await;
    for (by, whose, may) in [
        (5, 7, true),
        (5, 5, true),
        (1, 7, true),
        (1, 5, true),
        (5, 1, false),
        (7, 8, false),
        (7, 7, false),
    ] {
        let key = world.key(whose, None).await.token;
        let revoked = world.as_user(by, RevokeKeysOf { by: By::Platform, user: user(whose) }).await;
        assert_eq!(revoked.is_ok(), may, "{by} {whose}: {revoked:?}");
        assert_eq!(lives(&world, &key).await, !may);
        let session = world.token(whose, KeyKind::Login);
        let ended = world.as_user(by, EndSessionsOf { by: By::Platform, user: user(whose) }).await;
        assert_eq!(ended.is_ok(), may, "{by} {whose}: {ended:?}");
        assert_eq!(lives(&world, &session).await, !may);
        world.clock.advance(Duration::from_secs(100));
    }
}

#[tokio::test]
async fn an_api_key_ends_nothing() {
    let world = world().await;
    let key = world.key(7, None).await.token;
    for refused in [
        world.app.execute(Caller::Bearer(key.clone()), EndSessions).await,
        world.app.execute(Caller::Bearer(key.clone()), RevokeKeys).await,
    ] {
        assert!(matches!(refused, Err(Error::Unauthenticated(Unauthenticated::LoginRequired(_)))));
    }
    assert!(lives(&world, &key).await);
}

#[tokio::test]
async fn the_operator_takes_anybodys_access_and_nobody_passes_for_the_operator() {
    let world = world().await;
    world.account(1, "user1@example.com").await;
    world.promote(1, PlatformRole::Root).await;
    let (key, other) = (world.key(1, None).await, world.key(1, None).await);
    let page = Page::new(0, 10, KeyOrder::Id, Direction::Ascending).unwrap();
    let list = || ListKeysOf { user: user(1), page };
    let one = || RevokeKeyOf { user: user(1), id: key.key.id };
    let all = || RevokeKeysOf { by: By::Operator, user: user(1) };
    let sessions = || EndSessionsOf { by: By::Operator, user: user(1) };
    // Not even a root, over the network.
    for refusal in [
        world.as_user(1, list()).await.map(drop),
        world.as_user(1, one()).await,
        world.as_user(1, all()).await,
        world.as_user(1, sessions()).await,
        world.as_anyone(sessions()).await,
    ] {
        assert!(
            matches!(refusal, Err(Error::Unauthenticated(Unauthenticated::UnknownService))),
            "{refusal:?}"
        );
    }
    let app = &world.app;
    assert_eq!(app.execute(Caller::Operator, list()).await.unwrap().total, 2);
    app.execute(Caller::Operator, one()).await.unwrap();
    assert!(!lives(&world, &key.token).await && lives(&world, &other.token).await);
    let again = app.execute(Caller::Operator, one()).await;
    assert!(matches!(again, Err(Error::NotFound(Entity::Key))), "{again:?}");
    app.execute(Caller::Operator, all()).await.unwrap();
    assert!(!lives(&world, &other.token).await);
    let session = world.token(1, KeyKind::Login);
    app.execute(Caller::Operator, sessions()).await.unwrap();
    assert!(!lives(&world, &session).await);
}
