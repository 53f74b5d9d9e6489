//! What is read again while the service runs: at SIGHUP, and when a file has changed.
//!
//! No connection is dropped for it: new handshakes see the certificate and the authorities of now, the next call is
//! decided by the service tokens of now, the next line is logged by the level of now. What cannot be used changes
//! nothing: what was read before stays in use, one line says why, and `auth_reload_stale` is 1. Files are looked at
//! because a container may have nobody who could send it a signal; the directory of signing keys is followed by
//! [`crate::signing_keys::follow`], which hears of the signal here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use auth_domain::ports::Clock;
use auth_grpc::ServiceTokens;
use auth_telemetry::LogLevel;
use tokio::signal::unix::Signal;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::SystemClock;
use crate::config::{Config, Grpc, Telemetry};
use crate::glance::Glance;
use crate::serve::Secured;
use crate::signing_keys::LOOK;

/// Reads again.
pub(crate) struct Reload {
    parts: Vec<Part>,
    signing_keys: Arc<Notify>,
}

/// Files that belong together.
struct Part {
    /// What they are called in logs and metrics.
    name: &'static str,
    files: Vec<PathBuf>,
    /// Reads them and puts what they say into use, or leaves everything as it is.
    take: Box<dyn FnMut() -> Result<(), String> + Send>,
    /// What was seen when they were last put into use, and when they were last looked at.
    taken: Seen,
    seen: Seen,
    /// What is wrong with them now, said once.
    problem: Option<String>,
}

/// What is seen of them; nothing of one that is not there or cannot be looked at.
type Seen = Vec<Option<Glance>>;

impl Reload {
    /// What these settings have in files. Everything was read for the start.
    pub(crate) fn new(
        config: &Config,
        (secured, users_secured): (Option<Secured>, Option<Secured>),
        tokens: ServiceTokens,
        level: LogLevel,
    ) -> Self {
        let mut parts = Vec::new();
        let pairs = [("certificates", secured), ("users_certificates", users_secured)];
        let all: Arc<[Secured]> = pairs.iter().filter_map(|(_, pair)| pair.clone()).collect();
        tell_expiry(&all);
        for (name, secured) in pairs {
            let (Some(secured), all) = (secured, Arc::clone(&all)) else { continue };
            parts.push(Part::new(name, secured.files(), move || {
                secured.load_again().map(|()| tell_expiry(&all))
            }));
        }
        if let Some(file) = config.grpc.tokens_file.clone() {
            parts.push(Part::new("service_tokens", vec![file.clone()], move || {
                Grpc::tokens_in(&file).map(|read| tokens.replace(&read))
            }));
        }
        if let Some(file) = config.telemetry.log_level_file.clone() {
            parts.push(Part::new("log_level", vec![file.clone()], move || {
                Telemetry::level_in(&file).map(|read| level.set(read))
            }));
        }
        Self { parts, signing_keys: Arc::default() }
    }

    /// Wakes when the signing keys are to be read again.
    pub(crate) fn signing_keys(&self) -> Arc<Notify> {
        Arc::clone(&self.signing_keys)
    }

    /// Looks at the files every [`LOOK`] and reads those that changed, all of them at the signal, until the process
    /// ends.
    pub(crate) async fn run(mut self, mut hangup: Signal) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let told = tokio::select! {
                _ = looks.tick(), if !self.parts.is_empty() => false,
                _ = hangup.recv() => true,
            };
            if told {
                tracing::info!("told to read files again");
                self.signing_keys.notify_one();
            }
            // A disk may be slow, or far away.
            let looked = tokio::task::spawn_blocking(move || {
                self.parts.iter_mut().for_each(|part| part.look(told));
                self
            });
            self = match looked.await {
                Ok(reload) => reload,
                // Only the end of the process ends it early.
                Err(_) => return,
            };
        }
    }
}

impl Part {
    fn new(
        name: &'static str,
        files: Vec<PathBuf>,
        take: impl FnMut() -> Result<(), String> + Send + 'static,
    ) -> Self {
        auth_telemetry::reloaded(name, Some(SystemClock.now().micros()));
        // Nothing is like this: a start may have waited for its database for long since it read them.
        let (taken, seen) = (Vec::new(), glance(&files));
        Self { name, files, take: Box::new(take), taken, seen, problem: None }
    }

    /// Reads them if they have changed, or when told to.
    fn look(&mut self, told: bool) {
        let now = glance(&self.files);
        // Who writes two files is given the time between two looks for it.
        let settled = now == self.seen;
        self.seen.clone_from(&now);
        let changed = now != self.taken || self.problem.is_some();
        if !(told || settled && changed) {
            return;
        }
        // Whatever is wrong with one of them, the others are looked at.
        let taken = catch_unwind(AssertUnwindSafe(&mut self.take));
        let problem = taken.unwrap_or_else(|_| Err("reading it panicked".to_owned())).err();
        let read = problem.is_none().then(|| SystemClock.now().micros());
        auth_telemetry::reloaded(self.name, read);
        match &problem {
            None => {
                let first = self.taken.is_empty();
                self.taken = now;
                if told || !first {
                    tracing::info!(what = self.name, "read again");
                }
            }
            Some(problem) if told || self.problem.as_ref() != Some(problem) => {
                tracing::error!(what = self.name, "what was read before stays in use: {problem}");
            }
            Some(_) => {}
        }
        self.problem = problem;
    }
}

/// Tells until when all certificates that are shown are good.
fn tell_expiry(all: &[Secured]) {
    if let Some(expires) = all.iter().filter_map(Secured::expires).min() {
        auth_telemetry::certificate_expires(expires.seconds());
    }
}

fn glance(files: &[PathBuf]) -> Seen {
    files.iter().map(|file| Glance::of(file).ok().flatten()).collect()
}
