//! Looking after accounts of the built-in directory: other people's, for the platform, and one's own.

use secrecy::SecretString;

use super::By;
use super::accounts::open;
use super::addresses::verified;
use super::sessions::{ending, known, outranks};
use super::tickets::forget_links;
use crate::app::{Access, Cx, Operation};
use crate::change::Change;
use crate::error::{Conflict, Entity, Error, Invalid, Result, Unauthenticated};
use crate::model::{
    Account, AccountEdit, AccountFilter, AccountId, AccountOrder, AccountStatus, Email, Listing,
    Metadata, Page, PlatformRole,
};
use crate::ports::Class;

/// Opens an account for somebody else.
#[derive(Debug)]
pub struct OpenAccount {
    /// How they will sign in.
    pub email: Email,
    /// Their password.
    pub password: SecretString,
    /// What clients attach to them.
    pub metadata: Metadata,
    /// Whether they may sign in at once.
    pub status: AccountStatus,
}

impl Operation for OpenAccount {
    type Output = AccountId;
    const NAME: &'static str = "register";
    const CLASS: Class = Class::SignIns;

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<AccountId> {
        if !cx.passwords().acceptable(&self.password, Some(&self.email)) {
            return Err(Invalid::Password.into());
        }
        if cx.store().account_by_email(&self.email).await?.is_some() {
            return Err(Error::AlreadyExists(Entity::Account));
        }
        let password = cx.passwords().hash(self.password).await?;
        let account = verified(cx, open(cx, self.email, password, self.status, self.metadata));
        let id = account.id;
        cx.commit(vec![Change::InsertAccount(account)]).await?;
        Ok(id)
    }
}

/// Shows an account: one's own, or to somebody with a platform role anybody's.
#[derive(Debug)]
pub struct ViewAccount {
    /// Whose.
    pub id: AccountId,
}

impl Operation for ViewAccount {
    type Output = Account;
    const NAME: &'static str = "view_user";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::SignedIn
    }

    /// To others an account that exists and one that does not look alike.
    async fn run(self, cx: &mut Cx<'_>) -> Result<Account> {
        if cx.identity()?.user != self.id {
            cx.authorize(Access::OnPlatform(PlatformRole::Admin)).await?;
        }
        cx.store().account(self.id).await?.ok_or(Error::NotFound(Entity::Account))
    }
}

/// Lists accounts.
#[derive(Debug)]
pub struct ListAccounts {
    /// Which.
    pub filter: AccountFilter,
    /// Which part of them.
    pub page: Page<AccountOrder>,
}

impl Operation for ListAccounts {
    type Output = Listing<Account>;
    const NAME: &'static str = "list_users";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Listing<Account>> {
        cx.store().accounts_by_filter(&self.filter, self.page).await
    }
}

/// Replaces what is attached to the caller's account.
#[derive(Debug)]
pub struct UpdateOwnMetadata {
    /// What is attached from now on.
    pub metadata: Metadata,
}

impl Operation for UpdateOwnMetadata {
    type Output = ();
    const NAME: &'static str = "update_user";

    fn access(&self) -> Access {
        Access::SignedIn
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let id = cx.identity()?.user;
        let edit = AccountEdit { id, metadata: self.metadata, updated_at: cx.now };
        match cx.commit(vec![Change::UpdateAccount(edit)]).await {
            // A sibling vouched for somebody who has no account here.
            Err(Error::NotFound(Entity::Account)) => Err(Unauthenticated::NotHonoured.into()),
            other => other,
        }
    }
}

/// Lets somebody in again whose account was disabled: their API keys work again, their sessions stay ended.
#[derive(Debug)]
pub struct EnableAccount {
    /// Whose.
    pub id: AccountId,
}

impl Operation for EnableAccount {
    type Output = ();
    const NAME: &'static str = "enable_user";

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        if is_already(cx, self.id, AccountStatus::Enabled).await? {
            return cx.settle().await;
        }
        // Whoever disabled it without us, in the database or by a backup, has ended none.
        let ending = ending(cx, self.id).await?;
        cx.commit(vec![set(cx, self.id, AccountStatus::Enabled), ending]).await
    }
}

/// Locks somebody out: no session and no API key of theirs is honoured any more, on any replica, when this
/// returns.
#[derive(Debug)]
pub struct DisableAccount {
    /// Whose.
    pub id: AccountId,
}

impl Operation for DisableAccount {
    type Output = ();
    const NAME: &'static str = "disable_user";

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        if cx.identity()?.user == self.id {
            return Err(Conflict::OwnAccount.into());
        }
        if is_already(cx, self.id, AccountStatus::Disabled).await? {
            return cx.settle().await;
        }
        // So that they stay ended when the account is enabled again.
        let ending = ending(cx, self.id).await?;
        cx.commit(vec![set(cx, self.id, AccountStatus::Disabled), forget_links(self.id), ending])
            .await
    }
}

/// Whether there is nothing to do, for somebody who may do it.
async fn is_already(cx: &mut Cx<'_>, id: AccountId, status: AccountStatus) -> Result<bool> {
    known(id)?;
    outranks(cx, By::Platform, id).await?;
    let account = cx.store().account(id).await?.ok_or(Error::NotFound(Entity::Account))?;
    Ok(account.status == status)
}

fn set(cx: &Cx<'_>, id: AccountId, status: AccountStatus) -> Change {
    Change::SetAccountStatus { id, status, at: cx.now }
}
