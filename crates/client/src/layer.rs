//! A tower layer that lets a request through only with a good token, for axum and for tonic.

mod refusal;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body_util::{Either, Full};
use tower::{Layer, Service};

use crate::client::AuthClient;
use crate::error::{Error, Result};
use crate::model::{Check, Identity, TokenKind};
use crate::trace::TraceContext;

/// The most bytes a token has; longer text is refused without asking.
const LONGEST: usize = 4 * 1024;

/// What a request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Somebody who is signed in, whoever it is.
    SignedIn,
    /// Somebody who may do this.
    Allowed(Check),
}

type Needs = Arc<dyn Fn(&Parts) -> Need + Send + Sync>;

/// Guards a service: takes the bearer token of each request, asks auth whose it is and, if told so,
/// whether they may, puts their [`Identity`] into the request's extensions, and answers by itself when
/// the request must not get through.
///
/// | | HTTP | gRPC |
/// | --- | --- | --- |
/// | no token, or one that is not good | 401 | `UNAUTHENTICATED` |
/// | they may not | 403 | `PERMISSION_DENIED` |
/// | there is no such org, and they may know | 404 | `NOT_FOUND` |
/// | the check makes no sense: a mistake in the closure | 500 | `INTERNAL` |
/// | auth is away, late or at fault | 503 with `Retry-After` | `UNAVAILABLE` |
///
/// HTTP answers are problem documents (RFC 9457). A request is gRPC if its content type says so, so one
/// layer serves both kinds on one port. A recovery token is no session and gets through nowhere. Put
/// whatever answers without a token, such as CORS and probes, outside of this layer.
#[derive(Clone)]
pub struct AuthLayer {
    client: AuthClient,
    needs: Needs,
}

impl fmt::Debug for AuthLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer").field("client", &self.client).finish_non_exhaustive()
    }
}

impl AuthLayer {
    /// A layer that lets through whoever is signed in.
    #[must_use]
    pub fn new(client: AuthClient) -> Self {
        Self { client, needs: Arc::new(|_| Need::SignedIn) }
    }

    /// A layer that lets through whoever may do what the closure makes of the request: its method, path
    /// and headers. What it cannot make sense of it should ask all the same: auth says no to an org
    /// that does not exist. It sees the path as it was sent: the handler must act on the same text, not
    /// on another spelling of it.
    #[must_use]
    pub fn authorize(mut self, needs: impl Fn(&Parts) -> Need + Send + Sync + 'static) -> Self {
        self.needs = Arc::new(needs);
        self
    }

    /// Who it is, if they may go on.
    async fn admit(&self, request: &Parts) -> Result<Identity> {
        let token = bearer(&request.headers)?;
        let mut client = self.client.clone();
        if let Some(context) = TraceContext::from_headers(&request.headers) {
            client = client.traced(context);
        }
        if let Some(limit) = grpc_timeout(&request.headers) {
            client = client.within(limit);
        }
        let identity = match (self.needs)(request) {
            Need::SignedIn => client.identify(token).await?,
            Need::Allowed(check) => client.identify_and_authorize(token, &check).await?,
        };
        match identity.kind {
            TokenKind::Login | TokenKind::ApiKey => Ok(identity),
            TokenKind::Recovery => {
                Err(Error::Unauthenticated { code: "token_not_honoured".to_owned() })
            }
        }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { layer: self.clone(), inner }
    }
}

/// A service behind an [`AuthLayer`].
#[derive(Clone, Debug)]
pub struct Guarded<S> {
    layer: AuthLayer,
    inner: S,
}

impl<S: tonic::server::NamedService> tonic::server::NamedService for Guarded<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<Either<R, Full<Bytes>>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready goes, its clone stays: a clone need not be ready.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match layer.admit(&parts).await {
                Ok(identity) => {
                    parts.extensions.insert(identity);
                    let answer = inner.call(Request::from_parts(parts, body)).await?;
                    Ok(answer.map(Either::Left))
                }
                Err(error) => Ok(refusal::answer(&parts.headers, &error).map(Either::Right)),
            }
        })
    }
}

/// The token of the request. The scheme is spelled `Bearer`, as everywhere in the fleet; two headers
/// are none, because whoever is behind this layer might read the other one.
fn bearer(headers: &HeaderMap) -> Result<&str> {
    let missing = || Error::Unauthenticated { code: "missing_token".to_owned() };
    let invalid = || Error::Unauthenticated { code: "invalid_token".to_owned() };
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let header = match (all.next(), all.next()) {
        (Some(header), None) => header.as_bytes().trim_ascii_end(),
        _ => return Err(missing()),
    };
    let token = header.strip_prefix(b"Bearer ").filter(|token| !token.is_empty());
    let token = token.ok_or_else(missing)?;
    if token.len() > LONGEST {
        return Err(invalid());
    }
    std::str::from_utf8(token).map_err(|_| invalid())
}

/// The time the caller gives a gRPC call: one to eight digits and a unit.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_hours(amount)),
        "M" => Some(Duration::from_mins(amount)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}
