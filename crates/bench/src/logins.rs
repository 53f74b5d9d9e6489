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
use crate::load::{self, Shape};
use crate::report::median;
use crate::scene::Scene;

/// How many sign in at once, again and again: more than are hashed at a time.
const PEOPLE: usize = 4;

/// Measures `Identify` at a steady rate, without logins and with as many as the service hashes.
pub async fn measure(scene: &Scene, bars: &mut Bars) -> Result<()> {
    let call = scene.identify_login().times(8000);
    let (mut without, mut with, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    let mut paired = Vec::new();
    for _ in 0..=ROUNDS {
        let quiet = load::run(&call, &[], Shape::PACED).await?;
        let people = People::come(scene);
        let busy = load::run(&call, &[], Shape::PACED).await?;
        rates.push(people.leave().await?);
        paired.push(busy.p99_ms / quiet.p99_ms);
        without.push(quiet.p99_ms);
        with.push(busy.p99_ms);
    }
    println!(
        "## Logins at full rate\n\n`Identify` of a login token at 2,000 calls a second: p99 {:.2} ms alone, \
         {:.2} ms while {:.0} logins a second are served.\n",
        median(&mut without),
        median(&mut with),
        median(&mut rates),
    );
    bars.at_most(
        "`Identify` p99 with logins at full rate, against without",
        median(&mut paired),
        1.1,
        "",
    );
    Ok(())
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
