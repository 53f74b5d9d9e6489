//! Access tokens verified here, against a fake auth and keys made by the test.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use auth_client::{Error, OfflineVerifier};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tonic::Code;

use crate::fake::{Answer, Fake, refuse, user7};

enum Pair {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
}

/// A key of auth's.
struct Key {
    kid: &'static str,
    pair: Pair,
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    fn ed(kid: &'static str) -> Self {
        let der = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.as_ref()).unwrap();
        Self { kid, pair: Pair::Ed(pair) }
    }

    fn ec(kid: &'static str) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref()).unwrap();
        Self { kid, pair: Pair::Ec(pair) }
    }

    fn alg(&self) -> &'static str {
        match self.pair {
            Pair::Ed(_) => "EdDSA",
            Pair::Ec(_) => "ES256",
        }
    }

    fn public(&self) -> Value {
        match &self.pair {
            Pair::Ed(pair) => {
                let x = encode(pair.public_key().as_ref());
                json!({ "kty": "OKP", "use": "sig", "alg": "EdDSA", "kid": self.kid, "crv": "Ed25519", "x": x })
            }
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref().split_at(1).1.split_at(32);
                let (x, y) = (encode(x), encode(y));
                json!({ "kty": "EC", "use": "sig", "alg": "ES256", "kid": self.kid, "crv": "P-256", "x": x, "y": y })
            }
        }
    }

    fn header(&self) -> Value {
        json!({ "alg": self.alg(), "kid": self.kid, "typ": "at+jwt" })
    }

    fn sign(&self, header: &Value, payload: &str) -> String {
        let signed =
            format!("{}.{}", encode(header.to_string().as_bytes()), encode(payload.as_bytes()));
        let signature = match &self.pair {
            Pair::Ed(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
            Pair::Ec(pair) => {
                pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec()
            }
        };
        format!("{signed}.{}", encode(&signature))
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(&self.header(), &claims.to_string())
    }
}

#[expect(clippy::disallowed_methods, reason = "the verifier goes by this machine's clock")]
fn claims() -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    json!({
        "iss": "mainflux.auth", "aud": "keyward.fleet", "sub": "user-7", "client_id": "first-party",
        "iat": now, "exp": now + 600, "jti": "j", "sid": "session-1", "auth_time": now,
    })
}

/// What auth publishes, how often it was fetched, and whether that works.
#[derive(Clone, Default)]
struct Published {
    document: Arc<Mutex<Option<String>>>,
    fetches: Arc<AtomicUsize>,
}

