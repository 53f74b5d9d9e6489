//! Sessions with refresh tokens.

use std::time::Duration;

use auth_domain::model::{
    Device, Direction, KeyKind, MOST_SESSIONS, Page, PlatformRole, RefreshToken, Session,
    SessionId, Token,
};
use auth_domain::ops::By;
use auth_domain::ops::access::{Authorize, Identify, Question};
use auth_domain::ops::account_admin::{DisableAccount, EnableAccount};
use auth_domain::ops::accounts::Register;
use auth_domain::ops::introspection::Introspect;
use auth_domain::ops::keys::IssueKey;
use auth_domain::ops::passwords::{ChangePassword, SetPasswordOf};
use auth_domain::ops::sessions::{EndSessions, EndSessionsOf};
use auth_domain::ops::sign_ins::{
    BeginSession, EndSession, ListSessions, ListSessionsOf, PurgeSessions, RefreshSession, SignedIn,
};
use auth_domain::ports::{Class, Clock, Sessions};
use auth_domain::{Caller, Entity, Error, Result, Rules, Unauthenticated};

use crate::world::{World, user, world, world_by};

const ADA: &str = "ada@example.com";
const PASSWORD: &str = "password1";

/// Ada, who registered, and root and admin with numbers 1 and 2.
async fn with_ada() -> World {
    let world = world().await;
    opened(&world).await;
    world
}

async fn opened(world: &World) {
    let metadata = auth_domain::model::Metadata::default();
    let (email, password) = (ADA.parse().unwrap(), PASSWORD.into());
    let path = "/verify".to_owned();
    world.as_anyone(Register { email, password, metadata, path }).await.unwrap();
    for number in [1, 2] {
        world.account(number, &format!("user{number}@example.com")).await;
    }
    world.promote(1, PlatformRole::Root).await;
    world.promote(2, PlatformRole::Admin).await;
}

async fn begin(world: &World) -> SignedIn {
    try_begin(world, PASSWORD).await.unwrap()
}

async fn try_begin(world: &World, password: &str) -> Result<SignedIn> {
    let (email, password) = (ADA.parse().unwrap(), password.into());
    let device = Device::cleaned(b"a browser");
    world.as_anyone(BeginSession { email, password, device }).await
}

async fn refresh(world: &World, token: &RefreshToken) -> Result<SignedIn> {
    world.as_anyone(RefreshSession { token: token.clone() }).await
}

