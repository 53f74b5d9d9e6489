//! What sessions cost: signing in, refreshing, and asking about a token over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use auth_testkit::{ADMIN_EMAIL, ADMIN_PASSWORD, Server};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::bars::Bars;
use crate::calls::ROUNDS;
use crate::cpu;
use crate::load::{self, Shape};
use crate::report::median;
use crate::scene::{Bare, Scene};

/// How many ask at once, each one thing after another.
const PEOPLE: usize = 8;
/// How often each thing is done in a round; signing in, which hashes, less often.
const TIMES: u64 = 4_000;
const SIGN_INS: u64 = 80;

/// What is done over and over.
#[derive(Clone, Copy)]
enum What {
    /// A sign-in for a login token: a hash and hardly more.
    Login,
    /// A sign-in for a session.
    Begin,
    /// A refresh, one after another in a chain.
    Refresh,
    /// A question about an access token, answered from memory.
    Introspect,
    /// A write beside which a refresh is measured: what is attached to one's account.
    Write,
}

impl What {
    const fn times(self) -> u64 {
        match self {
            Self::Login | Self::Begin => SIGN_INS,
            Self::Refresh | Self::Introspect | Self::Write => TIMES,
        }
    }
}

/// Measures the CPU time of all processes that answer. One write is what a write costs beyond a question that
/// is answered from memory: both come over HTTP and show a token.
pub async fn measure(scene: &Scene, bare: &Bare, bars: &mut Bars) -> Result<()> {
    let all = [What::Login, What::Begin, What::Refresh, What::Introspect, What::Write];
    let mut figures: [Vec<f64>; 5] = Default::default();
    let (mut sign_in, mut refresh, mut introspect, mut yardstick) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let bare = load::run(&bare.call()?, &[bare.pid()], Shape::FEW).await?.cpu_us;
        let mut round = [0.0; 5];
        for ((what, figure), all) in all.into_iter().zip(&mut round).zip(&mut figures) {
            *figure = cost(scene, what).await?;
            all.push(*figure);
        }
        let [login, begin, refreshed, asked, write] = round;
        yardstick.push(bare);
        sign_in.push(begin / login);
        refresh.push(refreshed / (3.0 * bare + (write - asked).max(0.0)));
        introspect.push(asked / bare);
    }
    println!("## Sessions, over HTTP\n\n| | CPU µs each |\n| --- | --- |");
    println!("| bare tonic call | {:.1} |", median(&mut yardstick));
    let names = [
        "`POST /tokens`",
        "`POST /sessions`",
        "`POST /sessions/refresh`",
        "`POST /introspect`, access token",
        "`PUT /users`, a write",
    ];
    for (name, figures) in names.iter().zip(&mut figures) {
        println!("| {name} | {:.1} |", median(figures));
    }
    println!();
    let sign_in = median(&mut sign_in);
    bars.at_most("CPU of a sign-in with a session, against one without", sign_in, 1.15, "");
    let refresh = median(&mut refresh);
    bars.at_most("CPU of a refresh, against three bare calls and a write", refresh, 1.0, "");
    bars.at_most("CPU of an introspection, against a bare call", median(&mut introspect), 3.0, "");
    Ok(())
}

/// The CPU time of doing it once, in microseconds.
async fn cost(scene: &Scene, what: What) -> Result<f64> {
    let mut people = Vec::new();
    for _ in 0..PEOPLE {
        people.push(Person::come(&scene.server).await?);
    }
    let left = Arc::new(AtomicU64::new(what.times()));
    let before = cpu::used(&scene.pids()?)?;
    let mut tasks = JoinSet::new();
    for mut person in people {
        let left = Arc::clone(&left);
        let (client, base) = (scene.server.client.clone(), scene.server.url(""));
        tasks.spawn(async move {
            let take = |left: u64| left.checked_sub(1);
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
                person.act(&client, &base, what).await?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok((cpu::used(&scene.pids()?)? - before) / what.times() as f64)
}

/// Somebody with a session.
struct Person {
    access: String,
    refresh: String,
}

impl Person {
    async fn come(server: &Server) -> Result<Self> {
        let body = json!({ "email": ADMIN_EMAIL, "password": ADMIN_PASSWORD });
        let answer = server.send(Method::POST, "/sessions", None, Some(&body)).await?;
        ensure!(answer.status().is_success(), "a sign-in failed: {}", answer.status());
        Self::of(&answer.json().await?)
    }

    fn of(answer: &Value) -> Result<Self> {
        let text = |name: &str| {
            answer.get(name).and_then(Value::as_str).map(str::to_owned).context("no token")
        };
        Ok(Self { access: text("access_token")?, refresh: text("refresh_token")? })
    }

    async fn act(&mut self, client: &reqwest::Client, base: &str, what: What) -> Result<()> {
        let post = |path: &str| client.post(format!("{base}{path}"));
        let credentials = json!({ "email": ADMIN_EMAIL, "password": ADMIN_PASSWORD });
        let request = match what {
            What::Login => post("/tokens").json(&credentials),
            What::Begin => post("/sessions").json(&credentials),
            What::Refresh => {
                post("/sessions/refresh").json(&json!({ "refresh_token": self.refresh }))
            }
            What::Introspect => post("/introspect")
                .bearer_auth(&self.access)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(format!("token={}", self.access)),
            What::Write => client
                .put(format!("{base}/users"))
                .bearer_auth(&self.access)
                .json(&json!({ "metadata": { "a": 1 } })),
        };
        let answer = request.send().await?;
        ensure!(answer.status().is_success(), "{}: {}", answer.url(), answer.status());
        if matches!(what, What::Refresh) {
            *self = Self::of(&answer.json().await?)?;
        } else {
            answer.bytes().await?;
        }
        Ok(())
    }
}
