//! What a process holds, time after time.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use auth_testkit::Server;

use crate::cpu;

/// What it held at one time.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Since when it is watched.
    pub at: Duration,
    /// Bytes of resident memory.
    pub resident: f64,
    /// Open descriptors.
    pub descriptors: f64,
    /// Threads.
    pub threads: f64,
    /// Tasks that have begun and not ended, as it says itself.
    pub tasks: f64,
    /// Connections to the database, open or being opened.
    pub sessions: f64,
}

async fn tasks(server: &Server) -> Result<f64> {
    let numbers = server.client.get(server.ops_url("/metrics")).send().await?.text().await?;
    let tasks = numbers.lines().find_map(|line| line.strip_prefix("auth_tasks "));
    // Not before the first time that it is counted.
    Ok(tasks.map_or(Ok(0.0), str::parse)?)
}

/// A process that is watched.
#[derive(Debug)]
pub struct Watch {
    pid: u32,
    port: u16,
    looks: Vec<Look>,
}

impl Watch {
    /// Nothing is known of it yet. It reaches its database there.
    pub const fn new(pid: u32, database: SocketAddr) -> Self {
        Self { pid, port: database.port(), looks: Vec::new() }
    }

    /// Looks at it.
    pub async fn look(&mut self, at: Duration, server: &Server) -> Result<()> {
        let tasks = tasks(server).await?;
        let count = |what: &str| -> Result<f64> {
            Ok(fs::read_dir(format!("/proc/{}/{what}", self.pid))?.count() as f64)
        };
        self.looks.push(Look {
            at,
            resident: cpu::resident(self.pid)? as f64,
            descriptors: count("fd")?,
            threads: count("task")?,
            tasks,
            sessions: self.sessions()?,
        });
        Ok(())
    }

    /// Its sockets that lead to the database.
    fn sessions(&self) -> Result<f64> {
        let mut ours = std::collections::HashSet::new();
        for descriptor in fs::read_dir(format!("/proc/{}/fd", self.pid))?.flatten() {
            // One that was closed meanwhile leads nowhere.
            let Ok(target) = fs::read_link(descriptor.path()) else { continue };
            let target = target.to_string_lossy().into_owned();
            if let Some(inode) = target.strip_prefix("socket:[") {
                ours.insert(inode.trim_end_matches(']').to_owned());
            }
        }
        let remote = format!(":{:04X}", self.port);
        let sockets = fs::read_to_string(format!("/proc/{}/net/tcp", self.pid))?;
        let leads_there = |line: &&str| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let there = fields.get(2).is_some_and(|at| at.ends_with(&remote));
            there && fields.get(9).is_some_and(|inode| ours.contains(*inode))
        };
        Ok(sockets.lines().filter(leads_there).count() as f64)
    }

    /// What it held in the first half of the time, and in the second.
    pub fn halves(&self) -> (&[Look], &[Look]) {
        self.looks.split_at(self.looks.len() / 2)
    }
}
