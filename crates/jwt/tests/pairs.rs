//! Tokens under keys of pairs: which key signs when, and that no key is taken for one of another kind.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may fail by panicking"
)]

use auth_domain::model::{Claims, KeyKind, Material, Proved, Token, Trust};
use auth_domain::ports::Tokens;
use auth_domain::{Id, Timestamp};
use auth_jwt::{Algorithm, JwtTokens, KeyRing, RingKey, SigningKey};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

const SECRET: &str = "a signing secret of more than 32 bytes";
const USER: &str = "0192d3f0-1111-7abc-8def-000000000001";
const NOW: i64 = 1_700_000_000;
const ALL: [Algorithm; 3] = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256];

fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::from_pkcs8(algorithm.generate().unwrap().expose_secret()).unwrap()
}

fn with(keys: Vec<(SigningKey, i64)>) -> (JwtTokens, KeyRing) {
    let tokens = JwtTokens::new(&SECRET.into(), &[]).unwrap();
    let ring = tokens.ring();
    let keys = keys.into_iter().map(|(key, signs_from)| RingKey { key: key.into(), signs_from });
    ring.replace(keys.collect());
    (tokens, ring)
}

fn claims() -> Claims {
    Claims {
        id: Some(Id::new(Uuid::from_u128(7))),
        user: USER.parse().unwrap(),
        email: "ada@example.com".into(),
        kind: KeyKind::Login,
        issued_at: NOW,
        not_before: None,
        expires_at: Some(NOW + 36_000),
        session: None,
    }
}

fn sign(tokens: &JwtTokens) -> String {
    tokens.sign(&claims(), Timestamp::from_seconds(NOW), &[]).unwrap().expose().to_owned()
}

fn read(tokens: &JwtTokens, text: &str) -> Option<Proved> {
    tokens.verify(&Token::new(text.to_owned())).ok()
}

