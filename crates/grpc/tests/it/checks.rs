//! `auth.v1.Checks`: the same answers as `Identify` and `Authorize` give, with fewer calls.

use auth_domain::model::{KeyKind, OrgRole, PlatformRole};
use auth_grpc::proto::v1::CheckResult::{self, Allowed, Denied, NotFound};
use auth_grpc::proto::v1::checks_client::ChecksClient;
use auth_grpc::proto::v1::{self, TokenKind};
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use crate::world::{World, refused, stable_code, user, world};

const DENIED: &str = "failed to perform authorization over the entity";

fn check(subject: &str, object: &str, action: &str) -> v1::Check {
    v1::Check { subject: subject.into(), object: object.into(), action: action.into() }
}

async fn both(
    checks: &mut ChecksClient<Channel>,
    token: &str,
    check: v1::Check,
) -> Result<v1::Identity, Status> {
    let asked = v1::IdentifyAndAuthorizeRequest { token: token.into(), check: Some(check) };
    let answer = checks.identify_and_authorize(asked).await?;
    Ok(answer.into_inner().identity.unwrap())
}

async fn many(
    client: &mut ChecksClient<Channel>,
    token: &str,
    checks: Vec<v1::Check>,
) -> Result<Vec<CheckResult>, Status> {
    let asked = v1::AuthorizeManyRequest { token: token.into(), checks };
    let answer = client.authorize_many(asked).await.map(Response::into_inner)?;
    Ok(answer.results().collect())
}

/// User 4 owns the org, 1 views it; 5 is platform admin; 9 is nobody.
async fn peopled() -> (World, ChecksClient<Channel>, String) {
    let world = world().await;
    let org = world.org(4).await;
    world.join(org, 1, OrgRole::Viewer).await;
    world.promote(6, PlatformRole::Root).await;
    world.promote(5, PlatformRole::Admin).await;
    let client = ChecksClient::new(world.channel().await);
    (world, client, org.to_string())
}

#[tokio::test]
async fn one_call_says_who_it_is_and_that_they_may() {
    let (world, mut checks, org) = peopled().await;
    let key = world.key(1, None).await.token.expose().to_owned();
    for (token, kind) in [(world.login(1), TokenKind::Login), (key, TokenKind::ApiKey)] {
        let found = both(&mut checks, &token, check("org", &org, "viewer")).await.unwrap();
        assert_eq!((found.user_id.clone(), found.kind()), (user(1).to_string(), kind));
        assert_eq!(found.email, "user1@example.com");
    }
    let found = both(&mut checks, &world.login(5), check("root", "", "")).await.unwrap();
    assert_eq!(found.user_id, user(5).to_string());
}

#[tokio::test]
async fn a_refusal_is_the_originals_and_says_nothing_of_who_was_refused() {
    let (world, mut checks, org) = peopled().await;
    let nowhere = user(777).to_string();
    for (number, asked) in [
        (1, check("org", &org, "editor")),
        (9, check("org", &org, "viewer")),
        (9, check("org", &nowhere, "viewer")),
        (9, check("org", "zz", "viewer")),
        (4, check("root", "", "")),
    ] {
        let status = both(&mut checks, &world.login(number), asked).await.unwrap_err();
        let told = format!("{status:?}");
        assert!(!told.contains("example.com"), "{told}");
        assert!(!told.contains(&user(number).to_string()), "{told}");
        refused::<()>(Err(status), Code::PermissionDenied, DENIED, "forbidden");
    }
    let answer = both(&mut checks, &world.login(5), check("org", &nowhere, "viewer")).await;
    refused(answer, Code::NotFound, "entity not found", "not_found");
}

