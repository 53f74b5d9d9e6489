//! Invites: the offer of a role in an org.

use std::str::FromStr;

use super::{Name, OrgId, OrgRole, UserId};
use crate::error::{Entity, Error, Invalid};
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
    /// was written down. The time of a dormant one has not begun.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> InviteState {
        match self.state {
            InviteState::Pending if self.invitee.is_some() && self.expires_at <= now => {
                InviteState::Expired
            }
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

/// How an invite ends, unless its time ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The invitee accepts it.
    Accepted,
    /// The invitee declines it.
    Declined,
    /// It is taken back.
    Revoked,
}

impl From<Settlement> for InviteState {
    fn from(settlement: Settlement) -> Self {
        match settlement {
            Settlement::Accepted => Self::Accepted,
            Settlement::Declined => Self::Declined,
            Settlement::Revoked => Self::Revoked,
        }
    }
}

/// An invite, and what people call the org.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrgInvite {
    /// The invite.
    pub invite: Invite,
    /// The org's name.
    pub org_name: Name,
}

/// An invite as it is shown, its state that of the moment it is shown at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownInvite {
    /// The invite.
    pub invite: Invite,
    /// The org's name.
    pub org_name: Name,
    /// The invitee's e-mail address; empty when the directory knows them no more, or for nobody.
    pub invitee_email: String,
    /// The inviter's; empty when the directory knows them no more.
    pub inviter_email: String,
}

/// A dormant invite as somebody finds it who answers the platform invite it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingInvite {
    /// The invite.
    pub invite: Invite,
    /// Whether they belong to the org already.
    pub is_member: bool,
    /// The invite to the same org that they have already and can still accept, if there is one.
    pub rival: Option<Rival>,
}

/// An invite beside which no other one to the same org can be pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Which one.
    pub id: InviteId,
    /// What it offers.
    pub role: OrgRole,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Whose invites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitesOf {
    /// Those to this org.
    Org(OrgId),
    /// Those that this user received.
    Invitee(UserId),
    /// Those that this user sent.
    Inviter(UserId),
}

/// Which invites to list. Dormant ones are in no list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteQuery {
    /// Whose.
    pub of: InvitesOf,
    /// Only those in one of these states, by [`Invite::state_at`].
    pub states: Vec<InviteState>,
    /// The moment their states are those of.
    pub at: Timestamp,
}

/// What invites can be ordered by; the id breaks ties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InviteOrder {
    /// Their id.
    #[default]
    Id,
    /// To whom.
    InviteeId,
    /// From whom.
    InviterId,
    /// Where to.
    OrgId,
    /// What became of them, by the letter.
    State,
    /// When they were made.
    CreatedAt,
}

impl InviteOrder {
    /// Every order, the default first.
    pub const ALL: [Self; 6] =
        [Self::Id, Self::InviteeId, Self::InviterId, Self::OrgId, Self::State, Self::CreatedAt];

    /// The word clients use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::InviteeId => "invitee_id",
            Self::InviterId => "inviter_id",
            Self::OrgId => "org_id",
            Self::State => "state",
            Self::CreatedAt => "created_at",
        }
    }
}

impl FromStr for InviteOrder {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|order| order.as_str() == text);
        match known {
            None if text.is_empty() => Ok(Self::Id),
            None => Err(Invalid::Order.into()),
            Some(order) => Ok(order),
        }
    }
}
