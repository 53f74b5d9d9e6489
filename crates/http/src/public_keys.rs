//! What others verify our tokens with (RFC 7517). The original has no such route.

use auth_domain::App;
use auth_domain::Operation;
use auth_domain::app::Caller;
use auth_domain::model::{Material, PublicKey};
use auth_domain::ops::signing_keys::ListPublicKeys;
use axum::extract::State;
use axum::response::Response;
use axum::routing::on;
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::openapi::{Docs, Group};
use crate::problem::Problem;
use crate::{Route, answer};

pub(crate) const ROUTES: &[Route] = &[Route::get(
    "/.well-known/jwks.json",
    ListPublicKeys::NAME,
    |method| on(method, public_keys),
    docs,
)
.at(ListPublicKeys::PRIORITY)];

const GROUP: Group =
    Group { name: "Public keys", about: "What others verify tokens with, without asking." };

/// How long it may be kept: a new key is here for longer than that before it signs.
const MAX_AGE: HeaderValue = HeaderValue::from_static("public, max-age=300");

fn docs() -> Docs {
    Docs::new(
        &GROUP,
        "listPublicKeys",
        "Show what tokens are verified with",
        "Those that sign, did, or will. There is none while the secret signs, which is never shown. Whoever verifies \
         by these learns nothing of revoked API keys, ended sessions or withdrawn keys until they ask `Identify`.",
    )
    .answers::<KeySetView>(
        StatusCode::OK,
        "Every key, by the order in which they begin to sign.",
        json!({ "keys": [{
            "kty": "OKP",
            "use": "sig",
            "alg": "EdDSA",
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }] }),
    )
    .answers_empty(StatusCode::NOT_MODIFIED, "It is what `If-None-Match` names.")
    .uses_the_store()
}

/// A set of keys (RFC 7517 section 5).
#[derive(Serialize, ToSchema)]
#[schema(as = KeySet)]
struct KeySetView {
    /// The keys.
    keys: Vec<KeyView>,
}

/// A public key (RFC 7517 section 4).
#[derive(Serialize, ToSchema)]
#[schema(as = PublicKey)]
struct KeyView {
    /// What kind it is: `OKP`, `EC` or `RSA`.
    kty: &'static str,
    /// Always `sig`.
    #[serde(rename = "use")]
    purpose: &'static str,
    /// The one algorithm it is good for: `EdDSA`, `ES256` or `RS256`.
    alg: &'static str,
    /// What tokens call it: its thumbprint (RFC 7638).
    kid: String,
    /// The curve: `Ed25519` or `P-256`.
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<&'static str>,
    /// The point on Ed25519, or the first coordinate on P-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    /// The second coordinate on P-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    /// The modulus of an RSA key.
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    /// The exponent of an RSA key.
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
}

impl From<PublicKey> for KeyView {
    fn from(key: PublicKey) -> Self {
        let (kid, alg) = (key.id.to_string(), key.algorithm);
        let plain = |kty, crv| Self {
            kty,
            purpose: "sig",
            alg,
            kid,
            crv,
            x: None,
            y: None,
            n: None,
            e: None,
        };
        match key.material {
            Material::Ed25519 { x } => Self { x: Some(x), ..plain("OKP", Some("Ed25519")) },
            Material::P256 { x, y } => {
                Self { x: Some(x), y: Some(y), ..plain("EC", Some("P-256")) }
            }
            Material::Rsa { n, e } => Self { n: Some(n), e: Some(e), ..plain("RSA", None) },
        }
    }
}

async fn public_keys(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let keys = app.execute(Caller::Anonymous, ListPublicKeys).await?;
    // A key's name says all of it.
    let names: Vec<String> = keys.iter().map(|key| key.id.to_string()).collect();
    let tag = HeaderValue::from_str(&format!("\"{}\"", names.join(".")))
        .map_err(auth_domain::Error::internal)?;
    let mut response = if headers.get(IF_NONE_MATCH) == Some(&tag) {
        answer::empty(StatusCode::NOT_MODIFIED)
    } else {
        let keys = keys.into_iter().map(KeyView::from).collect();
        answer::json(StatusCode::OK, &KeySetView { keys })?
    };
    response.headers_mut().insert(CACHE_CONTROL, MAX_AGE);
    response.headers_mut().insert(ETAG, tag);
    Ok(response)
}
