//! Roles, actions, and where somebody stands.

use std::fmt;
use std::str::FromStr;

use super::UserId;
use crate::error::{Error, Invalid, Result};

/// What a member is in one org, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrgRole {
    /// Sees.
    Viewer,
    /// Changes what the org holds.
    Editor,
    /// Changes the org and its members.
    Admin,
    /// Owns it; an org has one.
    Owner,
}

impl OrgRole {
    /// Every role, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Editor, Self::Admin, Self::Owner];
    /// The roles that are given to members; the other one comes with the org.
    pub const GIVEN: [Self; 3] = [Self::Viewer, Self::Editor, Self::Admin];

    /// The word on the wire and in the tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl FromStr for OrgRole {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(Invalid::Role.into())
    }
}

/// What may be asked of an org. Each action needs the role of the same name, or a greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// See it.
    Viewer,
    /// Change what it holds.
    Editor,
    /// Change it and its members.
    Admin,
    /// Dispose of it.
    Owner,
}

impl Action {
    /// Every action, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Editor, Self::Admin, Self::Owner];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl FromStr for Action {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text).ok_or(Invalid::Action.into())
    }
}

/// What somebody is on the whole platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlatformRole {
    /// May do everything in every org.
    Admin,
    /// That, and say who else may.
    Root,
}

impl PlatformRole {
    /// Every role, the least first.
    pub const ALL: [Self; 2] = [Self::Admin, Self::Root];

    /// The word on the wire and in the tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Root => "root",
        }
    }
}

impl FromStr for PlatformRole {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(Invalid::Role.into())
    }
}

/// Somebody with a platform role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleHolder {
    /// Who.
    pub user: UserId,
    /// What they are.
    pub role: PlatformRole,
}

/// Where one user stands: on the platform, and towards one org if one was asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Their platform role, if they have one.
    pub platform: Option<PlatformRole>,
    /// Whether the org exists.
    pub org_exists: bool,
    /// Their role in the org, if they are a member.
    pub org: Option<OrgRole>,
}

impl fmt::Display for OrgRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for PlatformRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
