//! Drives a gRPC server with h2load (Debian package `nghttp2-client`).

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use prost::Message;
use tokio::process::Command;

use crate::cpu;

/// One call, made over and over.
#[derive(Clone, Debug)]
pub struct Call {
    /// What the report calls it.
    pub name: &'static str,
    /// What the service calls it in its metrics.
    pub operation: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// The gRPC path.
    pub path: &'static str,
    /// The message, framed.
    pub body: Vec<u8>,
    /// How often.
    pub count: u64,
}

impl Call {
    /// The same, so often.
    pub fn times(self, count: u64) -> Self {
        Self { count, ..self }
    }

    /// The message as gRPC frames it: not compressed, its length, itself.
    pub fn framed(message: &impl Message) -> Result<Vec<u8>> {
        let message = message.encode_to_vec();
        let mut frame = vec![0];
        frame.extend(u32::try_from(message.len())?.to_be_bytes());
        frame.extend(message);
        Ok(frame)
    }
}

/// How many connections, and how many calls at once on each.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Connections.
    pub connections: u32,
    /// Calls at once on each.
    pub streams: u32,
    /// Calls a second on each, where that is not left to the server's speed.
    pub rate: Option<u32>,
}

impl Shape {
    /// Many siblings with a call at a time.
    pub const MANY: Self = Self { connections: 50, streams: 1, rate: None };
    /// Few siblings with many.
    pub const FEW: Self = Self { connections: 10, streams: 10, rate: None };
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Calls a second.
    pub per_second: f64,
    /// CPU time a call, of all processes that answer, in microseconds.
    pub cpu_us: f64,
    /// The median latency, in milliseconds.
    pub p50_ms: f64,
    /// The latency that one call in a hundred exceeds, in milliseconds.
    pub p99_ms: f64,
}

/// Makes the call as often as it says and measures what these processes used for it.
pub async fn run(call: &Call, pids: &[u32], shape: Shape) -> Result<Sample> {
    let directory = tempfile::tempdir()?;
    let (body, log) = (directory.path().join("body"), directory.path().join("log"));
    std::fs::write(&body, &call.body)?;
    let before = cpu::used(pids)?;
    let begun = Instant::now();
    let output = Command::new("h2load")
        .args(["-n", &call.count.to_string()])
        .args(["-c", &shape.connections.to_string(), "-m", &shape.streams.to_string()])
        .args(shape.rate.map(|rate| format!("--rps={rate}")))
        .args(["-H", "content-type: application/grpc", "-H", "te: trailers"])
        .arg("-d")
        .arg(&body)
        .arg(format!("--log-file={}", log.display()))
        .arg(format!("http://{}{}", call.address, call.path))
        .stdin(Stdio::null())
        .output()
        .await
        .context("h2load (install the package nghttp2-client)")?;
    let took = begun.elapsed().as_secs_f64();
    let used = cpu::used(pids)? - before;
    let text = String::from_utf8_lossy(&output.stdout);
    let good = format!("{} succeeded", call.count);
    ensure!(output.status.success() && text.contains(&good), "{}: {text}", call.name);
    let mut micros = latencies(&std::fs::read_to_string(&log)?);
    micros.sort_by(f64::total_cmp);
    let percentile = |percent: usize| {
        micros.get(micros.len() * percent / 100).copied().unwrap_or(f64::NAN) / 1000.0
    };
    Ok(Sample {
        per_second: call.count as f64 / took,
        cpu_us: used / call.count as f64,
        p50_ms: percentile(50),
        p99_ms: percentile(99),
    })
}

/// Each line of h2load's log has a start time, a status and a latency in microseconds.
fn latencies(log: &str) -> Vec<f64> {
    log.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse().ok()).collect()
}
