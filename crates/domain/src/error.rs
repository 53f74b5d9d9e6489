//! The one error type, and the texts and codes clients see.
//!
//! A variant exists because callers act differently on it. `text` is what the original said in the
//! same place, which is what old clients read; `code` is ours and never changes. Causes are for the
//! log and never shown.

mod invalid;

use std::time::Duration;

pub use self::invalid::Invalid;

/// What went wrong inside; goes to the log, never to a client.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request was not served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be understood or breaks a rule; it will never succeed as it is.
    #[error("{0}")]
    Invalid(Invalid),
    /// The caller is unknown, or their credential is not good for this.
    #[error("{}", .0.text())]
    Unauthenticated(Unauthenticated),
    /// The caller is known and may not do this.
    #[error("failed to perform authorization over the entity")]
    Forbidden,
    /// Nobody may open an account here by themselves.
    #[error("self register disabled")]
    RegistrationClosed,
    /// The caller has to prove first that the address of their account is theirs; a link for that is mailed.
    #[error("e-mail address not verified")]
    EmailUnverified,
    /// There is no such thing, or none the caller may know of.
    #[error("entity not found")]
    NotFound(Entity),
    /// The name or id is taken.
    #[error("{}", .0.taken())]
    AlreadyExists(Entity),
    /// It contradicts what is stored, or what somebody else did a moment ago.
    #[error("{}", .0.text())]
    Conflict(Conflict),
    /// The invite can neither be answered nor taken back any more.
    #[error("{}", .0.text())]
    InviteClosed(InviteClosed),
    /// Too many tries; the duration says when to come back.
    #[error("too many requests")]
    RateLimited(Duration),
    /// Something this service needs is away; trying later helps.
    #[error("temporarily unavailable")]
    Unavailable(#[source] Cause),
    /// Our bug.
    #[error("internal server error")]
    Internal(#[source] Cause),
}

impl Error {
    /// A field that cannot be accepted, and why.
    #[must_use]
    pub const fn malformed(field: &'static str, problem: &'static str) -> Self {
        Self::Invalid(Invalid::Malformed { field, problem })
    }

    /// Our bug, described by the message for the log.
    #[must_use]
    pub fn internal(message: impl Into<Cause>) -> Self {
        Self::Internal(message.into())
    }

    /// A dependency is away, described by the message for the log.
    #[must_use]
    pub fn unavailable(message: impl Into<Cause>) -> Self {
        Self::Unavailable(message.into())
    }

    /// The stable code: `docs/errors.md` lists them all.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(reason) => reason.code(),
            Self::Unauthenticated(reason) => reason.code(),
            Self::Forbidden => "forbidden",
            Self::RegistrationClosed => "registration_closed",
            Self::EmailUnverified => "email_unverified",
            Self::NotFound(_) => "not_found",
            Self::AlreadyExists(_) => "already_exists",
            Self::Conflict(reason) => reason.code(),
            Self::InviteClosed(reason) => reason.code(),
            Self::RateLimited(_) => "rate_limited",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal",
        }
    }

    /// The short word metrics and logs use: one per variant, so that it stays bounded.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::Forbidden
            | Self::RegistrationClosed
            | Self::EmailUnverified
            | Self::InviteClosed(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::AlreadyExists(_) | Self::Conflict(_) => "conflict",
            Self::RateLimited(_) => "rate_limited",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal",
        }
    }
}

/// What an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entity {
    /// An account of the built-in directory.
    Account,
    /// An invite to an org.
    Invite,
    /// A group.
    Group,
    /// Something's place in a group.
    GroupMember,
    /// A role in a group.
    GroupRole,
    /// An API key.
    Key,
    /// A mail that waits to be sent.
    Mail,
    /// A user's place in an org.
    Membership,
    /// An organisation.
    Org,
    /// An invite to the platform.
    PlatformInvite,
    /// A platform role.
    PlatformRole,
    /// Somebody's session.
    Session,
    /// What a mailed link proves.
    Ticket,
}

impl Entity {
    /// What the original says when there is one already.
    const fn taken(self) -> &'static str {
        match self {
            Self::Membership => "org membership already exists",
            Self::GroupMember => "member is already assigned",
            // Also of one without an org.
            Self::PlatformInvite => "user already has pending invite to org",
            Self::Account
            | Self::Group
            | Self::GroupRole
            | Self::Invite
            | Self::Key
            | Self::Mail
            | Self::Org
            | Self::PlatformRole
            | Self::Session
            | Self::Ticket => "entity already exists",
        }
    }
}

/// Why a credential was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthenticated {
    /// None was given, or not in the shape `Bearer <token>`.
    MissingToken,
    /// It is not one of ours, or somebody changed it.
    BadToken,
    /// It was one of ours; its time is over.
    Expired,
    /// It is an API key whose time is over.
    ExpiredKey,
    /// It is an API key that was revoked or never stored, or a token of the wrong kind.
    NotHonoured,
    /// This needs a login token; holds what the original says in the same place.
    LoginRequired(&'static str),
    /// The e-mail address and password do not belong together.
    BadCredentials,
    /// A call between services by somebody this service does not know.
    UnknownService,
    /// A token was asked for without saying for whom.
    MissingEmail,
}

