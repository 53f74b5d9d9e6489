//! What an access token says, read strictly (RFC 8725, RFC 9068 section 4).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The most bytes a token has.
const LONGEST: usize = 4 * 1024;
/// Who makes them, and whom they are for.
const ISSUER: &str = "mainflux.auth";
const AUDIENCE: &str = "keyward.fleet";

/// A token, taken apart. Nothing of it is proved.
#[cfg_attr(test, derive(Clone))]
pub(super) struct Parts {
    pub(super) kid: String,
    pub(super) alg: String,
    /// What the signature is of.
    pub(super) signed: String,
    pub(super) signature: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

/// A member that nobody here knows is refused: it might have to be understood (`crit`), or must never be followed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    typ: String,
    alg: String,
    kid: String,
}

/// What this object says. A list of the same values, which serde takes for one as well, is none.
pub(super) fn object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    if !json.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    serde_json::from_slice(json).ok()
}

/// The token, if it is one of the right type that names its key.
pub(super) fn split(token: &str) -> Option<Parts> {
    if token.len() > LONGEST {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    if payload.contains('.') {
        return None;
    }
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let Header { typ, alg, kid } = object(&decode(header)?)?;
    // RFC 9068 section 4 knows both.
    if !["at+jwt", "application/at+jwt"].contains(&typ.as_str()) {
        return None;
    }
    let (signature, payload) = (decode(signature)?, decode(payload)?);
    Some(Parts { kid, alg, signed: signed.to_owned(), signature, payload })
}

/// What is looked at of what it says. A member that comes twice is refused.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: String,
    pub(super) sub: String,
    pub(super) sid: String,
    pub(super) exp: i64,
    pub(super) iat: i64,
    #[serde(default)]
    pub(super) nbf: Option<i64>,
}

/// What it says, if it is from auth and for the fleet.
pub(super) fn claims(payload: &[u8]) -> Option<Claims> {
    let claims: Claims = object(payload)?;
    (claims.iss == ISSUER && claims.aud == AUDIENCE).then_some(claims)
}
