//! Counting together on a real Redis.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use auth_domain::quota::{Count, Quota};
use auth_redis::{DECIDE, PAUSE, PREFIX, RedisCounts, StreamConfig, Verdict};
use auth_testkit::Redis;
use tokio::task::JoinHandle;

const SOON: Duration = Duration::from_secs(20);

/// One replica's view of it; its connection ends with it.
struct Replica {
    counts: Arc<RedisCounts>,
    up: Arc<AtomicBool>,
    keeping: JoinHandle<()>,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

impl Replica {
    fn new(redis: &Redis) -> Self {
        let config = StreamConfig {
            address: redis.address().into(),
            password: None,
            database: 0,
            max_len: 1,
        };
        let counts = Arc::new(RedisCounts::new(&config).unwrap());
        let up = Arc::new(AtomicBool::new(false));
        let (kept, told) = (Arc::clone(&counts), Arc::clone(&up));
        let keeping = tokio::spawn(async move {
            kept.stay_connected(|is_up| told.store(is_up, Ordering::SeqCst)).await;
        });
        Self { counts, up, keeping }
    }

    async fn connected(redis: &Redis) -> Self {
        let replica = Self::new(redis);
        replica.is(true).await;
        replica
    }

    async fn is(&self, up: bool) {
        let deadline = Instant::now() + SOON;
        while self.up.load(Ordering::SeqCst) != up {
            assert!(Instant::now() < deadline, "not within {SOON:?}: connected = {up}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How many of so many come through, or nothing if nobody could say of one of them.
    async fn through(&self, tries: usize, counts: &[Count]) -> Option<usize> {
        let mut through = 0;
        for _ in 0..tries {
            through += usize::from(self.counts.enter(counts).await? == Verdict::Counted);
        }
        Some(through)
    }
}

fn count(bucket: u128) -> Count {
    Count { bucket, quota: Quota::new(10, Duration::from_hours(1)) }
}

/// What a bucket is called in Redis.
fn key(bucket: u128) -> String {
    format!("{PREFIX}{bucket:032x}")
}

/// Microseconds by the clock of Redis.
async fn now(redis: &Redis) -> u64 {
    let time = redis.ask(&["TIME"]).await.unwrap();
    time[0].parse::<u64>().unwrap() * 1_000_000 + time[1].parse::<u64>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn s86_a_burst_over_several_replicas_lets_through_the_limit_and_no_more() {
    let redis = Redis::start().await.unwrap();
    let replicas = [
        Replica::connected(&redis).await,
        Replica::connected(&redis).await,
        Replica::connected(&redis).await,
    ];
    let mut tries = Vec::new();
    for turn in 0..60 {
        let counts = Arc::clone(&replicas[turn % 3].counts);
        tries.push(tokio::spawn(async move { counts.enter(&[count(1), count(2)]).await }));
    }
    let (mut through, mut waits) = (0, Vec::new());
    for verdict in tries {
        match verdict.await.unwrap().unwrap() {
            Verdict::Counted => through += 1,
            Verdict::Full { wait, .. } => waits.push(wait),
        }
    }
    assert_eq!((through, waits.len()), (10, 50));
    let each = Duration::from_micros(count(1).quota.each());
    assert!(waits.iter().all(|wait| *wait <= each && *wait > each / 2), "{waits:?}");
    // All or nothing: what was refused by one bucket was not counted in the other.
    assert_eq!(replicas[0].through(5, &[count(2)]).await, Some(0));
    assert_eq!(replicas[0].through(5, &[count(3), count(2)]).await, Some(0));
    assert_eq!(replicas[1].through(15, &[count(3)]).await, Some(10));
    replicas[2].counts.take_back(&[count(1), count(2)]).await;
    assert_eq!(replicas[0].through(5, &[count(1), count(2)]).await, Some(1));
}

#[tokio::test]
async fn what_is_kept_expires_and_names_nobody() {
    let redis = Redis::start().await.unwrap();
    let replica = Replica::connected(&redis).await;
    assert_eq!(replica.through(3, &[count(7)]).await, Some(3));
    assert_eq!(redis.ask(&["KEYS", "*"]).await.unwrap(), [key(7)]);
    let left: u64 = redis.ask(&["PTTL", &key(7)]).await.unwrap()[0].parse().unwrap();
    assert!((1..=3 * 360_000 + 1_000).contains(&left), "until it is empty: {left}");
    for _ in 0..3 {
        replica.counts.take_back(&[count(7)]).await;
    }
    assert_eq!(redis.ask(&["KEYS", "*"]).await.unwrap(), [] as [&str; 0], "nothing is left");
}

#[tokio::test]
async fn r11_garbage_neither_locks_out_nor_exempts() {
    let redis = Redis::start().await.unwrap();
    let replica = Replica::connected(&redis).await;
    let hour = 3_600_000_000;
    let far = (now(&redis).await + 10 * hour).to_string();
    for (bucket, garbage) in
        (1..).zip(["", "garbage", "nan", "-nan", "inf", "-inf", "1e300", "-1", "0x7f", &far])
    {
        redis.ask(&["SET", &key(bucket), garbage]).await.unwrap();
        assert_eq!(replica.through(15, &[count(bucket)]).await, Some(10), "{garbage:?}");
        let left: i64 = redis.ask(&["PTTL", &key(bucket)]).await.unwrap()[0].parse().unwrap();
        assert!(left > 0, "{garbage:?} does not stay for ever: {left}");
    }
    // Another type altogether.
    for (bucket, command) in [(20, "LPUSH"), (21, "SADD")] {
        redis.ask(&[command, &key(bucket), "1"]).await.unwrap();
        assert_eq!(replica.through(15, &[count(bucket)]).await, Some(10), "{command}");
        replica.counts.take_back(&[count(bucket)]).await;
    }
    redis.ask(&["HSET", &key(22), "a", "1"]).await.unwrap();
    replica.counts.take_back(&[count(22)]).await;
    assert_eq!(replica.through(15, &[count(22)]).await, Some(10));
    // The worst that could have been counted: one has to wait as if all of it had been used up.
    let full = (now(&redis).await + hour).to_string();
    redis.ask(&["SET", &key(30), &full]).await.unwrap();
    let refused = replica.counts.enter(&[count(30)]).await.unwrap();
    assert!(
        matches!(refused, Verdict::Full { wait, .. } if wait <= Duration::from_mins(6)),
        "{refused:?}"
    );
    assert!(replica.up.load(Ordering::SeqCst), "the connection was good all the time");
}

#[tokio::test]
async fn r10_a_frozen_redis_costs_those_who_wait_and_nobody_afterwards() {
    let redis = Redis::start().await.unwrap();
    let replica = Replica::connected(&redis).await;
    assert_eq!(replica.through(1, &[count(1)]).await, Some(1));
    redis.freeze().await.unwrap();
    let begun = Instant::now();
    assert_eq!(replica.counts.enter(&[count(1)]).await, None);
    let waited = begun.elapsed();
    assert!(waited < DECIDE * 8, "{waited:?}");
    let begun = Instant::now();
    for _ in 0..50 {
        assert_eq!(replica.counts.enter(&[count(1)]).await, None);
    }
    assert!(begun.elapsed() < DECIDE, "nobody asks it: {:?}", begun.elapsed());
    replica.is(false).await;
    redis.thaw().await.unwrap();
    replica.is(true).await;
    assert_eq!(replica.through(15, &[count(2)]).await, Some(10));
}

#[tokio::test]
async fn a_redis_that_is_away_frozen_or_another_is_found_out_without_anybody_asking() {
    let mut redis = Redis::start().await.unwrap();
    let replica = Replica::connected(&redis).await;
    redis.freeze().await.unwrap();
    replica.is(false).await;
    redis.stop();
    tokio::time::sleep(PAUSE / 2).await;
    assert_eq!(replica.counts.enter(&[count(1)]).await, None);
    redis.start_again().await.unwrap();
    replica.is(true).await;
    assert_eq!(replica.through(15, &[count(1)]).await, Some(10));
    // Scripts that it has forgotten are loaded again.
    redis.ask(&["SCRIPT", "FLUSH"]).await.unwrap();
    assert_eq!(replica.counts.enter(&[count(2)]).await, None);
    replica.is(false).await;
    replica.is(true).await;
    assert_eq!(replica.through(15, &[count(2)]).await, Some(10));
    // A server that takes no writes, such as a replica of Redis, is none to count with.
    redis.ask(&["REPLICAOF", "127.0.0.1", "1"]).await.unwrap();
    assert_eq!(replica.counts.enter(&[count(3)]).await, None);
}

#[tokio::test]
async fn before_there_is_a_connection_nobody_waits_for_one() {
    let mut redis = Redis::start().await.unwrap();
    redis.stop();
    let replica = Replica::new(&redis);
    let begun = Instant::now();
    assert_eq!(replica.counts.enter(&[count(1)]).await, None);
    replica.counts.take_back(&[count(1)]).await;
    assert!(begun.elapsed() < DECIDE, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn r9_a_redis_that_answers_and_takes_nothing_is_none_to_count_with() {
    let redis = Redis::start().await.unwrap();
    let replica = Replica::connected(&redis).await;
    // As one that has become a replica of another, and as one that is full.
    for (setting, broken, well) in [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")] {
        redis.ask(&["CONFIG", "SET", setting, broken]).await.unwrap();
        replica.is(false).await;
        assert_eq!(replica.counts.enter(&[count(1)]).await, None, "{setting}");
        redis.ask(&["CONFIG", "SET", setting, well]).await.unwrap();
        replica.is(true).await;
        assert_eq!(replica.through(1, &[count(1)]).await, Some(1), "{setting}");
    }
    let kept = redis.ask(&["KEYS", "*"]).await.unwrap();
    assert_eq!(kept, [key(1)], "looking whether it counts leaves nothing behind");
}
