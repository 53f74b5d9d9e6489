//! Invites to the platform: making, showing and taking them back, and opening an account by one.
//!
//! Like an invite to an org it ends once, by [`Change::SettlePlatformInvite`], in the transaction that opens the account
//! or wakes what waits for it; and it is worth what its inviter may still give at that moment.

use secrecy::SecretString;

use super::accounts::open;
use super::addresses::verified;
use super::dormant_invites::awakening;
use super::invites::{TRIES, check_path, invite};
use super::passwords::hash;
use super::tickets::{forget_registrations, mailed, shown};
use crate::app::{Access, Cx, Operation};
use crate::change::{Change, Guard};
use crate::directory;
use crate::error::{Conflict, Entity, Error, Invalid, InviteClosed, Result};
use crate::model::{
    AccountId, AccountStatus, Action, Email, Grant, InviteProof, InviteState, Listing, Message,
    Metadata, OrgId, OrgRole, Page, PlatformInvite, PlatformInviteId, PlatformInviteOrder,
    PlatformInviteQuery, PlatformRole, Purpose, RedirectPath, Settlement, StoredTicket, UserId,
};
use crate::policy::on_platform;
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
        // Whoever invites and revokes again and again fills somebody's mailbox.
        let source = cx.source();
        let key = self.email.key().to_owned();
        let mailed_to =
            Attempt::BeingSentLink { source, purpose: Purpose::PlatformInvite, address: &key };
        if cx.rules().mail {
            cx.throttle().enter(mailed_to).await?;
        }
        let made = self.make(cx, inviter).await;
        if made.is_err() && cx.rules().mail {
            cx.throttle().take_back(mailed_to).await;
        }
        made
    }
}

impl CreatePlatformInvite {
    async fn make(self, cx: &Cx<'_>, inviter: UserId) -> Result<PlatformInviteId> {
        let (id, created_at) = (cx.new_id(), cx.now);
        let expires_at = created_at.plus(cx.rules().invite_life);
        let (email, state) = (self.email.clone(), InviteState::Pending);
        let made = PlatformInvite { id, email, inviter, state, created_at, expires_at };
        let mut making = vec![Change::InsertPlatformInvite(made)];
        if let Some((org, role)) = self.org {
            let (invite, platform_invite) = (invite(cx, org, None, role)?, id);
            making.push(Change::InsertDormantInvite { invite, platform_invite });
        }
        if cx.rules().mail {
            let path = self.path;
            let message = |ticket| Message::PlatformInvite { invite: id, ticket, path };
            making.extend(mailed(cx, Grant::PlatformInvite(id), message));
        }
        let mut in_the_way = Vec::new();
        for _ in 0..TRIES {
            let changes = in_the_way.drain(..).chain(making.iter().cloned()).collect();
            match cx.commit(changes).await {
                Err(Error::AlreadyExists(Entity::Invite)) => {
                    let void = void_invite(cx, &self.email).await?;
                    let void = void.ok_or(Error::AlreadyExists(Entity::PlatformInvite))?;
                    in_the_way = revoking(cx, void, inviter).await?;
                }
                // What was in the way was ended by somebody else: look again.
                Err(
                    Error::Conflict(Conflict::InviteAnswered)
                    | Error::NotFound(Entity::Invite)
                    | Error::InviteClosed(_),
                ) => {}
                committed => return committed.map(|()| id),
            }
        }
        Err(Conflict::Contention.into())
    }
}

/// The pending invite to this address if it is worth nothing, because whoever made it may not invite any more: it stands
/// in nobody's way.
async fn void_invite(cx: &Cx<'_>, email: &Email) -> Result<Option<PlatformInviteId>> {
    let Some(pending) = cx.store().pending_platform_invite(email).await? else { return Ok(None) };
    Ok((!may_still_invite(cx, pending.inviter).await?).then_some(pending.id))
}

/// What takes a platform invite back, with what waits for it.
async fn revoking(cx: &Cx<'_>, id: PlatformInviteId, by: UserId) -> Result<Vec<Change>> {
    let waiting = cx.store().waiting_invites(id, by).await?;
    let to = Settlement::Revoked;
    let ending = waiting.into_iter().map(|one| one.invite).map(|invite| Change::SettleInvite {
        id: invite.id,
        org: invite.org,
        invitee: None,
        to,
    });
    Ok([Change::SettlePlatformInvite { id, to }].into_iter().chain(ending).collect())
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

/// Whether an invite of this inviter is worth anything at this moment.
pub(super) async fn may_still_invite(cx: &Cx<'_>, inviter: UserId) -> Result<bool> {
    let platform = cx.store().standing(inviter, None).await?.platform;
    let may = on_platform(platform, PlatformRole::Admin).is_ok();
    Ok(may && directory::knows(cx.directory(), inviter).await?)
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
            let found = cx.store().platform_invite(self.id).await?;
            found.ok_or(Error::NotFound(Entity::Invite))?;
            match cx.commit(revoking(cx, self.id, caller).await?).await {
                // One that waited was ended by somebody else, or is gone with its org: look again.
                Err(
                    Error::Conflict(Conflict::InviteAnswered) | Error::NotFound(Entity::Invite),
                ) => {}
                other => return other,
            }
        }
        Err(Conflict::Contention.into())
    }
}

/// Opens an account by a platform invite. The invites to orgs that wait for it are theirs then.
#[derive(Debug)]
pub struct RegisterByInvite {
    /// What shows that they are invited.
    pub proof: InviteProof,
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
        let proved = matches!(self.proof, InviteProof::Secret(_));
        let id = invited(cx, self.proof).await?;
        let found = cx.store().platform_invite(id).await?;
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
        let account = if proved { verified(cx, account) } else { account };
        for _ in 0..TRIES {
            let waiting = cx.store().waiting_invites(id, account.id).await?;
            let to = Settlement::Accepted;
            let mut changes = vec![
                Change::SettlePlatformInvite { id, to },
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

/// Which invite somebody proves to have got. Where mail is sent, only its reader can: the id is known to more.
async fn invited(cx: &Cx<'_>, proof: InviteProof) -> Result<PlatformInviteId> {
    let secret = match proof {
        InviteProof::Secret(secret) => secret,
        InviteProof::Id(id) if !cx.rules().mail => return Ok(id),
        InviteProof::Id(_) => return Err(Error::Forbidden),
    };
    match shown(cx, &[Purpose::PlatformInvite], &secret).await {
        Ok(StoredTicket { grant: Grant::PlatformInvite(id), is_over: false, .. }) => Ok(id),
        Ok(_) | Err(Error::Unauthenticated(_)) => Err(Error::Forbidden),
        Err(other) => Err(other),
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
