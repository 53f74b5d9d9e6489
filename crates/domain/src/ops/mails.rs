//! Mails: from what one is about to what it says, and looking after the queue.

use std::time::Duration;

use super::platform_invites::may_still_invite;
use super::tickets::unused;
use crate::app::{Access, Cx, Operation};
use crate::change::Change;
use crate::directory;
use crate::error::Result;
use crate::model::{
    AccountStatus, Content, Draft, Grant, Invitation, InviteId, InviteState, Listing, MailId,
    MailState, Message, Page, PlatformRole, QueuedMail, RedirectPath, TicketId,
};
use crate::ports::Class;

/// Finds out, right before a mail is sent, whether it is still true and whom it goes to.
#[derive(Debug)]
pub struct PrepareMail {
    /// What it is about.
    pub message: Message,
}

/// What is to be done with a mail.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// It is to be sent.
    Ready(Draft),
    /// What it says is no longer so.
    Untrue,
    /// The directory knows nobody it could go to.
    Nobody,
    /// The directory knows them by something that is no address.
    NoAddress,
}

impl Operation for PrepareMail {
    type Output = Prepared;
    const NAME: &'static str = "prepare_mail";

    fn access(&self) -> Access {
        Access::Service
    }

    /// Fails with `Unavailable` when the directory is away.
    async fn run(self, cx: &mut Cx<'_>) -> Result<Prepared> {
        match self.message {
            Message::OrgInvite { invite, path } => org_invite(cx, invite, path).await,
            Message::PlatformInvite { ticket, path, .. } => platform_invite(cx, ticket, path).await,
            Message::AccountVerification { ticket, path } => {
                account_verification(cx, ticket, path).await
            }
            Message::EmailVerification { ticket, path } => {
                email_verification(cx, ticket, path).await
            }
            Message::PasswordReset { ticket, path } => password_reset(cx, ticket, path).await,
        }
    }
}

async fn org_invite(cx: &Cx<'_>, invite: InviteId, path: RedirectPath) -> Result<Prepared> {
    let Some(invitation) = cx.store().invitation(invite).await? else {
        return Ok(Prepared::Untrue);
    };
    let Invitation { org, inviter, invitee, role, expires_at } = invitation;
    let mut known = directory::addresses(cx.directory(), &[inviter, invitee]).await?;
    let Some(address) = known.get(&invitee) else { return Ok(Prepared::Nobody) };
    let Ok(to) = address.parse() else { return Ok(Prepared::NoAddress) };
    let inviter = known.remove(&inviter);
    let content = Content::OrgInvite { invite, path, inviter, org, role, expires_at };
    Ok(Prepared::Ready(Draft { to, content }))
}

/// One that nobody could open an account by is not mailed: it has ended, somebody has the address, or whoever made it
/// may not invite any more.
async fn platform_invite(cx: &Cx<'_>, ticket: TicketId, path: RedirectPath) -> Result<Prepared> {
    let Some((live, secret)) = unused(cx, ticket).await? else { return Ok(Prepared::Untrue) };
    let Grant::PlatformInvite(id) = live.grant else { return Ok(Prepared::Untrue) };
    let found = cx.store().platform_invite(id).await?;
    let pending = found.filter(|found| found.state_at(cx.now) == InviteState::Pending);
    let Some(invite) = pending else { return Ok(Prepared::Untrue) };
    if !may_still_invite(cx, invite.inviter).await?
        || cx.store().account_by_email(&invite.email).await?.is_some()
    {
        return Ok(Prepared::Untrue);
    }
    let waiting = cx.store().dormant_invite(id).await?;
    let org = waiting.map(|waiting| (waiting.org_name, waiting.invite.role));
    let known = directory::addresses(cx.directory(), &[invite.inviter]).await?;
    let Some(inviter) = known.into_values().next() else { return Ok(Prepared::Untrue) };
    let expires_at = invite.expires_at;
    let content = Content::PlatformInvite { path, secret, inviter, org, expires_at };
    Ok(Prepared::Ready(Draft { to: invite.email, content }))
}

