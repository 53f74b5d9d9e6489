//! Redis in six ways: absent, slow, frozen, full, restarted empty, failing over. No call fails in any of them, and
//! no event is lost that was not in Redis yet.

use std::time::{Duration, Instant};

use auth_testkit::{Network, Proxy, Redis};
use tokio::time::sleep;

use super::load::{Load, Size, Target};
use super::table::span;
use crate::events::arrive;
use crate::world::{eventually, postgres};

const SHORT: Duration = Duration::from_millis(1_200);
const LONG: Duration = Duration::from_secs(20);

async fn lasts() {
    sleep(span(SHORT, LONG)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r9_to_r12_redis_in_six_ways_and_no_call_fails() {
    let mut redis = Redis::start().await.unwrap();
    let other = Redis::start().await.unwrap();
    let address = |redis: &Redis| redis.address().parse().unwrap();
    let proxy = Proxy::to(address(&redis)).await.unwrap();
    redis.stop();
    let setup = postgres().await.set("MF_AUTH_ES_URL", proxy.address().to_string());
    let servers = [setup.start().await.unwrap(), setup.start().await.unwrap()];
    let targets = servers.iter().map(Target::of).collect();
    let load = Load::begin(&servers[0], targets, Size::USUAL).await;

    let mut began = Instant::now();
    let mut next = |fault: &'static str, load: &Load| {
        let row = load.row(fault, began, Instant::now());
        assert_eq!(row.failed, 0, "{fault}: Redis is no reason to fail");
        row.print();
        load.count_from_here();
        began = Instant::now();
    };
    load.count_from_here();
    lasts().await;
    next("Redis absent from the start", &load);
    redis.start_again().await.unwrap();
    proxy.become_(Network::Slow(Duration::from_millis(500)));
    lasts().await;
    next("Redis a second away", &load);
    proxy.become_(Network::Fine);
    redis.freeze().await.unwrap();
    lasts().await;
    next("Redis frozen", &load);
    redis.thaw().await.unwrap();

    redis.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await.unwrap();
    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]).await.unwrap();
    let refused = redis.ask(&["XADD", "probe", "*", "a", "b"]).await.unwrap();
    assert!(refused.concat().contains("OOM"), "{refused:?}");
    let before = load.orgs();
    lasts().await;
    next("Redis full", &load);
    let meanwhile: Vec<_> = load.orgs().into_iter().filter(|org| !before.contains(org)).collect();
    assert!(!meanwhile.is_empty(), "nothing was founded");
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]).await.unwrap();
    arrive(&redis, &meanwhile).await;

    redis.stop();
    redis.start_again().await.unwrap();
    lasts().await;
    next("Redis restarted empty", &load);
    let before = load.orgs();
    proxy.become_(Network::Cut);
    lasts().await;
    proxy.lead_to(address(&other));
    proxy.become_(Network::Fine);
    next("Redis away, then another one, empty", &load);
    // What is founded from here on is told to nobody else.
    let known = load.orgs();
    eventually("orgs are founded", Duration::from_secs(10), async || {
        load.orgs().len() > known.len()
    })
    .await;
    let meanwhile: Vec<_> = load.orgs().into_iter().filter(|org| !before.contains(org)).collect();
    arrive(&other, &meanwhile[meanwhile.len() - 1..]).await;
    load.end(&servers[1]).await;
}
