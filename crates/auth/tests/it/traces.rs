//! Traces: one span an operation, joined to the caller's trace, exported over OTLP.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;

use crate::world::{embedded, eventually, sibling};

const TRACE: [u8; 16] = *b"\x4b\xf9\x2f\x35\x77\xb3\x4d\xa6\xa3\xce\x92\x9d\x0e\x0e\x47\x36";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A collector that keeps what it is sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<u8>>>);

impl Collector {
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let kept = self.clone();
        let keep = async move |body: Bytes| {
            kept.0.lock().unwrap().extend_from_slice(&body);
            // An empty answer, framed, and its status.
            Response::builder()
                .header("content-type", "application/grpc")
                .header("grpc-status", "0")
                .body(Body::from(vec![0; 5]))
                .unwrap()
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(keep)).await });
        format!("http://{address}")
    }

    fn has(&self, bytes: &[u8]) -> bool {
        self.0.lock().unwrap().windows(bytes.len()).any(|part| part == bytes)
    }
}

#[tokio::test]
async fn d56_spans_join_the_callers_trace() {
    let collector = Collector::default();
    let endpoint = collector.start().await;
    let server = embedded().set("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let body = json!({ "name": "acme" });
    let request = server.client.request(Method::POST, server.url("/orgs")).bearer_auth(&login);
    let founded = request.header("traceparent", PARENT).json(&body).send().await.unwrap();
    assert_eq!(founded.status(), 201);
    let mut call = tonic::Request::new(auth_grpc::proto::Token { value: login.clone() });
    call.metadata_mut().insert("traceparent", PARENT.parse().unwrap());
    sibling(&server).await.identify(call).await.unwrap();
    eventually("the spans arrive", Duration::from_secs(30), async || {
        collector.has(&TRACE) && collector.has(b"create_org") && collector.has(b"identify")
    })
    .await;
    // The numbers lead to it: the bucket an operation fell into names its trace.
    let numbers = server.client.get(server.ops_url("/metrics"));
    let numbers = numbers.header("accept", "application/openmetrics-text").send().await.unwrap();
    let numbers = numbers.text().await.unwrap();
    let exemplar = " # {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"} ";
    let named = |operation: &str| {
        let of = format!("auth_operation_duration_seconds_bucket{{operation=\"{operation}\"");
        numbers.lines().filter(|line| line.starts_with(&of) && line.contains(exemplar)).count()
    };
    assert_eq!((named("create_org"), named("identify")), (1, 1), "{numbers}");
    for secret in [login.rsplit_once('.').unwrap().1, "ada@example.com"] {
        assert!(!collector.has(secret.as_bytes()), "S-91: {secret} was exported");
    }
    assert!(server.stop().await.unwrap().success());
}

#[tokio::test]
async fn r45_a_collector_that_is_away_is_not_noticed() {
    let server = embedded().set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").start().await;
    let server = server.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    crate::world::found(&server, &login, "acme").await;
    assert!(server.stop().await.unwrap().success());
}
