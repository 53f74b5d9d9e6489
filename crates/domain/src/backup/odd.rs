//! Rows of the original's tables that say what cannot be, and what is made of them.

use uuid::Uuid;

use crate::Timestamp;
use crate::model::{Invite, InviteId, InviteState, Membership, OrgId, OrgRole, UserId};

/// How many rows of a part are not as they are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows that mean nothing.
    pub left_out: u64,
    /// Rows that are given in other words.
    pub normalised: u64,
}

impl Tally {
    /// Counts a row that is left out.
    pub const fn leave_out(&mut self) {
        self.left_out = self.left_out.saturating_add(1);
    }

    /// Counts a row, if it is given in other words.
    pub const fn normalise(&mut self, other_words: bool) {
        if other_words {
            self.normalised = self.normalised.saturating_add(1);
        }
    }

    /// The moment in a column that may hold none: then it is year 1, as lists show it.
    #[must_use]
    pub fn moment(column: Option<Timestamp>) -> Timestamp {
        column.unwrap_or(Timestamp::from_micros(i64::MIN))
    }
}

/// A row of the memberships.
#[derive(Clone, Debug)]
pub struct StoredMembership {
    /// Where.
    pub org: Uuid,
    /// Who.
    pub member: Uuid,
    /// Who owns the org.
    pub owner: Uuid,
    /// As what.
    pub role: String,
    /// Since when.
    pub created_at: Option<Timestamp>,
    /// When it was changed.
    pub updated_at: Option<Timestamp>,
}

impl StoredMembership {
    /// What it means. Who owns an org is said by the org: its owner is one, whatever the row says, and
    /// anybody else who is called so is an admin.
    pub fn understand(self, tally: &mut Tally) -> Option<Membership> {
        let named: Option<OrgRole> = self.role.parse().ok();
        let role = match named {
            _ if self.owner == self.member => Some(OrgRole::Owner),
            Some(OrgRole::Owner) => Some(OrgRole::Admin),
            other => other,
        };
        let Some(role) = role.filter(|_| !self.member.is_nil() && !self.org.is_nil()) else {
            tally.leave_out();
            return None;
        };
        let whole = self.created_at.is_some() && self.updated_at.is_some();
        tally.normalise(named != Some(role) || !whole);
        Some(Membership {
            org: OrgId::new(self.org),
            member: UserId::new(self.member),
            role,
            created_at: Tally::moment(self.created_at),
            updated_at: Tally::moment(self.updated_at),
        })
    }
}

/// A row of the invites.
#[derive(Clone, Debug)]
pub struct StoredInvite {
    /// Which one.
    pub id: Uuid,
    /// Where.
    pub org: Uuid,
    /// Who made it.
    pub inviter: Uuid,
    /// To whom.
    pub invitee: Option<Uuid>,
    /// What they become.
    pub role: String,
    /// What became of it.
    pub state: String,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// Until when it can be accepted.
    pub expires_at: Option<Timestamp>,
}

impl StoredInvite {
    /// What it means. An invite to own an org means nothing.
    pub fn understand(self, tally: &mut Tally) -> Option<Invite> {
        let role = self.role.parse().ok().filter(|role| *role != OrgRole::Owner);
        let state: Option<InviteState> = self.state.parse().ok();
        let named = !self.id.is_nil() && !self.inviter.is_nil() && !self.org.is_nil();
        let named = named && self.invitee.is_none_or(|invitee| !invitee.is_nil());
        let (Some(role), Some(state), true) = (role, state, named) else {
            tally.leave_out();
            return None;
        };
        tally.normalise(self.created_at.is_none() || self.expires_at.is_none());
        Some(Invite {
            id: InviteId::new(self.id),
            org: OrgId::new(self.org),
            inviter: UserId::new(self.inviter),
            invitee: self.invitee.map(UserId::new),
            role,
            state,
            created_at: Tally::moment(self.created_at),
            expires_at: Tally::moment(self.expires_at),
        })
    }
}