async fn lives(world: &World, token: &Token) -> bool {
    match world.as_anyone(Identify { token: token.clone() }).await {
        Ok(identity) => {
            assert_eq!((identity.email.as_str(), identity.kind), (ADA, KeyKind::Login));
            true
        }
        Err(Error::Unauthenticated(Unauthenticated::NotHonoured | Unauthenticated::Expired)) => {
            false
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "it is for answers that nobody needs any more")]
fn is_refused<T: std::fmt::Debug>(answer: Result<T>) {
    let refused = matches!(answer, Err(Error::Unauthenticated(Unauthenticated::NotHonoured)));
    assert!(refused, "{answer:?}");
}

async fn by<O: auth_domain::Operation>(
    world: &World,
    signed_in: &SignedIn,
    operation: O,
) -> Result<O::Output> {
    world.app.execute(Caller::Bearer(signed_in.access.clone()), operation).await
}

fn page() -> Page<()> {
    Page::new(0, 10, (), Direction::Ascending).unwrap()
}

async fn own(world: &World, signed_in: &SignedIn) -> (Vec<Session>, Option<SessionId>) {
    let some = by(world, signed_in, ListSessions { page: page() }).await.unwrap();
    (some.sessions.items, some.current)
}

#[tokio::test]
async fn an_access_token_may_do_what_a_login_token_may_for_ten_minutes() {
    let world = with_ada().await;
    let first = begin(&world).await;
    assert_eq!((first.expires_in, first.refresh_expires_in), (600, 14 * 24 * 3600));
    assert!(lives(&world, &first.access).await);
    by(&world, &first, IssueKey { kind: KeyKind::Api, seconds: None }).await.unwrap();
    world.promote(1, PlatformRole::Root).await;
    let asked = Authorize { token: first.access.clone(), question: Question::Root };
    assert!(matches!(world.as_anyone(asked).await, Err(Error::Forbidden)));
    world.clock.advance(Duration::from_mins(10));
    assert!(lives(&world, &first.access).await);
    world.clock.advance(Duration::from_secs(1));
    assert!(!lives(&world, &first.access).await);
    let second = refresh(&world, &first.refresh).await.unwrap();
    assert!(lives(&world, &second.access).await);
    assert_eq!(second.session, first.session);
}

#[tokio::test]
async fn what_is_wrong_with_a_sign_in_is_not_told() {
    let world = with_ada().await;
    let wrong = try_begin(&world, "password2").await.unwrap_err();
    assert!(matches!(wrong, Error::Unauthenticated(Unauthenticated::BadCredentials)));
    let email = "nobody@example.com".parse().unwrap();
    let unknown = BeginSession { email, password: PASSWORD.into(), device: Device::default() };
    let unknown = world.as_anyone(unknown).await.unwrap_err();
    assert!(matches!(unknown, Error::Unauthenticated(Unauthenticated::BadCredentials)));
    for _ in 0..2 {
        drop(try_begin(&world, "password2").await);
    }
    let slowed = try_begin(&world, PASSWORD).await;
    assert!(matches!(slowed, Err(Error::RateLimited(_))), "guesses are limited: {slowed:?}");
}

#[tokio::test]
async fn fw2_nothing_but_a_refresh_token_refreshes_and_it_is_no_other_token() {
    let world = with_ada().await;
    let session = begin(&world).await;
    let key = by(&world, &session, IssueKey { kind: KeyKind::Api, seconds: None }).await.unwrap();
    let others = [
        session.access.clone(),
        key.token,
        world.token(1, KeyKind::Login),
        world.token(1, KeyKind::Recovery),
        Token::new(String::new()),
        Token::new("x".repeat(5000)),
    ];
    for other in others {
        is_refused(refresh(&world, &RefreshToken::new(other.expose().to_owned())).await);
    }
    let as_bearer = Token::new(session.refresh.expose().to_owned());
    let answer = world.as_anyone(Identify { token: as_bearer }).await;
    let bad = matches!(answer, Err(Error::Unauthenticated(Unauthenticated::BadToken)));
    assert!(bad, "{answer:?}");
    assert!(lives(&world, &session.access).await, "nothing of that ended it");
}

#[tokio::test]
async fn gw12_a_refresh_token_that_comes_again_ends_the_session() {
    let world = with_ada().await;
    let (first, other) = (begin(&world).await, begin(&world).await);
    let second = refresh(&world, &first.refresh).await.unwrap();
    let third = refresh(&world, &second.refresh).await.unwrap();
    assert!(lives(&world, &third.access).await);
    // Two before the newest, within the grace of the one before.
    is_refused(refresh(&world, &first.refresh).await);
    for token in [&first.access, &second.access, &third.access] {
        assert!(!lives(&world, token).await);
    }
    for token in [&first, &second, &third] {
        is_refused(refresh(&world, &token.refresh).await);
    }
    assert!(lives(&world, &other.access).await);
    refresh(&world, &other.refresh).await.unwrap();
    let ended = world.facts().await.into_iter().filter(|kind| kind == "session.end");
    assert_eq!(ended.count(), 1);
}

#[tokio::test]
async fn gw12_the_one_before_is_honoured_for_half_a_minute_and_gives_the_same_again() {
    let world = with_ada().await;
    let first = begin(&world).await;
    let second = refresh(&world, &first.refresh).await.unwrap();
    for seconds in [0, 10, 19] {
        world.clock.advance(Duration::from_secs(seconds));
        let again = refresh(&world, &first.refresh).await.unwrap();
        assert_eq!(again.refresh.expose(), second.refresh.expose(), "never another chain");
        assert!(lives(&world, &again.access).await);
    }
    world.clock.advance(Duration::from_secs(1));
    is_refused(refresh(&world, &first.refresh).await);
    assert!(!lives(&world, &second.access).await);
    is_refused(refresh(&world, &second.refresh).await);
}

/// Whoever has had one of the tokens is found out, whichever of the two goes on.
#[tokio::test]
async fn gw12_the_grace_forks_nothing() {
    let world = with_ada().await;
    let first = begin(&world).await;
    let owner = refresh(&world, &first.refresh).await.unwrap();
    let thief = refresh(&world, &first.refresh).await.unwrap();
    let thief = refresh(&world, &thief.refresh).await.unwrap();
    world.clock.advance(Duration::from_secs(31));
    is_refused(refresh(&world, &owner.refresh).await);
    is_refused(refresh(&world, &thief.refresh).await);
    assert!(!lives(&world, &thief.access).await);
}

#[tokio::test]
async fn gw12_of_two_tabs_at_once_one_refreshes_and_both_go_on() {
    let world = with_ada().await;
    for _ in 0..10 {
        let first = begin(&world).await;
        let (one, two) =
            tokio::join!(refresh(&world, &first.refresh), refresh(&world, &first.refresh));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.refresh.expose(), two.refresh.expose());
        refresh(&world, &one.refresh).await.unwrap();
    }
}

