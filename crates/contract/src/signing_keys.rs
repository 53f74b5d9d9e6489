//! Signing keys that were withdrawn, and the API keys they may have signed.

use auth_domain::change::{Change, Guard};
use auth_domain::error::{Error, Unauthenticated};
use auth_domain::model::Key;

use crate::AnyStore;
use crate::sample::{given, guarded, key, moment, signing_key, user};

/// None is at first; once more changes nothing.
pub async fn a_signing_key_is_withdrawn_for_good(store: AnyStore) {
    assert!(!store.is_withdrawn(signing_key(1)).await.unwrap());
    for at in [1, 2] {
        given(&store, vec![Change::WithdrawSigningKey { key: signing_key(1), at: moment(at) }])
            .await;
        assert!(store.is_withdrawn(signing_key(1)).await.unwrap());
    }
    assert!(!store.is_withdrawn(signing_key(2)).await.unwrap());
}

/// Not even by a commit that was decided on before.
pub async fn nothing_is_written_under_a_signing_key_that_was_withdrawn(store: AnyStore) {
    let write = || {
        let guards = vec![Guard::SigningKeyLives { key: signing_key(1) }];
        guarded(guards, vec![Change::EndSessions { user: user(1), until: moment(5) }])
    };
    store.commit(write()).await.unwrap();
    given(&store, vec![Change::WithdrawSigningKey { key: signing_key(2), at: moment(1) }]).await;
    store.commit(write()).await.unwrap();
    given(&store, vec![Change::WithdrawSigningKey { key: signing_key(1), at: moment(1) }]).await;
    let refused = store.commit(write()).await;
    let bad = matches!(&refused, Err(Error::Unauthenticated(Unauthenticated::BadToken)));
    assert!(bad, "{refused:?}");
}

/// Those made in the span, its end not included, that have not ended.
pub async fn api_keys_of_a_span_are_counted_while_they_live(store: AnyStore) {
    let made = |number, at, end: Option<i64>| Key {
        issued_at: moment(at),
        expires_at: end.map(moment),
        ..key(number, user(number))
    };
    let keys =
        [made(1, 10, None), made(2, 15, Some(30)), made(3, 19, Some(100)), made(4, 20, None)];
    given(&store, keys.into_iter().map(Change::InsertKey).collect()).await;
    for ((from, before, at), alive) in [
        ((10, 20, 20), 3),
        ((10, 21, 20), 4),
        ((11, 20, 20), 2),
        ((10, 20, 29), 3),
        ((10, 20, 30), 2),
        ((21, 90, 20), 0),
    ] {
        let counted = store.keys_alive(moment(from), moment(before), moment(at)).await.unwrap();
        assert_eq!(counted, alive, "{from} {before} {at}");
    }
}
