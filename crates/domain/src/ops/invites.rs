//! Invites to orgs: making, answering and taking them back.
//!
//! An invite is left once. Whoever reads it first decides by what they see, and [`Change::SettleInvite`]
//! decides again, by the store's clock, in the transaction that makes the invitee a member: of two who
//! saw it pending one is told that the other was faster. What the inviter may give is asked again at that
//! moment, so an invite is never worth more than whoever made it.

use super::addresses::check_address;
use crate::Timestamp;
use crate::app::{Access, Cx, Operation};
use crate::change::{Change, Guard};
use crate::directory;
use crate::error::{Conflict, Entity, Error, InviteClosed, Result};
use crate::model::{
    Action, Email, Invite, InviteId, InviteState, Mail, Membership, Message, OrgId, OrgInvite,
    OrgRole, RedirectPath, Settlement, UserId,
};
use crate::ports::{Attempt, BARRED};

/// How often an operation starts anew because others changed what it had decided by.
pub(super) const TRIES: u32 = 5;

/// Invites somebody to an org.
#[derive(Debug)]
pub struct CreateInvite {
    /// Which org.
    pub org: OrgId,
    /// Their address.
    pub email: Email,
    /// What they become if they accept.
    pub role: OrgRole,
    /// Where on the front end the mail leads.
    pub path: RedirectPath,
}

impl Operation for CreateInvite {
    type Output = InviteId;
    const NAME: &'static str = "create_org_invite";

    fn access(&self) -> Access {
        Access::InOrg(self.org, Action::Admin)
    }

    /// Whoever is not registered is not found, so every try counts against the inviter; invites that were made
    /// count between the two. Whoever gets many from many gets no further mails of them, so that nobody's mailbox
    /// is flooded and no stranger keeps others from inviting.
    async fn run(self, cx: &mut Cx<'_>) -> Result<InviteId> {
        if self.role == OrgRole::Owner {
            return Err(Error::malformed("role", "owner is given by transferring the org"));
        }
        check_path(cx, &self.path)?;
        let by = cx.identity()?.user;
        cx.throttle().enter(Attempt::Inviting(by)).await?;
        let found = directory::owners(cx.directory(), &[self.email]).await?.pop();
        let invitee = found.ok_or(Error::NotFound(Entity::Account))?;
        let invited = Attempt::BeingInvited { by, invitee };
        cx.throttle().enter(invited).await?;
        let invite = invite(cx, self.org, Some(invitee), self.role)?;
        let id = invite.id;
        let mail = mail_within_limits(cx, &invite, invitee, &self.path).await;
        let mailed = mail.is_some();
        let changes = [Change::InsertInvite(invite)].into_iter().chain(mail).collect();
        let made = cx.commit(changes).await;
        if made.is_err() {
            cx.throttle().take_back(invited).await;
            if mailed {
                cx.throttle().take_back(Attempt::InviteMail(invitee)).await;
            }
        }
        made.map(|()| id)
    }
}

/// A fresh invite by the caller.
pub(super) fn invite(
    cx: &Cx<'_>,
    org: OrgId,
    invitee: Option<UserId>,
    role: OrgRole,
) -> Result<Invite> {
    Ok(Invite {
        id: cx.new_id(),
        org,
        inviter: cx.identity()?.user,
        invitee,
        role,
        state: InviteState::Pending,
        created_at: cx.now,
        expires_at: cx.now.plus(cx.rules().invite_life),
    })
}

/// Whether a mail may lead there.
pub(super) fn check_path(cx: &Cx<'_>, path: &RedirectPath) -> Result<()> {
    if cx.rules().redirect_prefixes.iter().any(|prefix| path.is_below(prefix)) {
        Ok(())
    } else {
        Err(Error::malformed("redirect_path", "is not one that links may lead to here"))
    }
}

/// The mail that tells the invitee, if anybody sends mails.
pub(super) fn mail(
    cx: &Cx<'_>,
    invite: InviteId,
    expires_at: Timestamp,
    path: &RedirectPath,
) -> Option<Change> {
    let message = || Message::OrgInvite { invite, path: path.clone() };
    cx.rules().mail.then(|| {
        let (id, message, created_at) = (cx.new_id(), message(), cx.now);
        Change::QueueMail(Mail { id, message, created_at, expires_at })
    })
}

/// The same, unless the invitee got too many lately: then the invite is there, and they find it by themselves.
async fn mail_within_limits(
    cx: &Cx<'_>,
    invite: &Invite,
    invitee: UserId,
    path: &RedirectPath,
) -> Option<Change> {
    let mail = mail(cx, invite.id, invite.expires_at, path)?;
    let entered = cx.throttle().enter(Attempt::InviteMail(invitee)).await;
    entered.is_ok().then_some(mail)
}

/// What to do with an invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Become a member by it.
    Accept,
    /// Do not.
    Decline,
}

