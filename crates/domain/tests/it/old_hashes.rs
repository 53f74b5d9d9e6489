//! Password hashes of an old kind, which are replaced when their owner signs in. In this world a hash is `plain:` and
//! the password, and one of the old kind `old:` and the password.

use auth_domain::change::Change;
use auth_domain::model::{Account, AccountStatus, KeyKind, PasswordHash, PlatformRole, Token};
use auth_domain::ops::accounts::Login;
use auth_domain::ops::passwords::{ChangePassword, SetPasswordOf};
use auth_domain::ports::{Accounts, Clock, Store};
use auth_domain::{Caller, Error, Result, Unauthenticated};

use crate::world::{World, world};

const ADA: &str = "ada@example.com";

/// Ada, whose hash is an old one of `password1`, and a root with number 1.
async fn with_old_hash() -> World {
    let world = world().await;
    world.account(1, "root@example.com").await;
    world.promote(1, PlatformRole::Root).await;
    world.account(2, ADA).await;
    let id = world.store_account(ADA).await;
    let (from, to) = (PasswordHash::new("none".into()), PasswordHash::new("old:password1".into()));
    world.commit(Change::RenewHash { id, from, to }).await.unwrap();
    world
}

async fn ada(world: &World) -> Account {
    world.store.account_by_email(&ADA.parse().unwrap()).await.unwrap().unwrap()
}

async fn login(world: &World, password: &str) -> Result<Token> {
    let password = password.into();
    world.as_anyone(Login { email: ADA.parse().unwrap(), password }).await
}

fn is_refused<T: std::fmt::Debug>(outcome: &Result<T>) -> bool {
    matches!(outcome, Err(Error::Unauthenticated(Unauthenticated::BadCredentials)))
}

/// Sees to it that this is done while the next password is verified, after its hash was read.
fn meanwhile(world: &World, doing: impl Future<Output = ()> + Send + 'static) {
    *world.passwords.meanwhile.lock().unwrap() = Some(Box::pin(doing));
}

#[tokio::test]
async fn fw7_an_old_hash_is_replaced_at_the_next_sign_in_and_nobody_is_told() {
    let world = with_old_hash().await;
    let (before, facts) = (ada(&world).await, world.facts().await);
    assert!(is_refused(&login(&world, "password2").await));
    assert_eq!(ada(&world).await.password.expose(), "old:password1", "not for a wrong one");
    login(&world, "password1").await.unwrap();
    let after = ada(&world).await;
    assert_eq!(after.password.expose(), "plain:password1");
    assert_eq!(after.updated_at, before.updated_at);
    assert_eq!(world.facts().await, facts, "it is the same password");
    login(&world, "password1").await.unwrap();
}

#[tokio::test]
async fn a_password_that_is_changed_meanwhile_stays_changed() {
    let world = with_old_hash().await;
    let root = Caller::Bearer(world.token(1, KeyKind::Login));
    let (email, app) = (Some(ADA.parse().unwrap()), world.app.clone());
    let operation = SetPasswordOf { email, password: "password2".into() };
    meanwhile(&world, async move { app.execute(root, operation).await.unwrap() });
    let overtaken = login(&world, "password1").await;
    assert!(is_refused(&overtaken), "{overtaken:?}");
    assert_eq!(ada(&world).await.password.expose(), "plain:password2");
    login(&world, "password2").await.unwrap();
}

#[tokio::test]
async fn of_two_who_sign_in_at_once_neither_is_refused() {
    let world = with_old_hash().await;
    let (email, app) = (ADA.parse().unwrap(), world.app.clone());
    let first = Login { email, password: "password1".into() };
    meanwhile(&world, async move { drop(app.execute(Caller::Anonymous, first).await.unwrap()) });
    login(&world, "password1").await.unwrap();
    assert_eq!(ada(&world).await.password.expose(), "plain:password1");
}

#[tokio::test]
async fn whoever_is_disabled_meanwhile_is_out() {
    let world = with_old_hash().await;
    let id = world.store_account(ADA).await;
    let (store, at) = (world.store.clone(), world.clock.now());
    let renewed = Change::RenewHash {
        id,
        from: PasswordHash::new("old:password1".into()),
        to: PasswordHash::new("plain:password1".into()),
    };
    let disabled = Change::SetAccountStatus { id, status: AccountStatus::Disabled, at };
    let commit = World::commit_of(at, vec![renewed, disabled]);
    meanwhile(&world, async move {
        store.commit(commit).await.unwrap();
    });
    let overtaken = login(&world, "password1").await;
    assert!(is_refused(&overtaken), "{overtaken:?}");
}

#[tokio::test]
async fn whoever_changes_a_password_with_an_old_hash_can() {
    let world = with_old_hash().await;
    let token = login(&world, "password1").await.unwrap();
    let id = world.store_account(ADA).await;
    let (from, to) = ("plain:password1", "old:password1");
    let (from, to) = (PasswordHash::new(from.into()), PasswordHash::new(to.into()));
    world.commit(Change::RenewHash { id, from, to }).await.unwrap();
    // And somebody signs in at that moment, which replaces the hash.
    let (email, app) = (ADA.parse().unwrap(), world.app.clone());
    let other = Login { email, password: "password1".into() };
    meanwhile(&world, async move { drop(app.execute(Caller::Anonymous, other).await.unwrap()) });
    let change = ChangePassword { current: "password1".into(), password: "password2".into() };
    world.app.execute(Caller::Bearer(token), change).await.unwrap();
    assert_eq!(ada(&world).await.password.expose(), "plain:password2");
}
