//! Accounts of the built-in directory.

use std::str::FromStr;

use super::{Email, Metadata, Page, PasswordHash, UserId};
use crate::Timestamp;
use crate::error::{Error, Invalid, Result};

/// An account is a user whom the built-in directory knows.
pub type AccountId = UserId;

/// A person who can sign in here.
#[derive(Clone, Debug)]
pub struct Account {
    /// Who.
    pub id: AccountId,
    /// How they sign in and get mail.
    pub email: Email,
    /// What their password is checked against.
    pub password: PasswordHash,
    /// When it was proved that they read the mail to the address, or an admin of the platform vouched for it; nothing
    /// if neither is known to have happened.
    pub email_verified_at: Option<Timestamp>,
    /// Whether they may.
    pub status: AccountStatus,
    /// What clients attach to them.
    pub metadata: Metadata,
    /// When they registered.
    pub created_at: Timestamp,
    /// When they were last changed.
    pub updated_at: Timestamp,
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    /// It may.
    Enabled,
    /// It may not; to others it looks as if it did not exist.
    Disabled,
}

impl AccountStatus {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Enabled, Self::Disabled];

    /// The word on the wire and in the tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }
}

impl FromStr for AccountStatus {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "enabled" => Ok(Self::Enabled),
            "disabled" => Ok(Self::Disabled),
            _ => Err(Invalid::AccountStatus.into()),
        }
    }
}

/// What replaces what is attached to an account.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountEdit {
    /// Whose.
    pub id: AccountId,
    /// What clients attach to them.
    pub metadata: Metadata,
    /// When.
    pub updated_at: Timestamp,
}

/// Which accounts to list.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountFilter {
    /// Only those whose address contains this, in whatever case; empty means all.
    pub email: String,
    /// Only those whose metadata contains this.
    pub metadata: Metadata,
    /// Only those with this status.
    pub status: Option<AccountStatus>,
}

/// Which accounts to find by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountQuery {
    /// Whose. Unknown ones are left out.
    pub ids: Vec<AccountId>,
    /// Only those whose address contains this, in whatever case; empty means all.
    pub email: String,
    /// Which part of them.
    pub page: Page<AccountOrder>,
}

/// What accounts can be ordered by; the id breaks ties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccountOrder {
    /// Their id.
    #[default]
    Id,
    /// Their address, in lower case.
    Email,
}

impl AccountOrder {
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

impl FromStr for AccountOrder {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "id" | "" => Ok(Self::Id),
            "email" => Ok(Self::Email),
            _ => Err(Invalid::Order.into()),
        }
    }
}
