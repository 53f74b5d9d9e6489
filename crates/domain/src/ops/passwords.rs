//! Passwords that are forgotten, changed, or set for somebody else.
//!
//! Whoever sets a password ends every session of the user: whoever else was signed in is out. API keys stay,
//! because services use them; they are revoked by themselves ([`super::sessions`]).

use secrecy::SecretString;
use uuid::Uuid;

use super::By;
use super::accounts::renew;
use super::invites::check_path;
use super::sessions::{ending, ending_own, outranks};
use super::tickets::{forget_links, mailed, may_mail, shown};
use crate::app::{Access, Cx, Operation};
use crate::change::Change;
use crate::error::{Entity, Error, Invalid, Result, Unauthenticated};
use crate::model::{
    Account, AccountId, AccountStatus, Email, Grant, Message, PasswordHash, PlatformRole, Purpose,
    RedirectPath, TicketSecret,
};
use crate::ports::{Attempt, Class, Guess, Priority};

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
        let email = self.email.parse::<Email>().ok();
        let key = email.as_ref().map_or(self.email.as_str(), Email::key);
        if !may_mail(cx, Purpose::PasswordReset, key).await? {
            return Ok(());
        }
        let account = match &email {
            Some(email) => cx.store().account_by_email(email).await?,
            None => None,
        };
        let enabled = account.filter(|account| account.status == AccountStatus::Enabled);
        let user = enabled.map_or_else(|| nobody(cx, key), |account| account.id);
        let message = |ticket| Message::PasswordReset { ticket, path: self.path };
        cx.commit(mailed(cx, Grant::PasswordReset(user), message)).await
    }
}

/// Whose tickets are those of an address that nobody has: always the same, so that there are as many of them as of
/// anybody's.
fn nobody(cx: &Cx<'_>, address: &str) -> AccountId {
    let digest = cx.ticket_secrets().digest(&TicketSecret::new(address.to_owned()));
    let (mut bytes, from) = ([0; 16], digest.iter());
    bytes.iter_mut().zip(from).for_each(|(byte, from)| *byte = *from);
    AccountId::new(Uuid::from_bytes(bytes))
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

    /// The ticket names the account; it is used up in the transaction that sets the password, or not at all. With
    /// it goes every other link of the account.
    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let refused = || Error::from(Unauthenticated::NotHonoured);
        let ticket = shown(cx, &[Purpose::PasswordReset], &self.secret).await?;
        let Grant::PasswordReset(user) = ticket.grant else { return Err(refused()) };
        cx.about = Some(user);
        if ticket.is_over {
            return Err(refused());
        }
        let account = enabled(cx.store().account(user).await?).ok_or_else(refused)?;
        let password = hash(cx, self.password, &account.email).await?;
        let ending = ending(cx, account.id).await?;
        let setting = set(cx, account.id, password, None);
        // Whoever has the link reads the mail to the address.
        let unproved = account.email_verified_at.is_none();
        let proved = unproved.then_some(Change::VerifyEmail { id: user, at: cx.now });
        // The account first, as everybody else takes them.
        let using = Change::UseTicket(ticket.id);
        let others = [setting, using, forget_links(user), ending];
        match cx.commit(proved.into_iter().chain(others).collect()).await {
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
