//! Orgs and who belongs to them.

use std::str::FromStr;

use super::{Description, Metadata, Name, OrgRole, UserId};
use crate::error::{Entity, Error, Invalid, Result};
use crate::id::Noun;
use crate::{Id, Timestamp};

/// Identifies an [`Org`].
pub type OrgId = Id<Org>;

/// A tenant. Members belong to it, and their role in it decides what they may do.
#[derive(Clone, Debug, PartialEq)]
pub struct Org {
    /// Which one.
    pub id: OrgId,
    /// Who owns it; the same user's membership has the role `owner`.
    pub owner: UserId,
    /// What people call it; need not be unique.
    pub name: Name,
    /// What people say of it.
    pub description: Description,
    /// What clients attach to it.
    pub metadata: Metadata,
    /// When it was founded.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Noun for Org {
    const ENTITY: Entity = Entity::Org;
}

/// What an update writes: everything about an org that may change, replaced as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct OrgEdit {
    /// Which org.
    pub id: OrgId,
    /// Its new name.
    pub name: Name,
    /// Its new description.
    pub description: Description,
    /// Its new metadata.
    pub metadata: Metadata,
    /// When it was changed.
    pub updated_at: Timestamp,
}

/// One user's place in one org.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Where.
    pub org: OrgId,
    /// Who.
    pub member: UserId,
    /// As what.
    pub role: OrgRole,
    /// Since when.
    pub created_at: Timestamp,
    /// When the role was last changed.
    pub updated_at: Timestamp,
}

/// Which orgs to list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrgQuery {
    /// Only those this user belongs to.
    pub member: Option<UserId>,
    /// Only those whose name contains this, in whatever case; empty means all.
    pub name: String,
    /// Only those whose metadata contains this.
    pub metadata: Metadata,
}

/// What orgs can be ordered by; the id breaks ties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrgOrder {
    /// Their id.
    #[default]
    Id,
    /// Their name, in lower case, byte by byte.
    Name,
    /// When they were founded.
    CreatedAt,
    /// When they were last changed.
    UpdatedAt,
}

impl OrgOrder {
    /// Every order, the default first.
    pub const ALL: [Self; 4] = [Self::Id, Self::Name, Self::CreatedAt, Self::UpdatedAt];

    /// The word clients use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
        }
    }
}

impl FromStr for OrgOrder {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "id" | "" => Ok(Self::Id),
            "name" => Ok(Self::Name),
            "created_at" => Ok(Self::CreatedAt),
            "updated_at" => Ok(Self::UpdatedAt),
            _ => Err(Invalid::Order.into()),
        }
    }
}
