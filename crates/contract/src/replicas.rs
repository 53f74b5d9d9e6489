//! The registry of replicas.

use std::time::Duration;

use auth_domain::Timestamp;
use auth_domain::change::Change;
use auth_domain::ports::Laggard;
use uuid::Uuid;

use crate::AnyStore;
use crate::sample::{given, org};

const LEASE: Duration = Duration::from_millis(1_500);
const ONE: Uuid = Uuid::from_u128(1);
const TWO: Uuid = Uuid::from_u128(2);
const NOBODY: Uuid = Uuid::from_u128(9);

async fn written(store: &AnyStore, number: u32) {
    given(store, vec![Change::InsertOrg(org(number, "acme"))]).await;
}

async fn lagging(store: &AnyStore, revision: i64) -> Vec<Laggard> {
    let mut laggards = store.laggards(NOBODY, revision).await.unwrap();
    laggards.sort_by_key(|laggard| laggard.replica);
    laggards
}

/// It begins where the log ends, and entering again is harmless.
pub async fn a_replica_enters_with_everything_applied(store: AnyStore) {
    written(&store, 1).await;
    for _ in 0..2 {
        assert_eq!(store.register(ONE, LEASE).await.unwrap(), 1);
        assert_eq!(lagging(&store, 1).await, []);
    }
    let behind = lagging(&store, 2).await;
    assert_eq!((behind.len(), behind[0].replica, behind[0].lease), (1, ONE, LEASE));
}

/// It says what it has applied and is told what there is; what it once applied it has applied.
pub async fn a_renewal_notes_what_is_applied_and_gives_the_newest_revision(store: AnyStore) {
    assert_eq!(store.renew(ONE, LEASE, 0).await.unwrap(), None, "it is not there");
    store.register(ONE, LEASE).await.unwrap();
    let before = lagging(&store, 1).await[0].renewals;
    written(&store, 1).await;
    written(&store, 2).await;
    assert_eq!(store.renew(ONE, LEASE, 0).await.unwrap(), Some(2));
    assert!(lagging(&store, 1).await[0].renewals > before);
    assert_eq!(store.renew(ONE, LEASE, 1).await.unwrap(), Some(2));
    assert_eq!(lagging(&store, 1).await, []);
    assert_eq!(lagging(&store, 2).await.len(), 1);
    assert_eq!(store.renew(ONE, LEASE, 0).await.unwrap(), Some(2));
    assert_eq!(lagging(&store, 1).await, []);
}

/// Whoever asks is not among them.
pub async fn laggards_are_the_others_that_are_behind(store: AnyStore) {
    store.register(ONE, LEASE).await.unwrap();
    store.register(TWO, LEASE).await.unwrap();
    written(&store, 1).await;
    let others = store.laggards(ONE, 1).await.unwrap();
    assert_eq!(others.iter().map(|it| it.replica).collect::<Vec<_>>(), [TWO]);
    assert_eq!(lagging(&store, 1).await.len(), 2);
}

/// Only who has not renewed since is put out; whoever leaves is gone.
pub async fn a_replica_that_renewed_stays(store: AnyStore) {
    store.register(ONE, LEASE).await.unwrap();
    store.register(TWO, LEASE).await.unwrap();
    written(&store, 1).await;
    let seen = lagging(&store, 1).await;
    store.renew(TWO, LEASE, 0).await.unwrap();
    store.evict(&seen).await.unwrap();
    assert_eq!(store.renew(ONE, LEASE, 1).await.unwrap(), None);
    assert_eq!(store.renew(TWO, LEASE, 0).await.unwrap(), Some(1));
    store.leave(TWO).await.unwrap();
    assert_eq!(lagging(&store, 1).await, []);
    assert_eq!(store.renew(TWO, LEASE, 1).await.unwrap(), None);
}

/// What a living replica has still to read stays in the log.
pub async fn records_a_living_replica_has_not_applied_stay(store: AnyStore) {
    store.register(ONE, LEASE).await.unwrap();
    written(&store, 1).await;
    written(&store, 2).await;
    let purge =
        |seconds| vec![Change::PurgeRecords { older_than: Timestamp::from_seconds(seconds) }];
    // Later than the records were written and earlier than the replica was seen.
    store.renew(ONE, LEASE, 1).await.unwrap();
    given(&store, purge(1_700_000_010)).await;
    let left = store.records(0, 10).await.unwrap();
    assert_eq!(left.iter().map(|record| record.revision).collect::<Vec<_>>(), [2]);
    // As if it had been seen before that moment.
    given(&store, purge(5_000_000_000)).await;
    assert_eq!(store.records(0, 10).await.unwrap(), []);
}