#[tokio::test]
async fn fpw5_a_session_ends_when_nobody_uses_it_and_in_any_case() {
    let rules = Rules {
        session_idle: Duration::from_hours(2),
        session_life: Duration::from_hours(5),
        ..Rules::default()
    };
    let world = world_by(rules).await;
    opened(&world).await;
    let idle = begin(&world).await;
    world.clock.advance(Duration::from_hours(2));
    is_refused(refresh(&world, &idle.refresh).await);

    let mut used = begin(&world).await;
    let begun = world.clock.now();
    for _ in 0..4 {
        world.clock.advance(Duration::from_mins(70));
        used = refresh(&world, &used.refresh).await.unwrap();
    }
    assert_eq!(used.refresh_expires_in, 20 * 60, "not two hours more");
    world.clock.advance(Duration::from_mins(15));
    used = refresh(&world, &used.refresh).await.unwrap();
    assert_eq!(used.expires_in, 300, "no access token outlives its session");
    world.clock.advance(Duration::from_mins(5));
    is_refused(refresh(&world, &used.refresh).await);
    assert!(world.clock.now().seconds() - begun.seconds() == 5 * 3600);
    world.app.execute(Caller::System, PurgeSessions).await.unwrap();
    let ada = world.store_account(ADA).await;
    world.clock.back(Duration::from_hours(9));
    let listed = world.store.sessions(ada, world.clock.now(), page()).await.unwrap();
    assert_eq!(listed.total, 1, "the one that ended less than a minute ago is still there");
}

