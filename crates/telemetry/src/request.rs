//! What every request goes through before a router sees it, on both transports.
//!
//! * It gets a request id: the client's if that is a sane one, else ours. The id is in the request
//!   header `x-request-id` for whoever comes after, in the response, and in every log line.
//! * It gets a span, if anybody looks at spans, below the span its caller named.
//! * A panic becomes an answer and costs nobody else anything.
//!
//! All of it is one service with one future, because the cheapest call takes a few microseconds and
//! each layer around a router costs two allocations.

use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use auth_domain::audit::Origin;
use auth_domain::model::Token;
use auth_domain::ports::Source;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::response::Response;
use axum::routing::Route;
use axum::routing::future::RouteFuture;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use opentelemetry::Context as TraceContext;
use opentelemetry::trace::{TraceContextExt, TraceId};
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tower::{Layer, Service};
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::log::line::Value;
use crate::metrics::refused;
use crate::proxies::Proxies;
use crate::traceparent::Parent;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// `pending`: committed, and some replica may still answer from before. The status of an answer without a
/// body is 202 (RFC 9110, section 15.3.3) then.
const CONFIRMATION: HeaderName = HeaderName::from_static("keyward-confirmation");
/// `outage`: answered from a memory that may be out of date.
const FRESHNESS: HeaderName = HeaderName::from_static("keyward-freshness");

/// The router behind everything this module does.
///
/// `transport` goes into spans and log lines; with `"grpc"` a panic is answered with a gRPC status,
/// with anything else by a problem document (RFC 9457). With `proxies`, whoever they name is who is
/// asking; without, whoever is connected.
pub fn layers(router: Router, transport: &'static str, proxies: Option<Proxies>) -> Router {
    router.layer(Guarding { transport, proxies: proxies.map(Arc::new) })
}

/// What log lines say about the request they belong to.
pub(crate) struct Current {
    id: HeaderValue,
    transport: &'static str,
    trace: Option<TraceId>,
    /// The address of whoever is asking, if it is known: the accept loop's, or what trusted proxies say.
    peer: Option<IpAddr>,
    /// The method and the route's pattern; a gRPC line has the operation's name instead.
    route: Option<(Method, MatchedPath)>,
    marks: Cell<Marks>,
}

/// What the answer has to say beside its result.
#[derive(Clone, Copy, Default)]
pub(crate) struct Marks {
    /// A write is committed, and some replica may not know yet.
    pub(crate) unconfirmed: bool,
    /// It comes from a memory that may be out of date.
    pub(crate) graced: bool,
}

/// Adds to what the answer of the request this code runs for has to say.
pub(crate) fn mark(add: impl FnOnce(&mut Marks)) {
    with_current(|current| {
        let mut marks = current.marks.get();
        add(&mut marks);
        current.marks.set(marks);
    });
}

tokio::task_local! {
    static CURRENT: Current;
}

/// Calls back with the request this code runs for, if it runs for one.
pub(crate) fn with_current(tell: impl FnOnce(&Current)) {
    // Outside of a request there is none, which is not an error.
    let _ = CURRENT.try_with(tell);
}

impl Current {
    pub(crate) fn fields(&self) -> BTreeMap<&'static str, Value> {
        let mut fields = BTreeMap::new();
        fields.insert("request_id", Value::text(self.id.to_str().unwrap_or_default()));
        fields.insert("transport", Value::text(self.transport));
        if let Some(trace) = self.trace {
            fields.insert("trace_id", Value::text(trace));
        }
        if let Some((method, path)) = &self.route {
            fields.insert("method", Value::text(method));
            fields.insert("path", Value::text(path.as_str()));
        }
        fields
    }

    /// Where it comes from, for the audit trail.
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            peer: self.peer,
            request: self.id.to_str().ok().map(str::to_owned),
            trace: self.trace.map(|trace| trace.to_string()),
        }
    }

    /// Where it came in, for limits by address. Those who call over gRPC are services of the fleet, whose
    /// addresses stand for everybody they ask about.
    pub(crate) fn source(&self) -> Source {
        match self.transport {
            "grpc" => Source::Fleet,
            _ => Source::Http(self.peer),
        }
    }

    /// What a panic counts under.
    pub(crate) const fn transport(&self) -> &'static str {
        self.transport
    }
}