impl Unauthenticated {
    /// Every reason, for the table in `docs/errors.md`.
    pub const ALL: &'static [Self] = &[
        Self::MissingToken,
        Self::BadToken,
        Self::Expired,
        Self::ExpiredKey,
        Self::NotHonoured,
        Self::LoginRequired("failed to issue new login key"),
        Self::BadCredentials,
        Self::UnknownService,
        Self::MissingEmail,
    ];

    /// What the original says in the same place.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::MissingToken => "missing or invalid bearer user token",
            Self::BadToken | Self::Expired => "failed to validate token",
            Self::ExpiredKey => "use of expired API key",
            Self::NotHonoured | Self::BadCredentials | Self::UnknownService => {
                "failed to perform authentication over the entity"
            }
            Self::LoginRequired(text) => text,
            Self::MissingEmail => "missing email",
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::MissingToken => "missing_token",
            Self::BadToken => "invalid_token",
            Self::Expired => "expired_token",
            Self::ExpiredKey => "expired_key",
            Self::NotHonoured => "token_not_honoured",
            Self::LoginRequired(_) => "login_required",
            Self::BadCredentials => "bad_credentials",
            Self::UnknownService => "unknown_service",
            Self::MissingEmail => "missing_email",
        }
    }
}

impl From<InviteClosed> for Error {
    fn from(reason: InviteClosed) -> Self {
        Self::InviteClosed(reason)
    }
}

impl From<Conflict> for Error {
    fn from(reason: Conflict) -> Self {
        Self::Conflict(reason)
    }
}

impl From<Unauthenticated> for Error {
    fn from(reason: Unauthenticated) -> Self {
        Self::Unauthenticated(reason)
    }
}

impl From<Invalid> for Error {
    fn from(reason: Invalid) -> Self {
        Self::Invalid(reason)
    }
}

/// What stands against a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The platform would be left without anybody who may administer it.
    LastRoot,
    /// One's own account: somebody else has to disable it.
    OwnAccount,
    /// The org would be left without its owner.
    OwnerStays,
    /// Somebody answered the invite, or took it back, a moment ago.
    InviteAnswered,
    /// The group would lie below itself.
    GroupCycle,
    /// The group has subgroups or members.
    GroupNotEmpty,
    /// More groups would go than [at a time](crate::model::MAX_REMOVED).
    TooManyGroups,
    /// Others changed the same rows at the same moment, again and again.
    Contention,
    /// What is stored under an id of a backup is not what the backup says.
    Differs,
    /// An account of a backup has the address of another account.
    AddressTaken,
}

impl Conflict {
    /// Every reason, for the table in `docs/errors.md`.
    pub const ALL: &'static [Self] = &[
        Self::LastRoot,
        Self::OwnAccount,
        Self::OwnerStays,
        Self::InviteAnswered,
        Self::GroupCycle,
        Self::GroupNotEmpty,
        Self::TooManyGroups,
        Self::Contention,
        Self::Differs,
        Self::AddressTaken,
    ];

    /// A sentence for people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::LastRoot => "the last root cannot be removed or disabled",
            Self::OwnAccount => "nobody can disable their own account",
            Self::OwnerStays => "the owner cannot leave; make somebody else the owner first",
            Self::InviteAnswered => "the invite was answered or taken back a moment ago",
            Self::GroupCycle => "a group cannot be moved below itself",
            Self::GroupNotEmpty => "group is not empty",
            Self::TooManyGroups => "more than 10000 groups cannot be removed at a time",
            Self::Contention => "others are changing the same; try again",
            Self::Differs => "what is stored differs from the backup",
            Self::AddressTaken => "another account has the e-mail address of one in the backup",
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::LastRoot => "last_root",
            Self::OwnAccount => "own_account",
            Self::OwnerStays => "owner_stays",
            Self::InviteAnswered => "invite_answered",
            Self::GroupCycle => "group_cycle",
            Self::GroupNotEmpty => "group_not_empty",
            Self::TooManyGroups => "too_many_groups",
            Self::Contention => "contention",
            Self::Differs => "differs_from_backup",
            Self::AddressTaken => "address_taken",
        }
    }
}

/// Why an invite is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteClosed {
    /// It was answered or taken back.
    Settled,
    /// Its time is over.
    Expired,
    /// Whoever made it could not give that role any more.
    Void,
}

impl InviteClosed {
    /// Every reason, for the table in `docs/errors.md`.
    pub const ALL: &'static [Self] = &[Self::Settled, Self::Expired, Self::Void];

    /// What the original says in the same place.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Settled | Self::Void => "invalid invite state",
            Self::Expired => "invite expired",
        }
    }

    /// What to do about it, in a sentence.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Settled => "look at what became of it",
            Self::Expired => "ask for another",
            Self::Void => "ask somebody who may give that role for another",
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Settled => "invite_settled",
            Self::Expired => "invite_expired",
            Self::Void => "invite_void",
        }
    }
}
