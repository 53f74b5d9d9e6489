//! Tokens and API keys.

use std::time::Duration;

use auth_domain::change::Change;
use auth_domain::model::{AccountStatus, Direction, KeyId, KeyKind, KeyOrder, Page, Token, Trust};
use auth_domain::ops::access::Identify;
use auth_domain::ops::introspection::RevokeToken;
use auth_domain::ops::keys::{IssueKey, IssueToken, ListKeys, PurgeKeys, RevokeKey, ViewKey};
use auth_domain::ports::{Clock, Keys, Tokens};
use auth_domain::{Caller, Error, Id, Rules, Unauthenticated};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use uuid::Uuid;

use crate::world::{World, user, world, world_by};

fn first_page() -> Page<KeyOrder> {
    Page::new(0, 10, KeyOrder::Id, Direction::Ascending).unwrap()
}

#[tokio::test]
async fn a_sibling_may_have_login_and_recovery_tokens_made() {
    let world = world().await;
    for (kind, life) in [(KeyKind::Login, 36_000), (KeyKind::Recovery, 300)] {
        let email = "ada@example.com".to_owned();
        let token = world.as_service(IssueToken { user: user(7), email, kind }).await.unwrap();
        let claims = world.tokens.verify(&token).unwrap().claims;
        assert_eq!(claims.expires_at.unwrap() - claims.issued_at, life);
        assert!(world.as_anyone(Identify { token }).await.is_ok());
    }
}

#[tokio::test]
async fn d62_two_logins_in_one_second_are_two_tokens() {
    let world = world().await;
    let make = || IssueToken { user: user(7), email: "a@b.io".into(), kind: KeyKind::Login };
    let first = world.as_service(make()).await.unwrap();
    let second = world.as_service(make()).await.unwrap();
    assert_ne!(first.expose(), second.expose());
}

#[tokio::test]
async fn d02_go0_nobody_else_may() {
    let world = world().await;
    let operation = || IssueToken { user: user(7), email: "a@b.io".into(), kind: KeyKind::Login };
    assert!(world.as_anyone(operation()).await.is_err());
    assert!(world.as_user(7, operation()).await.is_err());
}

#[tokio::test]
async fn a_token_that_could_not_come_back_is_not_made() {
    let world = world().await;
    for email in ["a\nb@c.io".to_owned(), "a\0@b.io".to_owned(), "x".repeat(255)] {
        let operation = IssueToken { user: user(7), email, kind: KeyKind::Login };
        assert!(matches!(world.as_service(operation).await, Err(Error::Invalid(_))));
    }
}

#[tokio::test]
async fn a_key_lives_as_long_as_was_asked() {
    let world = world().await;
    let forever = world.key(7, None).await.key;
    assert_eq!(forever.expires_at, None);
    assert_eq!(world.key(7, Some(0)).await.key.expires_at, None);
    let hour = world.key(7, Some(3600)).await.key;
    assert_eq!(hour.expires_at, Some(world.clock.now().plus(Duration::from_hours(1))));
    assert_eq!(world.facts().await, ["key.issue"; 3]);
}

#[tokio::test]
async fn s23_a_life_that_cannot_be_is_refused() {
    let world = world().await;
    for seconds in [-1, i64::MIN, 3_153_600_001, 10_000_000_000, i64::MAX] {
        let asked = IssueKey { kind: KeyKind::Api, seconds: Some(seconds) };
        let answer = world.as_user(7, asked).await;
        assert!(matches!(answer, Err(Error::Invalid(_))), "{seconds}");
    }
    assert_eq!(world.facts().await, [""; 0]);
}

#[tokio::test]
async fn an_operator_may_bound_the_life_of_keys() {
    let longest = Some(Duration::from_hours(1));
    let world = world_by(Rules { max_key_life: longest, ..Rules::default() }).await;
    for (seconds, good) in
        [(Some(3600), true), (Some(3601), false), (None, false), (Some(0), false)]
    {
        let answer = world.as_user(7, IssueKey { kind: KeyKind::Api, seconds }).await;
        assert_eq!(answer.is_ok(), good, "{seconds:?}");
    }
}

#[tokio::test]
async fn go2_only_a_login_token_makes_a_key_and_only_an_api_key() {
    let world = world().await;
    let api_key = world.key(7, None).await.token;
    let callers = [
        Caller::Anonymous,
        Caller::Service("users".into()),
        Caller::Bearer(world.token(7, KeyKind::Recovery)),
        Caller::Bearer(api_key),
        Caller::Bearer(Token::new("garbage".into())),
    ];
    for kind in KeyKind::ALL {
        for caller in callers.clone() {
            let answer = world.app.execute(caller.clone(), IssueKey { kind, seconds: None }).await;
            assert!(matches!(answer, Err(Error::Unauthenticated(_))), "{kind:?} {caller:?}");
        }
    }
    for kind in [KeyKind::Login, KeyKind::Recovery] {
        let answer = world.as_user(7, IssueKey { kind, seconds: None }).await;
        assert!(matches!(answer, Err(Error::Invalid(_))), "{kind:?}");
    }
    assert_eq!(world.facts().await, ["key.issue"]);
}