/// The id of this request, which is also in its headers from now on.
fn identify(headers: &mut HeaderMap) -> HeaderValue {
    let mut sent = headers.get_all(REQUEST_ID).iter();
    if let (Some(id), None) = (sent.next(), sent.next())
        && is_sane(id.as_bytes())
    {
        return id.clone();
    }
    let id = new_id();
    headers.insert(REQUEST_ID, id.clone());
    id
}

/// The value, for an answer: never to be kept in the table of headers that HTTP/2 compresses with
/// (RFC 7541, section 7.1.3). It is said once, and would push out what is said again.
fn once(value: &HeaderValue) -> HeaderValue {
    let mut value = value.clone();
    value.set_sensitive(true);
    value
}

/// What may go into headers, problem documents and log lines as it is.
fn is_sane(id: &[u8]) -> bool {
    let plain = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    (1..=64).contains(&id.len()) && id.iter().all(plain)
}

/// An id nobody had before: a number that is random for each process, and a count. It is no secret,
/// and asking the system for randomness at each call would cost more than the rest of this file.
fn new_id() -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("request id"));
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let id = format!("{:016x}-{count:x}", *PROCESS);
    HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("unknown"))
}

#[derive(Clone)]
struct Guarding {
    transport: &'static str,
    proxies: Option<Arc<Proxies>>,
}

impl Layer<Route> for Guarding {
    type Service = Guarded;

    fn layer(&self, inner: Route) -> Guarded {
        Guarded { inner, transport: self.transport, proxies: self.proxies.clone() }
    }
}

#[derive(Clone)]
struct Guarded {
    inner: Route,
    transport: &'static str,
    proxies: Option<Arc<Proxies>>,
}

impl Service<Request> for Guarded {
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, mut request: Request) -> Answering {
        let id = identify(request.headers_mut());
        let parent = Parent::of(request.headers());
        let span = span(&request, &id, self.transport, parent);
        let route = match self.transport {
            "grpc" => None,
            _ => request
                .extensions()
                .get()
                .map(|path: &MatchedPath| (request.method().clone(), path.clone())),
        };
        let long_token = has_long_token(request.headers());
        let trace = parent.map(|parent| parent.trace);
        let current = Current {
            id: id.clone(),
            transport: self.transport,
            trace,
            peer: self.client(&request),
            route,
            marks: Cell::default(),
        };
        Answering {
            inner: CURRENT.scope(current, self.inner.call(request)),
            // Nobody reads the clock unless somebody reads the line.
            started: tracing::enabled!(tracing::Level::DEBUG).then(Instant::now),
            id,
            span,
            transport: self.transport,
            long_token,
        }
    }
}

impl Guarded {
    /// Who is asking.
    fn client(&self, request: &Request) -> Option<IpAddr> {
        let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
        let Some(proxies) = &self.proxies else { return Some(peer.ip().to_canonical()) };
        proxies.warn_of_others(peer.ip(), request.headers());
        proxies.client(peer.ip(), request.headers())
    }
}

/// A span for the request; a disabled one, and nothing computed for it, if nobody looks.
fn span(
    request: &Request,
    id: &HeaderValue,
    transport: &'static str,
    parent: Option<Parent>,
) -> Span {
    let route = || request.extensions().get().map_or("unmatched", MatchedPath::as_str);
    let span = tracing::debug_span!(
        "request",
        otel.name = %SpanName { request, transport, route: route() },
        otel.kind = "server",
        request_id = id.to_str().unwrap_or_default(),
        transport,
        method = request.method().as_str(),
        path = route(),
        status = Empty,
    );
    if let Some(parent) = parent.filter(|_| !span.is_disabled()) {
        let context = TraceContext::new().with_remote_span_context(parent.context());
        // Fails when spans go nowhere, and then there is nothing to join.
        let _ = span.set_parent(context);
    }
    span
}

/// `POST /orgs/{id}`, or `mainflux.AuthService/Identify`. Never a path with ids in it, and never
/// a query.
struct SpanName<'a> {
    request: &'a Request,
    transport: &'static str,
    route: &'a str,
}

impl fmt::Display for SpanName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 128;
        let path = self.request.uri().path();
        match self.transport {
            "grpc" if self.route != "unmatched" && path.len() <= LONGEST => {
                f.write_str(path.trim_start_matches('/'))
            }
            _ => write!(f, "{} {}", self.request.method(), self.route),
        }
    }
}

