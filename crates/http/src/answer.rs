//! Answers that are not problems.

use auth_domain::{Error, Result};
use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::problem::Problem;

/// The content type of nearly everything here.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A view as compact JSON with a line break at its end.
pub(crate) fn json(status: StatusCode, view: &impl Serialize) -> Result<Response, Problem> {
    let mut text = serde_json::to_vec(view).map_err(Error::internal)?;
    text.push(b'\n');
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    Ok(response)
}

/// Nothing but a status. The content type is the original's.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// Nothing but where the new thing is.
pub(crate) fn created(location: &str) -> Result<Response, Problem> {
    let location = HeaderValue::from_str(location).map_err(Error::internal)?;
    let mut response = empty(StatusCode::CREATED);
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}
