//! Which cores the generator runs on, and which what it asks.
//!
//! Whoever overloads a service takes the more of a processor that both share the more they ask, and what is lost by that
//! is not the service's. So they are given cores of their own, as on machines of their own; and the service starts on its
//! own, because it asks then how many it has.

use std::fs;

use anyhow::{Context, Result, ensure};
use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

/// The last core is the generator's, all others are for what it asks.
pub struct Parted {
    last: CpuSet,
    others: CpuSet,
}

impl Parted {
    /// Moves this process to the cores for what it asks, so that what it starts from now on stays there. A machine has to
    /// have two cores at least.
    pub fn start() -> Result<Self> {
        let mut others = sched_getaffinity(None)?;
        let ours = (0..CpuSet::MAX_CPU).rfind(|core| others.is_set(*core)).context("no core")?;
        others.unset(ours);
        ensure!(others.count() > 0, "the generator needs a core of its own, and there is only one");
        let mut last = CpuSet::new();
        last.set(ours);
        move_to(&others)?;
        Ok(Self { last, others })
    }

    /// Moves this process, and what it starts from now on, to its own core, and gives how many the others are.
    pub fn ask(&self) -> Result<u32> {
        move_to(&self.last)?;
        Ok(self.others.count())
    }
}

/// Binds every thread of this process; those to come are bound like those that start them.
fn move_to(cores: &CpuSet) -> Result<()> {
    for thread in fs::read_dir("/proc/self/task")? {
        let id: i32 = thread?.file_name().to_string_lossy().parse()?;
        match sched_setaffinity(Pid::from_raw(id), cores) {
            // It ended meanwhile.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
