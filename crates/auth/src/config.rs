//! Every setting, its default and its manual.
//!
//! One struct a concern; `--help` and `docs/configuration.md` are made from them. Nothing else reads
//! the environment. [`Config::read`] understands it, refuses what contradicts itself, and collects
//! what is odd for the log.

mod accounts;
mod audit;
mod commands;
mod environment;
mod events;
mod grpc;
mod invites;
mod later;
mod mail;
#[cfg(test)]
mod manual;
mod memory;
mod server;
mod store;
mod telemetry;
#[cfg(test)]
mod tests;
mod tokens;
mod values;

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};

pub(crate) use self::accounts::Accounts;
pub(crate) use self::audit::Audit as AuditTrail;
pub(crate) use self::commands::{
    Audit, AuditList, AuditVerify, Backup, Command, Existing, Restore, TrailName,
};
pub(crate) use self::environment::Environment;
pub(crate) use self::events::Events;
pub(crate) use self::grpc::{Grpc, Trusted};
pub(crate) use self::invites::Invites;
pub(crate) use self::mail::Mail;
pub(crate) use self::memory::Memory;
pub(crate) use self::server::{Limits, Server};
pub(crate) use self::store::{Db, Store, StoreKind};
pub(crate) use self::telemetry::Telemetry;
pub(crate) use self::tokens::Tokens;
use crate::passwords;

/// Keyward: identity and access for a fleet of services.
///
/// Every setting is an environment variable; most are flags as well, and a flag wins. An empty
/// variable counts as unset.
#[derive(Debug, clap::Parser)]
#[command(name = "auth", version, args_override_self = true)]
pub(crate) struct Config {
    /// What to do; without it, serve.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(flatten)]
    pub(crate) store: Store,
    #[command(flatten)]
    pub(crate) db: Db,
    #[command(flatten)]
    pub(crate) tokens: Tokens,
    #[command(flatten)]
    pub(crate) grpc: Grpc,
    #[command(flatten)]
    pub(crate) accounts: Accounts,
    #[command(flatten)]
    pub(crate) invites: Invites,
    #[command(flatten)]
    pub(crate) events: Events,
    #[command(flatten)]
    pub(crate) mail: Mail,
    #[command(flatten)]
    pub(crate) audit: AuditTrail,
    #[command(flatten)]
    pub(crate) memory: Memory,
    #[command(flatten)]
    pub(crate) telemetry: Telemetry,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    _later: later::Later,
    /// A setting that only matters to PostgreSQL, if one is given.
    #[arg(skip)]
    postgres_setting: Option<String>,
    /// What is odd about the settings, a sentence each, for the log.
    #[arg(skip)]
    pub(crate) warnings: Vec<String>,
}

/// Why there is no configuration.
#[derive(Debug)]
pub(crate) enum Unread {
    /// Nothing is wrong: help or the version was asked for; or a flag is. Clap prints it.
    Flags(clap::Error),
    /// A setting is wrong; one line without secrets says which.
    Setting(String),
}

impl From<String> for Unread {
    fn from(line: String) -> Self {
        Self::Setting(line)
    }
}

/// The command line, with the secrets, which have no flags, listed at the end of the help.
fn command() -> clap::Command {
    let command = Config::command();
    let secrets = command.get_arguments().filter(|setting| environment::is_secret(setting));
    let secrets: Vec<_> = secrets.filter_map(environment::name).collect();
    let note = format!(
        "Secrets are variables only, or files: for each, the same name with _FILE at its end takes \
         a path.\n  {}\n\ndocs/configuration.md describes every setting.",
        secrets.join("\n  ")
    );
    command.after_help(note)
}

impl Config {
    /// Understands the command line, the program's name not included, and the environment.
    pub(crate) fn read(
        arguments: Vec<OsString>,
        environment: &Environment,
    ) -> Result<Self, Unread> {
        // Clap must not look at the process's environment: it takes empty variables for values.
        let documented = command();
        let program = || OsString::from("auth");
        let flags = documented.clone().mut_args(without_environment);

        refuse_secrets(&documented, &arguments)?;
        let only_flags = std::iter::once(program()).chain(arguments.iter().cloned());
        flags.clone().try_get_matches_from(only_flags).map_err(Unread::Flags)?;

        let given = environment::read(&documented, environment)?;
        let all = std::iter::once(program()).chain(given.arguments).chain(arguments);
        let matches =
            flags.try_get_matches_from(all).map_err(|error| in_one_line(&documented, &error))?;
        let mut config =
            Self::from_arg_matches(&matches).map_err(|error| in_one_line(&documented, &error))?;
        config.postgres_setting = postgres_setting(&documented, &matches);
        config.refuse_contradictions()?;
        config.collect_warnings(&given.unknown);
        Ok(config)
    }

