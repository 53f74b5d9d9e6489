//! Which cores the generator runs on, and which what it asks.
//!
//! Whoever overloads a service takes the more of a processor that both share the more they ask, and what is lost by that
//! is not the service's. So they are given cores of their own, as on machines of their own.

use std::fs;

use anyhow::{Context, Result, ensure};
use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

use crate::cpu;

/// Moves this process, and what it starts from now on, to the last core, and those processes and their children to all the others;
/// gives how many these are. A machine has to have two cores at least.
pub fn part(pids: &[u32]) -> Result<usize> {
    let all = sched_getaffinity(None)?;
    let mut cores: Vec<_> = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core)).collect();
    let ours = cores.pop().context("no core")?;
    ensure!(!cores.is_empty(), "the generator needs a core of its own, and there is only one");
    for pid in pids {
        bind(*pid, &cores)?;
        for child in cpu::children(*pid)? {
            bind(child, &cores)?;
        }
    }
    bind(std::process::id(), &[ours])?;
    Ok(cores.len())
}

/// Binds every thread of the process; those to come are bound like those that start them.
fn bind(pid: u32, cores: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let id: i32 = thread?.file_name().to_string_lossy().parse()?;
        match sched_setaffinity(Pid::from_raw(id), &set) {
            // It ended meanwhile.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
