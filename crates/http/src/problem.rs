//! Why a request was not served, as a problem document (RFC 9457).
//!
//! Beside the standard's members there are `code`, stable and ours, `request_id`, and `error`, the
//! text the original answers in the same place, which is what older clients read.

use std::time::Duration;

use auth_domain::{Conflict, Error, Invalid, InviteClosed, Unauthenticated};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// How long to wait when something this service needs is away, in seconds.
const AWAY: u64 = 1;

/// The HTTP half of the error table.
#[must_use]
pub const fn status(error: &Error) -> StatusCode {
    match error {
        Error::Invalid(_) => StatusCode::BAD_REQUEST,
        Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
        Error::Forbidden
        | Error::RegistrationClosed
        | Error::EmailUnverified
        | Error::InviteClosed(_) => StatusCode::FORBIDDEN,
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::AlreadyExists(_) | Error::Conflict(_) => StatusCode::CONFLICT,
        Error::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
        Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What goes wrong before or around an operation, on this transport only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// The body is of another media type than the route takes.
    ContentType,
    /// The body is larger than allowed.
    BodySize,
    /// The body stopped coming.
    BodyIdle,
    /// The request line and headers are larger or more than allowed.
    HeadSize,
    /// The whole of it took longer than allowed.
    Deadline,
}

impl Transport {
    /// Every reason, for the table in `docs/errors.md`.
    pub const ALL: &'static [Self] =
        &[Self::ContentType, Self::BodySize, Self::BodyIdle, Self::HeadSize, Self::Deadline];

    /// Its status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodySize => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyIdle => StatusCode::REQUEST_TIMEOUT,
            Self::HeadSize => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Deadline => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ContentType => "unsupported_content_type",
            Self::BodySize => "body_too_large",
            Self::BodyIdle => "body_timeout",
            Self::HeadSize => "headers_too_large",
            Self::Deadline => "deadline_exceeded",
        }
    }

    /// What the member `error` holds; the original has a text for the first only.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::ContentType => "unsupported content type",
            Self::BodySize => "request body too large",
            Self::BodyIdle => "request body did not arrive in time",
            Self::HeadSize => "request headers too large",
            Self::Deadline => "request took too long",
        }
    }

    /// What to do about it, in a sentence.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::ContentType => "send the body in the content type that the route takes",
            Self::BodySize => "send a smaller body",
            Self::BodyIdle => "send the body without long breaks",
            Self::HeadSize => "send fewer and shorter headers",
            Self::Deadline => "try again later",
        }
    }
}

/// A refusal on its way out. As a response it is only a status and itself as an extension;
/// [`finish`] writes the document, because only then is the request id at hand.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    text: String,
    retry_after: Option<u64>,
    unproved: Option<Unauthenticated>,
}

/// Nothing that could be looked at was shown for a token, so that no operation was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unproved(pub(crate) Unauthenticated);

impl From<Unproved> for Problem {
    fn from(Unproved(reason): Unproved) -> Self {
        Self { unproved: Some(reason), ..Error::from(reason).into() }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let text = match &error {
            Error::Invalid(reason) => reason.text().to_owned(),
            // What these print is the original's text, and never a cause.
            Error::Unauthenticated(_)
            | Error::Forbidden
            | Error::RegistrationClosed
            | Error::EmailUnverified
            | Error::NotFound(_)
            | Error::AlreadyExists(_)
            | Error::Conflict(_)
            | Error::InviteClosed(_)
            | Error::RateLimited(_)
            | Error::Unavailable(_)
            | Error::Internal(_) => error.to_string(),
        };
        let retry_after = match &error {
            Error::RateLimited(wait) => Some(whole_seconds(*wait)),
            Error::Unavailable(_) => Some(AWAY),
            _ => None,
        };
        Self {
            status: status(&error),
            code: error.code(),
            detail: error.to_string(),
            text,
            retry_after,
            unproved: None,
        }
    }
}

