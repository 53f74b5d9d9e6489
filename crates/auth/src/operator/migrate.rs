//! `auth migrate`: the schema, brought up to date on its own or only looked at.

use std::process::ExitCode;

use serde_json::json;

use super::progress::Progress;
use super::{pending, print, say};
use crate::config::{Config, Migrate};
use crate::wiring;

/// The exit code for "there is something to do", which is no failure.
const PENDING: u8 = 2;

/// Says what is to be done and, unless it was only asked, does it.
pub(crate) async fn run(config: &Config, told: &Migrate) -> Result<ExitCode, String> {
    let kind = config.store_kind();
    let pending = pending(config).await?;
    if !told.check {
        // Whether or not there is something to do: an index that was left unfinished is finished as well.
        let words = |_| format!("the schema is being brought up to date, {} to run", pending.len());
        Progress::default().during(words, wiring::store(config)).await?;
    }
    let names: Vec<String> =
        pending.iter().map(|(version, name)| format!("{version:04}_{name}")).collect();
    let (done, member) = if told.check { ("pending", "pending") } else { ("run", "run") };
    if told.json {
        say(&json!({ "store": kind.name(), member: names }))?;
    } else if names.is_empty() {
        print("the schema is up to date")?;
    } else {
        print(&names.iter().map(|name| format!("{done}: {name}")).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(if told.check && !names.is_empty() { ExitCode::from(PENDING) } else { ExitCode::SUCCESS })
}
