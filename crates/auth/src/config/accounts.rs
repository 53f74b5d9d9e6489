//! The built-in accounts.

use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;
use secrecy::SecretString;

use super::values::{boolean, email, positive_duration, service_address, switch};
use crate::passwords;

/// The setting that says that a users service has the accounts.
pub(super) const ELSEWHERE: &str = "MF_USERS_GRPC_URL";

/// What does not matter then. An env file that a whole fleet shares has them with values that are good for that
/// service, and may be none here.
pub(super) const NOT_ELSEWHERE: &[&str] = &[
    "MF_USERS_ADMIN_EMAIL",
    "MF_USERS_ADMIN_PASSWORD",
    "MF_USERS_PASS_REGEX",
    "MF_USERS_SELF_REGISTER_ENABLED",
    "MF_REQUIRE_EMAIL_VERIFICATION",
    "MF_USERS_SERVER_CERT",
    "MF_USERS_SERVER_KEY",
];

/// Who has an account, and who may open one.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Accounts")]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(crate) struct Accounts {
    /// The address of a users service, `host:port`. Set: people are looked up there, and the
    /// built-in accounts with their routes are off. Unset: this process keeps the accounts.
    #[arg(long, env = "MF_USERS_GRPC_URL", value_parser = service_address)]
    pub(crate) users_grpc_url: Option<String>,

    /// How long a call to that service may take; people in it cannot be looked up while it takes longer.
    #[arg(long, env = "MF_AUTH_GRPC_TIMEOUT", default_value = "1s", value_parser = positive_duration)]
    pub(crate) grpc_timeout: Duration,

    /// Whether to call it over TLS.
    #[arg(
        long,
        env = "MF_USERS_CLIENT_TLS",
        default_value = "false",
        value_parser = boolean,
        action = clap::ArgAction::Set
    )]
    pub(crate) users_client_tls: bool,

    /// The PEM file with the authorities whose certificates it may show over TLS. Unset: those this
    /// machine trusts.
    #[arg(long, env = "MF_USERS_CA_CERTS")]
    pub(crate) users_ca_certs: Option<PathBuf>,

    /// The e-mail address of the first root account, which is opened at the start if it is not
    /// there. One that is there keeps its password and becomes a root, with a warning. Unset on the embedded
    /// store: `admin@keyward.local`. Without effect with `MF_USERS_GRPC_URL`, as the password and the rules for
    /// accounts are.
    #[arg(long, env = "MF_USERS_ADMIN_EMAIL", value_parser = email)]
    pub(crate) admin_email: Option<String>,

    /// The password that account is opened with; nobody looks at it where the account is there already. Unset on the
    /// embedded store: one is made and printed, once.
    #[arg(long, env = "MF_USERS_ADMIN_PASSWORD", hide = true)]
    pub(crate) admin_password: Option<SecretString>,

    /// Whether admins of an org may add members by their e-mail address, without asking them: `on` or
    /// `off`.
    #[arg(
        long,
        env = "MF_AUTH_DIRECT_ADD",
        default_value = "on",
        value_parser = switch,
        action = clap::ArgAction::Set
    )]
    pub(crate) direct_add: bool,

    /// What passwords must match, as a regular expression in Go's syntax. Unset: they have at least 8
    /// characters, of whatever kind. In any case they have at most 72, are none of the commonest passwords and not
    /// their owner's address.
    #[arg(long, env = "MF_USERS_PASS_REGEX", value_parser = passwords::rule)]
    pub(crate) pass_regex: Option<Regex>,

    /// Whether people may open accounts themselves.
    #[arg(
        long,
        env = "MF_USERS_SELF_REGISTER_ENABLED",
        default_value = "true",
        value_parser = boolean,
        action = clap::ArgAction::Set
    )]
    pub(crate) self_register_enabled: bool,

    /// Whether people who open an account themselves must prove their address before, by the link in a mail. That
    /// needs `MF_EMAIL_HOST`: without it nobody may open an account themselves.
    #[arg(
        long,
        env = "MF_REQUIRE_EMAIL_VERIFICATION",
        default_value = "false",
        value_parser = boolean,
        action = clap::ArgAction::Set
    )]
    pub(crate) require_email_verification: bool,
}
