//! Calls at their own times, for what one of them waits.
//!
//! h2load sends what its connections owe all at once, every few milliseconds, and then the last of such a burst waits for
//! the others: its p99 is the cost of ten calls, and what makes a call dearer looks like waiting. Here each call is due at a
//! moment of its own, as those of many siblings are, and its time counts from that moment.
//!
//! Siblings run on other machines. Here they share this one, and would wait for a core beside whatever the service does; so
//! the thread that calls goes before everything else (`SCHED_FIFO`), where this process may have that.

use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use auth_grpc::proto::Token;
use auth_grpc::proto::auth_service_client::AuthServiceClient;
use prost::Message;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use crate::load::Call;

/// Over how many connections, in turn.
const CONNECTIONS: usize = 10;

/// What calls waited, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Waited {
    /// Half of them no longer than this.
    pub p50_ms: f64,
    /// Ninety-nine of a hundred no longer than this.
    pub p99_ms: f64,
}

/// Makes the call as often as it says, which has to be an `Identify`, so often a second.
pub async fn run(call: &Call, rate: f64) -> Result<Waited> {
    let (call, (tell, told)) = (call.clone(), oneshot::channel());
    thread::Builder::new().name("paced".into()).spawn(move || {
        let _ = tell.send(here(&call, rate));
    })?;
    told.await.context("the thread that calls ended")?
}

/// The same, on this thread.
fn here(call: &Call, rate: f64) -> Result<Waited> {
    urgent();
    let message = Token::decode(call.body.get(5..).context("no message")?)?;
    let (due, mut dues) = mpsc::unbounded_channel();
    let mut took: Vec<f64> =
        Builder::new_current_thread().enable_all().build()?.block_on(async {
            let mut clients = Vec::new();
            for _ in 0..CONNECTIONS {
                clients.push(connect(call.address, &message).await?);
            }
            let count = call.count;
            thread::Builder::new()
                .name("paced-clock".into())
                .spawn(move || tick(count, rate, &due))?;
            let (mut calls, mut at) = (JoinSet::new(), 0);
            while let Some(due) = dues.recv().await {
                let mut client = clients.get(at % CONNECTIONS).context("no connection")?.clone();
                let token = message.clone();
                at += 1;
                calls.spawn(async move {
                    client.identify(token).await?;
                    anyhow::Ok(due.elapsed().as_secs_f64() * 1000.0)
                });
            }
            let mut took = Vec::new();
            while let Some(ended) = calls.join_next().await {
                took.push(ended??);
            }
            anyhow::Ok(took)
        })?;
    ensure!(took.len() as u64 == call.count, "{} of {} calls", took.len(), call.count);
    took.sort_by(f64::total_cmp);
    let percentile =
        |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or(f64::NAN);
    Ok(Waited { p50_ms: percentile(50), p99_ms: percentile(99) })
}

/// A connection that has been used once.
async fn connect(address: SocketAddr, message: &Token) -> Result<AuthServiceClient<Channel>> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    let mut client = AuthServiceClient::new(channel);
    client.identify(message.clone()).await?;
    Ok(client)
}

/// Tells when each call is due. The gaps are those of calls that know nothing of one another (exponential), and in every run
/// the same.
fn tick(count: u64, rate: f64, due: &mpsc::UnboundedSender<Instant>) {
    let (mut at, mut seed) = (Instant::now(), 0);
    for _ in 0..count {
        at += Duration::from_secs_f64(-(1.0 - fraction(&mut seed)).ln() / rate);
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if due.send(at).is_err() {
            return;
        }
    }
}

/// A number from 0 to 1, without the 1, that looks random: `SplitMix64`.
fn fraction(seed: &mut u64) -> f64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Has this thread, and those it starts, go before others; says whether that is allowed.
pub fn urgent() -> bool {
    let thread = rustix::thread::gettid().as_raw_nonzero().to_string();
    // util-linux; the standard library has nothing for it.
    let asked = Command::new("chrt").args(["--fifo", "--pid", "1", &thread]).output();
    asked.is_ok_and(|output| output.status.success())
}
