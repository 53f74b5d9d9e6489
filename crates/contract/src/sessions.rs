//! Sessions with refresh tokens.

use std::time::Duration;

use auth_domain::Timestamp;
use auth_domain::change::{Change, Guard};
use auth_domain::error::{Entity, Error, Unauthenticated};
use auth_domain::model::{
    AccountStatus, Direction, FoundSession, NewSession, PasswordHash, RefreshDigests, Replaced,
    Rotation, Session, SessionEnd, SessionId, UserId,
};
use auth_domain::ports::BARRED;

use crate::AnyStore;
use crate::races::{at_once, used_before_taken};
use crate::sample::{
    account, apply, commit, given, guarded, moment, new_session, now, page, session_id, user,
};

/// The second this many into the tests' year: sessions begin in whole ones.
fn second(number: i64) -> Timestamp {
    Timestamp::from_seconds(moment(number).seconds())
}

fn session(number: u32, user: UserId) -> Session {
    Session { user, ..new_session(number).session }
}

fn digests(number: u8) -> RefreshDigests {
    RefreshDigests { family: [number; 32], whole: [100 + number; 32] }
}

fn proved(number: u32) -> PasswordHash {
    account(number, "any@example.com").password
}

fn begin(session: Session, number: u8, proved: PasswordHash) -> Change {
    Change::BeginSession { session: NewSession { session, refresh: digests(number) }, proved }
}

/// Session 1 of user 1, whose account has their number; as every number here.
async fn begun(store: &AnyStore, number: u8) -> Session {
    let owner = u32::from(number);
    let one = session(owner, user(owner));
    given(
        store,
        vec![
            Change::InsertAccount(account(owner, &format!("user{owner}@example.com"))),
            begin(one.clone(), number, proved(owner)),
        ],
    )
    .await;
    one
}

fn rotation(session: SessionId, from: u8, to: u8, at: i64) -> Rotation {
    Rotation {
        session,
        used: Replaced { digest: [from; 32], cover: [7; 32], at: moment(at) },
        next: [to; 32],
        address: None,
        expires_at: moment(at + 500),
    }
}

async fn found(store: &AnyStore, number: u8) -> Option<FoundSession> {
    store.session_by_family([number; 32]).await.unwrap()
}

async fn email(store: &AnyStore, number: u32) -> Option<String> {
    store.session_email(user(number), session_id(number)).await.unwrap()
}

async fn ids(store: &AnyStore, number: u32, at: i64) -> Vec<SessionId> {
    let page = page(0, 10, (), Direction::Ascending);
    let listed = store.sessions(user(number), moment(at), page).await.unwrap();
    assert_eq!(listed.total, listed.items.len() as u64);
    listed.items.into_iter().map(|session| session.id).collect()
}

/// By its family, by its id and in its user's list.
pub async fn a_session_reads_back_as_written(store: AnyStore) {
    let one = begun(&store, 1).await;
    begun(&store, 2).await;
    let read = found(&store, 1).await.unwrap();
    assert_eq!((read.session, read.current, read.before), (one.clone(), [101; 32], None));
    assert_eq!(email(&store, 1).await.as_deref(), Some("user1@example.com"));
    assert_eq!(store.session_email(user(2), one.id).await.unwrap(), None, "somebody else's");
    assert_eq!(found(&store, 9).await, None);
    assert_eq!(ids(&store, 1, 2).await, [one.id]);
    assert_eq!(ids(&store, 9, 2).await, []);
    let again = apply(&store, vec![begin(one, 3, proved(1))]).await.unwrap_err();
    assert_eq!(again.code(), "already_exists");
}

/// An account that is enabled and has the password still.
pub async fn go40_gw15_nobody_begins_a_session_who_has_not_proved_the_password_of_now(
    store: AnyStore,
) {
    begun(&store, 1).await;
    let off = auth_domain::model::Account {
        status: AccountStatus::Disabled,
        ..account(2, "two@example.com")
    };
    given(&store, vec![Change::InsertAccount(off)]).await;
    for (owner, proof) in [(1, proved(2)), (2, proved(2)), (9, proved(9))] {
        let other = Session { id: session_id(50), ..session(owner, user(owner)) };
        let error = apply(&store, vec![begin(other, 50, proof)]).await.unwrap_err();
        let refused = matches!(error, Error::Unauthenticated(Unauthenticated::NotHonoured));
        assert!(refused, "{owner}: {error:?}");
        assert_eq!(found(&store, 50).await, None);
    }
}

