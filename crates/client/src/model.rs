//! What is asked and answered.

use std::fmt;

use crate::error::{Error, Result};
use crate::proto;
use crate::proto::v1;

/// Whose token it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's id: a UUID in lower case with hyphens.
    pub user_id: String,
    /// Their e-mail address when the token was made. `Debug` leaves it out, for logs.
    pub email: String,
    /// What kind of token they showed.
    pub kind: TokenKind,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("user_id", &self.user_id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What kind of token somebody showed. The original does not say: from it, every token is a login token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// They signed in.
    Login,
    /// They may set a new password with it, and nothing else.
    Recovery,
    /// It acts for its owner.
    ApiKey,
}

/// One thing that somebody may do or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    subject: String,
    object: String,
    action: String,
}

impl Check {
    /// Whether they have a platform role.
    #[must_use]
    pub fn platform() -> Self {
        Self::new("root", "", "")
    }

    /// Whether they may do this in this org. Text that is no id names an org nobody belongs to.
    #[must_use]
    pub fn org(id: impl Into<String>, action: Action) -> Self {
        Self::new("org", id, action.as_str())
    }

    /// Whether they have this role in this group, or a greater one. Text that is no id names a group in
    /// which nobody has a role. The original knows no groups and takes the question for a mistake.
    #[must_use]
    pub fn group(id: impl Into<String>, role: GroupRole) -> Self {
        Self::new("group", id, role.as_str())
    }

    /// Any question of `Authorize`, word by word.
    #[must_use]
    pub fn new(
        subject: impl Into<String>,
        object: impl Into<String>,
        action: impl Into<String>,
    ) -> Self {
        Self { subject: subject.into(), object: object.into(), action: action.into() }
    }
}

/// What may be asked of an org. Each needs the role of the same name, or a greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// A role in a group and in all that lies below it; each includes the ones before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupRole {
    /// See it.
    Viewer,
    /// Change it and what is in it.
    Editor,
    /// Delete it, move it, and give roles in it.
    Admin,
}

impl GroupRole {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

/// The answer to one of many checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They may.
    Allowed,
    /// They may not.
    Denied,
    /// There is no such org; only somebody with a platform role is told.
    NotFound,
}

impl Verdict {
    /// Whether they may.
    #[must_use]
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed)
    }
}

/// An org.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Org {
    /// Its id.
    pub id: String,
    /// Its owner's user id.
    pub owner_id: String,
    /// What people call it.
    pub name: String,
}

/// What somebody is on the whole platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlatformRole {
    /// May do everything in every org.
    Admin,
    /// That, and say who else may.
    Root,
}

impl PlatformRole {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Root => "root",
        }
    }

    pub(crate) fn parse(word: &str) -> Result<Option<Self>> {
        match word {
            "" => Ok(None),
            "admin" => Ok(Some(Self::Admin)),
            "root" => Ok(Some(Self::Root)),
            _ => Err(Error::Failed("a platform role that is not known here".to_owned())),
        }
    }
}

impl Check {
    pub(crate) fn with(&self, token: &str) -> proto::AuthorizeReq {
        let Self { subject, object, action } = self.clone();
        proto::AuthorizeReq { token: token.to_owned(), subject, object, action }
    }

    pub(crate) fn message(&self) -> v1::Check {
        let Self { subject, object, action } = self.clone();
        v1::Check { subject, object, action }
    }
}

impl TryFrom<proto::UserIdentity> for Identity {
    type Error = Error;

    fn try_from(answer: proto::UserIdentity) -> Result<Self> {
        let kind = match answer.r#type {
            0 => TokenKind::Login,
            1 => TokenKind::Recovery,
            2 => TokenKind::ApiKey,
            _ => return Err(Error::Failed("a kind of token that is not known here".to_owned())),
        };
        identity(answer.id, answer.email, kind)
    }
}

impl TryFrom<v1::IdentifyAndAuthorizeResponse> for Identity {
    type Error = Error;

    fn try_from(answer: v1::IdentifyAndAuthorizeResponse) -> Result<Self> {
        let found = answer.identity.unwrap_or_default();
        let kind = match found.kind() {
            v1::TokenKind::Login => TokenKind::Login,
            v1::TokenKind::ApiKey => TokenKind::ApiKey,
            v1::TokenKind::Unspecified => {
                return Err(Error::Failed("a kind of token that is not known here".to_owned()));
            }
        };
        identity(found.user_id, found.email, kind)
    }
}

/// Nobody is not somebody.
fn identity(user_id: String, email: String, kind: TokenKind) -> Result<Identity> {
    if user_id.is_empty() {
        return Err(Error::Failed("an identity without an id".to_owned()));
    }
    Ok(Identity { user_id, email, kind })
}

/// What is not known here is a no.
pub(crate) fn verdict(number: i32) -> Verdict {
    match v1::CheckResult::try_from(number) {
        Ok(v1::CheckResult::Allowed) => Verdict::Allowed,
        Ok(v1::CheckResult::NotFound) => Verdict::NotFound,
        Ok(v1::CheckResult::Denied | v1::CheckResult::Unspecified) | Err(_) => Verdict::Denied,
    }
}
