//! `make bench`: what a call costs, as CPU time and as a ratio to a bare tonic server in the same
//! run; what a revocation takes; what is remembered. Prints a report in Markdown. With the names of
//! parts, `bench logins revoke` for instance, it measures only those. `bench soak 10` is `make soak`, for ten
//! minutes: whether anything grows ([`soak`]).
//!
//! [`load`] drives a server with h2load, [`paced`] with calls at their own times, [`cpu`] reads what a process used,
//! [`scene`] is the world the calls are made in, [`report`] prints. Each of the others measures one thing, and this
//! file says in which order.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "measurements are small numbers, and a report may be rounded"
)]

mod bars;
mod calls;
mod cores;
mod cpu;
mod flood;
mod garbage;
mod load;
mod logins;
mod overload;
mod paced;
mod report;
mod revoke;
mod scene;
mod sessions;
mod soak;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use auth_testkit::{Database, Postgres, Setup};

use crate::bars::Bars;
use crate::calls::ROUNDS;
use crate::load::Shape;
use crate::report::{machine, median};
use crate::scene::{Bare, Scale, Scene};

/// How long a service has had nothing to do when it is called idle.
const IDLE: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> Result<()> {
    let binaries = std::env::current_exe()?.parent().context("its directory")?.to_owned();
    let auth = binaries.join("auth");
    if let Some(minutes) = soaked() {
        return soak::run(&auth, Duration::from_mins(minutes?)).await;
    }
    println!("# What a call costs\n");
    println!("{}\n", machine());

    let mut bars = Bars::default();
    let parts = Parts::asked()?;
    if parts.has("start") {
        size_and_start(&auth, &mut bars).await?;
    }
    if parts.has("calls") {
        let bare = Bare::start(&binaries.join("bare")).await?;
        embedded(&auth, &bare).await?;
        barred(&auth, &bare, &mut bars).await?;
    }
    if ["garbage", "logins", "sessions", "growth"].into_iter().any(|part| parts.has(part)) {
        let bare = Bare::start(&binaries.join("bare")).await?;
        postgres(&auth, &bare, &parts, &mut bars).await?;
    }
    if parts.has("revoke") {
        revoke::measure(&auth, &mut bars).await?;
    }
    if parts.has("memory") {
        flood::measure(&auth, &mut bars).await?;
    }
    if parts.has("overload") {
        overload::measure(&auth, &mut bars).await?;
    }
    let missed = bars.print();
    ensure!(missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

/// For how many minutes to soak, if that is what is asked for.
fn soaked() -> Option<Result<u64>> {
    let mut asked = std::env::args().skip(1);
    (asked.next()? == "soak").then(|| Ok(asked.next().context("for how many minutes?")?.parse()?))
}

/// What is measured: everything, or what the command names.
struct Parts(Vec<String>);

impl Parts {
    const ALL: [&str; 9] = [
        "start", "calls", "garbage", "logins", "sessions", "growth", "revoke", "memory", "overload",
    ];

    fn asked() -> Result<Self> {
        let asked: Vec<_> = std::env::args().skip(1).collect();
        for part in &asked {
            let all = Self::ALL;
            ensure!(all.contains(&part.as_str()), "{part} is no part: there are {all:?}");
        }
        Ok(Self(asked))
    }

    fn has(&self, part: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|asked| asked == part)
    }
}

/// How big, how soon, how much memory.
async fn size_and_start(auth: &Path, bars: &mut Bars) -> Result<()> {
    let bytes = std::fs::metadata(auth)?.len();
    let (mut starts, mut touches, mut resident) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS * 2 {
        touches.push(touch(19 << 20));
        let setup = Setup::new(auth)?;
        let begun = Instant::now();
        let server = setup.start().await?;
        scene::ready(&server).await?;
        starts.push(begun.elapsed().as_secs_f64() * 1000.0);
        tokio::time::sleep(IDLE).await;
        resident.push(cpu::resident(server.pid()?)? as f64 / 1_048_576.0);
        server.stop().await?;
    }
    println!(
        "A cold start hashes a password, in 19 MiB of memory that is new to the process. Writing to that much and \
         nothing else takes {:.0} ms here.\n",
        median(&mut touches)
    );
    bars.at_most("stripped binary", bytes as f64 / 1_048_576.0, 30.0, " MB");
    bars.at_most("cold start to ready, empty embedded store", median(&mut starts), 150.0, " ms");
    bars.at_most("resident memory, idle", median(&mut resident), 40.0, " MB");
    Ok(())
}

/// How long it takes to write to so many bytes for the first time, in milliseconds: on a virtual machine that
/// gives free memory back, most of it is waiting for the host.
fn touch(bytes: usize) -> f64 {
    let begun = Instant::now();
    let memory = black_box(vec![1_u8; bytes]);
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    drop(memory);
    took
}

async fn embedded(auth: &Path, bare: &Bare) -> Result<()> {
    let scene = Scene::build(Setup::new(auth)?, None).await?;
    println!("## Embedded store\n");
    for shape in [Shape::MANY, Shape::FEW] {
        let calls = [scene.identify_login(), scene.identify_key(), scene.authorize_org()];
        calls::compare(&scene, bare, &calls, shape).await?;
    }
    scene.server.stop().await?;
    Ok(())
}

/// A server full of people on PostgreSQL.
async fn crowded(auth: &Path, database: &Database, postgres: &Postgres) -> Result<Scene> {
    Scene::build(Setup::new(auth)?.on(database), Some(postgres.pid()?)).await
}

/// The calls that have a bar.
async fn barred(auth: &Path, bare: &Bare, bars: &mut Bars) -> Result<()> {
    let postgres = Postgres::start().await?;
    let scene = crowded(auth, &postgres.database().await?, &postgres).await?;
    println!("## PostgreSQL (its processes count as well)\n");
    let calls = [
        (scene.identify_login(), 1.4),
        (scene.identify_key(), 1.5),
        (scene.authorize_org(), 1.5),
        (scene.authorize_platform().await?, 1.5),
        (scene.authorize_group(), 1.6),
    ];
    let (calls, demanded): (Vec<_>, Vec<_>) = calls.into_iter().unzip();
    for (shape, many) in [(Shape::MANY, "50 connections"), (Shape::FEW, "10 connections")] {
        let ratios = calls::compare(&scene, bare, &calls, shape).await?;
        for ((call, ratio), bar) in calls.iter().zip(ratios).zip(&demanded) {
            bars.at_most(format!("{}, CPU against bare, {many}", call.name), ratio, *bar, "");
        }
    }
    scene.server.stop().await?;
    Ok(())
}

/// Everything else that needs a server full of people.
async fn postgres(auth: &Path, bare: &Bare, parts: &Parts, bars: &mut Bars) -> Result<()> {
    let postgres = Postgres::start().await?;
    let database = postgres.database().await?;
    let scene = crowded(auth, &database, &postgres).await?;
    if parts.has("garbage") {
        garbage::measure(&scene, bars).await?;
    }
    if parts.has("logins") {
        logins::measure(&scene, bare, bars).await?;
    }
    if parts.has("sessions") {
        sessions::measure(&scene, bare, bars).await?;
    }
    if parts.has("growth") {
        growth(&scene, &database, bars).await?;
    }
    scene.server.stop().await?;
    Ok(())
}

async fn growth(scene: &Scene, database: &Database, bars: &mut Bars) -> Result<()> {
    println!(
        "## A hundred thousand memberships against ten\n\n| call | CPU against ten |\n| --- | --- |"
    );
    for (name, few, many) in Scale::build(scene, database).await?.pairs {
        let growth = calls::growth(scene, &few, &many).await?;
        println!("| {name} | {growth:.2} |");
        bars.at_most(format!("{name}, 100,000 memberships against 10"), growth, 1.2, "");
    }
    println!();
    Ok(())
}
