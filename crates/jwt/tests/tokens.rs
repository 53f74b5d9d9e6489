//! Which texts are tokens. Times, stored keys and kinds are the domain's business.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test may fail by panicking"
)]

use auth_domain::model::{Claims, KeyKind, Token, Trust};
use auth_domain::ports::Tokens;
use auth_domain::{Id, Timestamp, Unauthenticated};
use auth_jwt::{JwtTokens, SecretProblem};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use uuid::Uuid;

const SECRET: &str = "a signing secret of more than 32 bytes";
const USER: &str = "0192d3f0-1111-7abc-8def-000000000001";

fn tokens() -> JwtTokens {
    JwtTokens::new(&SECRET.into(), &[]).unwrap()
}

fn claims() -> Claims {
    Claims {
        id: Some(Id::new(Uuid::from_u128(7))),
        user: USER.parse().unwrap(),
        email: "ada@example.com".into(),
        kind: KeyKind::Login,
        issued_at: 1_700_000_000,
        not_before: None,
        expires_at: Some(1_700_036_000),
        session: None,
    }
}

/// A token made by hand: any header, any payload, any HMAC.
fn forge(algorithm: hmac::Algorithm, secret: &str, header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let mac = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
}

fn signed(header: &str, payload: &str) -> String {
    forge(hmac::HMAC_SHA256, SECRET, header, payload)
}

/// The header the original writes.
const PLAIN: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn payload(members: &str) -> String {
    format!(
        r#"{{"exp":1700036000,"iat":1700000000,"iss":"mainflux.auth","sub":"ada@example.com","issuer_id":"{USER}","type":0{members}}}"#
    )
}

fn read(text: &str) -> Result<(Claims, Trust), Unauthenticated> {
    let proved = tokens().verify(&Token::new(text.to_owned()))?;
    assert_eq!(proved.signed_by, None);
    Ok((proved.claims, proved.trust))
}

#[track_caller]
fn refused(text: &str) {
    assert_eq!(read(text), Err(Unauthenticated::BadToken), "{text}");
}

#[test]
fn what_is_signed_can_be_read() {
    for kind in KeyKind::ALL {
        let said = Claims { kind, ..claims() };
        let token = tokens().sign(&said, Timestamp::from_seconds(said.issued_at), &[]).unwrap();
        assert_eq!(read(token.expose()), Ok((said, Trust::Full)));
    }
}

#[test]
fn s11_tokens_name_their_key_and_look_as_the_original_writes_them() {
    let token = tokens().sign(&claims(), Timestamp::from_seconds(1_700_000_000), &[]).unwrap();
    let parts: Vec<&str> = token.expose().split('.').collect();
    let json = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let header: serde_json::Value = serde_json::from_str(&json(parts[0])).unwrap();
    assert_eq!((&header["alg"], &header["typ"]), (&"HS256".into(), &"JWT".into()));
    assert_eq!(header["kid"].as_str().unwrap().len(), 12);
    assert_eq!(
        json(parts[1]),
        format!(
            r#"{{"exp":1700036000,"jti":"{}","iat":1700000000,"iss":"mainflux.auth","sub":"ada@example.com","issuer_id":"{USER}","type":0}}"#,
            Uuid::from_u128(7)
        )
    );
}

