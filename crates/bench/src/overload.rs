//! What is left of a service that is asked for three times as much as it can do, and how soon it is itself again.
//!
//! Requests come at their own times, whether others were answered or not, as those of many people do: whoever waits for
//! an answer before asking again never overloads anything.
//!
//! Whoever asks has a core of their own meanwhile ([`Parted`]). Beside what is left of the peak, the CPU time of the service
//! and its database for each good answer is compared: what they spend on anything else is what refusing costs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use auth_testkit::{Postgres, Setup};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::bars::Bars;
use crate::cores::Parted;
use crate::cpu;
use crate::load::{self, Shape};
use crate::paced;
use crate::report::median;
use crate::scene::Scene;

/// How many ask at once, each waiting for its answer, when it is found out how much can be done.
const CALLERS: usize = 32;
/// How long that takes, and how long there is too much.
const PEAK: Duration = Duration::from_secs(5);
const TOO_MUCH: Duration = Duration::from_secs(10);
/// How often both are done.
const ROUNDS: usize = 3;
/// How long an answer is worth anything to whoever asked.
const PATIENCE: Duration = Duration::from_secs(1);
/// How much is asked for afterwards, of what can be done, and how long it is watched.
const AFTERWARDS: f64 = 0.5;
const WATCHED: Duration = Duration::from_secs(12);
/// A piece of that time in which it is asked whether everything is well again.
const PIECE: Duration = Duration::from_millis(500);
/// The most connections there are; who finds none is told so by their own side and counts as not served.
const CONNECTIONS: u64 = 4000;

/// Lists and writes on PostgreSQL, then checks.
pub async fn measure(auth: &Path, bars: &mut Bars) -> Result<()> {
    let parted = Parted::start()?;
    let postgres = Postgres::start().await?;
    let setup = Setup::new(auth)?.on(&postgres.database().await?).unset("MF_AUTH_QUEUE_WAIT");
    let scene = Scene::build(setup, Some(postgres.pid()?)).await?;
    let pids = scene.pids()?;
    let cores = parted.ask()?;
    println!(
        "## Three times as much as can be done\n\nA request is good that is answered with success within {PATIENCE:?}. The service \
         and its database have {cores} of the cores, whoever asks has the last one. Medians of {ROUNDS} rounds.\n\n\
         | | peak a second | good at three times that | refused | neither | p99 of the good | well again after | CPU µs a good one, at the peak and then |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    for (name, request) in [("list of orgs", list(&scene)), ("founding an org", write(&scene))] {
        let target = Target { address: scene.server.http, request: request.into() };
        let mut rounds = Rounds::default();
        for _ in 0..ROUNDS {
            rounds.add(target.round(&pids).await?);
        }
        let again = target.well_again(AFTERWARDS * median(&mut rounds.peak)).await;
        rounds.print(name, again);
        bars.at_most(
            format!("{name}: lost at three times as much"),
            median(&mut rounds.lost),
            20.0,
            " %",
        );
        bars.at_most(
            format!("{name}: CPU time spent on anything but good answers"),
            median(&mut rounds.wasted),
            20.0,
            " %",
        );
        let again = again.unwrap_or(f64::INFINITY);
        bars.at_most(format!("{name}: well again after"), again, 10.0, " s");
    }
    println!();
    checks(&scene, bars).await?;
    scene.server.stop().await?;
    Ok(())
}

/// Checks at three times what can be done, and a few of them while there are too many lists.
async fn checks(scene: &Scene, bars: &mut Bars) -> Result<()> {
    let pids = scene.pids()?;
    let call = scene.identify_login();
    let peak = load::run(&call.clone().times(20_000), &pids, Shape::FEW).await?.per_second;
    let shape = Shape {
        connections: 30,
        streams: 100,
        rate: Some(((3.0 * peak / 30.0).ceil() as u32).max(1)),
    };
    let count = (3.0 * peak * PEAK.as_secs_f64()) as u64;
    let before = scene.answered(&call).await?;
    let flooded = load::run(&call.clone().times(count), &pids, shape).await?;
    let good = (scene.answered(&call).await? - before) as f64 / count as f64 * flooded.per_second;
    println!(
        "Checks (`Identify`, login token): {peak:.0} a second at their peak; at three times that {good:.0} are answered, \
         one in a hundred after more than {:.0} ms.\n",
        flooded.p99_ms
    );
    let lost = (1.0 - good / peak).max(0.0) * 100.0;
    bars.at_most("Identify: lost at three times as much", lost, 20.0, " %");

    let target = Target { address: scene.server.http, request: list(scene).into() };
    let (lists, _) = target.peak(&pids).await?;
    let beside = tokio::spawn({
        let target = target.clone();
        async move { target.open(3.0 * lists, TOO_MUCH).await }
    });
    sleep(Duration::from_secs(1)).await;
    let beside_lists = paced::run(&call.times(3000), 500.0).await?;
    beside.await?;
    println!(
        "Five hundred checks a second beside three times as many lists as can be done: half of them within {:.1} ms, 99 of \
         100 within {:.1} ms.\n",
        beside_lists.p50_ms, beside_lists.p99_ms
    );
    Ok(())
}