/// The newest token is used up by the one that takes its place, and an older one by nothing.
pub async fn gw12_a_refresh_token_is_used_once(store: AnyStore) {
    let one = begun(&store, 1).await;
    given(&store, vec![Change::RotateSession(rotation(one.id, 101, 201, 20))]).await;
    let read = found(&store, 1).await.unwrap();
    let used = Replaced { digest: [101; 32], cover: [7; 32], at: moment(20) };
    assert_eq!((read.current, read.before), ([201; 32], Some(used)));
    let rotated =
        Session { last_used_at: moment(20), expires_at: moment(520), address: None, ..one.clone() };
    assert_eq!(read.session, rotated);
    for (id, from) in [(one.id, 101), (one.id, 9), (session_id(9), 201)] {
        let again = vec![Change::RotateSession(rotation(id, from, 202, 30))];
        let error = apply(&store, again).await.unwrap_err();
        assert!(matches!(error, Error::NotFound(Entity::Session)), "{from}: {error:?}");
        assert_eq!(found(&store, 1).await.unwrap().current, [201; 32]);
    }
}

/// However many come at once.
pub async fn gw12_of_several_at_once_one_uses_a_refresh_token(store: AnyStore) {
    let one = begun(&store, 1).await;
    let mut newest = 101;
    for round in 1..=10_u8 {
        let attempt = |number: u8| {
            let next = 10 * round + number;
            commit(vec![Change::RotateSession(rotation(one.id, newest, next, 20))])
        };
        let outcomes = at_once(&store, (0..4).map(attempt).collect()).await;
        let winners: Vec<u8> =
            (0..4).filter(|number| outcomes[usize::from(*number)] == "ok").collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        newest = 10 * round + winners[0];
        assert_eq!(found(&store, 1).await.unwrap().current, [newest; 32]);
    }
}

/// By its own user, once; it takes nothing else along.
pub async fn a_session_is_ended_once_and_by_its_user(store: AnyStore) {
    let (one, two) = (begun(&store, 1).await, begun(&store, 2).await);
    let end = |id, user| vec![Change::EndSession { id, user, why: SessionEnd::ByUser }];
    for (id, user) in [(one.id, user(2)), (session_id(9), user(1))] {
        let error = apply(&store, end(id, user)).await.unwrap_err();
        assert!(matches!(error, Error::NotFound(Entity::Session)), "{error:?}");
    }
    given(&store, end(one.id, one.user)).await;
    assert_eq!((found(&store, 1).await, email(&store, 1).await), (None, None));
    assert!(apply(&store, end(one.id, one.user)).await.is_err());
    assert_eq!(found(&store, 2).await.unwrap().session, two);
}

/// Whatever second they began in; and one that somebody brings in late is as dead as its second.
pub async fn fw13_all_sessions_of_a_user_are_ended_at_once(store: AnyStore) {
    let (one, two) = (begun(&store, 1).await, begun(&store, 2).await);
    given(&store, vec![Change::EndSessions { user: user(1), until: moment(0) }]).await;
    assert_eq!((found(&store, 1).await, email(&store, 1).await), (None, None));
    assert_eq!(found(&store, 2).await.unwrap().session, two);
    given(&store, vec![Change::EndSessions { user: user(1), until: second(10) }]).await;
    for (number, began, lives) in [(3, 9, false), (4, 10, false), (5, 11, true)] {
        let late =
            Session { id: session_id(number.into()), began_at: second(began), ..one.clone() };
        let id = late.id;
        given(&store, vec![begin(late, number, proved(1))]).await;
        assert_eq!(found(&store, number).await.is_some(), lives, "{began}");
        let email = store.session_email(user(1), id).await.unwrap();
        assert_eq!(email.is_some(), lives, "{began}");
    }
    assert_eq!(ids(&store, 1, 2).await, [session_id(5)]);
}

/// While it is, none of them lives.
pub async fn go40_no_session_of_a_disabled_account_lives(store: AnyStore) {
    begun(&store, 1).await;
    let set = |status| Change::SetAccountStatus { id: user(1), status, at: moment(50) };
    given(&store, vec![set(AccountStatus::Disabled)]).await;
    assert_eq!(store.cut_off(user(1)).await.unwrap(), Some(BARRED));
    assert_eq!((found(&store, 1).await, email(&store, 1).await), (None, None));
    assert_eq!(ids(&store, 1, 2).await, []);
    given(&store, vec![set(AccountStatus::Enabled)]).await;
    assert!(found(&store, 1).await.is_some() && email(&store, 1).await.is_some());
}

/// Those used last first, without those that are over, in pages.
pub async fn sessions_are_listed_by_when_they_were_used(store: AnyStore) {
    let one = begun(&store, 1).await;
    let more = [(11, 30, 1_000), (12, 20, 1_000), (13, 40, 60), (14, 20, 1_000)];
    for (number, used, end) in more {
        let other = Session {
            id: session_id(number.into()),
            last_used_at: moment(used),
            expires_at: moment(end),
            ..one.clone()
        };
        given(&store, vec![begin(other, number, proved(1))]).await;
    }
    let expected = [13, 11, 14, 12, 1].map(session_id);
    assert_eq!(ids(&store, 1, 59).await, expected);
    assert_eq!(ids(&store, 1, 60).await, expected[1..], "over when its moment has come");
    let page = page(1, 2, (), Direction::Ascending);
    let part = store.sessions(user(1), moment(60), page).await.unwrap();
    let part = (part.total, part.items.into_iter().map(|one| one.id).collect::<Vec<_>>());
    assert_eq!(part, (4, expected[2..4].to_vec()));
}

