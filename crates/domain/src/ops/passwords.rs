//! Passwords that are forgotten, changed, or set for somebody else.
//!
//! Whoever sets a password ends every session of the user: whoever else was signed in is out. API keys stay,
//! because services use them; they are revoked by themselves ([`super::sessions`]).

use std::time::Duration;

use secrecy::SecretString;

use super::By;
use super::accounts::renew;
use super::invites::check_path;
use super::sessions::{ending, ending_own, outranks};
use crate::app::{Access, Cx, Operation};
use crate::change::Change;
use crate::error::{Entity, Error, Invalid, Result, Unauthenticated};
use crate::model::{
    Account, AccountId, AccountStatus, Email, Mail, Message, PasswordHash, PlatformRole, Purpose,
    RedirectPath, Ticket, TicketSecret,
};
use crate::ports::{Attempt, Class, Guess, Priority};

/// How long the link in a mail can be used. Longer than [`Attempt::BeingSentReset`] is held back for, so that
/// whoever asks in a stranger's name again and again leaves its owner time to use one.
const RESET_LIFE: Duration = Duration::from_mins(15);

/// Has a link mailed by which a forgotten password can be set anew. Nobody is told whether the address is known.
#[derive(Debug)]
pub struct RequestReset {
    /// The address, as it was typed.
    pub email: String,
    /// Where on the front end the link leads.
    pub path: RedirectPath,
}

impl Operation for RequestReset {
    type Output = ();
    const NAME: &'static str = "generate_reset_token";
    const CLASS: Class = Class::SignIns;
    // No password is hashed, so nothing else bounds it.
    const PRIORITY: Priority = Priority::Management;

    fn access(&self) -> Access {
        Access::Anyone
    }

    /// What it does for an address that nobody has, or whose account is disabled, is the same: a ticket of nobody
    /// and a mail that will find nobody. So it takes as long.
    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        check_path(cx, &self.path)?;
        cx.throttle().enter(Attempt::AskingForReset(cx.source())).await?;
        let email = self.email.parse::<Email>().ok();
        let key = email.as_ref().map_or(self.email.as_str(), Email::key);
        // They have mails already, of which the newest can be used: no more of them, and nobody is told.
        let mailed = Attempt::BeingSentReset { source: cx.source(), account: key };
        let sent = cx.throttle().enter(mailed).await;
        if sent.is_err() || !cx.rules().mail {
            return Ok(());
        }
        let account = match &email {
            Some(email) => cx.store().account_by_email(email).await?,
            None => None,
        };
        let enabled = account.filter(|account| account.status == AccountStatus::Enabled);
        let user = enabled.map_or_else(|| cx.new_id(), |account| account.id);
        let (id, purpose) = (cx.new_id(), Purpose::PasswordReset);
        let digest = cx.ticket_secrets().digest(&cx.ticket_secrets().secret(id));
        let ticket = Ticket { id, purpose, user, digest, life: RESET_LIFE };
        let mail = Mail {
            id: cx.new_id(),
            message: Message::PasswordReset { ticket: id, path: self.path },
            created_at: cx.now,
            expires_at: cx.now.plus(RESET_LIFE),
        };
        cx.commit(vec![Change::PutTicket(ticket), Change::QueueMail(mail)]).await
    }
}

/// Sets a forgotten password anew, by the link in a mail.
#[derive(Debug)]
pub struct ResetPassword {
    /// What the link proves.
    pub secret: TicketSecret,
    /// The new password.
    pub password: SecretString,
}

impl Operation for ResetPassword {
    type Output = ();
    const NAME: &'static str = "reset_password";
    const CLASS: Class = Class::SignIns;

    fn access(&self) -> Access {
        Access::Anyone
    }

    /// The ticket names the account; it is used up in the transaction that sets the password, or not at all.
    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let refused = || Error::from(Unauthenticated::NotHonoured);
        let digest = cx.ticket_secrets().digest(&self.secret);
        let found = cx.store().ticket_by_digest(Purpose::PasswordReset, digest).await?;
        let ticket = found.ok_or_else(refused)?;
        cx.about = Some(ticket.user);
        let account = enabled(cx.store().account(ticket.user).await?).ok_or_else(refused)?;
        let password = hash(cx, self.password, &account.email).await?;
        let ending = ending(cx, account.id).await?;
        let setting = set(cx, account.id, password, None);
        // The account first, as everybody else takes them.
        match cx.commit(vec![setting, Change::UseTicket(ticket.id), ending]).await {
            // Disabled meanwhile.
            Err(Error::NotFound(Entity::Account)) => Err(refused()),
            other => other,
        }
    }
}

