//! The one error type, and the texts and codes clients see.
//!
//! A variant exists because callers act differently on it. `text` is what the original said in the
//! same place, which is what old clients read; `code` is ours and never changes. Causes are for the
//! log and never shown.

use std::time::Duration;

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
            Self::Forbidden | Self::RegistrationClosed | Self::InviteClosed(_) => "forbidden",
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
    /// A platform role.
    PlatformRole,
}

impl Entity {
    /// What the original says when there is one already.
    const fn taken(self) -> &'static str {
        match self {
            Self::Membership => "org membership already exists",
            Self::GroupMember => "member is already assigned",
            Self::Account
            | Self::Group
            | Self::GroupRole
            | Self::Invite
            | Self::Key
            | Self::Mail
            | Self::Org
            | Self::PlatformRole => "entity already exists",
        }
    }
}

/// Why a request cannot be accepted as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// A field with a value of the wrong shape.
    Malformed {
        /// The field, as the client wrote it.
        field: &'static str,
        /// What is wrong with it, to be read after the field's name.
        problem: &'static str,
    },
    /// A name that is empty or too long.
    NameSize,
    /// No org was named.
    MissingOrgId,
    /// No user was named.
    MissingUserId,
    /// No member was named.
    MissingMemberId,
    /// No key was named.
    MissingKeyId,
    /// No mail was named.
    MissingMailId,
    /// No invite was named.
    MissingInviteId,
    /// No e-mail address was given.
    MissingEmail,
    /// No role was given.
    MissingRole,
    /// A role that does not exist.
    Role,
    /// A list without elements.
    EmptyList,
    /// A list with too many elements.
    ListTooLong,
    /// A key type that cannot be issued here.
    ApiKeyType,
    /// A key type that does not exist, over gRPC.
    AuthKey,
    /// An authorization subject that does not exist.
    Subject,
    /// An authorization action that does not exist.
    Action,
    /// A query string that cannot be read.
    QueryParameters,
    /// A page larger than allowed.
    LimitSize,
    /// An order the list does not have.
    Order,
    /// A direction other than ascending and descending.
    Direction,
    /// An e-mail filter that is too long.
    EmailSize,
    /// A password that breaks the rule.
    Password,
    /// No path to send the new user to.
    MissingRedirectPath,
    /// An answer to an invite other than accepting and declining it.
    InviteAction,
    /// A key's lifetime that cannot be granted.
    KeyLife,
    /// A row of a document that cannot be accepted.
    Row {
        /// Which list it is in.
        list: &'static str,
        /// Its place there; the first has 0.
        row: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A backup whose seal is missing or not right.
    BackupSeal,
    /// A backup in a format that is not known.
    BackupVersion,
    /// A document with more rows than may be restored at once.
    TooManyRows,
    /// No group was named.
    MissingGroupId,
    /// Nobody said what kind of thing the members of a group are.
    MissingMemberType,
    /// A number of levels no tree has.
    GroupLevel,
    /// A group that cannot have this parent.
    GroupParent,
    /// A tree would have too many levels.
    GroupDepth,
    /// A cursor that is none of ours, or of another list.
    Cursor,
}

