//! Passwords that are forgotten, changed, or set for somebody else.

use std::time::Duration;

use auth_domain::model::{
    Content, Draft, KeyKind, MailState, Page, PlatformRole, TicketSecret, Token,
};
use auth_domain::ops::access::Identify;
use auth_domain::ops::account_admin::{DisableAccount, EnableAccount};
use auth_domain::ops::accounts::{Login, Register};
use auth_domain::ops::addresses::VerifyEmail;
use auth_domain::ops::mails::{PrepareMail, Prepared};
use auth_domain::ops::passwords::{ChangePassword, RequestReset, ResetPassword, SetPasswordOf};
use auth_domain::ops::roles::GrantRole;
use auth_domain::ports::Mails;
use auth_domain::{Caller, Entity, Error, Invalid, Result, Rules, Unauthenticated};

use crate::world::{World, user, world_by};

const ADA: &str = "ada@example.com";

/// Ada, who registered, and root and admin with numbers 1 and 2.
async fn mailing() -> World {
    let world = world_by(Rules { mail: true, ..Rules::default() }).await;
    register(&world, ADA).await;
    for number in [1, 2] {
        world.account(number, &format!("user{number}@example.com")).await;
    }
    world.promote(1, PlatformRole::Root).await;
    world.promote(2, PlatformRole::Admin).await;
    world
}

async fn register(world: &World, email: &str) {
    let (email, password) = (email.parse().unwrap(), "password1".into());
    let metadata = auth_domain::model::Metadata::default();
    let path = "/welcome".to_owned();
    world.as_anyone(Register { email, password, metadata, path }).await.unwrap();
}

async fn login(world: &World, password: &str) -> Result<Token> {
    let password = password.into();
    world.as_anyone(Login { email: ADA.parse().unwrap(), password }).await
}

async fn request(world: &World, email: &str) -> Result<()> {
    let path = "/reset".parse().unwrap();
    world.as_anyone(RequestReset { email: email.into(), path }).await
}

async fn reset(world: &World, secret: &TicketSecret, password: &str) -> Result<()> {
    let (secret, password) = (secret.clone(), password.into());
    world.as_anyone(ResetPassword { secret, password }).await
}

/// What becomes of the mails that wait, the oldest first.
async fn mails(world: &World) -> Vec<Prepared> {
    let page = Page::new(0, 200, (), auth_domain::model::Direction::Ascending).unwrap();
    let queued = world.store.mails(Some(MailState::Queued), page).await.unwrap();
    let mut prepared = Vec::new();
    for mail in queued.items {
        let message = mail.message.unwrap();
        let prepare = world.app.execute(Caller::System, PrepareMail { message }).await;
        prepared.push(prepare.unwrap());
    }
    prepared
}

/// What the newest mail, which goes to Ada, has in its link.
async fn mailed(world: &World) -> TicketSecret {
    mailed_to(world, ADA).await
}

async fn mailed_to(world: &World, email: &str) -> TicketSecret {
    match mails(world).await.pop().unwrap() {
        Prepared::Ready(Draft { to, content: Content::PasswordReset { secret, .. } }) => {
            assert_eq!(to.as_str(), email);
            secret
        }
        other => panic!("{other:?}"),
    }
}

fn is_refused<T>(answer: &Result<T>) -> bool {
    matches!(answer, Err(Error::Unauthenticated(Unauthenticated::NotHonoured)))
}

async fn lives(world: &World, token: &Token) -> bool {
    !is_refused(&world.as_anyone(Identify { token: token.clone() }).await)
}

async fn key(world: &World, login: &Token) -> Token {
    let issue = auth_domain::ops::keys::IssueKey { kind: KeyKind::Api, seconds: None };
    world.app.execute(Caller::Bearer(login.clone()), issue).await.unwrap().token
}

