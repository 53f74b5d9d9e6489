//! Traces: one span an operation, joined to the caller's trace, exported over OTLP.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth_testkit::{Redis, Smtp};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;

use crate::mail::scene::{SOON, Scene, mailing};
use crate::world::{embedded, eventually, postgres, sibling};

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

    /// The names of the spans of this trace, in order: three fields after it, the parent and the state among them.
    fn names(&self, trace: &[u8; 16]) -> Vec<String> {
        let kept = self.0.lock().unwrap();
        let begins = [&[0x0a, 16], &trace[..], &[0x12, 8]].concat();
        let found = kept.windows(begins.len()).enumerate().filter(|(_, part)| *part == begins);
        let mut names: Vec<_> = found
            .filter_map(|(at, _)| {
                // Span id, then the state, which is empty, and the parent with its length.
                let rest = &kept[at + begins.len() + 8..];
                let rest = rest.strip_prefix(&[0x1a, 0]).unwrap_or(rest);
                let rest = rest.strip_prefix(&[0x22, 8])?.get(8..)?;
                let (length, rest) = rest.strip_prefix(&[0x2a])?.split_first()?;
                Some(String::from_utf8_lossy(rest.get(..usize::from(*length))?).into_owned())
            })
            .collect();
        names.sort();
        names
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

/// What a span is called, and that it is one of a call to somebody else: two fields of a span, in the order of OTLP.
fn client(name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    [&[0x2a, length], name.as_bytes(), &[0x30, 3]].concat()
}

/// A short attribute, as OTLP has it.
fn attribute(name: &str, value: &str) -> Vec<u8> {
    let text =
        |tag: u8, text: &str| [&[tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let value = text(0x0a, value);
    let length = u8::try_from(value.len()).unwrap();
    [text(0x0a, name), vec![0x12, length], value].concat()
}

#[tokio::test]
async fn d56_what_is_asked_of_others_is_in_the_trace() {
    let collector = Collector::default();
    let endpoint = collector.start().await;
    let (redis, smtp) = (Redis::start().await.unwrap(), Smtp::start().await.unwrap());
    let setup = mailing(postgres().await, &smtp)
        .set("MF_AUTH_ES_URL", redis.address())
        .set("MF_AUTH_RATE_LIMITS", "on")
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    let scene = Scene::new(&setup, "acme").await;
    scene.invite("bob@example.com").await;
    eventually("each is there", SOON, async || {
        // By then rate limits are counted in Redis.
        let _ = scene.mails("").await;
        let named = ["SELECT", "transaction", "EVALSHA", "XADD", "PUBLISH", "send smtp"];
        named.iter().all(|name| collector.has(&client(name)))
    })
    .await;
    for (name, value) in [
        ("db.system.name", "postgresql"),
        ("db.system.name", "redis"),
        ("messaging.system", "smtp"),
    ] {
        assert!(collector.has(&attribute(name, value)), "{name} is never {value}");
    }
    let ports = [redis.address(), format!("localhost:{}", smtp.port())];
    let secrets = [&*scene.ada, "bob@example.com", "127.0.0.1", &ports[0], &ports[1]];
    for secret in secrets {
        assert!(!collector.has(secret.as_bytes()), "S-91: {secret} was exported");
    }

    // What is answered from memory asks nobody.
    let mut traces = 0..;
    eventually("memory is trusted", SOON, async || {
        let mut trace = TRACE;
        trace[..4].copy_from_slice(&u32::to_be_bytes(traces.next().unwrap()));
        let mut call = tonic::Request::new(auth_grpc::proto::Token { value: scene.ada.clone() });
        let parent = format!("00-{:032x}-00f067aa0ba902b7-01", u128::from_be_bytes(trace));
        call.metadata_mut().insert("traceparent", parent.parse().unwrap());
        sibling(&scene.server).await.identify(call).await.unwrap();
        eventually("its span arrives", SOON, async || collector.names(&trace).len() > 1).await;
        collector.names(&trace) == ["identify", "protomfx.AuthService/Identify"]
    })
    .await;
}

#[tokio::test]
async fn r45_a_collector_that_is_away_is_not_noticed() {
    let server = embedded().set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").start().await;
    let server = server.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    crate::world::found(&server, &login, "acme").await;
    assert!(server.stop().await.unwrap().success());
}
