//! Names for what must be told apart and must not be recognised: addresses of people and machines, where others
//! can read along.

use aws_lc_rs::hmac;
use secrecy::SecretString;

use crate::derived::derived;
use crate::keys::{SecretProblem, check_secret};

/// What the key is for.
const PURPOSE: &[u8] = b"keyward: pseudonyms, version 1";

/// Pseudonyms under a key derived from the signing secret: every replica finds the same, and whoever does not have the
/// secret cannot try out what they stand for.
#[derive(Debug)]
pub struct HmacPseudonyms(hmac::Key);

impl HmacPseudonyms {
    /// By this secret, which must be strong.
    pub fn new(signing: &SecretString) -> Result<Self, SecretProblem> {
        check_secret(signing)?;
        Ok(Self(derived(signing, PURPOSE)))
    }

    /// What these parts together are called. Other parts are called something else, however they are split.
    #[must_use]
    pub fn of(&self, parts: &[&[u8]]) -> u128 {
        let mut mac = hmac::Context::with_key(&self.0);
        for part in parts {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            mac.update(&length.to_be_bytes());
            mac.update(part);
        }
        let tag = mac.sign();
        let first = tag.as_ref().first_chunk().copied().unwrap_or_default();
        u128::from_be_bytes(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pseudonyms(secret: &str) -> HmacPseudonyms {
        HmacPseudonyms::new(&secret.into()).unwrap()
    }

    #[test]
    fn the_same_is_called_the_same_by_whoever_has_the_secret_and_by_nobody_else() {
        let ours = pseudonyms("a secret that is longer than 32 bytes");
        let another_replica = pseudonyms("a secret that is longer than 32 bytes");
        let others = pseudonyms("another one that is longer than 32 bytes");
        let name = ours.of(&[b"kind", b"192.0.2.1"]);
        assert_eq!(name, another_replica.of(&[b"kind", b"192.0.2.1"]));
        assert_ne!(name, others.of(&[b"kind", b"192.0.2.1"]));
        let different: [&[&[u8]]; 4] =
            [&[b"kind192.0.2.1"], &[b"kin", b"d192.0.2.1"], &[b"192.0.2.1"], &[]];
        for parts in different {
            assert_ne!(name, ours.of(parts), "{parts:?}");
        }
    }
}
