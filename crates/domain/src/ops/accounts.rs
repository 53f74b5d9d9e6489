//! Accounts of the built-in directory: opening one, signing in, being found.

use std::collections::HashMap;

use secrecy::SecretString;

use super::invites::check_path;
use super::keys;
use super::tickets::{mailed, may_mail};
use crate::app::{Access, Cx, Operation};
use crate::change::Change;
use crate::error::{Entity, Error, Invalid, Result, Unauthenticated};
use crate::model::{
    Account, AccountQuery, AccountStatus, Email, Grant, KeyKind, Listing, Message, Metadata,
    PasswordHash, Person, PlatformRole, Purpose, RedirectPath, Registration, Token, UserId,
};
use crate::ports::{Attempt, Class, Guess};

/// The most accounts one call looks up.
pub const MAX_BATCH: usize = 1000;

/// A fresh account. Nobody has proved its address.
pub(super) fn open(
    cx: &Cx<'_>,
    email: Email,
    password: PasswordHash,
    status: AccountStatus,
    metadata: Metadata,
) -> Account {
    Account {
        id: cx.new_id(),
        email,
        password,
        email_verified_at: None,
        status,
        metadata,
        created_at: cx.now,
        updated_at: cx.now,
    }
}

/// Opens an account for whoever asks, if the operator allows that; or has a link mailed that opens it, if addresses
/// are to be proved.
#[derive(Debug)]
pub struct Register {
    /// How they will sign in.
    pub email: Email,
    /// Their password.
    pub password: SecretString,
    /// What clients attach to them.
    pub metadata: Metadata,
    /// Where on the front end the link leads. Nobody looks at it where none is mailed.
    pub path: String,
}

impl Operation for Register {
    type Output = ();
    const NAME: &'static str = "self_register";
    const CLASS: Class = Class::SignIns;

    fn access(&self) -> Access {
        Access::Anyone
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        if !cx.passwords().acceptable(&self.password, Some(&self.email)) {
            return Err(Invalid::Password.into());
        }
        if !cx.rules().self_register {
            return Err(Error::RegistrationClosed);
        }
        if cx.rules().verify_email {
            return self.mail_link(cx).await;
        }
        // Before the hash, so that a taken address costs a read and not a hash.
        if cx.store().account_by_email(&self.email).await?.is_some() {
            return Err(Error::AlreadyExists(Entity::Account));
        }
        let password = cx.passwords().hash(self.password).await?;
        let account = open(cx, self.email, password, AccountStatus::Enabled, self.metadata);
        cx.commit(vec![Change::InsertAccount(account)]).await
    }
}

impl Register {
    /// Whether somebody has the address plays no part in it, so nobody is told: that is found out when the mail is
    /// written. The password waits with the ticket, so that each link opens the account with the one that was typed
    /// for it, and whoever reads the mails chooses.
    async fn mail_link(self, cx: &Cx<'_>) -> Result<()> {
        let path: RedirectPath = self.path.parse()?;
        check_path(cx, &path)?;
        if !may_mail(cx, Purpose::Registration, self.email.key()).await? {
            return Ok(());
        }
        let password = cx.passwords().hash(self.password).await?;
        let (email, metadata) = (self.email, self.metadata);
        let grant = Grant::Registration(Box::new(Registration { email, password, metadata }));
        let message = |ticket| Message::EmailVerification { ticket, path };
        cx.commit(mailed(cx, grant, message)).await
    }
}

/// Signs in with e-mail address and password.
#[derive(Debug)]
pub struct Login {
    /// The address.
    pub email: Email,
    /// The password, checked against no rule but its hash.
    pub password: SecretString,
}

impl Operation for Login {
    type Output = Token;
    const NAME: &'static str = "login";
    const CLASS: Class = Class::SignIns;

    fn access(&self) -> Access {
        Access::Anyone
    }

    /// Unknown address, wrong password and disabled account answer alike and take as long.
    async fn run(self, cx: &mut Cx<'_>) -> Result<Token> {
        let account = signed_in(cx, &self.email, self.password).await?;
        let email = account.email.as_str().to_owned();
        let token = keys::issue(cx, account.id, email, KeyKind::Login).await?;
        // Hashing takes a while, and a token is good from after the sessions that were ended so far. Whoever set
        // another password or disabled the account meanwhile meant this one, too; whoever does so later ends it.
        let now = cx.store().account(account.id).await?;
        let same = |now: &Account| {
            now.status == account.status && now.password.expose() == account.password.expose()
        };
        match now.filter(same) {
            Some(_) => Ok(token),
            None => Err(Unauthenticated::BadCredentials.into()),
        }
    }
}

/// The account of whoever knows its password; a wrong guess is counted.
pub(super) async fn signed_in(
    cx: &mut Cx<'_>,
    email: &Email,
    password: SecretString,
) -> Result<Account> {
    let attempt = Attempt::SignIn { source: cx.source(), account: email.key() };
    cx.throttle().enter(attempt).await?;
    let proved = prove(cx, email, password).await;
    // Only a wrong guess stays counted: an outage must not lock anybody out.
    if !matches!(proved, Ok(None)) {
        cx.throttle().take_back(attempt).await;
    }
    proved?.ok_or_else(|| Unauthenticated::BadCredentials.into())
}

