//! Invites to the platform: making, showing and taking them back, and opening an account by one.
//!
//! Like an invite to an org it ends once, by [`Change::SettlePlatformInvite`], in the transaction that opens the account
//! or wakes what waits for it; and it is worth what its inviter may still give at that moment.

use secrecy::SecretString;

use super::accounts::open;
use super::dormant_invites::awakening;
use super::invites::{TRIES, check_path, invite};
use super::passwords::hash;
use super::tickets::forget_registrations;
use crate::app::{Access, Cx, Operation};
use crate::change::{Change, Guard};
use crate::directory;
use crate::error::{Conflict, Entity, Error, Invalid, InviteClosed, Result};
use crate::model::{
    AccountId, AccountStatus, Action, Email, InviteState, Listing, Mail, Message, Metadata, OrgId,
    OrgRole, Page, PlatformInvite, PlatformInviteId, PlatformInviteOrder, PlatformInviteQuery,
    PlatformRole, RedirectPath, Settlement,
};
use crate::ports::{Attempt, BARRED, Class};

/// Invites somebody without an account to open one, and perhaps to an org.
#[derive(Debug)]
pub struct CreatePlatformInvite {
    /// Their address.
    pub email: Email,
    /// An org they are invited to when they have an account, and as what.
    pub org: Option<(OrgId, OrgRole)>,
    /// Where on the front end the mail leads.
    pub path: RedirectPath,
}

impl Operation for CreatePlatformInvite {
    type Output = PlatformInviteId;
    const NAME: &'static str = "create_platform_invite";

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<PlatformInviteId> {
        if self.org.is_some_and(|(_, role)| role == OrgRole::Owner) {
            return Err(Invalid::Role.into());
        }
        check_path(cx, &self.path)?;
        let inviter = cx.identity()?.user;
        cx.throttle().enter(Attempt::Inviting(inviter)).await?;
        if let Some((org, _)) = self.org {
            cx.authorize(Access::InOrg(org, Action::Admin)).await?;
        }
        if cx.store().account_by_email(&self.email).await?.is_some() {
            return Err(Error::AlreadyExists(Entity::Account));
        }
        let (id, created_at) = (cx.new_id(), cx.now);
        let expires_at = created_at.plus(cx.rules().invite_life);
        let (email, state) = (self.email, InviteState::Pending);
        let made = PlatformInvite { id, email, inviter, state, created_at, expires_at };
        let mut changes = vec![Change::InsertPlatformInvite(made)];
        if let Some((org, role)) = self.org {
            let (invite, platform_invite) = (invite(cx, org, None, role)?, id);
            changes.push(Change::InsertDormantInvite { invite, platform_invite });
        }
        if cx.rules().mail {
            let (mail, path) = (cx.new_id(), self.path);
            let message = Message::PlatformInvite { invite: id, path };
            changes.push(Change::QueueMail(Mail { id: mail, message, created_at, expires_at }));
        }
        match cx.commit(changes).await {
            Err(Error::AlreadyExists(Entity::Invite)) => {
                Err(Error::AlreadyExists(Entity::PlatformInvite))
            }
            committed => committed.map(|()| id),
        }
    }
}

/// Shows a platform invite.
#[derive(Debug)]
pub struct ViewPlatformInvite {
    /// Which one.
    pub id: PlatformInviteId,
}

impl Operation for ViewPlatformInvite {
    type Output = PlatformInvite;
    const NAME: &'static str = "view_platform_invite";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<PlatformInvite> {
        let found = cx.store().platform_invite(self.id).await?;
        found.map(|invite| as_it_is(invite, cx)).ok_or(Error::NotFound(Entity::Invite))
    }
}

fn as_it_is(invite: PlatformInvite, cx: &Cx<'_>) -> PlatformInvite {
    PlatformInvite { state: invite.state_at(cx.now), ..invite }
}

/// Lists platform invites.
#[derive(Debug)]
pub struct ListPlatformInvites {
    /// Only those to an address that contains this, in whatever case; empty means all.
    pub email: String,
    /// Only those in one of these states.
    pub states: Vec<InviteState>,
    /// Which part of them.
    pub page: Page<PlatformInviteOrder>,
}

impl Operation for ListPlatformInvites {
    type Output = Listing<PlatformInvite>;
    const NAME: &'static str = "list_platform_invites";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Listing<PlatformInvite>> {
        let query = PlatformInviteQuery { email: self.email, states: self.states, at: cx.now };
        let found = cx.store().platform_invites(&query, self.page).await?;
        let items = found.items.into_iter().map(|invite| as_it_is(invite, cx)).collect();
        Ok(Listing { items, total: found.total })
    }
}

