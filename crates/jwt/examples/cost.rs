//! What signing and verifying a token costs, by algorithm: `cargo run --release -p auth-jwt --example cost`.
//!
//! The figures in `docs/adr/0013-signing-keys.md` are from here.
#![expect(clippy::unwrap_used, reason = "a measurement may fail by panicking")]

use std::hint::black_box;
use std::time::Instant;

use auth_domain::model::{Claims, KeyKind};
use auth_domain::ports::Tokens;
use auth_domain::{Id, Timestamp};
use auth_jwt::{Algorithm, JwtTokens, RingKey, SigningKey};
use secrecy::ExposeSecret;
use uuid::Uuid;

/// How many tokens are made.
const TOKENS: u128 = 3_000;

fn main() {
    println!("| | sign | verify a new token | verify it again |\n| --- | --- | --- | --- |");
    let all = [None, Some(Algorithm::EdDsa), Some(Algorithm::Es256), Some(Algorithm::Rs256)];
    for algorithm in all {
        let tokens = JwtTokens::new(&"a secret for measurements, long enough".into(), &[]).unwrap();
        if let Some(algorithm) = algorithm {
            let key = SigningKey::from_pkcs8(algorithm.generate().unwrap().expose_secret());
            tokens.ring().replace(vec![RingKey { key: key.unwrap().into(), signs_from: 0 }]);
        }
        let (sign, made) = measured(|| {
            (0..TOKENS)
                .map(|n| {
                    tokens.sign(&claims(n), Timestamp::from_seconds(1_700_000_000), &[]).unwrap()
                })
                .collect::<Vec<_>>()
        });
        let verify = || made.iter().filter(|token| black_box(tokens.verify(token)).is_ok()).count();
        let ((new, first), (again, second)) = (measured(verify), measured(verify));
        assert_eq!((first, second), (made.len(), made.len()));
        let name = algorithm.map_or("HS256", Algorithm::name);
        println!("| {name} | {sign:.1} µs | {new:.1} µs | {again:.1} µs |");
    }
}

fn claims(n: u128) -> Claims {
    Claims {
        id: Some(Id::new(Uuid::from_u128(7))),
        user: Id::new(Uuid::from_u128(n | 1 << 64)),
        email: "ada@example.com".into(),
        kind: KeyKind::Login,
        issued_at: 1_700_000_000,
        not_before: None,
        expires_at: Some(1_700_036_000),
        session: None,
    }
}

/// Microseconds a token, and what came of it.
fn measured<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let began = Instant::now();
    let done = work();
    #[expect(clippy::cast_precision_loss, reason = "it is small")]
    let tokens = TOKENS as f64;
    (began.elapsed().as_secs_f64() * 1e6 / tokens, done)
}
