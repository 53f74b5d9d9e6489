//! Sends mail through an SMTP server (RFC 5321).
//!
//! Read [`SmtpMailer`] first: one mail, one connection, one recipient, a limit on every step. `connect`
//! is the way to a connection that is as safe as it has to be, `message` what is sent over it.

mod connect;
mod message;
mod stream;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::model::Letter;
use auth_domain::ports::{CALLS_OUT, Mailer, Undelivered};
use lettre::Address;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use tracing::field::Empty;
use tracing::{Instrument, debug_span};

use crate::connect::Server;
use crate::message::Sender;

/// How long the server may take to accept a connection.
pub const CONNECT: Duration = Duration::from_secs(10);
/// How long any other step may take: TLS, or the answer to one command.
pub const STEP: Duration = Duration::from_secs(20);
/// How long the server may take to accept a message it was given. A mail whose answer comes too late is
/// one that is sent again, so it is ample.
pub const ACCEPT: Duration = Duration::from_mins(1);
/// How long all of it may take.
pub const ALL: Duration = Duration::from_secs(90);
/// How long a goodbye may take that nobody needs.
const GOODBYE: Duration = Duration::from_secs(1);

/// Where mail goes, and as whom.
#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// The name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// The PEM file with the authorities whose certificates the server may show; or those this machine
    /// trusts.
    pub authorities: Option<PathBuf>,
    /// Who to sign in as; only with a password.
    pub user: String,
    /// The password for that.
    pub password: Option<SecretString>,
    /// The address mails come from.
    pub from_address: String,
    /// The name mails come from.
    pub from_name: Option<String>,
}

/// How the connection to the server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// From the start on port 465. Elsewhere by STARTTLS: always with a password, and without one if
    /// the server offers it.
    #[default]
    Auto,
    /// From the start (RFC 8314).
    Implicit,
    /// By STARTTLS (RFC 3207), always.
    StartTls,
    /// Not at all; there can be no password then.
    None,
}

impl FromStr for Tls {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "auto" => Ok(Self::Auto),
            "implicit" => Ok(Self::Implicit),
            "starttls" => Ok(Self::StartTls),
            "none" => Ok(Self::None),
            _ => Err("is none of auto, implicit, starttls, none".to_owned()),
        }
    }
}

/// What the settings come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    Implicit,
    StartTls,
    IfOffered,
    None,
}

impl Security {
    const fn of(tls: Tls, port: u16, has_password: bool) -> Option<Self> {
        match (tls, port, has_password) {
            (Tls::Implicit, ..) | (Tls::Auto, 465, _) => Some(Self::Implicit),
            (Tls::StartTls, ..) | (Tls::Auto, _, true) => Some(Self::StartTls),
            (Tls::Auto, _, false) => Some(Self::IfOffered),
            (Tls::None, _, false) => Some(Self::None),
            (Tls::None, _, true) => None,
        }
    }
}

/// Why mail cannot be sent with this configuration. None of them shows the password.
#[derive(Debug, thiserror::Error)]
pub enum BadConfig {
    /// The password would be sent for everybody to read.
    #[error("a password is only sent over TLS")]
    PasswordInClear,
    /// The file with the authorities cannot be used.
    #[error("{} cannot be used: {problem}", .file.display())]
    Authorities {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The name of the server is none.
    #[error("{0:?} is no name of a server")]
    Host(String),
    /// The address of the sender is none.
    #[error("{0:?} is no address to send from")]
    From(String),
}

/// Sends mail through one server, on a connection of its own for each mail.
pub struct SmtpMailer {
    server: Server,
    sender: Sender,
    credentials: Option<Credentials>,
}

impl SmtpMailer {
    /// Prepares; nothing is connected yet.
    pub fn new(config: &SmtpConfig) -> Result<Self, BadConfig> {
        let security = Security::of(config.tls, config.port, config.password.is_some())
            .ok_or(BadConfig::PasswordInClear)?;
        let sender = Sender::new(&config.from_address, config.from_name.as_deref())?;
        let authorities = config.authorities.as_deref();
        let hello = sender.domain().to_owned();
        let server = Server::new(&config.host, config.port, security, authorities, hello)?;
        let credentials = config.password.as_ref().map(|password| {
            Credentials::new(config.user.clone(), password.expose_secret().to_owned())
        });
        Ok(Self { server, sender, credentials })
    }

    async fn deliver(&self, to: Address, message: &[u8]) -> Result<(), Undelivered> {
        let mut server = self.server.connect().await?;
        let sent = self.hand_over(&mut server, to, message).await;
        // It is sent or not, whatever becomes of the goodbye.
        let _ = timeout(GOODBYE, server.command(Quit)).await;
        sent
    }