#[test]
fn tokens_of_the_original_are_accepted() {
    let (said, trust) = read(&signed(PLAIN, &payload(""))).unwrap();
    assert_eq!(said, Claims { id: None, ..claims() });
    assert_eq!(trust, Trust::Full);
    // Members nobody knows do not matter.
    assert!(read(&signed(PLAIN, &payload(r#","tenant":{"a":[1]}"#))).is_ok());
}

#[test]
fn go7_d62_s1_the_key_fixes_the_algorithm() {
    for (algorithm, name) in [(hmac::HMAC_SHA384, "HS384"), (hmac::HMAC_SHA512, "HS512")] {
        refused(&forge(algorithm, SECRET, &format!(r#"{{"alg":"{name}"}}"#), &payload("")));
    }
    for name in
        ["none", "None", "NONE", "nOnE", "HS384", "HS512", "RS256", "ES256", "EdDSA", "hs256", ""]
    {
        refused(&signed(&format!(r#"{{"alg":"{name}","typ":"JWT"}}"#), &payload("")));
    }
    let unsigned = signed(PLAIN, &payload(""));
    refused(&format!("{}.", unsigned.rsplit_once('.').unwrap().0));
    refused(&signed(r#"{"typ":"JWT"}"#, &payload("")));
}

#[test]
fn s2_a_wrong_signature_is_refused_whatever_it_says() {
    refused(&forge(hmac::HMAC_SHA256, "another secret of more than 32 bytes", PLAIN, &payload("")));
    let token = signed(PLAIN, &payload(""));
    let (head, mac) = token.rsplit_once('.').unwrap();
    refused(&format!("{head}.{}", &mac[..mac.len() - 4]));
}

#[test]
fn s3_a_key_id_names_a_configured_key_and_nothing_else() {
    for kid in ["../../etc/passwd", "' or 1=1 --", "http://example.com/k", "", "000000000000"] {
        refused(&signed(&format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"JWT"}}"#), &payload("")));
    }
    for extra in [
        r#""crit":["exp"]"#,
        r#""jku":"http://example.com/""#,
        r#""x5u":"http://example.com/""#,
        r#""x5c":["AA"]"#,
        r#""jwk":{"kty":"oct","k":"AA"}"#,
        r#""kid":1"#,
        r#""kid":null"#,
    ] {
        refused(&signed(&format!(r#"{{"alg":"HS256","typ":"JWT",{extra}}}"#), &payload("")));
    }
}

#[test]
fn s4_a_claim_of_the_wrong_type_is_a_refusal() {
    let right = |name: &str| match name {
        "exp" => "1700036000".to_owned(),
        "iat" => "1700000000".to_owned(),
        "iss" => r#""mainflux.auth""#.to_owned(),
        "sub" => r#""ada@example.com""#.to_owned(),
        "issuer_id" => format!(r#""{USER}""#),
        _ => "0".to_owned(),
    };
    let names = ["exp", "iat", "iss", "sub", "issuer_id", "type"];
    let build = |changed: &str, value: Option<&str>| {
        let members: Vec<String> = names
            .iter()
            .filter_map(|name| match value {
                Some(value) if *name == changed => Some(format!(r#""{name}":{value}"#)),
                None if *name == changed => None,
                _ => Some(format!(r#""{name}":{}"#, right(name))),
            })
            .collect();
        signed(PLAIN, &format!("{{{}}}", members.join(",")))
    };
    for name in names {
        for value in
            ["null", "true", "[]", "{}", "1.5", "-1", "1e400", r#""""#, r#""1700000000""#, "[0]"]
        {
            // Any text is a subject.
            if (name, value) != ("sub", r#""1700000000""#) {
                refused(&build(name, Some(value)));
            }
        }
        // Only `exp` may be absent here: the domain demands it where it must be.
        assert_eq!(read(&build(name, None)).is_ok(), name == "exp", "{name}");
    }
    for (name, value) in [
        ("iss", r#""mainflux.users""#),
        ("type", "3"),
        ("type", "18446744073709551615"),
        ("exp", "9223372036854775807"),
        ("issuer_id", r#""00000000-0000-0000-0000-000000000000""#),
        ("issuer_id", r#""0192D3F0-1111-7ABC-8DEF-000000000001""#),
        ("issuer_id", r#""ada""#),
        ("sub", r#""a\u0000b""#),
    ] {
        refused(&build(name, Some(value)));
    }
    for extra in [
        r#","nbf":"0""#,
        r#","nbf":1.5"#,
        r#","jti":"""#,
        r#","jti":7"#,
        r#","aud":["mainflux.auth"]"#,
        r#","aud":"others""#,
    ] {
        refused(&signed(PLAIN, &payload(extra)));
    }
    assert!(read(&signed(PLAIN, &payload(r#","aud":"mainflux.auth""#))).is_ok());
}

#[test]
fn s5_a_member_that_comes_twice_is_a_refusal() {
    let whole = payload(r#","nbf":0,"jti":"0192d3f0-1111-7abc-8def-000000000002","x":1"#);
    let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&whole).unwrap();
    for (name, value) in &members {
        let inner = whole.trim_start_matches('{').trim_end_matches('}');
        refused(&signed(PLAIN, &format!(r#"{{{inner},"{name}":{value}}}"#)));
        refused(&signed(PLAIN, &format!(r#"{{"{name}":{value},{inner}}}"#)));
    }
    refused(&signed(r#"{"alg":"HS256","alg":"HS256","typ":"JWT"}"#, &payload("")));
    refused(&signed(r#"{"alg":"HS256","typ":"JWT","typ":"JWT"}"#, &payload("")));
    assert!(read(&signed(PLAIN, &whole)).is_ok(), "the control is accepted");
}

#[test]
fn s6_two_texts_are_never_the_same_token() {
    let token = signed(PLAIN, &payload(""));
    assert!(read(&token).is_ok());
    for odd in [
        format!("{token}="),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}."),
        format!(".{token}"),
        token.replace('.', ".."),
        token.replacen('.', "", 1),
        token.replacen('.', "=.", 1),
        token
            .split('.')
            .map(|part| URL_SAFE.encode(URL_SAFE_NO_PAD.decode(part).unwrap()))
            .collect::<Vec<_>>()
            .join("."),
    ] {
        refused(&odd);
    }
    // A MAC of 32 bytes leaves two unused bits in its last character.
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (head, last) = token.split_at(token.len() - 1);
    let position = alphabet.iter().position(|c| *c == last.as_bytes()[0]).unwrap();
    for bits in 1..4 {
        refused(&format!("{head}{}", char::from(alphabet[position | bits])));
    }
}

#[test]
fn s7_long_text_is_refused_unread() {
    let long = signed(PLAIN, &payload(&format!(r#","x":"{}""#, "y".repeat(Token::MAX))));
    refused(&long);
    refused(&".".repeat(Token::MAX));
    refused(&"a.".repeat(Token::MAX));
    let many = (0..33).map(|n| format!(r#","u{n}":0"#)).collect::<Vec<_>>().concat();
    refused(&signed(PLAIN, &payload(&many)));
}

#[test]
fn s15_a_weak_legacy_secret_is_trusted_for_stored_keys_only() {
    let tokens = JwtTokens::new(
        &SECRET.into(),
        &["secret".into(), "an older secret of thirty-two bytes".into()],
    )
    .unwrap();
    assert_eq!(tokens.weak_keys(), 1);
    let under = |secret: &str| {
        tokens
            .verify(&Token::new(forge(hmac::HMAC_SHA256, secret, PLAIN, &payload(""))))
            .map(|proved| proved.trust)
    };
    assert_eq!(under("secret"), Ok(Trust::StoredKeysOnly));
    assert_eq!(under("an older secret of thirty-two bytes"), Ok(Trust::Full));
    assert_eq!(under(SECRET), Ok(Trust::Full));
    assert_eq!(under("auth"), Err(Unauthenticated::BadToken));
}

#[test]
fn s14_a_weak_secret_cannot_sign() {
    assert_eq!(JwtTokens::new(&"secret".into(), &[]).unwrap_err(), SecretProblem::Public);
    assert_eq!(JwtTokens::new(&SECRET.into(), &["".into()]).unwrap_err(), SecretProblem::Empty);
}

#[test]
fn a_rotated_secret_goes_on_verifying_what_it_signed() {
    let old = tokens().sign(&claims(), Timestamp::from_seconds(1_700_000_000), &[]).unwrap();
    let rotated =
        JwtTokens::new(&"the next signing secret, also long".into(), &[SECRET.into()]).unwrap();
    let proved = rotated.verify(&old).unwrap();
    assert_eq!((proved.claims, proved.trust), (claims(), Trust::Full));
    let fresh = rotated.sign(&claims(), Timestamp::from_seconds(1_700_000_000), &[]).unwrap();
    assert!(tokens().verify(&fresh).is_err(), "the old secret does not know the new one");
}

proptest! {
    #[test]
    fn no_text_is_a_token_by_accident(text in "\\PC{0,200}") {
        prop_assert!(read(&text).is_err());
    }

    #[test]
    fn no_signed_payload_panics(payload in "\\PC{0,200}") {
        let _ = read(&signed(PLAIN, &payload));
    }

    #[test]
    fn any_changed_character_is_noticed(at in 0usize..200, to in "[A-Za-z0-9_.-]") {
        let token = signed(PLAIN, &payload(""));
        let at = at % token.len();
        let changed = format!("{}{to}{}", &token[..at], &token[at + 1..]);
        prop_assert_eq!(read(&changed).is_ok(), changed == token);
    }
}
