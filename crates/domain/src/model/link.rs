//! Where links in mails lead to.

use std::str::FromStr;

use crate::error::{Error, Invalid, Result};

/// A path on the operator's own front end: absolute, and nothing but plain segments.
///
/// Whatever it is appended to, the link leads to the same host: there is no query, no fragment, no
/// percent sign, no backslash, no empty segment, and no segment of dots only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectPath(String);

impl RedirectPath {
    /// The most bytes a path has.
    pub const MAX: usize = 254;

    /// The path, without a slash at its end unless it is `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without a slash at its end, which is nothing for `/`: to append `/` and more to.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.0.trim_end_matches('/')
    }

    /// Whether it is this prefix or lies below it; everything is below `/`.
    #[must_use]
    pub fn is_below(&self, prefix: &Self) -> bool {
        let rest = self.stem().strip_prefix(prefix.stem());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Default for RedirectPath {
    /// The top, `/`.
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl FromStr for RedirectPath {
    type Err = Error;

    /// Accepts `/` and `/segment/segment`, with or without a slash at its end, of the characters that
    /// RFC 3986 never reserves.
    fn from_str(text: &str) -> Result<Self> {
        const FIELD: &str = "redirect_path";
        if text.is_empty() {
            return Err(Invalid::MissingRedirectPath.into());
        }
        if text.len() > Self::MAX {
            return Err(Error::malformed(FIELD, "has at most 254 bytes"));
        }
        let Some(inner) = text.strip_prefix('/') else {
            return Err(Error::malformed(FIELD, "must begin with a slash"));
        };
        if inner.is_empty() {
            return Ok(Self(text.to_owned()));
        }
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let plain = |segment: &str| {
            !segment.bytes().all(|byte| byte == b'.')
                && segment
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        };
        if inner.split('/').all(plain) { Ok(Self(format!("/{inner}"))) } else { Err(odd()) }
    }
}

fn odd() -> Error {
    Error::malformed("redirect_path", "must be plain segments of letters, digits and -._~")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_paths_are_taken() {
        for (given, kept) in [
            ("/", "/"),
            ("/v", "/v"),
            ("/v/", "/v"),
            ("/app/org-invites/x_1.~", "/app/org-invites/x_1.~"),
        ] {
            assert_eq!(given.parse::<RedirectPath>().unwrap().as_str(), kept, "{given}");
        }
    }

    #[test]
    fn s59_d31_go4_paths_that_could_lead_elsewhere_are_refused() {
        for odd in [
            "v",
            "@evil.example/x",
            ".evil.example",
            ":8080/x",
            "//evil.example",
            "//",
            "/\\evil.example",
            "\\\\evil.example",
            "/a//b",
            "/a/../b",
            "/.",
            "/a?b",
            "/a#b",
            "/a%2fb",
            "/a@b",
            "/a:b",
            "/a b",
            "/a\tb",
            "/a\r\nBcc: x",
            "/a\0",
            "/ä",
            "http://evil.example/",
            "https:evil.example",
            "javascript:alert(1)",
        ] {
            assert!(odd.parse::<RedirectPath>().is_err(), "{odd:?}");
        }
        assert!(matches!(
            "".parse::<RedirectPath>(),
            Err(Error::Invalid(Invalid::MissingRedirectPath))
        ));
        assert!(format!("/{}", "a".repeat(254)).parse::<RedirectPath>().is_err());
    }

    #[test]
    fn a_prefix_ends_where_a_segment_ends() {
        let path = |text: &str| text.parse::<RedirectPath>().unwrap();
        assert!(path("/app/x").is_below(&path("/app")));
        assert!(path("/app").is_below(&path("/app/")));
        assert!(path("/app").is_below(&path("/")));
        assert!(path("/").is_below(&path("/")));
        assert!(!path("/application").is_below(&path("/app")));
        assert!(!path("/").is_below(&path("/app")));
    }

    proptest! {
        #[test]
        fn s59_whatever_is_taken_stays_a_path(text in any::<String>()) {
            if let Ok(path) = text.parse::<RedirectPath>() {
                let path = path.as_str();
                prop_assert!(path.starts_with('/'));
                prop_assert!(!path.contains("//") && !path.contains(['@', ':', '\\', '?', '#', '%']));
            }
        }
    }
}