#[tokio::test]
async fn s8_what_is_no_session_is_unauthenticated() {
    let (world, mut checks, org) = peopled().await;
    let missing = "missing or invalid bearer user token";
    let honoured = "failed to perform authentication over the entity";
    let recovery = world.token(6, KeyKind::Recovery);
    let long = "x".repeat(4097);
    for (token, text, code) in [
        ("", missing, "missing_token"),
        ("x.y.z", "failed to validate token", "invalid_token"),
        (long.as_str(), "failed to validate token", "invalid_token"),
        (recovery.as_str(), honoured, "token_not_honoured"),
    ] {
        for object in [org.as_str(), "zz"] {
            let asked = check("org", object, "viewer");
            let answer = both(&mut checks, token, asked.clone()).await;
            refused(answer, Code::Unauthenticated, text, code);
            let answer = many(&mut checks, token, vec![asked]).await;
            refused(answer, Code::Unauthenticated, text, code);
        }
    }
}

#[tokio::test]
async fn many_checks_are_answered_in_their_order() {
    let (world, mut checks, org) = peopled().await;
    let nowhere = user(777).to_string();
    let asked = || {
        vec![
            check("org", &org, "viewer"),
            check("root", "", ""),
            check("org", &org, "owner"),
            check("org", &nowhere, "viewer"),
            check("org", "zz", "viewer"),
            check("org", &org, "viewer"),
        ]
    };
    for (number, expected) in [
        (1, [Allowed, Denied, Denied, Denied, Denied, Allowed]),
        (4, [Allowed, Denied, Allowed, Denied, Denied, Allowed]),
        (5, [Allowed, Allowed, Allowed, NotFound, NotFound, Allowed]),
        (9, [Denied; 6]),
    ] {
        let results = many(&mut checks, &world.login(number), asked()).await.unwrap();
        assert_eq!(results, expected, "user {number}");
    }
}

#[tokio::test]
async fn s39_one_mistake_refuses_all_and_is_named() {
    let (world, mut checks, org) = peopled().await;
    let token = world.login(4);
    let good = || check("org", &org, "viewer");
    for (bad, text, code) in [
        (check("planet", &org, "viewer"), "invalid subject", "invalid_subject"),
        (check("Org", &org, "viewer"), "invalid subject", "invalid_subject"),
        (v1::Check::default(), "invalid subject", "invalid_subject"),
        (check("org", &org, "fly"), "invalid action", "invalid_action"),
        (check("org", &org, ""), "invalid action", "invalid_action"),
    ] {
        for place in [0, 1, 17, 199] {
            let mut asked = vec![good(); 200];
            asked[place] = bad.clone();
            let text = format!("{text} : checks[{place}]");
            refused(many(&mut checks, &token, asked).await, Code::InvalidArgument, &text, code);
        }
        refused(both(&mut checks, &token, bad).await, Code::InvalidArgument, text, code);
    }
    let asked = v1::IdentifyAndAuthorizeRequest { token: token.clone(), check: None };
    let answer = checks.identify_and_authorize(asked).await;
    refused(answer, Code::InvalidArgument, "invalid subject", "invalid_subject");
}

#[tokio::test]
async fn a_list_has_one_to_two_hundred_checks() {
    let (world, mut checks, org) = peopled().await;
    let token = world.login(1);
    let list = |length| vec![check("org", &org, "viewer"); length];
    let results = many(&mut checks, &token, list(200)).await.unwrap();
    assert_eq!(results, [CheckResult::Allowed; 200]);
    let none = many(&mut checks, &token, list(0)).await;
    refused(none, Code::InvalidArgument, "empty list provided", "empty_list");
    let status = many(&mut checks, &token, list(201)).await.unwrap_err();
    assert_eq!((status.code(), stable_code(&status)), (Code::InvalidArgument, "list_too_long"));
}

#[tokio::test]
async fn s91_a_request_does_not_print_its_token() {
    let (token, check) = ("sesame".to_owned(), check("org", "x", "viewer"));
    let one = v1::IdentifyAndAuthorizeRequest { token: token.clone(), check: Some(check.clone()) };
    let many = v1::AuthorizeManyRequest { token: token.clone(), checks: vec![check] };
    let explain = v1::ExplainRequest { token, ..Default::default() };
    for text in [format!("{one:?}"), format!("{many:?}"), format!("{explain:?}")] {
        assert!(!text.contains("sesame"), "{text}");
    }
}
