//! `auth import users`: the accounts of a users service of the original, brought into our store.

use std::process::ExitCode;

use async_trait::async_trait;
use auth_domain::ops::user_import::ImportUsers;
use auth_domain::user_import::{ForeignUser, ForeignUsers, ImportReport, LeftBehind, Refused};
use auth_domain::{Caller, Error};
use auth_postgres::OriginalUsers;
use serde_json::{Value, json};

use super::progress::Progress;
use super::{admin, said, tell, watched};
use crate::config::{Config, Import, ImportUsers as Told};

/// Brings them in, and says what came of it.
pub(crate) async fn run(config: &Config, told: &Import) -> Result<ExitCode, String> {
    let Import::Users(told) = told;
    if !config.has_accounts() {
        return Err("the accounts are in the users service: MF_USERS_GRPC_URL is set".to_owned());
    }
    let report = bring_in(config, told).await?;
    tell(told.json, &document(told, &report), || words(told, &report))?;
    let whole = report.refused.is_empty() || told.leave_out;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn bring_in(config: &Config, told: &Told) -> Result<ImportReport, String> {
    let from = told.database()?;
    let password = told.password_file.as_deref().map(admin::password).transpose()?;
    let source = OriginalUsers::open(from, password.as_ref()).await;
    let source = source.map_err(|problem| problem.to_string())?;
    let (app, watching) = watched(config).await?;
    let progress = Progress::default();
    let source = Counted { source, progress: progress.clone() };
    let import =
        ImportUsers { source: Box::new(source), leave_out: told.leave_out, dry_run: told.dry_run };
    let words = |users| format!("{users} users read so far");
    let report = progress.during(words, app.execute(Caller::Operator, import)).await;
    let report = report.map_err(|error| format!("nobody was brought in: {}", said(&error)))?;
    if watching.is_unconfirmed() {
        return Err("they are in the store, and some replica may not know of it yet: it does once its lease \
             (MF_AUTH_LEASE) ends"
            .into());
    }
    Ok(report)
}

/// Users, counted as they are read. They are read twice.
struct Counted {
    source: OriginalUsers,
    progress: Progress,
}

#[async_trait]
impl ForeignUsers for Counted {
    async fn read(&mut self) -> Result<Vec<ForeignUser>, Error> {
        let users = self.source.read().await?;
        self.progress.add(users.len());
        Ok(users)
    }

    async fn rewind(&mut self) -> Result<(), Error> {
        self.progress.start_over();
        self.source.rewind().await
    }

    async fn left_behind(&mut self) -> Result<LeftBehind, Error> {
        self.source.left_behind().await
    }
}

fn document(told: &Told, report: &ImportReport) -> Value {
    let refused = |refused: &Refused| {
        let users: Vec<String> = refused.users.iter().map(ToString::to_string).collect();
        json!({ "users": users, "why": refused.why.as_str() })
    };
    let unusable: Vec<String> = report.unusable_hashes.iter().map(ToString::to_string).collect();
    json!({
        "written": report.written,
        "dry_run": told.dry_run,
        "read": report.read,
        "created": report.created,
        "unchanged": report.unchanged,
        "without_password": report.without_password,
        "unusable_hashes": unusable,
        "refused": report.refused.iter().map(refused).collect::<Vec<_>>(),
        "left_behind": {
            "verifications": report.left_behind.verifications,
            "platform_invites": report.left_behind.platform_invites,
        },
    })
}

fn words(told: &Told, report: &ImportReport) -> String {
    let mut lines = Vec::new();
    for refused in &report.refused {
        let users: Vec<String> = refused.users.iter().map(ToString::to_string).collect();
        lines.push(format!(
            "cannot be brought in ({}): {}",
            refused.why.as_str(),
            users.join(", ")
        ));
    }
    for user in &report.unusable_hashes {
        lines.push(format!("has to set a new password: {user}"));
    }
    let (read, created, unchanged) = (report.read, report.created, report.unchanged);
    lines.push(match (report.written, told.dry_run) {
        (true, _) => format!("brought in {created} of {read} users; {unchanged} were here"),
        (false, true) => format!("would bring in {created} of {read} users; {unchanged} are here"),
        (false, false) => format!(
            "nobody was brought in of {read} users: settle the above, or leave those out with --leave-out"
        ),
    });
    if report.without_password > 0 {
        lines.push(format!("{} of them have no password", report.without_password));
    }
    let left = report.left_behind;
    if left.verifications > 0 || left.platform_invites > 0 {
        lines.push(format!(
            "left behind: {} registrations to be proved, {} invites to the platform",
            left.verifications, left.platform_invites
        ));
    }
    lines.join("\n")
}
