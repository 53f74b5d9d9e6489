//! `Issue` and `Identify`.

use std::time::Duration;

use auth_domain::model::KeyKind;
use auth_domain::ports::Keys;
use auth_grpc::proto;
use auth_grpc::proto::auth_service_client::AuthServiceClient;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use tonic::Code;
use tonic::transport::Channel;

use crate::world::{SECRET, refused, user, world};

const BAD: &str = "failed to validate token";

fn asked(id: &str, email: &str, r#type: u32) -> proto::IssueReq {
    proto::IssueReq { id: id.into(), email: email.into(), r#type }
}

async fn identify(
    auth: &mut AuthServiceClient<Channel>,
    token: impl Into<String>,
) -> Result<proto::UserIdentity, tonic::Status> {
    let token = proto::Token { value: token.into() };
    auth.identify(token).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn row_74_an_issued_token_names_the_user_it_was_issued_for() {
    let mut auth = world().await.auth().await;
    for kind in [0, 1] {
        let id = user(7).to_string();
        let token = auth.issue(asked(&id, "ada@example.com", kind)).await.unwrap().into_inner();
        let who = identify(&mut auth, token.value).await.unwrap();
        assert_eq!((who.id, who.email, who.r#type), (id, "ada@example.com".into(), kind));
    }
}

#[tokio::test]
async fn row_75_other_kinds_are_not_issued() {
    let mut auth = world().await.auth().await;
    let id = user(7).to_string();
    let mut issue = async |request| auth.issue(request).await;
    refused(
        issue(asked(&id, "a@b.io", 2)).await,
        Code::Unauthenticated,
        "failed to issue new login key",
        "login_required",
    );
    for kind in [3, 32, u32::MAX] {
        refused(
            issue(asked(&id, "a@b.io", kind)).await,
            Code::InvalidArgument,
            "invalid auth key",
            "invalid_auth_key",
        );
    }
    // The address is looked at first, as by the original.
    refused(
        issue(asked("zz", "", 32)).await,
        Code::Unauthenticated,
        "missing email",
        "missing_email",
    );
}

#[tokio::test]
async fn a_token_is_issued_only_for_an_id_that_users_can_have() {
    let mut auth = world().await.auth().await;
    for id in ["", "zz", "0 or 1=1", "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6\0"] {
        refused(
            auth.issue(asked(id, "a@b.io", 0)).await,
            Code::InvalidArgument,
            "malformed entity specification : id must be a UUID",
            "malformed",
        );
    }
    let long = format!("{}@b.io", "a".repeat(250));
    refused(
        auth.issue(asked(&user(7).to_string(), &long, 0)).await,
        Code::InvalidArgument,
        "invalid email size",
        "invalid_email_size",
    );
}

#[tokio::test]
async fn row_76_a_client_that_reads_the_token_as_an_identity_finds_it_in_the_id() {
    let mut auth = world().await.auth().await;
    let request = asked(&user(7).to_string(), "ada@example.com", 0);
    let token = auth.issue(request).await.unwrap().into_inner();
    let misread = proto::UserIdentity::decode(token.encode_to_vec().as_slice()).unwrap();
    assert_eq!((misread.id, misread.email.as_str()), (token.value, ""));
}

#[tokio::test]
async fn row_77_no_token_is_missing_and_a_huge_one_is_not_read() {
    let mut auth = world().await.auth().await;
    refused(
        identify(&mut auth, "").await,
        Code::Unauthenticated,
        "missing or invalid bearer user token",
        "missing_token",
    );
    for odd in ["x".to_owned(), "a.b.c".repeat(100), "x".repeat(4097), "x".repeat(200_000)] {
        refused(identify(&mut auth, odd).await, Code::Unauthenticated, BAD, "invalid_token");
    }
}

/// A token made by hand: any header, any payload, any secret.
fn forge(secret: &str, header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn payload(issuer: &str, made: i64, kind: u8) -> String {
    let (user, end) = (user(7), 1_700_010_000);
    format!(
        r#"{{"exp":{end},"iat":{made},"iss":"{issuer}","sub":"a@b.io","issuer_id":"{user}","type":{kind}}}"#
    )
}

#[tokio::test]
async fn d63_row_78_forged_tokens_are_unauthenticated() {
    let mut auth = world().await.auth().await;
    let now = 1_700_000_000;
    let good = payload("mainflux.auth", now, 0);
    assert!(identify(&mut auth, forge(SECRET, HEADER, &good)).await.is_ok());
    for odd in [
        forge("another secret of more than 32 bytes", HEADER, &good),
        forge(SECRET, r#"{"alg":"none","typ":"JWT"}"#, &good),
        format!("{}.{}.", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(&good)),
        forge(SECRET, HEADER, &payload("somebody.else", now, 0)),
        forge(SECRET, HEADER, &payload("mainflux.auth", now, 3)),
        forge(SECRET, HEADER, &payload("mainflux.auth", 1_700_000_120, 0)),
    ] {
        refused(identify(&mut auth, odd).await, Code::Unauthenticated, BAD, "invalid_token");
    }
}

#[tokio::test]
async fn d14_go9_row_79_what_has_ended_is_unauthenticated_and_nothing_is_written() {
    let world = world().await;
    let mut auth = world.auth().await;
    let login = world.login(7);
    let issued = world.key(7, Some(60)).await;
    let key = issued.token.expose().to_owned();
    let who = identify(&mut auth, key.clone()).await.unwrap();
    assert_eq!((who.id, who.r#type), (user(7).to_string(), 2));

    world.clock.advance(Duration::from_hours(11));
    refused(identify(&mut auth, login).await, Code::Unauthenticated, BAD, "expired_token");
    refused(
        identify(&mut auth, key).await,
        Code::Unauthenticated,
        "use of expired API key",
        "expired_key",
    );
    assert!(world.store.key(user(7), issued.key.id).await.unwrap().is_some());
}

#[tokio::test]
async fn go6_d11_s8_the_kind_of_a_token_can_be_told() {
    let world = world().await;
    let mut auth = world.auth().await;
    for kind in [KeyKind::Login, KeyKind::Recovery] {
        let who = identify(&mut auth, world.token(7, kind)).await.unwrap();
        assert_eq!(who.r#type, u32::from(kind.number()));
    }
}

#[test]
fn messages_do_not_print_their_tokens() {
    let token = proto::Token { value: "sesame".into() };
    let asked = proto::AuthorizeReq { token: "sesame".into(), ..Default::default() };
    let view = proto::ViewOrgReq { token: "sesame".into(), org_id: "7".into() };
    let dormant = proto::CreateDormantOrgInviteReq { token: "sesame".into(), ..Default::default() };
    let printed = format!("{token:?} {asked:?} {view:?} {dormant:?}");
    assert!(!printed.contains("sesame"), "{printed}");
    assert!(printed.contains("org_id"), "{printed}");
}
