//! Invites to the platform, and accounts that are opened by them.

use std::time::Duration;

use auth_domain::change::Change;
use auth_domain::model::{
    Content, Direction, Draft, Email, InviteProof, InviteState, MailState, Message, Metadata,
    OrgId, OrgRole, Page, PlatformInviteId, PlatformInviteOrder, PlatformRole, Purpose, TicketId,
    Token,
};
use auth_domain::ops::account_admin::DisableAccount;
use auth_domain::ops::accounts::Login;
use auth_domain::ops::invite_lists::{ListInvitesByUser, Side};
use auth_domain::ops::invites::{Answer, RespondInvite};
use auth_domain::ops::mails::{PrepareMail, Prepared};
use auth_domain::ops::orgs::RemoveOrgs;
use auth_domain::ops::platform_invites::{
    CreatePlatformInvite, ListPlatformInvites, RegisterByInvite, RevokePlatformInvite,
    ViewPlatformInvite,
};
use auth_domain::ops::roles::RemoveRole;
use auth_domain::ports::{
    Accounts, Attempt, Clock, Mails, Memberships, Source, Throttle, TicketSecrets,
};
use auth_domain::{Caller, Entity, Error, Invalid, InviteClosed, Result, Rules};

use crate::world::{World, user, world_by};

const GRACE: &str = "Grace@example.com";
/// Longer than these tests will be run.
const LIFE: Duration = Duration::from_hours(24 * 365 * 100);

/// A root with number 1 and an admin with number 2, who have accounts, and an org of user 3.
async fn scene() -> (World, OrgId) {
    // The store judges by its own clock whether their time is over.
    let rules = Rules { mail: true, self_register: false, invite_life: LIFE, ..Rules::default() };
    let world = world_by(rules).await;
    for number in [1, 2, 3] {
        world.account(number, &format!("user{number}@example.com")).await;
    }
    world.promote(1, PlatformRole::Root).await;
    world.promote(2, PlatformRole::Admin).await;
    let org = world.org(3, "Acme").await;
    (world, org)
}

fn inviting(email: &str, org: Option<(OrgId, OrgRole)>) -> CreatePlatformInvite {
    CreatePlatformInvite { email: email.parse().unwrap(), org, path: "/join".parse().unwrap() }
}

fn opening(link: &InviteProof, email: &str, password: &str) -> RegisterByInvite {
    RegisterByInvite {
        proof: link.clone(),
        email: email.parse().unwrap(),
        password: password.into(),
        metadata: Metadata::default(),
        path: "/invites".parse().unwrap(),
    }
}

/// What the newest mail of an invite to the platform has in its link, whatever became of the invite.
async fn link(world: &World) -> InviteProof {
    let page = Page::new(0, 200, (), Direction::Ascending).unwrap();
    let queued = world.store.mails(Some(MailState::Queued), page).await.unwrap().items;
    let ticket = queued.into_iter().rev().find_map(|mail| match mail.message {
        Some(Message::PlatformInvite { ticket, .. }) => Some(ticket),
        _ => None,
    });
    InviteProof::Secret(world.tokens.tickets().secret(ticket.unwrap()))
}

async fn login(world: &World, email: &str) -> Result<Token> {
    let (email, password) = (email.parse().unwrap(), "password1".into());
    world.as_anyone(Login { email, password }).await
}

