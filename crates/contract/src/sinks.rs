//! How far the change log was passed on, and trimming it.

use std::sync::Arc;
use std::time::Duration;

use auth_domain::Timestamp;
use auth_domain::change::{Change, Commit};
use auth_domain::fact::{Backlog, Place};
use tokio::sync::Barrier;
use uuid::Uuid;

use crate::AnyStore;
use crate::sample::{commit, given, moment, org, org_id};

const SINK: &str = "test";
/// Longer than a case takes.
const LONG: Duration = Duration::from_hours(1);
const ONE: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);

const fn place(revision: i64, ordinal: i32) -> Place {
    Place { revision, ordinal }
}

/// One commit with one record, written at this moment.
async fn written(store: &AnyStore, number: u32, at: Timestamp) {
    let change = Change::InsertOrg(org(number, "acme"));
    store.commit(Commit { at, ..commit(vec![change]) }).await.unwrap();
}

/// The revisions that are left.
async fn revisions(store: &AnyStore) -> Vec<i64> {
    let records = store.records(0, 100).await.unwrap();
    records.iter().map(|record| record.revision).collect()
}

/// It begins before all records there are, and takes nothing by being asked about.
pub async fn a_new_sink_has_everything_to_pass_on(store: AnyStore) {
    assert_eq!(store.backlog(SINK).await.unwrap(), Backlog { records: 0, since: None });
    written(&store, 1, moment(7)).await;
    written(&store, 2, moment(8)).await;
    let all = Backlog { records: 2, since: Some(moment(7)) };
    assert_eq!(store.backlog(SINK).await.unwrap(), all);
    assert_eq!(store.take_sink(SINK, ONE, LONG).await.unwrap(), Some(Place::default()));
    assert_eq!(store.backlog(SINK).await.unwrap(), all);
}

/// The place is kept from holder to holder.
pub async fn a_sink_passes_on_what_follows_its_place(store: AnyStore) {
    for number in 1..=3 {
        written(&store, number, moment(i64::from(number))).await;
    }
    store.take_sink(SINK, ONE, LONG).await.unwrap();
    assert!(store.advance_sink(SINK, ONE, LONG, place(2, 0)).await.unwrap());
    let left = Backlog { records: 1, since: Some(moment(3)) };
    assert_eq!(store.backlog(SINK).await.unwrap(), left);
    store.release_sink(SINK, ONE).await.unwrap();
    assert_eq!(store.take_sink(SINK, OTHER, LONG).await.unwrap(), Some(place(2, 0)));
    assert!(store.advance_sink(SINK, OTHER, LONG, place(3, 0)).await.unwrap());
    assert_eq!(store.backlog(SINK).await.unwrap(), Backlog { records: 0, since: None });
}

/// A commit may have more records than are passed on at once.
pub async fn records_follow_a_place_within_a_commit(store: AnyStore) {
    let orgs = |numbers: std::ops::RangeInclusive<u32>| {
        numbers.map(|number| Change::InsertOrg(org(number, "acme"))).collect()
    };
    given(&store, orgs(1..=3)).await;
    given(&store, orgs(4..=4)).await;
    for (after, limit, expected) in [
        (place(0, 0), 100, vec![place(1, 0), place(1, 1), place(1, 2), place(2, 0)]),
        (place(0, 0), 2, vec![place(1, 0), place(1, 1)]),
        (place(1, 0), 2, vec![place(1, 1), place(1, 2)]),
        (place(1, 2), 100, vec![place(2, 0)]),
        (place(2, 0), 100, vec![]),
    ] {
        let records = store.records_after(after, limit).await.unwrap();
        let places: Vec<_> = records.iter().map(auth_domain::fact::Record::place).collect();
        assert_eq!(places, expected, "{after} {limit}");
    }
    store.take_sink(SINK, ONE, LONG).await.unwrap();
    store.advance_sink(SINK, ONE, LONG, place(1, 1)).await.unwrap();
    assert_eq!(store.backlog(SINK).await.unwrap().records, 2);
}

/// Again and again, as long as it takes; the other one gets nothing.
pub async fn only_one_holder_has_a_sink(store: AnyStore) {
    assert!(store.take_sink(SINK, ONE, LONG).await.unwrap().is_some());
    for _ in 0..2 {
        assert_eq!(store.take_sink(SINK, OTHER, LONG).await.unwrap(), None);
        assert!(store.take_sink(SINK, ONE, LONG).await.unwrap().is_some());
    }
    // Giving back what one does not have does nothing.
    store.release_sink(SINK, OTHER).await.unwrap();
    assert_eq!(store.take_sink(SINK, OTHER, LONG).await.unwrap(), None);
}

