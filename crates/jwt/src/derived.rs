//! Keys for one purpose each, derived from the signing secrets: what is made with one proves nothing elsewhere.

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};

use crate::keys::{SecretProblem, check_secret};

/// What is made by the signing secret, and is accepted by those of before as well.
pub(crate) struct DerivedKeys {
    /// The key of now.
    pub(crate) signing: hmac::Key,
    before: Vec<hmac::Key>,
}

impl DerivedKeys {
    /// The first secret must be strong, and of the others those that are count: what somebody can guess proves
    /// nothing.
    pub(crate) fn new(
        purpose: &[u8],
        signing: &SecretString,
        verify_only: &[SecretString],
    ) -> Result<Self, SecretProblem> {
        check_secret(signing)?;
        let strong = verify_only.iter().filter(|secret| check_secret(secret).is_ok());
        let before = strong.map(|secret| derived(secret, purpose)).collect();
        Ok(Self { signing: derived(signing, purpose), before })
    }

    /// All that are accepted, the key of now first.
    pub(crate) fn accepted(&self) -> impl Iterator<Item = &hmac::Key> {
        std::iter::once(&self.signing).chain(&self.before)
    }
}

/// The key for this purpose.
pub(crate) fn derived(secret: &SecretString, purpose: &[u8]) -> hmac::Key {
    let root = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, purpose).as_ref())
}
