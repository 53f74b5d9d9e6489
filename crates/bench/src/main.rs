//! `make bench`: what a call costs, as CPU time and as a ratio to a bare tonic server in the same
//! run; what a revocation takes; what is remembered. Prints a report in Markdown.
//!
//! [`load`] drives a server with h2load, [`cpu`] reads what a process used, [`scene`] is the world
//! the calls are made in, [`report`] prints. Each of the others measures one thing, and this file says in
//! which order.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "measurements are small numbers, and a report may be rounded"
)]

mod bars;
mod calls;
mod cpu;
mod flood;
mod garbage;
mod load;
mod logins;
mod report;
mod revoke;
mod scene;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use auth_testkit::{Postgres, Setup};

use crate::bars::Bars;
use crate::calls::ROUNDS;
use crate::load::Shape;
use crate::report::{machine, median};
use crate::scene::{Bare, Scale, Scene};

#[tokio::main]
async fn main() -> Result<()> {
    let binaries = std::env::current_exe()?.parent().context("its directory")?.to_owned();
    let auth = binaries.join("auth");
    println!("# What a call costs\n");
    println!("{}\n", machine());

    let mut bars = Bars::default();
    size_and_start(&auth, &mut bars).await?;
    let bare = Bare::start(&binaries.join("bare")).await?;
    embedded(&auth, &bare).await?;
    postgres(&auth, &bare, &mut bars).await?;
    revoke::measure(&auth, &mut bars).await?;
    flood::measure(&auth, &mut bars).await?;
    let missed = bars.print();
    ensure!(missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

/// How big, how soon, how much memory.
async fn size_and_start(auth: &Path, bars: &mut Bars) -> Result<()> {
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
    bars.at_most("stripped binary", bytes as f64 / 1_048_576.0, 30.0, " MB");
    bars.at_most("cold start to ready, empty embedded store", median(&mut starts), 150.0, " ms");
    bars.at_most("resident memory, idle", median(&mut resident), 40.0, " MB");
    Ok(())
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

/// The calls that have a bar, and everything else that needs a server full of people.
async fn postgres(auth: &Path, bare: &Bare, bars: &mut Bars) -> Result<()> {
    let postgres = Postgres::start().await?;
    let database = postgres.database().await?;
    let scene = Scene::build(Setup::new(auth)?.on(&database), Some(postgres.pid()?)).await?;
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
    garbage::measure(&scene, bars).await?;
    logins::measure(&scene, bars).await?;
    println!(
        "## A hundred thousand memberships against ten\n\n| call | CPU against ten |\n| --- | --- |"
    );
    for (name, few, many) in Scale::build(&scene, &database).await?.pairs {
        let growth = calls::growth(&scene, &few, &many).await?;
        println!("| {name} | {growth:.2} |");
        bars.at_most(format!("{name}, 100,000 memberships against 10"), growth, 1.2, "");
    }
    println!();
    scene.server.stop().await?;
    Ok(())
}