fn list(scene: &Scene) -> String {
    format!("GET /orgs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", scene.login())
}

fn write(scene: &Scene) -> String {
    let body = json!({ "name": "acme" }).to_string();
    format!(
        "POST /orgs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        scene.login(),
        body.len()
    )
}

/// What became of requests.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    /// Answered with success in time.
    good: u64,
    /// Told to come back.
    refused: u64,
    /// Neither.
    lost: u64,
    /// How long one in a hundred of the good ones took longer than, in milliseconds.
    p99_ms: f64,
}

/// How much can be done, and what becomes of three times as much right after it.
#[derive(Clone, Copy)]
struct Round {
    /// Answers a second, and CPU microseconds for each, at the peak.
    peak: (f64, f64),
    /// What became of three times as much, and the CPU microseconds for each good answer then.
    flooded: (Outcome, f64),
    /// How many seconds that took.
    took: f64,
}

/// Figures of all rounds: those a second as such, what is lost and wasted in percent.
#[derive(Default)]
struct Rounds {
    peak: Vec<f64>,
    good: Vec<f64>,
    refused: Vec<f64>,
    neither: Vec<f64>,
    p99_ms: Vec<f64>,
    least: Vec<f64>,
    each: Vec<f64>,
    lost: Vec<f64>,
    wasted: Vec<f64>,
}

impl Rounds {
    fn add(&mut self, round: Round) {
        let ((peak, least), (flooded, each)) = (round.peak, round.flooded);
        let a_second = |count: u64| count as f64 / round.took;
        let good = a_second(flooded.good);
        self.peak.push(peak);
        self.good.push(good);
        self.refused.push(a_second(flooded.refused));
        self.neither.push(a_second(flooded.lost));
        self.p99_ms.push(flooded.p99_ms);
        self.least.push(least);
        self.each.push(each);
        self.lost.push((1.0 - good / peak).max(0.0) * 100.0);
        self.wasted.push((1.0 - least / each).max(0.0) * 100.0);
    }

    fn print(&mut self, name: &str, again: Option<f64>) {
        println!(
            "| {name} | {:.0} | {:.0} ({:.0} %) | {:.0} | {:.0} | {:.0} ms | {} | {:.0}, {:.0} |",
            median(&mut self.peak),
            median(&mut self.good),
            100.0 - median(&mut self.lost),
            median(&mut self.refused),
            median(&mut self.neither),
            median(&mut self.p99_ms),
            again.map_or("never".to_owned(), |again| format!("{again:.1} s")),
            median(&mut self.least),
            median(&mut self.each),
        );
    }
}

/// What is asked, and of whom.
#[derive(Clone)]
struct Target {
    address: SocketAddr,
    request: Arc<str>,
}

/// What is counted while requests are under way.
#[derive(Default)]
struct Counts {
    good: AtomicU64,
    refused: AtomicU64,
    lost: AtomicU64,
    connections: AtomicU64,
    took: Mutex<Vec<f64>>,
    idle: Mutex<Vec<TcpStream>>,
}

impl Target {
    async fn round(&self, pids: &[u32]) -> Result<Round> {
        let peak = self.peak(pids).await?;
        ensure!(peak.0 > 0.0, "nothing is answered");
        let (before, used) = (Instant::now(), cpu::used(pids)?);
        let flooded = self.open(3.0 * peak.0, TOO_MUCH).await;
        let took = before.elapsed().as_secs_f64();
        let each = (cpu::used(pids)? - used) / flooded.good as f64;
        Ok(Round { peak, flooded: (flooded, each), took })
    }

