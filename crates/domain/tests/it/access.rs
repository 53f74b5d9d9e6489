//! Identify and Authorize.

use std::time::Duration;

use auth_domain::change::Change;
use auth_domain::model::{Action, Claims, KeyKind, OrgRole, PlatformRole, Token};
use auth_domain::ops::access::{Authorize, Identify, Question};
use auth_domain::ops::keys::RevokeKey;
use auth_domain::ports::{Clock, Keys};
use auth_domain::{Error, Result, Unauthenticated};

use crate::world::{World, user, world};

async fn identify(world: &World, token: Token) -> Result<auth_domain::app::Identity> {
    world.as_anyone(Identify { token }).await
}

async fn authorize(
    world: &World,
    token: Token,
    subject: &str,
    object: &str,
    action: &str,
) -> Result<()> {
    let question = Question::parse(subject, object, action)?;
    world.as_anyone(Authorize { token, question }).await
}

#[tokio::test]
async fn s2_nothing_is_done_for_a_signature_that_is_wrong() {
    let world = world().await;
    let issued = world.key(7, Some(60)).await;
    world.clock.advance(Duration::from_mins(2));
    // The key has ended, and whoever shows it properly has its row removed.
    let (rest, signature) = issued.token.expose().rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = Token::new(format!("{rest}.{other}{}", signature.get(1..).unwrap()));
    assert!(matches!(
        identify(&world, forged).await,
        Err(Error::Unauthenticated(Unauthenticated::BadToken))
    ));
    assert!(world.store.key(user(7), issued.key.id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_token_names_its_user_and_its_kind() {
    let world = world().await;
    for kind in [KeyKind::Login, KeyKind::Recovery] {
        let found = identify(&world, world.token(7, kind)).await.unwrap();
        assert_eq!((found.user, found.kind, found.key), (user(7), kind, None));
        assert_eq!(found.email, "user7@example.com");
    }
    let issued = world.key(7, None).await;
    let found = identify(&world, issued.token).await.unwrap();
    assert_eq!((found.user, found.kind, found.key), (user(7), KeyKind::Api, Some(issued.key.id)));
}

#[tokio::test]
async fn s13_a_token_ends_with_the_second_it_names() {
    let world = world().await;
    let token = world.token(7, KeyKind::Login);
    world.clock.advance(Duration::from_hours(10));
    assert!(identify(&world, token.clone()).await.is_ok());
    world.clock.advance(Duration::from_secs(1));
    assert!(matches!(
        identify(&world, token).await,
        Err(Error::Unauthenticated(Unauthenticated::Expired))
    ));
}

#[tokio::test]
async fn s13_an_expired_key_is_refused_and_nothing_is_written() {
    let world = world().await;
    let issued = world.key(7, Some(60)).await;
    world.clock.advance(Duration::from_mins(1));
    assert!(identify(&world, issued.token.clone()).await.is_ok());
    world.clock.advance(Duration::from_secs(1));
    assert!(matches!(
        identify(&world, issued.token.clone()).await,
        Err(Error::Unauthenticated(Unauthenticated::ExpiredKey))
    ));
    assert!(world.store.key(user(7), issued.key.id).await.unwrap().is_some());
    assert_eq!(world.facts().await, ["key.issue"]);
}

#[tokio::test]
async fn go8_a_login_token_without_an_end_or_with_a_late_one_is_refused() {
    let world = world().await;
    let now = world.clock.now().seconds();
    for expires_at in [None, Some(now + 36_001), Some(i64::MAX), Some(now - 1)] {
        for kind in [KeyKind::Login, KeyKind::Recovery] {
            let claims = Claims {
                id: None,
                user: user(7),
                email: "user7@example.com".into(),
                kind,
                issued_at: now,
                not_before: None,
                expires_at,
                session: None,
            };
            assert!(identify(&world, world.sign(&claims)).await.is_err(), "{expires_at:?}");
        }
    }
}

#[tokio::test]
async fn go34_a_clock_may_be_a_minute_ahead_and_no_more() {
    let world = world().await;
    let now = world.clock.now().seconds();
    for (ahead, good) in [(0, true), (60, true), (61, false)] {
        let claims = Claims {
            id: None,
            user: user(7),
            email: "user7@example.com".into(),
            kind: KeyKind::Login,
            issued_at: now + ahead,
            not_before: None,
            expires_at: Some(now + 3600),
            session: None,
        };
        assert_eq!(identify(&world, world.sign(&claims)).await.is_ok(), good, "{ahead}");
    }
}

#[tokio::test]
async fn s21_a_key_counts_only_if_it_says_what_is_stored() {
    let world = world().await;
    let issued = world.key(7, Some(3600)).await;
    let stored = Claims {
        id: Some(issued.key.id),
        user: user(7),
        email: issued.key.subject.clone(),
        kind: KeyKind::Api,
        issued_at: issued.key.issued_at.seconds(),
        not_before: None,
        expires_at: issued.key.expires_at.map(auth_domain::Timestamp::seconds),
        session: None,
    };
    assert!(identify(&world, world.sign(&stored)).await.is_ok(), "the control is accepted");
    let end = stored.expires_at.unwrap();
    for changed in [
        Claims { id: None, ..stored.clone() },
        Claims { user: user(8), ..stored.clone() },
        Claims { email: "root@example.com".into(), ..stored.clone() },
        Claims { issued_at: stored.issued_at - 1, ..stored.clone() },
        Claims { expires_at: None, ..stored.clone() },
        Claims { expires_at: Some(end + 3600), ..stored.clone() },
    ] {
        assert!(identify(&world, world.sign(&changed)).await.is_err(), "{changed:?}");
    }
}

#[tokio::test]
async fn a_revoked_key_is_dead_at_once() {
    let world = world().await;
    let issued = world.key(7, None).await;
    world.as_user(7, RevokeKey { id: issued.key.id }).await.unwrap();
    assert!(matches!(
        identify(&world, issued.token).await,
        Err(Error::Unauthenticated(Unauthenticated::NotHonoured))
    ));
}

#[tokio::test]
async fn every_role_may_do_exactly_what_the_table_says() {
    let world = world().await;
    let org = world.org(1, "acme").await.to_string();
    let id = org.parse().unwrap();
    world.join(id, 2, OrgRole::Admin).await;
    world.join(id, 3, OrgRole::Editor).await;
    world.join(id, 4, OrgRole::Viewer).await;
    world.promote(5, PlatformRole::Admin).await;
    world.promote(6, PlatformRole::Root).await;
    // Owner, admin, editor, viewer, platform admin, root, stranger: the actions that are allowed.
    let rows: [(u128, &[&str]); 7] = [
        (1, &["viewer", "editor", "admin", "owner"]),
        (2, &["viewer", "editor", "admin"]),
        (3, &["viewer", "editor"]),
        (4, &["viewer"]),
        (5, &["viewer", "editor", "admin", "owner"]),
        (6, &["viewer", "editor", "admin", "owner"]),
        (7, &[]),
    ];
    for (number, allowed) in rows {
        for action in Action::ALL {
            let action = action.as_str();
            for token in [world.token(number, KeyKind::Login), world.key(number, None).await.token]
            {
                let answer = authorize(&world, token, "org", &org, action).await;
                if allowed.contains(&action) {
                    assert!(answer.is_ok(), "{number} {action}");
                } else {
                    assert!(matches!(answer, Err(Error::Forbidden)), "{number} {action}");
                }
            }
        }
    }
}

#[tokio::test]
async fn only_a_platform_role_passes_root() {
    let world = world().await;
    world.org(1, "acme").await;
    world.promote(5, PlatformRole::Admin).await;
    world.promote(6, PlatformRole::Root).await;
    for (number, good) in [(1, false), (5, true), (6, true), (7, false)] {
        let answer = authorize(&world, world.token(number, KeyKind::Login), "root", "", "").await;
        assert_eq!(answer.is_ok(), good, "{number}");
    }
}

#[tokio::test]
async fn d67_an_org_that_does_not_exist_is_nobodys() {
    let world = world().await;
    world.promote(6, PlatformRole::Root).await;
    for object in ["", "zz", "0192d3f0-1111-7abc-8def-000000000001"] {
        let stranger =
            authorize(&world, world.token(7, KeyKind::Login), "org", object, "viewer").await;
        assert!(matches!(stranger, Err(Error::Forbidden)), "{object}");
        let root = authorize(&world, world.token(6, KeyKind::Login), "org", object, "viewer").await;
        assert!(matches!(root, Err(Error::NotFound(_))), "{object}");
    }
}

#[tokio::test]
async fn go12_unknown_words_are_never_a_yes() {
    let world = world().await;
    let org = world.org(1, "acme").await.to_string();
    for action in ["", "foo", "OWNER", "owner ", "viewer,owner"] {
        let answer = authorize(&world, world.token(1, KeyKind::Login), "org", &org, action).await;
        assert!(matches!(answer, Err(Error::Invalid(_))), "{action}");
    }
    for subject in ["", "Org", "root ", "Group", "platform"] {
        let answer =
            authorize(&world, world.token(1, KeyKind::Login), subject, &org, "viewer").await;
        assert!(matches!(answer, Err(Error::Invalid(_))), "{subject}");
    }
}

#[tokio::test]
async fn go5_a_recovery_token_authorizes_nothing() {
    let world = world().await;
    let org = world.org(1, "acme").await.to_string();
    world.promote(1, PlatformRole::Root).await;
    for (subject, object) in [("root", ""), ("org", org.as_str())] {
        let token = world.token(1, KeyKind::Recovery);
        let answer = authorize(&world, token, subject, object, "viewer").await;
        assert!(matches!(answer, Err(Error::Unauthenticated(_))), "{subject}");
    }
}

#[tokio::test]
async fn s25_what_is_taken_away_is_gone_for_every_token() {
    let world = world().await;
    world.promote(6, PlatformRole::Root).await;
    world.promote(5, PlatformRole::Admin).await;
    let key = world.key(5, None).await.token;
    assert!(authorize(&world, key.clone(), "root", "", "").await.is_ok());
    world.commit(Change::RemovePlatformRole { user: user(5) }).await.unwrap();
    assert!(matches!(authorize(&world, key, "root", "", "").await, Err(Error::Forbidden)));
}