/// Answers an invite. Only the invitee does, whatever somebody else is.
#[derive(Debug)]
pub struct RespondInvite {
    /// Which one.
    pub id: InviteId,
    /// How.
    pub answer: Answer,
    /// Where on the front end a link leads that proves their address, if one has to be mailed; if nothing is said, to
    /// the first path that links may lead to.
    pub path: Option<RedirectPath>,
}

impl Operation for RespondInvite {
    type Output = ();
    const NAME: &'static str = "respond_org_invite";

    fn access(&self) -> Access {
        Access::SignedIn
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let invitee = cx.identity()?.user;
        let invite = find(cx, self.id).await?.invite;
        if invite.invitee != Some(invitee) {
            return Err(Error::Forbidden);
        }
        check_open(cx, &invite)?;
        match self.answer {
            Answer::Accept => accept(cx, &invite, invitee, self.path).await,
            Answer::Decline => cx.commit(vec![settle(&invite, Settlement::Declined)]).await,
        }
    }
}

pub(super) async fn find(cx: &Cx<'_>, id: InviteId) -> Result<OrgInvite> {
    cx.store().invite(id).await?.ok_or(Error::NotFound(Entity::Invite))
}

fn check_open(cx: &Cx<'_>, invite: &Invite) -> Result<()> {
    match invite.state_at(cx.now) {
        InviteState::Pending => Ok(()),
        InviteState::Expired => Err(InviteClosed::Expired.into()),
        InviteState::Accepted | InviteState::Declined | InviteState::Revoked => {
            Err(InviteClosed::Settled.into())
        }
    }
}

fn settle(invite: &Invite, to: Settlement) -> Change {
    let Invite { id, org, invitee, .. } = *invite;
    Change::SettleInvite { id, org, invitee, to }
}

/// Makes the invitee a member. If they are one already, the invite is used up all the same: they keep
/// the role they have and are told.
async fn accept(
    cx: &Cx<'_>,
    invite: &Invite,
    member: UserId,
    path: Option<RedirectPath>,
) -> Result<()> {
    let Invite { org, inviter, role, .. } = *invite;
    // Rows of the original may offer it. Nobody gives it by an invite.
    if role == OrgRole::Owner || !directory::knows(cx.directory(), inviter).await? {
        return Err(InviteClosed::Void.into());
    }
    check_address(cx, member, path).await?;
    let accepted = || settle(invite, Settlement::Accepted);
    let at = cx.now;
    let joined = Membership { org, member, role, created_at: at, updated_at: at };
    for _ in 0..TRIES {
        // No cut-off is as late as this but that of an account that is disabled.
        let issued_at = BARRED.saturating_sub(1);
        let guards = [
            Guard::MayInvite { user: inviter, org },
            Guard::SessionLives { user: inviter, issued_at },
        ];
        let changes = vec![accepted(), Change::InsertMembership(joined.clone())];
        match cx.commit_if(&guards, changes).await {
            Err(Error::AlreadyExists(Entity::Membership)) => {}
            // The inviter was disabled meanwhile; or the invitee, who is told what everybody is told then. Or the inviter was
            // for a moment only.
            Err(Error::Unauthenticated(reason)) => {
                if !directory::knows(cx.directory(), inviter).await? {
                    return Err(InviteClosed::Void.into());
                }
                if !directory::knows(cx.directory(), member).await? {
                    return Err(reason.into());
                }
            }
            other => return other,
        }
        let is_member = Guard::IsMember { user: member, org };
        match cx.commit_if(&[is_member], vec![accepted()]).await {
            Ok(()) => return Err(Error::AlreadyExists(Entity::Membership)),
            // They left in between, so they can join.
            Err(Error::NotFound(Entity::Membership)) => {}
            Err(other) => return Err(other),
        }
    }
    Err(Conflict::Contention.into())
}

/// Takes an invite back: for whoever made it and for everybody who could make it.
#[derive(Debug)]
pub struct RevokeInvite {
    /// Which one.
    pub id: InviteId,
}

impl Operation for RevokeInvite {
    type Output = ();
    const NAME: &'static str = "revoke_org_invite";

    fn access(&self) -> Access {
        Access::SignedIn
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let invite = find(cx, self.id).await?.invite;
        if invite.inviter != cx.identity()?.user {
            authorize_admin(cx, invite.org).await?;
        }
        check_open(cx, &invite)?;
        cx.commit(vec![settle(&invite, Settlement::Revoked)]).await
    }
}

/// Whoever asks for an invite by its id knows that there is the org.
pub(super) async fn authorize_admin(cx: &mut Cx<'_>, org: OrgId) -> Result<()> {
    match cx.authorize(Access::InOrg(org, Action::Admin)).await {
        Err(Error::NotFound(Entity::Org)) => Err(Error::Forbidden),
        other => other,
    }
}