/// Whether somebody has the address is found out here, where nobody waits for it. Somebody whose account is disabled is
/// told nothing.
async fn email_verification(cx: &Cx<'_>, ticket: TicketId, path: RedirectPath) -> Result<Prepared> {
    let Some((live, secret)) = unused(cx, ticket).await? else { return Ok(Prepared::Untrue) };
    let Grant::Registration(registration) = live.grant else { return Ok(Prepared::Untrue) };
    let asked_at = live.created_at;
    let content = match cx.store().account_by_email(&registration.email).await? {
        None => {
            let expires_at = live.expires_at;
            Content::EmailVerification { path, secret, asked_at, expires_at }
        }
        Some(account) if account.status == AccountStatus::Enabled => {
            Content::AlreadyRegistered { asked_at }
        }
        Some(_) => return Ok(Prepared::Nobody),
    };
    Ok(Prepared::Ready(Draft { to: registration.email, content }))
}

/// Whoever has proved it meanwhile need not do so again.
async fn account_verification(
    cx: &Cx<'_>,
    ticket: TicketId,
    path: RedirectPath,
) -> Result<Prepared> {
    let Some((live, secret)) = unused(cx, ticket).await? else { return Ok(Prepared::Untrue) };
    let Grant::Verification(user) = live.grant else { return Ok(Prepared::Untrue) };
    let account = cx.store().account(user).await?;
    let enabled = account.filter(|account| account.status == AccountStatus::Enabled);
    let Some(account) = enabled else { return Ok(Prepared::Nobody) };
    if account.email_verified_at.is_some() {
        return Ok(Prepared::Untrue);
    }
    let (asked_at, expires_at) = (live.created_at, live.expires_at);
    let content = Content::AccountVerification { path, secret, asked_at, expires_at };
    Ok(Prepared::Ready(Draft { to: account.email, content }))
}

/// The ticket of an address that nobody has is nobody's: so asking takes as long for it.
async fn password_reset(cx: &Cx<'_>, ticket: TicketId, path: RedirectPath) -> Result<Prepared> {
    let Some((live, secret)) = unused(cx, ticket).await? else { return Ok(Prepared::Untrue) };
    let Grant::PasswordReset(user) = live.grant else { return Ok(Prepared::Untrue) };
    let account = cx.store().account(user).await?;
    let enabled = account.filter(|account| account.status == AccountStatus::Enabled);
    let Some(account) = enabled else { return Ok(Prepared::Nobody) };
    let content = Content::PasswordReset { path, secret, expires_at: live.expires_at };
    Ok(Prepared::Ready(Draft { to: account.email, content }))
}

/// Lists the mails that wait or are dead.
#[derive(Debug)]
pub struct ListMails {
    /// Only those in this state.
    pub state: Option<MailState>,
    /// Which part of them.
    pub page: Page<()>,
}

impl Operation for ListMails {
    type Output = Listing<QueuedMail>;
    const NAME: &'static str = "list_mails";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Listing<QueuedMail>> {
        cx.store().mails(self.state, self.page).await
    }
}

/// Has a mail tried at once, also a dead one.
#[derive(Debug)]
pub struct RetryMail {
    /// Which one.
    pub id: MailId,
}

impl Operation for RetryMail {
    type Output = ();
    const NAME: &'static str = "retry_mail";

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        cx.commit(vec![Change::RetryMail(self.id)]).await
    }
}

/// Deletes mails that died long ago.
#[derive(Debug)]
pub struct PurgeMails {
    /// How long they are kept.
    pub keep: Duration,
}

impl Operation for PurgeMails {
    type Output = ();
    const NAME: &'static str = "purge_mails";

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        cx.commit(vec![Change::PurgeMails { died_before: cx.now.minus(self.keep) }]).await
    }
}
