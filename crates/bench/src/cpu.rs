//! What a process used, by what the kernel says of it in `/proc`.

use std::fs;

use anyhow::{Context, Result};

/// `utime` and `stime` count in hundredths of a second on every Linux platform.
const TICK_US: f64 = 10_000.0;

/// The CPU time of these processes and their children, in microseconds.
pub fn used(pids: &[u32]) -> Result<f64> {
    let mut ticks = 0_u64;
    for pid in pids {
        ticks += of_one(*pid)?;
        for child in children(*pid)? {
            // A child that ended meanwhile is no longer ours to count.
            ticks += of_one(child).unwrap_or(0);
        }
    }
    Ok(ticks as f64 * TICK_US)
}

/// The resident memory of a process, in bytes.
pub fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kib * 1024)
}

/// The fields of `/proc/pid/stat` after the name, which may hold blanks itself.
fn stat(pid: u32) -> Result<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = text.rsplit_once(')').context("an odd stat")?;
    Ok(fields.split_whitespace().map(str::to_owned).collect())
}

fn of_one(pid: u32) -> Result<u64> {
    let fields = stat(pid)?;
    let field = |at: usize| -> Result<u64> { Ok(fields.get(at).context("a short stat")?.parse()?) };
    Ok(field(11)? + field(12)?)
}

/// The processes that this one started and that still run.
pub fn children(parent: u32) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(fields) = stat(pid) else { continue };
        if fields.get(1).and_then(|ppid| ppid.parse().ok()) == Some(parent) {
            found.push(pid);
        }
    }
    Ok(found)
}
