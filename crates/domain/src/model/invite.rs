//! Invites: the offer of a role in an org.

use std::str::FromStr;

use super::{OrgId, OrgRole, UserId};
use crate::error::{Entity, Error};
use crate::id::Noun;
use crate::{Id, Timestamp};

/// Identifies an [`Invite`].
pub type InviteId = Id<Invite>;

/// The offer of a role in an org, to one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Which one.
    pub id: InviteId,
    /// Where.
    pub org: OrgId,
    /// Who made it.
    pub inviter: UserId,
    /// To whom; nobody yet while it waits for somebody without an account, which makes it dormant.
    pub invitee: Option<UserId>,
    /// What they become if they accept; never the owner.
    pub role: OrgRole,
    /// What became of it, as stored: see [`Invite::state_at`].
    pub state: InviteState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
}

impl Invite {
    /// What it is at this moment: one that nobody answered in time has expired, whether or not that
    /// was written down.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> InviteState {
        match self.state {
            InviteState::Pending if self.expires_at <= now => InviteState::Expired,
            stored => stored,
        }
    }
}

impl Noun for Invite {
    const ENTITY: Entity = Entity::Invite;
}

/// What became of an invite. Only a pending one can become anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InviteState {
    /// Nobody has answered yet.
    Pending,
    /// The invitee is a member by it.
    Accepted,
    /// The invitee does not want to.
    Declined,
    /// It was taken back.
    Revoked,
    /// Nobody answered in time.
    Expired,
}

impl InviteState {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Accepted, Self::Declined, Self::Revoked, Self::Expired];

    /// The word on the wire and in the tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

impl FromStr for InviteState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|state| state.as_str() == text);
        known.ok_or(Error::malformed("state", "is none of those an invite has"))
    }
}

/// An invitation to the platform, which the users service keeps. Org invites for people without an
/// account wait for it.
#[derive(Debug)]
pub struct PlatformInvite;

/// Identifies a [`PlatformInvite`].
pub type PlatformInviteId = Id<PlatformInvite>;

impl Noun for PlatformInvite {
    const ENTITY: Entity = Entity::Invite;
}
