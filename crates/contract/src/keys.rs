//! API keys.

use std::time::Duration;

use auth_domain::Timestamp;
use auth_domain::change::Change;
use auth_domain::error::{Entity, Error};
use auth_domain::model::{Direction, Key, KeyOrder};

use crate::AnyStore;
use crate::sample::{FAR, apply, given, key, key_id, moment, now, page, user};

/// With and without an end, down to the microsecond, at both ends of time.
pub async fn a_key_reads_back_as_written(store: AnyStore) {
    let endless = key(1, user(1));
    let ending = Key { expires_at: Some(moment(77)), ..key(2, user(1)) };
    let extreme = Key {
        subject: String::new(),
        issued_at: Timestamp::from_micros(i64::MIN),
        expires_at: Some(Timestamp::from_micros(i64::MAX)),
        ..key(3, user(1))
    };
    for written in [endless, ending, extreme] {
        given(&store, vec![Change::InsertKey(written.clone())]).await;
        let read = store.key(written.issuer, written.id).await.unwrap();
        assert_eq!(read, Some(written));
    }
}

/// An id names one key, not one for each user.
pub async fn a_taken_id_is_refused_whoever_asks(store: AnyStore) {
    let first = key(1, user(1));
    given(&store, vec![Change::InsertKey(first.clone())]).await;
    for issuer in [user(1), user(2)] {
        let again = Key { issuer, subject: "other@example.com".into(), ..key(1, issuer) };
        let error = apply(&store, vec![Change::InsertKey(again)]).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyExists(Entity::Key)), "{error:?}");
    }
    assert_eq!(store.key(user(1), first.id).await.unwrap(), Some(first));
    assert_eq!(store.key(user(2), key_id(1)).await.unwrap(), None);
}

/// To others it does not exist.
pub async fn only_its_issuer_finds_a_key(store: AnyStore) {
    given(&store, vec![Change::InsertKey(key(1, user(1)))]).await;
    assert_eq!(store.key(user(2), key_id(1)).await.unwrap(), None);
    assert_eq!(store.key(user(1), key_id(2)).await.unwrap(), None);
    let theirs = store.keys(user(2), page(0, 10, KeyOrder::Id, Direction::Ascending)).await;
    assert_eq!(theirs.unwrap().total, 0);
}

/// A second removal, and one by somebody else, finds nothing.
pub async fn a_key_is_removed_once_and_by_its_issuer(store: AnyStore) {
    given(&store, vec![Change::InsertKey(key(1, user(1)))]).await;
    let removal = |issuer| vec![Change::RemoveKey { id: key_id(1), issuer }];
    let error = apply(&store, removal(user(2))).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(Entity::Key)), "{error:?}");
    assert!(store.key(user(1), key_id(1)).await.unwrap().is_some());
    given(&store, removal(user(1))).await;
    assert_eq!(store.key(user(1), key_id(1)).await.unwrap(), None);
    let error = apply(&store, removal(user(1))).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(Entity::Key)), "{error:?}");
}

/// Expired keys are kept until somebody purges; a key that ends at the very moment stays.
pub async fn purging_takes_the_expired_and_nothing_else(store: AnyStore) {
    let limit = moment(100);
    let before = limit.minus(Duration::from_micros(1));
    let ends = [None, Some(before), Some(limit), Some(limit.plus(Duration::from_secs(1)))];
    for (number, expires_at) in (1..).zip(ends) {
        let ending = Key { expires_at, ..key(number, user(1)) };
        given(&store, vec![Change::InsertKey(ending)]).await;
    }
    let all = || store.keys(user(1), page(0, 10, KeyOrder::Id, Direction::Ascending));
    assert_eq!(all().await.unwrap().total, 4);
    given(&store, vec![Change::PurgeKeys { expired_before: limit }]).await;
    let left: Vec<_> = all().await.unwrap().items.iter().map(|key| key.id).collect();
    assert_eq!(left, [key_id(1), key_id(3), key_id(4)]);
}

/// A caller whose clock is fast takes nothing that lives, nor what another one has to call expired for a while.
pub async fn r29_only_what_is_over_by_the_stores_clock_is_purged(store: AnyStore) {
    let (lately, live) =
        (now().minus(Duration::from_secs(30)), now().plus(Duration::from_mins(30)));
    for (number, end) in (1..).zip([moment(1), lately, live, FAR]) {
        given(
            &store,
            vec![Change::InsertKey(Key { expires_at: Some(end), ..key(number, user(1)) })],
        )
        .await;
    }
    for fast in [now().plus(Duration::from_hours(1)), Timestamp::from_micros(i64::MAX)] {
        given(&store, vec![Change::PurgeKeys { expired_before: fast }]).await;
        let left = store.keys(user(1), page(0, 10, KeyOrder::Id, Direction::Ascending)).await;
        let left: Vec<_> = left.unwrap().items.iter().map(|key| key.id).collect();
        assert_eq!(left, [key_id(2), key_id(3), key_id(4)]);
    }
}

/// Every order both ways, ties by id, and the pages are parts of the whole.
pub async fn lists_are_ordered_and_paged(store: AnyStore) {
    // Made in another order than their ids say; two at the same moment.
    let made = [(1, 30), (2, 10), (3, 20), (4, 20)];
    for (number, second) in made {
        let issued = Key { issued_at: moment(second), ..key(number, user(1)) };
        given(&store, vec![Change::InsertKey(issued)]).await;
    }
    given(&store, vec![Change::InsertKey(key(9, user(2)))]).await;
    for (order, ascending) in [(KeyOrder::Id, [1, 2, 3, 4]), (KeyOrder::IssuedAt, [2, 3, 4, 1])] {
        let ascending = ascending.map(key_id);
        let mut descending = ascending;
        descending.reverse();
        for (direction, expected) in
            [(Direction::Ascending, ascending), (Direction::Descending, descending)]
        {
            for (offset, limit) in [(0, 10), (0, 2), (1, 2), (3, 2), (4, 1), (1_000_000, 200)] {
                let listing =
                    store.keys(user(1), page(offset, limit, order, direction)).await.unwrap();
                let got: Vec<_> = listing.items.iter().map(|key| key.id).collect();
                let (from, count) = (offset.try_into().unwrap(), limit.try_into().unwrap());
                let part: Vec<_> = expected.iter().copied().skip(from).take(count).collect();
                assert_eq!(got, part, "{order:?} {direction:?} {offset} {limit}");
                assert_eq!(listing.total, 4, "{offset} {limit}");
            }
        }
    }
}
