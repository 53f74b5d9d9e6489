//! Mails: when one is queued, what it says when its turn comes, and who looks after the queue.

use std::time::Duration;

use auth_domain::model::{
    Content, Direction, Draft, KeyKind, MailState, Message, OrgRole, Page, PlatformRole,
    QueuedMail, Verdict,
};
use auth_domain::ops::mails::{ListMails, PrepareMail, Prepared, PurgeMails, RetryMail};
use auth_domain::ports::{Directory, Mails};
use auth_domain::{Caller, Entity, Error, Rules};
use uuid::Uuid;

use crate::elsewhere::Manner;
use crate::invites::Acme;
use crate::world::user;

const HOLDER: Uuid = Uuid::from_u128(1);

async fn acme() -> Acme {
    Acme::by(Rules { mail: true, ..Rules::default() }).await
}

async fn queued(acme: &Acme) -> Vec<QueuedMail> {
    let page = Page::new(0, 200, (), Direction::Ascending).unwrap();
    acme.world.store.mails(None, page).await.unwrap().items
}

async fn prepare(acme: &Acme, message: &Message) -> auth_domain::Result<Prepared> {
    let operation = PrepareMail { message: message.clone() };
    acme.world.app.execute(Caller::System, operation).await
}

fn all() -> ListMails {
    ListMails { state: None, page: Page::new(0, 10, (), Direction::Ascending).unwrap() }
}

/// Has the only mail of the queue die.
async fn kill(acme: &Acme) -> QueuedMail {
    let claimed = acme.world.store.claim_mails(HOLDER, Duration::from_mins(1), 10).await.unwrap();
    let id = claimed.first().unwrap().mail.id;
    let dead = Verdict::Dead { problem: "recipient" };
    acme.world.store.settle_mail(id, HOLDER, dead).await.unwrap();
    queued(acme).await.remove(0)
}

#[tokio::test]
async fn r41_an_invite_and_its_mail_are_one_commit() {
    let acme = acme().await;
    let invite = acme.invite(2, 7, OrgRole::Editor).await.unwrap();
    let mails = queued(&acme).await;
    assert_eq!(mails.len(), 1);
    let message = Message::OrgInvite { invite, path: "/invites".parse().unwrap() };
    assert_eq!(mails[0].message, Some(message));
    // What is refused is not mailed.
    acme.invite(2, 7, OrgRole::Editor).await.unwrap_err();
    assert_eq!(queued(&acme).await.len(), 1);
    assert_eq!(acme.world.seen.mails(), 1, "whoever sends it is told at once");
}

#[tokio::test]
async fn without_a_mail_server_nothing_is_queued() {
    let acme = Acme::new().await;
    acme.invite(2, 7, OrgRole::Editor).await.unwrap();
    assert_eq!(queued(&acme).await, []);
    assert_eq!(acme.world.seen.mails(), 0);
}

#[tokio::test]
async fn r42_a_mail_is_for_whom_the_directory_knows_and_only_as_long_as_it_is_true() {
    let acme = acme().await;
    let invite = acme.invite(2, 7, OrgRole::Editor).await.unwrap();
    let message = queued(&acme).await[0].message.clone().unwrap();
    let Prepared::Ready(Draft { to, content }) = prepare(&acme, &message).await.unwrap() else {
        panic!("it is true");
    };
    assert_eq!(to.as_str(), "user7@example.com");
    let Content::OrgInvite { invite: told, inviter, org, role, .. } = content else {
        panic!("{content:?}")
    };
    assert_eq!((told, org.as_str(), role), (invite, "acme", OrgRole::Editor));
    assert_eq!(inviter.as_deref(), Some("user2@example.com"));

    for manner in [Manner::Empty, Manner::Short] {
        acme.elsewhere.behave(manner);
        let prepared = prepare(&acme, &message).await.unwrap();
        assert!(matches!(prepared, Prepared::Nobody), "{manner:?}: {prepared:?}");
    }
    for manner in [Manner::Twice, Manner::WithStrangers, Manner::Reversed] {
        acme.elsewhere.behave(manner);
        let prepared = prepare(&acme, &message).await.unwrap();
        assert!(
            matches!(&prepared, Prepared::Ready(Draft { to, .. }) if to.as_str() == "user7@example.com"),
            "{manner:?}: {prepared:?}"
        );
    }
    acme.elsewhere.behave(Manner::Away);
    let away = prepare(&acme, &message).await;
    assert!(matches!(away, Err(Error::Unavailable(_))), "{away:?}");
    acme.elsewhere.behave(Manner::Well);
    assert_eq!(acme.elsewhere.people(&[user(7)]).await.unwrap().len(), 1);

    acme.accept(7, invite).await.unwrap();
    assert!(matches!(prepare(&acme, &message).await.unwrap(), Prepared::Untrue));
    acme.elsewhere.calls();
    prepare(&acme, &message).await.unwrap();
    assert_eq!(acme.elsewhere.calls(), [0_usize; 0], "nobody is asked about what is not sent");
}

