//! People, and their places in an org.

use std::str::FromStr;

use super::{Membership, OrgId, OrgRole, UserId};
use crate::error::{Error, Invalid, Result};

/// Somebody a directory knows and lets sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub id: UserId,
    /// Their e-mail address, as the directory has it.
    pub email: String,
}

/// A membership as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The membership.
    pub membership: Membership,
    /// The member's e-mail address; empty when the directory knows them no more.
    pub email: String,
}

/// Which members of an org to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberQuery {
    /// Where.
    pub org: OrgId,
    /// Only those with this role.
    pub role: Option<OrgRole>,
    /// Only those whose address contains this, in whatever case; empty means all.
    pub email: String,
}

/// What members can be ordered by; the id breaks ties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemberOrder {
    /// Their id.
    #[default]
    Id,
    /// Their address, in lower case, byte by byte; none comes before all others.
    Email,
}

impl MemberOrder {
    /// Every order, the default first.
    pub const ALL: [Self; 2] = [Self::Id, Self::Email];

    /// The word clients use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Email => "email",
        }
    }
}

impl FromStr for MemberOrder {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "id" | "" => Ok(Self::Id),
            "email" => Ok(Self::Email),
            _ => Err(Invalid::Order.into()),
        }
    }
}
