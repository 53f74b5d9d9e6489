//! Where everything is kept.

use std::path::PathBuf;
use std::time::Duration;

use auth_postgres::SslMode;
use clap::ValueEnum;
use secrecy::SecretString;

use super::values::{count, port, positive_duration};

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// SQLite in the data directory.
    Embedded,
    /// PostgreSQL.
    Postgres,
}

impl StoreKind {
    /// What it is called, here and where it is probed.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Postgres => "postgres",
        }
    }
}

/// Which store, and where it is.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Store")]
pub(crate) struct Store {
    /// `embedded` keeps everything in one file in the data directory, `postgres` in a PostgreSQL
    /// database. Unset: `postgres` if any `MF_AUTH_DB…` setting is given, else `embedded`.
    #[arg(id = "store", long = "store", env = "MF_AUTH_STORE", value_enum, ignore_case = true)]
    pub(crate) kind: Option<StoreKind>,

    /// The directory of the embedded store. It is made if it is missing; one process can use it at
    /// a time.
    #[arg(long, env = "MF_AUTH_DATA_DIR", default_value = "./data")]
    pub(crate) data_dir: PathBuf,
}

/// How to reach PostgreSQL.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "PostgreSQL")]
pub(crate) struct Db {
    /// The host name of PostgreSQL, its address, or the directory of its Unix socket.
    #[arg(id = "db-host", long = "db-host", env = "MF_AUTH_DB_HOST", default_value = "localhost")]
    pub(crate) host: String,

    /// The port of PostgreSQL.
    #[arg(id = "db-port", long = "db-port", env = "MF_AUTH_DB_PORT", default_value = "5432", value_parser = port)]
    pub(crate) port: u16,

    /// The role to connect as.
    #[arg(id = "db-user", long = "db-user", env = "MF_AUTH_DB_USER", default_value = "mainflux")]
    pub(crate) user: String,

    /// The password of that role. Unset: `mainflux`, as the original has it. `MF_AUTH_DB_PASSWORD`
    /// is read too, if this one is not set.
    #[arg(id = "db-pass", long = "db-pass", env = "MF_AUTH_DB_PASS", hide = true)]
    pub(crate) password: Option<SecretString>,

    /// The name of the database.
    #[arg(id = "db", long = "db", env = "MF_AUTH_DB", default_value = "auth")]
    pub(crate) database: String,

    /// Whether to use TLS: `disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full`.
    #[arg(
        id = "db-ssl-mode", long = "db-ssl-mode",
        env = "MF_AUTH_DB_SSL_MODE",
        default_value = "disable",
        value_parser = str::parse::<SslMode>
    )]
    pub(crate) ssl_mode: SslMode,

    /// The PEM file with the certificate to show to PostgreSQL. Needs `MF_AUTH_DB_SSL_KEY`.
    #[arg(id = "db-ssl-cert", long = "db-ssl-cert", env = "MF_AUTH_DB_SSL_CERT")]
    pub(crate) ssl_cert: Option<PathBuf>,

    /// The PEM file with the key of that certificate.
    #[arg(id = "db-ssl-key", long = "db-ssl-key", env = "MF_AUTH_DB_SSL_KEY")]
    pub(crate) ssl_key: Option<PathBuf>,

    /// The PEM file with the authorities whose certificates PostgreSQL may show.
    #[arg(id = "db-ssl-root-cert", long = "db-ssl-root-cert", env = "MF_AUTH_DB_SSL_ROOT_CERT")]
    pub(crate) ssl_root_cert: Option<PathBuf>,

    /// The most connections to PostgreSQL.
    #[arg(id = "db-pool", long = "db-pool", env = "MF_AUTH_DB_POOL", default_value = "32", value_parser = count)]
    pub(crate) pool: u32,

    /// How long a request waits for one of them before the answer is 503.
    #[arg(
        id = "db-acquire-timeout", long = "db-acquire-timeout",
        env = "MF_AUTH_DB_ACQUIRE_TIMEOUT",
        default_value = "250ms",
        value_parser = positive_duration
    )]
    pub(crate) acquire_timeout: Duration,

    /// How long a start waits for PostgreSQL to come up.
    #[arg(id = "db-wait", long = "db-wait", env = "MF_AUTH_DB_WAIT", default_value = "60s", value_parser = super::values::duration)]
    pub(crate) wait: Duration,
}
