//! Tokens: what signs them and how long they live.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::values::{positive_duration, secret_list};

/// What signs tokens and how long they live.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Tokens")]
pub(crate) struct Tokens {
    /// What tokens are signed with: at least 32 bytes that nobody else knows, such as
    /// `openssl rand -base64 32` prints. With the embedded store it may be left out: one is made
    /// and kept in the data directory. With PostgreSQL every replica needs the same.
    #[arg(long, env = "MF_AUTH_SECRET", hide = true)]
    pub(crate) secret: Option<SecretString>,

    /// Earlier values of `MF_AUTH_SECRET`, separated by commas: tokens they signed are still
    /// accepted. Under one that is weak, such as the original's default, only API keys are, and
    /// only those that equal what is stored; a warning and a gauge stay on until it is removed.
    #[arg(long, env = "MF_AUTH_VERIFY_SECRETS", hide = true)]
    pub(crate) verify_secrets: Option<SecretString>,

    /// A directory of private keys as PEM (PKCS#8), each in a file of its own that nobody else can read: the newest one
    /// whose time has come signs tokens, with EdDSA, ES256 or RS256, and all are published at
    /// `/.well-known/jwks.json`. `auth keys rotate` makes them. Tokens signed by the secret are still accepted, and
    /// the secret signs while no key does. Unset: the secret signs, as with the original.
    #[arg(long, env = "MF_AUTH_SIGNING_KEYS")]
    pub(crate) signing_keys: Option<PathBuf>,

    /// How long a login token lives.
    #[arg(
        long,
        env = "MF_AUTH_LOGIN_TOKEN_DURATION",
        default_value = "10h",
        value_parser = positive_duration
    )]
    pub(crate) login_token_duration: Duration,

    /// How long a recovery token lives.
    #[arg(
        long,
        env = "MF_AUTH_RECOVERY_TOKEN_DURATION",
        default_value = "5m",
        value_parser = positive_duration
    )]
    pub(crate) recovery_token_duration: Duration,

    /// How long an access token of `POST /sessions` lives at most. Its session can be refreshed after that.
    #[arg(
        long,
        env = "MF_AUTH_ACCESS_TOKEN_DURATION",
        default_value = "10m",
        value_parser = positive_duration
    )]
    pub(crate) access_token_duration: Duration,

    /// How long a session lives that is not refreshed.
    #[arg(
        long,
        env = "MF_AUTH_SESSION_IDLE_DURATION",
        default_value = "336h",
        value_parser = positive_duration
    )]
    pub(crate) session_idle_duration: Duration,

    /// How long a session lives at most, however often it is refreshed.
    #[arg(
        long,
        env = "MF_AUTH_SESSION_DURATION",
        default_value = "720h",
        value_parser = positive_duration
    )]
    pub(crate) session_duration: Duration,

    /// The longest an API key may live. Unset: as long as its owner wants, also forever.
    #[arg(long, env = "MF_AUTH_MAX_KEY_LIFE", value_parser = positive_duration)]
    pub(crate) max_key_life: Option<Duration>,
}

impl Tokens {
    /// The secrets that only verify.
    pub(crate) fn verify_only(&self) -> Vec<SecretString> {
        self.verify_secrets.as_ref().map(secret_list).unwrap_or_default()
    }
}