#[tokio::test]
async fn go47_fw13_fpw6_a_mailed_link_sets_a_password_once_and_ends_every_session() {
    let world = mailing().await;
    let session = login(&world, "password1").await.unwrap();
    let key = key(&world, &session).await;
    request(&world, " ADA@example.com").await.unwrap();
    let secret = mailed(&world).await;
    assert!(matches!(
        reset(&world, &secret, "short").await,
        Err(Error::Invalid(Invalid::Password))
    ));
    reset(&world, &secret, "password2").await.unwrap();
    assert!(!lives(&world, &session).await && lives(&world, &key).await);
    assert!(login(&world, "password1").await.is_err());
    assert!(lives(&world, &login(&world, "password2").await.unwrap()).await);
    assert!(is_refused(&reset(&world, &secret, "password3").await), "once");
    assert!(matches!(mails(&world).await[..], [Prepared::Untrue]), "nor is it mailed again");
    let facts = world.facts().await;
    assert_eq!(facts[facts.len() - 2..], ["account.set_password", "session.cutoff"]);
}

#[tokio::test]
async fn fpw1_pw1_nothing_but_a_mailed_link_sets_a_password() {
    let world = mailing().await;
    request(&world, ADA).await.unwrap();
    let first = mailed(&world).await;
    request(&world, ADA).await.unwrap();
    let second = mailed(&world).await;
    assert_ne!(first.expose(), second.expose());
    let ada = login(&world, "password1").await.unwrap();
    let key = key(&world, &ada).await;
    let recovery = world.token(7, KeyKind::Recovery);
    for other in [ada.expose(), key.expose(), recovery.expose(), "x", ""] {
        let answer = reset(&world, &TicketSecret::new(other.to_owned()), "password2").await;
        assert!(is_refused(&answer), "go47: {answer:?}");
    }
    let someone_elses = {
        request(&world, "user1@example.com").await.unwrap();
        mailed_to(&world, "user1@example.com").await
    };
    reset(&world, &someone_elses, "password2").await.unwrap();
    login(&world, "password1").await.unwrap();
    reset(&world, &first, "password2").await.unwrap();
    assert!(is_refused(&reset(&world, &second, "password3").await), "all end with the first");
}

/// Whoever asks in Ada's name, and however often, takes nothing from the link that she has.
#[tokio::test]
async fn a_stranger_who_asks_voids_nobodys_link() {
    let world = mailing().await;
    request(&world, ADA).await.unwrap();
    let hers = mailed(&world).await;
    for _ in 0..5 {
        request(&world, "ADA@example.com").await.unwrap();
    }
    reset(&world, &hers, "password2").await.unwrap();
    let mails = mails(&world).await;
    assert!(mails.iter().all(|mail| matches!(mail, Prepared::Untrue)), "nor does one work");
}

/// Whoever has half a link does not get the other half by guessing.
#[tokio::test]
async fn fw8_a_link_has_five_tries_and_one_purpose() {
    let world = mailing().await;
    let guess = |secret: &TicketSecret, guess: &str| {
        TicketSecret::new(format!("{}{guess}", &secret.expose()[..32]))
    };
    request(&world, ADA).await.unwrap();
    let link = mailed(&world).await;
    for number in 0..4 {
        let answer = reset(&world, &guess(&link, &format!("guess{number}")), "password2").await;
        assert!(is_refused(&answer), "{answer:?}");
    }
    let verified = world.as_anyone(VerifyEmail { secret: link.clone() }).await;
    assert!(is_refused(&verified), "fw9: it opens no account, and is not counted: {verified:?}");
    reset(&world, &link, "password2").await.unwrap();
    request(&world, ADA).await.unwrap();
    let link = mailed(&world).await;
    for number in 0..5 {
        reset(&world, &guess(&link, &format!("guess{number}")), "password3").await.unwrap_err();
    }
    assert!(is_refused(&reset(&world, &link, "password3").await), "void after five");
    login(&world, "password2").await.unwrap();
}

