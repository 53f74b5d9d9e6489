//! The ops listener: is it alive, can it decide, and the numbers.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use auth_domain::App;
use auth_telemetry::{Metrics, wants_openmetrics};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, json};
use tokio::time::timeout;

use crate::relay::Status;

/// How long the store may take to say that it is there.
const PING: Duration = Duration::from_secs(1);
/// How long the health command waits for the server.
const ASK: Duration = Duration::from_secs(3);

/// Whether this process wants requests. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// From now on it does not: it is about to end.
    pub(crate) fn drain(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_draining(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

#[derive(Clone)]
struct Ops {
    app: App,
    store: &'static str,
    metrics: Metrics,
    readiness: Readiness,
    outside: Outside,
}

/// What is told to the outside, by name, if it is told at all.
pub(crate) type Outside = [(&'static str, Option<Status>); 2];

/// Is it alive, can it decide, and the numbers. `store` is what the store is called.
pub(crate) fn router(
    app: App,
    store: &'static str,
    metrics: Metrics,
    readiness: Readiness,
    outside: Outside,
) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(numbers))
        .with_state(Ops { app, store, metrics, readiness, outside })
}

/// Whether this process can decide: it is not ending, and its store answers. A store opens only
/// with its schema up to date. The event stream and the mail server are shown and decide nothing.
async fn ready(State(ops): State<Ops>) -> Response {
    let answered = timeout(PING, ops.app.store().ping()).await;
    let store_up = matches!(answered, Ok(Ok(())));
    if let Ok(Err(error)) = answered {
        tracing::debug!(?error, "the store does not answer");
    }
    let draining = ops.readiness.is_draining();
    let ready = store_up && !draining;
    let up = |up| if up { "up" } else { "down" };
    let mut dependencies = Map::new();
    let store = json!({ "kind": ops.store, "status": up(store_up) });
    dependencies.insert("store".to_owned(), store);
    for (name, status) in &ops.outside {
        if let Some(status) = status {
            let status = json!({ "status": up(!status.is_down()) });
            dependencies.insert((*name).to_owned(), status);
        }
    }
    let document = json!({
        "status": if ready { "ready" } else { "not_ready" },
        "draining": draining,
        "dependencies": dependencies,
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(document))
        .into_response()
}

/// In the format that is asked for: only OpenMetrics has exemplars.
async fn numbers(State(ops): State<Ops>, headers: HeaderMap) -> Response {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let accepted = accepted.collect::<Vec<_>>().join(",");
    let (kind, text) = if wants_openmetrics(&accepted) {
        (
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            ops.metrics.render_openmetrics(),
        )
    } else {
        ("text/plain; version=0.0.4; charset=utf-8", ops.metrics.render())
    };
    let headers = [(CONTENT_TYPE, kind), (VARY, "accept")];
    (headers, text).into_response()
}

/// Asks the server on this machine whether it is ready: the container's health check, which has no
/// shell and no other client. Fails with the reason. With `show` it prints what the server says of itself, ready
/// or not.
pub(crate) fn ask(host: IpAddr, port: u16, show: bool) -> Result<ExitCode, String> {
    let host = match host {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    let address = SocketAddr::new(host, port);
    let answer = converse(address).map_err(|error| format!("{address}: {error}"))?;
    if show && let Some((_, document)) = answer.split_once("\r\n\r\n") {
        // The exit code is the answer; this is for whoever reads.
        let _ = writeln!(std::io::stdout(), "{document}");
    }
    let status = answer.split(' ').nth(1).unwrap_or_default();
    if status == "200" {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(format!("{address} is not ready: {status}"))
    }
}

fn converse(address: SocketAddr) -> std::io::Result<String> {
    let mut server = TcpStream::connect_timeout(&address, ASK)?;
    server.set_read_timeout(Some(ASK))?;
    server.set_write_timeout(Some(ASK))?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    server.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    server.take(16 * 1024).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
