//! How to reach auth.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::client::AuthClient;
use crate::trace::TraceContext;

/// How long a call may take unless somebody says otherwise: what the original's clients wait.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How long a connection may be silent before it is asked whether it is still there. The server wants
/// at least ten seconds between such questions.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// How long it has to answer that.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Gives the trace of the work in hand, if it has one.
pub(crate) type CurrentTrace = Arc<dyn Fn() -> Option<TraceContext> + Send + Sync>;

/// Where auth is, and how to talk to it. Made by [`AuthClient::builder`].
pub struct Builder {
    address: String,
    timeout: Duration,
    service_token: Option<SecretString>,
    authorities: Option<Vec<u8>>,
    certificate: Option<(Vec<u8>, SecretString)>,
    server_name: Option<String>,
    trace: Option<CurrentTrace>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("address", &self.address)
            .field("timeout", &self.timeout)
            .field("service_token", &self.service_token.is_some())
            .field("certificate", &self.certificate.is_some())
            .finish_non_exhaustive()
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The address is no URL with the scheme `http` or `https`.
    #[error("the address of auth is not like http://auth:8181 or https://auth:8181")]
    Address,
    /// There are settings for TLS, and the address says that there is none.
    #[error("the address of auth is not https, but there are certificates for it")]
    TlsWithoutHttps,
    /// The certificates cannot be read.
    #[error("TLS to auth: {0}")]
    Tls(#[source] tonic::transport::Error),
    /// The service token has characters that no header may have.
    #[error("the service token is not printable ASCII")]
    ServiceToken,
}

impl Builder {
    pub(crate) fn new(address: String) -> Self {
        Self {
            address,
            timeout: TIMEOUT,
            service_token: None,
            authorities: None,
            certificate: None,
            server_name: None,
            trace: None,
        }
    }

    /// How long a call may take, connecting and retries included; one second if nobody says so. The
    /// server is told, too (`grpc-timeout`), and stops working when it is over.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The token by which auth knows this service, sent as `authorization: Bearer …` with every call.
    /// Calls about users' tokens need none.
    #[must_use]
    pub fn service_token(mut self, token: SecretString) -> Self {
        self.service_token = Some(token);
        self
    }

    /// The authorities (PEM) of which one must have signed the server's certificate; without them those
    /// of this machine count.
    #[must_use]
    pub fn authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(pem.into());
        self
    }

    /// The certificate (PEM) and its key by which auth knows this service: mutual TLS.
    #[must_use]
    pub fn certificate(mut self, pem: impl Into<Vec<u8>>, key: SecretString) -> Self {
        self.certificate = Some((pem.into(), key));
        self
    }

    /// The name that must be in the server's certificate, if it is another than the address has.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Asks this at every call which trace it belongs to, if [`AuthClient::traced`] did not say.
    #[must_use]
    pub fn trace_with(
        mut self,
        current: impl Fn() -> Option<TraceContext> + Send + Sync + 'static,
    ) -> Self {
        self.trace = Some(Arc::new(current));
        self
    }

    /// The client. It does not connect yet: the first call does, and later ones do again after the
    /// connection was lost. To be called within a tokio runtime.
    pub fn build(self) -> Result<AuthClient, BuildError> {
        let endpoint =
            Endpoint::from_shared(self.address.clone()).map_err(|_| BuildError::Address)?;
        let https = match endpoint.uri().scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(BuildError::Address),
        };
        let mut endpoint = endpoint
            .connect_timeout(self.timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        if https {
            endpoint = endpoint.tls_config(self.tls()).map_err(BuildError::Tls)?;
        } else if self.authorities.is_some()
            || self.certificate.is_some()
            || self.server_name.is_some()
        {
            return Err(BuildError::TlsWithoutHttps);
        }
        let bearer = self.service_token.as_ref().map(bearer).transpose()?;
        let channel: Channel = endpoint.connect_lazy();
        Ok(AuthClient::new(channel, self.timeout, bearer, self.trace))
    }

    fn tls(&self) -> ClientTlsConfig {
        let mut tls = ClientTlsConfig::new();
        tls = match &self.authorities {
            Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
            None => tls.with_native_roots(),
        };
        if let Some((pem, key)) = &self.certificate {
            tls = tls.identity(Identity::from_pem(pem, key.expose_secret()));
        }
        if let Some(name) = &self.server_name {
            tls = tls.domain_name(name);
        }
        tls
    }
}

fn bearer(token: &SecretString) -> Result<MetadataValue<Ascii>, BuildError> {
    let text = format!("Bearer {}", token.expose_secret());
    let mut value: MetadataValue<Ascii> = text.parse().map_err(|_| BuildError::ServiceToken)?;
    value.set_sensitive(true);
    Ok(value)
}
