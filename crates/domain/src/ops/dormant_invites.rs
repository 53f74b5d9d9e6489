//! Invites for people without an account. They wait for a platform invite, which the users service keeps;
//! when that is answered, the users service says by whom.

use super::invites::{TRIES, check_path, invite, mail};
use crate::app::{Access, Cx, Operation};
use crate::change::Change;
use crate::directory;
use crate::error::{Conflict, Entity, Error, Invalid, Result};
use crate::model::{
    Action, Invite, InviteId, OrgId, OrgInvite, OrgRole, PlatformInviteId, RedirectPath, Rival,
    Settlement, UserId, WaitingInvite,
};
use crate::ports::{Attempt, Class};
use crate::{Id, Timestamp};

/// Invites whoever will answer a platform invite.
#[derive(Debug)]
pub struct CreateDormantInvite {
    /// To which org.
    pub org: OrgId,
    /// What they become if they accept.
    pub role: OrgRole,
    /// Which platform invite.
    pub platform_invite: PlatformInviteId,
}

impl Operation for CreateDormantInvite {
    type Output = ();
    const NAME: &'static str = "create_dormant_org_invite";

    fn access(&self) -> Access {
        Access::InOrg(self.org, Action::Admin)
    }

    /// Limited by whom it is from and by whom it is to, who gets a mail of each org in the end.
    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        if self.role == OrgRole::Owner {
            return Err(Invalid::Role.into());
        }
        let by = cx.identity()?.user;
        cx.throttle().enter(Attempt::Inviting(by)).await?;
        // They are nobody yet: they count by what they will answer.
        let invited = Attempt::BeingInvited { by, invitee: Id::new(self.platform_invite.uuid()) };
        cx.throttle().enter(invited).await?;
        let invite = invite(cx, self.org, None, self.role)?;
        let platform_invite = self.platform_invite;
        let made = cx.commit(vec![Change::InsertDormantInvite { invite, platform_invite }]).await;
        if made.is_err() {
            cx.throttle().take_back(invited).await;
        }
        made
    }
}

/// Shows a sibling service the newest invite that waits for a platform invite.
#[derive(Debug)]
pub struct ViewDormantInvite {
    /// Which platform invite.
    pub platform_invite: PlatformInviteId,
}

impl Operation for ViewDormantInvite {
    type Output = OrgInvite;
    const NAME: &'static str = "view_dormant_org_invite";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<OrgInvite> {
        let found = cx.store().dormant_invite(self.platform_invite).await?;
        found.ok_or(Error::NotFound(Entity::Invite))
    }
}

/// Gives the invites that wait for a platform invite to whoever answered it. Repeating it changes
/// nothing.
///
/// Somebody has one pending invite to an org: of several the one that offers the most stays, the newest
/// of those that offer the same, and the others are revoked. Members need none.
#[derive(Debug)]
pub struct ActivateInvites {
    /// Which platform invite.
    pub platform_invite: PlatformInviteId,
    /// Who answered it.
    pub user: UserId,
    /// Where on the front end the mail leads.
    pub path: RedirectPath,
}

impl Operation for ActivateInvites {
    type Output = ();
    const NAME: &'static str = "activate_org_invite";

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let mut checked = false;
        for _ in 0..TRIES {
            let waiting = cx.store().waiting_invites(self.platform_invite, self.user).await?;
            if waiting.is_empty() {
                return Ok(());
            }
            if !checked {
                check_path(cx, &self.path)?;
                if !directory::knows(cx.directory(), self.user).await? {
                    return Err(Error::NotFound(Entity::Account));
                }
                checked = true;
            }
            match cx.commit(awakening(cx, self.user, &self.path, &waiting)).await {
                // Others were faster, with this or with one of the orgs: look again.
                Err(
                    Error::AlreadyExists(Entity::Invite | Entity::Membership)
                    | Error::NotFound(Entity::Invite)
                    | Error::Conflict(Conflict::InviteAnswered),
                ) => {}
                other => return other,
            }
        }
        Err(Conflict::Contention.into())
    }
}

/// What gives the invites that wait to this user, whose mails lead there.
pub(super) fn awakening(
    cx: &Cx<'_>,
    user: UserId,
    path: &RedirectPath,
    waiting: &[WaitingInvite],
) -> Vec<Change> {
    let mut changes = Vec::new();
    for to_one_org in waiting.chunk_by(|one, other| one.invite.org == other.invite.org) {
        awaken(cx, user, path, to_one_org, &mut changes);
    }
    changes
}

/// What is revoked comes first: it makes room.
fn awaken(
    cx: &Cx<'_>,
    user: UserId,
    path: &RedirectPath,
    waiting: &[WaitingInvite],
    changes: &mut Vec<Change>,
) {
    let kept = waiting.iter().filter(|one| !one.is_member).max_by_key(|one| worth(&one.invite));
    let kept = kept.filter(|kept| {
        let better = |rival: Rival| (rival.role, rival.created_at, rival.id) > worth(&kept.invite);
        !kept.rival.is_some_and(better)
    });
    let all = waiting.iter().map(|one| &one.invite);
    let others = all.filter(|one| kept.is_none_or(|kept| kept.invite.id != one.id));
    changes.extend(others.map(|other| revoke(other.id, other.org, None)));
    let Some(WaitingInvite { invite: Invite { id, org, .. }, rival, .. }) = kept else {
        return;
    };
    changes.extend(rival.map(|rival| revoke(rival.id, *org, Some(user))));
    let expires_at = cx.now.plus(cx.rules().invite_life);
    let (id, org, invitee) = (*id, *org, user);
    changes.push(Change::ActivateInvite { id, org, invitee, expires_at });
    changes.extend(mail(cx, id, expires_at, path));
}

/// What one is kept for: by role, then by age.
const fn worth(invite: &Invite) -> (OrgRole, Timestamp, InviteId) {
    (invite.role, invite.created_at, invite.id)
}

fn revoke(id: InviteId, org: OrgId, invitee: Option<UserId>) -> Change {
    Change::SettleInvite { id, org, invitee, to: Settlement::Revoked }
}
