//! Keys: what the original calls its kinds of token.

use std::str::FromStr;

use super::UserId;
use crate::error::{Entity, Error, Invalid, Result};
use crate::id::Noun;
use crate::{Id, Timestamp};

/// Identifies a [`Key`].
pub type KeyId = Id<Key>;

/// What a token is for. The kinds are mutually exclusive (RFC 8725 section 3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// A person who signed in; manages API keys.
    Login,
    /// A person who forgot their password; good for the reset and nothing else.
    Recovery,
    /// A program acting for its owner; stored, listed and revocable.
    Api,
}

impl KeyKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Login, Self::Recovery, Self::Api];

    /// The number on the wire, in claims and in tables.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Login => 0,
            Self::Recovery => 1,
            Self::Api => 2,
        }
    }

    /// The kind with this number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| u64::from(kind.number()) == number)
    }
}

/// An API key as stored: its claims, never its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Which one; the token's `jti`.
    pub id: KeyId,
    /// Whose it is.
    pub issuer: UserId,
    /// Their e-mail address when it was made.
    pub subject: String,
    /// When it was made.
    pub issued_at: Timestamp,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
}

impl Noun for Key {
    const ENTITY: Entity = Entity::Key;
}

impl Key {
    /// Whether its time is over: from the second after the one `expires_at` names, as in tokens.
    #[must_use]
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| now.seconds() > end.seconds())
    }
}

/// What keys can be ordered by; the id breaks ties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyOrder {
    /// Their id.
    #[default]
    Id,
    /// When they were made.
    IssuedAt,
}

impl KeyOrder {
    /// Every order, the default first.
    pub const ALL: [Self; 2] = [Self::Id, Self::IssuedAt];

    /// The word clients use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::IssuedAt => "issued_at",
        }
    }
}

impl FromStr for KeyOrder {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "id" | "" => Ok(Self::Id),
            "issued_at" => Ok(Self::IssuedAt),
            _ => Err(Invalid::Order.into()),
        }
    }
}