impl From<Conflict> for Problem {
    fn from(reason: Conflict) -> Self {
        Error::from(reason).into()
    }
}

impl From<InviteClosed> for Problem {
    fn from(reason: InviteClosed) -> Self {
        Error::from(reason).into()
    }
}

impl From<Unauthenticated> for Problem {
    fn from(reason: Unauthenticated) -> Self {
        Error::from(reason).into()
    }
}

impl From<Invalid> for Problem {
    fn from(reason: Invalid) -> Self {
        Error::from(reason).into()
    }
}

impl From<Transport> for Problem {
    fn from(reason: Transport) -> Self {
        Self {
            status: reason.status(),
            code: reason.code(),
            detail: reason.advice().to_owned(),
            text: reason.text().to_owned(),
            retry_after: None,
            unproved: None,
        }
    }
}

/// Rounded up, so that whoever waits as told is not told to wait again.
fn whole_seconds(wait: Duration) -> u64 {
    let begun = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(begun).max(1)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        response.extensions_mut().insert(self);
        response
    }
}

/// Why a request was not served (RFC 9457). Programs decide by `code`.
// Its members are in the standard's order, then ours.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document<'a> {
    /// Always `about:blank`: what kind of problem it is, `code` says.
    r#type: &'static str,
    /// What the status means.
    title: &'static str,
    /// The status, once more.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request, for people.
    detail: &'a str,
    /// Which problem it is, for programs: one of the examples' names. It never changes its meaning.
    code: &'static str,
    /// The request's id, to be named when asking for help.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<&'a str>,
    /// What Mainflux says in the same place, for clients made for it.
    error: &'a str,
}

impl Problem {
    /// The status it is sent with.
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// Its stable code.
    pub(crate) const fn code(&self) -> &'static str {
        self.code
    }

    /// What Mainflux says in the same place.
    pub(crate) fn summary(&self) -> &str {
        &self.text
    }

    /// The document as the description shows it.
    pub(crate) fn example(&self) -> Value {
        serde_json::to_value(self.document(Some("3f9c1e7a"))).unwrap_or_default()
    }

    fn document<'a>(&'a self, request_id: Option<&'a str>) -> Document<'a> {
        Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id,
            error: &self.text,
        }
    }
}

/// Why nobody was asked for anything, if that is what the response says.
pub(crate) fn unproved(response: &Response) -> Option<Unauthenticated> {
    response.extensions().get::<Problem>()?.unproved
}

/// Writes the document of a response that is a problem; leaves every other alone.
pub(crate) fn finish(response: Response, request_id: Option<&str>) -> Response {
    let (mut parts, body) = response.into_parts();
    let Some(problem) = parts.extensions.remove::<Problem>() else {
        return Response::from_parts(parts, body);
    };
    // Texts and numbers only: there is nothing in it that could fail to serialise.
    let mut text = serde_json::to_vec(&problem.document(request_id)).unwrap_or_default();
    text.push(b'\n');
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(seconds) = problem.retry_after {
        parts.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.status == StatusCode::UNAUTHORIZED {
        parts.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    Response::from_parts(parts, Body::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s90_causes_stay_inside() {
        for error in [
            Error::internal("relation \"orgs\" is missing on db.internal:5432"),
            Error::unavailable("dial tcp 10.0.0.7:5432 refused"),
        ] {
            let problem = format!("{:?}", Problem::from(error));
            assert!(!problem.contains("5432"), "{problem}");
        }
    }

    #[test]
    fn waiting_is_rounded_up() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1_001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(5)), 5);
    }

    #[test]
    fn codes_are_words_and_differ() {
        let mut codes: Vec<_> = Transport::ALL.iter().map(|reason| reason.code()).collect();
        codes.dedup();
        assert_eq!(codes.len(), Transport::ALL.len());
        assert!(codes.iter().all(|c| c.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }
}
