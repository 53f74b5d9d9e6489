//! Tokens and what they claim.

use secrecy::{ExposeSecret, SecretString};

use super::{KeyId, KeyKind, SessionId, SigningKeyId, UserId};

/// A signed token, or text that says it is one. Never printed.
#[derive(Clone, Debug)]
pub struct Token(SecretString);

impl Token {
    /// The most bytes a token has; longer text is refused unread.
    pub const MAX: usize = 4 * 1024;

    /// The text, as a token.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// The text, for the wire and the verifier.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// What a token says. Its signature was checked; its times were not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `jti`: the key's id. Absent from login and recovery tokens of the original.
    pub id: Option<KeyId>,
    /// `issuer_id`: whose token it is.
    pub user: UserId,
    /// `sub`: their e-mail address. Access tokens hold none: their `sub` is the user.
    pub email: String,
    /// `type`: what it is for.
    pub kind: KeyKind,
    /// `iat`: when it was made, in seconds since 1970.
    pub issued_at: i64,
    /// `nbf`: when it begins, in seconds since 1970. Never issued, honoured when present.
    pub not_before: Option<i64>,
    /// `exp`: the last second it is good for, in seconds since 1970.
    pub expires_at: Option<i64>,
    /// What an access token (RFC 9068) says beside that; no other token does. Its `kind` is that of a login token,
    /// which it stands for.
    pub session: Option<SessionClaims>,
}

/// What an access token says of the session it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionClaims {
    /// `sid`: which.
    pub id: SessionId,
    /// `auth_time`: when it began, in seconds since 1970.
    pub began_at: i64,
}

/// A token whose signature is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// What it says.
    pub claims: Claims,
    /// How far that counts.
    pub trust: Trust,
    /// Which key of a pair signed it; none for the secret. Such a key may have been withdrawn, which is for
    /// whoever asks to find out.
    pub signed_by: Option<SigningKeyId>,
}

/// How far the key that signed a token is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A strong key: every kind of token counts.
    Full,
    /// A weak one kept for migration: only API keys count, and only if every claim is stored.
    StoredKeysOnly,
}
