//! Cursors: places in lists, with a MAC of a key of their own.

use auth_domain::ports::Cursors;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::keys::Key;

/// What the key is derived by. No token is ever signed whose text has no dot in it, so this is no token's
/// MAC either.
const LABEL: &str = "keyward: the key of cursors";
/// How many bytes of the MAC a cursor has: 128 bits, which nobody guesses at one try a request.
const TAG: usize = 16;

/// Cursors under a key that is derived from the signing secret: replicas read each other's, and a leaked
/// cursor key would sign no token.
#[derive(Debug)]
pub struct HmacCursors(hmac::Key);

impl HmacCursors {
    pub(crate) fn derived(signing: &Key) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, signing.mac(LABEL).as_ref()))
    }

    fn tag(&self, place: &[u8]) -> Vec<u8> {
        let tag = hmac::sign(&self.0, place);
        tag.as_ref().get(..TAG).unwrap_or_default().to_vec()
    }
}

impl Cursors for HmacCursors {
    fn seal(&self, place: &[u8]) -> String {
        let mut bytes = self.tag(place);
        bytes.extend(place);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn open(&self, cursor: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (tag, place) = bytes.split_at_checked(TAG)?;
        let ours = aws_lc_rs::constant_time::verify_slices_are_equal(tag, &self.tag(place));
        ours.is_ok().then(|| place.to_vec())
    }
}