    /// Which store to use.
    pub(crate) fn store_kind(&self) -> StoreKind {
        match (self.store.kind, &self.postgres_setting) {
            (Some(kind), _) => kind,
            (None, Some(_)) => StoreKind::Postgres,
            (None, None) => StoreKind::Embedded,
        }
    }

    /// Whether the built-in accounts are served.
    pub(crate) fn has_accounts(&self) -> bool {
        self.accounts.users_grpc_url.is_none()
    }

    /// Whether people may open accounts themselves.
    pub(crate) fn self_register(&self) -> bool {
        self.accounts.self_register_enabled && !self.accounts.require_email_verification
    }

    fn refuse_contradictions(&self) -> Result<(), String> {
        let both = |one: bool, other: bool, names: (&str, &str)| match (one, other) {
            (true, false) => Err(format!("{} is set and {} is not", names.0, names.1)),
            (false, true) => Err(format!("{} is set and {} is not", names.1, names.0)),
            _ => Ok(()),
        };
        both(
            self.server.cert.is_some(),
            self.server.key.is_some(),
            ("MF_AUTH_SERVER_CERT", "MF_AUTH_SERVER_KEY"),
        )?;
        both(
            self.db.ssl_cert.is_some(),
            self.db.ssl_key.is_some(),
            ("MF_AUTH_DB_SSL_CERT", "MF_AUTH_DB_SSL_KEY"),
        )?;
        if self.grpc.client_ca.is_some() && self.server.cert.is_none() {
            return Err("MF_AUTH_GRPC_CLIENT_CA needs TLS: set MF_AUTH_SERVER_CERT and \
                        MF_AUTH_SERVER_KEY"
                .into());
        }
        self.grpc.refuse_proof_nobody_asks_for()?;
        let callers = self.grpc.callers()?;
        if self.grpc.allow.is_some() && callers.tokens.is_empty() && self.grpc.client_ca.is_none() {
            return Err("MF_AUTH_GRPC_ALLOW names services, and none can prove its name: set \
                        MF_AUTH_GRPC_TOKENS or MF_AUTH_GRPC_CLIENT_CA"
                .into());
        }
        if let (Some(StoreKind::Embedded), Some(setting)) =
            (self.store.kind, &self.postgres_setting)
        {
            return Err(format!("MF_AUTH_STORE is embedded and {setting} is set"));
        }
        if self.accounts.admin_password.is_some() && self.accounts.admin_email.is_none() {
            return Err("MF_USERS_ADMIN_PASSWORD is set and MF_USERS_ADMIN_EMAIL is not".into());
        }
        self.refuse_admin_password()?;
        if self.mail.email_host.is_some() && self.mail.email_from_address.is_none() {
            return Err("MF_EMAIL_HOST is set and MF_EMAIL_FROM_ADDRESS is not".into());
        }
        if self.memory.lease_renewal.saturating_mul(3) > self.memory.lease {
            return Err("MF_AUTH_LEASE_RENEWAL: must be at most a third of MF_AUTH_LEASE".into());
        }
        if self.limits.http_max_head < 8 * 1024 {
            return Err("MF_AUTH_HTTP_MAX_HEAD: must be at least 8KiB".into());
        }
        self.refuse_shared_ports()
    }

    /// The password of the first account has to follow the rule before anything is written.
    fn refuse_admin_password(&self) -> Result<(), String> {
        let Some(password) = self.accounts.admin_password.as_ref() else { return Ok(()) };
        if self.has_accounts() && !passwords::acceptable(&self.accounts.pass_regex, password) {
            return Err(
                "MF_USERS_ADMIN_PASSWORD: must match MF_USERS_PASS_REGEX and have at most \
                        72 bytes"
                    .into(),
            );
        }
        Ok(())
    }

    fn refuse_shared_ports(&self) -> Result<(), String> {
        let ports = [
            ("MF_AUTH_HTTP_PORT", self.server.http_port),
            ("MF_AUTH_GRPC_PORT", self.server.grpc_port),
            ("MF_AUTH_OPS_PORT", self.server.ops_port),
        ];
        for (n, (name, port)) in ports.iter().enumerate() {
            let same = |(_, other): &&(&str, u16)| other == port && *port != 0;
            if let Some((first, _)) = ports.iter().take(n).find(same) {
                return Err(format!("{first} and {name} are both {port}"));
            }
        }
        Ok(())
    }

