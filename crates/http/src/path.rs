//! The variable segments of a path.

use std::convert::Infallible;

use auth_domain::{Id, Invalid, Result};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;

/// The variable segment, decoded once; `None` when what it decodes to is not text.
#[derive(Debug)]
pub(crate) struct Segment(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(match RawPathParams::from_request_parts(parts, state).await {
            Ok(parameters) => {
                let only = parameters.iter().next().map(|(_, value)| value.to_owned());
                Self(Some(only.unwrap_or_default()))
            }
            Err(RawPathParamsRejection::InvalidUtf8InPathParam(_)) => Self(None),
            Err(_) => Self(Some(String::new())),
        })
    }
}

/// Two variable segments, the same way.
#[derive(Debug)]
pub(crate) struct TwoSegments(pub Segment, pub Segment);

impl<S: Send + Sync> FromRequestParts<S> for TwoSegments {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let none = |empty: fn() -> Option<String>| Self(Segment(empty()), Segment(empty()));
        Ok(match RawPathParams::from_request_parts(parts, state).await {
            Ok(parameters) => {
                let mut values = parameters.iter().map(|(_, value)| value.to_owned());
                let mut next = || Segment(Some(values.next().unwrap_or_default()));
                Self(next(), next())
            }
            Err(RawPathParamsRejection::InvalidUtf8InPathParam(_)) => none(|| None),
            Err(_) => none(|| Some(String::new())),
        })
    }
}

impl Segment {
    /// What it says; `None` when that is no text.
    pub(crate) fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The id it is, as [`id`] reads it.
    pub(crate) fn id<T>(&self, missing: Invalid) -> Result<Id<T>> {
        match self.0.as_deref() {
            Some(text) => id(text, missing),
            None => Ok(Id::sought("")),
        }
    }
}

/// The id to look for. No text at all is `missing`; text that is no id names nothing, which whoever
/// may ask is told like of any other id that names nothing.
pub(crate) fn id<T>(text: &str, missing: Invalid) -> Result<Id<T>> {
    if text.is_empty() { Err(missing.into()) } else { Ok(Id::sought(text)) }
}
