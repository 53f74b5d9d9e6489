//! From the environment to arguments: what is set counts as a flag that stands before the real
//! ones, so that a flag wins over a variable.
//!
//! An empty variable counts as unset, as in the original. A secret may be given as a file, by the
//! variable of its name and `_FILE`; it is never taken from a flag, which everybody on the machine
//! could read.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{Arg, Command};

/// Another name for a setting, used if the setting itself is not given.
const ALIASES: &[(&str, &str)] = &[("MF_AUTH_DB_PASSWORD", "MF_AUTH_DB_PASS")];

/// Variables that begin like ours and are read by the services that call us; an env file shared by
/// a fleet has them.
const OF_SIBLINGS: &[&str] = &["MF_AUTH_GRPC_URL", "MF_AUTH_CLIENT_TLS", "MF_AUTH_CA_CERTS"];

/// The variables of a process.
pub(crate) type Environment = BTreeMap<OsString, OsString>;

/// What the environment says.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// One argument for each setting that is given.
    pub(crate) arguments: Vec<OsString>,
    /// Variables that look like ours and are none.
    pub(crate) unknown: Vec<String>,
    /// What cannot be read, a line each.
    pub(crate) problems: Vec<String>,
}

/// Whether a setting is a secret: those have no place in the list of flags.
pub(crate) fn is_secret(setting: &Arg) -> bool {
    setting.is_hide_set() && setting.get_env().is_some()
}

/// The name of a setting.
pub(crate) fn name(setting: &Arg) -> Option<&str> {
    setting.get_env().and_then(|name| name.to_str())
}

/// Whether a variable is set to anything.
pub(super) fn is_set(name: &str, environment: &Environment) -> bool {
    environment.get(OsStr::new(name)).is_some_and(|value| !value.is_empty())
}

/// Reads what is there for the settings of this command, except those that do not matter: nobody looks at what they
/// are set to.
pub(crate) fn read(command: &Command, environment: &Environment, no_matter: &[&str]) -> Given {
    let mut given = Given::default();
    for setting in command.get_arguments() {
        let (Some(name), Some(long)) = (name(setting), setting.get_long()) else { continue };
        if no_matter.contains(&name) {
            continue;
        }
        match value(setting, name, environment) {
            Ok(Some(value)) => given.arguments.push(format!("--{long}={value}").into()),
            Ok(None) => {}
            Err(problem) => given.problems.push(problem),
        }
    }
    given.unknown = environment
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, _)| name.to_str())
        .filter(|name| name.starts_with("MF_AUTH_") && !is_known(command, name))
        .map(str::to_owned)
        .collect();
    given
}

/// The file that a secret is read from, if it is.
pub(super) fn file_of(secret: &str, environment: &Environment) -> Option<PathBuf> {
    let file = environment.get(OsStr::new(&format!("{secret}_FILE")))?;
    (!file.is_empty()).then(|| PathBuf::from(file))
}

fn value(setting: &Arg, name: &str, environment: &Environment) -> Result<Option<String>, String> {
    let plain = text(name, environment)?;
    if is_secret(setting) {
        let by_file = format!("{name}_FILE");
        match (&plain, text(&by_file, environment)?) {
            (Some(_), Some(_)) => return Err(format!("{name} and {by_file} are both set")),
            (None, Some(file)) => return secret_in(&by_file, Path::new(&file)).map(Some),
            (_, None) => {}
        }
    }
    match ALIASES.iter().find(|(_, meant)| *meant == name) {
        Some((alias, _)) if plain.is_none() => text(alias, environment),
        _ => Ok(plain),
    }
}

fn text(name: &str, environment: &Environment) -> Result<Option<String>, String> {
    match environment.get(OsStr::new(name)) {
        Some(value) if !value.is_empty() => match value.to_str() {
            Some(value) => Ok(Some(value.to_owned())),
            None => Err(format!("{name} is not UTF-8")),
        },
        _ => Ok(None),
    }
}

/// The secret in a file, without the line end that editors put there.
pub(super) fn secret_in(variable: &str, file: &Path) -> Result<String, String> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("{variable}: {shown} cannot be read: {error}"))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("{variable}: {shown} is empty")),
        secret => Ok(secret.to_owned()),
    }
}

fn is_known(command: &Command, variable: &str) -> bool {
    OF_SIBLINGS.contains(&variable)
        || ALIASES.iter().any(|(alias, _)| *alias == variable)
        || command.get_arguments().any(|setting| match name(setting) {
            Some(name) if name == variable => true,
            Some(name) => is_secret(setting) && variable.strip_suffix("_FILE") == Some(name),
            None => false,
        })
}