impl Invalid {
    /// Every reason, for the table in `docs/errors.md`.
    pub const ALL: &'static [Self] = &[
        Self::Malformed { field: "field", problem: "says what is wrong with it" },
        Self::NameSize,
        Self::MissingOrgId,
        Self::MissingUserId,
        Self::MissingMemberId,
        Self::MissingKeyId,
        Self::MissingMailId,
        Self::MissingInviteId,
        Self::MissingEmail,
        Self::MissingRole,
        Self::Role,
        Self::EmptyList,
        Self::ListTooLong,
        Self::ApiKeyType,
        Self::AuthKey,
        Self::Subject,
        Self::Action,
        Self::QueryParameters,
        Self::LimitSize,
        Self::Order,
        Self::Direction,
        Self::EmailSize,
        Self::Password,
        Self::MissingRedirectPath,
        Self::InviteAction,
        Self::KeyLife,
        Self::Row { list: "list", row: 0, problem: "says what is wrong with it" },
        Self::BackupSeal,
        Self::BackupVersion,
        Self::TooManyRows,
        Self::MissingGroupId,
        Self::MissingMemberType,
        Self::GroupLevel,
        Self::GroupParent,
        Self::GroupDepth,
        Self::Cursor,
    ];

    /// What the original says in the same place.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Malformed { .. }
            | Self::ListTooLong
            | Self::KeyLife
            | Self::Row { .. }
            | Self::BackupSeal
            | Self::BackupVersion
            | Self::TooManyRows => "malformed entity specification",
            Self::NameSize => "invalid name size",
            Self::MissingOrgId => "missing org id",
            Self::MissingUserId => "missing user id",
            Self::MissingMemberId => "missing member id",
            Self::MissingKeyId => "missing key ID",
            Self::MissingMailId => "missing mail id",
            Self::MissingInviteId => "missing invite ID",
            Self::MissingEmail => "missing email",
            Self::MissingRole => "missing role",
            Self::Role => "invalid role",
            Self::EmptyList => "empty list provided",
            Self::ApiKeyType => "invalid api key type",
            Self::AuthKey => "invalid auth key",
            Self::Subject => "invalid subject",
            Self::Action => "invalid action",
            Self::QueryParameters | Self::Cursor => "invalid query parameters",
            Self::LimitSize => "invalid limit size",
            Self::Order => "invalid list order provided",
            Self::Direction => "invalid list direction provided",
            Self::EmailSize => "invalid email size",
            Self::Password => "password does not meet the requirements",
            Self::MissingRedirectPath => "missing redirect path",
            Self::InviteAction => "invalid invite response action",
            Self::MissingGroupId => "missing entity id",
            Self::MissingMemberType => "missing group member type",
            Self::GroupLevel => "invalid group level",
            Self::GroupParent | Self::GroupDepth => "wrong parent id",
        }
    }

    /// What to do about it, in a sentence.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Malformed { problem, .. } | Self::Row { problem, .. } => problem,
            Self::BackupSeal => {
                "the backup is incomplete, was changed, or was made under a signing secret that is not known here"
            }
            Self::BackupVersion => {
                "the backup was made by a newer version; restore it with that one"
            }
            Self::TooManyRows => "restore smaller parts, or use the command line: auth restore",
            Self::NameSize => "a name has 1 to 254 characters",
            Self::MissingOrgId => "name an org by its id",
            Self::MissingUserId => "name a user by their id",
            Self::MissingMemberId => "name a member by their id",
            Self::MissingKeyId => "name a key by its id",
            Self::MissingMailId => "name a mail by its id",
            Self::MissingInviteId => "name an invite by its id",
            Self::MissingEmail => "give an e-mail address",
            Self::MissingRole => "give a role",
            Self::Role => "use one of the roles in docs/permissions.md",
            Self::EmptyList => "give at least one element",
            Self::ListTooLong => "give fewer elements",
            Self::ApiKeyType => "only type 2, an API key, can be issued here",
            Self::AuthKey => "use type 0 for a login key or 1 for a recovery key",
            Self::Subject => "use subject root, org or group",
            Self::Action => "use action viewer, editor, admin or owner",
            Self::QueryParameters => "check the names and values after the question mark",
            Self::LimitSize => "a page has 1 to 200 elements",
            Self::Order => "order by one of the columns of this list",
            Self::Direction => "use asc or desc",
            Self::EmailSize => "an e-mail filter has at most 254 bytes",
            Self::Password => "use at least 8 and at most 72 bytes, without blanks",
            Self::MissingRedirectPath => "give the path that the link in the mail leads to",
            Self::InviteAction => "accept or decline",
            Self::MissingGroupId => "name a group by its id",
            Self::MissingMemberType => "say what the members are, like users or things",
            Self::GroupLevel => "a tree has 1 to 32 levels",
            Self::GroupParent => "a parent is another group of the same org, or of the same user",
            Self::GroupDepth => "a tree has at most 32 levels",
            Self::Cursor => {
                "use the next_cursor of the page before, with the same filters and without offset"
            }
            Self::KeyLife => {
                "duration counts seconds: a whole number from 0 up to the longest life allowed, at most 100 years"
            }
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed { .. } | Self::Row { .. } => "malformed",
            Self::BackupSeal => "backup_seal",
            Self::BackupVersion => "backup_version",
            Self::TooManyRows => "too_many_rows",
            Self::NameSize => "invalid_name_size",
            Self::MissingOrgId => "missing_org_id",
            Self::MissingUserId => "missing_user_id",
            Self::MissingMemberId => "missing_member_id",
            Self::MissingKeyId => "missing_key_id",
            Self::MissingMailId => "missing_mail_id",
            Self::MissingInviteId => "missing_invite_id",
            Self::MissingEmail => "missing_email",
            Self::MissingRole => "missing_role",
            Self::Role => "invalid_role",
            Self::EmptyList => "empty_list",
            Self::ListTooLong => "list_too_long",
            Self::ApiKeyType => "invalid_api_key_type",
            Self::AuthKey => "invalid_auth_key",
            Self::Subject => "invalid_subject",
            Self::Action => "invalid_action",
            Self::QueryParameters => "invalid_query_parameters",
            Self::LimitSize => "invalid_limit_size",
            Self::Order => "invalid_order",
            Self::Direction => "invalid_direction",
            Self::EmailSize => "invalid_email_size",
            Self::Password => "invalid_password",
            Self::MissingRedirectPath => "missing_redirect_path",
            Self::InviteAction => "invalid_invite_action",
            Self::KeyLife => "invalid_key_life",
            Self::MissingGroupId => "missing_group_id",
            Self::MissingMemberType => "missing_member_type",
            Self::GroupLevel => "invalid_group_level",
            Self::GroupParent => "invalid_parent",
            Self::GroupDepth => "too_deep",
            Self::Cursor => "invalid_cursor",
        }
    }
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed { field, problem } => write!(f, "{field} {problem}"),
            Self::Row { list, row, problem } => write!(f, "{list}[{row}] {problem}"),
            other => write!(f, "{}: {}", other.text(), other.advice()),
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
            Self::LastRoot => "the last root cannot be removed",
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
