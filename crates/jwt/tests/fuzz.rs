//! What is read of tokens, keys and cursors, whatever is in them.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use auth_domain::model::{Claims, KeyKind, Token};
use auth_domain::ports::{Cursors, Tokens};
use auth_domain::{Id, Timestamp};
use auth_fuzz::Fuzz;
use auth_jwt::{Algorithm, JwtTokens, RingKey, SigningKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;
use serde_json::Value;
use uuid::Uuid;

const SECRET: &str = "a signing secret of more than 32 bytes";
const NOW: i64 = 1_700_000_000;

fn tokens() -> JwtTokens {
    JwtTokens::new(&SECRET.into(), &["an older secret of thirty-two bytes".into()]).unwrap()
}

/// As [`tokens`], where this key signs.
fn tokens_of_pair(der: &[u8]) -> Option<JwtTokens> {
    let tokens = tokens();
    let key = Arc::new(SigningKey::from_pkcs8(der).ok()?);
    tokens.ring().replace(vec![RingKey { key, signs_from: 0 }]);
    Some(tokens)
}

fn claims(kind: KeyKind) -> Claims {
    Claims {
        id: Some(Id::new(Uuid::from_u128(7))),
        user: Id::new(Uuid::from_u128(8)),
        email: "ada@example.com".into(),
        kind,
        issued_at: NOW,
        not_before: None,
        expires_at: Some(NOW + 36_000),
        session: None,
    }
}

fn sign(tokens: &JwtTokens, claims: &Claims) -> String {
    tokens.sign(claims, Timestamp::from_seconds(NOW), &[]).unwrap().expose().to_owned()
}

/// Any header and payload, under the right secret.
fn signed(header: &[u8], payload: &[u8]) -> Token {
    let text = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), text.as_bytes());
    Token::new(format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac)))
}

const HEADER: &[u8] = br#"{"alg":"HS256","typ":"JWT"}"#;

/// No text is a token but those that were signed, to the letter: what is made of them by flipping, cutting,
/// joining and spelling otherwise is refused.
#[test]
fn fuzz_tokens() {
    let mut fuzz = Fuzz::new("jwt/token", include_str!("../corpus/token.txt"));
    let mut honest = Vec::new();
    let pairs = [Algorithm::EdDsa, Algorithm::Es256].map(|algorithm| {
        SigningKey::from_pkcs8(algorithm.generate().unwrap().expose_secret()).unwrap()
    });
    let ring_key = |(key, signs_from)| RingKey { key: Arc::new(key), signs_from };
    let keys: Vec<RingKey> = pairs.into_iter().zip(0..).map(ring_key).collect();
    let all = tokens();
    for kind in KeyKind::ALL {
        honest.push(sign(&all, &claims(kind)));
    }
    for key in &keys {
        all.ring().replace(vec![key.clone()]);
        honest.push(sign(&all, &claims(KeyKind::Login)));
    }
    all.ring().replace(keys);
    for text in &honest {
        fuzz = fuzz.seed(text.as_bytes());
    }
    fuzz.run(|input| {
        let Ok(text) = std::str::from_utf8(input) else { return None };
        let proved = all.verify(&Token::new(text.to_owned()));
        let is_honest = honest.iter().any(|one| one == text);
        assert_eq!(proved.is_ok(), is_honest, "{proved:?}");
        // Where it was refused is not told, which is as it should be.
        Some((text.matches('.').count().min(4), text.len() > Token::MAX, is_honest))
    });
}

/// Whatever a signed payload says, claims are taken only when they can be written again as the same.
#[test]
fn fuzz_claims() {
    let tokens = tokens();
    Fuzz::new("jwt/claims", include_str!("../corpus/claims.txt")).run(|input| {
        let Ok(proved) = tokens.verify(&signed(HEADER, input)) else {
            return (false, serde_json::from_slice::<Value>(input).is_ok());
        };
        let said = proved.claims;
        // A reader that takes whatever comes sees the same in it.
        let lax: Value = serde_json::from_slice(input).unwrap();
        assert_eq!(lax.get("issuer_id"), Some(&Value::from(said.user.to_string())));
        assert_eq!(lax.get("sub"), Some(&Value::from(said.email.as_str())));
        assert_eq!(lax.get("type"), Some(&Value::from(said.kind.number())));
        assert_eq!(lax.get("iat"), Some(&Value::from(said.issued_at)));
        assert_eq!(lax.get("exp").cloned(), said.expires_at.map(Value::from));
        assert_eq!(lax.get("nbf").cloned(), said.not_before.map(Value::from));
        assert_eq!(lax.get("jti").cloned(), said.id.map(|id| Value::from(id.to_string())));
        assert!(
            [Some(said.issued_at), said.expires_at, said.not_before]
                .iter()
                .flatten()
                .all(|second| (0..=253_402_300_799).contains(second))
        );
        assert!(said.email.len() <= 254 && !said.email.contains(char::is_control));
        let again = tokens.verify(&Token::new(sign(&tokens, &said))).unwrap().claims;
        assert_eq!(again, Claims { not_before: None, ..said });
        (true, true)
    });
}

