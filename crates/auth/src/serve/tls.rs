//! TLS: loading what it needs, and reading who a client is.

use std::path::Path;
use std::sync::Arc;

use auth_grpc::PeerNames;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use tokio_rustls::TlsAcceptor;
use webpki::EndEntityCert;

/// The object identifier of common names, 2.5.4.3 (X.520).
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// The certificate and key of this server, as both listeners use them.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads them from PEM files. Fails with one line that names the setting and the file.
    pub(crate) fn load(cert: &Path, key: &Path) -> Result<Self, String> {
        let chain = certificates("MF_AUTH_SERVER_CERT", cert)?;
        let key = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| unreadable("MF_AUTH_SERVER_KEY", key, &error.to_string()))?;
        Ok(Self { chain, key })
    }

    /// What answers TLS handshakes: version 1.2 or 1.3, for these protocols. With authorities,
    /// clients may show a certificate, and one that is shown must be good.
    pub(crate) fn acceptor(
        &self,
        protocols: &[&str],
        client_ca: Option<&Path>,
    ) -> Result<TlsAcceptor, String> {
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
            .map_err(|error| format!("MF_AUTH_SERVER_CERT and MF_AUTH_SERVER_KEY: {error}"))?;
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(TlsAcceptor::from(Arc::new(config)))
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

/// The names in the certificate that the client of this connection has shown and that was
/// verified: DNS names and URIs, or else its common name.
pub(super) fn peer_names(connection: &ServerConnection) -> Option<PeerNames> {
    let certificate = connection.peer_certificates()?.first()?;
    let names = names(certificate)?;
    Some(PeerNames(names.into()))
}

fn names(certificate: &CertificateDer<'_>) -> Option<Vec<String>> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let alternative = certificate.valid_dns_names().chain(certificate.valid_uri_names());
    let names: Vec<String> = alternative.map(str::to_owned).collect();
    if names.is_empty() {
        return Some(common_name(certificate.subject()).into_iter().collect());
    }
    Some(names)
}

/// The last common name of a distinguished name (RFC 5280 section 4.1.2.4).
fn common_name(subject: &[u8]) -> Option<String> {
    let mut found = None;
    let mut sets = subject;
    while let Some((_, set, rest)) = der(sets) {
        sets = rest;
        let mut attributes = set;
        while let Some((_, attribute, rest)) = der(attributes) {
            attributes = rest;
            let Some((_, kind, value)) = der(attribute) else { continue };
            if kind == COMMON_NAME
                && let Some((_, text, _)) = der(value)
                && let Ok(text) = std::str::from_utf8(text)
                && !text.is_empty()
            {
                found = Some(text.to_owned());
            }
        }
    }
    found
}

/// The first element of DER text: its tag, its content, and what follows it (X.690).
fn der(text: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = text.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => {
            let (&length, rest) = rest.split_first()?;
            (usize::from(length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn certificate(names: &[SanType], common: Option<&str>) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.to_vec();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Acme");
        if let Some(common) = common {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn a_client_is_called_by_its_alternative_names_or_else_by_its_common_name() {
        let dns = SanType::DnsName("users.internal".try_into().unwrap());
        let uri = SanType::URI("spiffe://fleet/users".try_into().unwrap());
        let both = certificate(&[dns, uri], Some("somebody else"));
        assert_eq!(names(&both).unwrap(), ["users.internal", "spiffe://fleet/users"]);
        assert_eq!(names(&certificate(&[], Some("users"))).unwrap(), ["users"]);
        let long = "u".repeat(200);
        assert_eq!(names(&certificate(&[], Some(&long))).unwrap(), [long]);
        assert_eq!(names(&certificate(&[], None)).unwrap(), [] as [&str; 0]);
    }

    #[test]
    fn odd_bytes_are_no_name() {
        for odd in [&[][..], &[0x31], &[0x31, 0x05, 0x30], &[0x31, 0x84, 1, 1, 1, 1], &[0xff; 40]] {
            assert_eq!(common_name(odd), None);
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_its_setting() {
        let nowhere = Path::new("/nowhere/cert.pem");
        let problem = Identity::load(nowhere, nowhere).err().unwrap();
        assert!(problem.starts_with("MF_AUTH_SERVER_CERT: /nowhere/cert.pem cannot be used: "));
    }
}
