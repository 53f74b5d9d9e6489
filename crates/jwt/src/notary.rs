//! Digests and seals for the audit trail, under keys of their own.

use std::fmt;

use auth_domain::audit::{Digest, Notary};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use secrecy::SecretString;

use crate::derived::DerivedKeys;
use crate::keys::SecretProblem;

/// What these keys are for.
const PURPOSE: &[u8] = b"keyward: seals of the audit trail, version 1";

/// Seals by the signing secret, and knows the seals by those of before as well.
pub struct HmacNotary(DerivedKeys);

impl HmacNotary {
    /// Seals with the first secret, which must be strong, and accepts all that are.
    pub fn new(
        signing: &SecretString,
        verify_only: &[SecretString],
    ) -> Result<Self, SecretProblem> {
        DerivedKeys::new(PURPOSE, signing, verify_only).map(Self)
    }
}

impl fmt::Debug for HmacNotary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HmacNotary").finish_non_exhaustive()
    }
}

impl Notary for HmacNotary {
    fn digest(&self, bytes: &[u8]) -> Digest {
        fixed(digest(&SHA256, bytes).as_ref())
    }

    fn seal(&self, bytes: &[u8]) -> Digest {
        fixed(hmac::sign(&self.0.signing, bytes).as_ref())
    }

    fn is_seal(&self, bytes: &[u8], seal: &[u8]) -> bool {
        self.0.accepted().any(|key| hmac::verify(key, bytes, seal).is_ok())
    }
}

/// SHA-256 gives 32 bytes, always.
fn fixed(bytes: &[u8]) -> Digest {
    bytes.try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derived::derived;

    const OLD: &str = "a signing secret of an earlier year";
    const NEW: &str = "a signing secret of this very year!";

    fn notary(signing: &str, before: &[&str]) -> HmacNotary {
        let before: Vec<SecretString> = before.iter().map(|text| (*text).into()).collect();
        HmacNotary::new(&signing.into(), &before).unwrap()
    }

    #[test]
    fn s18_seals_of_the_trail_are_of_their_own_key_and_survive_a_rotation() {
        let old = notary(OLD, &[]).seal(b"the end");
        assert!(notary(OLD, &[]).is_seal(b"the end", &old));
        assert!(!notary(OLD, &[]).is_seal(b"the End", &old));
        assert!(!notary(NEW, &[]).is_seal(b"the end", &old));
        assert!(notary(NEW, &[OLD]).is_seal(b"the end", &old));
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, OLD.as_bytes()), b"the end");
        let backup =
            hmac::sign(&derived(&OLD.into(), b"keyward: seals of backups, version 1"), b"the end");
        assert!(!notary(OLD, &[]).is_seal(b"the end", signature.as_ref()));
        assert!(!notary(OLD, &[]).is_seal(b"the end", backup.as_ref()));
    }

    #[test]
    fn s18_a_secret_that_can_be_guessed_proves_nothing() {
        let guessed = hmac::sign(&derived(&"secret".into(), PURPOSE), b"the end");
        assert!(!notary(NEW, &["secret"]).is_seal(b"the end", guessed.as_ref()));
        assert!(HmacNotary::new(&"secret".into(), &[]).is_err());
    }
}
