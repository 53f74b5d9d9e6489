//! What is read of the headers that every request may have, whatever is in them.

use auth_fuzz::Fuzz;
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tower::ServiceExt;

use crate::layers;
use crate::traceparent::Parent;

/// A header's values, one a line; none if some cannot be a header's.
fn values(name: &'static str, input: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for value in input.split(|byte| *byte == b'\n') {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?);
    }
    Some(headers)
}

/// A trace is taken over as it was written, or a new one begins.
#[test]
fn fuzz_traceparents() {
    Fuzz::new("telemetry/traceparent", include_str!("../corpus/traceparent.txt")).run(|input| {
        let headers = values("traceparent", input)?;
        let Some(parent) = Parent::of(&headers) else { return Some((false, input.len().min(60))) };
        let context = parent.context();
        assert!(context.is_valid());
        let said = format!("-{}-{}-", context.trace_id(), context.span_id());
        assert_eq!(input.get(2..53), Some(said.as_bytes()));
        assert!(input.len() <= 256 && !input.contains(&b'\n'), "one header");
        Some((true, usize::from(input.starts_with(b"00"))))
    });
}

/// The id of a request goes into headers, problem documents and lines of the log as it is, so it is plain and
/// short, and what the service is told is what the client is told.
#[test]
fn fuzz_request_ids() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let echo =
        |headers: HeaderMap| async move { headers["x-request-id"].to_str().unwrap().to_owned() };
    let router = layers(Router::new().route("/", get(echo)), "http", None);
    Fuzz::new("telemetry/request_id", include_str!("../corpus/request_id.txt")).run(|input| {
        let headers = values("x-request-id", input)?;
        let mut request = Request::new(Body::empty());
        *request.headers_mut() = headers;
        let (told, echoed) = runtime.block_on(async {
            let response = router.clone().oneshot(request).await.unwrap();
            let told =
                response.headers().get_all("x-request-id").iter().cloned().collect::<Vec<_>>();
            (told, axum::body::to_bytes(response.into_body(), 1024).await.unwrap())
        });
        assert_eq!(told, [HeaderValue::from_bytes(&echoed).unwrap()]);
        let plain = |c: &u8| c.is_ascii_alphanumeric() || b"._-".contains(c);
        assert!((1..=64).contains(&echoed.len()) && echoed.iter().all(plain), "{echoed:?}");
        Some(echoed == input)
    });
}
