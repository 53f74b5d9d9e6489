//! What is told to others of what changed.

use std::time::Duration;

use secrecy::SecretString;

use super::values::{count, duration, number, redis};

/// The shortest time records are kept: a relay that tries again is back long before.
const SHORTEST_KEEP: Duration = Duration::from_hours(1);

/// Where events go, and how long what they are made of is kept.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Events")]
pub(crate) struct Events {
    /// Where events go: a Redis server as `host:port`, or as a `redis://` or, with TLS, `rediss://`
    /// URL, which may hold the password and the number of the database. Unset: nowhere.
    #[arg(long, env = "MF_AUTH_ES_URL", hide = true, value_parser = secret_redis)]
    pub(crate) es_url: Option<SecretString>,

    /// The password of that Redis server, unless the URL has one.
    #[arg(long, env = "MF_AUTH_ES_PASS", hide = true)]
    pub(crate) es_pass: Option<SecretString>,

    /// The number of the database on that Redis server, unless the URL has one.
    #[arg(long, env = "MF_AUTH_ES_DB", default_value = "0", value_parser = number)]
    pub(crate) es_db: u32,

    /// About how many entries the stream keeps.
    #[arg(long, env = "MF_AUTH_ES_STREAM_MAXLEN", default_value = "100000", value_parser = count)]
    pub(crate) es_stream_maxlen: u32,

    /// How long the change log is kept, at least `1h`. What has still to be published is kept longer.
    #[arg(long, env = "MF_AUTH_CHANGES_KEEP", default_value = "168h", value_parser = keep)]
    pub(crate) changes_keep: Duration,
}

/// Where Redis is; a secret, because a URL may hold a password.
fn secret_redis(text: &str) -> Result<SecretString, String> {
    redis(text).map(SecretString::from)
}

fn keep(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        span if span < SHORTEST_KEEP => Err("must be at least 1h".to_owned()),
        span => Ok(span),
    }
}
