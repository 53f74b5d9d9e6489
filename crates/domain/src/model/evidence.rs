//! What a decision rests on, and the decision in the words of those rows.

use super::{GroupId, GroupRole, Membership, OrgId, OrgRole, PlatformRole, Standing};

/// The rows about one user that a decision can rest on, all from one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Their platform role, if they have one.
    pub platform: Option<PlatformRole>,
    /// Whether the org asked about exists.
    pub org_exists: bool,
    /// Their membership of it, if they have one.
    pub membership: Option<Membership>,
}

impl Evidence {
    /// What the policy asks about: the same rows without the times.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            platform: self.platform,
            org_exists: self.org_exists,
            org: self.membership.as_ref().map(|membership| membership.role),
        }
    }
}

/// Why a check is answered the way it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Explanation {
    /// Allowed: a platform role allows it.
    ByPlatformRole(PlatformRole),
    /// Allowed: this membership allows it.
    ByMembership(Membership),
    /// Denied: they have no platform role, and nothing less would do.
    NoPlatformRole,
    /// Denied: there is no such org. Somebody with a platform role is told so.
    NoOrg {
        /// Their platform role, if they have one.
        platform: Option<PlatformRole>,
    },
    /// Denied: they do not belong to the org.
    NotAMember {
        /// The least role that would do.
        needed: OrgRole,
    },
    /// Denied: their role in the org is too small.
    RoleTooSmall {
        /// What they have.
        membership: Membership,
        /// The least role that would do.
        needed: OrgRole,
    },
    /// Allowed: they are a member of the org that the group belongs to, which gives them a role in all its
    /// groups.
    ByOrgRole {
        /// The org.
        org: OrgId,
        /// Their role there.
        role: OrgRole,
    },
    /// Allowed: they have a role in the group, or in one above it.
    ByGroupRole {
        /// Where they have it.
        group: GroupId,
        /// Which.
        role: GroupRole,
    },
    /// Allowed: the group is in a tree of their own.
    ByOwnTree,
    /// Denied: there is no such group, or its org is gone. Nobody is told so.
    NoGroup,
    /// Denied: they have no role in the group that counts. In the groups of an org only the roles of its
    /// members do.
    NoGroupRole {
        /// The least role that would do.
        needed: GroupRole,
    },
    /// Denied: every role they have in the group is too small.
    GroupRoleTooSmall {
        /// The greatest they have.
        role: GroupRole,
        /// The least that would do.
        needed: GroupRole,
    },
}
