//! What replicas remember, and how they keep up with one another.

use std::time::Duration;

use super::values::{bytes, duration, positive_duration};

/// What checks are answered from.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Memory and replicas")]
pub(crate) struct Memory {
    /// About how much memory the answers take from which checks are served.
    #[arg(
        long = "memory",
        id = "memory",
        env = "MF_AUTH_MEMORY",
        default_value = "64MiB",
        value_parser = bytes
    )]
    pub(crate) bytes: usize,

    /// How long a replica may answer from memory after it was last in touch with the database, from `100ms`
    /// to `10s`. A write waits at most this long for a replica that died.
    #[arg(long, env = "MF_AUTH_LEASE", default_value = "1s", value_parser = lease)]
    pub(crate) lease: Duration,

    /// How often a replica says that it is there: at most a third of the lease.
    #[arg(long, env = "MF_AUTH_LEASE_RENEWAL", default_value = "250ms", value_parser = positive_duration)]
    pub(crate) lease_renewal: Duration,

    /// How long checks that are in memory are still answered once the lease is over because the database is
    /// away. While that happens, a replica that is cut off alone does not hear of revocations. `0s`: not at
    /// all.
    #[arg(long, env = "MF_AUTH_OUTAGE_GRACE", default_value = "0s", value_parser = duration)]
    pub(crate) outage_grace: Duration,
}

fn lease(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        span if span < Duration::from_millis(100) || span > Duration::from_secs(10) => {
            Err("must be from 100ms to 10s".to_owned())
        }
        span => Ok(span),
    }
}
