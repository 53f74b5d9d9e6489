//! How to reach the database.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// How to reach the database, and how hard to lean on it.
#[derive(Clone, Debug)]
pub struct PgConfig {
    /// A host name, an address, or the directory of a Unix socket.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The role to connect as.
    pub user: String,
    /// Its password; any characters.
    pub password: SecretString,
    /// The database.
    pub database: String,
    /// Whether to use TLS.
    pub ssl_mode: SslMode,
    /// A PEM file with the certificate to show.
    pub ssl_cert: Option<PathBuf>,
    /// A PEM file with the key of that certificate.
    pub ssl_key: Option<PathBuf>,
    /// A PEM file with the authorities whose certificates the server may show.
    pub ssl_root_cert: Option<PathBuf>,
    /// The most connections.
    pub pool_max: u32,
    /// How long a request waits for one of them, connecting included.
    pub acquire_timeout: Duration,
}

impl PgConfig {
    /// This database, without TLS, with 32 connections and a quarter of a second to wait for one.
    #[must_use]
    pub fn new(
        host: impl Into<String>,
        port: u16,
        user: impl Into<String>,
        password: SecretString,
        database: impl Into<String>,
    ) -> Self {
        Self {
            host: host.into(),
            port,
            user: user.into(),
            password,
            database: database.into(),
            ssl_mode: SslMode::Disable,
            ssl_cert: None,
            ssl_key: None,
            ssl_root_cert: None,
            pool_max: 32,
            acquire_timeout: Duration::from_millis(250),
        }
    }

    /// For messages: which server and database, and nothing secret.
    pub(crate) fn place(&self) -> String {
        format!("PostgreSQL database {} at {}:{}", self.database, self.host, self.port)
    }

    /// As sqlx takes it; never by way of a URL, where odd characters would need escaping.
    pub(crate) fn options(&self) -> PgConnectOptions {
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .password(self.password.expose_secret())
            .database(&self.database)
            .application_name("keyward")
            // The server's own default is as exact, and a pooler does not take it.
            .extra_float_digits(None)
            .ssl_mode(self.ssl_mode.into());
        if let Some(file) = &self.ssl_root_cert {
            options = options.ssl_root_cert(file);
        }
        if let Some(file) = &self.ssl_cert {
            options = options.ssl_client_cert(file);
        }
        if let Some(file) = &self.ssl_key {
            options = options.ssl_client_key(file);
        }
        options
    }
}

/// Whether to use TLS: the words of libpq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// Never.
    Disable,
    /// When the server does not take plain connections.
    Allow,
    /// When the server can.
    Prefer,
    /// Always; whoever the server is.
    Require,
    /// Always; the server's certificate is by a known authority.
    VerifyCa,
    /// Always; and it has the server's name.
    VerifyFull,
}

/// Text that is no [`SslMode`].
#[derive(Debug, thiserror::Error)]
#[error("must be disable, allow, prefer, require, verify-ca or verify-full")]
pub struct UnknownSslMode;

impl FromStr for SslMode {
    type Err = UnknownSslMode;

    fn from_str(text: &str) -> Result<Self, UnknownSslMode> {
        match text {
            "disable" => Ok(Self::Disable),
            "allow" => Ok(Self::Allow),
            "prefer" => Ok(Self::Prefer),
            "require" => Ok(Self::Require),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-full" => Ok(Self::VerifyFull),
            _ => Err(UnknownSslMode),
        }
    }
}

impl From<SslMode> for PgSslMode {
    fn from(mode: SslMode) -> Self {
        match mode {
            SslMode::Disable => Self::Disable,
            SslMode::Allow => Self::Allow,
            SslMode::Prefer => Self::Prefer,
            SslMode::Require => Self::Require,
            SslMode::VerifyCa => Self::VerifyCa,
            SslMode::VerifyFull => Self::VerifyFull,
        }
    }
}
