//! What a process used, by what the kernel says of it in `/proc`.

use std::fs;

use anyhow::{Context, Result};

/// `utime` and `stime` count in hundredths of a second on every Linux platform.
const TICK_US: f64 = 10_000.0;

/// The CPU time of these processes and their children, also of those that have ended, in microseconds.
pub fn used(pids: &[u32]) -> Result<f64> {
    let mut ticks = 0_u64;
    for pid in pids {
        ticks += of_one(*pid)? + of_ended_children(*pid)?;
        for child in children(*pid)? {
            // One that ended meanwhile is counted among those the next time.
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

/// `utime` and `stime`.
fn of_one(pid: u32) -> Result<u64> {
    sum(pid, [11, 12])
}

/// `cutime` and `cstime`: of the children it has waited for.
fn of_ended_children(pid: u32) -> Result<u64> {
    sum(pid, [13, 14])
}

fn sum(pid: u32, places: [usize; 2]) -> Result<u64> {
    let fields = stat(pid)?;
    let field = |at: usize| -> Result<u64> { Ok(fields.get(at).context("a short stat")?.parse()?) };
    let [one, other] = places;
    Ok(field(one)? + field(other)?)
}

/// The processes that this one started and that still run.
fn children(parent: u32) -> Result<Vec<u32>> {
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
