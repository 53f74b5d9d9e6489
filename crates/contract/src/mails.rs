//! The queue of mails: who sends which, and what becomes of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use auth_domain::audit::{AuditRecord, Trail};
use auth_domain::change::Change;
use auth_domain::error::{Entity, Error};
use auth_domain::model::{
    ClaimedMail, Direction, Invitation, Invite, InviteId, Mail, MailDepth, MailId, MailState,
    Message, OrgRole, Page, Settled, Settlement, Verdict,
};
use auth_domain::{Id, Timestamp};
use tokio::sync::Barrier;
use uuid::Uuid;

use crate::AnyStore;
use crate::sample::{
    apply, commit, edit, given, invite, invite_id, moment, org, org_id, outcome, page,
    platform_invite_id, user,
};

/// Longer than a case takes.
const LONG: Duration = Duration::from_hours(1);
const ONE: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);
/// A moment that no test lives to see.
const FAR: Timestamp = Timestamp::from_seconds(32_000_000_000);

const fn mail_id(number: u32) -> MailId {
    Id::new(Uuid::from_u128(0x0190_0000_0000_7000_8000_0004_0000_0000 | number as u128))
}

fn mail(number: u32) -> Mail {
    Mail {
        id: mail_id(number),
        message: Message::OrgInvite {
            invite: InviteId::new(Uuid::from_u128(u128::from(number))),
            path: "/app/invites".parse().unwrap(),
        },
        created_at: moment(i64::from(number)),
        expires_at: FAR,
    }
}

async fn queued(store: &AnyStore, numbers: std::ops::RangeInclusive<u32>) {
    for number in numbers {
        given(store, vec![Change::QueueMail(mail(number))]).await;
    }
}

fn all() -> Page<()> {
    page(0, 200, (), Direction::Ascending)
}

/// The numbers of the mails that were given.
fn numbers(claimed: &[ClaimedMail]) -> Vec<u32> {
    let last = |id: MailId| u32::try_from(id.uuid().as_u128() & 0xffff).unwrap();
    claimed.iter().map(|claimed| last(claimed.mail.id)).collect()
}

async fn claim(store: &AnyStore, holder: Uuid, limit: u32) -> Vec<u32> {
    numbers(&store.claim_mails(holder, LONG, limit).await.unwrap())
}

const fn later(after: Duration) -> Verdict {
    Verdict::Later { after, counts: true, problem: "away" }
}

/// Except for the moment it is due, which is the store's own.
pub async fn a_mail_reads_back_as_written(store: AnyStore) {
    queued(&store, 1..=1).await;
    let listed = store.mails(None, all()).await.unwrap();
    assert_eq!(listed.total, 1);
    let Mail { id, message, created_at, expires_at } = mail(1);
    let read = &listed.items[0];
    assert_eq!((read.id, read.created_at, read.expires_at), (id, created_at, expires_at));
    assert_eq!((read.kind.as_str(), read.message.as_ref()), (message.kind(), Some(&message)));
    assert_eq!((read.state, read.attempts, &read.problem), (MailState::Queued, 0, &None));
    let claimed = store.claim_mails(ONE, LONG, 10).await.unwrap();
    assert!(!claimed[0].is_late);
    assert_eq!(claimed[0].mail.message.as_ref(), Some(&message));
}

/// Queueing is part of a commit like every other change, and takes no revision.
pub async fn a_taken_id_is_refused(store: AnyStore) {
    queued(&store, 1..=1).await;
    let again = apply(&store, vec![Change::QueueMail(mail(2)), Change::QueueMail(mail(1))]).await;
    assert_eq!(outcome(&again), "already_exists");
    assert_eq!(claim(&store, ONE, 10).await, [1]);
    assert_eq!(store.revision().await.unwrap(), 0);
}

/// The first that became due is the first that is given, up to the limit.
pub async fn those_due_longest_are_given_first(store: AnyStore) {
    queued(&store, 1..=5).await;
    assert_eq!(claim(&store, ONE, 2).await, [1, 2]);
    assert_eq!(claim(&store, OTHER, 2).await, [3, 4]);
    // A store's clock may be as coarse as milliseconds.
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(store.settle_mail(mail_id(1), ONE, later(Duration::ZERO)).await.unwrap(), QUEUED);
    assert_eq!(claim(&store, ONE, 10).await, [5, 1]);
    assert_eq!(claim(&store, ONE, 10).await, [0_u32; 0]);
}

