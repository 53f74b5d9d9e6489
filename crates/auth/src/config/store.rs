//! Where everything is kept.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use secrecy::SecretString;

use super::values::{count, path, port, positive_duration, secret};

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// SQLite in the data directory.
    Embedded,
    /// PostgreSQL.
    Postgres,
}

/// Which store, and where it is.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Store")]
pub(crate) struct Store {
    /// `embedded` keeps everything in one file in the data directory, `postgres` in a PostgreSQL
    /// database. Unset: `postgres` if any `MF_AUTH_DB…` setting is given, else `embedded`.
    #[arg(long, env = "MF_AUTH_STORE", value_enum, ignore_case = true)]
    pub(crate) store: Option<StoreKind>,

    /// The directory of the embedded store. It is made if it is missing; one process can use it at
    /// a time.
    #[arg(long, env = "MF_AUTH_DATA_DIR", default_value = "./data", value_parser = path)]
    pub(crate) data_dir: PathBuf,
}

/// How to reach PostgreSQL.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "PostgreSQL")]
pub(crate) struct Db {
    /// Its host name, its address, or the directory of its Unix socket.
    #[arg(long, env = "MF_AUTH_DB_HOST", default_value = "localhost")]
    pub(crate) db_host: String,

    /// Its port.
    #[arg(long, env = "MF_AUTH_DB_PORT", default_value = "5432", value_parser = port)]
    pub(crate) db_port: u16,

    /// The role to connect as.
    #[arg(long, env = "MF_AUTH_DB_USER", default_value = "mainflux")]
    pub(crate) db_user: String,

    /// The password of that role. Unset: `mainflux`, as the original has it. `MF_AUTH_DB_PASSWORD`
    /// is read too, if this one is not set.
    #[arg(long, env = "MF_AUTH_DB_PASS", hide = true, value_parser = secret)]
    pub(crate) db_pass: Option<SecretString>,

    /// The name of the database.
    #[arg(long, env = "MF_AUTH_DB", default_value = "auth")]
    pub(crate) db: String,

    /// Whether to use TLS: `disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full`.
    #[arg(
        long,
        env = "MF_AUTH_DB_SSL_MODE",
        default_value = "disable",
        value_parser = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
    )]
    pub(crate) db_ssl_mode: String,

    /// The PEM file with the certificate to show to PostgreSQL. Needs `MF_AUTH_DB_SSL_KEY`.
    #[arg(long, env = "MF_AUTH_DB_SSL_CERT", value_parser = path)]
    pub(crate) db_ssl_cert: Option<PathBuf>,

    /// The PEM file with the key of that certificate.
    #[arg(long, env = "MF_AUTH_DB_SSL_KEY", value_parser = path)]
    pub(crate) db_ssl_key: Option<PathBuf>,

    /// The PEM file with the authorities whose certificates PostgreSQL may show.
    #[arg(long, env = "MF_AUTH_DB_SSL_ROOT_CERT", value_parser = path)]
    pub(crate) db_ssl_root_cert: Option<PathBuf>,

    /// The most connections to PostgreSQL.
    #[arg(long, env = "MF_AUTH_DB_POOL", default_value = "32", value_parser = count)]
    pub(crate) db_pool: u32,

    /// How long a request waits for one of them before the answer is 503.
    #[arg(
        long,
        env = "MF_AUTH_DB_ACQUIRE_TIMEOUT",
        default_value = "250ms",
        value_parser = positive_duration
    )]
    pub(crate) db_acquire_timeout: Duration,

    /// How long a start waits for PostgreSQL to come up.
    #[arg(long, env = "MF_AUTH_DB_WAIT", default_value = "60s", value_parser = super::values::duration)]
    pub(crate) db_wait: Duration,
}
