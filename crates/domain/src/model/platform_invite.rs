//! Invites to the platform: the offer of an account.

use std::str::FromStr;

use super::{Email, InviteState, TicketSecret, UserId};
use crate::error::{Entity, Error, Invalid, Result};
use crate::id::Noun;
use crate::{Id, Timestamp};

/// Identifies a [`PlatformInvite`]. It is shown to admins and written down in many places, so where mail is sent it opens
/// nothing: the link in the mail has a secret of its own.
pub type PlatformInviteId = Id<PlatformInvite>;

/// What somebody shows who opens an account by an invite.
#[derive(Clone, Debug)]
pub enum InviteProof {
    /// What the link in the mail ends with.
    Secret(TicketSecret),
    /// Which invite. That is enough where no mail is sent, because nobody can be sent a secret there.
    Id(PlatformInviteId),
}

impl FromStr for InviteProof {
    type Err = Error;

    /// Text with the shape of neither is malformed.
    fn from_str(text: &str) -> Result<Self> {
        let secret = TicketSecret::new(text.to_owned());
        if secret.ticket().is_some() {
            return Ok(Self::Secret(secret));
        }
        let malformed = |_| Error::malformed("invite", "is not what the link in a mail ends with");
        text.parse().map(Self::Id).map_err(malformed)
    }
}

/// The offer of an account to whoever reads the mail to an address. Org invites can wait for it. Where people are known
/// to another service, that keeps it, and only its id is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformInvite {
    /// Which one.
    pub id: PlatformInviteId,
    /// To whom.
    pub email: Email,
    /// Who made it.
    pub inviter: UserId,
    /// What became of it, as stored: see [`PlatformInvite::state_at`].
    pub state: InviteState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when an account can be opened by it.
    pub expires_at: Timestamp,
}

impl PlatformInvite {
    /// What it is at this moment: one that nobody answered in time has expired, whether or not that was written down.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> InviteState {
        match self.state {
            InviteState::Pending if self.expires_at <= now => InviteState::Expired,
            stored => stored,
        }
    }
}

impl Noun for PlatformInvite {
    const ENTITY: Entity = Entity::Invite;
}

/// Which platform invites to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformInviteQuery {
    /// Only those to an address that contains this, in whatever case; empty means all.
    pub email: String,
    /// Only those in one of these states, by [`PlatformInvite::state_at`].
    pub states: Vec<InviteState>,
    /// The moment their states are those of.
    pub at: Timestamp,
}

/// What platform invites can be ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlatformInviteOrder {
    /// Their id, and with that when they were made.
    #[default]
    Id,
}

impl PlatformInviteOrder {
    /// Every order, the default first.
    pub const ALL: [Self; 1] = [Self::Id];

    /// The word clients use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
        }
    }
}

impl FromStr for PlatformInviteOrder {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "id" | "" => Ok(Self::Id),
            _ => Err(Invalid::Order.into()),
        }
    }
}
