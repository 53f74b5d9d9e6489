//! Signs and checks tokens: JWT (RFC 7519) with HMAC-SHA-256, as the services around this one know
//! them, or with the keys of pairs, which others verify.
//!
//! [`keys`] holds the secrets and says how far each is trusted, [`pairs`] holds a key of a pair and [`ring`]
//! those there are, [`proofs`] remembers what they signed, [`parse`] reads untrusted text. The order of checks in [`JwtTokens::verify`] is the point of
//! this crate: length, shape, key, its algorithm, the signature, and only then what the token says.
//! [`refresh`] makes what sessions are refreshed by. [`cursors`] marks places in lists and [`tickets`] makes what mailed links prove, under derived keys. [`seals`] proves the
//! same of documents, and [`notary`] of the audit trail. [`pseudonyms`] stand for what must not be recognised.

mod cursors;
mod derived;
mod headers;
mod keys;
mod notary;
mod pairs;
mod parse;
mod proofs;
mod pseudonyms;
mod refresh;
mod ring;
mod seals;
mod tickets;

use auth_domain::model::{Claims, Proved, PublicKey, SessionClaims, SigningKeyId, Token, Trust};
use auth_domain::ports::Tokens;
use auth_domain::{Error, Result, Timestamp, Unauthenticated};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde::Serialize;

pub use cursors::HmacCursors;
use headers::Typ;
use keys::Key;
pub use keys::{MIN_SECRET_BYTES, SecretProblem, check_secret};
pub use notary::HmacNotary;
pub use pairs::{Algorithm, BadKey, SigningKey};
use proofs::Proofs;
pub use pseudonyms::HmacPseudonyms;
pub use refresh::RandomRefreshTokens;
pub use ring::{KeyRing, RingKey};
pub use seals::HmacSeals;
pub use tickets::HmacTickets;

/// Who makes our tokens: the original's name, so that either accepts the other's.
const ISSUER: &str = "mainflux.auth";

/// Whom access tokens are for: the fleet. Each kind of token has an audience of its own.
const AUDIENCE: &str = "keyward.fleet";

/// Which client access tokens were given to: there are none but the fleet's own yet.
const CLIENT: &str = "first-party";

/// What the header of a token under a secret says it is signed with.
const HS256: &str = "HS256";

/// Tokens under one signing secret, any number of secrets that only verify, and the keys of pairs there are
/// just now. While one of those signs, the secrets only verify.
#[derive(Debug)]
pub struct JwtTokens {
    signing: Key,
    verify_only: Vec<Key>,
    ring: KeyRing,
    proofs: Proofs,
}

/// Who signed a token.
#[derive(Clone, Copy)]
enum Signer {
    /// A secret.
    Secret(Trust),
    /// A key of a pair.
    Pair(SigningKeyId),
}

impl JwtTokens {
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
        let (ring, proofs) = (KeyRing::default(), Proofs::default());
        Ok(Self { signing, verify_only, ring, proofs })
    }

    /// How many of the verify-only secrets are weak: more than none is worth a warning.
    #[must_use]
    pub fn weak_keys(&self) -> usize {
        self.verify_only.iter().filter(|key| key.trust == Trust::StoredKeysOnly).count()
    }

    /// The keys of pairs, none at first.
    #[must_use]
    pub fn ring(&self) -> KeyRing {
        self.ring.clone()
    }

    /// Cursors under a key derived from the signing secret.
    #[must_use]
    pub fn cursors(&self) -> HmacCursors {
        HmacCursors::derived(&self.signing)
    }

    /// Secrets of tickets under a key derived from the signing secret.
    #[must_use]
    pub fn tickets(&self) -> HmacTickets {
        HmacTickets::derived(&self.signing)
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.signing).chain(&self.verify_only)
    }

    /// Who made this signature, of those the header allows, and what the header says the token is. A key's algorithm
    /// is its own: the header's is compared with it and decides nothing.
    fn signer(
        &self,
        token: &str,
        header: &str,
        signed: &str,
        signature: &[u8],
    ) -> Option<(Signer, Typ)> {
        // Nearly every token is one of ours, and each key's headers are always the same texts.
        if let Some(typ) = self.signing.headers.typ_of(header) {
            let made = self.signing.made(signed, signature);
            return made.then_some((Signer::Secret(self.signing.trust), typ));
        }
        let ring = self.ring.keys();
        let ours = ring.iter().find_map(|one| one.key.headers.typ_of(header).map(|typ| (one, typ)));
        if let Some((one, typ)) = ours {
            let made = self.proofs.proved(token, || one.key.made(signed, signature));
            return made.then_some((Signer::Pair(one.key.id), typ));
        }
        let said = parse::header(&decode(header)?)?;
        let pair = said.kid.as_ref().and_then(|kid| ring.iter().find(|one| one.key.kid == *kid));
        if let Some(one) = pair {
            let right = said.alg == one.key.algorithm().name() && one.key.made(signed, signature);
            return right.then_some((Signer::Pair(one.key.id), said.typ));
        }
        if said.alg != HS256 {
            return None;
        }
        // The original names no key.
        let named = |key: &&Key| said.kid.as_ref().is_none_or(|kid| key.id == *kid);
        let maker = self.keys().filter(named).find(|key| key.made(signed, signature))?;
        Some((Signer::Secret(maker.trust), said.typ))
    }

    fn read(&self, text: &str) -> Option<Proved> {
        if text.len() > Token::MAX {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if payload.contains('.') {
            return None;
        }
        let (signer, typ) = self.signer(text, header, signed, &decode(signature)?)?;
        let payload = decode(payload)?;
        let (claims, has_audience) = match typ {
            Typ::Jwt => parse::claims(&payload)?,
            Typ::Access => (parse::access(&payload)?, true),
        };
        match signer {
            Signer::Secret(trust) => Some(Proved { claims, trust, signed_by: None }),
            // The original's tokens name no audience; those of a pair are all ours, and do.
            Signer::Pair(key) if has_audience => {
                Some(Proved { claims, trust: Trust::Full, signed_by: Some(key) })
            }
            Signer::Pair(_) => None,
        }
    }
}