const QUEUED: Settled = Settled::Is(MailState::Queued);
const DEAD: Settled = Settled::Is(MailState::Dead);

/// As long as it is held, whoever asks, the holder included.
pub async fn a_mail_has_one_holder_until_the_hold_ends(store: AnyStore) {
    queued(&store, 1..=1).await;
    let short = Duration::from_millis(50);
    assert_eq!(numbers(&store.claim_mails(ONE, short, 10).await.unwrap()), [1]);
    while claim(&store, OTHER, 10).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(claim(&store, ONE, 10).await, [0_u32; 0]);
    // Whoever lost it notes nothing.
    for verdict in [Verdict::Done, later(Duration::ZERO), Verdict::Dead { problem: "x" }] {
        let settled = store.settle_mail(mail_id(1), ONE, verdict).await.unwrap();
        assert_eq!(settled, Settled::Lost);
    }
    assert_eq!(store.settle_mail(mail_id(1), OTHER, Verdict::Done).await.unwrap(), Settled::Gone);
    assert_eq!(store.mails(None, all()).await.unwrap().total, 0);
    let again = store.settle_mail(mail_id(1), OTHER, Verdict::Done).await.unwrap();
    assert_eq!(again, Settled::Lost);
}

/// Not before the time it was put off for; a try is counted only if it was one.
pub async fn a_mail_that_was_put_off_comes_again(store: AnyStore) {
    queued(&store, 1..=2).await;
    assert_eq!(claim(&store, ONE, 10).await, [1, 2]);
    let uncounted = Verdict::Later { after: LONG, counts: false, problem: "directory" };
    assert_eq!(store.settle_mail(mail_id(1), ONE, uncounted).await.unwrap(), QUEUED);
    let soon = later(Duration::from_millis(50));
    assert_eq!(store.settle_mail(mail_id(2), ONE, soon).await.unwrap(), QUEUED);
    let again = loop {
        let claimed = store.claim_mails(OTHER, LONG, 10).await.unwrap();
        if !claimed.is_empty() {
            break claimed;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(numbers(&again), [2], "the other one has an hour to go");
    assert_eq!((again[0].mail.attempts, again[0].mail.problem.as_deref()), (1, Some("away")));
    let listed = store.mails(Some(MailState::Queued), all()).await.unwrap();
    let first = &listed.items[0];
    assert_eq!((first.attempts, first.problem.as_deref()), (0, Some("directory")));
}

/// By somebody's word, or because its time would be over before the next try.
pub async fn a_dead_mail_is_listed_and_not_given(store: AnyStore) {
    queued(&store, 1..=1).await;
    let late = Mail { expires_at: moment(0), ..mail(2) };
    given(&store, vec![Change::QueueMail(late)]).await;
    let claimed = store.claim_mails(ONE, LONG, 10).await.unwrap();
    assert_eq!(claimed.iter().map(|claimed| claimed.is_late).collect::<Vec<_>>(), [false, true]);
    let refused = Verdict::Dead { problem: "refused" };
    assert_eq!(store.settle_mail(mail_id(1), ONE, refused).await.unwrap(), DEAD);
    assert_eq!(store.settle_mail(mail_id(2), ONE, later(Duration::ZERO)).await.unwrap(), DEAD);
    assert_eq!(claim(&store, ONE, 10).await, [0_u32; 0]);
    let dead = store.mails(Some(MailState::Dead), all()).await.unwrap();
    let problems = dead.items.iter().map(|mail| mail.problem.as_deref()).collect::<Vec<_>>();
    assert_eq!(problems, [Some("refused"), Some("away")]);
    assert!(dead.items.iter().all(|mail| mail.attempts == 1));
    assert_eq!(store.mails(Some(MailState::Queued), all()).await.unwrap().total, 0);
}

/// Dead or put off; one that is being sent is left to whoever does.
pub async fn a_retried_mail_is_due_at_once(store: AnyStore) {
    queued(&store, 1..=3).await;
    assert_eq!(claim(&store, ONE, 10).await, [1, 2, 3]);
    let dead = Verdict::Dead { problem: "refused" };
    assert_eq!(store.settle_mail(mail_id(1), ONE, dead).await.unwrap(), DEAD);
    assert_eq!(store.settle_mail(mail_id(2), ONE, later(LONG)).await.unwrap(), QUEUED);
    assert!(!store.mail_depth().await.unwrap().due);
    for number in [2, 1, 3] {
        given(&store, vec![Change::RetryMail(mail_id(number))]).await;
    }
    let mut again = claim(&store, OTHER, 10).await;
    again.sort_unstable();
    assert_eq!(again, [1, 2]);
    assert_eq!(store.settle_mail(mail_id(3), ONE, Verdict::Done).await.unwrap(), Settled::Gone);
    let unknown = apply(&store, vec![Change::RetryMail(mail_id(3))]).await;
    assert!(matches!(unknown, Err(Error::NotFound(Entity::Mail))), "{unknown:?}");
    // Whoever had it tried is in the trail; who may do what has not changed.
    let records = store.audit_after(Trail::Changes, i64::MIN, 10).await.unwrap();
    let said = |record: &AuditRecord| (record.entry.action.clone(), record.entry.object.clone());
    let retried = |number| ("mail.retry".to_owned(), mail_id(number).to_string());
    assert_eq!(records.iter().map(said).collect::<Vec<_>>(), [retried(2), retried(1), retried(3)]);
}

/// Those that died before, and no others.
pub async fn purging_takes_the_long_dead(store: AnyStore) {
    queued(&store, 1..=2).await;
    claim(&store, ONE, 1).await;
    let dead = Verdict::Dead { problem: "refused" };
    store.settle_mail(mail_id(1), ONE, dead).await.unwrap();
    given(&store, vec![Change::PurgeMails { died_before: moment(0) }]).await;
    assert_eq!(store.mails(None, all()).await.unwrap().total, 2);
    given(&store, vec![Change::PurgeMails { died_before: FAR }]).await;
    let left = store.mails(None, all()).await.unwrap();
    assert_eq!((left.total, left.items[0].id), (1, mail_id(2)));
}

/// And says since when, and whether there is something to do.
pub async fn the_queue_is_counted(store: AnyStore) {
    assert_eq!(store.mail_depth().await.unwrap(), MailDepth::default());
    queued(&store, 1..=3).await;
    let depth = MailDepth { queued: 3, due: true, dead: 0, since: Some(moment(1)) };
    assert_eq!(store.mail_depth().await.unwrap(), depth);
    claim(&store, ONE, 10).await;
    assert_eq!(store.mail_depth().await.unwrap(), MailDepth { due: false, ..depth });
    store.settle_mail(mail_id(1), ONE, Verdict::Dead { problem: "x" }).await.unwrap();
    store.settle_mail(mail_id(2), ONE, Verdict::Done).await.unwrap();
    let depth = MailDepth { queued: 1, due: false, dead: 1, since: Some(moment(3)) };
    assert_eq!(store.mail_depth().await.unwrap(), depth);
}

/// By id, in parts.
pub async fn lists_are_paged(store: AnyStore) {
    queued(&store, 1..=5).await;
    claim(&store, ONE, 2).await;
    for number in 1..=2 {
        let dead = Verdict::Dead { problem: "x" };
        store.settle_mail(mail_id(number), ONE, dead).await.unwrap();
    }
    for (state, offset, limit, expected, total) in [
        (None, 0, 2, vec![1, 2], 5),
        (None, 4, 2, vec![5], 5),
        (None, 9, 2, vec![], 5),
        (Some(MailState::Queued), 1, 10, vec![4, 5], 3),
        (Some(MailState::Dead), 0, 10, vec![1, 2], 2),
    ] {
        let page = page(offset, limit, (), Direction::Ascending);
        let listed = store.mails(state, page).await.unwrap();
        let ids: Vec<_> = listed.items.iter().map(|mail| mail.id).collect();
        let expected: Vec<_> = expected.into_iter().map(mail_id).collect();
        assert_eq!((ids, listed.total), (expected, total), "{state:?} {offset} {limit}");
    }
}

/// Or it would wait until the clock has caught up.
pub async fn a_time_from_before_the_clock_was_set_back_is_void(store: AnyStore) {
    queued(&store, 1..=2).await;
    claim(&store, ONE, 10).await;
    store.settle_mail(mail_id(1), ONE, later(LONG)).await.unwrap();
    store.settle_mail(mail_id(2), ONE, later(LONG * 3)).await.unwrap();
    assert!(store.mail_depth().await.unwrap().due);
    assert_eq!(claim(&store, OTHER, 10).await, [2]);
}

/// It names somebody, its org exists, nobody ended it and its time is not over.
pub async fn only_an_invite_that_can_be_accepted_is_told(store: AnyStore) {
    let told = async |number| store.invitation(invite_id(number)).await.unwrap();
    given(&store, vec![Change::InsertOrg(org(1, "acme")), Change::InsertOrg(org(2, "b"))]).await;
    let make = |number, org: u32, to: u32| {
        Change::InsertInvite(invite(number, org_id(org), Some(user(to)), OrgRole::Editor))
    };
    let over = Invite { expires_at: moment(0), ..invite(3, org_id(1), Some(user(4)), VIEWER) };
    let dormant = Change::InsertDormantInvite {
        invite: invite(4, org_id(1), None, VIEWER),
        platform_invite: platform_invite_id(1),
    };
    let changes = vec![make(1, 1, 2), make(2, 2, 2), Change::InsertInvite(over), dormant];
    given(&store, changes).await;
    let expected = Invitation {
        org: "acme".parse().unwrap(),
        inviter: invite(1, org_id(1), None, VIEWER).inviter,
        invitee: user(2),
        role: OrgRole::Editor,
        expires_at: Timestamp::from_micros(i64::MAX),
    };
    assert_eq!(told(1).await, Some(expected.clone()));
    assert_eq!(told(3).await, None, "its time is over");
    assert_eq!(told(4).await, None, "it names nobody yet");
    assert_eq!(told(5).await, None, "it never was");
    assert!(told(2).await.is_some());
    given(&store, vec![Change::RemoveOrg(org_id(2))]).await;
    assert_eq!(told(2).await, None, "its org is gone");
    given(&store, vec![Change::UpdateOrg(edit(org_id(1), "renamed"))]).await;
    let renamed = Invitation { org: "renamed".parse().unwrap(), ..expected };
    assert_eq!(told(1).await, Some(renamed), "as it is now");
    let (id, org, invitee) = (invite_id(1), org_id(1), Some(user(2)));
    let end = Change::SettleInvite { id, org, invitee, to: Settlement::Revoked };
    given(&store, vec![end]).await;
    assert_eq!(told(1).await, None, "it was taken back");
}

const VIEWER: OrgRole = OrgRole::Viewer;

/// Every mail goes to one of them, at the same moment.
pub async fn claimers_who_race_share_the_queue(store: AnyStore) {
    for round in 0..5_u32 {
        let first = round * 40 + 1;
        let mails = (first..first + 40).map(|number| Change::QueueMail(mail(number)));
        store.commit(commit(mails.collect())).await.unwrap();
        let start = Arc::new(Barrier::new(6));
        let claimers: Vec<_> = (1..=6)
            .map(|number| {
                let (store, start) = (store.clone(), start.clone());
                tokio::spawn(async move {
                    start.wait().await;
                    let mut mine = Vec::new();
                    loop {
                        let more = claim(&store, Uuid::from_u128(number), 3).await;
                        if more.is_empty() {
                            // Others may have been holding the last ones' rows.
                            if !store.mail_depth().await.unwrap().due {
                                return mine;
                            }
                        }
                        mine.extend(more);
                    }
                })
            })
            .collect();
        let mut given = Vec::new();
        for claimer in claimers {
            given.extend(claimer.await.unwrap());
        }
        let different: HashSet<_> = given.iter().collect();
        assert_eq!((given.len(), different.len()), (40, 40), "round {round}");
    }
}
