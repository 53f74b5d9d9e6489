//! Opens the first account, so that there is somebody who may do everything.

use std::time::{Duration, Instant};

use auth_domain::model::Email;
use auth_domain::ops::first_admin::{BootstrapAdmin, Bootstrapped};
use auth_domain::{App, Caller, Error, Invalid};
use secrecy::SecretString;
use tokio::time::sleep;

use crate::config::{Config, StoreKind};
use crate::{passwords, secrets};

/// Whose account is opened when nobody said whose.
pub(crate) const FIRST_ADMIN: &str = "admin@keyward.local";
/// How long to wait before something that a start needs is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// Tries again while something is away, as long as a start waits for the database: what was reached a
/// moment ago may be busy now.
async fn patiently<T>(
    wait: Duration,
    work: impl AsyncFn() -> Result<T, Error>,
) -> Result<T, Error> {
    let deadline = Instant::now().checked_add(wait);
    loop {
        match work().await {
            Err(Error::Unavailable(_)) if deadline.is_some_and(|end| Instant::now() < end) => {
                sleep(AGAIN).await;
            }
            other => return other,
        }
    }
}

/// Sees to it that there is a root account. Gives the account that was opened with a password made
/// here, which nobody knows yet.
pub(super) async fn open(
    config: &Config,
    app: &App,
) -> Result<Option<(String, SecretString)>, String> {
    let embedded = config.store_kind() == StoreKind::Embedded;
    let given = &config.accounts;
    let (address, password, made) = match (&given.admin_email, &given.admin_password) {
        (Some(address), Some(password)) => (address.clone(), password.clone(), false),
        (address, None) if embedded => {
            let address = address.clone().unwrap_or_else(|| FIRST_ADMIN.to_owned());
            (address, secrets::password()?, true)
        }
        _ => {
            tracing::warn!(
                "no root account is opened: MF_USERS_ADMIN_EMAIL and MF_USERS_ADMIN_PASSWORD are \
                 not both set"
            );
            return Ok(None);
        }
    };
    let email: Email =
        address.parse().map_err(|problem: Error| format!("MF_USERS_ADMIN_EMAIL: {problem}"))?;
    let admin =
        || BootstrapAdmin { email: email.clone(), password: password.clone(), may_exist: true };
    match patiently(config.db.wait, async || app.execute(Caller::System, admin()).await).await {
        Ok(Bootstrapped::Opened) => Ok(made.then_some((address, password))),
        Ok(Bootstrapped::Present) => Ok(None),
        // Whoever had registered it keeps the password that they chose.
        Ok(Bootstrapped::Promoted { verified }) => {
            tracing::warn!(
                verified,
                "the account in MF_USERS_ADMIN_EMAIL was there before and is a root from now on; its password is its \
                 owner's own"
            );
            Ok(None)
        }
        Ok(Bootstrapped::Disabled) => {
            tracing::warn!("the account in MF_USERS_ADMIN_EMAIL is disabled and stays so");
            Ok(None)
        }
        Err(Error::Invalid(problem)) if made => Err(format!(
            "the password made for the first account: {problem}; set MF_USERS_ADMIN_PASSWORD"
        )),
        Err(Error::Invalid(Invalid::Password)) => {
            Err(format!("MF_USERS_ADMIN_PASSWORD: {}", passwords::REFUSED))
        }
        Err(Error::Unavailable(cause) | Error::Internal(cause)) => {
            Err(format!("the root account cannot be opened: {cause}"))
        }
        Err(problem) => Err(format!("the root account cannot be opened: {problem}")),
    }
}
