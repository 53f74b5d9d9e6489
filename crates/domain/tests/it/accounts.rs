//! Accounts of the built-in directory.

use auth_domain::model::{
    AccountOrder, AccountQuery, Direction, KeyKind, Metadata, Page, PlatformRole,
};
use auth_domain::ops::access::Identify;
use auth_domain::ops::accounts::{FindByEmails, FindByIds, FindUser, Login, Register, ViewProfile};
use auth_domain::ops::first_admin::{BootstrapAdmin, Bootstrapped};
use auth_domain::{Caller, Entity, Error, Result, Rules, Unauthenticated};
use serde_json::json;

use crate::elsewhere::{Elsewhere, Manner};
use crate::world::{World, user, world, world_by, world_with};

fn register(email: &str, password: &str) -> Register {
    Register {
        email: email.parse().unwrap(),
        password: password.into(),
        metadata: Metadata::from_value(json!({"lang": "en"})).unwrap(),
        path: "/welcome".into(),
    }
}

async fn login(world: &World, email: &str, password: &str) -> Result<auth_domain::model::Token> {
    world.as_anyone(Login { email: email.parse().unwrap(), password: password.into() }).await
}

fn by_ids(ids: Vec<auth_domain::model::UserId>) -> FindByIds {
    let page = Page {
        offset: 0,
        limit: 1000,
        order: AccountOrder::Email,
        direction: Direction::Ascending,
    };
    FindByIds { query: AccountQuery { ids, email: String::new(), page } }
}

