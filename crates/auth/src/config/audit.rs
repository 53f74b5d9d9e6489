//! How long the audit trail is kept.

use std::time::Duration;

use super::values::duration;

/// The shortest time records are kept: whoever looks into something looks a day later.
const SHORTEST_KEEP: Duration = Duration::from_hours(24);

/// What is kept of who did what.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Audit trail")]
pub(crate) struct Audit {
    /// How long records of changes are kept, at least `24h`. Unset: for ever.
    #[arg(long, env = "MF_AUTH_AUDIT_KEEP", value_parser = keep)]
    pub(crate) audit_keep: Option<Duration>,

    /// How long records of sign-ins and refusals are kept, at least `24h`.
    #[arg(long, env = "MF_AUTH_AUDIT_ATTEMPTS_KEEP", default_value = "720h", value_parser = keep)]
    pub(crate) audit_attempts_keep: Duration,
}

fn keep(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        span if span < SHORTEST_KEEP => Err("must be at least 24h".to_owned()),
        span => Ok(span),
    }
}
