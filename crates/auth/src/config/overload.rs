//! What happens when more is asked for than can be done.

use std::time::Duration;

use super::values::{count, duration, number};

/// How much is begun at a time. Checks are never held up.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Overload")]
pub(crate) struct Overload {
    /// The most reads, lists and writes under way at a time. Unset: 24, and with PostgreSQL at most three quarters of
    /// `MF_AUTH_DB_POOL`, so that a check always finds a connection.
    #[arg(long, env = "MF_AUTH_CONCURRENCY", value_parser = count)]
    pub(crate) concurrency: Option<u32>,

    /// The most of them that wait until others are done. Those beyond get 503 at once. 0: none waits.
    #[arg(long, env = "MF_AUTH_QUEUE", default_value = "100", value_parser = number)]
    pub(crate) queue: u32,

    /// How long they wait before they get 503, too.
    #[arg(long, env = "MF_AUTH_QUEUE_WAIT", default_value = "250ms", value_parser = duration)]
    pub(crate) queue_wait: Duration,
}
