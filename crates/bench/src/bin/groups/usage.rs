//! What the server's processes spent on statements, by their own count: with `log_statement_stats` each of
//! them writes the CPU time of every step into the log. So the time a statement takes is told apart from the
//! time it waits for a core that somebody else has.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result};

/// The settings that make a server write it, without the statements, and begin each line with a process.
pub const SETTINGS: &str =
    "-c log_statement_stats=on -c log_min_error_statement=panic -c log_line_prefix='%p '";

/// What a call cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// What the server's process computed, in milliseconds.
    pub busy: f64,
    /// How long it took for that, in milliseconds.
    pub elapsed: f64,
}

/// The log of a server.
pub struct Log {
    path: PathBuf,
    read: u64,
}

impl Log {
    pub const fn new(path: PathBuf) -> Self {
        Self { path, read: 0 }
    }

    /// What was written since the last time.
    fn news(&mut self) -> Result<String> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut text = Vec::new();
        self.read += file.read_to_end(&mut text)? as u64;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Forgets what was written so far.
    pub fn skip(&mut self) -> Result<()> {
        self.news().map(drop)
    }

    /// What the calls since then cost, each of which was so many statements, and all those of one caller on
    /// the same connection.
    pub fn calls(&mut self, statements: usize) -> Result<Vec<Cost>> {
        let text = self.news()?;
        let mut calls = Vec::new();
        let mut open: HashMap<&str, (Cost, usize)> = HashMap::new();
        let mut of = None;
        for line in text.lines() {
            if let Some((
                process,
                "LOG:  PARSE MESSAGE STATISTICS" | "LOG:  BIND MESSAGE STATISTICS",
            )) = line.split_once(' ')
            {
                of = Some((process, false));
            } else if let Some((process, "LOG:  EXECUTE MESSAGE STATISTICS")) = line.split_once(' ')
            {
                of = Some((process, true));
            } else if line.ends_with(" s elapsed")
                && let Some((process, ends)) = of.take()
            {
                let step = cost(line).with_context(|| format!("an odd line: {line}"))?;
                let (cost, done) = open.entry(process).or_default();
                cost.busy += step.busy;
                cost.elapsed += step.elapsed;
                *done += usize::from(ends);
                if *done == statements {
                    calls.extend(open.remove(process).map(|(cost, _)| cost));
                }
            }
        }
        Ok(calls)
    }
}

/// `! 0.000123 s user, 0.000004 s system, 0.000130 s elapsed`
fn cost(line: &str) -> Option<Cost> {
    let mut numbers = line.trim_start_matches(['\t', '!', ' ']).split(", ").map(|part| {
        part.split(' ').next().and_then(|number| number.parse::<f64>().ok()).map(|s| s * 1000.0)
    });
    let (user, system) = (numbers.next()??, numbers.next()??);
    Some(Cost { busy: user + system, elapsed: numbers.next()?? })
}