pin_project! {
    /// Resolves to the answer, whatever happens inside.
    struct Answering {
        #[pin]
        inner: TaskLocalFuture<Current, RouteFuture<Infallible>>,
        started: Option<Instant>,
        id: HeaderValue,
        span: Span,
        transport: &'static str,
        long_token: bool,
    }
}

impl Future for Answering {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let _entered = this.span.enter();
        // The inner future is not polled again after a panic, so that nobody sees what it left.
        let polled = catch_unwind(AssertUnwindSafe(|| this.inner.as_mut().poll(cx)));
        let mut response = match polled {
            Ok(polled) => match ready!(polled) {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Err(panic) => after_panic(panic, this.id, this.transport),
        };
        if let Some(reason) = limit(&response, this.transport, *this.long_token) {
            refused(this.transport, reason);
        }
        if let Some(current) = this.inner.take_value() {
            say(current.marks.get(), &mut response);
        }
        response.headers_mut().insert(REQUEST_ID, once(this.id));
        if let Some(started) = this.started {
            let status = response.status().as_u16();
            this.span.record("status", status);
            let took_ms = started.elapsed().as_secs_f64() * 1000.0;
            let request_id = this.id.to_str().unwrap_or_default();
            tracing::debug!(status, took_ms, request_id, transport = *this.transport, "answered");
        }
        Poll::Ready(Ok(response))
    }
}

/// Says what the marks say.
fn say(marks: Marks, response: &mut Response) {
    if marks.unconfirmed {
        response.headers_mut().insert(CONFIRMATION, HeaderValue::from_static("pending"));
        if response.status() == StatusCode::NO_CONTENT {
            *response.status_mut() = StatusCode::ACCEPTED;
        }
    }
    if marks.graced {
        response.headers_mut().insert(FRESHNESS, HeaderValue::from_static("outage"));
    }
}

/// The longest that `authorization` is with a token that is not refused for its length.
const LONGEST_AUTHORIZATION: usize = "Bearer ".len() + Token::MAX;

fn has_long_token(headers: &HeaderMap) -> bool {
    headers.get(AUTHORIZATION).is_some_and(|shown| shown.len() > LONGEST_AUTHORIZATION)
}

/// The limit that refused the request, if one did: what `auth_refused_total` calls it. The words
/// are the stable codes of the errors, except for a token, whose error does not say why. Too many
/// tries are counted where they are.
fn limit(response: &Response, transport: &str, long_token: bool) -> Option<&'static str> {
    if transport == "grpc" {
        return grpc_limit(response.headers(), long_token);
    }
    match response.status() {
        StatusCode::UNAUTHORIZED if long_token => Some("token_too_long"),
        StatusCode::REQUEST_TIMEOUT => Some("body_timeout"),
        StatusCode::PAYLOAD_TOO_LARGE => Some("body_too_large"),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Some("headers_too_large"),
        StatusCode::GATEWAY_TIMEOUT => Some("deadline_exceeded"),
        _ => None,
    }
}

/// The status is among the headers of a refusal, and after the body of anything else.
fn grpc_limit(headers: &HeaderMap, long_token: bool) -> Option<&'static str> {
    match headers.get("grpc-status")?.as_bytes() {
        b"4" => Some("deadline_exceeded"),
        b"8" => match headers.get("code").map(HeaderValue::as_bytes) {
            Some(b"message_too_large") => Some("message_too_large"),
            Some(b"metadata_too_large") => Some("metadata_too_large"),
            _ => None,
        },
        b"16" if long_token => Some("token_too_long"),
        _ => None,
    }
}

/// The answer to a request whose code panicked. The panic hook has logged and counted it already.
fn after_panic(panic: Box<dyn Any + Send>, id: &HeaderValue, transport: &str) -> Response {
    drop(panic);
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    if transport == "grpc" {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from_static("13"));
        headers.insert("grpc-message", HeaderValue::from_static("internal server error"));
        return response;
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let body = serde_json::json!({
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "internal server error",
        "code": "internal",
        "error": "internal server error",
        "request_id": id.to_str().unwrap_or_default(),
    });
    *response.body_mut() = Body::from(body.to_string());
    response
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::routing::get;
    use tower::ServiceExt;

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
        layers(
            Router::new().route("/boom", get(boom)).route("/echo/{id}", get(echo)),
            transport,
            None,
        )
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
}
