//! Spans reach a collector, below the span the caller named, whatever the caller's sampling flag.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use auth_telemetry::{Level, LogSettings, Metrics};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tower::ServiceExt;

const PATIENCE: Duration = Duration::from_secs(20);

/// A collector that hands on the bytes of every export call.
async fn collector() -> (String, mpsc::UnboundedReceiver<Vec<u8>>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let export = move |request: Request| {
        let sender = sender.clone();
        async move {
            let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
            sender.send(body.into()).unwrap();
            Response::builder()
                .header("content-type", "application/grpc")
                .header("grpc-status", "0")
                // An empty message.
                .body(Body::from(vec![0; 5]))
                .unwrap()
        }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(export)).await });
    (url, receiver)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_reach_the_collector_below_the_callers() {
    let (url, mut calls) = collector().await;
    let metrics = Metrics::install(&["identify"]);
    let observer = metrics.observer();
    let settings =
        LogSettings { level: Level::Error, otlp_endpoint: Some(url), ..LogSettings::default() };
    let telemetry = auth_telemetry::init(&settings).unwrap();
    let handler = move || async move {
        tracing::debug_span!(target: "auth_domain", "operation", otel.name = "identify")
            .in_scope(|| ());
        observer.observe("identify", "ok", Duration::from_micros(70));
    };
    let router = Router::new().route("/orgs/{id}", get(handler));
    let router = auth_telemetry::layers(router, "http", None);
    let request = Request::builder()
        .uri("/orgs/42?token=hunter2")
        .header("x-request-id", "the-request")
        // Not sampled, says the caller.
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
        .header("baggage", "role=root")
        .body(Body::empty())
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "the-request");

    let export = timeout(PATIENCE, calls.recv()).await.unwrap().unwrap();
    let trace = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
    for part in [&b"auth"[..], b"identify", b"GET /orgs/{id}", b"the-request", &trace] {
        assert!(contains(&export, part), "{part:?} is not in the export");
    }
    for part in [&b"hunter2"[..], b"role=root", b"/orgs/42"] {
        assert!(!contains(&export, part), "{part:?} is in the export");
    }

    // The bucket it fell into names its trace, once, and in the format that can.
    let exemplar = "trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"} 0.00007 ";
    let numbers = metrics.render_openmetrics();
    let named: Vec<_> = numbers.lines().filter(|line| line.contains(exemplar)).collect();
    assert_eq!(named.len(), 1, "{numbers}");
    assert!(named[0].contains("outcome=\"ok\",le=\"0.0001\"} 1 # {"), "{named:?}");
    assert!(!metrics.render().contains("trace_id"));

    // What is left at the end is sent by the shutdown.
    tracing::info_span!(target: "auth_domain", "operation", otel.name = "the-last-one")
        .in_scope(|| ());
    timeout(PATIENCE, telemetry.shutdown()).await.unwrap();
    let export = timeout(PATIENCE, calls.recv()).await.unwrap().unwrap();
    assert!(contains(&export, b"the-last-one"));
    let metrics = metrics.render();
    let lost: Vec<_> =
        metrics.lines().filter(|line| line.starts_with("auth_spans_dropped_total{")).collect();
    assert!(!lost.is_empty() && lost.iter().all(|line| line.ends_with(" 0")), "{lost:?}");
}