    async fn hand_over(
        &self,
        server: &mut AsyncSmtpConnection,
        to: Address,
        message: &[u8],
    ) -> Result<(), Undelivered> {
        if let Some(credentials) = &self.credentials {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            let signed_in = server.auth(&mechanisms, credentials);
            step(STEP, Phase::SignIn, signed_in).await?;
        }
        let from = Some(self.sender.address().clone());
        step(STEP, Phase::Sender, server.command(Mail::new(from, vec![]))).await?;
        step(STEP, Phase::Recipient, server.command(Rcpt::new(to, vec![]))).await?;
        step(STEP, Phase::Message, server.command(Data)).await?;
        step(ACCEPT, Phase::Message, server.message(message)).await.map(drop)
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, letter: &Letter) -> Result<(), Undelivered> {
        let (to, message) = self
            .sender
            .write(letter)
            .map_err(|cause| Undelivered::Never { problem: "unwritable", cause: cause.into() })?;
        let span = debug_span!(
            target: CALLS_OUT,
            "smtp",
            otel.name = "send smtp",
            otel.kind = "client",
            otel.status_code = Empty,
            messaging.system = "smtp",
            messaging.operation.name = "send",
            messaging.operation.type = "send",
            error.type = Empty,
        );
        let delivered =
            match timeout(ALL, self.deliver(to, &message)).instrument(span.clone()).await {
                Ok(delivered) => delivered,
                Err(_) => Err(down("timeout", "all of it took too long")),
            };
        if let Err(Undelivered::Later { problem, .. } | Undelivered::Never { problem, .. }) =
            &delivered
        {
            span.record("otel.status_code", "ERROR").record("error.type", problem);
        }
        delivered
    }
}

impl fmt::Debug for SmtpMailer {
    /// Without the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpMailer").field("server", &self.server).finish_non_exhaustive()
    }
}

/// How far it got: what an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The greeting and what the server can do.
    Greeting,
    /// Who we are.
    SignIn,
    /// From whom it is.
    Sender,
    /// To whom it goes.
    Recipient,
    /// What it says.
    Message,
}

impl Phase {
    const fn problem(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::SignIn => "sign_in",
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Message => "message",
        }
    }
}

/// One command and its answer, in time.
async fn step<T>(
    limit: Duration,
    phase: Phase,
    work: impl Future<Output = Result<T, SmtpError>>,
) -> Result<T, Undelivered> {
    match timeout(limit, work).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(refusal(phase, error)),
        Err(_) => Err(down("timeout", format!("no answer in time: {}", phase.problem()))),
    }
}

/// What a failed command means. Only a lasting "no" to this recipient or this message is one for good;
/// what the server says of us, an operator can change.
fn refusal(phase: Phase, error: SmtpError) -> Undelivered {
    let about_the_mail = matches!(phase, Phase::Recipient | Phase::Message);
    let code = error.status().map_or(0, u16::from);
    let problem = match code {
        // What it wants is TLS or a password (RFC 4954 section 6).
        530..=538 => "sign_in",
        0 if !error.is_client() => "connection",
        _ => phase.problem(),
    };
    if error.is_permanent() && about_the_mail && problem == phase.problem() {
        return Undelivered::Never { problem, cause: answer(code) };
    }
    let is_down = !(error.is_transient() && about_the_mail);
    // The words of an answer may hold the address it is about.
    let cause = match code {
        0 if error.is_response() => "no answer that can be understood".into(),
        0 => error.into(),
        _ => answer(code),
    };
    Undelivered::Later { problem, is_down, cause }
}

fn answer(code: u16) -> auth_domain::error::Cause {
    format!("the server answered {code}").into()
}

/// The server cannot be used.
fn down(problem: &'static str, cause: impl Into<auth_domain::error::Cause>) -> Undelivered {
    Undelivered::Later { problem, is_down: true, cause: cause.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s63_a_password_is_never_sent_in_clear() {
        for port in [25, 465, 587, 2525] {
            for tls in [Tls::Auto, Tls::Implicit, Tls::StartTls, Tls::None] {
                let security = Security::of(tls, port, true);
                assert!(
                    !matches!(security, Some(Security::IfOffered | Security::None)),
                    "{tls:?} {port}"
                );
            }
        }
        assert_eq!(Security::of(Tls::None, 465, true), None);
    }

    #[test]
    fn port_465_is_tls_from_the_start() {
        assert_eq!(Security::of(Tls::Auto, 465, false), Some(Security::Implicit));
        assert_eq!(Security::of(Tls::Auto, 25, false), Some(Security::IfOffered));
        assert_eq!(Security::of(Tls::StartTls, 465, false), Some(Security::StartTls));
        assert_eq!(Security::of(Tls::None, 465, false), Some(Security::None));
    }
}
