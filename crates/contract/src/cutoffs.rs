//! Up to when people's sessions are ended.

use auth_domain::change::{Change, Guard};
use auth_domain::error::{Error, Unauthenticated};
use auth_domain::model::{Account, AccountStatus};
use auth_domain::ports::BARRED;

use crate::AnyStore;
use crate::sample::{account, given, guarded, key, key_id, moment, user};

/// Nobody's sessions are ended at first; an earlier end changes nothing.
pub async fn sessions_are_ended_up_to_the_latest_second(store: AnyStore) {
    assert_eq!(store.cut_off(user(1)).await.unwrap(), None);
    for (until, kept) in [(5, 5), (3, 5), (8, 8)] {
        given(&store, vec![Change::EndSessions { user: user(1), until: moment(until) }]).await;
        assert_eq!(store.cut_off(user(1)).await.unwrap(), Some(moment(kept).seconds()));
    }
    assert_eq!(store.cut_off(user(2)).await.unwrap(), None);
}

/// A session that was ended writes nothing.
pub async fn a_session_that_was_ended_writes_nothing(store: AnyStore) {
    given(&store, vec![Change::EndSessions { user: user(1), until: moment(5) }]).await;
    for (number, issued, lives) in [(1, 4, false), (1, 5, false), (1, 6, true), (2, 4, true)] {
        let issued_at = moment(issued).seconds();
        let guards = vec![Guard::SessionLives { user: user(number), issued_at }];
        let result = store.commit(guarded(guards, vec![])).await;
        let refused = matches!(&result, Err(Error::Unauthenticated(Unauthenticated::NotHonoured)));
        assert_eq!((result.is_ok(), refused), (lives, !lives), "{number} {issued}: {result:?}");
    }
}

/// Neither a session nor a key of theirs, whenever it was made; afterwards it is as it was before.
pub async fn go40_nothing_of_a_disabled_account_is_good(store: AnyStore) {
    let opened = account(1, "one@example.com");
    let off = Account { status: AccountStatus::Disabled, ..account(2, "two@example.com") };
    let keys = [key(1, user(1)), key(2, user(2)), key(3, user(3))].map(Change::InsertKey);
    given(&store, vec![Change::InsertAccount(opened), Change::InsertAccount(off)]).await;
    given(&store, keys.into()).await;
    given(&store, vec![Change::EndSessions { user: user(1), until: moment(5) }]).await;
    let set = |status| Change::SetAccountStatus { id: user(1), status, at: moment(50) };
    let good = async |number: u32| {
        let issuer = user(number);
        let cut_off = store.cut_off(issuer).await.unwrap();
        let shown = store.key(issuer, key_id(number)).await.unwrap().is_some();
        assert_eq!(
            store.stored_key(issuer, key_id(number)).await.unwrap(),
            Some(key(number, issuer))
        );
        assert_eq!(store.stored_key(user(9), key_id(number)).await.unwrap(), None, "{number}");
        let session = Guard::SessionLives { user: issuer, issued_at: moment(3_600).seconds() };
        let key = Guard::KeyExists { key: key_id(number), issuer };
        for guard in [session, key] {
            let written = store.commit(guarded(vec![guard], vec![])).await;
            let refused =
                matches!(&written, Err(Error::Unauthenticated(Unauthenticated::NotHonoured)));
            assert_eq!((written.is_ok(), refused), (shown, !shown), "{number}: {written:?}");
        }
        assert_eq!(cut_off == Some(BARRED), !shown, "{number}: {cut_off:?}");
        shown
    };
    assert!(good(1).await && !good(2).await && good(3).await, "3 has no account here");
    given(&store, vec![set(AccountStatus::Disabled)]).await;
    assert!(!good(1).await && !good(2).await);
    given(&store, vec![set(AccountStatus::Enabled)]).await;
    assert!(good(1).await);
    assert_eq!(store.cut_off(user(1)).await.unwrap(), Some(moment(5).seconds()));
}
