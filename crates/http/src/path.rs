//! The variable segments of a path.

use std::convert::Infallible;

use auth_domain::id::Noun;
use auth_domain::ops::access::Identify;
use auth_domain::{App, Caller, Error, Id, Invalid, Result};
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
    /// The id it is, as [`id`] reads it.
    pub(crate) async fn id<T: Noun>(
        &self,
        app: &App,
        caller: &Caller,
        missing: Invalid,
    ) -> Result<Id<T>> {
        known(app, caller, self.parse(missing)).await
    }

    /// The same, for whoever finds out by themselves who is asking.
    pub(crate) fn parse<T: Noun>(&self, missing: Invalid) -> Result<Id<T>> {
        match self.0.as_deref() {
            Some(text) => parse(text, missing),
            None => Err(Error::NotFound(T::ENTITY)),
        }
    }
}

/// The id that this text is. No text at all is `missing`. Text that is no id names nothing, which is
/// told to whoever shows a good token, as for any other id that names nothing.
pub(crate) async fn id<T: Noun>(
    app: &App,
    caller: &Caller,
    text: &str,
    missing: Invalid,
) -> Result<Id<T>> {
    known(app, caller, parse(text, missing)).await
}

fn parse<T: Noun>(text: &str, missing: Invalid) -> Result<Id<T>> {
    if text.is_empty() { Err(missing.into()) } else { text.parse() }
}

async fn known<T>(app: &App, caller: &Caller, parsed: Result<Id<T>>) -> Result<Id<T>> {
    if let (Err(Error::NotFound(_)), Caller::Bearer(token)) = (&parsed, caller) {
        app.execute(Caller::Anonymous, Identify { token: token.clone() }).await?;
    }
    parsed
}
