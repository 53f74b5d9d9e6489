//! The first account, so that there is somebody who may do everything.

use secrecy::SecretString;

use super::accounts::open;
use super::addresses::verified;
use crate::app::{Access, Cx, Operation};
use crate::change::Change;
use crate::error::{Entity, Error, Invalid, Result};
use crate::model::{Account, AccountStatus, Email, Metadata, PlatformRole};

/// Makes sure that the operator's account exists and is a root. Its password is set when the
/// account is opened and never changed afterwards.
#[derive(Debug)]
pub struct BootstrapAdmin {
    /// How they sign in.
    pub email: Email,
    /// Their first password.
    pub password: SecretString,
    /// Whether the account may be there already: it is made a root then. If not, that is refused.
    pub may_exist: bool,
}

/// What [`BootstrapAdmin`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bootstrapped {
    /// The account was opened just now, with the password given.
    Opened,
    /// It was there, and was a root already.
    Present,
    /// It was there, with a password that its owner chose, and is a root from now on.
    Promoted {
        /// Whether its owner has proved that they read mail at its address.
        verified: bool,
    },
    /// It was there and is disabled; it stays so.
    Disabled,
}

impl Operation for BootstrapAdmin {
    type Output = Bootstrapped;
    const NAME: &'static str = "bootstrap_admin";

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Bootstrapped> {
        if let Some(account) = cx.store().account_by_email(&self.email).await? {
            if !self.may_exist {
                return Err(Error::AlreadyExists(Entity::Account));
            }
            return promote(cx, &account).await;
        }
        if !cx.passwords().acceptable(&self.password, Some(&self.email)) {
            return Err(Invalid::Password.into());
        }
        let password = cx.passwords().hash(self.password).await?;
        let enabled = AccountStatus::Enabled;
        let account = open(cx, self.email.clone(), password, enabled, Metadata::default());
        let account = verified(cx, account);
        let user = account.id;
        let role = PlatformRole::Root;
        let opened = cx
            .commit(vec![Change::InsertAccount(account), Change::PutPlatformRole { user, role }])
            .await;
        match opened {
            Ok(()) => Ok(Bootstrapped::Opened),
            // Another replica starting at the same moment was faster.
            Err(Error::AlreadyExists(Entity::Account)) if self.may_exist => {
                let found = cx.store().account_by_email(&self.email).await?;
                promote(cx, &found.ok_or(Error::NotFound(Entity::Account))?).await
            }
            Err(other) => Err(other),
        }
    }
}

async fn promote(cx: &Cx<'_>, account: &Account) -> Result<Bootstrapped> {
    let user = account.id;
    let is_root = cx.store().standing(user, None).await?.platform == Some(PlatformRole::Root);
    if !is_root {
        cx.commit(vec![Change::PutPlatformRole { user, role: PlatformRole::Root }]).await?;
    }
    Ok(match account.status {
        AccountStatus::Disabled => Bootstrapped::Disabled,
        AccountStatus::Enabled if is_root => Bootstrapped::Present,
        AccountStatus::Enabled => {
            Bootstrapped::Promoted { verified: account.email_verified_at.is_some() }
        }
    })
}
