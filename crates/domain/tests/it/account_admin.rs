//! Looking after accounts: other people's, and one's own.

use auth_domain::change::Change;
use auth_domain::model::{
    AccountFilter, AccountOrder, AccountStatus, Direction, KeyKind, Metadata, Page, PlatformRole,
    Token,
};
use auth_domain::ops::access::{Authorize, Identify, Question};
use auth_domain::ops::account_admin::{
    DisableAccount, EnableAccount, ListAccounts, OpenAccount, UpdateOwnMetadata, ViewAccount,
};
use auth_domain::ops::accounts::{Login, ViewProfile};
use auth_domain::ops::keys::IssueToken;
use auth_domain::ports::Clock;
use auth_domain::{Caller, Conflict, Entity, Error, Id, Result, Unauthenticated};
use serde_json::json;

use crate::world::{World, user, world};

/// A root with number 1 and an admin with number 2, and users 7 and 8.
async fn platform() -> World {
    let world = world().await;
    for number in [1, 2, 7, 8] {
        world.account(number, &format!("user{number}@example.com")).await;
    }
    world.promote(1, PlatformRole::Root).await;
    world.promote(2, PlatformRole::Admin).await;
    world
}

fn is_refused<T>(answer: &Result<T>) -> bool {
    matches!(answer, Err(Error::Unauthenticated(Unauthenticated::NotHonoured)))
}

async fn lives(world: &World, token: &Token) -> bool {
    let identified = world.as_anyone(Identify { token: token.clone() }).await;
    let question = Question::Root;
    let authorized = world.as_anyone(Authorize { token: token.clone(), question }).await;
    let profile = world.app.execute(Caller::Bearer(token.clone()), ViewProfile).await;
    assert_eq!(is_refused(&identified), is_refused(&authorized));
    assert_eq!(is_refused(&identified), is_refused(&profile));
    !is_refused(&identified)
}

fn opening(email: &str, status: AccountStatus) -> OpenAccount {
    let metadata = Metadata::from_value(json!({ "lang": "en" })).unwrap();
    OpenAccount { email: email.parse().unwrap(), password: "password1".into(), metadata, status }
}

async fn login(world: &World, email: &str) -> Result<Token> {
    let password = "password1".into();
    world.as_anyone(Login { email: email.parse().unwrap(), password }).await
}

#[tokio::test]
async fn u1_the_platform_opens_accounts_for_others() {
    let world = platform().await;
    let id = world.as_user(2, opening("ada@example.com", AccountStatus::Enabled)).await.unwrap();
    let token = login(&world, "ADA@example.com").await.unwrap();
    assert_eq!(world.as_anyone(Identify { token }).await.unwrap().user, id);
    world.as_user(1, opening("off@example.com", AccountStatus::Disabled)).await.unwrap();
    let refused = login(&world, "off@example.com").await;
    assert!(matches!(refused, Err(Error::Unauthenticated(Unauthenticated::BadCredentials))));
    let again = world.as_user(1, opening("OFF@example.com", AccountStatus::Enabled)).await;
    assert!(matches!(again, Err(Error::AlreadyExists(Entity::Account))), "{again:?}");
    let weak = OpenAccount {
        password: "short".into(),
        ..opening("b@example.com", AccountStatus::Enabled)
    };
    assert!(matches!(world.as_user(1, weak).await, Err(Error::Invalid(_))));
    let by_user = world.as_user(7, opening("c@example.com", AccountStatus::Enabled)).await;
    assert!(matches!(by_user, Err(Error::Forbidden)), "{by_user:?}");
    let facts = world.facts().await;
    assert_eq!(facts[facts.len() - 3..], ["account.create", "account.create", "account.disable"]);
}

#[tokio::test]
async fn u6_accounts_are_seen_by_their_owners_and_the_platform() {
    let world = platform().await;
    assert_eq!(world.as_user(7, ViewAccount { id: user(7) }).await.unwrap().id, user(7));
    assert_eq!(world.as_user(2, ViewAccount { id: user(7) }).await.unwrap().id, user(7));
    for other in [user(8), user(99)] {
        let answer = world.as_user(7, ViewAccount { id: other }).await;
        assert!(matches!(answer, Err(Error::Forbidden)), "{answer:?}");
    }
    let answer = world.as_user(1, ViewAccount { id: user(99) }).await;
    assert!(matches!(answer, Err(Error::NotFound(Entity::Account))), "{answer:?}");
    let recovery = Caller::Bearer(world.token(7, KeyKind::Recovery));
    let answer = world.app.execute(recovery, ViewAccount { id: user(7) }).await;
    assert!(is_refused(&answer), "{answer:?}");
}

#[tokio::test]
async fn u7_the_platform_lists_accounts() {
    let world = platform().await;
    let filter = AccountFilter { email: "R7".into(), metadata: Metadata::default(), status: None };
    let page = Page::new(0, 10, AccountOrder::Id, Direction::Ascending).unwrap();
    let list = || ListAccounts { filter: filter.clone(), page };
    assert_eq!(world.as_user(2, list()).await.unwrap().total, 1);
    assert!(matches!(world.as_user(7, list()).await, Err(Error::Forbidden)));
}