    /// How much is answered a second when nobody asks before they were answered, and how much CPU time, in microseconds,
    /// these processes take for each of these answers.
    async fn peak(&self, pids: &[u32]) -> Result<(f64, f64)> {
        let (done, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (target, done, over) = (self.clone(), Arc::clone(&done), Arc::clone(&over));
            callers.spawn(async move {
                let mut stream = TcpStream::connect(target.address).await?;
                while !over.load(Ordering::Relaxed) {
                    let (status, stays) = ask(&mut stream, &target.request).await?;
                    if is_success(status) {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    if !stays {
                        stream = TcpStream::connect(target.address).await?;
                    }
                }
                anyhow::Ok(())
            });
        }
        // The first second opens connections and fills caches.
        sleep(Duration::from_secs(1)).await;
        let (before, begun) = (done.load(Ordering::Relaxed), Instant::now());
        let used = cpu::used(pids)?;
        sleep(PEAK).await;
        let answered = (done.load(Ordering::Relaxed) - before) as f64;
        let peak = answered / begun.elapsed().as_secs_f64();
        let each = (cpu::used(pids)? - used) / answered;
        over.store(true, Ordering::Relaxed);
        while let Some(ended) = callers.join_next().await {
            ended??;
        }
        Ok((peak, each))
    }

    /// Asks so often a second for so long, whatever is answered.
    async fn open(&self, rate: f64, long: Duration) -> Outcome {
        self.open_with(rate, long, &Arc::default()).await
    }

    async fn open_with(&self, rate: f64, long: Duration, counts: &Arc<Counts>) -> Outcome {
        let mut under_way = JoinSet::new();
        let (begun, mut asked) = (Instant::now(), 0_u64);
        while begun.elapsed() < long {
            let due = (begun.elapsed().as_secs_f64() * rate) as u64;
            while asked < due {
                asked += 1;
                let (target, counts) = (self.clone(), Arc::clone(counts));
                under_way.spawn(async move { target.one(&counts).await });
            }
            while under_way.try_join_next().is_some() {}
            sleep(Duration::from_millis(1)).await;
        }
        while under_way.join_next().await.is_some() {}
        let mut took = std::mem::take(&mut *counts.took.lock().await);
        took.sort_by(f64::total_cmp);
        let count = |of: &AtomicU64| of.swap(0, Ordering::Relaxed);
        Outcome {
            good: count(&counts.good),
            refused: count(&counts.refused),
            lost: count(&counts.lost),
            p99_ms: took.get(took.len() * 99 / 100).copied().unwrap_or(f64::NAN) * 1000.0,
        }
    }

    async fn one(&self, counts: &Counts) {
        let begun = Instant::now();
        let answered = timeout(PATIENCE, async {
            let idle = counts.idle.lock().await.pop();
            let mut stream = if let Some(stream) = idle {
                stream
            } else {
                let open = counts.connections.fetch_add(1, Ordering::Relaxed);
                ensure!(open < CONNECTIONS, "no more connections");
                TcpStream::connect(self.address).await?
            };
            let (status, stays) = ask(&mut stream, &self.request).await?;
            if stays {
                counts.idle.lock().await.push(stream);
            } else {
                counts.connections.fetch_sub(1, Ordering::Relaxed);
            }
            Ok(status)
        });
        match answered.await {
            Ok(Ok(status)) if is_success(status) => {
                counts.good.fetch_add(1, Ordering::Relaxed);
                counts.took.lock().await.push(begun.elapsed().as_secs_f64());
            }
            Ok(Ok(503)) => {
                counts.refused.fetch_add(1, Ordering::Relaxed);
            }
            _ => {
                counts.lost.fetch_add(1, Ordering::Relaxed);
                // The connection is gone with its request; another may be opened.
                counts.connections.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// How many seconds pass, at so many requests a second, until everything is answered well from then on.
    async fn well_again(&self, rate: f64) -> Option<f64> {
        let (counts, begun) = (Arc::default(), Instant::now());
        let mut since = Some(0.0);
        while begun.elapsed() < WATCHED {
            let at = begun.elapsed().as_secs_f64();
            let seen = self.open_with(rate, PIECE, &counts).await;
            if seen.refused + seen.lost > 0 {
                since = None;
            } else {
                since = since.or(Some(at));
            }
        }
        since
    }
}

const fn is_success(status: u16) -> bool {
    matches!(status, 200..=299)
}

/// The status of the answer, which is read to its end, and whether more can be asked over the same connection. The generator is to take as little of the machine as it can, so
/// this understands what our service writes and nothing else.
async fn ask(stream: &mut TcpStream, request: &str) -> Result<(u16, bool)> {
    stream.write_all(request.as_bytes()).await?;
    let mut text = Vec::with_capacity(4096);
    loop {
        ensure!(stream.read_buf(&mut text).await? > 0, "closed");
        let Some(end) = place(&text, b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(text.get(..end).unwrap_or_default())?;
        let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
        let body: usize = length.map_or(Ok(0), str::parse)?;
        if text.len() >= end + 4 + body {
            let status = head.split(' ').nth(1).context("no status")?;
            let stays = !head.contains("\r\nconnection: close");
            return Ok((status.parse()?, stays));
        }
    }
}

fn place(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|some| some == wanted)
}