#[tokio::test]
async fn the_refusal_says_what_the_original_says() {
    let world = world().await;
    let key = world.key(7, None).await;
    let by_key = || Caller::Bearer(key.token.clone());
    let text = |error: Error| error.to_string();
    let id = key.key.id;
    let issue = IssueKey { kind: KeyKind::Api, seconds: None };
    assert_eq!(
        text(world.app.execute(by_key(), issue).await.unwrap_err()),
        "failed to issue new login key"
    );
    assert_eq!(
        text(world.app.execute(by_key(), ViewKey { id }).await.unwrap_err()),
        "failed to retrieve key data"
    );
    let revoke = RevokeKey { id };
    assert_eq!(
        text(world.app.execute(by_key(), revoke).await.unwrap_err()),
        "failed to remove key"
    );
    assert!(world.store.key(user(7), id).await.unwrap().is_some());
}

#[tokio::test]
async fn keys_are_their_owners_business() {
    let world = world().await;
    let mine = world.key(7, None).await.key;
    assert_eq!(world.as_user(7, ViewKey { id: mine.id }).await.unwrap(), mine);
    assert!(matches!(world.as_user(8, ViewKey { id: mine.id }).await, Err(Error::NotFound(_))));
    assert!(world.as_user(8, RevokeKey { id: mine.id }).await.is_ok(), "as good as revoked");
    assert!(world.store.key(user(7), mine.id).await.unwrap().is_some(), "but it was not");
    let listed = world.as_user(7, ListKeys { page: first_page() }).await.unwrap();
    assert_eq!((listed.items, listed.total), (vec![mine], 1));
    assert_eq!(world.as_user(8, ListKeys { page: first_page() }).await.unwrap().total, 0);
}

#[tokio::test]
async fn revoking_what_is_not_there_changes_nothing() {
    let world = world().await;
    for id in [KeyId::sought("zz"), Id::new(Uuid::from_u128(1))] {
        world.as_user(7, RevokeKey { id }).await.unwrap();
    }
    assert_eq!(world.facts().await, [""; 0]);
}

#[tokio::test]
async fn d71_keys_whose_time_is_over_are_purged() {
    let world = world().await;
    let short = world.key(7, Some(10)).await.key;
    let long = world.key(7, Some(3600)).await.key;
    let endless = world.key(7, None).await.key;
    world.clock.advance(Duration::from_secs(71));
    world.app.execute(Caller::System, PurgeKeys).await.unwrap();
    assert_eq!(world.store.key(user(7), short.id).await.unwrap(), None);
    for kept in [long, endless] {
        assert_eq!(world.store.key(user(7), kept.id).await.unwrap(), Some(kept));
    }
    assert!(matches!(
        world.as_user(7, PurgeKeys).await,
        Err(Error::Unauthenticated(Unauthenticated::UnknownService))
    ));
}

#[tokio::test]
async fn s15_under_a_weak_legacy_secret_only_stored_keys_count() {
    let world = world().await;
    let stored = world.key(7, None).await.key;
    let login = sign_weakly(&world, KeyKind::Login, None, 0);
    assert!(world.as_anyone(Identify { token: login }).await.is_err());
    let genuine = sign_weakly(&world, KeyKind::Api, Some(stored.id), 0);
    assert_eq!(world.tokens.verify(&genuine).unwrap().trust, Trust::StoredKeysOnly);
    assert!(world.as_anyone(Identify { token: genuine }).await.is_ok());
    let invented = sign_weakly(&world, KeyKind::Api, Some(Id::new(Uuid::from_u128(99))), 0);
    assert!(world.as_anyone(Identify { token: invented }).await.is_err());
}

/// What anybody can sign takes nothing away from whose id it names.
#[tokio::test]
async fn s15_s21_a_key_is_taken_back_only_by_what_says_all_that_is_stored() {
    let world = world().await;
    world.account(7, "user7@example.com").await;
    let stored = world.key(7, None).await.key;
    let genuine = sign_weakly(&world, KeyKind::Api, Some(stored.id), 0);
    let forged = sign_weakly(&world, KeyKind::Api, Some(stored.id), -5);
    let set = async |status| {
        let at = world.clock.now();
        world.commit(Change::SetAccountStatus { id: user(7), status, at }).await.unwrap();
    };
    let row = async || world.store.stored_key(user(7), stored.id).await.unwrap();
    for status in [AccountStatus::Enabled, AccountStatus::Disabled] {
        set(status).await;
        world.as_anyone(RevokeToken { token: forged.clone() }).await.unwrap();
        assert_eq!(row().await.as_ref(), Some(&stored), "{status:?}");
    }
    world.as_anyone(RevokeToken { token: genuine.clone() }).await.unwrap();
    assert_eq!(row().await, None, "rfc 7009: also of somebody who is disabled");
    world.as_anyone(RevokeToken { token: genuine }).await.unwrap();
}

/// A token signed as by a fleet that ran on the default secret, which says it was made so many seconds later.
fn sign_weakly(world: &World, kind: KeyKind, id: Option<KeyId>, later: i64) -> Token {
    let now = world.clock.now().seconds().saturating_add(later);
    let end = now.saturating_add(60);
    let rest = id.map_or_else(|| json!({ "exp": end }), |id| json!({ "jti": id.to_string() }));
    let mut claims = json!({
        "iat": now, "iss": "mainflux.auth", "sub": "user7@example.com",
        "issuer_id": user(7).to_string(), "type": kind.number(),
    });
    claims.as_object_mut().unwrap().append(&mut rest.as_object().unwrap().clone());
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"secret"), signed.as_bytes());
    Token::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac)))
}
