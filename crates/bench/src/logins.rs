//! What logins at full rate do to those who only ask.

use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use auth_testkit::{ADMIN_EMAIL, ADMIN_PASSWORD};
use serde_json::json;
use tokio::task::JoinSet;

use crate::bars::Bars;
use crate::calls::ROUNDS;
use crate::load::{self, Shape};
use crate::report::median;
use crate::scene::Scene;

/// How many sign in at once, again and again: more than are hashed at a time.
const PEOPLE: usize = 4;

/// Rounds of this: a percentile of few seconds is moved by whatever else the machine does.
const SERIES: usize = ROUNDS * 4;

/// Measures `Identify` at a steady rate: alone, with as many logins as the service hashes, and beside a process
/// that does nothing but keep a core busy when nobody else wants it. The last shows what any work at all costs
/// on this machine, so that what logins add to it is the service's own.
pub async fn measure(scene: &Scene, bars: &mut Bars) -> Result<()> {
    let call = scene.identify_login().times(5000);
    let (mut alone, mut beside, mut with) = (Vec::new(), Vec::new(), Vec::new());
    let (mut raised, mut added, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SERIES {
        let quiet = load::run(&call, &[], Shape::PACED).await?.p99_ms;
        let spinner = Spinner::start()?;
        let spun = load::run(&call, &[], Shape::PACED).await?.p99_ms;
        drop(spinner);
        let people = People::come(scene);
        let busy = load::run(&call, &[], Shape::PACED).await?.p99_ms;
        rates.push(people.leave().await?);
        raised.push(busy / quiet);
        added.push(busy / spun);
        alone.push(quiet);
        beside.push(spun);
        with.push(busy);
    }
    println!(
        "## Logins at full rate\n\n`Identify` of a login token at 2,000 calls a second: p99 {:.2} ms alone, {:.2} ms \
         while {:.0} logins a second are served, {:.2} ms beside a process of the idle class that only spins.\n",
        median(&mut alone),
        median(&mut with),
        median(&mut rates),
        median(&mut beside),
    );
    bars.at_most(
        "`Identify` p99 with logins at full rate, against alone",
        median(&mut raised),
        1.1,
        "",
    );
    bars.at_most("the same, against a core that is busy with nothing", median(&mut added), 1.1, "");
    Ok(())
}

/// A process of the idle class that keeps one core busy, until this is dropped.
struct Spinner(Child);

impl Spinner {
    fn start() -> Result<Self> {
        let spinner =
            Command::new("chrt").args(["--idle", "0", "sh", "-c", "while :; do :; done"]).spawn();
        Ok(Self(spinner.context("chrt (package util-linux)")?))
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        // It has no other end, and whoever drops it cannot be told.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Those who sign in.
struct People {
    tasks: JoinSet<Result<()>>,
    gone: Arc<AtomicBool>,
    logins: Arc<AtomicU64>,
    since: Instant,
}

impl People {
    fn come(scene: &Scene) -> Self {
        let (gone, logins) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for _ in 0..PEOPLE {
            let (gone, logins) = (Arc::clone(&gone), Arc::clone(&logins));
            let client = scene.server.client.clone();
            let url = scene.server.url("/tokens");
            tasks.spawn(async move {
                let body = json!({ "email": ADMIN_EMAIL, "password": ADMIN_PASSWORD });
                while !gone.load(Ordering::Relaxed) {
                    let answer = client.post(&url).json(&body).send().await?;
                    ensure!(answer.status().is_success(), "a login failed: {}", answer.status());
                    logins.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        Self { tasks, gone, logins, since: Instant::now() }
    }

    /// Ends it and says how many signed in a second.
    async fn leave(mut self) -> Result<f64> {
        self.gone.store(true, Ordering::Relaxed);
        let took = self.since.elapsed().as_secs_f64();
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(self.logins.load(Ordering::Relaxed) as f64 / took)
    }
}