#[tokio::test]
async fn go48_gw13_fpw13_pw9_nobody_is_told_whether_an_address_is_known() {
    let world = mailing().await;
    register(&world, "off@example.com").await;
    let off = world.store_account("off@example.com").await;
    world.as_user(1, DisableAccount { id: off }).await.unwrap();
    for unknown in ["nobody@example.com", "off@example.com", "no address", ""] {
        let before = world.seen.commits();
        request(&world, unknown).await.unwrap();
        assert_eq!(world.seen.commits() - before, 1, "as much work as for a known one: {unknown}");
        let mail = mails(&world).await.pop();
        assert!(matches!(mail, Some(Prepared::Nobody)), "{unknown}: {mail:?}");
    }
    request(&world, ADA).await.unwrap();
    mailed(&world).await;
}

#[tokio::test]
async fn go49_gw14_a_flood_is_silent_to_its_victim_whose_link_works() {
    let world = mailing().await;
    for _ in 0..3 {
        request(&world, ADA).await.unwrap();
    }
    let newest = mailed(&world).await;
    let before = mails(&world).await.len();
    for spelling in [ADA, "ADA@example.com"] {
        request(&world, spelling).await.unwrap();
    }
    assert_eq!(mails(&world).await.len(), before, "no more mails");
    reset(&world, &newest, "password2").await.unwrap();
    // Others are not held back; whoever asks too often is told.
    for number in 0..15 {
        request(&world, &format!("u{number}@example.com")).await.unwrap();
    }
    let told = request(&world, "one-more@example.com").await;
    assert!(matches!(told, Err(Error::RateLimited(_))), "{told:?}");
}

#[tokio::test]
async fn fw10_links_lead_where_the_operator_says() {
    let prefix = vec!["/app".parse().unwrap()];
    let rules = Rules { mail: true, redirect_prefixes: prefix, ..Rules::default() };
    let world = world_by(rules).await;
    let answer = request(&world, ADA).await;
    assert!(matches!(answer, Err(Error::Invalid(Invalid::Malformed { .. }))), "{answer:?}");
    assert!(mails(&world).await.is_empty());
}

#[tokio::test]
async fn go47_pw11_a_disabled_account_has_no_password_to_set() {
    let world = mailing().await;
    let ada = world.store_account(ADA).await;
    request(&world, ADA).await.unwrap();
    let secret = mailed(&world).await;
    world.as_user(1, DisableAccount { id: ada }).await.unwrap();
    assert!(is_refused(&reset(&world, &secret, "password2").await));
    world.as_user(1, EnableAccount { id: ada }).await.unwrap();
    assert!(is_refused(&reset(&world, &secret, "password2").await), "void since then");
    login(&world, "password1").await.unwrap();
}

#[tokio::test]
async fn whoever_becomes_a_root_while_an_admin_sets_their_password_keeps_theirs() {
    let world = mailing().await;
    let ada = world.as_anyone(Identify { token: login(&world, "password1").await.unwrap() }).await;
    let role = PlatformRole::Root;
    let promotion = GrantRole { user: ada.unwrap().user, role };
    let (root, app) = (Caller::Bearer(world.token(1, KeyKind::Login)), world.app.clone());
    let promoted = async move { app.execute(root, promotion).await.unwrap() };
    *world.passwords.meanwhile.lock().unwrap() = Some(Box::pin(promoted));
    let email = Some(ADA.parse().unwrap());
    let set = world.as_user(2, SetPasswordOf { email, password: "password2".into() }).await;
    assert!(matches!(set, Err(Error::Forbidden)), "{set:?}");
    login(&world, "password1").await.unwrap();
}

#[tokio::test]
async fn s26_a_sign_in_under_way_does_not_outlive_its_password() {
    let world = mailing().await;
    let root = Caller::Bearer(world.token(1, KeyKind::Login));
    let email = Some(ADA.parse().unwrap());
    let operation = SetPasswordOf { email, password: "password2".into() };
    let app = world.app.clone();
    let changes = async move { app.execute(root, operation).await.unwrap() };
    *world.passwords.meanwhile.lock().unwrap() = Some(Box::pin(changes));
    let overtaken = login(&world, "password1").await;
    assert!(
        matches!(overtaken, Err(Error::Unauthenticated(Unauthenticated::BadCredentials))),
        "{overtaken:?}"
    );
    login(&world, "password2").await.unwrap();
}

