//! The keys that auth publishes (RFC 7517), kept and fetched again.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Fetch;
use super::token::{self, Parts};
use crate::error::{Error, Result};

/// How old keys may be before they are fetched again; that is also how long auth lets them be kept.
const OLD: Duration = Duration::from_mins(5);
/// How long they are used when they cannot be.
const TOO_OLD: Duration = Duration::from_hours(1);
/// How soon after the time before they are fetched again when they could not be.
const RETRY: Duration = Duration::from_secs(1);
/// The longest document that is read, and the most keys of it.
const LONGEST: usize = 256 * 1024;
const MOST: usize = 100;

/// One public key, for the one algorithm it is good for.
pub(super) enum Key {
    EdDsa(Vec<u8>),
    Es256(Vec<u8>),
    Rs256 { n: Vec<u8>, e: Vec<u8> },
}

impl Key {
    /// Whether this key made the signature, which it says it was made with.
    pub(super) fn made(&self, parts: &Parts) -> bool {
        let (signed, signature) = (parts.signed.as_bytes(), parts.signature.as_slice());
        match (self, parts.alg.as_str()) {
            (Self::EdDsa(x), "EdDSA") => {
                UnparsedPublicKey::new(&ED25519, x).verify(signed, signature).is_ok()
            }
            (Self::Es256(point), "ES256") => {
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                key.verify(signed, signature).is_ok()
            }
            (Self::Rs256 { n, e }, "RS256") => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
                .is_ok(),
            _ => false,
        }
    }
}

pub(super) type Known = HashMap<String, Arc<Key>>;

/// How long fetching them may take: everybody who needs them waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known, and when it was fetched.
#[derive(Clone, Default)]
struct Held {
    known: Arc<Known>,
    fetched: Option<Instant>,
}

impl Held {
    /// Whether it has this key and was fetched no longer ago than this.
    fn has(&self, kid: &str, within: Duration) -> bool {
        self.known.contains_key(kid) && self.fetched.is_some_and(|at| at.elapsed() < within)
    }
}

pub(super) struct Keys {
    fetch: Fetch,
    held: RwLock<Held>,
    /// When they were asked for. Whoever asks holds it, so that nobody else does at the same time.
    tried: Mutex<Option<Instant>>,
}

impl Keys {
    pub(super) fn new(fetch: Fetch) -> Self {
        Self { fetch, held: RwLock::default(), tried: Mutex::default() }
    }

    fn held(&self) -> Held {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key with this name, if there is one; one that is not known is looked for no sooner than this after the time
    /// before, because whoever makes up tokens must not make us ask. Fails while there are none to look at.
    pub(super) async fn get(&self, kid: &str, pause: Duration) -> Result<Option<Arc<Key>>> {
        let held = self.held();
        if held.has(kid, OLD) {
            return Ok(held.known.get(kid).map(Arc::clone));
        }
        // Whoever has a key that is good enough waits for nobody else's question.
        let turn = if held.has(kid, TOO_OLD) {
            self.tried.try_lock().ok()
        } else {
            Some(self.tried.lock().await)
        };
        let mut problem = None;
        if let Some(mut tried) = turn {
            let held = self.held();
            let pause = if held.fetched.is_some() { pause } else { RETRY };
            if !held.has(kid, OLD) && tried.is_none_or(|at| at.elapsed() >= pause) {
                let now = Instant::now();
                *tried = Some(now);
                problem = self.renew(now).await.err();
            }
        }
        let Held { known, fetched } = self.held();
        if fetched.is_none_or(|at| at.elapsed() >= TOO_OLD) {
            let why = problem.unwrap_or_else(|| "they were asked for a moment ago".to_owned());
            let reason = format!("the keys of auth: {why}");
            return Err(Error::Unavailable { reason, retry_after: Some(RETRY) });
        }
        if known.is_empty() {
            let reason = "auth publishes no keys, because it signs with a secret: set MF_AUTH_SIGNING_KEYS there, or \
                          ask it";
            return Err(Error::Failed(reason.to_owned()));
        }
        Ok(known.get(kid).map(Arc::clone))
    }

    /// Fetches them, asked for at this moment. Fails with why not.
    async fn renew(&self, asked: Instant) -> Result<(), String> {
        let fetched = tokio::time::timeout(PATIENCE, (self.fetch)()).await;
        let fetched = fetched.map_err(|_| "there was no answer in time".to_owned())?;
        let text = fetched.map_err(|error| error.to_string())?;
        let held = Held { known: Arc::new(read(&text)?), fetched: Some(asked) };
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
        Ok(())
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    alg: String,
    kid: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

/// The keys of a document. One of a kind that is not known here is left out: a later auth may have some.
pub(super) fn read(text: &[u8]) -> Result<Known, String> {
    if text.len() > LONGEST {
        return Err("the document is too long".to_owned());
    }
    let document: Document = token::object(text).ok_or_else(|| "it is no JWK set".to_owned())?;
    let keys = document.keys.into_iter().take(MOST).filter(serde_json::Value::is_object);
    let keys = keys.filter_map(|value| serde_json::from_value::<Jwk>(value).ok());
    Ok(keys.filter_map(|jwk| Some((jwk.kid.clone(), Arc::new(key(&jwk)?)))).collect())
}

fn key(jwk: &Jwk) -> Option<Key> {
    let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_ref()?).ok();
    match (jwk.kty.as_str(), jwk.alg.as_str(), jwk.crv.as_deref()) {
        ("OKP", "EdDSA", Some("Ed25519")) => Some(Key::EdDsa(bytes(&jwk.x)?)),
        ("EC", "ES256", Some("P-256")) => {
            Some(Key::Es256([vec![4], bytes(&jwk.x)?, bytes(&jwk.y)?].concat()))
        }
        ("RSA", "RS256", _) => Some(Key::Rs256 { n: bytes(&jwk.n)?, e: bytes(&jwk.e)? }),
        _ => None,
    }
}
