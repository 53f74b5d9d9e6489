//! Access tokens (RFC 9068), and that neither they nor tokens of other kinds are taken for one another.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use auth_domain::model::{Claims, KeyKind, SessionClaims, Token};
use auth_domain::ports::Tokens;
use auth_domain::{Id, Timestamp};
use auth_jwt::{Algorithm, JwtTokens, RingKey, SigningKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

const SECRET: &str = "a signing secret of more than 32 bytes";
const NOW: i64 = 1_700_000_000;

fn tokens() -> JwtTokens {
    JwtTokens::new(&SECRET.into(), &["secret".into()]).unwrap()
}

fn claims() -> Claims {
    Claims {
        id: Some(Id::new(Uuid::from_u128(7))),
        user: Id::new(Uuid::from_u128(8)),
        email: String::new(),
        kind: KeyKind::Login,
        issued_at: NOW,
        not_before: None,
        expires_at: Some(NOW + 600),
        session: Some(SessionClaims { id: Id::new(Uuid::from_u128(9)), began_at: NOW - 60 }),
    }
}

fn sign(tokens: &JwtTokens, claims: &Claims) -> String {
    let token = tokens.sign(claims, Timestamp::from_seconds(NOW), &[]).unwrap();
    token.expose().to_owned()
}

fn read(tokens: &JwtTokens, text: &str) -> Option<Claims> {
    tokens.verify(&Token::new(text.to_owned())).ok().map(|proved| proved.claims)
}

fn parts(token: &str) -> (Value, Value) {
    let mut parts = token
        .split('.')
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok());
    (parts.next().flatten().unwrap(), parts.next().flatten().unwrap())
}

/// Signed with the secret, whatever it says.
fn signed(header: &Value, payload: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(payload));
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
}

#[test]
fn pw6_an_access_token_says_what_rfc_9068_asks_for_and_no_more() {
    for pair in [false, true] {
        let tokens = tokens();
        if pair {
            let der = Algorithm::Es256.generate().unwrap();
            let key = Arc::new(SigningKey::from_pkcs8(der.expose_secret()).unwrap());
            tokens.ring().replace(vec![RingKey { key, signs_from: 0 }]);
        }
        let token = sign(&tokens, &claims());
        assert_eq!(read(&tokens, &token), Some(claims()));
        let (header, payload) = parts(&token);
        let alg = if pair { "ES256" } else { "HS256" };
        assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!(alg)));
        let id = |number| Uuid::from_u128(number).to_string();
        let expected = json!({
            "iss": "mainflux.auth", "aud": "keyward.fleet", "client_id": "first-party",
            "sub": id(8), "jti": id(7), "sid": id(9),
            "iat": NOW, "exp": NOW + 600, "auth_time": NOW - 60,
        });
        assert_eq!(payload, expected);
        // Under one key of a pair as under another, also where its header is not ours to the letter.
        assert!(read(&JwtTokens::new(&"x".repeat(40).into(), &[]).unwrap(), &token).is_none());
    }
}

#[test]
fn fw2_fw15_no_token_is_taken_for_one_of_another_type() {
    let tokens = tokens();
    let (access_header, access) = parts(&sign(&tokens, &claims()));
    let login = Claims { session: None, email: "ada@example.com".into(), ..claims() };
    let (login_header, login) = parts(&sign(&tokens, &login));
    assert!(read(&tokens, &signed(&access_header, &access)).unwrap().session.is_some());
    assert!(read(&tokens, &signed(&login_header, &login)).unwrap().session.is_none());
    assert_eq!(read(&tokens, &signed(&access_header, &login)), None);
    assert_eq!(read(&tokens, &signed(&login_header, &access)), None);
    // All that both ask for, under each header in turn: the audience is of one of them.
    let mut both = access.clone();
    for (name, value) in login.as_object().unwrap() {
        both[name] = value.clone();
    }
    assert_eq!(read(&tokens, &signed(&access_header, &both)), None);
    for typ in ["AT+JWT", "at+JWT", "application/at+jwt", "jwt", "refresh+jwt", "JOSE", ""] {
        let header = json!({ "alg": "HS256", "typ": typ });
        assert_eq!(read(&tokens, &signed(&header, &access)), None, "{typ}");
        assert_eq!(read(&tokens, &signed(&header, &login)), None, "{typ}");
    }
    // The original's header says no more than that.
    assert!(read(&tokens, &signed(&json!({ "alg": "HS256", "typ": "at+jwt" }), &access)).is_some());
    assert_eq!(read(&tokens, &signed(&json!({ "alg": "HS256" }), &access)), None);
}

#[test]
fn fw15_every_claim_of_an_access_token_is_needed_and_pinned() {
    let tokens = tokens();
    let (header, access) = parts(&sign(&tokens, &claims()));
    let names: Vec<String> = access.as_object().unwrap().keys().cloned().collect();
    for name in &names {
        let mut less = access.clone();
        less.as_object_mut().unwrap().remove(name);
        assert_eq!(read(&tokens, &signed(&header, &less)), None, "without {name}");
        for odd in
            [json!(null), json!([]), json!({}), json!(true), json!(""), json!(1.5), json!(-1)]
        {
            let mut other = access.clone();
            other[name] = odd;
            assert_eq!(read(&tokens, &signed(&header, &other)), None, "{other}");
        }
    }
    for (name, value) in [
        ("iss", json!("somebody else")),
        ("aud", json!("mainflux.auth")),
        ("aud", json!(["keyward.fleet"])),
        ("client_id", json!("another")),
        ("sub", json!("00000000-0000-0000-0000-000000000000")),
        ("sid", json!("{00000000-0000-0000-0000-000000000009}")),
        ("issuer_id", json!("00000000-0000-0000-0000-000000000008")),
        ("type", json!(0)),
        ("nbf", json!("soon")),
    ] {
        let mut other = access.clone();
        other[name] = value;
        assert_eq!(read(&tokens, &signed(&header, &other)), None, "{other}");
    }
    let mut more = access;
    more["org"] = json!("what a later version may say");
    assert!(read(&tokens, &signed(&header, &more)).is_some());
}
