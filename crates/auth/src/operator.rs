//! What the operator does from the command line, a file for each command; `auth backup` and `auth restore` here.
//!
//! Those two are the same operations as over HTTP, run by this process on the store that the settings name.

mod access;
mod admin;
mod audit;
mod check_config;
mod completions;
mod files;
mod import;
mod keys;
mod migrate;
mod progress;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use auth_domain::ops::By;
use auth_domain::ops::backup::{Existing, Restore, TakeBackup};
use auth_domain::{App, Caller, Error};
use auth_sqlite::SqliteStore;
use serde_json::{Value, json};

pub(crate) use self::access::{api_keys, sessions};
pub(crate) use self::admin::create as create_admin;
pub(crate) use self::audit::run as audit;
pub(crate) use self::check_config::run as check_config;
pub(crate) use self::completions::print as completions;
pub(crate) use self::import::run as import;
pub(crate) use self::keys::run as keys;
pub(crate) use self::migrate::run as migrate;
use crate::config::{self, Config, StoreKind};
use crate::wiring::Unwatched;
use crate::{database, secrets, wiring};
use files::{Input, Output};
use progress::Progress;

async fn app(config: &Config) -> Result<App, String> {
    watched(config).await.map(|(app, _)| app)
}

/// The same, and what tells whether every replica knows what was written.
async fn watched(config: &Config) -> Result<(App, Arc<Unwatched>), String> {
    secrets::check(&config.tokens, config.store_kind())?;
    let store = wiring::store(config).await.map_err(|problem| match config.store_kind() {
        StoreKind::Embedded => format!("{problem}; the service must be stopped first"),
        StoreKind::Postgres => problem,
    })?;
    let watching = Arc::new(Unwatched::default());
    let app = wiring::operator(config, store, Arc::clone(&watching))?;
    Ok((app, watching))
}

/// The migrations that opening the store would run, by version and name.
async fn pending(config: &Config) -> Result<Vec<(i64, &'static str)>, String> {
    match config.store_kind() {
        StoreKind::Embedded => {
            let pending = SqliteStore::pending(&config.store.data_dir).await;
            pending.map_err(|problem| problem.to_string())
        }
        StoreKind::Postgres => database::pending(&config.db).await,
    }
}

/// `auth backup`.
pub(crate) async fn take(config: &Config, told: &config::Backup) -> Result<ExitCode, String> {
    let app = app(config).await?;
    let progress = Progress::default();
    let output = Output::open(&told.output, progress.clone())?;
    let backup = TakeBackup {
        by: By::Operator,
        sink: Box::new(output),
        password_hashes: told.with_password_hashes,
    };
    let words = |bytes| format!("{} KiB written so far", bytes / 1024);
    let written = progress.during(words, app.execute(Caller::Operator, backup)).await;
    let written = written.map_err(|error| said(&error))?;
    if told.json {
        let report = json!({
            "rows": written.rows, "left_out": written.left_out, "normalised": written.normalised,
        });
        if is_standard(&told.output) {
            // What goes to standard output is the backup.
            let _ = writeln!(std::io::stderr(), "{report}");
            return Ok(ExitCode::SUCCESS);
        }
        return say(&report);
    }
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
    Ok(ExitCode::SUCCESS)
}

/// `auth restore`.
pub(crate) async fn bring_back(
    config: &Config,
    told: &config::Restore,
) -> Result<ExitCode, String> {
    let progress = Progress::default();
    let input = Input::open(&told.input, progress.clone())?;
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
    let words = |bytes| format!("{} KiB read so far", bytes / 1024);
    let work = Box::pin(app.execute(Caller::Operator, restore));
    let report = progress.during(words, work).await;
    let report = report.map_err(|error| format!("nothing was restored: {}", said(&error)))?;
    let report = auth_http::report_json(&report).map_err(|error| said(&error))?;
    print(&format!("{report:#}"))
}

/// Says what came of it, as JSON or in words.
fn tell(as_json: bool, document: &Value, words: impl FnOnce() -> String) -> Result<(), String> {
    let text = if as_json { format!("{document:#}") } else { words() };
    print(&text).map(drop)
}

/// Answers with a document.
fn say(document: &Value) -> Result<ExitCode, String> {
    print(&document.to_string())
}

/// Answers with these lines.
fn print(text: &str) -> Result<ExitCode, String> {
    let written = writeln!(std::io::stdout().lock(), "{text}");
    written.map(|()| ExitCode::SUCCESS).map_err(|error| format!("standard output: {error}"))
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
