//! What is wrong with what a client sent.

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
    /// No session was named.
    MissingSessionId,
    /// A form without a token, or with more than one.
    Form,
    /// A token that cannot be taken back alone.
    TokenType,
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
    /// A status no account has.
    AccountStatus,
    /// A password that breaks the rule.
    Password,
    /// No password was given.
    MissingPassword,
    /// A new password was not typed twice.
    MissingConfirmation,
    /// A new password was typed twice, and not alike.
    Confirmation,
    /// The password that was to be replaced is another one.
    CurrentPassword,
    /// No path to send the new user to.
    MissingRedirectPath,
    /// Nothing that proves that a mail was read.
    MissingVerification,
    /// What proves that a mail was read, too late.
    VerificationExpired,
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
        Self::MissingSessionId,
        Self::Form,
        Self::TokenType,
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
        Self::AccountStatus,
        Self::Password,
        Self::MissingPassword,
        Self::MissingConfirmation,
        Self::Confirmation,
        Self::CurrentPassword,
        Self::MissingRedirectPath,
        Self::MissingVerification,
        Self::VerificationExpired,
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
            Self::MissingSessionId => "missing session ID",
            // What RFC 6749 section 5.2 and RFC 7009 section 2.2.1 call them.
            Self::Form => "invalid_request",
            Self::TokenType => "unsupported_token_type",
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
            Self::AccountStatus => "invalid user account status",
            Self::Password => "password does not meet the requirements",
            Self::MissingPassword => "missing password",
            Self::MissingConfirmation => "missing conf password",
            Self::Confirmation => "invalid reset password",
            Self::CurrentPassword => "invalid current password",
            Self::MissingRedirectPath => "missing redirect path",
            Self::MissingVerification => "missing e-mail verification token",
            Self::VerificationExpired => "e-mail verification token expired",
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
            Self::MissingSessionId => "name a session by its id",
            Self::Form => "send the form with one token",
            Self::TokenType => "a login token cannot be taken back alone; end all sessions",
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
            Self::EmailSize => {
                "an e-mail filter has at most 254 bytes, one of accounts at most 1024"
            }
            Self::AccountStatus => "use enabled or disabled; a list also knows all",
            Self::Password => {
                "use at least 8 and at most 72 characters that others would not think of: no common password, not your address"
            }
            Self::MissingPassword => "give a password",
            Self::MissingConfirmation => "give the new password twice",
            Self::Confirmation => "both passwords must be the same",
            Self::CurrentPassword => "give the password you sign in with now",
            Self::MissingRedirectPath => "give the path that the link in the mail leads to",
            Self::MissingVerification => "give what the link in the mail has as its token",
            Self::VerificationExpired => "register again for another link",
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
            Self::MissingSessionId => "missing_session_id",
            Self::Form => "invalid_form",
            Self::TokenType => "unsupported_token_type",
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
            Self::AccountStatus => "invalid_account_status",
            Self::Password => "invalid_password",
            Self::MissingPassword => "missing_password",
            Self::MissingConfirmation => "missing_confirmation",
            Self::Confirmation => "invalid_confirmation",
            Self::CurrentPassword => "invalid_current_password",
            Self::MissingRedirectPath => "missing_redirect_path",
            Self::MissingVerification => "missing_verification",
            Self::VerificationExpired => "verification_expired",
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