/// The account, if there is an enabled one with this address and the password is right. A hash of an old kind is
/// replaced on the way.
async fn prove(cx: &mut Cx<'_>, email: &Email, password: SecretString) -> Result<Option<Account>> {
    let account = cx.store().account_by_email(email).await?;
    cx.about = account.as_ref().map(|account| account.id);
    let account = account.filter(|account| account.status == AccountStatus::Enabled);
    let hash = account.as_ref().map(|account| account.password.clone());
    let mixed = cx.store().has_bcrypt().await?;
    let guess = cx.passwords().verify(password.clone(), hash, mixed).await?;
    match (account, guess) {
        (None, _) | (_, Guess::Wrong) => Ok(None),
        (account, Guess::Right) => Ok(account),
        (Some(account), Guess::Outdated(renewed)) => renew(cx, account, renewed, password).await,
    }
}

/// The account with its new hash. Nobody is kept out because that cannot be stored; whoever has changed the password
/// meanwhile keeps theirs, and it is what counts.
pub(super) async fn renew(
    cx: &Cx<'_>,
    account: Account,
    to: PasswordHash,
    password: SecretString,
) -> Result<Option<Account>> {
    let (id, from) = (account.id, account.password.clone());
    match cx.commit(vec![Change::RenewHash { id, from, to: to.clone() }]).await {
        Ok(()) => Ok(Some(Account { password: to, ..account })),
        Err(Error::NotFound(_)) => {
            let Some(now) = cx.store().account(id).await? else { return Ok(None) };
            // Often somebody who signed in with the same password at the same time.
            let guess = cx.passwords().verify(password, Some(now.password.clone()), false).await?;
            Ok(Some(now).filter(|now| now.status == AccountStatus::Enabled && guess.is_right()))
        }
        Err(error) => {
            tracing::warn!(user = %id, outcome = error.outcome(), "a password hash could not be renewed");
            Ok(Some(account))
        }
    }
}

/// Shows the caller their own account.
#[derive(Debug)]
pub struct ViewProfile;

/// What [`ViewProfile`] shows.
#[derive(Debug)]
pub struct Profile {
    /// The account.
    pub account: Account,
    /// Their platform role, if they have one.
    pub role: Option<PlatformRole>,
}

impl Operation for ViewProfile {
    type Output = Profile;
    const NAME: &'static str = "view_profile";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::SignedIn
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Profile> {
        let user = cx.identity()?.user;
        let account = cx
            .store()
            .account(user)
            .await?
            .filter(|account| account.status == AccountStatus::Enabled)
            .ok_or(Unauthenticated::NotHonoured)?;
        let role = cx.store().standing(user, None).await?.platform;
        Ok(Profile { account, role })
    }
}

/// Finds enabled accounts by id, for a sibling service.
#[derive(Debug)]
pub struct FindByIds {
    /// Which, and which part of them.
    pub query: AccountQuery,
}

impl Operation for FindByIds {
    type Output = Listing<Account>;
    const NAME: &'static str = "list_users_by_ids";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Listing<Account>> {
        if self.query.ids.is_empty() {
            return Err(Invalid::MissingUserId.into());
        }
        if self.query.ids.len() > MAX_BATCH {
            return Err(Invalid::ListTooLong.into());
        }
        cx.store().accounts(&self.query).await
    }
}

/// Finds enabled accounts by address, for a sibling service: one for each address, in their order.
#[derive(Debug)]
pub struct FindByEmails {
    /// The addresses. One that nobody has fails the whole call.
    pub emails: Vec<Email>,
}

impl Operation for FindByEmails {
    type Output = Vec<Account>;
    const NAME: &'static str = "list_users_by_emails";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Vec<Account>> {
        if self.emails.is_empty() {
            return Err(Invalid::MissingEmail.into());
        }
        if self.emails.len() > MAX_BATCH {
            return Err(Invalid::ListTooLong.into());
        }
        let found = cx.store().accounts_by_emails(&self.emails).await?;
        let by_key: HashMap<&str, &Account> =
            found.iter().map(|account| (account.email.key(), account)).collect();
        self.emails
            .iter()
            .map(|email| by_key.get(email.key()).map(|account| (*account).clone()))
            .collect::<Option<Vec<_>>>()
            .ok_or(Error::NotFound(Entity::Account))
    }
}

/// Finds whose address this is, for the operator: in the built-in directory also somebody who is disabled.
#[derive(Debug)]
pub struct FindUser {
    /// The address.
    pub email: Email,
}

impl Operation for FindUser {
    type Output = UserId;
    const NAME: &'static str = "find_user";

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<UserId> {
        let missing = Error::NotFound(Entity::Account);
        if cx.directory().is_built_in() {
            let account = cx.store().account_by_email(&self.email).await?;
            return account.map(|account| account.id).ok_or(missing);
        }
        let found = cx.directory().people_by_emails(std::slice::from_ref(&self.email)).await?;
        // The answer of another service is not believed as it is.
        let is_theirs = |person: &Person| {
            person.email.parse::<Email>().is_ok_and(|email| email.key() == self.email.key())
        };
        found.into_iter().find(is_theirs).map(|person| person.id).ok_or(missing)
    }
}
