//! Tickets: what a mailed link proves, once and for one purpose.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::UserId;
use crate::error::Entity;
use crate::id::Noun;
use crate::{Id, Timestamp};

/// Identifies a [`Ticket`]. It is no secret.
pub type TicketId = Id<Ticket>;

/// What a ticket is good for, and for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Setting a new password.
    PasswordReset,
}

impl Purpose {
    /// The word in the tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
        }
    }
}

/// A ticket to be stored. There is one for each purpose and user: a new one replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Which.
    pub id: TicketId,
    /// What it is good for.
    pub purpose: Purpose,
    /// Whose.
    pub user: UserId,
    /// The digest of its secret, which itself is stored nowhere.
    pub digest: [u8; 32],
    /// How long it is good, by the store's clock.
    pub life: Duration,
}

impl Noun for Ticket {
    const ENTITY: Entity = Entity::Ticket;
}

/// A stored ticket that can still be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveTicket {
    /// Which.
    pub id: TicketId,
    /// Whose.
    pub user: UserId,
    /// The digest of its secret.
    pub digest: [u8; 32],
    /// Until when, by the store's clock.
    pub expires_at: Timestamp,
}

/// What whoever got the mail shows. Never printed.
#[derive(Clone, Debug)]
pub struct TicketSecret(SecretString);

impl TicketSecret {
    /// The most bytes that are looked at.
    pub const MAX: usize = 128;

    /// The secret with this text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// The text, for the link and the digest.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for TicketSecret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for TicketSecret {}
