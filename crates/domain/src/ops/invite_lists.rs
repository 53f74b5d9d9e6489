//! Invites to orgs as they are shown, one or many.

use std::collections::BTreeSet;

use super::invites::{authorize_admin, find};
use super::sessions::known;
use crate::app::{Access, Cx, Operation};
use crate::directory;
use crate::error::{Entity, Error, Result};
use crate::model::{
    Action, InviteId, InviteOrder, InviteQuery, InviteState, InvitesOf, Listing, OrgId, OrgInvite,
    Page, ShownInvite, UserId,
};
use crate::ports::Class;

/// Shows an invite to the two it is between and to everybody who could make it.
#[derive(Debug)]
pub struct ViewInvite {
    /// Which one.
    pub id: InviteId,
}

impl Operation for ViewInvite {
    type Output = ShownInvite;
    const NAME: &'static str = "view_org_invite";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::SignedIn
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<ShownInvite> {
        let user = cx.identity()?.user;
        let found = find(cx, self.id).await?;
        if found.invite.inviter != user && found.invite.invitee != Some(user) {
            authorize_admin(cx, found.invite.org).await?;
        }
        let shown = show(cx, vec![found]).await?.pop();
        shown.ok_or(Error::NotFound(Entity::Invite))
    }
}

/// Lists the invites to an org.
#[derive(Debug)]
pub struct ListInvitesByOrg {
    /// Which org.
    pub org: OrgId,
    /// Only those in one of these states.
    pub states: Vec<InviteState>,
    /// Which part of them.
    pub page: Page<InviteOrder>,
}

impl Operation for ListInvitesByOrg {
    type Output = Listing<ShownInvite>;
    const NAME: &'static str = "list_org_invites_by_org";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::InOrg(self.org, Action::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Listing<ShownInvite>> {
        list(cx, InvitesOf::Org(self.org), self.states, self.page).await
    }
}

/// Which invites of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those they received.
    Received,
    /// Those they sent.
    Sent,
}

/// Lists the invites of a user: one's own, or anybody's for whoever has a platform role.
#[derive(Debug)]
pub struct ListInvitesByUser {
    /// Whose.
    pub user: UserId,
    /// Which of theirs.
    pub side: Side,
    /// Only those in one of these states.
    pub states: Vec<InviteState>,
    /// Which part of them.
    pub page: Page<InviteOrder>,
}

impl Operation for ListInvitesByUser {
    type Output = Listing<ShownInvite>;
    const NAME: &'static str = "list_org_invites_by_user";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::SignedIn
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Listing<ShownInvite>> {
        let caller = cx.identity()?.user;
        if caller != self.user && cx.store().standing(caller, None).await?.platform.is_none() {
            return Err(Error::Forbidden);
        }
        known(self.user)?;
        let of = match self.side {
            Side::Received => InvitesOf::Invitee(self.user),
            Side::Sent => InvitesOf::Inviter(self.user),
        };
        list(cx, of, self.states, self.page).await
    }
}

async fn list(
    cx: &Cx<'_>,
    of: InvitesOf,
    states: Vec<InviteState>,
    page: Page<InviteOrder>,
) -> Result<Listing<ShownInvite>> {
    let query = InviteQuery { of, states, at: cx.now };
    let found = cx.store().invites(&query, page).await?;
    Ok(Listing { items: show(cx, found.items).await?, total: found.total })
}

/// As they are now, with the addresses of everybody in them: one call to the directory.
async fn show(cx: &Cx<'_>, invites: Vec<OrgInvite>) -> Result<Vec<ShownInvite>> {
    let people = invites.iter().map(|found| &found.invite);
    let people = people.flat_map(|invite| invite.invitee.into_iter().chain([invite.inviter]));
    let people: Vec<UserId> = people.collect::<BTreeSet<_>>().into_iter().collect();
    let addresses = directory::addresses(cx.directory(), &people).await?;
    let address = |user: UserId| addresses.get(&user).cloned().unwrap_or_default();
    let shown = |OrgInvite { mut invite, org_name }: OrgInvite| {
        invite.state = invite.state_at(cx.now);
        ShownInvite {
            invitee_email: invite.invitee.map(address).unwrap_or_default(),
            inviter_email: address(invite.inviter),
            invite,
            org_name,
        }
    };
    Ok(invites.into_iter().map(shown).collect())
}