impl Tokens for JwtTokens {
    fn signer(&self, now: Timestamp, withdrawn: &[SigningKeyId]) -> Option<SigningKeyId> {
        ring::signer(&self.ring.keys(), now, withdrawn).map(SigningKey::id)
    }

    fn sign(&self, claims: &Claims, now: Timestamp, withdrawn: &[SigningKeyId]) -> Result<Token> {
        let ring = self.ring.keys();
        let pair = ring::signer(&ring, now, withdrawn);
        let (typ, payload) = match claims.session {
            Some(session) => (Typ::Access, access_payload(claims, session)),
            None => (Typ::Jwt, payload(claims, pair.is_some())),
        };
        let payload = payload.map_err(|error| Error::Internal(error.into()))?;
        let headers = pair.map_or(&self.signing.headers, |key| &key.headers);
        let header = headers.get(typ);
        let mut text = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
        let signature = match pair {
            Some(key) => {
                let signed = key.sign(&text).map_err(Error::internal)?;
                URL_SAFE_NO_PAD.encode(signed)
            }
            None => URL_SAFE_NO_PAD.encode(self.signing.mac(&text)),
        };
        text.push('.');
        text.push_str(&signature);
        Ok(Token::new(text))
    }

    fn verify(&self, token: &Token) -> Result<Proved, Unauthenticated> {
        self.read(token.expose()).ok_or(Unauthenticated::BadToken)
    }

    fn public_keys(&self) -> Vec<PublicKey> {
        self.ring.keys().iter().map(|one| one.key.public_key()).collect()
    }
}

fn payload(claims: &Claims, names_audience: bool) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Payload {
        exp: claims.expires_at,
        jti: claims.id.map(|id| id.to_string()),
        iat: claims.issued_at,
        iss: ISSUER,
        aud: names_audience.then_some(ISSUER),
        sub: &claims.email,
        issuer_id: claims.user.to_string(),
        kind: claims.kind.number(),
    })
}

fn access_payload(claims: &Claims, session: SessionClaims) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&AccessPayload {
        iss: ISSUER,
        aud: AUDIENCE,
        sub: claims.user.to_string(),
        client_id: CLIENT,
        iat: claims.issued_at,
        exp: claims.expires_at,
        jti: claims.id.map(|id| id.to_string()),
        sid: session.id.to_string(),
        auth_time: session.began_at,
    })
}

/// What an access token says (RFC 9068 section 2.2), which is no more than is needed: no address, no role.
#[derive(Serialize)]
struct AccessPayload {
    iss: &'static str,
    aud: &'static str,
    sub: String,
    client_id: &'static str,
    iat: i64,
    exp: Option<i64>,
    jti: Option<String>,
    sid: String,
    auth_time: i64,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'static str>,
    sub: &'a str,
    issuer_id: String,
    #[serde(rename = "type")]
    kind: u8,
}

/// Unpadded base64url whose unused bits are zero (RFC 7515 section 2, RFC 4648 section 3.5).
fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
