//! PostgreSQL away, killed, slow, locked, unreachable and full of others.

use std::time::{Duration, Instant};

use auth_testkit::{Network, Postgres, Proxy, Server, Setup};
use tokio::time::sleep;

use super::load::{Load, Size, Target, on};
use super::table::span;

/// Nothing is answered from memory after this.
const LEASE: Duration = Duration::from_secs(1);

const SHORT: Duration = Duration::from_millis(1_800);
const LONG: Duration = Duration::from_secs(30);

async fn two(setup: &Setup) -> [Server; 2] {
    let (one, two) = tokio::join!(setup.start(), setup.start());
    [one.unwrap(), two.unwrap()]
}

async fn load(servers: &[Server]) -> Load {
    let targets = servers.iter().map(Target::of).collect();
    Load::begin(&servers[0], targets, Size::USUAL).await
}

/// A commit that was answered survives a crash of the server.
const DURABLE: &str = "-c synchronous_commit=on";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_r21_postgresql_stopped_and_killed_under_load() {
    let mut postgres = Postgres::start_with(DURABLE).await.unwrap();
    let servers = two(&on(&postgres.database().await.unwrap())).await;
    let load = load(&servers).await;
    for (fault, kill) in [("PostgreSQL stopped", false), ("PostgreSQL killed", true)] {
        load.count_from_here();
        let began = Instant::now();
        if kill {
            postgres.crash().await.unwrap();
        } else {
            postgres.stop().await.unwrap();
        }
        let away = Instant::now();
        sleep(span(SHORT, LONG)).await;
        load.is_asked_after(away + LEASE).await;
        let starting = Instant::now();
        postgres.start_again().await.unwrap();
        let back = Instant::now();
        load.recovers(back).await;
        load.nothing_was_decided(away + LEASE, starting);
        load.row(fault, began, back).print();
    }
    load.end(&servers[1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r2_r47_the_network_to_postgresql_slow_and_silent() {
    let postgres = Postgres::start().await.unwrap();
    let database = postgres.database().await.unwrap();
    let proxy = Proxy::to(postgres.address()).await.unwrap();
    let servers = two(&on(&database.at(proxy.address()))).await;
    let load = load(&servers).await;
    for (fault, network, (short, long), may_fail) in [
        ("PostgreSQL 40 ms away", Network::Slow(Duration::from_millis(20)), (SHORT, LONG), false),
        ("the network to PostgreSQL swallows everything", Network::Silent, (SHORT * 2, LONG), true),
        ("the network to PostgreSQL cut", Network::Cut, (SHORT, LONG), true),
    ] {
        load.count_from_here();
        let began = Instant::now();
        proxy.become_(network);
        sleep(span(short, long)).await;
        if may_fail {
            load.is_asked_after(began + LEASE).await;
        }
        let better = Instant::now();
        proxy.become_(Network::Fine);
        load.recovers(better).await;
        if may_fail {
            load.nothing_was_decided(began + LEASE, better);
        } else {
            // A connection that is made anew takes several round trips, of which there is a quarter of a second.
            let (asked, failed) = load.counts();
            assert!(asked > failed * 10, "{failed} of {asked} failed: slow is not away");
        }
        load.row(fault, began, better).print();
    }
    load.end(&servers[1]).await;
}

/// Whoever needs what is locked is told to come again, in time; nobody else notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r2_r8_a_locked_table_and_no_connections_left() {
    let postgres = Postgres::start_with("-c max_connections=40").await.unwrap();
    let database = postgres.database().await.unwrap();
    let servers = two(&on(&database).set("MF_AUTH_DB_POOL", "8")).await;
    let load = load(&servers).await;

    load.count_from_here();
    let began = Instant::now();
    let holding = database.clone();
    let lasts = span(SHORT, LONG).as_secs_f64();
    let held = format!(
        "BEGIN; LOCK TABLE orgs IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({lasts}); COMMIT"
    );
    holding.execute(&held).await.unwrap();
    let free = Instant::now();
    load.recovers(free).await;
    let (asked, failed) = load.counts();
    assert!(failed > 0, "nobody noticed");
    assert!(asked > failed * 10, "{failed} of {asked} failed: not only who needs the table");
    load.row("a table of PostgreSQL locked", began, free).print();

    load.count_from_here();
    let began = Instant::now();
    let crowd = database.crowd().await.unwrap();
    sleep(span(SHORT, LONG)).await;
    drop(crowd);
    let gone = Instant::now();
    load.recovers(gone).await;
    assert!(load.counts().1 > 0, "nobody noticed");
    load.row("no connections left in PostgreSQL", began, gone).print();
    load.end(&servers[1]).await;
}
