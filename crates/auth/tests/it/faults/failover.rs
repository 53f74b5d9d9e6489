//! PostgreSQL dies under load, and its standby takes its place.

use std::time::{Duration, Instant};

use auth_testkit::{Postgres, Proxy};
use tokio::time::sleep;

use super::load::{Load, Size, Target, on};
use super::table::span;

/// Commits wait for the standby, so whatever was answered is there after the failover. Until it is promoted it is
/// read-only, and whoever gets there is not answered from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r4_a_standby_is_promoted_under_load_and_no_acknowledged_write_is_lost() {
    let mut primary = Postgres::start_with("-c synchronous_commit=on").await.unwrap();
    let database = primary.database().await.unwrap();
    let standby = primary.standby().await.unwrap();
    let proxy = Proxy::to(primary.address()).await.unwrap();
    let setup = on(&database.at(proxy.address()));
    let servers = [setup.start().await.unwrap(), setup.start().await.unwrap()];
    let targets = servers.iter().map(Target::of).collect();
    let load = Load::begin(&servers[0], targets, Size::USUAL).await;

    load.count_from_here();
    let began = Instant::now();
    primary.crash().await.unwrap();
    proxy.lead_to(standby.address());
    let read_only = Instant::now();
    sleep(span(Duration::from_secs(2), Duration::from_secs(10))).await;
    load.is_asked_after(read_only + Duration::from_secs(1)).await;
    let promoting = Instant::now();
    standby.promote().await.unwrap();
    let promoted = Instant::now();
    load.recovers(promoted).await;
    load.nothing_was_decided(read_only + Duration::from_secs(1), promoting);
    load.row("PostgreSQL fails over to its standby", began, promoted).print();

    // The standby has nobody to wait for, and goes on taking writes.
    load.count_from_here();
    sleep(Duration::from_millis(500)).await;
    assert_eq!(load.counts().1, 0);
    load.end(&servers[1]).await;
}

/// A server that is demoted while connections to it are open takes no write and is asked nothing any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r4_connections_to_a_server_that_became_read_only_are_left() {
    let mut old = Postgres::start_with("-c synchronous_commit=on").await.unwrap();
    let database = old.database().await.unwrap();
    let standby = old.standby().await.unwrap();
    let proxy = Proxy::to(old.address()).await.unwrap();
    let server = on(&database.at(proxy.address())).start().await.unwrap();
    let load = Load::begin(&server, vec![Target::of(&server)], Size::USUAL).await;

    load.count_from_here();
    let began = Instant::now();
    database.execute("ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
    database.execute("SELECT pg_reload_conf()").await.unwrap();
    sleep(span(Duration::from_millis(1_500), Duration::from_secs(10))).await;
    standby.promote().await.unwrap();
    let promoted = Instant::now();
    // Only who connects anew gets there: what is open to the old one is not closed for anybody.
    proxy.lead_new_to(standby.address());
    load.recovers(promoted).await;
    load.row("PostgreSQL made read-only, then replaced", began, promoted).print();
    load.end(&server).await;
}
