//! Which tokens under keys of pairs were proved before: proving one takes longer than all the rest of a check.
//!
//! A signature that is right stays right, so nothing here goes out of date. Whether the key is still accepted, and all
//! that the token says, is looked at every time.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::sync::Cache;

/// How many tokens are remembered, the least used of them forgotten first: about 3 MB.
const TOKENS: usize = 32_768;

/// The tokens that were proved, by the SHA-256 of all their text.
pub(crate) struct Proofs(Cache<[u8; 32], ()>);

impl Default for Proofs {
    fn default() -> Self {
        Self(Cache::new(TOKENS))
    }
}

impl Proofs {
    /// Whether the token with this text is proved: it was before, or is now. One that is not is not remembered, so
    /// that nobody fills this with what they made up.
    pub(crate) fn proved(&self, token: &str, prove: impl FnOnce() -> bool) -> bool {
        let digest = digest(&SHA256, token.as_bytes());
        let Some(name) = digest.as_ref().first_chunk() else { return prove() };
        if self.0.get(name).is_some() {
            return true;
        }
        let proved = prove();
        if proved {
            self.0.insert(*name, ());
        }
        proved
    }
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proofs").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_proved_is_not_proved_again_and_what_was_not_is() {
        let proofs = Proofs::default();
        assert!(!proofs.proved("a.b.c", || false));
        assert!(proofs.proved("a.b.c", || true));
        assert!(proofs.proved("a.b.c", || panic!("it was proved before")));
        assert!(!proofs.proved("a.b.d", || false), "another signature");
        assert_eq!(proofs.0.len(), 1);
    }

    #[test]
    fn it_is_bounded() {
        let proofs = Proofs::default();
        for n in 0..2 * TOKENS {
            proofs.proved(&n.to_string(), || true);
        }
        assert!(proofs.0.len() <= TOKENS, "{}", proofs.0.len());
    }
}
