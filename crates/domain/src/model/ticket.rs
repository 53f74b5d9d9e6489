//! Tickets: what a mailed link proves, once and for one purpose.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Email, Metadata, PasswordHash, PlatformInviteId, UserId};
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
    /// Opening an account.
    Registration,
    /// Proving the address of an account that is there.
    Verification,
    /// Opening an account by an invite to the platform.
    PlatformInvite,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 4] =
        [Self::PasswordReset, Self::Registration, Self::Verification, Self::PlatformInvite];

    /// The word in the tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::Registration => "registration",
            Self::Verification => "verification",
            Self::PlatformInvite => "platform_invite",
        }
    }

    /// How long the link in a mail can be used that somebody asked for. That of an invite can be used as long as the
    /// invite.
    ///
    /// All are at least as long as [`crate::ports::Attempt::BeingSentLink`] is held back for, so that whoever asks
    /// in a stranger's name again and again leaves its owner time to use one.
    #[must_use]
    pub const fn life(self, invite_life: Duration) -> Duration {
        match self {
            Self::PasswordReset => Duration::from_mins(15),
            // The original's.
            Self::Registration | Self::Verification => Duration::from_hours(1),
            Self::PlatformInvite => invite_life,
        }
    }
}

/// What a ticket allows whoever shows its secret.
#[derive(Clone, Debug)]
pub enum Grant {
    /// To set a new password of this user.
    PasswordReset(UserId),
    /// To open this account.
    Registration(Box<Registration>),
    /// To say that this user's address is theirs.
    Verification(UserId),
    /// To open an account by this invite, which ends by that and not the ticket: whoever lost the answer is told so.
    PlatformInvite(PlatformInviteId),
}

/// An account that is opened when its address has been proved.
#[derive(Clone, Debug)]
pub struct Registration {
    /// How they will sign in.
    pub email: Email,
    /// Their password: whoever typed it need not be who reads the mail.
    pub password: PasswordHash,
    /// What clients attach to them.
    pub metadata: Metadata,
}

impl Grant {
    /// What it is good for.
    #[must_use]
    pub const fn purpose(&self) -> Purpose {
        match self {
            Self::PasswordReset(_) => Purpose::PasswordReset,
            Self::Registration(_) => Purpose::Registration,
            Self::Verification(_) => Purpose::Verification,
            Self::PlatformInvite(_) => Purpose::PlatformInvite,
        }
    }

    /// Whose it is, in the tables: a user's id, an invite's, or an address nobody has an account for, by its key.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Self::PasswordReset(user) | Self::Verification(user) => user.to_string(),
            Self::PlatformInvite(invite) => invite.to_string(),
            Self::Registration(registration) => registration.email.key().to_owned(),
        }
    }

    /// What the tables keep of it beside that, if anything.
    #[must_use]
    pub fn payload(&self) -> Option<Value> {
        match self {
            Self::PasswordReset(_) | Self::Verification(_) | Self::PlatformInvite(_) => None,
            Self::Registration(registration) => Some(json!({
                "email": registration.email.as_str(),
                "password": registration.password.expose(),
                "metadata": registration.metadata.object(),
            })),
        }
    }

    /// The grant, read back from the tables. Nothing for one that this version does not know.
    #[must_use]
    pub fn stored(purpose: &str, target: &str, payload: Option<&Value>) -> Option<Self> {
        let purpose = Purpose::ALL.into_iter().find(|known| known.as_str() == purpose)?;
        match purpose {
            Purpose::PasswordReset => Some(Self::PasswordReset(target.parse().ok()?)),
            Purpose::Verification => Some(Self::Verification(target.parse().ok()?)),
            Purpose::PlatformInvite => Some(Self::PlatformInvite(target.parse().ok()?)),
            Purpose::Registration => {
                let payload = payload?;
                let text = |name| payload.get(name)?.as_str();
                Some(Self::Registration(Box::new(Registration {
                    email: text("email")?.parse().ok()?,
                    password: PasswordHash::new(text("password")?.to_owned()),
                    metadata: Metadata::stored(payload.get("metadata")?.as_object()?.clone()),
                })))
            }
        }
    }
}