#[tokio::test]
async fn fw13_gw15_fpw6_pw11_whatever_ends_all_sessions_ends_those_that_can_be_refreshed() {
    let world = with_ada().await;
    let ada = world.store_account(ADA).await;
    let mut password = PASSWORD.to_owned();
    for round in 0..5 {
        let before = try_begin(&world, &password).await.unwrap();
        let refreshed = try_begin(&world, &password).await.unwrap();
        let refreshed = refresh(&world, &refreshed.refresh).await.unwrap();
        let new = format!("password number {round}");
        match round {
            0 => by(&world, &before, EndSessions).await.unwrap(),
            1 => {
                let (current, password) = (password.as_str().into(), new.as_str().into());
                by(&world, &before, ChangePassword { current, password }).await.unwrap();
            }
            2 => {
                let (email, password) = (Some(ADA.parse().unwrap()), new.as_str().into());
                world.as_user(1, SetPasswordOf { email, password }).await.unwrap();
            }
            3 => {
                let ending = EndSessionsOf { by: By::Platform, user: ada };
                world.as_user(1, ending).await.unwrap();
            }
            _ => {
                world.as_user(1, DisableAccount { id: ada }).await.unwrap();
                is_refused(refresh(&world, &before.refresh).await);
                world.as_user(1, EnableAccount { id: ada }).await.unwrap();
            }
        }
        if matches!(round, 1 | 2) {
            password = new;
        }
        for session in [&before, &refreshed] {
            assert!(!lives(&world, &session.access).await, "{round}");
            is_refused(refresh(&world, &session.refresh).await);
        }
        // In the same second.
        let since = try_begin(&world, &password).await.unwrap();
        assert!(lives(&world, &since.access).await, "{round}");
        refresh(&world, &since.refresh).await.unwrap();
        world.clock.advance(Duration::from_mins(2));
    }
}

#[tokio::test]
async fn a_sign_in_that_a_password_change_overtakes_begins_no_session() {
    let world = with_ada().await;
    let app = world.app.clone();
    let root = world.token(1, KeyKind::Login);
    *world.passwords.meanwhile.lock().unwrap() = Some(Box::pin(async move {
        let (email, password) = (Some(ADA.parse().unwrap()), "another one".into());
        app.execute(Caller::Bearer(root), SetPasswordOf { email, password }).await.unwrap();
    }));
    let answer = try_begin(&world, PASSWORD).await;
    let refused = matches!(answer, Err(Error::Unauthenticated(Unauthenticated::BadCredentials)));
    assert!(refused, "{answer:?}");
    let ada = world.store_account(ADA).await;
    assert_eq!(world.store.sessions(ada, world.clock.now(), page()).await.unwrap().total, 0);
}

#[tokio::test]
async fn everybody_lists_and_ends_their_own() {
    let world = with_ada().await;
    let first = begin(&world).await;
    world.clock.advance(Duration::from_mins(1));
    let second = begin(&world).await;
    world.clock.advance(Duration::from_mins(1));
    let first = refresh(&world, &first.refresh).await.unwrap();
    let (sessions, current) = own(&world, &second).await;
    let ids: Vec<_> = sessions.iter().map(|session| session.id).collect();
    assert_eq!(ids, [first.session, second.session], "the one used last comes first");
    assert_eq!(current, Some(second.session));
    let minutes =
        |session: &Session| (session.last_used_at.seconds() - session.began_at.seconds()) / 60;
    assert_eq!((minutes(&sessions[0]), minutes(&sessions[1])), (2, 0));
    assert_eq!(sessions[0].device.as_str(), "a browser");

    let missing = world.as_user(7, EndSession { id: first.session }).await;
    assert!(matches!(missing, Err(Error::NotFound(Entity::Session))), "gw22: {missing:?}");
    by(&world, &second, EndSession { id: first.session }).await.unwrap();
    assert!(!lives(&world, &first.access).await, "gw11");
    is_refused(refresh(&world, &first.refresh).await);
    assert_eq!(own(&world, &second).await.0.len(), 1);
    by(&world, &second, EndSession { id: second.session }).await.unwrap();
    assert!(!lives(&world, &second.access).await);
    assert!(by(&world, &second, ListSessions { page: page() }).await.is_err());
}

