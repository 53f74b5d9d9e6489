//! What calls count against, and when.

use std::sync::atomic::Ordering;

use auth_domain::audit::Trail;
use auth_domain::model::{
    Action, Direction, KeyKind, Metadata, OrgOrder, OrgRole, Page, PlatformRole, Token,
};
use auth_domain::ops::access::{Authorize, Identify, Question};
use auth_domain::ops::audit::NoteAttempts;
use auth_domain::ops::checks::IdentifyAndAuthorize;
use auth_domain::ops::introspection::Introspect;
use auth_domain::ops::orgs::{ListOrgs, RemoveOrgs, UpdateOrg, ViewOrg, ViewOwner};
use auth_domain::ports::{AuditTrail, Call, Class, Source};
use auth_domain::{Caller, Error};

use crate::world::{user, world};

fn list() -> ListOrgs {
    let page = Page::new(0, 10, OrgOrder::Name, Direction::Ascending).unwrap();
    ListOrgs { name: String::new(), metadata: Metadata::default(), page }
}

/// A call by this user of which nothing else is known.
fn call(class: Class, by: Option<u128>) -> Call {
    Call { class, source: Source::Fleet, user: by.map(user), key: None, org: None }
}

#[tokio::test]
async fn s86_a_call_counts_against_whoever_makes_it_and_what_it_is_about() {
    let world = world().await;
    let acme = world.org(1, "acme").await;
    assert_eq!(world.throttle.calls(), [call(Class::Writes, Some(1))]);
    world.as_user(1, ViewOrg { id: acme }).await.unwrap();
    assert_eq!(world.throttle.calls(), [Call { org: Some(acme), ..call(Class::Reads, Some(1)) }]);
    world.as_user(1, list()).await.unwrap();
    assert_eq!(world.throttle.calls(), [call(Class::Reads, Some(1))]);
    let key = world.key(1, None).await;
    world.throttle.calls();
    world.app.execute(Caller::Bearer(key.token), list()).await.unwrap();
    assert_eq!(
        world.throttle.calls(),
        [Call { key: Some(key.key.id), ..call(Class::Reads, Some(1)) }]
    );
}

#[tokio::test]
async fn s87_strangers_use_up_nothing_of_an_org() {
    let world = world().await;
    let acme = world.org(1, "acme").await;
    world.join(acme, 4, OrgRole::Viewer).await;
    world.throttle.calls();
    let refused = world.as_user(7, ViewOrg { id: acme }).await;
    assert!(matches!(refused, Err(Error::NotFound(_))), "{refused:?}");
    assert_eq!(world.throttle.calls(), [call(Class::Reads, Some(7))], "it counts against them");
    let change = UpdateOrg {
        id: acme,
        name: "taken".parse().unwrap(),
        description: String::new().parse().unwrap(),
        metadata: Metadata::default(),
    };
    let refused = world.as_user(4, change).await;
    assert!(matches!(refused, Err(Error::Forbidden)), "{refused:?}");
    assert_eq!(world.throttle.calls(), [call(Class::Writes, Some(4))], "a member who may not");
    // Whoever shows no token that counts is nobody in particular.
    let forged = Caller::Bearer(Token::new("x.y.z".into()));
    world.app.execute(forged, ViewOrg { id: acme }).await.unwrap_err();
    assert_eq!(world.throttle.calls(), [call(Class::Reads, None)]);
}

#[tokio::test]
async fn services_and_this_process_are_not_counted() {
    let world = world().await;
    let acme = world.org(1, "acme").await;
    world.throttle.calls();
    world.throttle.refuses_calls.store(true, Ordering::SeqCst);
    world.as_service(ViewOwner { org: acme }).await.unwrap();
    world.app.execute(Caller::System, NoteAttempts).await.unwrap();
    assert_eq!(world.throttle.calls(), []);
}

