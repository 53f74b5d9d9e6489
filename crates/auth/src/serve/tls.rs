//! TLS for the public listeners: reading what it needs from files, also again while the service runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use auth_domain::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::certificate;
use crate::config::Config;

/// What the files of the settings hold, for new connections of two public listeners, one for HTTP and one for gRPC.
/// Those that are open stay as they are. Clones share it.
#[derive(Clone)]
pub(crate) struct Secured {
    files: Arc<Files>,
    current: Arc<ArcSwap<Contexts>>,
}

impl Secured {
    /// Reads the files of the first listeners, if there is to be TLS. Fails with one line that names the setting and the
    /// file.
    pub(crate) fn load(config: &Config) -> Result<Option<Self>, String> {
        let server = &config.server;
        let settings = ("MF_AUTH_SERVER_CERT", "MF_AUTH_SERVER_KEY");
        Self::pair(config, settings, (&server.cert, &server.key))
    }

    /// The same for the ports of the users service, if they have files of their own.
    pub(crate) fn load_for_users(config: &Config) -> Result<Option<Self>, String> {
        let server = &config.server;
        let settings = ("MF_USERS_SERVER_CERT", "MF_USERS_SERVER_KEY");
        match config.users_ports() {
            (None, None) => Ok(None),
            _ => Self::pair(config, settings, (&server.users_cert, &server.users_key)),
        }
    }

    fn pair(
        config: &Config,
        settings: (&'static str, &'static str),
        files: (&Option<PathBuf>, &Option<PathBuf>),
    ) -> Result<Option<Self>, String> {
        let (Some(cert), Some(key)) = files else { return Ok(None) };
        let client_ca = config.grpc.client_ca.clone();
        Self::from_files(Files { settings, cert: cert.clone(), key: key.clone(), client_ca })
            .map(Some)
    }

    pub(super) fn from_files(files: Files) -> Result<Self, String> {
        let current = Arc::new(ArcSwap::from_pointee(files.read()?));
        Ok(Self { files: Arc::new(files), current })
    }

    /// Reads the files again. What is there stays if they cannot be used.
    pub(crate) fn load_again(&self) -> Result<(), String> {
        self.current.store(Arc::new(self.files.read()?));
        Ok(())
    }

    /// The files.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let Files { cert, key, client_ca, .. } = &*self.files;
        [Some(cert), Some(key), client_ca.as_ref()].into_iter().flatten().cloned().collect()
    }

    /// Until when all certificates that this server shows are good.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        self.current.load().expires
    }

    /// For the HTTP listener.
    pub(crate) fn http(&self) -> Handshakes {
        Handshakes { current: Arc::clone(&self.current), of: |contexts| &contexts.http }
    }

    /// For the gRPC listener, which alone knows clients by their certificates.
    pub(crate) fn grpc(&self) -> Handshakes {
        Handshakes { current: Arc::clone(&self.current), of: |contexts| &contexts.grpc }
    }
}

/// What answers the handshakes of one listener, now and after the files were read again.
#[derive(Clone)]
pub(crate) struct Handshakes {
    current: Arc<ArcSwap<Contexts>>,
    of: fn(&Contexts) -> &Arc<ServerConfig>,
}

impl Handshakes {
    /// For one connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone((self.of)(&self.current.load())))
    }
}

/// Where TLS is read from.
pub(super) struct Files {
    /// The settings that name the certificate and the key.
    pub(super) settings: (&'static str, &'static str),
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
    pub(super) client_ca: Option<PathBuf>,
}

impl Files {
    fn read(&self) -> Result<Contexts, String> {
        let identity = Identity::load(self.settings, &self.cert, &self.key)?;
        Ok(Contexts {
            http: identity.context(&["h2", "http/1.1"], None)?,
            grpc: identity.context(&["h2"], self.client_ca.as_deref())?,
            expires: identity.chain.iter().filter_map(|one| certificate::not_after(one)).min(),
        })
    }
}

/// What was read. Each time it is made anew, sessions of before cannot be resumed: who shows a certificate shows it
/// again, and it is verified by the authorities of now.
struct Contexts {
    http: Arc<ServerConfig>,
    grpc: Arc<ServerConfig>,
    expires: Option<Timestamp>,
}

/// The certificate and key of this server, as both listeners use them.
struct Identity {
    settings: (&'static str, &'static str),
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads them from PEM files. Fails with one line that names the setting and the file.
    fn load(
        settings: (&'static str, &'static str),
        cert: &Path,
        key: &Path,
    ) -> Result<Self, String> {
        let chain = certificates(settings.0, cert)?;
        let key = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| unreadable(settings.1, key, &error.to_string()))?;
        Ok(Self { settings, chain, key })
    }

    /// What answers TLS handshakes: version 1.2 or 1.3, for these protocols. With authorities,
    /// clients may show a certificate, and one that is shown must be good.
    fn context(
        &self,
        protocols: &[&str],
        client_ca: Option<&Path>,
    ) -> Result<Arc<ServerConfig>, String> {
        let builder = ServerConfig::builder();
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let bad = |error: &str| unreadable("MF_AUTH_GRPC_CLIENT_CA", file, error);
                let mut authorities = RootCertStore::empty();
                for authority in certificates("MF_AUTH_GRPC_CLIENT_CA", file)? {
                    authorities.add(authority).map_err(|error| bad(&error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder(Arc::new(authorities))
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| bad(&error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|error| format!("{} and {}: {error}", self.settings.0, self.settings.1))?;
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }
}

fn certificates(setting: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bad = |error: &str| unreadable(setting, file, error);
    let found: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| bad(&error.to_string()))?;
    if found.is_empty() {
        return Err(bad("it holds no certificate"));
    }
    Ok(found)
}

fn unreadable(setting: &str, file: &Path, problem: &str) -> String {
    format!("{setting}: {} cannot be used: {problem}", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_named_with_its_setting() {
        let nowhere = Path::new("/nowhere/cert.pem");
        let problem = Identity::load(("THE_CERT", "THE_KEY"), nowhere, nowhere).err().unwrap();
        assert!(problem.starts_with("THE_CERT: /nowhere/cert.pem cannot be used: "));
    }
}