/// Changes the caller's password.
#[derive(Debug)]
pub struct ChangePassword {
    /// The one they sign in with now.
    pub current: SecretString,
    /// The new one.
    pub password: SecretString,
}

impl Operation for ChangePassword {
    type Output = ();
    const NAME: &'static str = "change_password";
    const CLASS: Class = Class::SignIns;

    fn access(&self) -> Access {
        Access::LoggedIn("failed to perform authentication over the entity")
    }

    /// A wrong guess counts like one at a sign-in.
    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let identity = cx.identity()?.clone();
        let found = enabled(cx.store().account(identity.user).await?);
        let account = found.ok_or(Unauthenticated::NotHonoured)?;
        if !cx.passwords().acceptable(&self.password, Some(&account.email)) {
            return Err(Invalid::Password.into());
        }
        let attempt = Attempt::SignIn { source: cx.source(), account: account.email.key() };
        cx.throttle().enter(attempt).await?;
        let hash = Some(account.password.clone());
        let guess = cx.passwords().verify(self.current.clone(), hash, false).await;
        if !matches!(guess, Ok(Guess::Wrong)) {
            cx.throttle().take_back(attempt).await;
        }
        let wrong = || Error::from(Invalid::CurrentPassword);
        let account = match guess? {
            Guess::Wrong => return Err(wrong()),
            Guess::Right => account,
            // First, so that nobody who signs in meanwhile replaces the hash under our hands.
            Guess::Outdated(to) => renew(cx, account, to, self.current).await?.ok_or_else(wrong)?,
        };
        let password = cx.passwords().hash(self.password).await?;
        let ending = ending_own(cx, &identity).await?;
        let setting = set(cx, account.id, password, Some(account.password));
        match cx.commit(vec![setting, forget_links(account.id), ending]).await {
            // Somebody else changed it meanwhile.
            Err(Error::NotFound(Entity::Account)) => Err(wrong()),
            other => other,
        }
    }
}

/// Sets the password of somebody else.
#[derive(Debug)]
pub struct SetPasswordOf {
    /// Whose. Text that is no address is nobody's.
    pub email: Option<Email>,
    /// The new password.
    pub password: SecretString,
}

impl Operation for SetPasswordOf {
    type Output = ();
    const NAME: &'static str = "set_user_password";
    const CLASS: Class = Class::SignIns;

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let found = match &self.email {
            Some(email) => enabled(cx.store().account_by_email(email).await?),
            None => None,
        };
        let account = found.ok_or(Error::NotFound(Entity::Account))?;
        // Whoever took over a session must not take over the account by it.
        if account.id == cx.identity()?.user {
            return Err(Invalid::CurrentPassword.into());
        }
        outranks(cx, By::Platform, account.id).await?;
        let password = hash(cx, self.password, &account.email).await?;
        let ending = ending(cx, account.id).await?;
        let setting = set(cx, account.id, password, None);
        cx.commit(vec![setting, forget_links(account.id), ending]).await
    }
}

/// Deletes tickets whose time is over.
#[derive(Debug)]
pub struct PurgeTickets;

impl Operation for PurgeTickets {
    type Output = ();
    const NAME: &'static str = "purge_tickets";

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        cx.commit(vec![Change::PurgeTickets]).await
    }
}

/// The hash of a password that somebody with this address may set.
pub(super) async fn hash(
    cx: &Cx<'_>,
    password: SecretString,
    owner: &Email,
) -> Result<PasswordHash> {
    if !cx.passwords().acceptable(&password, Some(owner)) {
        return Err(Invalid::Password.into());
    }
    cx.passwords().hash(password).await
}

/// What makes links void that were mailed before.
pub(super) const fn forget_links(user: AccountId) -> Change {
    Change::DropTicket { purpose: Purpose::PasswordReset, user }
}

fn enabled(account: Option<Account>) -> Option<Account> {
    account.filter(|account| account.status == AccountStatus::Enabled)
}

fn set(
    cx: &Cx<'_>,
    id: AccountId,
    password: PasswordHash,
    replacing: Option<PasswordHash>,
) -> Change {
    Change::SetPassword { id, password, replacing, at: cx.now }
}