#[tokio::test]
async fn one_too_many_is_told_so_and_does_nothing() {
    let world = world().await;
    let acme = world.org(1, "acme").await;
    let facts = world.facts().await;
    world.throttle.refuses_calls.store(true, Ordering::SeqCst);
    let refused = world.as_user(1, RemoveOrgs { ids: vec![acme] }).await;
    assert!(matches!(refused, Err(Error::RateLimited(_))), "{refused:?}");
    assert_eq!(world.seen.last(), ("remove_orgs", "rate_limited"));
    assert_eq!(world.facts().await, facts);
    // Before anything else that could be said to them.
    let stranger = world.as_user(7, ViewOrg { id: acme }).await;
    assert!(matches!(stranger, Err(Error::RateLimited(_))), "{stranger:?}");
}

#[tokio::test]
async fn s86_s94_asking_about_tokens_counts_for_all_but_siblings_and_refusals_are_noted() {
    let world = world().await;
    world.promote(1, PlatformRole::Admin).await;
    let token = world.token(7, KeyKind::Login);
    let ask = || Introspect { token: token.clone() };
    world.throttle.checks_are_free.store(true, Ordering::SeqCst);
    world.as_user(7, ask()).await.unwrap_err();
    assert_eq!(world.throttle.calls(), [call(Class::Reads, Some(7))]);
    let forged = Caller::Bearer(Token::new("x.y.z".into()));
    world.app.execute(forged.clone(), ask()).await.unwrap_err();
    assert_eq!(world.throttle.calls(), [call(Class::Reads, None)]);
    assert!(world.as_user(1, ask()).await.unwrap().is_some());
    assert_eq!(world.throttle.calls(), [call(Class::Reads, Some(1))], "by who asks");
    assert!(world.as_service(ask()).await.unwrap().is_some());
    assert_eq!(world.throttle.calls(), []);
    world.app.execute(Caller::System, NoteAttempts).await.unwrap();
    let records = world.store.audit_after(Trail::Attempts, 0, 10).await.unwrap();
    let mut noted: Vec<_> =
        records.into_iter().map(|it| (it.entry.actor, it.entry.operation)).collect();
    noted.sort();
    let refused = [format!("user:{}", user(7)), "anonymous".to_owned()];
    let mut expected = refused.map(|actor| (actor, "introspect".to_owned()));
    expected.sort();
    assert_eq!(noted, expected, "and nothing of what was answered");
    world.throttle.refuses_calls.store(true, Ordering::SeqCst);
    for caller in [forged, Caller::Bearer(world.token(1, KeyKind::Login))] {
        let refused = world.app.execute(caller, ask()).await;
        assert!(matches!(refused, Err(Error::RateLimited(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn checks_of_siblings_count_only_where_they_are_limited() {
    let world = world().await;
    let acme = world.org(1, "acme").await;
    let token = world.token(1, KeyKind::Login);
    let question = Question::Org(Some(acme), Action::Viewer);
    let ask = async || {
        world.as_anyone(Identify { token: token.clone() }).await.unwrap();
        world.as_anyone(Authorize { token: token.clone(), question }).await.unwrap();
        let both = IdentifyAndAuthorize { token: token.clone(), question };
        world.as_anyone(both).await.unwrap();
        world.throttle.calls()
    };
    world.throttle.calls();
    assert_eq!(ask().await, [call(Class::Checks, Some(1)); 3]);
    let asked = Introspect { token: token.clone() };
    assert!(world.as_service(asked).await.unwrap().is_some());
    assert_eq!(world.throttle.calls(), [call(Class::Checks, Some(1))], "asked for over HTTP");
    world.throttle.checks_are_free.store(true, Ordering::SeqCst);
    assert_eq!(ask().await, []);
    world.throttle.checks_are_free.store(false, Ordering::SeqCst);
    world.throttle.refuses_calls.store(true, Ordering::SeqCst);
    let refused = world.as_anyone(Identify { token: token.clone() }).await;
    assert!(matches!(refused, Err(Error::RateLimited(_))), "{refused:?}");
}
