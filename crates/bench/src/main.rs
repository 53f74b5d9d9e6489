//! `make bench`: what a call costs, as CPU time and as a ratio to a bare tonic server in the same
//! run. Prints a report in Markdown.
//!
//! [`load`] drives a server with h2load, [`cpu`] reads what a process used, [`scene`] is the world
//! the calls are made in, and this file says what is measured and in which order.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "measurements are small numbers, and a report may be rounded"
)]

mod cpu;
mod load;
mod scene;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use auth_testkit::{Postgres, Setup};

use crate::load::{Call, Sample, Shape};
use crate::scene::{Bare, Scene};

/// How often each measurement is repeated; the report has medians.
const ROUNDS: usize = 5;

/// The bars this project set itself.
const IDENTIFY_RATIO: f64 = 1.6;
const START: Duration = Duration::from_millis(150);
const IDLE_BYTES: u64 = 40 * 1024 * 1024;
const BINARY_BYTES: u64 = 30 * 1024 * 1024;

#[tokio::main]
async fn main() -> Result<()> {
    let binaries = std::env::current_exe()?.parent().context("its directory")?.to_owned();
    let auth = binaries.join("auth");
    println!("# What a call costs\n");
    println!("{}\n", machine());

    let mut kept = true;
    kept &= size_and_start(&auth).await?;
    let bare = Bare::start(&binaries.join("bare")).await?;
    kept &= embedded(&auth, &bare).await?;
    postgres(&auth, &bare).await?;
    ensure!(kept, "a bar was missed");
    Ok(())
}

/// How big, how soon, how much memory.
async fn size_and_start(auth: &PathBuf) -> Result<bool> {
    let bytes = std::fs::metadata(auth)?.len();
    let mut starts = Vec::new();
    let mut resident = Vec::new();
    for _ in 0..ROUNDS * 2 {
        let setup = Setup::new(auth)?;
        let begun = Instant::now();
        let server = setup.start().await?;
        scene::ready(&server).await?;
        starts.push(begun.elapsed().as_secs_f64() * 1000.0);
        resident.push(cpu::resident(server.pid()?)? as f64 / 1_048_576.0);
        server.stop().await?;
    }
    let (start, idle) = (median(&mut starts), median(&mut resident));
    println!("| | measured | bar |\n| --- | --- | --- |");
    println!("| stripped binary | {:.1} MB | 30 MB |", bytes as f64 / 1_048_576.0);
    println!("| cold start to ready, empty embedded store | {start:.0} ms | 150 ms |");
    println!("| resident memory, idle | {idle:.1} MB | 40 MB |\n");
    Ok(bytes <= BINARY_BYTES
        && start <= START.as_secs_f64() * 1000.0
        && idle <= IDLE_BYTES as f64 / 1_048_576.0)
}

async fn embedded(auth: &PathBuf, bare: &Bare) -> Result<bool> {
    let scene = Scene::build(Setup::new(auth)?, None).await?;
    println!("## Embedded store\n");
    let mut kept = true;
    for shape in Shape::ALL {
        let calls = [scene.identify_login(), scene.identify_key(), scene.authorize()];
        let ratios = compare(&scene, bare, &calls, shape).await?;
        kept &= ratios.first().is_some_and(|ratio| *ratio <= IDENTIFY_RATIO);
    }
    scene.server.stop().await?;
    Ok(kept)
}

async fn postgres(auth: &PathBuf, bare: &Bare) -> Result<()> {
    let postgres = Postgres::start().await?;
    let database = postgres.database().await?;
    let scene = Scene::build(Setup::new(auth)?.on(&database), Some(postgres.pid()?)).await?;
    println!("## PostgreSQL (its processes count as well)\n");
    for shape in Shape::ALL {
        let calls = [scene.identify_login(), scene.identify_key(), scene.authorize()];
        compare(&scene, bare, &calls, shape).await?;
    }
    scene.server.stop().await?;
    Ok(())
}

/// Measures each call and the bare one in turn, so that whatever else the machine does falls on all
/// of them alike; prints a table and gives each call's ratio.
async fn compare(scene: &Scene, bare: &Bare, calls: &[Call], shape: Shape) -> Result<Vec<f64>> {
    let mut yardstick: Vec<Sample> = Vec::new();
    let mut samples: Vec<Vec<Sample>> = calls.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        yardstick.push(load::run(&bare.call()?, &[bare.pid()], shape).await?);
        for (call, samples) in calls.iter().zip(&mut samples) {
            let answered = scene.answered(call).await?;
            samples.push(load::run(call, &scene.pids()?, shape).await?);
            let counted = scene.answered(call).await?.saturating_sub(answered);
            // A store that is asked more than it can do is allowed to say so now and then.
            let enough = call.count - call.count / 1000;
            ensure!(counted >= enough, "{}: only {counted} were answered ok", call.name);
        }
    }
    println!("{} connections, {} calls at once on each:\n", shape.connections, shape.streams);
    println!("| call | calls/s | CPU µs a call | p50 ms | p99 ms | CPU against bare |");
    println!("| --- | --- | --- | --- | --- | --- |");
    row("bare tonic call", &mut yardstick, 1.0);
    let mut ratios = Vec::new();
    for (call, samples) in calls.iter().zip(&mut samples) {
        let mut paired: Vec<f64> =
            samples.iter().zip(&yardstick).map(|(ours, bare)| ours.cpu_us / bare.cpu_us).collect();
        let ratio = median(&mut paired);
        row(call.name, samples, ratio);
        ratios.push(ratio);
    }
    println!();
    Ok(ratios)
}

fn row(name: &str, samples: &mut [Sample], ratio: f64) {
    let of = |value: fn(&Sample) -> f64| median(&mut samples.iter().map(value).collect::<Vec<_>>());
    println!(
        "| {name} | {:.0} | {:.1} | {:.2} | {:.2} | {ratio:.2} |",
        of(|s| s.per_second),
        of(|s| s.cpu_us),
        of(|s| s.p50_ms),
        of(|s| s.p99_ms),
    );
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let name = name.trim_start_matches([' ', '\t', ':']);
    format!("{name}, {cores} cores, shared by the servers, the database and the load generator.")
}