#[tokio::test]
async fn a_platform_role_sees_those_of_others_and_nobody_else_does() {
    let world = with_ada().await;
    let session = begin(&world).await;
    let ada = world.store_account(ADA).await;
    let list = |user| ListSessionsOf { by: By::Platform, user, page: page() };
    for number in [1, 2] {
        let listed = world.as_user(number, list(ada)).await.unwrap();
        assert_eq!(listed.items[0].id, session.session);
    }
    assert!(matches!(by(&world, &session, list(ada)).await, Err(Error::Forbidden)));
    let nobody = world.as_user(1, list(user(99))).await;
    assert!(matches!(nobody, Err(Error::NotFound(Entity::Account))));
    let key = by(&world, &session, IssueKey { kind: KeyKind::Api, seconds: None }).await.unwrap();
    let own = world.app.execute(Caller::Bearer(key.token), ListSessions { page: page() }).await;
    assert!(matches!(own, Err(Error::Unauthenticated(Unauthenticated::LoginRequired(_)))));
}

#[tokio::test]
async fn the_operator_is_told_of_an_id_that_nobody_has() {
    let world = with_ada().await;
    let by = |user| EndSessionsOf { by: By::Operator, user };
    let ada = world.store_account(ADA).await;
    world.app.execute(Caller::Operator, by(ada)).await.unwrap();
    let nobody = world.app.execute(Caller::Operator, by(user(99))).await;
    assert!(matches!(nobody, Err(Error::NotFound(Entity::Account))), "{nobody:?}");
}

/// Sign-ins with a session are in the trail as others are, a refused one as well.
#[tokio::test]
async fn sign_ins_and_refreshes_that_are_refused_are_in_the_audit_trail() {
    use auth_domain::audit::Trail;
    use auth_domain::ops::audit::NoteAttempts;
    use auth_domain::ports::AuditTrail;
    let world = with_ada().await;
    let first = begin(&world).await;
    refresh(&world, &first.refresh).await.unwrap();
    world.clock.advance(Duration::from_mins(1));
    is_refused(refresh(&world, &first.refresh).await);
    drop(try_begin(&world, "password2").await);
    world.app.execute(Caller::System, NoteAttempts).await.unwrap();
    let ada = world.store_account(ADA).await.to_string();
    let records = world.store.audit_after(Trail::Attempts, 0, 100).await.unwrap();
    let mut said: Vec<_> = records
        .iter()
        .filter(|record| record.entry.subject.as_deref() == Some(&*ada))
        .map(|record| (record.entry.operation.as_str(), record.entry.outcome.as_str()))
        .collect();
    said.sort_unstable();
    // Refreshes that went well would take the places of sign-ins: each session has one every ten minutes.
    let expected = [
        ("begin_session", "bad_credentials"),
        ("begin_session", "ok"),
        ("refresh_session", "token_not_honoured"),
    ];
    assert_eq!(said, expected);
}

#[tokio::test]
async fn beyond_a_hundred_sessions_those_end_that_were_used_longest_ago() {
    let world = with_ada().await;
    let (unused, kept) = (begin(&world).await, begin(&world).await);
    for _ in 2..MOST_SESSIONS {
        world.clock.advance(Duration::from_secs(1));
        begin(&world).await;
    }
    assert!(lives(&world, &unused.access).await && lives(&world, &kept.access).await);
    let kept = refresh(&world, &kept.refresh).await.unwrap();
    begin(&world).await;
    assert!(!lives(&world, &unused.access).await && lives(&world, &kept.access).await);
    is_refused(refresh(&world, &unused.refresh).await);
    let listed = by(&world, &kept, ListSessions { page: page() }).await.unwrap();
    assert_eq!(listed.sessions.total, MOST_SESSIONS);
}

#[tokio::test]
async fn s86_a_refresh_token_that_is_asked_about_counts_as_any_other_token() {
    let world = with_ada().await;
    let session = begin(&world).await;
    let ada = world.store_account(ADA).await;
    for token in [session.access.expose(), session.refresh.expose()] {
        world.throttle.calls();
        let asked = Introspect { token: Token::new(token.to_owned()) };
        assert!(world.as_service(asked).await.unwrap().is_some());
        let counted: Vec<_> = world.throttle.calls().iter().map(|it| (it.class, it.user)).collect();
        assert_eq!(counted, [(Class::Checks, Some(ada))]);
    }
}
