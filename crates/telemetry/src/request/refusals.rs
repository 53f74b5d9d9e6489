//! Which limit refused a request, as its answer tells.

use auth_domain::model::Token;
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};

/// The longest that `authorization` is with a token that is not refused for its length.
const LONGEST_AUTHORIZATION: usize = "Bearer ".len() + Token::MAX;

pub(super) fn has_long_token(headers: &HeaderMap) -> bool {
    headers.get(AUTHORIZATION).is_some_and(|shown| shown.len() > LONGEST_AUTHORIZATION)
}

/// The limit that refused the request, if one did: what `auth_refused_total` calls it. The words
/// are the stable codes of the errors, except for a token, whose error does not say why. Too many
/// tries are counted where they are.
pub(super) fn limit(
    response: &Response,
    transport: &str,
    long_token: bool,
) -> Option<&'static str> {
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