/// And nothing else, and without a record.
pub async fn purging_takes_the_sessions_that_are_over(store: AnyStore) {
    begun(&store, 1).await;
    begun(&store, 2).await;
    given(&store, vec![Change::RotateSession(rotation(session_id(2), 102, 202, 900))]).await;
    let before = store.revision().await.unwrap();
    given(&store, vec![Change::PurgeSessions { expired_before: moment(1_000) }]).await;
    assert!(found(&store, 1).await.is_some(), "over at that moment, not before");
    given(&store, vec![Change::PurgeSessions { expired_before: moment(1_001) }]).await;
    assert!(found(&store, 1).await.is_none() && found(&store, 2).await.is_some());
    assert_eq!(store.revision().await.unwrap(), before);
}

/// A caller whose clock is fast ends no session that lives.
pub async fn r29_only_sessions_that_are_over_by_the_stores_clock_are_purged(store: AnyStore) {
    let (lately, live) =
        (now().minus(Duration::from_secs(30)), now().plus(Duration::from_mins(30)));
    for (number, end) in [(1_u8, moment(1_000)), (2, lately), (3, live)] {
        let owner = u32::from(number);
        let one = Session { expires_at: end, ends_at: end, ..session(owner, user(owner)) };
        let theirs = account(owner, &format!("user{owner}@example.com"));
        let begin = begin(one, number, proved(owner));
        given(&store, vec![Change::InsertAccount(theirs), begin]).await;
    }
    for fast in [now().plus(Duration::from_hours(1)), Timestamp::from_micros(i64::MAX)] {
        given(&store, vec![Change::PurgeSessions { expired_before: fast }]).await;
        let mut left = Vec::new();
        for number in 1..=3 {
            left.push(found(&store, number).await.is_some());
        }
        assert_eq!(left, [false, true, true]);
    }
}

/// Whoever uses one that was ended writes nothing.
pub async fn a_session_that_is_not_there_writes_nothing(store: AnyStore) {
    begun(&store, 1).await;
    for (session, owner, lives) in [(1, 1, true), (1, 2, false), (2, 1, false)] {
        let guard = Guard::SessionExists { session: session_id(session), user: user(owner) };
        let result = store.commit(guarded(vec![guard], vec![])).await;
        let refused = matches!(&result, Err(Error::Unauthenticated(Unauthenticated::NotHonoured)));
        assert_eq!((result.is_ok(), refused), (lives, !lives), "{session} {owner}: {result:?}");
    }
    // It may end itself.
    for ending in [
        Change::EndSession { id: session_id(1), user: user(1), why: SessionEnd::ByUser },
        Change::EndSessions { user: user(2), until: moment(99) },
    ] {
        let number = if matches!(ending, Change::EndSession { .. }) { 1 } else { 2 };
        if number == 2 {
            begun(&store, 2).await;
        }
        let guard = Guard::SessionExists { session: session_id(number), user: user(number) };
        store.commit(guarded(vec![guard], vec![ending])).await.unwrap();
    }
}

/// As with a key: the write came first, or is refused.
pub async fn nothing_is_written_with_a_session_after_it_is_ended(store: AnyStore) {
    for round in 1..=20_u8 {
        let one = begun(&store, round).await;
        let (id, user) = (one.id, one.user);
        let (ending, ended) = if round % 2 == 0 {
            let why = SessionEnd::ByUser;
            (Change::EndSession { id, user, why }, ("session.end", id.to_string()))
        } else {
            let until = moment(9_000);
            (Change::EndSessions { user, until }, ("session.cutoff", user.to_string()))
        };
        let guard = Guard::SessionExists { session: id, user };
        let round = u32::from(round);
        used_before_taken(&store, round, commit(vec![ending]), &ended, guard, "token_not_honoured")
            .await;
    }
}

/// Whoever refreshes while all are ended was first, and is ended all the same.
pub async fn fw13_no_refresh_survives_the_end_of_all_sessions(store: AnyStore) {
    for round in 1..=20_u8 {
        let one = begun(&store, round).await;
        let whole = 100 + round;
        let guard = Guard::SessionLives { user: one.user, issued_at: one.began_at.seconds() };
        let rotating =
            guarded(vec![guard], vec![Change::RotateSession(rotation(one.id, whole, 250, 20))]);
        let ending = commit(vec![Change::EndSessions { user: one.user, until: second(9_000) }]);
        let outcomes = at_once(&store, vec![rotating, ending]).await;
        assert!(["ok", "not_found", "token_not_honoured"].contains(&outcomes[0]), "{outcomes:?}");
        assert_eq!(outcomes[1], "ok");
        assert_eq!(found(&store, round).await, None);
        let page = page(0, 10, (), Direction::Ascending);
        assert_eq!(store.sessions(one.user, moment(2), page).await.unwrap().total, 0);
    }
}
