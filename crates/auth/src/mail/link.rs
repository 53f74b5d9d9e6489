//! Links in mails: to the operator's own front end, whatever anybody asks for.

use std::fmt;
use std::str::FromStr;

use auth_domain::model::{InviteId, RedirectPath, TicketSecret};
use url::Url;

/// What every link begins with: `http` or `https`, a host, perhaps a port and a path, and nothing else.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Base {
    url: Url,
    path: RedirectPath,
}

/// A link that would lead elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("the link does not lead where links lead to")]
pub(crate) struct Astray;

impl Base {
    /// The host, for people: where everything is.
    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Where an invite is answered: this base, the path and the invite's id.
    pub(crate) fn invite(&self, path: &RedirectPath, invite: InviteId) -> Result<String, Astray> {
        self.to(&format!("{}/{invite}", path.stem())).map(Into::into)
    }

    /// Where an account is opened by an invite: this base, the path and what proves that the mail was read.
    pub(crate) fn platform_invite(
        &self,
        path: &RedirectPath,
        secret: &TicketSecret,
    ) -> Result<String, Astray> {
        self.to(&format!("{}/{}", path.stem(), secret.expose())).map(Into::into)
    }

    /// Where a ticket is used: this base, the path and, as `token`, what proves that the mail was read.
    pub(crate) fn ticket(
        &self,
        path: &RedirectPath,
        secret: &TicketSecret,
    ) -> Result<String, Astray> {
        let mut url = self.to(path.stem())?;
        url.query_pairs_mut().append_pair("token", secret.expose());
        Ok(url.into())
    }

    /// This base and a path below it.
    fn to(&self, below: &str) -> Result<Url, Astray> {
        let mut url = self.url.clone();
        let path = match format!("{}{below}", self.path.stem()) {
            top if top.is_empty() => "/".to_owned(),
            path => path,
        };
        url.set_path(&path);
        // What a mail program will read must be what was meant.
        let read = Url::parse(url.as_str()).map_err(|_| Astray)?;
        let same = read.origin() == self.url.origin() && is_plain(&read) && read.path() == path;
        if same { Ok(read) } else { Err(Astray) }
    }
}

/// Whether it is nothing but scheme, host, port and path.
fn is_plain(url: &Url) -> bool {
    url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}

impl FromStr for Base {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "is not a URL like https://example.com or https://example.com/app".to_owned();
        // A parser would mend what is not written like this.
        let place = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        let odd = |c: char| c == '\\' || c.is_whitespace() || c.is_control();
        if place.is_none_or(|place| place.starts_with('/')) || text.contains(odd) {
            return Err(wrong());
        }
        let url = Url::parse(text).map_err(|_| wrong())?;
        if !url.has_host() || !is_plain(&url) {
            return Err(wrong());
        }
        let path = url.path().parse().map_err(|_| wrong())?;
        Ok(Self { url, path })
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";

    fn invite() -> InviteId {
        INVITE.parse().unwrap()
    }

    fn link(base: &str, path: &str) -> String {
        let base: Base = base.parse().unwrap();
        base.invite(&path.parse().unwrap(), invite()).unwrap()
    }

    #[test]
    fn a_link_is_base_path_and_id() {
        for (base, path, expected) in [
            ("http://localhost", "/v", "http://localhost/v/"),
            ("http://localhost/", "/v/", "http://localhost/v/"),
            ("http://localhost", "/", "http://localhost/"),
            ("https://example.com:8443/app", "/a/b", "https://example.com:8443/app/a/b/"),
            ("https://example.com/app/", "/", "https://example.com/app/"),
            ("https://b\u{fc}cher.example", "/v", "https://xn--bcher-kva.example/v/"),
            ("http://[::1]:80", "/v", "http://[::1]/v/"),
        ] {
            assert_eq!(link(base, path), format!("{expected}{INVITE}"), "{base} {path}");
        }
    }

    #[test]
    fn s58_a_base_is_a_place_and_nothing_more() {
        for odd in [
            "",
            "localhost",
            "localhost:8080",
            "/app",
            "//example.com",
            "ftp://example.com",
            "javascript:alert(1)",
            "mailto:ada@example.com",
            "http://",
            "http:///app",
            "http:example.com",
            "https:/example.com",
            "https://user@example.com",
            "https://user:pass@example.com",
            "https://example.com?x=1",
            "https://example.com/?",
            "https://example.com#x",
            "https://example.com/#",
            "https://example.com\\evil",
            "https://exa mple.com",
            "https://example.com/a b",
            "https://example.com/a%2fb",
            "https://example.com/a//b",
            "https://example.com\r\nX: y",
            " https://example.com",
        ] {
            assert!(odd.parse::<Base>().is_err(), "{odd:?}");
        }
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn s59_whatever_path_is_taken_the_link_stays_here(path in "/?[!-~/.@:\\\\]{0,40}") {
                let base: Base = "https://example.com/app".parse().unwrap();
                if let Ok(path) = path.parse() {
                    let link = base.invite(&path, invite()).unwrap();
                    let read = Url::parse(&link).unwrap();
                    prop_assert_eq!(read.origin(), base.url.origin());
                    prop_assert!(link.starts_with("https://example.com/app/"));
                    prop_assert!(link.ends_with(INVITE));
                    prop_assert!(!link.contains(['"', '\'', '<', '>', '&', ' ']));
                }
            }
        }
    }

    /// A base and a path make a link to the base's own place, or none. They are apart by a blank.
    #[test]
    fn fuzz_links() {
        auth_fuzz::Fuzz::new("auth/link", include_str!("../../corpus/link.txt")).run(|input| {
            let (base, path) = std::str::from_utf8(input).ok()?.rsplit_once(' ')?;
            let Ok(base) = base.parse::<Base>() else { return Some((false, false)) };
            assert_eq!(format!("{base:?}").parse::<Base>().as_ref(), Ok(&base));
            let Ok(path) = path.parse::<RedirectPath>() else { return Some((true, false)) };
            let link = Url::parse(&base.invite(&path, invite()).unwrap()).unwrap();
            assert_eq!(link.origin(), base.url.origin());
            assert!(is_plain(&link) && link.path().ends_with(&format!("{}/{INVITE}", path.stem())));
            assert!(link.path().starts_with(base.path.stem()));
            Some((true, true))
        });
    }
}
