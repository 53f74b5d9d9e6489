//! Every setting, its default and its manual.
//!
//! One struct a concern; `--help` and `docs/configuration.md` are made from them. Nothing else reads
//! the environment. [`Config::read`] understands it, refuses what contradicts itself, and collects
//! what is odd for the log.

mod accounts;
mod audit;
mod commands;
mod contradictions;
mod environment;
mod events;
mod grpc;
mod invites;
mod later;
mod mail;
#[cfg(test)]
mod manual;
mod memory;
mod overload;
mod rates;
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
    Admin, ApiKeys, Audit, AuditAcknowledge, AuditList, AuditVerify, Backup, CheckConfig, Command,
    CreateAdmin, Existing, Import, ImportUsers, KeyAlgorithm, Keys, Migrate, Restore, Sessions,
    Shell, Who,
};
pub(crate) use self::environment::{Environment, is_secret};
pub(crate) use self::events::Events;
pub(crate) use self::grpc::{Grpc, Trusted};
pub(crate) use self::invites::Invites;
pub(crate) use self::mail::Mail;
pub(crate) use self::memory::Memory;
use self::overload::Overload;
pub(crate) use self::rates::{Proxies, RateLimits};
pub(crate) use self::server::{Limits, Server};
pub(crate) use self::store::{Db, Store, StoreKind};
pub(crate) use self::telemetry::Telemetry;
pub(crate) use self::tokens::Tokens;
pub(crate) use self::values::duration;

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
    pub(crate) overload: Overload,
    #[command(flatten)]
    pub(crate) proxies: Proxies,
    #[command(flatten)]
    pub(crate) rates: RateLimits,
    #[command(flatten)]
    _later: later::Later,
    /// A setting that only matters to PostgreSQL, if one is given.
    #[arg(skip)]
    postgres_setting: Option<String>,
    /// What is odd about the settings, a sentence each, for the log.
    #[arg(skip)]
    pub(crate) warnings: Vec<String>,
    /// What is wrong with the settings, a line each: `auth check-config` tells all of it, and nothing else
    /// runs with any.
    #[arg(skip)]
    pub(crate) problems: Vec<String>,
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
pub(crate) fn command() -> clap::Command {
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
    pub(crate) fn read(arguments: &[OsString], environment: &Environment) -> Result<Self, Unread> {
        // Clap must not look at the process's environment: it takes empty variables for values.
        let documented = command();
        let program = || OsString::from("auth");
        let flags = documented.clone().mut_args(without_environment);

        refuse_secrets(&documented, arguments)?;
        let only_flags = std::iter::once(program()).chain(arguments.iter().cloned());
        let told = flags.clone().try_get_matches_from(only_flags).map_err(Unread::Flags)?;

        let by_flag = documented.get_arguments().any(|setting| {
            environment::name(setting) == Some(accounts::ELSEWHERE) && is_given(&told, setting)
        });
        let elsewhere = by_flag || environment::is_set(accounts::ELSEWHERE, environment);
        let without_effect = if elsewhere { accounts::NOT_ELSEWHERE } else { &[] };
        let mut given = environment::read(&documented, environment, without_effect);
        let mut problems = std::mem::take(&mut given.problems);
        let matches = loop {
            let all = std::iter::once(program()).chain(given.arguments.clone());
            let error =
                match flags.clone().try_get_matches_from(all.chain(arguments.iter().cloned())) {
                    Ok(matches) => break matches,
                    Err(error) => error,
                };
            problems.push(in_one_line(&documented, &error));
            // Whatever else is wrong shows without it.
            if !leave_out(&error, &mut given.arguments) {
                return Err(first(problems));
            }
        };
        let mut config =
            Self::from_arg_matches(&matches).map_err(|error| in_one_line(&documented, &error))?;
        config.postgres_setting = postgres_setting(&documented, &matches);
        config.grpc.tokens_file = environment::file_of(grpc::TOKENS, environment);
        if let Some(file) = &config.telemetry.log_level_file {
            match Telemetry::level_in(file) {
                Ok(level) => config.telemetry.log_level = level,
                Err(problem) => problems.push(problem),
            }
        }
        problems.extend(config.contradictions());
        config.collect_warnings(&given.unknown);
        if !problems.is_empty() && !matches!(config.command, Some(Command::CheckConfig(_))) {
            return Err(first(problems));
        }
        config.problems = problems;
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

    /// The ports with the contract of the original's users service, for HTTP and for gRPC, if they are to be opened.
    pub(crate) fn users_ports(&self) -> (Option<u16>, Option<u16>) {
        let if_served = |port: Option<u16>| port.filter(|_| self.has_accounts());
        (if_served(self.server.users_http_port), if_served(self.server.users_grpc_port))
    }

    /// Whether people may open accounts themselves.
    pub(crate) fn self_register(&self) -> bool {
        let provable = self.mail.email_host.is_some() || !self.accounts.require_email_verification;
        self.accounts.self_register_enabled && provable
    }
}

/// The problem that is told by whoever tells only one.
fn first(problems: Vec<String>) -> Unread {
    Unread::Setting(problems.into_iter().next().unwrap_or_default())
}

/// Leaves out the setting that this is about, if the environment has it.
fn leave_out(error: &clap::Error, arguments: &mut Vec<OsString>) -> bool {
    let before = arguments.len();
    if let Some(long) = flag(error) {
        let begins = format!("--{long}=");
        arguments.retain(|it| it.to_str().is_none_or(|text| !text.starts_with(&begins)));
    }
    arguments.len() < before
}

/// The flag that an error is about.
fn flag(error: &clap::Error) -> Option<&str> {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) => text.strip_prefix("--")?.split([' ', '=']).next(),
        _ => None,
    }
}

/// The setting as a flag only, its variable named in its help.
pub(crate) fn without_environment(setting: clap::Arg) -> clap::Arg {
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
    let long = flag(error);
    let setting = documented.get_arguments().find(|it| long.is_some() && it.get_long() == long);
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
