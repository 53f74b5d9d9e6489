//! What logins at full rate do to those who only ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};
use auth_testkit::{ADMIN_EMAIL, ADMIN_PASSWORD};
use serde_json::json;
use tokio::task::JoinSet;

use crate::bars::Bars;
use crate::calls::ROUNDS;
use crate::load::Call;
use crate::paced;
use crate::report::median;
use crate::scene::{Bare, Scene};

/// How many sign in at once, again and again: more than are hashed at a time.
const PEOPLE: usize = 4;

/// Calls a second: what is waited for is not their own queue.
const RATE: f64 = 2000.0;

/// Rounds of this: a percentile of few seconds is moved by whatever else the machine does.
const SERIES: usize = ROUNDS * 4;

/// Measures `Identify` at a steady rate, alone and with as many logins as the service hashes, and the same of
/// the bare server, which hashes nothing: what logins do to that one is what any work does to a call on this
/// machine, and what they do to ours beyond it is the service's own.
pub async fn measure(scene: &Scene, bare: &Bare, bars: &mut Bars) -> Result<()> {
    let calls = [scene.identify_login().times(5000), bare.call()?.times(5000)];
    let [mut ours, mut theirs] = [Pairs::default(), Pairs::default()];
    let (mut added, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..SERIES {
        let [quiet, bare_quiet] = p99(&calls).await?;
        let people = People::come(scene);
        let [busy, bare_busy] = p99(&calls).await?;
        rates.push(people.leave().await?);
        added.push(ours.add(quiet, busy) / theirs.add(bare_quiet, bare_busy));
    }
    println!(
        "## Logins at full rate\n\n{:.0} logins a second are served meanwhile. Whoever calls {} before everything else.\n\n\
         | 2,000 calls a second | p99 alone | p99 with logins | ratio |\n| --- | --- | --- | --- |",
        median(&mut rates),
        if std::thread::spawn(paced::urgent).join().unwrap_or_default() {
            "goes"
        } else {
            "could not go"
        },
    );
    let raised = ours.row("Identify, login token");
    theirs.row("bare tonic call, by a process that hashes nothing");
    println!();
    bars.at_most("`Identify` p99 with logins at full rate, against alone", raised, 1.1, "");
    let added = median(&mut added);
    bars.at_most("the same, against what they do to a bare server", added, 1.1, "");
    Ok(())
}

/// The p99 of each call, in milliseconds.
async fn p99(calls: &[Call; 2]) -> Result<[f64; 2]> {
    let [ours, theirs] = calls;
    let ours = paced::run(ours, RATE).await?.p99_ms;
    Ok([ours, paced::run(theirs, RATE).await?.p99_ms])
}

/// Figures of one call: alone, with logins, and how many times as much that is.
#[derive(Default)]
struct Pairs([Vec<f64>; 3]);

impl Pairs {
    fn add(&mut self, alone: f64, with: f64) -> f64 {
        let ratio = with / alone;
        for (figures, figure) in self.0.iter_mut().zip([alone, with, ratio]) {
            figures.push(figure);
        }
        ratio
    }

    /// Prints the medians and gives that of the ratio.
    fn row(&mut self, name: &str) -> f64 {
        let [alone, with, ratio] = self.0.each_mut().map(|figures| median(figures));
        println!("| {name} | {alone:.2} ms | {with:.2} ms | {ratio:.2} |");
        ratio
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
