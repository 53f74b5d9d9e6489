//! The stream on a real Redis.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::time::{Duration, Instant};

use auth_domain::fact::Record;
use auth_domain::ports::Publisher;
use auth_domain::{Error, Timestamp};
use auth_redis::{ANSWER, CONNECT, RedisStream, STREAM, StreamConfig};
use auth_testkit::Redis;

fn stream(redis: &Redis) -> RedisStream {
    RedisStream::new(&StreamConfig {
        address: redis.address().into(),
        password: None,
        database: 3,
        max_len: 100,
    })
    .unwrap()
}

fn records(revisions: std::ops::RangeInclusive<i64>) -> Vec<Record> {
    revisions
        .map(|revision| Record {
            revision,
            ordinal: 0,
            kind: "org.create".into(),
            subject: None,
            object: format!("org {revision}"),
            actor: "system".into(),
            payload: serde_json::json!({}),
            occurred_at: Timestamp::from_seconds(0),
        })
        .collect()
}

/// The ids of the events there are, in order.
async fn told(redis: &Redis) -> Vec<String> {
    // One connection a question, so the database is chosen within it.
    let script = "redis.call('SELECT', 3) local found = {} \
                  for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do \
                  for n = 1, #entry[2], 2 do \
                  if entry[2][n] == 'event_id' then found[#found + 1] = entry[2][n + 1] end \
                  end end return found";
    redis.ask(&["EVAL", script, "1", STREAM]).await.unwrap()
}

#[tokio::test]
async fn records_are_told_in_order_in_the_database_named() {
    let redis = Redis::start().await.unwrap();
    let stream = stream(&redis);
    stream.publish(&[]).await.unwrap();
    stream.publish(&records(1..=3)).await.unwrap();
    stream.publish(&records(4..=4)).await.unwrap();
    assert_eq!(told(&redis).await, ["1-0", "2-0", "3-0", "4-0"]);
}

#[tokio::test]
async fn a_redis_that_was_restarted_is_connected_to_anew() {
    let mut redis = Redis::start().await.unwrap();
    let stream = stream(&redis);
    stream.publish(&records(1..=1)).await.unwrap();
    redis.stop();
    assert!(matches!(stream.publish(&records(2..=2)).await, Err(Error::Unavailable(_))));
    redis.start_again().await.unwrap();
    stream.publish(&records(2..=2)).await.unwrap();
    assert_eq!(told(&redis).await, ["2-0"]);
}

#[tokio::test]
async fn a_frozen_redis_is_given_up_on_in_time() {
    let redis = Redis::start().await.unwrap();
    let stream = stream(&redis);
    stream.publish(&records(1..=1)).await.unwrap();
    redis.freeze().await.unwrap();
    for _ in 0..2 {
        // First on the connection there is, then on one that never comes about.
        let begun = Instant::now();
        assert!(matches!(stream.publish(&records(2..=2)).await, Err(Error::Unavailable(_))));
        assert!(begun.elapsed() < CONNECT + ANSWER + Duration::from_secs(3));
    }
    redis.thaw().await.unwrap();
    stream.publish(&records(2..=2)).await.unwrap();
}

#[tokio::test]
async fn what_redis_refuses_is_told_not_even_in_part() {
    let redis = Redis::start().await.unwrap();
    let stream = stream(&redis);
    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]).await.unwrap();
    assert!(matches!(stream.publish(&records(1..=9)).await, Err(Error::Unavailable(_))));
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]).await.unwrap();
    assert_eq!(told(&redis).await, [] as [&str; 0]);
    stream.publish(&records(1..=9)).await.unwrap();
    assert_eq!(told(&redis).await.len(), 9);

    // Something else has the name.
    redis.flush().await.unwrap();
    let script = "redis.call('SELECT', 3) return redis.call('SET', KEYS[1], 'x')";
    redis.ask(&["EVAL", script, "1", STREAM]).await.unwrap();
    assert!(matches!(stream.publish(&records(1..=2)).await, Err(Error::Unavailable(_))));
}
