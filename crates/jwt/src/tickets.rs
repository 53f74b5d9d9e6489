//! The secrets of tickets: MACs under a key of their own.

use auth_domain::model::{TicketId, TicketSecret};
use auth_domain::ports::TicketSecrets;
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::keys::Key;

/// What the key is derived by; see [`crate::cursors`] for why it signs no token.
const LABEL: &str = "keyward: the key of tickets";

/// Secrets under a key that is derived from the signing secret: 256 bits that nobody finds who has only the
/// database, and that any replica finds again to write the mail.
#[derive(Debug)]
pub struct HmacTickets(hmac::Key);

impl HmacTickets {
    pub(crate) fn derived(signing: &Key) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, signing.mac(LABEL).as_ref()))
    }
}

impl TicketSecrets for HmacTickets {
    fn secret(&self, ticket: TicketId) -> TicketSecret {
        let mac = hmac::sign(&self.0, ticket.uuid().as_bytes());
        TicketSecret::of(ticket, &URL_SAFE_NO_PAD.encode(mac.as_ref()))
    }

    /// SHA-256: nobody guesses the secret, so it need not be slow.
    fn digest(&self, secret: &TicketSecret) -> [u8; 32] {
        let digest = digest::digest(&digest::SHA256, secret.expose().as_bytes());
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(digest.as_ref()).for_each(|(byte, from)| *byte = *from);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::JwtTokens;

    #[test]
    fn fw8_fpw4_a_secret_is_of_one_ticket_and_one_signing_secret() {
        let tickets = |secret: &str| JwtTokens::new(&secret.into(), &[]).unwrap().tickets();
        let ours = tickets("a signing secret of more than 32 bytes");
        let (one, other): (TicketId, TicketId) = (
            "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6".parse().unwrap(),
            "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f7".parse().unwrap(),
        );
        let secret = ours.secret(one);
        assert_eq!(secret.expose().len(), 32 + 43, "which one, and 256 bits");
        assert_eq!(secret.ticket(), Some(one));
        assert_eq!(secret.expose(), ours.secret(one).expose());
        assert_ne!(secret.expose(), ours.secret(other).expose());
        let theirs = tickets("another secret of more than 32 bytes too");
        assert_ne!(secret.expose(), theirs.secret(one).expose());
        assert_ne!(ours.digest(&secret), ours.digest(&ours.secret(other)));
        assert!(!format!("{secret:?}").contains(secret.expose()), "fw17");
    }
}
