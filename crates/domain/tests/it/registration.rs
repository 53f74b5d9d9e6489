//! Accounts that are opened by whoever reads the mail to their address.

use std::sync::atomic::Ordering;
use std::time::Duration;

use auth_domain::change::Change;
use auth_domain::model::{
    AccountStatus, Content, Draft, Grant, MailState, Metadata, Page, PasswordHash, PlatformRole,
    Registration, Ticket, TicketId, TicketSecret, Token,
};
use auth_domain::ops::account_admin::DisableAccount;
use auth_domain::ops::accounts::{Login, Register};
use auth_domain::ops::addresses::VerifyEmail;
use auth_domain::ops::mails::{PrepareMail, Prepared};
use auth_domain::ops::passwords::ResetPassword;
use auth_domain::ports::{Accounts, Mails, TicketSecrets};
use auth_domain::{Caller, Entity, Error, Invalid, Result, Rules, Unauthenticated};
use serde_json::json;

use crate::world::{World, world_by};

const ADA: &str = "Ada@example.com";

fn rules() -> Rules {
    Rules { mail: true, verify_email: true, ..Rules::default() }
}

fn asking(email: &str, password: &str) -> Register {
    Register {
        email: email.parse().unwrap(),
        password: password.into(),
        metadata: Metadata::from_value(json!({ "lang": "en" })).unwrap(),
        path: "/verify".to_owned(),
    }
}

async fn register(world: &World, email: &str, password: &str) {
    world.as_anyone(asking(email, password)).await.unwrap();
}

async fn verify(world: &World, secret: &TicketSecret) -> Result<()> {
    let id = world.as_anyone(VerifyEmail { secret: secret.clone() }).await?;
    assert!(world.store.account(id).await.unwrap().is_some());
    Ok(())
}