/// Takes a platform invite back, with what waits for it.
#[derive(Debug)]
pub struct RevokePlatformInvite {
    /// Which one.
    pub id: PlatformInviteId,
}

impl Operation for RevokePlatformInvite {
    type Output = ();
    const NAME: &'static str = "revoke_platform_invite";

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let caller = cx.identity()?.user;
        for _ in 0..TRIES {
            let waiting = cx.store().waiting_invites(self.id, caller).await?;
            let to = Settlement::Revoked;
            let ending = waiting.into_iter().map(|one| one.invite).map(|invite| {
                Change::SettleInvite { id: invite.id, org: invite.org, invitee: None, to }
            });
            let revoking = Change::SettlePlatformInvite { id: self.id, to };
            match cx.commit([revoking].into_iter().chain(ending).collect()).await {
                // One that waited was ended by somebody else: look again.
                Err(Error::Conflict(Conflict::InviteAnswered)) => {}
                other => return other,
            }
        }
        Err(Conflict::Contention.into())
    }
}

/// Opens an account by a platform invite. The invites to orgs that wait for it are theirs then.
#[derive(Debug)]
pub struct RegisterByInvite {
    /// Which one.
    pub invite: PlatformInviteId,
    /// How they will sign in: the address that is invited.
    pub email: Email,
    /// Their password.
    pub password: SecretString,
    /// What clients attach to them.
    pub metadata: Metadata,
    /// Where on the front end the mails about invites to orgs lead.
    pub path: RedirectPath,
}

impl Operation for RegisterByInvite {
    type Output = AccountId;
    const NAME: &'static str = "register_by_invite";
    const CLASS: Class = Class::SignIns;

    fn access(&self) -> Access {
        Access::Anyone
    }

    /// Whoever does not know both the invite and the address it is for is told nothing but no.
    async fn run(self, cx: &mut Cx<'_>) -> Result<AccountId> {
        if !cx.passwords().acceptable(&self.password, Some(&self.email)) {
            return Err(Invalid::Password.into());
        }
        check_path(cx, &self.path)?;
        let found = cx.store().platform_invite(self.invite).await?;
        let theirs = found.filter(|found| found.email.key() == self.email.key());
        let found = theirs.ok_or(Error::Forbidden)?;
        // By this invite, perhaps, when the answer was lost.
        if cx.store().account_by_email(&self.email).await?.is_some() {
            return Err(Error::AlreadyExists(Entity::Account));
        }
        let inviter = found.inviter;
        let pending = found.state_at(cx.now) == InviteState::Pending;
        if !pending || !directory::knows(cx.directory(), inviter).await? {
            return Err(Error::Forbidden);
        }
        let password = hash(cx, self.password, &self.email).await?;
        let account = open(cx, self.email, password, AccountStatus::Enabled, self.metadata);
        for _ in 0..TRIES {
            let waiting = cx.store().waiting_invites(self.invite, account.id).await?;
            let to = Settlement::Accepted;
            let mut changes = vec![
                Change::SettlePlatformInvite { id: self.invite, to },
                Change::InsertAccount(account.clone()),
                forget_registrations(&account.email),
            ];
            changes.extend(awakening(cx, account.id, &self.path, &waiting));
            // Hashing took a while. No cut-off is as late as this but that of an account that is disabled.
            let issued_at = BARRED.saturating_sub(1);
            let guards = [
                Guard::OnPlatform { user: inviter, needed: PlatformRole::Admin },
                Guard::SessionLives { user: inviter, issued_at },
            ];
            match cx.commit_if(&guards, changes).await {
                Ok(()) => return Ok(account.id),
                Err(Error::Unauthenticated(_)) => return Err(Error::Forbidden),
                // One that waited was ended by somebody else: look again.
                Err(
                    Error::Conflict(Conflict::InviteAnswered) | Error::NotFound(Entity::Invite),
                ) => {}
                // Of two who answer or revoke one at once, one is told.
                Err(Error::InviteClosed(InviteClosed::Settled | InviteClosed::Expired)) => {
                    return Err(Error::Forbidden);
                }
                Err(other) => return Err(other),
            }
        }
        Err(Conflict::Contention.into())
    }
}

/// Notes which platform invites have expired, and ends what waits for them.
#[derive(Debug)]
pub struct ExpirePlatformInvites;

impl Operation for ExpirePlatformInvites {
    type Output = ();
    const NAME: &'static str = "expire_platform_invites";

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        cx.commit(vec![Change::ExpirePlatformInvites]).await
    }
}