#[tokio::test]
async fn gw15_fw13_a_changed_password_needs_the_old_one_and_ends_every_session() {
    let world = mailing().await;
    let change = |by: &Token, current: &str, password: &str| {
        let (by, current, password) = (by.clone(), current.into(), password.into());
        let operation = ChangePassword { current, password };
        let app = world.app.clone();
        async move { app.execute(Caller::Bearer(by), operation).await }
    };
    let (one, other) =
        (login(&world, "password1").await.unwrap(), login(&world, "password1").await.unwrap());
    let key = key(&world, &one).await;
    request(&world, ADA).await.unwrap();
    let link = mailed(&world).await;
    let weak = change(&one, "password1", "short").await;
    assert!(matches!(weak, Err(Error::Invalid(Invalid::Password))), "{weak:?}");
    let wrong = change(&one, "password0", "password2").await;
    assert!(matches!(wrong, Err(Error::Invalid(Invalid::CurrentPassword))), "{wrong:?}");
    let by_key = change(&key, "password1", "password2").await;
    assert!(matches!(by_key, Err(Error::Unauthenticated(_))), "go5: {by_key:?}");
    change(&one, "password1", "password2").await.unwrap();
    assert!(!lives(&world, &one).await && !lives(&world, &other).await);
    assert!(lives(&world, &key).await);
    assert!(is_refused(&reset(&world, &link, "password3").await), "links of before are void");
    let again = login(&world, "password2").await.unwrap();
    for _ in 0..3 {
        change(&again, "password0", "password3").await.unwrap_err();
    }
    let guessing = change(&again, "password2", "password3").await;
    assert!(matches!(guessing, Err(Error::RateLimited(_))), "{guessing:?}");
}

#[tokio::test]
async fn go59_the_platform_sets_passwords_of_others() {
    let world = mailing().await;
    let set =
        |email: &str| SetPasswordOf { email: email.parse().ok(), password: "password2".into() };
    let session = login(&world, "password1").await.unwrap();
    let by_user = world.as_user(7, set(ADA)).await;
    assert!(matches!(by_user, Err(Error::Forbidden)), "{by_user:?}");
    for nobody in ["nobody@example.com", "no address"] {
        let answer = world.as_user(1, set(nobody)).await;
        assert!(matches!(answer, Err(Error::NotFound(Entity::Account))), "{answer:?}");
    }
    let own = world.as_user(1, set("user1@example.com")).await;
    assert!(matches!(own, Err(Error::Invalid(Invalid::CurrentPassword))), "{own:?}");
    let root = world.as_user(2, set("user1@example.com")).await;
    assert!(matches!(root, Err(Error::Forbidden)), "an admin takes over no root: {root:?}");
    world.as_user(2, set(ADA)).await.unwrap();
    assert!(!lives(&world, &session).await);
    login(&world, "password2").await.unwrap();
    let id = world.store_account(ADA).await;
    world.as_user(1, DisableAccount { id }).await.unwrap();
    let disabled = world.as_user(1, set(ADA)).await;
    assert!(matches!(disabled, Err(Error::NotFound(Entity::Account))), "{disabled:?}");
}

#[tokio::test]
async fn without_mail_nothing_is_stored_and_nobody_is_told() {
    let world = world_by(Rules::default()).await;
    register(&world, ADA).await;
    let before = world.seen.commits();
    request(&world, ADA).await.unwrap();
    assert_eq!(world.seen.commits(), before);
    assert!(mails(&world).await.is_empty());
    world.clock.advance(Duration::from_secs(1));
    assert_ne!(user(7), world.store_account(ADA).await);
}