async fn login(world: &World, email: &str, password: &str) -> Result<Token> {
    world.as_anyone(Login { email: email.parse().unwrap(), password: password.into() }).await
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

/// What the newest mail, which goes to this address, has in its link.
async fn mailed(world: &World, email: &str) -> TicketSecret {
    match mails(world).await.pop().unwrap() {
        Prepared::Ready(Draft { to, content: Content::EmailVerification { secret, .. } }) => {
            assert_eq!(to.as_str(), email);
            secret
        }
        other => panic!("{other:?}"),
    }
}

fn is_refused<T>(answer: &Result<T>) -> bool {
    matches!(answer, Err(Error::Unauthenticated(Unauthenticated::NotHonoured)))
}

fn is_taken<T>(answer: &Result<T>) -> bool {
    matches!(answer, Err(Error::AlreadyExists(Entity::Account)))
}

#[tokio::test]
async fn fw11_gw17_an_account_is_opened_by_whoever_reads_the_mail_and_once() {
    let world = world_by(rules()).await;
    register(&world, ADA, "password1").await;
    assert!(login(&world, ADA, "password1").await.is_err(), "nobody has proved anything");
    assert!(world.facts().await.is_empty());
    let link = mailed(&world, ADA).await;
    verify(&world, &link).await.unwrap();
    login(&world, "ada@example.com", "password1").await.unwrap();
    let found = world.store.account_by_email(&ADA.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(found.metadata.to_json(), r#"{"lang":"en"}"#, "go61");
    assert_eq!(found.status, AccountStatus::Enabled);
    assert_eq!(world.facts().await, ["account.create"]);
    assert!(is_refused(&verify(&world, &link).await), "once");
}

/// The same is done for an address that nobody has, one that somebody has, and one whose account is disabled.
#[tokio::test]
async fn go48_gw13_whether_there_is_an_account_plays_no_part() {
    let world = world_by(rules()).await;
    for (number, email) in [(1, "root@example.com"), (2, ADA), (3, "off@example.com")] {
        world.account(number, email).await;
    }
    world.promote(1, PlatformRole::Root).await;
    let off = world.store_account("off@example.com").await;
    world.as_user(1, DisableAccount { id: off }).await.unwrap();
    for email in ["nobody@example.com", ADA, "off@example.com"] {
        let before = (world.seen.commits(), world.passwords.hashed.load(Ordering::SeqCst));
        register(&world, email, "password1").await;
        let after = (world.seen.commits(), world.passwords.hashed.load(Ordering::SeqCst));
        assert_eq!((after.0 - before.0, after.1 - before.1), (1, 1), "{email}");
        let told = mails(&world).await.pop().unwrap();
        let as_it_is = match &told {
            Prepared::Ready(Draft { content: Content::EmailVerification { .. }, .. }) => "nobody@",
            Prepared::Ready(Draft { content: Content::AlreadyRegistered { .. }, .. }) => "Ada@",
            Prepared::Nobody => "off@",
            _ => "",
        };
        assert!(!as_it_is.is_empty() && email.starts_with(as_it_is), "{email}: {told:?}");
    }
}

/// Each link opens the account with the password that was typed for it, so none wins without whoever reads the mail.
#[tokio::test]
async fn go53_whoever_asks_again_voids_no_link_and_chooses_no_password() {
    let world = world_by(rules()).await;
    register(&world, ADA, "password of ada").await;
    let hers = mailed(&world, ADA).await;
    register(&world, "ADA@example.com", "password of eve").await;
    let eves = mailed(&world, "ADA@example.com").await;
    verify(&world, &hers).await.unwrap();
    login(&world, ADA, "password of ada").await.unwrap();
    assert!(login(&world, ADA, "password of eve").await.is_err());
    assert!(is_refused(&verify(&world, &eves).await), "all end with the first");
    let mails = mails(&world).await;
    assert!(mails.iter().all(|mail| matches!(mail, Prepared::Untrue)), "nor is one mailed");
}

#[tokio::test]
async fn an_address_that_was_taken_meanwhile_uses_nothing_up() {
    let world = world_by(rules()).await;
    register(&world, ADA, "password1").await;
    let link = mailed(&world, ADA).await;
    world.account(7, "ada@example.com").await;
    for _ in 0..6 {
        assert!(is_taken(&verify(&world, &link).await), "and it is no wrong try");
    }
    assert!(matches!(
        mails(&world).await[..],
        [Prepared::Ready(Draft { content: Content::AlreadyRegistered { .. }, .. })]
    ));
}

/// What a ticket is that was made so long ago.
#[tokio::test]
async fn fw8_fpw10_a_link_that_is_over_says_so() {
    let world = world_by(rules()).await;
    let registration = Registration {
        email: ADA.parse().unwrap(),
        password: PasswordHash::new("plain:password1".to_owned()),
        metadata: Metadata::default(),
    };
    let (id, secrets) = (auth_domain::Id::new(uuid::Uuid::from_u128(77)), world.tokens.tickets());
    let secret = secrets.secret(id);
    let (grant, digest) = (Grant::Registration(Box::new(registration)), secrets.digest(&secret));
    let ticket = Ticket { id, grant, digest, life: Duration::ZERO };
    world.commit(Change::PutTicket(ticket)).await.unwrap();
    let late = verify(&world, &secret).await;
    assert!(matches!(late, Err(Error::Invalid(Invalid::VerificationExpired))), "{late:?}");
    for none in ["", "x", "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6", &secret.expose()[..40]] {
        let answer = verify(&world, &TicketSecret::new(none.to_owned())).await;
        assert!(is_refused(&answer), "{none}: {answer:?}");
    }
    assert!(login(&world, ADA, "password1").await.is_err());
}

#[tokio::test]
async fn fw8_fw9_a_link_has_five_tries_and_one_purpose() {
    let world = world_by(rules()).await;
    register(&world, ADA, "password1").await;
    let link = mailed(&world, ADA).await;
    let reset = ResetPassword { secret: link.clone(), password: "password2".into() };
    let reset = world.as_anyone(reset).await;
    assert!(is_refused(&reset), "{reset:?}");
    for number in 0..5 {
        let guess = TicketSecret::new(format!("{}guess{number}", &link.expose()[..32]));
        assert!(is_refused(&verify(&world, &guess).await));
    }
    assert!(is_refused(&verify(&world, &link).await), "void after five");
}

#[tokio::test]
async fn go49_gw14_a_flood_is_silent_to_its_victim_whose_link_works() {
    let world = world_by(rules()).await;
    register(&world, ADA, "password1").await;
    let hers = mailed(&world, ADA).await;
    for _ in 0..5 {
        register(&world, "ADA@example.com", "password of eve").await;
    }
    assert_eq!(mails(&world).await.len(), 3, "no more mails");
    verify(&world, &hers).await.unwrap();
    for number in 0..14 {
        register(&world, &format!("u{number}@example.com"), "password1").await;
    }
    let told = world.as_anyone(asking("one-more@example.com", "password1")).await;
    assert!(matches!(told, Err(Error::RateLimited(_))), "{told:?}");
}

#[tokio::test]
async fn fw10_links_lead_where_the_operator_says() {
    let world =
        world_by(Rules { redirect_prefixes: vec!["/app".parse().unwrap()], ..rules() }).await;
    for path in ["/verify", "@evil.example", "//evil.example", "https://evil.example/"] {
        let asking = Register { path: path.to_owned(), ..asking(ADA, "password1") };
        let answer = world.as_anyone(asking).await;
        assert!(matches!(answer, Err(Error::Invalid(Invalid::Malformed { .. }))), "{answer:?}");
    }
    assert!(mails(&world).await.is_empty());
}

/// An invalid password is said before anything is stored, and a closed registration is closed.
#[tokio::test]
async fn fw14_the_rule_for_passwords_and_the_operators_word_come_first() {
    let world = world_by(rules()).await;
    let weak = world.as_anyone(asking(ADA, "short")).await;
    assert!(matches!(weak, Err(Error::Invalid(Invalid::Password))), "{weak:?}");
    let closed = world_by(Rules { self_register: false, ..rules() }).await;
    let registration = Registration {
        email: ADA.parse().unwrap(),
        password: PasswordHash::new("plain:password1".into()),
        metadata: Metadata::default(),
    };
    let (id, grant) =
        (TicketId::new(uuid::Uuid::from_u128(9)), Grant::Registration(Box::new(registration)));
    let secret = closed.tokens.tickets().secret(id);
    let (digest, life) = (closed.tokens.tickets().digest(&secret), Duration::from_hours(1));
    closed.commit(Change::PutTicket(Ticket { id, grant, digest, life })).await.unwrap();
    let unknown = verify(&closed, &TicketSecret::new("of nobody".into())).await;
    assert!(is_refused(&unknown), "{unknown:?}");
    // A link of before it was closed.
    let late = verify(&closed, &secret).await;
    assert!(matches!(late, Err(Error::RegistrationClosed)), "{late:?}");
    let answer = closed.as_anyone(asking(ADA, "password1")).await;
    assert!(matches!(answer, Err(Error::RegistrationClosed)), "{answer:?}");
    assert!(mails(&world).await.is_empty() && mails(&closed).await.is_empty());
}