/// The header and the claims.
fn said(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut next = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (next(), next())
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn hmacked(header: &Value, payload: &Value, algorithm: hmac::Algorithm, key: &[u8]) -> String {
    let signed = format!("{}.{}", encoded(header), encoded(payload));
    let mac = hmac::sign(&hmac::Key::new(algorithm, key), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
}

/// The bytes of a public key that somebody might take for a secret.
fn public_bytes(material: &Material) -> Vec<Vec<u8>> {
    let plain =
        |text: &String| vec![text.clone().into_bytes(), URL_SAFE_NO_PAD.decode(text).unwrap()];
    match material {
        Material::Ed25519 { x } => plain(x),
        Material::P256 { x, y } => {
            let point =
                [vec![4], URL_SAFE_NO_PAD.decode(x).unwrap(), URL_SAFE_NO_PAD.decode(y).unwrap()];
            [plain(x), plain(y), vec![point.concat()]].concat()
        }
        Material::Rsa { n, .. } => plain(n),
    }
}

#[test]
fn s17_each_algorithm_signs_and_is_verified_by_others_from_what_is_published() {
    for algorithm in ALL {
        let (tokens, _) = with(vec![(key(algorithm), 0)]);
        let token = sign(&tokens);
        let published = tokens.public_keys().pop().unwrap();
        let (header, payload) = said(&token);
        let kid = published.id.to_string();
        assert_eq!(header, json!({ "alg": algorithm.name(), "kid": kid, "typ": "JWT" }));
        assert_eq!(payload["aud"], "mainflux.auth", "s10");
        let expected =
            Proved { claims: claims(), trust: Trust::Full, signed_by: Some(published.id) };
        assert_eq!(read(&tokens, &token), Some(expected));

        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let verified =
            match &published.material {
                Material::Ed25519 { x } => {
                    UnparsedPublicKey::new(&ED25519, bytes(x)).verify(signed.as_bytes(), &signature)
                }
                Material::P256 { x, y } => {
                    let point = [vec![4], bytes(x), bytes(y)].concat();
                    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                    key.verify(signed.as_bytes(), &signature)
                }
                Material::Rsa { n, e } => RsaPublicKeyComponents { n: bytes(n), e: bytes(e) }
                    .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature),
            };
        assert!(verified.is_ok(), "{algorithm:?}");
    }
}

#[test]
fn s1_a_public_key_is_no_secret_and_no_key_is_one_of_another_kind() {
    for algorithm in ALL {
        let others = ALL.into_iter().filter(|other| *other != algorithm);
        let (tokens, _) = with(vec![(key(algorithm), 0)]);
        let token = sign(&tokens);
        let (header, payload) = said(&token);
        let kid = header["kid"].as_str().unwrap();
        // A MAC by what everybody knows, under every name.
        let published = tokens.public_keys().pop().unwrap();
        let (es, rs) = ("ES256".to_owned(), "RS256".to_owned());
        for alg in ["HS256".to_owned(), "HS512".to_owned(), algorithm.name().to_owned(), es, rs] {
            for known in public_bytes(&published.material) {
                for header in
                    [json!({ "alg": alg, "kid": kid, "typ": "JWT" }), json!({ "alg": alg })]
                {
                    for mac in [hmac::HMAC_SHA256, hmac::HMAC_SHA512] {
                        let forged = hmacked(&header, &payload, mac, &known);
                        assert_eq!(read(&tokens, &forged), None, "{header}");
                    }
                }
            }
        }
        // A MAC by the true secret, which names the key of the pair; and one that names the other's algorithm.
        for alg in ["HS256", algorithm.name()] {
            let header = json!({ "alg": alg, "kid": kid, "typ": "JWT" });
            let forged = hmacked(&header, &payload, hmac::HMAC_SHA256, SECRET.as_bytes());
            assert_eq!(read(&tokens, &forged), None, "{header}");
        }
        // No signature, whatever that is called.
        for alg in ["none", "None", "NONE", "nOnE", "", algorithm.name(), "HS256"] {
            let header = json!({ "alg": alg, "kid": kid, "typ": "JWT" });
            assert_eq!(
                read(&tokens, &format!("{}.{}.", encoded(&header), encoded(&payload))),
                None
            );
        }
        // The right signature under another key's name, or under no name.
        for other in others {
            let (theirs, _) = with(vec![(key(other), 0)]);
            assert_eq!(read(&theirs, &token), None, "{algorithm:?} {other:?}");
        }
    }
}

/// Signs any header and payload as the key of the pair would.
fn signed_by_pair(der: &[u8], header: &Value, payload: &Value) -> String {
    let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).unwrap();
    let signed = format!("{}.{}", encoded(header), encoded(payload));
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

#[test]
fn s1_s3_s10_the_header_decides_nothing_and_the_audience_is_needed() {
    let der = Algorithm::EdDsa.generate().unwrap();
    let (tokens, _) = with(vec![(SigningKey::from_pkcs8(der.expose_secret()).unwrap(), 0)]);
    let (header, payload) = said(&sign(&tokens));
    let is_read = |header: &Value, payload: &Value| {
        read(&tokens, &signed_by_pair(der.expose_secret(), header, payload)).is_some()
    };
    assert!(is_read(&header, &payload));
    let changed = |value: &Value, name: &str, to: Option<Value>| {
        let mut value = value.clone();
        let members = value.as_object_mut().unwrap();
        members.remove(name);
        if let Some(to) = to {
            members.insert(name.to_owned(), to);
        }
        value
    };
    // The control: members in another order are the same header.
    assert!(is_read(&changed(&header, "alg", Some("EdDSA".into())), &payload));
    assert!(is_read(&changed(&header, "typ", None), &payload));
    for alg in ["eddsa", "Ed25519", "ES256", "HS256", "none", ""] {
        assert!(!is_read(&changed(&header, "alg", Some(alg.into())), &payload), "{alg}");
    }
    assert!(!is_read(&changed(&header, "alg", None), &payload));
    for kid in ["", "../../etc/passwd", "a' OR 1=1 --", &"k".repeat(43), &"k".repeat(900)] {
        assert!(!is_read(&changed(&header, "kid", Some(kid.into())), &payload), "{kid}");
    }
    assert!(
        !is_read(&changed(&header, "kid", None), &payload),
        "an asymmetric key is always named"
    );
    for name in ["jwk", "jku", "x5u", "x5c", "crit"] {
        assert!(!is_read(&changed(&header, name, Some("x".into())), &payload), "{name}");
    }
    for aud in [None, Some(json!("things")), Some(json!(["mainflux.auth"])), Some(json!(""))] {
        assert!(!is_read(&header, &changed(&payload, "aud", aud.clone())), "{aud:?}");
    }
    assert!(!is_read(&header, &changed(&payload, "iss", Some("somebody".into()))));
}

#[test]
fn s6_every_bit_of_a_signature_counts() {
    for algorithm in ALL {
        let (tokens, _) = with(vec![(key(algorithm), 0)]);
        let token = sign(&tokens);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        for at in (0..signature.len()).step_by(7) {
            let mut other = signature.clone();
            other[at] ^= 0x10;
            let other = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(other));
            assert_eq!(read(&tokens, &other), None, "{algorithm:?} {at}");
        }
        let short = URL_SAFE_NO_PAD.encode(&signature[1..]);
        assert_eq!(read(&tokens, &format!("{signed}.{short}")), None);
        let long = URL_SAFE_NO_PAD.encode([&signature[..], &[0]].concat());
        assert_eq!(read(&tokens, &format!("{signed}.{long}")), None);
    }
}

