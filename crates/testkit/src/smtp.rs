//! A mail server that takes every mail and keeps it, or fails in the way it is told to.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What the server does with those who connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// It takes every mail.
    #[default]
    Fine,
    /// It accepts connections and never says a word.
    Silent,
    /// It says its greeting line by line, without an end.
    TarPit,
    /// It does not offer STARTTLS, as if somebody on the way had taken the offer out.
    NoStartTls,
    /// It says more than it should before TLS begins, as if somebody on the way had.
    Injects,
    /// It takes nobody's mail just now: 450.
    RecipientLater,
    /// It knows no recipient: 550.
    RecipientNever,
    /// It takes no message just now: 451.
    MessageLater,
    /// It refuses every message: 554.
    MessageNever,
    /// It takes the whole message and hangs up instead of answering.
    DropsAfterData,
}

/// How it is set up.
#[derive(Clone, Debug, Default)]
pub struct SmtpSetup {
    /// Whether it speaks TLS from the start.
    pub implicit: bool,
    /// Whether it offers STARTTLS.
    pub starttls: bool,
    /// Who has to sign in before sending, with this password.
    pub account: Option<(String, String)>,
}

/// A mail it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// From whom, by the envelope.
    pub from: String,
    /// To whom, by the envelope: one for each RCPT.
    pub to: Vec<String>,
    /// Headers and body, with CRLF as line ends.
    pub data: String,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Who had signed in.
    pub user: Option<String>,
}

impl Received {
    /// The header with this name, unfolded, as it was sent.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let block = self.data.split("\r\n\r\n").next()?.replace("\r\n ", " ");
        let named = |line: &str| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        block.split("\r\n").find_map(named)
    }

    /// The names of all headers, in order.
    #[must_use]
    pub fn headers(&self) -> Vec<String> {
        let block = self.data.split("\r\n\r\n").next().unwrap_or_default();
        let starts = block.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        starts.map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
    }

    /// The text of the part of this kind, such as `text/html`, decoded.
    #[must_use]
    pub fn part(&self, kind: &str) -> Option<String> {
        let starts = format!("Content-Type: {kind}");
        let part = self.data.split("\r\n--").find(|part| part.contains(&starts))?;
        let (headers, body) = part.split_once("\r\n\r\n")?;
        let encoding = headers.to_ascii_lowercase();
        let bytes = if encoding.contains("base64") {
            BASE64.decode(body.replace("\r\n", "")).ok()?
        } else if encoding.contains("quoted-printable") {
            from_quoted_printable(body)
        } else {
            body.as_bytes().to_vec()
        };
        Some(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
    }
}

/// RFC 2045 section 6.7.
fn from_quoted_printable(text: &str) -> Vec<u8> {
    let joined = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (byte, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'=', Some(decoded)) => {
                bytes.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    bytes
}

/// A mail server of this test's own, on a free port of the loopback interface.
#[derive(Debug)]
pub struct Smtp {
    port: u16,
    shared: Arc<Shared>,
    files: TempDir,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    setup: SmtpSetup,
    tls: TlsAcceptor,
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    manner: Manner,
    received: Vec<Received>,
    in_clear: Vec<String>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("setup", &self.setup).finish_non_exhaustive()
    }
}

impl Shared {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Smtp {
    /// One without TLS that asks nobody who they are.
    pub async fn start() -> Result<Self> {
        Self::with(SmtpSetup::default()).await
    }

    /// One that is set up like this. Its certificate is for `localhost` and `127.0.0.1`.
    pub async fn with(setup: SmtpSetup) -> Result<Self> {
        let files = tempfile::Builder::new().prefix("keyward-smtp-").tempdir()?;
        let tls = certificate(&files.path().join("ca.pem"))?;
        let shared = Arc::new(Shared { setup, tls, heard: Mutex::default() });
        let mut server = Self { port: 0, shared, files, accepting: None };
        server.start_again().await?;
        Ok(server)
    }

