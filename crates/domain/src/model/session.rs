//! Sessions: one sign-in on one device, kept up by refresh tokens of which each is good once.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::UserId;
use crate::error::Entity;
use crate::id::Noun;
use crate::{Id, Timestamp};

/// Identifies a [`Session`]. It is no secret: access tokens name it as `sid`.
pub type SessionId = Id<Session>;

/// For how long the refresh token before the newest one is honoured: two tabs may have asked at once, or the answer got
/// lost.
pub const REFRESH_GRACE: Duration = Duration::from_secs(30);

/// The most sessions somebody has: beyond them, those end that were used longest ago.
pub const MOST_SESSIONS: u64 = 100;

/// Somebody's session, as it is stored. One that was ended is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// When it began: a whole second, after all that were ended before.
    pub began_at: Timestamp,
    /// When it was last refreshed, or began.
    pub last_used_at: Timestamp,
    /// When it is over unless it is refreshed before; never after `ends_at`.
    pub expires_at: Timestamp,
    /// When it is over in any case.
    pub ends_at: Timestamp,
    /// From where it was last refreshed, or begun, as far as that is known.
    pub address: Option<IpAddr>,
    /// What it was begun on.
    pub device: Device,
}

impl Noun for Session {
    const ENTITY: Entity = Entity::Session;
}

/// What a device says it is: the first [`Device::MAX`] characters of `User-Agent`, in printable ASCII. Whoever signs in
/// chooses it, so it is shown and believed no further.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device(String);

impl Device {
    /// The most characters that are kept.
    pub const MAX: usize = 200;

    /// What is left of what was said: anything else than printable ASCII is a question mark, so that nothing it is shown
    /// in is written over, turned round or continued on another line.
    #[must_use]
    pub fn cleaned(said: &[u8]) -> Self {
        let shown = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '?' };
        Self(said.trim_ascii().iter().take(Self::MAX).map(shown).collect())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What refreshes a session, once. Never printed.
#[derive(Clone)]
pub struct RefreshToken(SecretString);

impl RefreshToken {
    /// The most bytes that are looked at.
    pub const MAX: usize = 128;

    /// The token with this text, whatever it is.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// The text, for the wire and the digests.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RefreshToken").finish_non_exhaustive()
    }
}

/// What is stored of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshDigests {
    /// Of the part that all tokens of one session share, and nobody knows who never had one of them: who shows it with
    /// another rest has had an older one.
    pub family: [u8; 32],
    /// Of all of it.
    pub whole: [u8; 32],
}

/// A refresh token that takes the place of another.
#[derive(Clone, Debug)]
pub struct NextRefresh {
    /// The token.
    pub token: RefreshToken,
    /// What the token can be found by again, by whoever has the one before and by nobody else.
    pub cover: [u8; 32],
}

/// A session to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// What is shown of it.
    pub session: Session,
    /// What is stored of its first refresh token.
    pub refresh: RefreshDigests,
}

/// A session, found by a refresh token of its family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSession {
    /// What is shown of it.
    pub session: Session,
    /// The digest of the token that refreshes it.
    pub current: [u8; 32],
    /// The one before, if there was one.
    pub before: Option<Replaced>,
}

/// A refresh token that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Its digest.
    pub digest: [u8; 32],
    /// What [`NextRefresh::cover`] says of the one that took its place.
    pub cover: [u8; 32],
    /// When it was used.
    pub at: Timestamp,
}

/// A refresh token takes the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Of which session.
    pub session: SessionId,
    /// The token that is used up, and when.
    pub used: Replaced,
    /// The digest of the new one.
    pub next: [u8; 32],
    /// From where.
    pub address: Option<IpAddr>,
    /// When the session is over unless it is refreshed again.
    pub expires_at: Timestamp,
}

/// Why a session was ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// Its user wanted that.
    ByUser,
    /// A refresh token came again that had been used long before: somebody else has had it.
    Reuse,
    /// Whoever showed its refresh token took that back (RFC 7009).
    Revoked,
    /// There were more than [`MOST_SESSIONS`].
    Crowded,
}

impl SessionEnd {
    /// The word in the change log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ByUser => "by_user",
            Self::Reuse => "reuse",
            Self::Revoked => "revoked",
            Self::Crowded => "crowded",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fw17_what_a_device_says_is_cleaned_and_bounded() {
        assert_eq!(Device::cleaned(b"  Mozilla/5.0 (X11)  ").as_str(), "Mozilla/5.0 (X11)");
        let hostile = "a\r\nb\u{202e}c\u{1b}[31m".as_bytes();
        assert_eq!(Device::cleaned(hostile).as_str(), "a??b???c?[31m");
        assert_eq!(Device::cleaned(&[b'x'; 5_000]).as_str().len(), Device::MAX);
        assert_eq!(Device::cleaned(b""), Device::default());
    }

    #[test]
    fn fw17_a_refresh_token_is_not_printed() {
        let token = RefreshToken::new("rt_something".into());
        assert!(!format!("{token:?}").contains("something"));
    }
}
