//! The clock of one replica of three an hour ahead, then an hour behind.

use std::path::Path;
use std::time::{Duration, Instant};

use auth_testkit::Server;
use tokio::time::sleep;

use super::load::{Load, Size, Target};
use super::table::span;
use crate::world::{eventually, metric, postgres};

/// Puts the clock of whoever reads the file so far ahead, in one step.
fn step(clock: &Path, seconds: i32) {
    let fresh = clock.with_extension("new");
    std::fs::write(&fresh, (i64::from(seconds) * 1_000_000).to_string()).unwrap();
    std::fs::rename(fresh, clock).unwrap();
}

/// Waits until an operator can see by how much the clock was set.
async fn shown(server: &Server, seconds: i32) {
    eventually("the step is shown", Duration::from_secs(20), async || {
        let shown = metric(server, "auth_clock_step_seconds").await;
        (shown - f64::from(seconds)).abs() < 5.0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r29_a_clock_an_hour_ahead_and_an_hour_behind() {
    let clocks = tempfile::tempdir().unwrap();
    let clock = clocks.path().join("clock");
    let setup = postgres().await;
    let stepped = setup.clone().set("KEYWARD_TEST_WALL_CLOCK", clock.display().to_string());
    let servers = [stepped.start().await.unwrap(), setup.start().await.unwrap()];
    let targets = servers.iter().map(Target::of).collect();
    let load = Load::begin(&servers[1], targets, Size::USUAL).await;
    for (fault, seconds) in [("a clock an hour ahead", 3_600), ("a clock an hour behind", -3_600)] {
        load.count_from_here();
        let began = Instant::now();
        step(&clock, seconds);
        shown(&servers[0], seconds).await;
        sleep(span(Duration::from_secs(1), Duration::from_secs(20))).await;
        step(&clock, 0);
        shown(&servers[0], 0).await;
        let ended = Instant::now();
        load.recovers(ended).await;
        let row = load.row(fault, began, ended);
        assert_eq!(row.failed, 0);
        row.print();
    }
    load.end(&servers[1]).await;
}
