//! Secrets: which are good enough, what they are called, and what they sign.

use std::fmt;

use auth_domain::model::Trust;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use crate::HS256;
use crate::headers::Headers;

/// The shortest secret that may sign: the size of the MAC (RFC 7518 section 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// Secrets that are written in manuals, example files and default settings, ours and others'.
const PUBLIC: &[&str] = &["auth", "secret", "mainflux", "keyward", "changeme", "password", "token"];

/// Why a secret cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretProblem {
    /// There is none.
    #[error("the secret is empty")]
    Empty,
    /// It can be guessed.
    #[error("the secret has fewer than 32 bytes")]
    Short,
    /// It can be looked up.
    #[error("the secret is a published default")]
    Public,
}

/// Whether a secret may sign tokens.
pub fn check_secret(secret: &SecretString) -> Result<(), SecretProblem> {
    let text = secret.expose_secret().trim();
    if text.is_empty() {
        return Err(SecretProblem::Empty);
    }
    // Repeating a default to make it long enough makes it no better.
    if PUBLIC.iter().any(|public| text.to_ascii_lowercase().replace(public, "").is_empty()) {
        return Err(SecretProblem::Public);
    }
    if secret.expose_secret().len() < MIN_SECRET_BYTES {
        return Err(SecretProblem::Short);
    }
    Ok(())
}

/// One secret, ready to sign and verify. Exactly one algorithm belongs to it: HMAC-SHA-256.
pub(crate) struct Key {
    /// What `kid` calls it: derived from the secret, so that replicas agree without being told.
    pub(crate) id: String,
    /// The encoded headers of the tokens it signs, by their kind.
    pub(crate) headers: Headers,
    pub(crate) trust: Trust,
    mac: hmac::Key,
}

impl Key {
    /// The key; a weak secret makes one that is trusted less, an empty one makes none.
    pub(crate) fn new(secret: &SecretString) -> Result<Self, SecretProblem> {
        let trust = match check_secret(secret) {
            Ok(()) => Trust::Full,
            Err(SecretProblem::Empty) => return Err(SecretProblem::Empty),
            Err(SecretProblem::Short | SecretProblem::Public) => Trust::StoredKeysOnly,
        };
        let mac = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let digest = hmac::sign(&mac, b"keyward: the name of this key");
        let id = URL_SAFE_NO_PAD.encode(digest.as_ref().get(..9).unwrap_or_default());
        Ok(Self { headers: Headers::of(HS256, &id), id, trust, mac })
    }

    /// The MAC of this text.
    pub(crate) fn mac(&self, text: &str) -> hmac::Tag {
        hmac::sign(&self.mac, text.as_bytes())
    }

    /// Whether this key made the MAC of this text; compares in constant time.
    pub(crate) fn made(&self, text: &str, mac: &[u8]) -> bool {
        hmac::verify(&self.mac, text.as_bytes(), mac).is_ok()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), SecretProblem> {
        check_secret(&text.into())
    }

    #[test]
    fn s14_weak_secrets_may_not_sign() {
        assert_eq!(check(""), Err(SecretProblem::Empty));
        assert_eq!(check("   "), Err(SecretProblem::Empty));
        assert_eq!(check("0123456789012345678901234567890"), Err(SecretProblem::Short));
        assert_eq!(check("01234567890123456789012345678901"), Ok(()));
        for public in ["auth", "secret", "Secret", "secretsecretsecretsecretsecretsecret"] {
            assert_eq!(check(public), Err(SecretProblem::Public), "{public}");
        }
    }

    #[test]
    fn s19_a_key_does_not_print_its_secret() {
        let secret = "a secret of more than thirty-two bytes";
        let printed = format!("{:?}", Key::new(&secret.into()).unwrap());
        assert!(!printed.contains("thirty-two"), "{printed}");
    }
}
