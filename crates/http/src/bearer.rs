//! The `Authorization` header (RFC 6750).

use std::convert::Infallible;

use auth_domain::model::Token;
use auth_domain::{Caller, Unauthenticated};
use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::problem::Unproved;
use crate::{Service, Services};

/// The scheme, to the letter: the original knows no other spelling, so neither do its proxies.
const SCHEME: &[u8] = b"Bearer ";

/// What the request shows for itself. Taking it never fails, because bodies and query strings are
/// judged first; [`Credential::caller`] does.
#[derive(Debug)]
pub(crate) struct Credential(Result<Token, Unauthenticated>);

impl<S: Sync> FromRequestParts<S> for Credential {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(token(&parts.headers)))
    }
}

impl Credential {
    /// The sibling service whose token it is, if it is one.
    pub(crate) fn service(&self, services: Option<&dyn Services>) -> Option<Service> {
        services?.service(self.0.as_ref().ok()?.expose())
    }

    /// Who is calling, for the pipeline to prove.
    pub(crate) fn caller(self) -> Result<Caller, Unproved> {
        self.0.map(Caller::Bearer).map_err(Unproved)
    }
}

fn token(headers: &HeaderMap) -> Result<Token, Unauthenticated> {
    let header = headers.get(AUTHORIZATION).ok_or(Unauthenticated::MissingToken)?;
    let text = header
        .as_bytes()
        .trim_ascii_end()
        .strip_prefix(SCHEME)
        .ok_or(Unauthenticated::MissingToken)?;
    if text.len() > Token::MAX {
        return Err(Unauthenticated::BadToken);
    }
    let text = std::str::from_utf8(text).map_err(|_| Unauthenticated::BadToken)?;
    Ok(Token::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(value: &[u8]) -> Result<String, Unauthenticated> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        token(&headers).map(|token| token.expose().to_owned())
    }

    #[test]
    fn r8_only_the_exact_scheme_counts() {
        assert_eq!(token(&HeaderMap::new()).unwrap_err(), Unauthenticated::MissingToken);
        for other in
            ["", "x.y.z", "bearer x", "BEARER x", "Bearer", "Bearer ", "Bearerx", "Basic x"]
        {
            assert_eq!(read(other.as_bytes()), Err(Unauthenticated::MissingToken), "{other}");
        }
        assert_eq!(read(b"Bearer x.y.z").unwrap(), "x.y.z");
        assert_eq!(read(b"Bearer x.y.z  ").unwrap(), "x.y.z");
        assert_eq!(read(b"Bearer  x").unwrap(), " x");
    }

    #[test]
    fn a_long_or_odd_token_is_refused_unread() {
        let longest = "x".repeat(Token::MAX);
        assert_eq!(read(format!("Bearer {longest}").as_bytes()).unwrap(), longest);
        assert_eq!(read(format!("Bearer {longest}x").as_bytes()), Err(Unauthenticated::BadToken));
        assert_eq!(read(b"Bearer \xff\xfe"), Err(Unauthenticated::BadToken));
    }
}
