//! `make soak`: two replicas under mixed load for minutes, with something broken now and then. What they hold must not
//! grow: resident memory, descriptors, threads, tasks, sessions of the database.
//!
//! [`load`] calls, [`breaking`] breaks, [`watch`] looks at the processes, [`trend`] says whether something grows.

mod breaking;
mod load;
mod trend;
mod watch;

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use auth_testkit::{Postgres, Proxy, Redis, Setup};
use tokio::time::{Instant, sleep_until};

use self::breaking::Breaking;
use self::load::Load;
use self::trend::Trend;
use self::watch::{Look, Watch};
use crate::bars::Bars;
use crate::report::{machine, median};

/// How often the processes are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// The memory of checks is full well before the half from which on nothing may grow.
const MEMORY: &str = "1MiB";

/// Reads one.
type Figure = fn(&Look) -> f64;

/// A figure that must not grow: its name, how it is read, and by how much it may seem to grow in a minute. That is
/// for the noise of a short run; over hours it would be seen.
const FIGURES: [(&str, Figure, f64, &str); 5] = [
    ("resident memory", |look| look.resident / 1_048_576.0, 0.25, " MB"),
    ("descriptors", |look| look.descriptors, 0.5, ""),
    ("threads", |look| look.threads, 0.2, ""),
    ("tasks", |look| look.tasks, 1.0, ""),
    ("sessions of PostgreSQL", |look| look.sessions, 0.5, ""),
];

/// Runs for so long, and fails when something grew, when an answer was wrong, or when a call failed while nothing was
/// broken.
pub async fn run(auth: &Path, lasts: Duration) -> Result<()> {
    println!("# Soak\n\n{}\n", machine());
    let mut postgres = Postgres::start().await?;
    let redis = Redis::start().await?;
    let database = postgres.database().await?;
    let network = Proxy::to(postgres.address()).await?;
    let setup = Setup::new(auth)?
        .on(&database.at(network.address()))
        .set("MF_AUTH_ES_URL", redis.address())
        .set("MF_AUTH_MEMORY", MEMORY)
        // A machine that is busy with something else is no fault of the database.
        .set("MF_AUTH_DB_ACQUIRE_TIMEOUT", "5s");
    let servers = [setup.start().await?, setup.start().await?];
    let load = Load::begin(&servers).await?;
    let mut watches = Vec::new();
    for server in &servers {
        watches.push(Watch::new(server.pid()?, network.address()));
    }
    let mut breaking = Breaking::default();
    let began = Instant::now();
    let end = began + lasts;
    let mut next = began;
    while next < end {
        next += EVERY;
        sleep_until(next).await;
        for (watch, server) in watches.iter_mut().zip(&servers) {
            watch.look(began.elapsed(), server).await?;
        }
        breaking.now_and_then(began.elapsed(), lasts, &mut postgres, &redis, &network).await?;
    }
    let told = load.end(&breaking).await?;
    for server in servers {
        ensure!(server.stop().await?.success(), "it did not stop well");
    }

    let mut bars = Bars::default();
    println!(
        "{:.0} s, {} calls, {} of them failed while something was broken: {}.\n",
        lasts.as_secs_f64(),
        told.calls,
        told.excused,
        breaking.summary()
    );
    println!(
        "| replica | | first half | second half | a minute |\n| --- | --- | --- | --- | --- |"
    );
    for (number, watch) in (1..).zip(&watches) {
        for (name, read, bar, unit) in FIGURES {
            let (first, second) = watch.halves();
            let middle = |looks: &[Look]| median(&mut looks.iter().map(read).collect::<Vec<_>>());
            let points: Vec<_> =
                second.iter().map(|look| (look.at.as_secs_f64() / 60.0, read(look))).collect();
            let trend = Trend::of(&points);
            println!(
                "| {number} | {name} | {:.1}{unit} | {:.1}{unit} | {:+.3} ± {:.3}{unit} |",
                middle(first),
                middle(second),
                trend.slope,
                trend.error
            );
            bars.at_most(
                format!("replica {number}: {name}, surely gained a minute"),
                trend.surely(),
                bar,
                unit,
            );
        }
    }
    println!();
    bars.at_most("wrong answers", told.wrong as f64, 0.0, "");
    bars.at_most("calls that failed while nothing was broken", told.unexplained as f64, 0.0, "");
    let drift = told.latency_after / told.latency_before;
    bars.at_most("median latency of a check, second half against first", drift, 1.1, "");
    let missed = bars.print();
    ensure!(missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}
