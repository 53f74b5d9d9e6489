//! `auth check-config`: everything that is wrong with the settings, found without starting.

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::{Access, access};
use serde_json::json;

use super::{print, say};
use crate::config::{CheckConfig, Config, StoreKind};
use crate::serve::Secured;
use crate::signing_keys::KeyDirectory;
use crate::{secrets, wiring};

/// Prints the problems, and what is odd.
pub(crate) fn run(config: &Config, told: &CheckConfig) -> Result<ExitCode, String> {
    let mut problems = config.problems.clone();
    problems.extend(beyond(config));
    let mut warnings = config.warnings.clone();
    warnings.extend(wiring::bad_templates(&config.mail));
    warnings.extend(config.odd_admin_password());
    if told.json {
        say(&json!({ "problems": problems, "warnings": warnings }))?;
    } else {
        let warnings = warnings.iter().map(|line| format!("warning: {line}"));
        let mut lines: Vec<_> = problems.iter().cloned().chain(warnings).collect();
        if problems.is_empty() {
            lines.push("the settings are good".to_owned());
        }
        for line in lines {
            print(&crate::in_one_line(&line))?;
        }
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is wrong with what the settings name: files, directories, addresses, secrets.
fn beyond(config: &Config) -> Vec<String> {
    let kind = config.store_kind();
    let found = [
        secrets::check(&config.tokens, kind),
        Secured::load(config).map(drop),
        Secured::load_for_users(config).map(drop),
        signing_keys(config.tokens.signing_keys.as_deref()),
        wiring::mailer(&config.mail).map(drop),
        wiring::redis(&config.events).map(drop),
        wiring::remote_directory(&config.accounts).map(drop),
        auth_telemetry::check(&config.telemetry.settings())
            .map_err(|problem| format!("{problem:#}")),
        match kind {
            StoreKind::Embedded => data_directory(&config.store.data_dir),
            StoreKind::Postgres => Ok(()),
        },
        match kind {
            StoreKind::Embedded => secrets::check_kept(&config.tokens, &config.store.data_dir),
            StoreKind::Postgres => Ok(()),
        },
        readable("MF_AUTH_DB_SSL_CERT", config.db.ssl_cert.as_deref()),
        readable("MF_AUTH_DB_SSL_KEY", config.db.ssl_key.as_deref()),
        readable("MF_AUTH_DB_SSL_ROOT_CERT", config.db.ssl_root_cert.as_deref()),
    ];
    // One that was told already, because it contradicts another, is not told again.
    found.into_iter().filter_map(Result::err).filter(|it| !config.problems.contains(it)).collect()
}

/// The directory of signing keys as a start reads it.
fn signing_keys(directory: Option<&Path>) -> Result<(), String> {
    directory.map_or(Ok(()), |directory| KeyDirectory::at(directory).read().map(drop))
}

fn readable(setting: &str, file: Option<&Path>) -> Result<(), String> {
    let Some(file) = file else { return Ok(()) };
    let opened = File::open(file).map(drop);
    opened.map_err(|error| format!("{setting}: {} cannot be read: {error}", file.display()))
}

/// The directory, or where it would be made, is one and can be written.
fn data_directory(dir: &Path) -> Result<(), String> {
    let bad = |problem: &str| Err(format!("MF_AUTH_DATA_DIR: {} {problem}", dir.display()));
    let there = dir.ancestors().find(|place| place.as_os_str().is_empty() || place.exists());
    let there = match there {
        Some(place) if !place.as_os_str().is_empty() => place,
        _ => Path::new("."),
    };
    if !there.is_dir() {
        return bad("is not a directory");
    }
    match access(there, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Ok(()),
        Err(error) => bad(&format!("cannot be written: {error}")),
    }
}
