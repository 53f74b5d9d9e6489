//! `auth admin create`: an account for an administrator, opened by the code that opens the first one.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use auth_domain::model::Email;
use auth_domain::ops::first_admin::BootstrapAdmin;
use auth_domain::{Caller, Error};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{app, is_standard, note, print, said, say};
use crate::config::{Config, CreateAdmin};
use crate::passwords;

/// The most bytes of a password file; passwords have 72 characters at most.
const LONGEST: u64 = 4096;

/// Opens the account.
pub(crate) async fn create(config: &Config, told: &CreateAdmin) -> Result<ExitCode, String> {
    if !config.has_accounts() {
        return Err("the accounts are in the users service: MF_USERS_GRPC_URL is set".to_owned());
    }
    let email: Email = told.email.parse().map_err(|problem: Error| problem.to_string())?;
    let password = password(&told.password_file)?;
    let app = app(config).await?;
    let open = BootstrapAdmin { email, password, may_exist: false };
    app.execute(Caller::Operator, open).await.map_err(|error| match error {
        Error::AlreadyExists(_) => format!("there is an account {} already", told.email),
        Error::Invalid(_) => format!("the password {}", passwords::REFUSED),
        other => said(&other),
    })?;
    if told.json {
        return say(&json!({ "email": told.email, "platform_role": "root" }));
    }
    print(&format!("Opened the account {}, a root of the platform", told.email))
}

/// The first line of the file, without its end.
pub(super) fn password(file: &Path) -> Result<SecretString, String> {
    let shown = if is_standard(file) { "standard input".into() } else { file.to_string_lossy() };
    let unreadable = |error: io::Error| format!("{shown} cannot be read: {error}");
    // As large as it gets, so that nothing of it is left behind where it was first.
    let mut text = String::with_capacity(usize::try_from(LONGEST).unwrap_or_default());
    let read = if is_standard(file) {
        if io::IsTerminal::is_terminal(&io::stdin()) {
            note("the password, on one line; it is shown as it is typed");
        }
        io::stdin().lock().take(LONGEST).read_to_string(&mut text)
    } else {
        File::open(file).map_err(unreadable)?.take(LONGEST).read_to_string(&mut text)
    };
    let text = SecretString::from(text);
    read.map_err(unreadable)?;
    match text.expose_secret().lines().next() {
        Some(password) if !password.is_empty() => Ok(SecretString::from(password)),
        _ => Err(format!("{shown} has no password on its first line")),
    }
}