#[tokio::test]
async fn u9_what_is_attached_is_ones_own_to_change() {
    let world = platform().await;
    let metadata = Metadata::from_value(json!({ "a": 1 })).unwrap();
    world.as_user(7, UpdateOwnMetadata { metadata: metadata.clone() }).await.unwrap();
    let account = world.as_user(7, ViewAccount { id: user(7) }).await.unwrap();
    assert_eq!(account.metadata, metadata);
    let nobody = world.as_user(99, UpdateOwnMetadata { metadata }).await;
    assert!(is_refused(&nobody), "no account here: {nobody:?}");
}

#[tokio::test]
async fn go40_sessions_stay_ended_whoever_disabled_the_account() {
    let world = platform().await;
    let before = world.token(7, KeyKind::Login);
    let (id, status, at) = (user(7), AccountStatus::Disabled, world.clock.now());
    world.commit(Change::SetAccountStatus { id, status, at }).await.unwrap();
    assert!(!lives(&world, &before).await);
    world.as_user(2, EnableAccount { id }).await.unwrap();
    assert!(!lives(&world, &before).await);
}

#[tokio::test]
async fn go40_a_disabled_account_is_out_and_comes_back_without_its_sessions() {
    let world = platform().await;
    let (login, recovery) = (world.token(7, KeyKind::Login), world.token(7, KeyKind::Recovery));
    let key = world.key(7, None).await.token;
    let other = world.token(8, KeyKind::Login);
    for token in [&login, &key] {
        assert!(lives(&world, token).await);
    }
    for _ in 0..2 {
        world.as_user(2, DisableAccount { id: user(7) }).await.unwrap();
        for token in [&login, &recovery, &key] {
            assert!(!lives(&world, token).await);
        }
    }
    assert!(lives(&world, &other).await);
    for kind in [KeyKind::Login, KeyKind::Recovery] {
        let issue = IssueToken { user: user(7), email: "user7@example.com".into(), kind };
        let vouched = world.as_service(issue).await;
        assert!(is_refused(&vouched), "a sibling may not know yet: {vouched:?}");
    }
    for token in [&login, &key] {
        let by = Caller::Bearer(token.clone());
        let back = world.app.execute(by, EnableAccount { id: user(7) }).await;
        assert!(is_refused(&back), "nobody enables themselves: {back:?}");
    }
    for _ in 0..2 {
        world.as_user(2, EnableAccount { id: user(7) }).await.unwrap();
    }
    assert!(lives(&world, &key).await);
    assert!(!lives(&world, &login).await && !lives(&world, &recovery).await);
    let issue =
        IssueToken { user: user(7), email: "user7@example.com".into(), kind: KeyKind::Login };
    assert!(lives(&world, &world.as_service(issue).await.unwrap()).await);
    let facts = world.facts().await;
    let ends = ["account.disable", "session.cutoff", "account.enable", "session.cutoff"];
    assert_eq!(facts[facts.len() - 5], "key.issue");
    assert_eq!(facts[facts.len() - 4..], ends, "what was done already has no record");
}

#[tokio::test]
async fn go40_nobody_but_the_platform_disables_anybody() {
    let world = platform().await;
    for id in [user(7), user(8), user(1), user(99)] {
        let disabled = world.as_user(7, DisableAccount { id }).await;
        assert!(matches!(disabled, Err(Error::Forbidden)), "{disabled:?}");
        let enabled = world.as_user(7, EnableAccount { id }).await;
        assert!(matches!(enabled, Err(Error::Forbidden)), "{enabled:?}");
    }
    let key = Caller::Bearer(world.key(1, None).await.token);
    let by_key = world.app.execute(key, DisableAccount { id: user(7) }).await;
    assert!(matches!(by_key, Err(Error::Forbidden)), "{by_key:?}");
    let root = world.as_user(2, DisableAccount { id: user(1) }).await;
    assert!(matches!(root, Err(Error::Forbidden)), "an admin locks out no root: {root:?}");
    for nobody in [user(99), Id::sought("ada@example.com")] {
        let answer = world.as_user(1, DisableAccount { id: nobody }).await;
        assert!(matches!(answer, Err(Error::NotFound(Entity::Account))), "{answer:?}");
        let answer = world.as_user(1, EnableAccount { id: nobody }).await;
        assert!(matches!(answer, Err(Error::NotFound(Entity::Account))), "{answer:?}");
    }
}

#[tokio::test]
async fn go40_go41_neither_oneself_nor_the_last_root() {
    let world = platform().await;
    for number in [1, 2] {
        let answer = world.as_user(number, DisableAccount { id: user(number) }).await;
        assert!(matches!(answer, Err(Error::Conflict(Conflict::OwnAccount))), "{answer:?}");
    }
    world.promote(8, PlatformRole::Root).await;
    world.as_user(8, DisableAccount { id: user(1) }).await.unwrap();
    let by_disabled = world.as_user(1, DisableAccount { id: user(8) }).await;
    assert!(is_refused(&by_disabled), "{by_disabled:?}");
    world.as_user(8, EnableAccount { id: user(1) }).await.unwrap();
}
