//! Seals for documents, under keys of their own.
//!
//! Each is derived from a signing secret with a label that no token can have as its text, so a seal is of no use
//! as a token's signature, nor the other way round.

use auth_domain::audit::hex;
use auth_domain::backup::{Checking, Sealing, Seals};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use secrecy::SecretString;

use crate::derived::DerivedKeys;
use crate::keys::SecretProblem;

/// What these keys are for.
const PURPOSE: &[u8] = b"keyward: seals of backups, version 1";

/// Seals by the signing secret, and checks by those of before as well.
pub struct HmacSeals(DerivedKeys);

impl HmacSeals {
    /// Seals with the first secret, which must be strong, and accepts all that are.
    pub fn new(
        signing: &SecretString,
        verify_only: &[SecretString],
    ) -> Result<Self, SecretProblem> {
        DerivedKeys::new(PURPOSE, signing, verify_only).map(Self)
    }
}

impl Seals for HmacSeals {
    fn sealing(&self) -> Box<dyn Sealing> {
        Box::new(Seal(hmac::Context::with_key(&self.0.signing)))
    }

    fn checking(&self) -> Box<dyn Checking> {
        Box::new(Check(self.0.accepted().map(hmac::Context::with_key).collect()))
    }
}

struct Seal(hmac::Context);

impl Sealing for Seal {
    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self: Box<Self>) -> String {
        hex(self.0.sign().as_ref())
    }
}

struct Check(Vec<hmac::Context>);

impl Checking for Check {
    fn update(&mut self, bytes: &[u8]) {
        for context in &mut self.0 {
            context.update(bytes);
        }
    }

    fn finish(self: Box<Self>, seal: &str) -> bool {
        let tags = self.0.into_iter().map(|context| hex(context.sign().as_ref()));
        // Every one is compared, in constant time.
        tags.fold(false, |right, tag| {
            right | verify_slices_are_equal(tag.as_bytes(), seal.as_bytes()).is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derived::derived;

    const OLD: &str = "a signing secret of an earlier year";
    const NEW: &str = "a signing secret of this very year!";

    fn seals(signing: &str, before: &[&str]) -> HmacSeals {
        let before: Vec<SecretString> = before.iter().map(|text| (*text).into()).collect();
        HmacSeals::new(&signing.into(), &before).unwrap()
    }

    fn seal(seals: &HmacSeals, parts: &[&[u8]]) -> String {
        let mut sealing = seals.sealing();
        for part in parts {
            sealing.update(part);
        }
        sealing.finish()
    }

    fn is_right(seals: &HmacSeals, text: &[u8], seal: &str) -> bool {
        let mut checking = seals.checking();
        checking.update(text);
        checking.finish(seal)
    }

    #[test]
    fn s98_a_seal_is_for_one_text_and_one_secret() {
        let ours = seals(NEW, &[]);
        let mac = seal(&ours, &[b"every", b"thing"]);
        assert_eq!(mac.len(), 64);
        assert!(is_right(&ours, b"everything", &mac));
        assert!(!is_right(&ours, b"everythinh", &mac));
        assert!(!is_right(&ours, b"everything", &mac.to_uppercase()));
        assert!(!is_right(&ours, b"everything", ""));
        assert!(!is_right(&seals(OLD, &[]), b"everything", &mac));
    }

    #[test]
    fn s98_secrets_of_before_are_known_unless_they_can_be_guessed() {
        let mac = seal(&seals(OLD, &[]), &[b"x"]);
        assert!(is_right(&seals(NEW, &[OLD]), b"x", &mac));
        let weak: SecretString = "secret".into();
        let forged = hex(hmac::sign(&derived(&weak, PURPOSE), b"x").as_ref());
        assert!(!is_right(&seals(NEW, &["secret"]), b"x", &forged));
    }

    #[test]
    fn s18_a_seal_is_no_signature() {
        let mac = seal(&seals(NEW, &[]), &[b"header.payload"]);
        let signature =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, NEW.as_bytes()), b"header.payload");
        assert_ne!(mac, hex(signature.as_ref()));
    }
}
