//! Whose address an account has: what proves it, and who has to (`docs/adr/0018-proved-addresses.md`).

use super::accounts::open;
use super::invites::check_path;
use super::tickets::{forget, mailed, may_mail, shown};
use crate::app::{Access, Cx, Operation};
use crate::change::Change;
use crate::error::{Entity, Error, Invalid, Result, Unauthenticated};
use crate::model::{
    Account, AccountId, AccountStatus, Grant, Message, Purpose, RedirectPath, Registration,
    TicketId, TicketSecret, UserId,
};
use crate::ports::{Class, Priority};

/// Opens the account that a mailed link is for; or notes, of one that is there, that its address is proved.
#[derive(Debug)]
pub struct VerifyEmail {
    /// What the link proves.
    pub secret: TicketSecret,
}

impl Operation for VerifyEmail {
    type Output = AccountId;
    const NAME: &'static str = "verify_email";
    const CLASS: Class = Class::SignIns;
    // The password was hashed when it was typed.
    const PRIORITY: Priority = Priority::Management;

    fn access(&self) -> Access {
        Access::Anyone
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<AccountId> {
        let purposes = [Purpose::Registration, Purpose::Verification];
        let ticket = shown(cx, &purposes, &self.secret).await?;
        let (id, over, others) = (ticket.id, ticket.is_over, forget(&ticket.grant));
        match ticket.grant {
            // It may have been closed since the link was mailed.
            Grant::Registration(_) if !cx.rules().self_register => Err(Error::RegistrationClosed),
            Grant::Registration(_) | Grant::Verification(_) if over => {
                Err(Invalid::VerificationExpired.into())
            }
            Grant::Registration(registration) => open_proved(cx, *registration, id, others).await,
            Grant::Verification(user) => prove_address(cx, user, id, others).await,
            Grant::PasswordReset(_) | Grant::PlatformInvite(_) => {
                Err(Unauthenticated::NotHonoured.into())
            }
        }
    }
}

/// The first link that is opened decides; with it go all others for that address. Where the address was taken
/// meanwhile, nothing is used up.
async fn open_proved(
    cx: &Cx<'_>,
    registration: Registration,
    ticket: TicketId,
    others: Change,
) -> Result<AccountId> {
    let Registration { email, password, metadata } = registration;
    let account = open(cx, email, password, AccountStatus::Enabled, metadata);
    let account = verified(cx, account);
    let id = account.id;
    cx.commit(vec![Change::InsertAccount(account), Change::UseTicket(ticket), others]).await?;
    Ok(id)
}

/// Of an account that is gone or disabled by now there is nothing to prove.
async fn prove_address(
    cx: &mut Cx<'_>,
    user: AccountId,
    ticket: TicketId,
    others: Change,
) -> Result<AccountId> {
    cx.about = Some(user);
    let proved = Change::VerifyEmail { id: user, at: cx.now };
    match cx.commit(vec![proved, Change::UseTicket(ticket), others]).await {
        Ok(()) => Ok(user),
        Err(Error::NotFound(Entity::Account)) => Err(Unauthenticated::NotHonoured.into()),
        Err(other) => Err(other),
    }
}

/// The account, whose address was proved just now, or whoever opens it for somebody vouches for it.
pub(super) fn verified(cx: &Cx<'_>, account: Account) -> Account {
    Account { email_verified_at: Some(cx.now), ..account }
}

/// Whoever accepts an invite to an address has to read the mail to it, because anybody can sign up with any address. They
/// are mailed a link that proves it, as often as links are mailed to an address. Where no mail is sent nothing can be
/// proved, and what another directory has proved is not known here.
pub(super) async fn check_address(
    cx: &Cx<'_>,
    user: UserId,
    path: Option<RedirectPath>,
) -> Result<()> {
    if !cx.rules().mail || !cx.directory().is_built_in() {
        return Ok(());
    }
    let account = cx.store().account(user).await?.ok_or(Unauthenticated::NotHonoured)?;
    if account.email_verified_at.is_some() {
        return Ok(());
    }
    let first = || cx.rules().redirect_prefixes.first().cloned().unwrap_or_default();
    let path = path.unwrap_or_else(first);
    check_path(cx, &path)?;
    match may_mail(cx, Purpose::Verification, account.email.key()).await {
        Ok(true) => {
            let message = |ticket| Message::AccountVerification { ticket, path };
            cx.commit(mailed(cx, Grant::Verification(user), message)).await?;
        }
        // They have links already.
        Ok(false) => {}
        Err(other) => return Err(other),
    }
    Err(Error::EmailUnverified)
}
