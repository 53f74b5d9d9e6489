//! Invites to an address, and who has it: anybody can sign up with any address, and whoever accepts has to read its mail.

use std::time::Duration;

use auth_domain::model::{
    AccountStatus, Content, Direction, Draft, InviteId, InviteProof, KeyKind, MailState, Message,
    Metadata, OrgId, OrgRole, Page, PlatformRole, RedirectPath, TicketSecret,
};
use auth_domain::ops::account_admin::{DisableAccount, EnableAccount, OpenAccount};
use auth_domain::ops::accounts::{Login, Register};
use auth_domain::ops::addresses::VerifyEmail;
use auth_domain::ops::invites::{Answer, CreateInvite, RespondInvite};
use auth_domain::ops::mails::{PrepareMail, Prepared};
use auth_domain::ops::passwords::{RequestReset, ResetPassword};
use auth_domain::ops::platform_invites::{CreatePlatformInvite, RegisterByInvite};
use auth_domain::ports::{Accounts, Clock, Mails, Memberships, TicketSecrets};
use auth_domain::{Caller, Error, InviteClosed, Result, Rules, Unauthenticated};

use crate::elsewhere::Elsewhere;
use crate::world::{World, user, world_by, world_meanwhile, world_of};

const ADA: &str = "Ada@example.com";
/// Longer than these tests will be run: the store judges by its own clock.
const LIFE: Duration = Duration::from_hours(24 * 365 * 100);

fn mailing() -> Rules {
    let redirect_prefixes = ["/app", "/other"].map(|path| path.parse().unwrap()).to_vec();
    Rules { mail: true, invite_life: LIFE, redirect_prefixes, ..Rules::default() }
}

/// A root with number 1, and an org of theirs.
async fn scene(rules: Rules) -> (World, OrgId) {
    let world = world_by(rules).await;
    world.account(1, "user1@example.com").await;
    world.promote(1, PlatformRole::Root).await;
    let org = world.org(1, "Acme").await;
    (world, org)
}

fn registering() -> Register {
    Register {
        email: ADA.parse().unwrap(),
        password: "password1".into(),
        metadata: Metadata::default(),
        path: "/app".to_owned(),
    }
}

async fn invite(world: &World, org: OrgId) -> InviteId {
    let (email, role) = (ADA.parse().unwrap(), OrgRole::Editor);
    let path: RedirectPath = "/app".parse().unwrap();
    world.as_user(1, CreateInvite { org, email, role, path }).await.unwrap()
}

/// Accepts as whoever has the address.
async fn accept(world: &World, id: InviteId, path: Option<&str>) -> Result<()> {
    let (email, password) = (ADA.parse().unwrap(), "password1".into());
    let token = world.as_anyone(Login { email, password }).await.unwrap();
    let path = path.map(|path| path.parse().unwrap());
    let accepting = RespondInvite { id, answer: Answer::Accept, path };
    world.app.execute(Caller::Bearer(token), accepting).await
}

/// What becomes of the mails that wait, the oldest first.
async fn mails(world: &World) -> Vec<Prepared> {
    let page = Page::new(0, 200, (), Direction::Ascending).unwrap();
    let queued = world.store.mails(Some(MailState::Queued), page).await.unwrap();
    let mut prepared = Vec::new();
    for mail in queued.items {
        let message = mail.message.unwrap();
        let prepare = world.app.execute(Caller::System, PrepareMail { message }).await;
        prepared.push(prepare.unwrap());
    }
    prepared
}

/// What the newest mail, which goes to Ada, has in its link, and where that leads.
async fn mailed(world: &World) -> (TicketSecret, String) {
    match mails(world).await.pop().unwrap() {
        Prepared::Ready(Draft {
            to,
            content: Content::AccountVerification { secret, path, .. },
        }) => {
            assert_eq!(to.as_str(), ADA);
            (secret, path.as_str().to_owned())
        }
        other => panic!("{other:?}"),
    }
}

fn is_unverified(answer: &Result<()>) {
    assert!(matches!(answer, Err(Error::EmailUnverified)), "{answer:?}");
}

async fn verified_at(world: &World) -> Option<auth_domain::Timestamp> {
    let found = world.store.account_by_email(&ADA.parse().unwrap()).await.unwrap();
    found.unwrap().email_verified_at
}

