//! Around every route: how large and how slow a request may be, and what no route matches.

use std::time::Duration;

use auth_domain::ports::Priority;
use auth_domain::{Error, Unauthenticated};
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, HeaderName, LOCATION, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};
use http_body::Body as _;
use http_body_util::BodyExt;

use crate::problem::{self, Problem, Transport};
use crate::{Api, Route};

/// Who else talks about this request by which name.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How large and how slow a request may be.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most bytes the path, the query and all headers have together.
    pub head_bytes: usize,
    /// The most headers there are.
    pub headers: usize,
    /// The most bytes a body has.
    pub body_bytes: usize,
    /// How long a body may pause.
    pub body_idle: Duration,
    /// How long it may take from the last header to the answer; also, how long the file may take to come
    /// that members of an org are restored from.
    pub request: Duration,
    /// The most bytes a document has that is restored.
    pub restore_bytes: usize,
    /// How long a backup or a restore may take.
    pub long_request: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 16 * 1024,
            headers: 100,
            body_bytes: 256 * 1024,
            body_idle: Duration::from_secs(10),
            request: Duration::from_secs(30),
            restore_bytes: 32 * 1024 * 1024,
            long_request: Duration::from_mins(10),
        }
    }
}

/// The one layer: refuses what is too large at once, stops what takes too long, writes problem
/// documents, sets the headers that every answer has, and tells the audit trail whom it refused for want of a token.
pub(crate) async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    let limits = &api.options.limits;
    let asked = (request.method().clone(), request.extensions().get::<MatchedPath>().cloned());
    let version = request.version();
    let request_id = request.headers().get(REQUEST_ID).cloned();
    let priority = priority(&api, &request);
    let refused = priority.is_some_and(|priority| api.app.refuses(priority));
    let has_body = !request.body().is_end_stream();
    let response = if refused {
        Problem::from(Error::unavailable("more is asked for than can be done")).into_response()
    } else if !fits(request.uri(), request.headers(), limits) {
        Problem::from(Transport::HeadSize).into_response()
    } else if !names_one_host(version, request.headers()) {
        Problem::from(Error::malformed("Host", "must be sent once")).into_response()
    } else {
        let is_long = priority == Some(Priority::Bulk);
        let most = if is_long { limits.long_request } else { limits.request };
        match tokio::time::timeout(most, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::from(Transport::Deadline).into_response(),
        }
    };
    if let (Some(reason), (method, Some(path))) = (problem::unproved(&response), asked) {
        note_refusal(&api, &method, path.as_str(), reason);
    }
    let id = request_id.as_ref().and_then(|id| id.to_str().ok());
    let mut response = problem::finish(response, id);
    let stopped = matches!(
        response.status(),
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT
    );
    let unread = stopped || (refused && has_body);
    let headers = response.headers_mut();
    // What may be kept says so itself.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if unread && version <= Version::HTTP_11 {
        // There may be more of a body that nobody is going to read.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The method of the route that serves it.
fn served(method: &Method) -> &Method {
    if method == Method::HEAD { &Method::GET } else { method }
}

/// No operation saw it, and whoever tries every route without a token shows all the same.
fn note_refusal(api: &Api, method: &Method, path: &str, reason: Unauthenticated) {
    let method = served(method);
    let is_it = |route: &&&Route| {
        route.method == *method && (route.path == path || route.without_id() == Some(path))
    };
    if let Some(route) = api.served.iter().find(is_it) {
        api.app.note_refusal(None, route.operation, &reason.into());
    }
}

/// What goes first, by the route that was asked for; nothing for what is none, or has none of its own.
fn priority(api: &Api, request: &Request) -> Option<Priority> {
    let path = request.extensions().get::<MatchedPath>()?;
    let method = served(request.method());
    let asked = |route: &&&Route| route.path == path.as_str() && route.method == *method;
    api.served.iter().find(asked).map(|route| route.priority)
}

/// The request id is not counted: it is short, and as a rule the client has not sent it.
fn fits(uri: &Uri, headers: &HeaderMap, limits: &Limits) -> bool {
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    let sent = headers.iter().filter(|(name, _)| **name != REQUEST_ID);
    let (count, bytes) = sent.fold((0_usize, target), |(count, bytes), (name, value)| {
        let more = name.as_str().len().saturating_add(value.len());
        (count.saturating_add(1), bytes.saturating_add(more))
    });
    bytes <= limits.head_bytes && count <= limits.headers
}

/// RFC 9112 section 3.2: proxies that take different ones of two hosts send requests to places they
/// were not meant for.
fn names_one_host(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), None) => true,
        (None, _) => version != Version::HTTP_11,
        (Some(_), Some(_)) => version > Version::HTTP_11,
    }
}

/// The whole body, of which never more is held than allowed: one that says that it is larger is not
/// read at all, one that does not say is read up to there.
pub(crate) async fn read(body: Body, limits: &Limits) -> Result<Bytes, Problem> {
    match read_up_to(body, limits.body_bytes, limits.body_idle).await {
        Ok(bytes) => Ok(bytes),
        Err(Some(reason)) => Err(reason.into()),
        Err(None) => Err(Error::malformed("body", "could not be read to its end").into()),
    }
}

/// The same with other limits. Fails without a reason when the body breaks off.
pub(crate) async fn read_up_to(
    mut body: Body,
    most: usize,
    idle: Duration,
) -> Result<Bytes, Option<Transport>> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > most {
        return Err(Some(Transport::BodySize));
    }
    let mut read = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(idle, body.frame()).await;
        let Some(frame) = frame.map_err(|_| Some(Transport::BodyIdle))? else {
            return Ok(read.freeze());
        };
        let frame = frame.map_err(|_| None)?;
        // Trailers say nothing to us.
        let Ok(data) = frame.into_data() else { continue };
        if read.len().saturating_add(data.len()) > most {
            return Err(Some(Transport::BodySize));
        }
        read.extend_from_slice(&data);
    }
}

/// What no route matches: the same without its trailing slashes, or nothing.
pub(crate) async fn unmatched(uri: Uri) -> Response {
    if let Some(location) = without_trailing_slash(&uri) {
        return (StatusCode::FOUND, [(LOCATION, location)]).into_response();
    }
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    (StatusCode::NOT_FOUND, [(CONTENT_TYPE, text)], "404 page not found\n").into_response()
}

/// Where a path with trailing slashes should have gone, if it is one of our own paths: browsers
/// read two slashes, or a slash and a backslash, as the name of another host.
fn without_trailing_slash(uri: &Uri) -> Option<HeaderValue> {
    let path = uri.path();
    let shorter = path.trim_end_matches('/');
    if shorter.len() == path.len() || shorter.contains("//") || shorter.contains('\\') {
        return None;
    }
    let location = match uri.query() {
        _ if shorter.is_empty() => return None,
        Some(query) => format!("{shorter}?{query}"),
        None => shorter.to_owned(),
    };
    HeaderValue::from_str(&location).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_never_leaves_this_host() {
        let target = |path: &str| {
            let uri: Uri = path.parse().ok()?;
            without_trailing_slash(&uri).map(|to| to.to_str().unwrap().to_owned())
        };
        assert_eq!(target("/health/").as_deref(), Some("/health"));
        assert_eq!(target("/orgs/x///?a=1&b=/").as_deref(), Some("/orgs/x?a=1&b=/"));
        assert_eq!(target("http://evil.example/orgs/x/").as_deref(), Some("/orgs/x"));
        for none in
            ["/", "///", "//evil.example/", "//evil.example/%2f/", "/\\evil.example/", "/orgs"]
        {
            assert_eq!(target(none), None, "{none}");
        }
    }
}