/// The order of P-256 less this number.
fn mirrored(s: &[u8]) -> Vec<u8> {
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let mut borrow = 0;
    let mut digits: Vec<u8> = (0..32)
        .rev()
        .map(|n| {
            let digit = i32::from_str_radix(&order[2 * n..2 * n + 2], 16).unwrap();
            let digit = digit - i32::from(s[n]) - borrow;
            borrow = i32::from(digit < 0);
            u8::try_from(digit.rem_euclid(256)).unwrap()
        })
        .collect();
    digits.reverse();
    digits
}

#[test]
fn s6_an_es256_signature_has_one_spelling() {
    let (tokens, _) = with(vec![(key(Algorithm::Es256), 0)]);
    for _ in 0..20 {
        let token = sign(&tokens);
        assert!(read(&tokens, &token).is_some());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let other = [&signature[..32], &mirrored(&signature[32..])].concat();
        // It verifies, and is none of ours.
        let Material::P256 { x, y } = tokens.public_keys().pop().unwrap().material else {
            panic!()
        };
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let point = [vec![4], bytes(&x), bytes(&y)].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        key.verify(signed.as_bytes(), &other).unwrap();
        let other = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(other));
        assert_eq!(read(&tokens, &other), None);
    }
}

#[test]
fn s17_the_clock_decides_which_key_signs() {
    let (first, second) = (key(Algorithm::EdDsa), key(Algorithm::Es256));
    let ids = [first.id(), second.id()];
    let (tokens, ring) = with(vec![(second, NOW + 10), (first, NOW)]);
    for (at, signer) in [
        (NOW - 1, None),
        (NOW, Some(ids[0])),
        (NOW + 9, Some(ids[0])),
        (NOW + 10, Some(ids[1])),
        (NOW + 1_000, Some(ids[1])),
    ] {
        let at = Timestamp::from_seconds(at);
        let token = tokens.sign(&claims(), at, &[]).unwrap();
        assert_eq!(tokens.signer(at, &[]), signer);
        assert_eq!(tokens.verify(&token).unwrap().signed_by, signer, "{at}");
    }
    // A key that is out of use again leaves the one before it, and then the secret.
    let later = Timestamp::from_seconds(NOW + 10);
    assert_eq!(tokens.signer(later, &[ids[1]]), Some(ids[0]));
    assert_eq!(tokens.signer(later, &ids), None);
    let by_secret = tokens.sign(&claims(), later, &ids).unwrap();
    assert_eq!(tokens.verify(&by_secret).unwrap().signed_by, None);
    assert_eq!(
        tokens.public_keys().len(),
        2,
        "all are published, also the one that does not sign yet"
    );

    let old = sign(&tokens);
    ring.take_out(&[ids[1]]);
    assert!(read(&tokens, &old).is_some(), "another key is gone");
    ring.take_out(&[ids[0]]);
    assert_eq!(read(&tokens, &old), None, "a key that is gone verifies nothing");
    assert!(tokens.verify(&by_secret).is_ok());
    assert_eq!(tokens.public_keys(), []);
}

#[test]
fn s11_tokens_of_the_secret_live_on_and_look_as_before() {
    let alone = JwtTokens::new(&SECRET.into(), &[]).unwrap();
    let (tokens, _) = with(vec![(key(Algorithm::EdDsa), 0)]);
    let old = sign(&alone);
    assert_eq!(said(&old).1.get("aud"), None, "the original's tokens have none");
    let proved = read(&tokens, &old).unwrap();
    assert_eq!((proved.trust, proved.signed_by), (Trust::Full, None));
    assert_eq!(read(&alone, &sign(&tokens)), None, "without the key its tokens are unknown");
}
