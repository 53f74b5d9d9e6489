//! What every request goes through, asked without a listener.

use std::collections::BTreeMap;

use auth_domain::model::Token;
use axum::body::to_bytes;
use axum::routing::get;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tower::ServiceExt;

use super::id::is_sane;
use super::refusals::{has_long_token, limit};
use super::*;

async fn boom() {
    tokio::task::yield_now().await;
    panic!("a secret");
}

/// Answers with the request id the handler saw.
fn router(transport: &'static str) -> Router {
    let echo = |headers: HeaderMap| async move {
        let mut ids = headers.get_all(REQUEST_ID).iter();
        let id = ids.next().unwrap().to_str().unwrap().to_owned();
        assert!(ids.next().is_none());
        id
    };
    layers(Router::new().route("/boom", get(boom)).route("/echo/{id}", get(echo)), transport, None)
}

async fn ask(router: &Router, path: &str, ids: &[&[u8]]) -> (Response<()>, String) {
    let mut request = Request::builder().uri(path).body(Body::empty()).unwrap();
    for id in ids {
        request.headers_mut().append(REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
    }
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (Response::from_parts(parts, ()), String::from_utf8(body.into()).unwrap())
}

#[tokio::test]
async fn a_sane_request_id_is_kept() {
    for id in ["a", "A.b_c-9", &"x".repeat(64)] {
        let (response, seen) = ask(&router("http"), "/echo/1", &[id.as_bytes()]).await;
        assert_eq!(seen, id);
        assert_eq!(response.headers()[REQUEST_ID], id);
    }
}

#[tokio::test]
async fn any_other_request_id_is_replaced() {
    let long = "x".repeat(65);
    let hostile: [&[&[u8]]; 8] = [
        &[],
        &[b""],
        &[long.as_bytes()],
        &[b"a b"],
        &[b"\"},{\"level\":\"error\""],
        &[b"\xff\xfe"],
        &["é".as_bytes()],
        &[b"one", b"two"],
    ];
    for ids in hostile {
        let (response, seen) = ask(&router("http"), "/echo/1", ids).await;
        assert!(is_sane(seen.as_bytes()), "{seen}");
        assert!(!ids.contains(&seen.as_bytes()), "{seen}");
        assert_eq!(response.headers()[REQUEST_ID], seen.as_str());
    }
}

#[tokio::test]
async fn an_id_is_not_kept_in_the_table_that_compresses_headers() {
    for sent in [[b"abc".as_slice()].as_slice(), &[]] {
        let (response, _) = ask(&router("grpc"), "/echo/1", sent).await;
        assert!(response.headers()[REQUEST_ID].is_sensitive());
    }
}

#[tokio::test]
async fn made_request_ids_differ() {
    let router = router("grpc");
    let (_, one) = ask(&router, "/echo/1", &[]).await;
    let (_, two) = ask(&router, "/echo/1", &[]).await;
    assert_ne!(one, two);
}

#[tokio::test]
async fn unknown_paths_get_an_id_too() {
    let (response, _) = ask(&router("http"), "/nowhere", &[b"abc"]).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.headers()[REQUEST_ID], "abc");
}

#[tokio::test]
async fn s_83_a_panic_over_http_is_a_problem_and_the_next_request_works() {
    let router = router("http");
    let (response, body) = ask(&router, "/boom", &[b"abc"]).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()[REQUEST_ID], "abc");
    assert!(!body.contains("secret"), "{body}");
    let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(problem["code"], "internal");
    assert_eq!(problem["status"], 500);
    assert_eq!(problem["request_id"], "abc");
    let (next, _) = ask(&router, "/echo/1", &[]).await;
    assert_eq!(next.status(), StatusCode::OK);
}

#[tokio::test]
async fn s_83_a_panic_over_grpc_is_internal_and_the_next_call_works() {
    let router = router("grpc");
    let (response, body) = ask(&router, "/boom", &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc");
    assert_eq!(response.headers()["grpc-status"], "13");
    assert_eq!(response.headers()["grpc-message"], "internal server error");
    assert!(response.headers().contains_key(REQUEST_ID));
    assert_eq!(body, "");
    let (next, _) = ask(&router, "/echo/1", &[]).await;
    assert_eq!(next.status(), StatusCode::OK);
}

#[test]
fn every_refusal_by_a_limit_has_a_reason_to_count_under() {
    for (status, long_token, reason) in [
        (408, false, Some("body_timeout")),
        (413, false, Some("body_too_large")),
        (431, false, Some("headers_too_large")),
        (504, false, Some("deadline_exceeded")),
        (401, true, Some("token_too_long")),
        (401, false, None),
        (200, true, None),
        (404, false, None),
        (500, false, None),
    ] {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        assert_eq!(limit(&response, "http", long_token), reason, "{status}");
    }
    for (status, code, long_token, reason) in [
        ("8", "message_too_large", false, Some("message_too_large")),
        ("8", "metadata_too_large", false, Some("metadata_too_large")),
        ("4", "deadline_exceeded", false, Some("deadline_exceeded")),
        ("16", "unknown_service", true, Some("token_too_long")),
        ("16", "invalid_token", false, None),
        ("0", "none", false, None),
    ] {
        let mut response = Response::new(Body::empty());
        response.headers_mut().insert("grpc-status", HeaderValue::from_static(status));
        response.headers_mut().insert("code", HeaderValue::from_static(code));
        assert_eq!(limit(&response, "grpc", long_token), reason, "{status} {code}");
    }
    assert_eq!(limit(&Response::new(Body::empty()), "grpc", true), None);
}

#[test]
fn a_token_is_long_from_the_byte_at_which_it_is_refused() {
    let shown = |length| {
        let value = format!("Bearer {}", "x".repeat(length));
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::try_from(value).unwrap())])
    };
    assert!(!has_long_token(&shown(Token::MAX)));
    assert!(has_long_token(&shown(Token::MAX + 1)));
    assert!(!has_long_token(&HeaderMap::new()));
}

#[tokio::test]
async fn code_that_runs_for_a_request_knows_which() {
    async fn handler() -> String {
        let mut seen = BTreeMap::new();
        with_current(|request| seen = request.fields());
        format!("{seen:?}")
    }
    let router = layers(Router::new().route("/orgs/{id}", get(handler)), "http", None);
    let (_, seen) = ask(&router, "/orgs/7?token=secret", &[b"abc"]).await;
    for part in [r#""request_id": Text("abc")"#, r#""path": Text("/orgs/{id}")"#, "GET"] {
        assert!(seen.contains(part), "{seen}");
    }
    assert!(!seen.contains("secret"), "{seen}");
    let mut outside = true;
    with_current(|_| outside = false);
    assert!(outside);
}
