//! A mail server that takes every mail and keeps it, or fails in the way it is told to.

mod received;
mod session;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::port::Port;

pub use self::received::Received;
use self::session::serve;

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

/// A mail server of this test's own, on a free port of the loopback interface.
#[derive(Debug)]
pub struct Smtp {
    port: Port,
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
        let mut server = Self { port: Port::take()?, shared, files, accepting: None };
        server.start_again().await?;
        Ok(server)
    }

    /// Listens again where it was stopped.
    pub async fn start_again(&mut self) -> Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", self.port.number())).await?;
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
        self.port.number()
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
