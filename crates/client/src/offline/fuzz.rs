//! What is read of published keys and of access tokens, whatever is in them.

use auth_fuzz::Fuzz;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::{keys, token};

/// Of any document no more keys are taken than are named in it, and none of them makes anything out of a signature
/// that is none.
#[test]
fn fuzz_jwk_sets() {
    let nothing = token::Parts {
        kid: String::new(),
        alg: String::new(),
        signed: "a.b".to_owned(),
        signature: vec![0; 64],
        payload: Vec::new(),
    };
    Fuzz::new("client/jwk_set", include_str!("../../corpus/jwk_set.txt")).run(|input| {
        let Ok(known) = keys::read(input) else { return (false, None) };
        let lax: Value = serde_json::from_slice(input).unwrap();
        let listed = lax["keys"].as_array().unwrap();
        assert!(known.len() <= listed.len().min(100));
        for (kid, key) in &known {
            let named = |jwk: &&Value| jwk["kid"] == kid.as_str();
            let jwk = listed.iter().rfind(named).unwrap();
            for alg in ["EdDSA", "ES256", "RS256", "HS256", "none", ""] {
                let parts =
                    token::Parts { alg: alg.to_owned(), kid: kid.clone(), ..nothing.clone() };
                assert!(!key.made(&parts), "{jwk}");
            }
        }
        (true, Some(known.len().min(3)))
    });
}

/// A token is in three parts that say in one way what it is, or it is none.
#[test]
fn fuzz_access_tokens() {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let header = |typ: &str| format!(r#"{{"alg":"EdDSA","kid":"one","typ":"{typ}"}}"#);
    let payload =
        r#"{"iss":"mainflux.auth","aud":"keyward.fleet","sub":"ada","sid":"s","iat":1,"exp":2}"#;
    let mut fuzz = Fuzz::new("client/access_token", include_str!("../../corpus/access_token.txt"));
    for typ in ["at+jwt", "application/at+jwt", "JWT"] {
        let whole = format!("{}.{}.{}", encode(&header(typ)), encode(payload), encode("signature"));
        fuzz = fuzz.seed(whole);
    }
    fuzz.run(|input| {
        let Ok(text) = std::str::from_utf8(input) else { return (0, false) };
        let Some(parts) = token::split(text) else { return (1, text.len() > 4096) };
        // What was signed is what was read, to the letter.
        let rest = URL_SAFE_NO_PAD.encode(&parts.signature);
        assert_eq!(format!("{}.{rest}", parts.signed), text);
        let (header, payload) = parts.signed.split_once('.').unwrap();
        assert_eq!(URL_SAFE_NO_PAD.encode(&parts.payload), payload);
        let header = URL_SAFE_NO_PAD.decode(header).unwrap();
        let lax: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!((&lax["alg"], &lax["kid"]), (&parts.alg.into(), &parts.kid.into()));
        assert!(lax["typ"] == "at+jwt" || lax["typ"] == "application/at+jwt");
        assert_eq!(lax.as_object().unwrap().len(), 3);
        (2, token::claims(&parts.payload).is_some())
    });
}

/// What it says is taken if it is from auth and for the fleet, and read as anybody else reads it.
#[test]
fn fuzz_access_token_claims() {
    Fuzz::new("client/claims", include_str!("../../corpus/claims.txt")).run(|input| {
        let Some(said) = token::claims(input) else {
            return (false, serde_json::from_slice::<Value>(input).is_ok());
        };
        let lax: Value = serde_json::from_slice(input).unwrap();
        assert_eq!((&lax["iss"], &lax["aud"]), (&"mainflux.auth".into(), &"keyward.fleet".into()));
        assert_eq!((&lax["sub"], &lax["sid"]), (&said.sub.into(), &said.sid.into()));
        assert_eq!((&lax["iat"], &lax["exp"]), (&said.iat.into(), &said.exp.into()));
        assert_eq!(lax.get("nbf").and_then(Value::as_i64), said.nbf);
        (true, said.nbf.is_some())
    });
}