#[tokio::test]
async fn s50_whoever_signed_up_first_joins_nothing_until_they_read_the_mail() {
    let (world, org) = scene(mailing()).await;
    world.as_anyone(registering()).await.unwrap();
    let ada = world.store_account(ADA).await;
    let id = invite(&world, org).await;
    is_unverified(&accept(&world, id, None).await);
    assert!(world.store.membership(org, ada).await.unwrap().is_none());
    let (secret, path) = mailed(&world).await;
    assert_eq!(path, "/app", "the first that links may lead to");
    let before = world.facts().await.len();
    let proved = world.as_anyone(VerifyEmail { secret: secret.clone() }).await.unwrap();
    assert_eq!((proved, verified_at(&world).await), (ada, Some(world.clock.now())));
    assert_eq!(world.facts().await[before..], ["account.verify_email"]);
    let again = world.as_anyone(VerifyEmail { secret }).await;
    assert!(matches!(again, Err(Error::Unauthenticated(Unauthenticated::NotHonoured))), "once");
    accept(&world, id, None).await.unwrap();
    assert!(world.store.membership(org, ada).await.unwrap().is_some());
    assert!(matches!(mails(&world).await[..], [Prepared::Untrue, Prepared::Untrue]));
}

/// Opens Ada's account in one way, and says whether her address is proved by that.
async fn open(world: &World, way: &str) -> bool {
    let newest = async || {
        let page = Page::new(0, 200, (), Direction::Ascending).unwrap();
        let queued = world.store.mails(Some(MailState::Queued), page).await.unwrap();
        match queued.items.last().unwrap().message.clone().unwrap() {
            Message::PlatformInvite { ticket, .. }
            | Message::EmailVerification { ticket, .. }
            | Message::PasswordReset { ticket, .. } => world.tokens.tickets().secret(ticket),
            other => panic!("{other:?}"),
        }
    };
    let (email, path): (_, RedirectPath) = (ADA.parse().unwrap(), "/app".parse().unwrap());
    let metadata = Metadata::default();
    match way {
        "an admin" => {
            let (password, status) = ("password1".into(), AccountStatus::Enabled);
            world.as_user(1, OpenAccount { email, password, metadata, status }).await.unwrap();
            true
        }
        "an invite" => {
            let inviting = CreatePlatformInvite { email, org: None, path: path.clone() };
            world.as_user(1, inviting).await.unwrap();
            let (email, proof) = (ADA.parse().unwrap(), InviteProof::Secret(newest().await));
            let password = "password1".into();
            let opening = RegisterByInvite { proof, email, password, metadata, path };
            world.as_anyone(opening).await.unwrap();
            true
        }
        "a verified registration" => {
            world.as_anyone(registering()).await.unwrap();
            world.as_anyone(VerifyEmail { secret: newest().await }).await.unwrap();
            true
        }
        "a reset" => {
            world.account(7, ADA).await;
            world.as_anyone(RequestReset { email: ADA.to_owned(), path }).await.unwrap();
            let (secret, password) = (newest().await, "password1".into());
            world.as_anyone(ResetPassword { secret, password }).await.unwrap();
            true
        }
        _ => {
            world.as_anyone(registering()).await.unwrap();
            false
        }
    }
}

#[tokio::test]
async fn s50_what_proves_an_address() {
    for way in ["an admin", "an invite", "a verified registration", "a reset", "a registration"] {
        let verify_email = way == "a verified registration";
        let (world, org) = scene(Rules { verify_email, ..mailing() }).await;
        let proved = open(&world, way).await;
        assert_eq!(verified_at(&world).await.is_some(), proved, "{way}");
        let id = invite(&world, org).await;
        let answer = accept(&world, id, None).await;
        assert_eq!(answer.is_ok(), proved, "{way}: {answer:?}");
    }
}

/// Where nothing can be proved, it is as in the original.
#[tokio::test]
async fn s50_without_mail_and_with_people_known_elsewhere_everybody_accepts() {
    let (world, org) = scene(Rules { mail: false, ..mailing() }).await;
    world.as_anyone(registering()).await.unwrap();
    let id = invite(&world, org).await;
    accept(&world, id, None).await.unwrap();

    let world = world_of(mailing(), Elsewhere::new()).await;
    let org = world.org(1, "Acme").await;
    let (email, role) = ("user2@example.com".parse().unwrap(), OrgRole::Editor);
    let path: RedirectPath = "/app".parse().unwrap();
    let id = world.as_user(1, CreateInvite { org, email, role, path }).await.unwrap();
    let accepting = RespondInvite { id, answer: Answer::Accept, path: None };
    world.as_user(2, accepting).await.unwrap();
}

