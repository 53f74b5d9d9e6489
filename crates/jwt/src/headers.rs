//! What the header of a token says it is: a token of the original's kinds, or an access token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `typ`: tokens of one type are never taken for the other (RFC 8725 section 3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typ {
    /// A login token, a recovery token or an API key.
    Jwt,
    /// An access token (RFC 9068 section 2.1).
    Access,
}

impl Typ {
    /// The text; ours has one spelling.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "JWT",
            Self::Access => "at+jwt",
        }
    }
}

/// The encoded headers of the tokens one key signs.
#[derive(Clone, Debug)]
pub(crate) struct Headers {
    jwt: String,
    access: String,
}

impl Headers {
    pub(crate) fn of(alg: &str, kid: &str) -> Self {
        let header = |typ: Typ| {
            let typ = typ.as_str();
            URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"{typ}"}}"#))
        };
        Self { jwt: header(Typ::Jwt), access: header(Typ::Access) }
    }

    pub(crate) fn get(&self, typ: Typ) -> &str {
        match typ {
            Typ::Jwt => &self.jwt,
            Typ::Access => &self.access,
        }
    }

    /// Which of them this is, if it is one.
    pub(crate) fn typ_of(&self, header: &str) -> Option<Typ> {
        [Typ::Jwt, Typ::Access].into_iter().find(|typ| self.get(*typ) == header)
    }
}
