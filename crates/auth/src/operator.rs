//! What the operator does from the command line: `auth backup`, `auth restore` and `auth audit`.
//!
//! The same operations as over HTTP, run by this process on the store that the settings name.

mod audit;
mod files;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use auth_domain::ops::backup::{By, Existing, Restore, TakeBackup};
use auth_domain::{App, Caller, Error};

use crate::config::{self, Command, Config, StoreKind};
use crate::{secrets, wiring};
use files::{Input, Output};

/// Runs the command to its end.
pub(crate) async fn run(config: &Config, command: &Command) -> Result<ExitCode, String> {
    match command {
        Command::Backup(backup) => take(config, backup).await.map(|()| ExitCode::SUCCESS),
        Command::Restore(restore) => bring_back(config, restore).await.map(|()| ExitCode::SUCCESS),
        Command::Audit(asked) => audit::run(&app(config).await?, asked).await,
        Command::Serve | Command::Health => Err("this is no command of the operator's".to_owned()),
    }
}

async fn app(config: &Config) -> Result<App, String> {
    secrets::check(&config.tokens, config.store_kind())?;
    let store = wiring::store(config).await.map_err(|problem| match config.store_kind() {
        StoreKind::Embedded => format!("{problem}; the service must be stopped first"),
        StoreKind::Postgres => problem,
    })?;
    wiring::operator(config, store)
}

async fn take(config: &Config, told: &config::Backup) -> Result<(), String> {
    let app = app(config).await?;
    let output = Output::open(&told.output)?;
    let backup = TakeBackup {
        by: By::Operator,
        sink: Box::new(output),
        password_hashes: told.with_password_hashes,
    };
    let written = app.execute(Caller::Operator, backup).await.map_err(|error| said(&error))?;
    note(&format!("{} rows written", written.rows));
    if written.left_out > 0 {
        note(&format!("{} rows left out that mean nothing", written.left_out));
    }
    if written.normalised > 0 {
        note(&format!(
            "{} rows lacked a time or called somebody the owner who is not",
            written.normalised
        ));
    }
    Ok(())
}

async fn bring_back(config: &Config, told: &config::Restore) -> Result<(), String> {
    let input = Input::open(&told.input)?;
    let app = app(config).await?;
    let restore = Restore {
        by: By::Operator,
        source: Box::new(input),
        existing: match told.existing {
            config::Existing::Skip => Existing::Skip,
            config::Existing::Refuse => Existing::Refuse,
        },
        revive: told.revive,
        dry_run: told.dry_run,
    };
    let report = app
        .execute(Caller::Operator, restore)
        .await
        .map_err(|error| format!("nothing was restored: {}", said(&error)))?;
    let report = auth_http::report_json(&report).map_err(|error| said(&error))?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{report:#}").map_err(|error| format!("standard output: {error}"))
}

/// What went wrong, for whoever operates the service: causes are not hidden from them.
fn said(error: &Error) -> String {
    match error {
        Error::Unavailable(cause) | Error::Internal(cause) => cause.to_string(),
        other => other.to_string(),
    }
}

/// A line for whoever watches.
fn note(line: &str) {
    // Without anybody to read it there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "auth: {line}");
}

/// Whether a path means standard input or output.
fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}
