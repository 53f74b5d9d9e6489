//! Signs and checks tokens: JWT (RFC 7519) with HMAC-SHA-256, as the services around this one know
//! them.
//!
//! [`cursors`] marks places in lists, under a derived key. [`keys`] holds the secrets and says how far each is trusted, [`parse`] reads untrusted text. The
//! order of checks in [`HmacTokens::verify`] is the point of this crate: length, shape, key, MAC,
//! and only then what the token says. [`seals`] proves the same of documents, and
//! [`notary`] of the audit trail.

mod cursors;
mod keys;
mod notary;
mod parse;
mod seals;

use auth_domain::model::{Claims, Token, Trust};
use auth_domain::ports::Tokens;
use auth_domain::{Error, Result, Unauthenticated};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde::Serialize;

pub use cursors::HmacCursors;
use keys::Key;
pub use keys::{MIN_SECRET_BYTES, SecretProblem, check_secret};
pub use notary::HmacNotary;
pub use seals::HmacSeals;

/// Who makes our tokens: the original's name, so that either accepts the other's.
const ISSUER: &str = "mainflux.auth";

/// Tokens under one signing secret and any number of secrets that only verify.
#[derive(Debug)]
pub struct HmacTokens {
    signing: Key,
    verify_only: Vec<Key>,
}

impl HmacTokens {
    /// Signs with the first secret, which must be strong, and accepts all of them.
    ///
    /// A verify-only secret may be weak: then only API keys count under it, and only as far as they
    /// are stored. That is the way out for a fleet that ran on a public default.
    pub fn new(
        signing: &SecretString,
        verify_only: &[SecretString],
    ) -> Result<Self, SecretProblem> {
        check_secret(signing)?;
        let signing = Key::new(signing)?;
        let verify_only = verify_only.iter().map(Key::new).collect::<Result<_, _>>()?;
        Ok(Self { signing, verify_only })
    }

    /// How many of the verify-only secrets are weak: more than none is worth a warning.
    #[must_use]
    pub fn weak_keys(&self) -> usize {
        self.verify_only.iter().filter(|key| key.trust == Trust::StoredKeysOnly).count()
    }

    /// Cursors under a key derived from the signing secret.
    #[must_use]
    pub fn cursors(&self) -> HmacCursors {
        HmacCursors::derived(&self.signing)
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.signing).chain(&self.verify_only)
    }

    /// The key that made this MAC, of those the header allows.
    fn signer(&self, header: &str, signed: &str, mac: &[u8]) -> Option<&Key> {
        // Nearly every token is one of ours, and its header is always the same text.
        if header == self.signing.header {
            return self.signing.made(signed, mac).then_some(&self.signing);
        }
        match parse::header(&decode(header)?)?.kid {
            Some(kid) => self.keys().find(|key| key.id == kid && key.made(signed, mac)),
            // The original names no key.
            None => self.keys().find(|key| key.made(signed, mac)),
        }
    }

    fn read(&self, text: &str) -> Option<(Claims, Trust)> {
        if text.len() > Token::MAX {
            return None;
        }
        let (signed, mac) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if payload.contains('.') {
            return None;
        }
        let key = self.signer(header, signed, &decode(mac)?)?;
        Some((parse::claims(&decode(payload)?)?, key.trust))
    }
}

impl Tokens for HmacTokens {
    fn sign(&self, claims: &Claims) -> Result<Token> {
        let payload = serde_json::to_vec(&Payload {
            exp: claims.expires_at,
            jti: claims.id.map(|id| id.to_string()),
            iat: claims.issued_at,
            iss: ISSUER,
            sub: &claims.email,
            issuer_id: claims.user.to_string(),
            kind: claims.kind.number(),
        })
        .map_err(|error| Error::Internal(error.into()))?;
        let mut text = format!("{}.{}", self.signing.header, URL_SAFE_NO_PAD.encode(payload));
        let mac = URL_SAFE_NO_PAD.encode(self.signing.mac(&text));
        text.push('.');
        text.push_str(&mac);
        Ok(Token::new(text))
    }

    fn verify(&self, token: &Token) -> Result<(Claims, Trust), Unauthenticated> {
        self.read(token.expose()).ok_or(Unauthenticated::BadToken)
    }
}

/// What a token says, in the order in which the original writes it.
#[derive(Serialize)]
struct Payload<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    iat: i64,
    iss: &'static str,
    sub: &'a str,
    issuer_id: String,
    #[serde(rename = "type")]
    kind: u8,
}

/// Unpadded base64url whose unused bits are zero (RFC 7515 section 2, RFC 4648 section 3.5).
fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
