//! What every request goes through before a router sees it, on both transports.
//!
//! * It gets a request id: the client's if that is a sane one, else ours. The id is in the request
//!   header `x-request-id` for whoever comes after, in the response, and in every log line.
//! * It gets a span, if anybody looks at spans, below the span its caller named.
//! * A panic becomes an answer and costs nobody else anything.
//!
//! All of it is one service with one future, because the cheapest call takes a few microseconds and
//! each layer around a router costs two allocations.
//!
//! [`current`] is what others are told of the request their code runs for, [`id`] its id, [`refusals`] says which limit
//! refused it.

mod current;
mod id;
mod refusals;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::response::Response;
use axum::routing::Route;
use axum::routing::future::RouteFuture;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use opentelemetry::Context as TraceContext;
use opentelemetry::trace::TraceContextExt;
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tower::{Layer, Service};
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use self::current::{CURRENT, Current, Marks};
pub(crate) use self::current::{mark, with_current};
use self::id::REQUEST_ID;
use crate::metrics::refused;
use crate::proxies::Proxies;
use crate::traceparent::Parent;

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
        let id = id::identify(request.headers_mut());
        let parent = Parent::of(request.headers());
        let span = span(&request, &id, self.transport, parent);
        let route = match self.transport {
            "grpc" => None,
            _ => request
                .extensions()
                .get()
                .map(|path: &MatchedPath| (request.method().clone(), path.clone())),
        };
        let long_token = refusals::has_long_token(request.headers());
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
        if let Some(reason) = refusals::limit(&response, this.transport, *this.long_token) {
            refused(this.transport, reason);
        }
        if let Some(current) = this.inner.take_value() {
            say(current.marks.get(), &mut response);
        }
        response.headers_mut().insert(REQUEST_ID, id::once(this.id));
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