/// The same of a payload under the header of an access token (RFC 9068): whatever it says, it is that and no other token.
#[test]
fn fuzz_access_claims() {
    const ACCESS: &[u8] = br#"{"alg":"HS256","typ":"at+jwt"}"#;
    let tokens = tokens();
    Fuzz::new("jwt/access", include_str!("../corpus/access.txt")).run(|input| {
        let Ok(proved) = tokens.verify(&signed(ACCESS, input)) else {
            return (false, serde_json::from_slice::<Value>(input).is_ok());
        };
        let said = proved.claims;
        let session = said.session.unwrap();
        assert_eq!((said.kind, said.email.as_str()), (KeyKind::Login, ""));
        // A reader that takes whatever comes sees the same in it.
        let lax: Value = serde_json::from_slice(input).unwrap();
        assert_eq!(lax.get("sub"), Some(&Value::from(said.user.to_string())));
        assert_eq!(lax.get("sid"), Some(&Value::from(session.id.to_string())));
        assert_eq!(lax.get("auth_time"), Some(&Value::from(session.began_at)));
        assert_eq!(lax.get("aud"), Some(&Value::from("keyward.fleet")));
        assert_eq!(lax.get("iat"), Some(&Value::from(said.issued_at)));
        assert_eq!(lax.get("exp").cloned(), said.expires_at.map(Value::from));
        assert_eq!(lax.get("nbf").cloned(), said.not_before.map(Value::from));
        assert_eq!(lax.get("jti").cloned(), said.id.map(|id| Value::from(id.to_string())));
        assert!(lax.get("type").is_none() && lax.get("issuer_id").is_none());
        assert!(tokens.verify(&signed(HEADER, input)).is_err(), "it is of one type only");
        let again = tokens.verify(&Token::new(sign(&tokens, &said))).unwrap().claims;
        assert_eq!(again, Claims { not_before: None, ..said });
        (true, true)
    });
}

/// A header is obeyed in nothing: it says what the key is for, in one way, or the token is refused.
#[test]
fn fuzz_headers() {
    let payload = format!(
        r#"{{"exp":{},"iat":{NOW},"iss":"mainflux.auth","sub":"a@b.io","issuer_id":"{}","type":0}}"#,
        NOW + 1,
        Uuid::from_u128(8)
    );
    let tokens = tokens();
    let kid = {
        let token = sign(&tokens, &claims(KeyKind::Login));
        let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
    };
    let named = format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"JWT"}}"#);
    Fuzz::new("jwt/header", include_str!("../corpus/header.txt")).seed(named).run(|input| {
        let is_taken = tokens.verify(&signed(input, payload.as_bytes())).is_ok();
        let lax = serde_json::from_slice::<serde_json::Map<String, Value>>(input);
        if is_taken {
            let lax = lax.unwrap();
            assert_eq!(lax.get("alg"), Some(&Value::from("HS256")));
            assert!(lax.get("typ").is_none_or(|typ| typ == "JWT"), "{lax:?}");
            assert!(lax.get("kid").is_none_or(|said| *said == *kid), "{lax:?}");
            assert!(lax.keys().all(|name| ["alg", "typ", "kid"].contains(&name.as_str())));
            return (true, true);
        }
        (false, lax.is_ok())
    });
}

/// A key is one that signs what it verifies, or none.
#[test]
fn fuzz_private_keys() {
    let mut fuzz = Fuzz::new("jwt/key", include_str!("../corpus/key.txt"));
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
        fuzz = fuzz.seed(algorithm.generate().unwrap().expose_secret());
    }
    fuzz.run(|der| {
        let tokens = tokens_of_pair(der)?;
        let text = sign(&tokens, &claims(KeyKind::Login));
        let proved = tokens.verify(&Token::new(text)).unwrap();
        assert_eq!(proved.claims, claims(KeyKind::Login));
        let [published] = tokens.public_keys().try_into().unwrap();
        assert_eq!(proved.signed_by, Some(published.id));
        Some(published.algorithm)
    });
}

/// A cursor is one that was given out, to the letter, or none.
#[test]
fn fuzz_cursors() {
    let cursors = tokens().cursors();
    let places: [&[u8]; 4] = [b"", b"0192d3f0-1111-7abc-8def-000000000001", b"\0\xff", &[7; 200]];
    let honest = places.map(|place| cursors.seal(place));
    let mut fuzz = Fuzz::new("jwt/cursor", include_str!("../corpus/cursor.txt"));
    for one in &honest {
        fuzz = fuzz.seed(one.as_bytes());
    }
    fuzz.run(|input| {
        let Ok(text) = std::str::from_utf8(input) else { return None };
        let opened = cursors.open(text);
        let place = honest.iter().position(|one| one == text).map(|n| places[n].to_vec());
        assert_eq!(opened, place);
        Some(place.is_some())
    });
}