#[tokio::test]
async fn s55_s59_links_are_limited_and_lead_where_links_may() {
    let (world, org) = scene(mailing()).await;
    world.as_anyone(registering()).await.unwrap();
    let id = invite(&world, org).await;
    let astray = accept(&world, id, Some("/elsewhere")).await;
    assert!(matches!(astray, Err(Error::Invalid(_))), "{astray:?}");
    assert_eq!(mails(&world).await.len(), 1, "the invite's");
    is_unverified(&accept(&world, id, Some("/other/page")).await);
    assert_eq!(mailed(&world).await.1, "/other/page");
    for _ in 0..5 {
        is_unverified(&accept(&world, id, None).await);
    }
    assert_eq!(mails(&world).await.len(), 4, "three links");
    // Of one that is disabled there is nothing to prove.
    let ((secret, _), ada) = (mailed(&world).await, world.store_account(ADA).await);
    world.as_user(1, DisableAccount { id: ada }).await.unwrap();
    assert!(matches!(mails(&world).await.pop(), Some(Prepared::Nobody)));
    let refused = world.as_anyone(VerifyEmail { secret: secret.clone() }).await;
    let refused = matches!(refused, Err(Error::Unauthenticated(Unauthenticated::NotHonoured)));
    assert!(refused);
    world.as_user(1, EnableAccount { id: ada }).await.unwrap();
    world.as_anyone(VerifyEmail { secret }).await.unwrap();
}

/// A link that proves an address sets no password, and the other way round.
#[tokio::test]
async fn s9_a_link_is_good_for_one_thing() {
    let (world, org) = scene(mailing()).await;
    world.as_anyone(registering()).await.unwrap();
    let id = invite(&world, org).await;
    is_unverified(&accept(&world, id, None).await);
    let (secret, _) = mailed(&world).await;
    let password = "password2".into();
    let reset = world.as_anyone(ResetPassword { secret: secret.clone(), password }).await;
    assert!(reset.is_err(), "{reset:?}");
    let opening = RegisterByInvite {
        proof: InviteProof::Secret(secret),
        email: "eve@example.com".parse().unwrap(),
        password: "password2".into(),
        metadata: Metadata::default(),
        path: "/app".parse().unwrap(),
    };
    let opened = world.as_anyone(opening).await;
    assert!(matches!(opened, Err(Error::Forbidden)), "{opened:?}");
}

/// What decides is the commit, not what was read before it.
#[tokio::test]
async fn s40_s52_an_inviter_who_is_disabled_meanwhile_has_invited_nobody() {
    let (world, directory) = world_meanwhile(Rules { mail: false, ..mailing() }).await;
    for number in [1, 2, 3] {
        world.account(number, &format!("user{number}@example.com")).await;
    }
    world.promote(1, PlatformRole::Root).await;
    let org = world.org(2, "Acme").await;
    let (email, role) = ("user3@example.com".parse().unwrap(), OrgRole::Editor);
    let path: RedirectPath = "/app".parse().unwrap();
    let id = world.as_user(2, CreateInvite { org, email, role, path }).await.unwrap();
    let (root, app) = (Caller::Bearer(world.token(1, KeyKind::Login)), world.app.clone());
    let disabled = async move {
        app.execute(root, DisableAccount { id: user(2) }).await.unwrap();
    };
    *directory.then.lock().unwrap() = Some(Box::pin(disabled));
    let accepting = || RespondInvite { id, answer: Answer::Accept, path: None };
    let answer = world.as_user(3, accepting()).await;
    assert!(matches!(answer, Err(Error::InviteClosed(InviteClosed::Void))), "{answer:?}");
    assert!(world.store.membership(org, user(3)).await.unwrap().is_none());

    // Whoever is disabled themselves is told what everybody is told then.
    world.as_user(1, EnableAccount { id: user(2) }).await.unwrap();
    let (root, app) = (Caller::Bearer(world.token(1, KeyKind::Login)), world.app.clone());
    let disabled = async move {
        app.execute(root, DisableAccount { id: user(3) }).await.unwrap();
    };
    *directory.then.lock().unwrap() = Some(Box::pin(disabled));
    let answer = world.as_user(3, accepting()).await;
    assert!(matches!(answer, Err(Error::Unauthenticated(_))), "{answer:?}");
}
