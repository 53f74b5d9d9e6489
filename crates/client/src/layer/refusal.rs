//! What is answered to a request that does not get through.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::error::Error;

/// When to try again if auth did not say.
const AWAY: Duration = Duration::from_secs(1);

/// One refusal, for both transports.
struct Refusal<'a> {
    http: StatusCode,
    grpc: Code,
    /// The stable word for programs.
    code: &'a str,
    detail: &'static str,
    retry_after: Option<Duration>,
}

impl<'a> Refusal<'a> {
    fn of(error: &'a Error) -> Self {
        let refusal =
            |http, grpc, code, detail| Self { http, grpc, code, detail, retry_after: None };
        match error {
            Error::Unauthenticated { code } => {
                let code = if code.is_empty() { "unauthenticated" } else { code };
                let detail = "missing or invalid bearer token";
                refusal(StatusCode::UNAUTHORIZED, Code::Unauthenticated, code, detail)
            }
            Error::Denied => {
                let detail = "not allowed";
                refusal(StatusCode::FORBIDDEN, Code::PermissionDenied, "forbidden", detail)
            }
            Error::NotFound => {
                refusal(StatusCode::NOT_FOUND, Code::NotFound, "not_found", "not found")
            }
            Error::Unavailable { .. } | Error::Failed(_) => {
                let detail = "who this is cannot be told at the moment";
                let code = "unavailable";
                let retry_after = match error {
                    Error::Unavailable { retry_after: Some(pause), .. } => Some(*pause),
                    _ => Some(AWAY),
                };
                let http = StatusCode::SERVICE_UNAVAILABLE;
                Self { retry_after, ..refusal(http, Code::Unavailable, code, detail) }
            }
            // The closure's mistake, or auth's: the client can do nothing about it.
            Error::Invalid(_) | Error::Conflict(_) => {
                let http = StatusCode::INTERNAL_SERVER_ERROR;
                refusal(http, Code::Internal, "internal", "internal server error")
            }
        }
    }

    fn problem(&self) -> Response<Full<Bytes>> {
        let document = json!({
            "type": "about:blank",
            "title": self.http.canonical_reason(),
            "status": self.http.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "error": self.detail,
        });
        let mut response = Response::new(Full::from(document.to_string()));
        *response.status_mut() = self.http;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.http == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(pause) = self.retry_after {
            let seconds = pause.as_millis().div_ceil(1_000);
            headers.insert(RETRY_AFTER, u64::try_from(seconds).unwrap_or(u64::MAX).into());
        }
        response
    }

    fn status(&self) -> Response<Full<Bytes>> {
        let mut metadata = MetadataMap::new();
        if let Ok(code) = MetadataValue::try_from(self.code) {
            metadata.insert("code", code);
        }
        if let Some(pause) = self.retry_after {
            let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            metadata.insert("grpc-retry-pushback-ms", MetadataValue::from(millis));
        }
        Status::with_metadata(self.grpc, self.detail, metadata).into_http()
    }
}

/// The answer, in the language of the request.
pub(super) fn answer(headers: &HeaderMap, error: &Error) -> Response<Full<Bytes>> {
    match error {
        Error::Invalid(_) | Error::Conflict(_) => tracing::error!(%error, "a check makes no sense"),
        Error::Unavailable { .. } | Error::Failed(_) => tracing::warn!(%error, "auth is not there"),
        Error::Unauthenticated { .. } | Error::Denied | Error::NotFound => {}
    }
    let refusal = Refusal::of(error);
    let media_type = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    if media_type.starts_with(b"application/grpc") { refusal.status() } else { refusal.problem() }
}
