//! What a decision rests on, and the decision in the words of those rows.

use super::{Membership, OrgRole, PlatformRole, Standing};

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
}