    /// Listens again where it was stopped.
    pub async fn start_again(&mut self) -> Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await?;
        self.port = listener.local_addr()?.port();
        let shared = Arc::clone(&self.shared);
        self.accepting = Some(tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                // Whoever hangs up in the middle ends their own connection only.
                tokio::spawn(async move { drop(serve(tcp, &shared).await) });
            }
        }));
        Ok(())
    }

    /// Refuses connections from now on.
    pub async fn stop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            let _ = accepting.await;
        }
    }

    /// From now on it behaves like this.
    pub fn behave(&self, manner: Manner) {
        self.shared.heard().manner = manner;
    }

    /// The port it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The PEM file with the authority of its certificate.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.files.path().join("ca.pem")
    }

    /// Every mail it took, in order; one that [`Manner::DropsAfterData`] left without an answer counts.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared.heard().received.clone()
    }

    /// Every line it was told without TLS.
    #[must_use]
    pub fn heard_in_clear(&self) -> Vec<String> {
        self.shared.heard().in_clear.clone()
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

/// An authority and a certificate of it; the authority's goes into the file.
fn certificate(file: &Path) -> Result<TlsAcceptor> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    std::fs::write(file, params.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate()?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
    let chain = vec![CertificateDer::from_pem_slice(certificate.pem().as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes())?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// One connection.
struct Session<'a> {
    wire: BufReader<Box<dyn Wire>>,
    shared: &'a Shared,
    tls: bool,
    /// Whether it was told who is there: it wants to hear that once, and once more after STARTTLS.
    greeted: bool,
    user: Option<String>,
    from: Option<String>,
    to: Vec<String>,
}

async fn serve(tcp: TcpStream, shared: &Shared) -> Result<()> {
    let wire: Box<dyn Wire> = match shared.setup.implicit {
        true => Box::new(shared.tls.accept(tcp).await?),
        false => Box::new(tcp),
    };
    let (tls, wire) = (shared.setup.implicit, BufReader::new(wire));
    let (greeted, user, from, to) = (false, None, None, Vec::new());
    let mut session = Session { wire, shared, tls, greeted, user, from, to };
    match session.manner() {
        Manner::Silent => std::future::pending().await,
        Manner::TarPit => loop {
            session.say("220-just a moment").await?;
            tokio::time::sleep(Duration::from_millis(500)).await;
        },
        _ => session.say("220 localhost ESMTP").await?,
    }
    while session.turn().await? {}
    Ok(())
}

impl Session<'_> {
    fn manner(&self) -> Manner {
        self.shared.heard().manner
    }

    async fn say(&mut self, line: &str) -> Result<()> {
        self.wire.get_mut().write_all(format!("{line}\r\n").as_bytes()).await?;
        Ok(self.wire.get_mut().flush().await?)
    }

    async fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.wire.read_line(&mut line).await? == 0 {
            bail!("hung up");
        }
        let line = line.strip_suffix("\r\n").context("a line ends with CRLF")?.to_owned();
        if !self.tls {
            self.shared.heard().in_clear.push(line.clone());
        }
        Ok(line)
    }

    /// One command and its answer; whether there may be another.
    async fn turn(&mut self) -> Result<bool> {
        let line = self.hear().await?;
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" if self.greeted => self.say("503 again?").await?,
            "EHLO" => self.hello().await?,
            _ if !self.greeted => self.say("503 who is there?").await?,
            "STARTTLS" => self.secure().await?,
            "AUTH" => self.sign_in(rest).await?,
            "MAIL" if self.shared.setup.account.is_some() && self.user.is_none() => {
                self.say("530 sign in first").await?;
            }
            "MAIL" => match rest.strip_prefix("FROM:<").and_then(|rest| rest.split_once('>')) {
                Some((from, _)) => {
                    (self.from, self.to) = (Some(from.to_owned()), Vec::new());
                    self.say("250 fine").await?;
                }
                None => self.say("501 from whom?").await?,
            },
            "RCPT" => self.recipient(rest).await?,
            "DATA" if self.to.is_empty() => self.say("503 to whom?").await?,
            "DATA" => return self.message().await,
            "QUIT" => {
                self.say("221 bye").await?;
                return Ok(false);
            }
            "NOOP" => self.say("250 fine").await?,
            _ => self.say("500 what?").await?,
        }
        Ok(true)
    }

    async fn hello(&mut self) -> Result<()> {
        let setup = &self.shared.setup;
        self.greeted = true;
        self.say("250-localhost").await?;
        if setup.starttls && !self.tls && self.manner() != Manner::NoStartTls {
            self.say("250-STARTTLS").await?;
        }
        if setup.account.is_some() {
            self.say("250-AUTH PLAIN LOGIN").await?;
        }
        self.say("250 8BITMIME").await
    }

    async fn secure(&mut self) -> Result<()> {
        if self.tls || !self.shared.setup.starttls {
            return self.say("502 no").await;
        }
        if self.manner() == Manner::Injects {
            self.say("220 go ahead\r\n250-localhost\r\n250 AUTH PLAIN").await?;
        } else {
            self.say("220 go ahead").await?;
        }
        // The old wire is gone with what was read too much of it.
        let nothing: Box<dyn Wire> = Box::new(tokio::io::empty());
        let wire = std::mem::replace(&mut self.wire, BufReader::new(nothing)).into_inner();
        let wire: Box<dyn Wire> = Box::new(self.shared.tls.accept(wire).await?);
        (self.wire, self.tls, self.greeted) = (BufReader::new(wire), true, false);
        Ok(())
    }

    async fn sign_in(&mut self, rest: &str) -> Result<()> {
        let text = |encoded: &str| -> Result<String> {
            Ok(String::from_utf8(BASE64.decode(encoded.trim())?)?)
        };
        let (user, password) = match rest.split_once(' ').unwrap_or((rest, "")) {
            ("PLAIN", first) => {
                let said = text(first)?;
                let mut parts = said.split('\0').skip(1).map(str::to_owned);
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
            }
            ("LOGIN", _) => {
                self.say("334 VXNlcm5hbWU6").await?;
                let user = text(&self.hear().await?)?;
                self.say("334 UGFzc3dvcmQ6").await?;
                (user, text(&self.hear().await?)?)
            }
            _ => return self.say("504 how?").await,
        };
        if self.shared.setup.account.as_ref() == Some(&(user.clone(), password)) {
            self.user = Some(user);
            return self.say("235 welcome").await;
        }
        self.say("535 no").await
    }

    async fn recipient(&mut self, rest: &str) -> Result<()> {
        match self.manner() {
            Manner::RecipientLater => return self.say("450 not now").await,
            Manner::RecipientNever => return self.say("550 nobody").await,
            _ => {}
        }
        match rest.strip_prefix("TO:<").and_then(|rest| rest.strip_suffix('>')) {
            Some(to) if self.from.is_some() => {
                self.to.push(to.to_owned());
                self.say("250 fine").await
            }
            _ => self.say("501 to whom?").await,
        }
    }

    async fn message(&mut self) -> Result<bool> {
        self.say("354 go ahead").await?;
        let mut data = String::new();
        loop {
            let line = self.hear().await?;
            match line.strip_prefix('.') {
                Some("") => break,
                stuffed => data.push_str(stuffed.unwrap_or(&line)),
            }
            data.push_str("\r\n");
        }
        let manner = self.manner();
        match manner {
            Manner::MessageLater => self.say("451 not now").await?,
            Manner::MessageNever => self.say("554 not that").await?,
            _ => {
                let from = self.from.take().unwrap_or_default();
                let to = std::mem::take(&mut self.to);
                let (tls, user) = (self.tls, self.user.clone());
                let received = Received { from, to, data, tls, user };
                self.shared.heard().received.push(received);
                if manner == Manner::DropsAfterData {
                    return Ok(false);
                }
                self.say("250 taken").await?;
            }
        }
        Ok(true)
    }
}
