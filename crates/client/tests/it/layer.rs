//! The layer around an HTTP service and around a gRPC one.

use std::convert::Infallible;
use std::time::Duration;

use auth_client::{Action, AuthLayer, Check, Identity, Need};
use axum::body::Body;
use axum::extract::Extension;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use axum::routing::any;
use axum::{Router, http};
use tokio::net::TcpListener;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::{Layer, ServiceExt};

use crate::fake::{Answer, Fake, push_back, refuse, user7};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A service that says who it thinks is asking.
fn guarded(layer: AuthLayer) -> Router {
    let say = async |Extension(who): Extension<Identity>| who.user_id;
    Router::new().fallback(any(say)).layer(layer)
}

/// What is answered: the status, the headers and the text.
async fn ask(router: &Router, request: http::request::Builder) -> (StatusCode, HeaderMap, String) {
    let answer: Result<Response<Body>, Infallible> =
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await;
    let (parts, body) = answer.unwrap().into_parts();
    let bytes = axum::body::to_bytes(body, 10_000).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

fn with(token: &str) -> http::request::Builder {
    Request::get("/orgs/o/notes").header("authorization", format!("Bearer {token}"))
}

#[tokio::test]
async fn a_good_token_gets_through_with_who_it_is() {
    let fake = Fake::start(|_, _| user7()).await;
    let router = guarded(AuthLayer::new(fake.client()));
    let request = with("t").header("traceparent", PARENT);
    let (status, _, text) = ask(&router, request).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, "user-7"));
    assert_eq!(fake.attempts()[0].headers["traceparent"], PARENT);
}

#[tokio::test]
async fn s43_what_is_no_bearer_token_is_401_and_auth_is_not_asked() {
    let fake = Fake::start(|_, _| user7()).await;
    let router = guarded(AuthLayer::new(fake.client()));
    let long = format!("Bearer {}", "x".repeat(4097));
    for header in ["", "x", "Bearer", "Bearer ", "bearer x", "Basic x", long.as_str()] {
        let (status, headers, text) =
            ask(&router, Request::get("/").header("authorization", header)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{header}");
        assert_eq!(headers["www-authenticate"], "Bearer");
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(headers["cache-control"], "no-store");
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&document["status"], &document["title"]),
            (&401.into(), &"Unauthorized".into())
        );
    }
    let (status, ..) = ask(&router, Request::get("/")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let (status, ..) = ask(&router, with("a").header("authorization", "Bearer b")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "two tokens are none");
    assert!(fake.attempts().is_empty());
}

#[tokio::test]
async fn each_refusal_has_its_status_on_both_transports() {
    for (code, http, grpc, word) in [
        (Code::Unauthenticated, 401, Code::Unauthenticated, "unauthenticated"),
        (Code::PermissionDenied, 403, Code::PermissionDenied, "forbidden"),
        (Code::NotFound, 404, Code::NotFound, "not_found"),
        (Code::InvalidArgument, 500, Code::Internal, "internal"),
        (Code::Unavailable, 503, Code::Unavailable, "unavailable"),
        (Code::DeadlineExceeded, 503, Code::Unavailable, "unavailable"),
        (Code::ResourceExhausted, 503, Code::Unavailable, "unavailable"),
        (Code::Internal, 503, Code::Unavailable, "unavailable"),
        (Code::Unknown, 503, Code::Unavailable, "unavailable"),
    ] {
        let fake = Fake::start(move |_, _| refuse(code)).await;
        let layer = AuthLayer::new(fake.client())
            .authorize(|_| Need::Allowed(Check::org("o", Action::Viewer)));
        let router = guarded(layer);
        let (status, headers, text) = ask(&router, with("t")).await;
        assert_eq!(status.as_u16(), http, "{code:?}");
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&document["code"], &document["status"]), (&word.into(), &http.into()));
        assert_eq!(headers.contains_key("retry-after"), http == 503);
        assert_eq!(headers.contains_key("www-authenticate"), http == 401);

        let (status, headers, text) =
            ask(&router, with("t").header("content-type", "application/grpc+proto")).await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, ""), "{code:?}");
        assert_eq!(headers["content-type"], "application/grpc");
        assert_eq!(Status::from_header_map(&headers).unwrap().code(), grpc, "{code:?}");
        assert_eq!(headers["code"], word);
    }
}

#[tokio::test]
async fn s8_a_recovery_token_is_no_session() {
    let fake = Fake::start(|_, _| Answer::Message(b"\x0a\x01x\x18\x01".to_vec())).await;
    let (status, ..) = ask(&guarded(AuthLayer::new(fake.client())), with("t")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_closure_sees_the_request_and_says_what_it_needs() {
    let fake = Fake::start(|path, _| match path {
        "/protomfx.AuthService/Identify" => user7(),
        _ => refuse(Code::PermissionDenied),
    })
    .await;
    let layer = AuthLayer::new(fake.client()).authorize(|request| match request.uri.path() {
        "/me" => Need::SignedIn,
        _ => Need::Allowed(Check::platform()),
    });
    let router = guarded(layer);
    let token = "Bearer t";
    let (status, ..) = ask(&router, Request::get("/me").header("authorization", token)).await;
    assert_eq!(status, StatusCode::OK);
    let (status, ..) = ask(&router, Request::get("/all").header("authorization", token)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn clients_are_told_when_to_come_back() {
    let fake = Fake::start(|_, _| push_back("90000")).await;
    let (status, headers, _) = ask(&guarded(AuthLayer::new(fake.client())), with("t")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(headers["retry-after"], "90");
}

#[tokio::test]
async fn r13_a_grpc_caller_s_deadline_is_passed_on() {
    let fake = Fake::start(|_, _| Answer::Silence).await;
    let router = guarded(AuthLayer::new(fake.client()));
    let request = with("t").header("content-type", "application/grpc");
    let (_, headers, _) = ask(&router, request.header("grpc-timeout", "100m")).await;
    assert_eq!(Status::from_header_map(&headers).unwrap().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_tonic_server_is_guarded_as_a_whole_or_service_by_service() {
    let fake = Fake::start(|path, before| match path {
        "/protomfx.AuthService/Identify" if before == 0 => user7(),
        _ => refuse(Code::Unavailable),
    })
    .await;
    let layer = AuthLayer::new(fake.client_within(Duration::from_secs(5)));
    let (_, health) = tonic_health::server::health_reporter();
    let (_, other) = tonic_health::server::health_reporter();
    let router = tonic::transport::Server::builder().layer(layer.clone()).add_service(health);
    // By service it has to keep its name, by which it is found.
    let named = tonic::service::Routes::new(layer.layer(other)).prepare();
    drop(named);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(router.serve_with_incoming(incoming));
    let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
    let mut client = HealthClient::new(channel);
    let mut ask = async |token: Option<&str>| {
        let mut request = tonic::Request::new(HealthCheckRequest::default());
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", token.parse().unwrap());
        }
        client.check(request).await.map_or_else(|status| status.code(), |_| Code::Ok)
    };
    assert_eq!(ask(None).await, Code::Unauthenticated);
    assert_eq!(ask(Some("Bearer t")).await, Code::Ok);
    assert_eq!(ask(Some("Bearer t")).await, Code::Unavailable);
}