#[tokio::test]
async fn whoever_registers_can_sign_in_and_see_themselves() {
    let world = world().await;
    world.as_anyone(register("Ada@Example.com", "password1")).await.unwrap();
    let token = login(&world, " ada@example.COM ", "password1").await.unwrap();
    let identity = world.as_anyone(Identify { token: token.clone() }).await.unwrap();
    assert_eq!((identity.kind, identity.email.as_str()), (KeyKind::Login, "Ada@Example.com"));
    let profile = world.app.execute(Caller::Bearer(token), ViewProfile).await.unwrap();
    assert_eq!(profile.account.id, identity.user);
    assert_eq!(profile.account.metadata.to_json(), r#"{"lang":"en"}"#);
    assert_eq!(profile.role, None);
    assert_eq!(world.facts().await, ["account.create"]);
}

#[tokio::test]
async fn fw23_go58_one_address_is_one_account_whatever_its_case() {
    let world = world().await;
    world.as_anyone(register("ada@example.com", "password1")).await.unwrap();
    let again = world.as_anyone(register("ADA@example.com", "password2")).await;
    assert!(matches!(again, Err(Error::AlreadyExists(_))));
    assert!(login(&world, "ada@example.com", "password2").await.is_err());
}

#[tokio::test]
async fn registration_can_be_closed_and_passwords_have_a_rule() {
    let closed = world_by(Rules { self_register: false, ..Rules::default() }).await;
    let answer = closed.as_anyone(register("ada@example.com", "password1")).await;
    assert!(matches!(answer, Err(Error::RegistrationClosed)));
    let open = world().await;
    let answer = open.as_anyone(register("ada@example.com", "short")).await;
    assert!(matches!(answer, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn s89_wrong_and_unknown_answer_alike() {
    let world = world().await;
    world.as_anyone(register("ada@example.com", "password1")).await.unwrap();
    for (email, password) in [("ada@example.com", "wrong"), ("eve@example.com", "password1")] {
        assert!(matches!(
            login(&world, email, password).await,
            Err(Error::Unauthenticated(Unauthenticated::BadCredentials))
        ));
    }
}

#[tokio::test]
async fn go49_fw25_gw14_guessing_is_slowed_down() {
    let world = world().await;
    world.as_anyone(register("ada@example.com", "password1")).await.unwrap();
    for _ in 0..3 {
        login(&world, "ada@example.com", "guess").await.unwrap_err();
    }
    let answer = login(&world, "ADA@example.com", "password1").await;
    assert!(matches!(answer, Err(Error::RateLimited(_))), "another spelling is the same account");
    world.as_anyone(register("bob@example.com", "password1")).await.unwrap();
    assert!(login(&world, "bob@example.com", "password1").await.is_ok());
}

#[tokio::test]
async fn s87_an_outage_locks_nobody_out() {
    let world = world().await;
    world.as_anyone(register("ada@example.com", "password1")).await.unwrap();
    for _ in 0..10 {
        let answer = login(&world, "ada@example.com", crate::world::FULL).await;
        assert!(matches!(answer, Err(Error::Unavailable(_))), "never 429 for an outage");
    }
    assert!(login(&world, "ada@example.com", "password1").await.is_ok());
}

#[tokio::test]
async fn the_operators_account_is_a_root_however_often_it_starts() {
    let world = world().await;
    let bootstrap = |password: &str| BootstrapAdmin {
        may_exist: true,
        email: "admin@example.com".parse().unwrap(),
        password: password.into(),
    };
    let system = |operation| world.app.execute(Caller::System, operation);
    assert!(system(bootstrap("short")).await.is_err(), "the rule holds for operators too");
    assert_eq!(system(bootstrap("password1")).await.unwrap(), Bootstrapped::Opened);
    assert_eq!(system(bootstrap("password2")).await.unwrap(), Bootstrapped::Present);
    let token = login(&world, "admin@example.com", "password1").await.unwrap();
    let profile = world.app.execute(Caller::Bearer(token), ViewProfile).await.unwrap();
    assert_eq!(profile.role, Some(PlatformRole::Root));
    assert!(login(&world, "admin@example.com", "password2").await.is_err());
}

#[tokio::test]
async fn go42_an_existing_account_is_promoted() {
    let world = world().await;
    world.as_anyone(register("admin@example.com", "password1")).await.unwrap();
    let bootstrap = BootstrapAdmin {
        may_exist: true,
        email: "admin@example.com".parse().unwrap(),
        password: "another one".into(),
    };
    let done = world.app.execute(Caller::System, bootstrap).await.unwrap();
    assert_eq!(done, Bootstrapped::Promoted { verified: false }, "an operator hears of it");
    assert_eq!(world.facts().await, ["account.create", "platform_role.assign"]);
    let token = login(&world, "admin@example.com", "password1").await.unwrap();
    let profile = world.app.execute(Caller::Bearer(token), ViewProfile).await.unwrap();
    assert_eq!(profile.role, Some(PlatformRole::Root));
}

#[tokio::test]
async fn siblings_find_people_by_address_in_the_order_they_asked() {
    let world = world().await;
    for name in ["a", "b"] {
        world.as_anyone(register(&format!("{name}@example.com"), "password1")).await.unwrap();
    }
    let asked = |names: &[&str]| FindByEmails {
        emails: names.iter().map(|name| format!("{name}@example.com").parse().unwrap()).collect(),
    };
    let found = world.as_service(asked(&["b", "A", "b"])).await.unwrap();
    let emails: Vec<_> = found.iter().map(|account| account.email.key().to_owned()).collect();
    assert_eq!(emails, ["b@example.com", "a@example.com", "b@example.com"]);
    assert!(matches!(world.as_service(asked(&["a", "z"])).await, Err(Error::NotFound(_))));
    assert!(matches!(world.as_service(asked(&[])).await, Err(Error::Invalid(_))));
    assert!(world.as_user(7, asked(&["a"])).await.is_err());
}

#[tokio::test]
async fn siblings_find_people_by_id_and_unknown_ones_are_left_out() {
    let world = world().await;
    world.as_anyone(register("a@example.com", "password1")).await.unwrap();
    let token = login(&world, "a@example.com", "password1").await.unwrap();
    let id = world.as_anyone(Identify { token }).await.unwrap().user;
    let found = world.as_service(by_ids(vec![id, user(99), id])).await.unwrap();
    assert_eq!((found.items.len(), found.total), (1, 1));
    assert!(matches!(world.as_service(by_ids(vec![])).await, Err(Error::Invalid(_))));
    assert!(matches!(world.as_service(by_ids(vec![user(1); 1001])).await, Err(Error::Invalid(_))));
    assert!(world.as_user(7, by_ids(vec![id])).await.is_err());
}

#[tokio::test]
async fn a_profile_needs_an_account() {
    let world = world().await;
    assert!(matches!(world.as_user(7, ViewProfile).await, Err(Error::Unauthenticated(_))));
}

#[tokio::test]
async fn the_operator_finds_whose_an_address_is_here_or_elsewhere() {
    let find = |email: &str| FindUser { email: email.parse().unwrap() };
    let nobody = |found: &Result<_>| matches!(found, Err(Error::NotFound(Entity::Account)));
    let here = world().await;
    here.account(7, "ada@example.com").await;
    assert_eq!(here.as_service(find("ADA@example.com")).await.unwrap(), user(7));
    assert!(nobody(&here.as_service(find("user7@example.com")).await));
    let refused = here.as_user(7, find("ada@example.com")).await;
    assert!(matches!(refused, Err(Error::Unauthenticated(Unauthenticated::UnknownService))));

    let directory = Elsewhere::new();
    let there = world_with(directory.clone()).await;
    assert_eq!(there.as_service(find("User7@example.com")).await.unwrap(), user(7));
    // Whoever else the answer names is not it.
    directory.behave(Manner::WithStrangers);
    assert_eq!(there.as_service(find("user7@example.com")).await.unwrap(), user(7));
    directory.behave(Manner::Empty);
    assert!(nobody(&there.as_service(find("user7@example.com")).await));
    directory.behave(Manner::Away);
    let away = there.as_service(find("user7@example.com")).await;
    assert!(matches!(away, Err(Error::Unavailable(_))), "{away:?}");
}