impl Published {
    fn set(&self, keys: &[&Key]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
        *self.document.lock().unwrap() = Some(json!({ "keys": keys }).to_string());
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

fn verifier(fake: &Fake, keys: &[&Key]) -> (OfflineVerifier, Published) {
    let published = Published::default();
    published.set(keys);
    let source = published.clone();
    let fetch = move || {
        source.fetches.fetch_add(1, Ordering::SeqCst);
        let document = source.document.lock().unwrap().clone();
        async move { document.map(String::into_bytes).ok_or_else(|| "away".into()) }
    };
    (OfflineVerifier::new(fake.client(), fetch), published)
}

async fn refused(verifier: &OfflineVerifier, token: &str, expected: &str) {
    match verifier.verify(token).await {
        Err(Error::Unauthenticated { code }) => assert_eq!(code, expected, "{token}"),
        other => panic!("{token}: {other:?}"),
    }
}

#[tokio::test]
async fn a_session_is_asked_about_once_in_a_while_and_not_at_every_request() {
    let fake = Fake::start(|_, _| user7()).await;
    let (ed, ec) = (Key::ed("one"), Key::ec("two"));
    let (verifier, published) = verifier(&fake, &[&ed, &ec]);
    for key in [&ed, &ec] {
        for _ in 0..20 {
            let who = verifier.verify(&key.token(&claims())).await.unwrap();
            assert_eq!((who.user_id.as_str(), who.email.as_str()), ("user-7", "seven@example.com"));
        }
    }
    assert_eq!(fake.asked(), ["Identify", "Identify"], "once for each session and key");
    assert_eq!(published.fetches(), 1);
    let mut other = claims();
    other["sid"] = json!("session-2");
    verifier.verify(&ed.token(&other)).await.unwrap();
    assert_eq!(fake.asked().len(), 3);
    // Whoever wants no staleness asks each time.
    let strict = verifier.staleness(Duration::ZERO);
    for _ in 0..2 {
        strict.verify(&ed.token(&claims())).await.unwrap();
    }
    assert_eq!(fake.asked().len(), 5);
}

#[tokio::test]
async fn fw13_a_session_that_is_ended_is_refused_within_the_bound() {
    // Alive when it is asked about first, and never again.
    let fake =
        Fake::start(|_, before| if before == 0 { user7() } else { refuse(Code::Unauthenticated) })
            .await;
    let key = Key::ed("one");
    let (verifier, _) = verifier(&fake, &[&key]);
    let bound = Duration::from_millis(300);
    let verifier = verifier.staleness(bound);
    let token = key.token(&claims());
    let asked = std::time::Instant::now();
    verifier.verify(&token).await.unwrap();
    let deadline = asked + Duration::from_secs(20);
    while verifier.verify(&token).await.is_ok() {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(asked.elapsed() >= bound, "it was asked about no earlier");
    refused(&verifier, &token, "").await;
}

#[tokio::test]
async fn s43_when_auth_is_away_nothing_is_taken_beyond_the_bound() {
    let fake = Fake::start(|_, _| Answer::Refusal(tonic::Status::unavailable("away"))).await;
    let key = Key::ed("one");
    let token = key.token(&claims());
    let (unsure, _) = verifier(&fake, &[&key]);
    assert!(unsure.verify(&token).await.unwrap_err().is_no_answer());
    let (verifier, published) = verifier(&fake, &[]);
    *published.document.lock().unwrap() = None;
    for _ in 0..3 {
        assert!(matches!(verifier.verify(&token).await, Err(Error::Unavailable { .. })));
    }
    assert_eq!(published.fetches(), 1, "what is away is not asked again and again");
}

#[tokio::test]
async fn a_secret_cannot_be_verified_with_and_that_is_said() {
    let fake = Fake::start(|_, _| user7()).await;
    let (verifier, _) = verifier(&fake, &[]);
    let answer = verifier.verify(&Key::ed("one").token(&claims())).await;
    assert!(
        matches!(&answer, Err(Error::Failed(why)) if why.contains("MF_AUTH_SIGNING_KEYS")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn fw16_keys_are_rotated_and_made_up_names_fetch_nothing() {
    let fake = Fake::start(|_, _| user7()).await;
    let (one, two) = (Key::ed("one"), Key::ec("two"));
    let (verifier, published) = verifier(&fake, &[&one]);
    verifier.verify(&one.token(&claims())).await.unwrap();
    published.set(&[&two]);
    // Fetched a moment ago: a name that is not known does not fetch at once.
    for _ in 0..20 {
        refused(&verifier, &two.token(&claims()), "invalid_token").await;
    }
    assert_eq!(published.fetches(), 1);
    let eager = verifier.clone().refetch_after(Duration::ZERO);
    eager.verify(&two.token(&claims())).await.unwrap();
    assert_eq!(published.fetches(), 2);
    refused(&verifier, &one.token(&claims()), "invalid_token").await;
    for _ in 0..20 {
        refused(&verifier, &one.token(&claims()), "invalid_token").await;
    }
    assert_eq!(published.fetches(), 2);
}

#[tokio::test]
async fn fw2_fw15_pw5_what_is_verified_is_an_access_token_of_auth_for_the_fleet() {
    let fake = Fake::start(|_, _| user7()).await;
    let (key, ec, stranger) = (Key::ed("one"), Key::ec("two"), Key::ed("one"));
    let (verifier, _) = verifier(&fake, &[&key, &ec]);
    let good = claims();
    verifier.verify(&key.token(&good)).await.unwrap();
    let asked = fake.asked().len();
    let with = |name: &str, value: Value| {
        let mut header = key.header();
        header[name] = value;
        key.sign(&header, &good.to_string())
    };
    let says = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        key.token(&claims)
    };
    let lacks = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        key.token(&claims)
    };
    let now = good["iat"].as_i64().unwrap();
    let token = key.token(&good);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let unsigned = with("alg", json!("none"));
    let bad = [
        String::new(),
        "x.y.z".to_owned(),
        "x".repeat(5_000),
        format!("{signed}."),
        format!("{signed}.{}", &signature[4..]),
        format!("{signed}.{signature}.{signature}"),
        stranger.token(&good),
        // The algorithm is the key's, whatever the header says.
        unsigned.clone(),
        format!("{}.", unsigned.rsplit_once('.').unwrap().0),
        with("alg", json!("ES256")),
        with("alg", json!("HS256")),
        with("kid", json!("two")),
        with("kid", json!("../one")),
        with("kid", json!(null)),
        with("typ", json!("JWT")),
        with("typ", json!(null)),
        with("crit", json!(["exp"])),
        with("jwk", key.public()),
        with("jku", json!("http://example.com/")),
        says("iss", json!("another")),
        says("aud", json!("mainflux.auth")),
        says("aud", json!(["keyward.fleet"])),
        says("iat", json!(now + 3_600)),
        says("nbf", json!(now + 3_600)),
        says("exp", json!("never")),
        lacks("iss"),
        lacks("aud"),
        lacks("exp"),
        lacks("sid"),
        lacks("sub"),
        key.sign(&key.header(), &good.to_string().replacen('{', r#"{"sub":"user-8","#, 1)),
    ];
    for token in &bad {
        refused(&verifier, token, "invalid_token").await;
    }
    refused(&verifier, &says("exp", json!(now - 1)), "expired_token").await;
    assert_eq!(fake.asked().len(), asked, "auth is not asked about any of them");
    // Somebody else's name on a session that is known counts for nothing.
    let answer = verifier.verify(&says("sub", json!("user-8"))).await;
    assert!(matches!(answer, Err(Error::Failed(_))), "{answer:?}");
}