/// A ticket to be stored.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// Which.
    pub id: TicketId,
    /// What it allows.
    pub grant: Grant,
    /// The digest of its secret, which itself is stored nowhere.
    pub digest: [u8; 32],
    /// How long it is good, by the store's clock.
    pub life: Duration,
}

impl Ticket {
    /// How many can be used at a time for one purpose and target. A new one takes nothing from those before: whoever
    /// asks in a stranger's name must not void the link that its owner has.
    pub const MOST_ALIVE: u8 = 12;
    /// How many wrong secrets can be shown for it; then it is void.
    pub const TRIES: u8 = 5;
}

impl Noun for Ticket {
    const ENTITY: Entity = Entity::Ticket;
}

/// A stored ticket that was not used, nor had its tries used up.
#[derive(Clone, Debug)]
pub struct StoredTicket {
    /// Which.
    pub id: TicketId,
    /// What it allows.
    pub grant: Grant,
    /// The digest of its secret.
    pub digest: [u8; 32],
    /// When it was made, by the store's clock.
    pub created_at: Timestamp,
    /// Until when it is good, by the store's clock.
    pub expires_at: Timestamp,
    /// Whether that is over, by the same clock: then it is good for nothing but for saying so.
    pub is_over: bool,
}

/// What whoever got the mail shows: the ticket's id and what proves that the mail was read. Never printed.
#[derive(Clone, Debug)]
pub struct TicketSecret(SecretString);

impl TicketSecret {
    /// The most bytes that are looked at.
    pub const MAX: usize = 128;
    /// How many characters of it are the id.
    const ID: usize = 32;

    /// The secret with this text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// The secret of this ticket, from what only the mail says.
    #[must_use]
    pub fn of(ticket: TicketId, proof: &str) -> Self {
        Self::new(format!("{}{proof}", ticket.uuid().simple()))
    }

    /// Which ticket it says it is of. Nothing if it has the shape of none.
    #[must_use]
    pub fn ticket(&self) -> Option<TicketId> {
        let text = self.expose();
        let (id, proof) = text.split_at_checked(Self::ID)?;
        if proof.is_empty() || text.len() > Self::MAX {
            return None;
        }
        Uuid::try_parse(id).ok().map(Id::new)
    }

    /// The text, for the link and the digest.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";

    #[test]
    fn grants_read_back_as_written() {
        let registration = Registration {
            email: "Ada@Example.com".parse().unwrap(),
            password: PasswordHash::new("$argon2id$x".to_owned()),
            metadata: Metadata::from_value(json!({ "a": [1, "\u{0}"] }))
                .unwrap_or_else(|_| Metadata::from_value(json!({ "a": [1] })).unwrap()),
        };
        for grant in [
            Grant::PasswordReset(ID.parse().unwrap()),
            Grant::Registration(Box::new(registration)),
            Grant::Verification(ID.parse().unwrap()),
            Grant::PlatformInvite(ID.parse().unwrap()),
        ] {
            let (purpose, target) = (grant.purpose(), grant.target());
            let payload = grant.payload();
            let read = Grant::stored(purpose.as_str(), &target, payload.as_ref()).unwrap();
            assert_eq!((read.purpose(), read.target()), (purpose, target.clone()));
            assert_eq!(read.payload(), payload);
            assert!(Grant::stored("of_tomorrow", &target, payload.as_ref()).is_none());
            assert!(!format!("{grant:?}").contains("argon2"), "fw17");
        }
        assert!(Grant::stored("registration", "ada@example.com", None).is_none());
        assert!(Grant::stored("password_reset", "nobody", None).is_none());
    }

    #[test]
    fn a_secret_says_which_ticket_it_is_of() {
        let id: TicketId = ID.parse().unwrap();
        let secret = TicketSecret::of(id, "aB3-_x");
        assert_eq!(secret.ticket(), Some(id));
        for none in [
            "",
            "x",
            "aB3-_x",
            "0f3c2e4a5b6d4c7e8f90a1b2c3d4e5f6",
            &format!("{ID}aB3"),
            &"\u{e4}".repeat(40),
            &format!("{}{}", id.uuid().simple(), "x".repeat(TicketSecret::MAX)),
        ] {
            assert_eq!(TicketSecret::new(none.to_owned()).ticket(), None, "{none}");
        }
    }
}