    fn collect_warnings(&mut self, unknown: &[String]) {
        let mut warn = |line: String| self.warnings.push(line);
        for variable in unknown {
            warn(format!("{variable} is set and is no setting of this service"));
        }
        if self.grpc.trust == Some(Trusted::Network) {
            warn(
                "MF_AUTH_GRPC_TRUST=network: whoever reaches the gRPC port is trusted with \
                  everything"
                    .into(),
            );
        }
        if self.mail.email_base_template.is_some() {
            warn(
                "MF_EMAIL_BASE_TEMPLATE has no effect: templates of our own are in the directory \
                 MF_EMAIL_TEMPLATES_DIR"
                    .into(),
            );
        }
        let built_in = self.accounts.users_grpc_url.is_none();
        if built_in
            && self.accounts.self_register_enabled
            && self.accounts.require_email_verification
        {
            warn(
                "MF_REQUIRE_EMAIL_VERIFICATION is true and addresses cannot be verified yet, so \
                  nobody may open an account themselves"
                    .into(),
            );
        }
    }
}

/// The setting as a flag only, its variable named in its help.
fn without_environment(setting: clap::Arg) -> clap::Arg {
    let Some(name) = environment::name(&setting).map(str::to_owned) else { return setting };
    let manual = setting.get_long_help().or(setting.get_help());
    let manual =
        format!("{}\n\n[env: {name}]", manual.map(ToString::to_string).unwrap_or_default());
    // Global, so that a flag may also stand behind the subcommand.
    setting.env(None::<&str>).long_help(manual).global(true)
}

/// Refuses a secret among the flags, where everybody on the machine can read it.
fn refuse_secrets(documented: &clap::Command, arguments: &[OsString]) -> Result<(), String> {
    for setting in documented.get_arguments().filter(|setting| environment::is_secret(setting)) {
        let (Some(name), Some(long)) = (environment::name(setting), setting.get_long()) else {
            continue;
        };
        let is_it = |argument: &OsString| {
            let flag = argument.to_str().and_then(|text| text.strip_prefix("--"));
            flag.is_some_and(|flag| flag.split('=').next() == Some(long))
        };
        if arguments.iter().any(is_it) {
            return Err(format!("{name} is a secret: set the variable, or {name}_FILE"));
        }
    }
    Ok(())
}

fn is_given(matches: &ArgMatches, setting: &clap::Arg) -> bool {
    matches.value_source(setting.get_id().as_str()) == Some(ValueSource::CommandLine)
}

/// A setting that only matters to PostgreSQL, if one is given.
fn postgres_setting(documented: &clap::Command, matches: &ArgMatches) -> Option<String> {
    documented
        .get_arguments()
        .filter(|setting| is_given(matches, setting))
        .filter_map(environment::name)
        .find(|name| *name == "MF_AUTH_DB" || name.starts_with("MF_AUTH_DB_"))
        .map(str::to_owned)
}

/// What is wrong with a setting, by the name its operator knows. The value is shown unless it is a
/// secret.
fn in_one_line(documented: &clap::Command, error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let flag = context(ContextKind::InvalidArg).unwrap_or_default();
    let long = flag.trim_start_matches("--").split([' ', '=']).next().unwrap_or_default();
    let setting = documented.get_arguments().find(|setting| setting.get_long() == Some(long));
    let Some((setting, name)) = setting.and_then(|it| Some((it, environment::name(it)?))) else {
        return error.to_string().lines().next().unwrap_or("bad settings").to_owned();
    };
    let value = match context(ContextKind::InvalidValue) {
        Some(value) if !environment::is_secret(setting) => format!("={value}"),
        _ => String::new(),
    };
    let problem = match (error.kind(), std::error::Error::source(error)) {
        (ErrorKind::ValueValidation, Some(problem)) => problem.to_string(),
        (ErrorKind::InvalidValue, _) => {
            let possible = setting.get_possible_values();
            let possible: Vec<_> =
                possible.iter().map(clap::builder::PossibleValue::get_name).collect();
            format!("is none of {}", possible.join(", "))
        }
        (kind, _) => kind.to_string(),
    };
    format!("{name}{value}: {problem}")
}