async fn state(world: &World, id: PlatformInviteId) -> InviteState {
    world.as_user(1, ViewPlatformInvite { id }).await.unwrap().state
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

fn is_forbidden<T>(answer: &Result<T>) -> bool {
    matches!(answer, Err(Error::Forbidden))
}

#[tokio::test]
async fn u4_fw18_gw29_the_invitee_opens_the_account_and_answers_the_orgs_invite() {
    let (world, org) = scene().await;
    let id = world.as_user(2, inviting(GRACE, Some((org, OrgRole::Editor)))).await.unwrap();
    let of_grace = world.store.account_by_email(&GRACE.parse().unwrap()).await.unwrap();
    assert!(of_grace.is_none(), "an invite makes no credential");
    match &mails(&world).await[..] {
        [Prepared::Ready(Draft { to, content: Content::PlatformInvite { secret, org, .. } })] => {
            assert_eq!(to.as_str(), GRACE);
            assert!(!secret.expose().contains(&id.uuid().simple().to_string()), "s54");
            let (name, role) = org.clone().unwrap();
            assert_eq!((name.as_str(), role), ("Acme", OrgRole::Editor));
        }
        other => panic!("{other:?}"),
    }
    let before = world.facts().await.len();
    let link = link(&world).await;
    let grace = world.as_anyone(opening(&link, "grace@example.com", "password1")).await.unwrap();
    assert_eq!(
        world.facts().await[before..],
        ["platform_invite.accept", "account.create", "invite.activate"],
        "one transaction"
    );
    assert_eq!(state(&world, id).await, InviteState::Accepted);
    let token = login(&world, GRACE).await.unwrap();
    let page = Page::new(0, 10, auth_domain::model::InviteOrder::Id, Direction::Ascending);
    let (states, page) = (InviteState::ALL.to_vec(), page.unwrap());
    let received = ListInvitesByUser { user: grace, side: Side::Received, states, page };
    let received = world.app.execute(Caller::Bearer(token.clone()), received).await.unwrap();
    assert_eq!(received.items.len(), 1);
    assert!(world.store.membership(org, grace).await.unwrap().is_none(), "nobody joins unasked");
    assert!(matches!(
        &mails(&world).await[..],
        [Prepared::Untrue, Prepared::Ready(Draft { content: Content::OrgInvite { .. }, .. })]
    ));
    let (id, answer) = (received.items[0].invite.id, Answer::Accept);
    world
        .app
        .execute(Caller::Bearer(token), RespondInvite { id, answer, path: None })
        .await
        .unwrap();
    let joined = world.store.membership(org, grace).await.unwrap().unwrap();
    assert_eq!(joined.role, OrgRole::Editor);
}

#[tokio::test]
async fn go43_a_refusal_uses_no_invite_up_and_a_lost_answer_is_recognised() {
    let (world, _) = scene().await;
    let id = world.as_user(1, inviting(GRACE, None)).await.unwrap();
    let link = link(&world).await;
    let weak = world.as_anyone(opening(&link, GRACE, "short")).await;
    assert!(matches!(weak, Err(Error::Invalid(Invalid::Password))), "{weak:?}");
    let full = world.as_anyone(opening(&link, "eve@example.com", "password1")).await;
    assert!(is_forbidden(&full), "another address: {full:?}");
    assert_eq!(state(&world, id).await, InviteState::Pending);
    world.as_anyone(opening(&link, GRACE, "password1")).await.unwrap();
    let again = world.as_anyone(opening(&link, GRACE, "password2")).await;
    assert!(matches!(again, Err(Error::AlreadyExists(Entity::Account))), "{again:?}");
    login(&world, GRACE).await.unwrap();
}

/// Whoever has only the address, or only an invite to somebody else, is told nothing but no.
#[tokio::test]
async fn gw13_pw9_an_invite_tells_nobody_who_has_an_account() {
    let (world, _) = scene().await;
    let id = world.as_user(1, inviting(GRACE, None)).await.unwrap();
    let link = link(&world).await;
    let none = TicketId::new(uuid::Uuid::from_u128(999));
    let unknown = InviteProof::Secret(world.tokens.tickets().secret(none));
    for (proof, email) in [
        (&unknown, "user3@example.com"),
        (&unknown, GRACE),
        (&link, "user3@example.com"),
        (&link, "nobody@example.com"),
        (&InviteProof::Id(id), GRACE),
    ] {
        let answer = world.as_anyone(opening(proof, email, "password1")).await;
        assert!(is_forbidden(&answer), "{email}: {answer:?}");
    }
}

#[tokio::test]
async fn go46_what_came_with_a_revoked_invite_ends_with_it() {
    let (world, org) = scene().await;
    let id = world.as_user(1, inviting(GRACE, Some((org, OrgRole::Viewer)))).await.unwrap();
    let link = link(&world).await;
    world.as_user(2, RevokePlatformInvite { id }).await.unwrap();
    let facts = world.facts().await;
    assert_eq!(facts[facts.len() - 2..], ["platform_invite.revoke", "invite.revoke"]);
    let again = world.as_user(2, RevokePlatformInvite { id }).await;
    assert!(matches!(again, Err(Error::InviteClosed(InviteClosed::Settled))), "{again:?}");
    assert!(is_forbidden(&world.as_anyone(opening(&link, GRACE, "password1")).await));
    assert!(matches!(mails(&world).await[..], [Prepared::Untrue]), "nor is it mailed");
    let unknown = PlatformInviteId::new(uuid::Uuid::from_u128(999));
    let unknown = world.as_user(1, RevokePlatformInvite { id: unknown }).await;
    assert!(matches!(unknown, Err(Error::NotFound(Entity::Invite))), "{unknown:?}");
    world.as_user(1, inviting(GRACE, None)).await.unwrap();
}

/// As with invites to orgs: it is worth what its inviter may give when it is used.
#[tokio::test]
async fn d29_s52_an_inviter_who_lost_their_role_has_invited_nobody() {
    for disabled in [false, true] {
        let (world, org) = scene().await;
        let id = world.as_user(2, inviting(GRACE, Some((org, OrgRole::Admin)))).await.unwrap();
        let link = link(&world).await;
        if disabled {
            world.as_user(1, DisableAccount { id: user(2) }).await.unwrap();
        } else {
            world.as_user(1, RemoveRole { user: user(2) }).await.unwrap();
        }
        assert!(matches!(mails(&world).await[..], [Prepared::Untrue]), "disabled: {disabled}");
        let answer = world.as_anyone(opening(&link, GRACE, "password1")).await;
        assert!(is_forbidden(&answer), "disabled: {disabled}: {answer:?}");
        assert!(login(&world, GRACE).await.is_err());
        assert_eq!(state(&world, id).await, InviteState::Pending, "it is not used up");
    }
}

/// What decides is the commit, not what was read before it.
#[tokio::test]
async fn d29_s52_gw28_an_inviter_who_loses_their_role_meanwhile_has_invited_nobody() {
    for disabled in [false, true] {
        overtaken(disabled).await;
    }
}

async fn overtaken(disabled: bool) {
    let (world, _) = scene().await;
    world.as_user(2, inviting(GRACE, None)).await.unwrap();
    let link = link(&world).await;
    let (root, app) =
        (Caller::Bearer(world.token(1, auth_domain::model::KeyKind::Login)), world.app.clone());
    let loses = async move {
        if disabled {
            app.execute(root, DisableAccount { id: user(2) }).await.unwrap();
        } else {
            app.execute(root, RemoveRole { user: user(2) }).await.unwrap();
        }
    };
    *world.passwords.meanwhile.lock().unwrap() = Some(Box::pin(loses));
    let answer = world.as_anyone(opening(&link, GRACE, "password1")).await;
    assert!(is_forbidden(&answer), "disabled: {disabled}: {answer:?}");
    assert!(login(&world, GRACE).await.is_err(), "gw28: no half-made user");
}

#[tokio::test]
async fn go44_an_invite_that_is_revoked_meanwhile_opens_nothing() {
    let (world, _) = scene().await;
    let id = world.as_user(2, inviting(GRACE, None)).await.unwrap();
    let link = link(&world).await;
    let (root, app) =
        (Caller::Bearer(world.token(1, auth_domain::model::KeyKind::Login)), world.app.clone());
    let revoked = async move { app.execute(root, RevokePlatformInvite { id }).await.unwrap() };
    *world.passwords.meanwhile.lock().unwrap() = Some(Box::pin(revoked));
    assert!(is_forbidden(&world.as_anyone(opening(&link, GRACE, "password1")).await));
    assert!(login(&world, GRACE).await.is_err());
    assert_eq!(state(&world, id).await, InviteState::Revoked);
}

#[tokio::test]
async fn fw29_go45_what_cannot_be_made_leaves_nothing_and_what_has_expired_is_in_nobodys_way() {
    let (world, org) = scene().await;
    let nowhere = OrgId::new(uuid::Uuid::from_u128(999));
    let unknown = world.as_user(1, inviting(GRACE, Some((nowhere, OrgRole::Viewer)))).await;
    assert!(matches!(unknown, Err(Error::NotFound(Entity::Org))), "{unknown:?}");
    let owner = world.as_user(1, inviting(GRACE, Some((org, OrgRole::Owner)))).await;
    assert!(matches!(owner, Err(Error::Invalid(Invalid::Role))), "{owner:?}");
    let taken = world.as_user(1, inviting("USER3@example.com", None)).await;
    assert!(matches!(taken, Err(Error::AlreadyExists(Entity::Account))), "{taken:?}");
    assert!(is_forbidden(&world.as_user(3, inviting(GRACE, None)).await));
    let path = "/elsewhere".parse().unwrap();
    let short =
        world_by(Rules { redirect_prefixes: vec!["/app".parse().unwrap()], ..Rules::default() })
            .await;
    short.promote(1, PlatformRole::Root).await;
    let astray = CreatePlatformInvite { path, ..inviting(GRACE, None) };
    let astray = short.as_user(1, astray).await;
    assert!(matches!(astray, Err(Error::Invalid(Invalid::Malformed { .. }))), "fw10: {astray:?}");
    assert!(mails(&world).await.is_empty());
    let first = world.as_user(1, inviting(GRACE, None)).await.unwrap();
    let link = link(&world).await;
    let second = world.as_user(2, inviting("grace@EXAMPLE.com", None)).await;
    assert!(matches!(second, Err(Error::AlreadyExists(Entity::PlatformInvite))), "{second:?}");
    world.clock.advance(LIFE);
    assert_eq!(state(&world, first).await, InviteState::Expired);
    assert!(is_forbidden(&world.as_anyone(opening(&link, GRACE, "password1")).await));
}

/// They are listed as they are at this moment, with what was asked.
#[tokio::test]
async fn p2_invites_are_listed_as_they_are_now() {
    let (world, _) = scene().await;
    let list = async |email: &str, states: &[InviteState]| {
        let page = Page::new(0, 10, PlatformInviteOrder::Id, Direction::Ascending).unwrap();
        let operation = ListPlatformInvites { email: email.into(), states: states.to_vec(), page };
        let found = world.as_user(2, operation).await.unwrap();
        found.items.into_iter().map(|one| (one.email, one.state)).collect::<Vec<_>>()
    };
    let email = |text: &str| text.parse::<Email>().unwrap();
    world.as_user(1, inviting(GRACE, None)).await.unwrap();
    let other = world.as_user(1, inviting("other@example.com", None)).await.unwrap();
    world.as_user(1, RevokePlatformInvite { id: other }).await.unwrap();
    let both =
        [(email(GRACE), InviteState::Pending), (email("other@example.com"), InviteState::Revoked)];
    assert_eq!(list("", &InviteState::ALL).await, both);
    assert_eq!(list("OTHER", &InviteState::ALL).await, both[1..]);
    assert_eq!(list("", &[InviteState::Pending]).await, both[..1]);
    world.clock.advance(LIFE);
    assert_eq!(list("", &[InviteState::Expired]).await, [(email(GRACE), InviteState::Expired)]);
    world.commit(Change::ExpirePlatformInvites).await.unwrap();
}

/// An id is shown, told and written down in many places; a link is in one mail.
#[tokio::test]
async fn s54_with_mail_the_link_opens_an_account_and_the_id_does_not() {
    let (world, _) = scene().await;
    let id = world.as_user(1, inviting(GRACE, None)).await.unwrap();
    assert!(is_forbidden(
        &world.as_anyone(opening(&InviteProof::Id(id), GRACE, "password1")).await
    ));
    let link = link(&world).await;
    let InviteProof::Secret(secret) = &link else { panic!("{link:?}") };
    let cut: InviteProof =
        secret.expose()[..secret.expose().len() - 1].parse().expect("the shape of one");
    assert!(is_forbidden(&world.as_anyone(opening(&cut, GRACE, "password1")).await));
    let grace = world.as_anyone(opening(&link, GRACE, "password1")).await.unwrap();
    let account = world.store.account(grace).await.unwrap().unwrap();
    assert_eq!(account.email_verified_at, Some(world.clock.now()), "its address is proved");

    // Without mail nobody can be sent a secret.
    let rules = Rules { invite_life: LIFE, ..Rules::default() };
    let world = world_by(rules).await;
    world.account(1, "user1@example.com").await;
    world.promote(1, PlatformRole::Root).await;
    let id = world.as_user(1, inviting(GRACE, None)).await.unwrap();
    let opened = world.as_anyone(opening(&InviteProof::Id(id), GRACE, "password1")).await;
    let account = world.store.account(opened.unwrap()).await.unwrap().unwrap();
    assert_eq!(account.email_verified_at, None, "nobody read a mail");
    for odd in ["zz", "0f3c2e4a5b6d4c7e8f90a1b2c3d4e5f", "%"] {
        assert!(odd.parse::<InviteProof>().is_err(), "{odd}");
    }
}

#[tokio::test]
async fn s56_an_invite_that_is_worth_nothing_is_in_nobodys_way() {
    for disabled in [false, true] {
        let (world, org) = scene().await;
        let old = world.as_user(2, inviting(GRACE, Some((org, OrgRole::Admin)))).await.unwrap();
        let first = link(&world).await;
        let other = world.as_user(1, inviting(GRACE, None)).await;
        assert!(matches!(other, Err(Error::AlreadyExists(Entity::PlatformInvite))), "{other:?}");
        if disabled {
            world.as_user(1, DisableAccount { id: user(2) }).await.unwrap();
        } else {
            world.as_user(1, RemoveRole { user: user(2) }).await.unwrap();
        }
        let before = world.facts().await.len();
        let new = world.as_user(1, inviting("grace@EXAMPLE.com", None)).await.unwrap();
        assert_eq!(
            world.facts().await[before..],
            ["platform_invite.revoke", "invite.revoke", "platform_invite.create"],
            "in one transaction with what came with it"
        );
        assert_eq!(state(&world, old).await, InviteState::Revoked);
        assert!(is_forbidden(&world.as_anyone(opening(&first, GRACE, "password1")).await));
        let second = link(&world).await;
        world.as_anyone(opening(&second, GRACE, "password1")).await.unwrap();
        assert_eq!(state(&world, new).await, InviteState::Accepted);
    }
}

/// However often somebody invites and revokes, one mailbox gets so many mails.
#[tokio::test]
async fn s55_a_mailbox_is_not_flooded_by_invites_to_the_platform() {
    let (world, _) = scene().await;
    for _ in 0..3 {
        let id = world.as_user(1, inviting(GRACE, None)).await.unwrap();
        // What was not made does not count.
        let again = world.as_user(1, inviting(GRACE, None)).await;
        assert!(again.is_err(), "{again:?}");
        world.as_user(1, RevokePlatformInvite { id }).await.unwrap();
    }
    for by in [1, 2] {
        let flood = world.as_user(by, inviting("grace@EXAMPLE.com", None)).await;
        assert!(matches!(flood, Err(Error::RateLimited(_))), "{by}: {flood:?}");
    }
    world.as_user(1, inviting("other@example.com", None)).await.unwrap();
    assert_eq!(mails(&world).await.len(), 4);
    let purpose = Purpose::PlatformInvite;
    let (source, address) = (Source::Fleet, "grace@example.com");
    let counted = Attempt::BeingSentLink { source, purpose, address };
    assert!(world.throttle.enter(counted).await.is_err(), "by the key of the address");
}

/// What waits for it may go with its org at the same moment: it is taken back all the same, and nobody is told otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn go46_an_invite_is_taken_back_while_the_org_it_came_with_goes() {
    let (world, _) = scene().await;
    for round in 0..60 {
        let org = world.org(1, "Acme").await;
        let email = format!("new{round}@example.com");
        let id = world.as_user(2, inviting(&email, Some((org, OrgRole::Viewer)))).await;
        let id = match id {
            Ok(id) => id,
            // Sixty an hour.
            Err(Error::RateLimited(_)) => break,
            Err(other) => panic!("{other:?}"),
        };
        let (revoked, removed) = tokio::join!(
            world.as_user(1, RevokePlatformInvite { id }),
            world.as_user(1, RemoveOrgs { ids: vec![org] }),
        );
        revoked.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
        removed.unwrap();
        assert_eq!(state(&world, id).await, InviteState::Revoked);
    }
}