#[tokio::test]
async fn only_this_service_prepares_and_purges() {
    let acme = acme().await;
    acme.invite(2, 7, OrgRole::Editor).await.unwrap();
    acme.world.promote(6, PlatformRole::Root).await;
    let message = queued(&acme).await[0].message.clone().unwrap();
    assert!(acme.world.as_user(6, PrepareMail { message }).await.is_err());
    assert!(acme.world.as_user(6, PurgeMails { keep: Duration::ZERO }).await.is_err());
}

#[tokio::test]
async fn r41_dead_mails_are_seen_and_retried_by_whoever_has_a_platform_role() {
    let acme = acme().await;
    acme.invite(2, 7, OrgRole::Editor).await.unwrap();
    let id = kill(&acme).await.id;
    for number in [1, 2, 7] {
        assert!(matches!(acme.world.as_user(number, all()).await, Err(Error::Forbidden)));
        let retry = RetryMail { id };
        assert!(matches!(acme.world.as_user(number, retry).await, Err(Error::Forbidden)));
    }
    acme.world.promote(5, PlatformRole::Admin).await;
    let dead = ListMails { state: Some(MailState::Dead), ..all() };
    let listed = acme.world.as_user(5, dead).await.unwrap();
    assert_eq!((listed.total, listed.items[0].problem.as_deref()), (1, Some("recipient")));
    let key = acme.world.key(5, None).await.token;
    let by_key = acme.world.app.execute(Caller::Bearer(key), RetryMail { id }).await;
    assert!(matches!(by_key, Err(Error::Forbidden)), "{by_key:?}");
    let recovery = acme.world.token(5, KeyKind::Recovery);
    assert!(acme.world.app.execute(Caller::Bearer(recovery), all()).await.is_err());
    let told = acme.world.seen.mails();
    acme.world.as_user(5, RetryMail { id }).await.unwrap();
    assert_eq!(queued(&acme).await[0].state, MailState::Queued);
    assert_eq!(acme.world.seen.mails(), told + 1);
    let unknown = acme.world.as_user(5, RetryMail { id: auth_domain::Id::new(HOLDER) }).await;
    assert!(matches!(unknown, Err(Error::NotFound(Entity::Mail))), "{unknown:?}");
}

#[tokio::test]
async fn the_long_dead_are_forgotten() {
    let acme = acme().await;
    acme.invite(2, 7, OrgRole::Editor).await.unwrap();
    kill(&acme).await;
    // The store's clock says when it died, and the service's here is a hundred years ahead.
    let keep = PurgeMails { keep: Duration::from_hours(200 * 365 * 24) };
    acme.world.app.execute(Caller::System, keep).await.unwrap();
    assert_eq!(queued(&acme).await.len(), 1);
    let keep = PurgeMails { keep: Duration::from_hours(30 * 24) };
    acme.world.app.execute(Caller::System, keep).await.unwrap();
    assert_eq!(queued(&acme).await, []);
}
