//! Up to when people's sessions are ended.

use auth_domain::change::{Change, Guard};
use auth_domain::error::{Error, Unauthenticated};

use crate::AnyStore;
use crate::sample::{given, guarded, moment, user};

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