/// By the store's clock, and an advance makes it longer.
pub async fn a_hold_ends_by_itself_or_when_it_is_given_back(store: AnyStore) {
    let short = Duration::from_millis(50);
    assert!(store.take_sink(SINK, ONE, short).await.unwrap().is_some());
    while store.take_sink(SINK, OTHER, LONG).await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(store.take_sink(SINK, ONE, LONG).await.unwrap(), None);
    store.release_sink(SINK, OTHER).await.unwrap();
    assert!(store.take_sink(SINK, ONE, short).await.unwrap().is_some());
    assert!(store.advance_sink(SINK, ONE, LONG, place(1, 0)).await.unwrap());
    tokio::time::sleep(short * 2).await;
    assert_eq!(store.take_sink(SINK, OTHER, LONG).await.unwrap(), None);
}

/// Or nothing would be passed on until the clock has caught up.
pub async fn a_hold_from_before_the_clock_was_set_back_is_void(store: AnyStore) {
    store.take_sink(SINK, ONE, LONG).await.unwrap();
    assert!(store.take_sink(SINK, OTHER, LONG / 2).await.unwrap().is_some());
    assert!(!store.advance_sink(SINK, ONE, LONG, place(1, 0)).await.unwrap());
}

/// It may have been stopped in the middle, and somebody else gone on.
pub async fn whoever_lost_a_sink_notes_nothing(store: AnyStore) {
    assert!(!store.advance_sink(SINK, ONE, LONG, place(1, 0)).await.unwrap(), "never had it");
    store.take_sink(SINK, ONE, LONG).await.unwrap();
    store.release_sink(SINK, ONE).await.unwrap();
    store.take_sink(SINK, OTHER, LONG).await.unwrap();
    store.advance_sink(SINK, OTHER, LONG, place(7, 3)).await.unwrap();
    assert!(!store.advance_sink(SINK, ONE, LONG, place(5, 0)).await.unwrap());
    assert_eq!(store.take_sink(SINK, OTHER, LONG).await.unwrap(), Some(place(7, 3)));
}

/// Each has its own place and holder.
pub async fn sinks_do_not_know_of_each_other(store: AnyStore) {
    written(&store, 1, moment(1)).await;
    store.take_sink(SINK, ONE, LONG).await.unwrap();
    store.advance_sink(SINK, ONE, LONG, place(1, 0)).await.unwrap();
    assert_eq!(store.backlog("another").await.unwrap().records, 1);
    assert_eq!(store.take_sink("another", OTHER, LONG).await.unwrap(), Some(place(0, 0)));
}

/// At the same moment.
pub async fn one_of_many_takers_gets_it(store: AnyStore) {
    for round in 0..10 {
        let sink = format!("sink {round}");
        let start = Arc::new(Barrier::new(6));
        let takers = (1..=6).map(|number| {
            let (store, sink, start) = (store.clone(), sink.clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                store.take_sink(&sink, Uuid::from_u128(number), LONG).await.unwrap().is_some()
            })
        });
        let takers: Vec<_> = takers.collect();
        let mut winners = 0;
        for taker in takers {
            winners += u32::from(taker.await.unwrap());
        }
        assert_eq!(winners, 1, "round {round}");
    }
}

/// Those written before the moment, and it takes no revision.
pub async fn without_a_sink_old_records_go(store: AnyStore) {
    for number in 1..=4 {
        written(&store, number, moment(i64::from(number))).await;
    }
    given(&store, vec![Change::PurgeRecords { older_than: moment(3) }]).await;
    assert_eq!(revisions(&store).await, [3, 4]);
    assert_eq!(store.revision().await.unwrap(), 4);
    assert!(store.org(org_id(1)).await.unwrap().is_some(), "only the record went");
}

/// However old they are.
pub async fn records_a_sink_has_not_passed_on_stay(store: AnyStore) {
    let orgs = (1..=3).map(|number| Change::InsertOrg(org(number, "acme")));
    given(&store, orgs.collect()).await;
    written(&store, 4, moment(1)).await;
    store.take_sink(SINK, ONE, LONG).await.unwrap();
    let purge = Change::PurgeRecords { older_than: moment(9) };
    given(&store, vec![purge.clone()]).await;
    assert_eq!(revisions(&store).await, [1, 1, 1, 2]);
    store.advance_sink(SINK, ONE, LONG, place(1, 1)).await.unwrap();
    given(&store, vec![purge.clone()]).await;
    assert_eq!(revisions(&store).await, [1, 2]);
    // Given back just now: still in use.
    store.release_sink(SINK, ONE).await.unwrap();
    given(&store, vec![purge]).await;
    assert_eq!(revisions(&store).await, [1, 2]);
}

/// Since before the moment.
pub async fn a_sink_nobody_uses_any_more_keeps_nothing(store: AnyStore) {
    written(&store, 1, moment(1)).await;
    store.take_sink(SINK, ONE, LONG).await.unwrap();
    store.release_sink(SINK, ONE).await.unwrap();
    let in_a_century = Timestamp::from_seconds(5_000_000_000);
    given(&store, vec![Change::PurgeRecords { older_than: in_a_century }]).await;
    assert_eq!(revisions(&store).await, [] as [i64; 0]);
}
