//! Who belongs to an org, and as what.
//!
//! What these operations decide by is checked in the commit, so none of them looks first: whoever is no
//! member, or the owner, is refused there. Giving a role takes the action `admin`, which includes every
//! role but `owner`; that one is only given by [`TransferOwnership`]. So nobody gives more than they have.

use std::collections::BTreeSet;

use crate::app::{Access, Cx, Operation};
use crate::change::Change;
use crate::directory;
use crate::error::{Conflict, Entity, Error, Invalid, Result};
use crate::model::{
    Action, Direction, Email, Listing, Member, MemberOrder, MemberQuery, Membership, OrgId,
    OrgRole, Page, UserId,
};
use crate::ports::{Class, MAX_PEOPLE};

/// The most members one call adds, changes or removes.
pub const MAX_BATCH: usize = 200;
/// The most members an org can have to be searched or ordered by address when a remote directory has
/// the addresses: that takes one call to it for every [`MAX_PEOPLE`] members.
pub const MAX_SEARCHED: usize = 100_000;

/// What one call works on: at least one, at most [`MAX_BATCH`].
#[derive(Clone, Debug)]
pub struct Batch<T>(Vec<T>);

impl<T> Batch<T> {
    /// The batch, if there is anything in it and not too much.
    pub fn new(items: Vec<T>) -> Result<Self> {
        match items.len() {
            0 => Err(Invalid::EmptyList.into()),
            1..=MAX_BATCH => Ok(Self(items)),
            _ => Err(Invalid::ListTooLong.into()),
        }
    }

    /// What is in it.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.0
    }
}

/// A role for somebody.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Their address; `None` is one that nobody can have.
    pub email: Option<Email>,
    /// The role.
    pub role: OrgRole,
}

/// Makes people members: all of them or none.
#[derive(Debug)]
pub struct AddMembers {
    /// Of which org.
    pub org: OrgId,
    /// Who, as what.
    pub grants: Batch<Grant>,
}

impl Operation for AddMembers {
    type Output = ();
    const NAME: &'static str = "create_org_memberships";

    fn access(&self) -> Access {
        Access::InOrg(self.org, Action::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        if !cx.rules().direct_add {
            return Err(Error::Forbidden);
        }
        let (org, at) = (self.org, cx.now);
        let joined = |(member, role)| {
            let joined = Membership { org, member, role, created_at: at, updated_at: at };
            Change::InsertMembership(joined)
        };
        let changes = understand(cx, self.grants.items()).await?.into_iter().map(joined).collect();
        cx.commit(changes).await
    }
}

/// Changes what members are: all of them or none. Of two roles for one member the last counts.
#[derive(Debug)]
pub struct UpdateMembers {
    /// Of which org.
    pub org: OrgId,
    /// Who, as what.
    pub grants: Batch<Grant>,
}

impl Operation for UpdateMembers {
    type Output = ();
    const NAME: &'static str = "update_org_memberships";

    fn access(&self) -> Access {
        Access::InOrg(self.org, Action::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let (org, at) = (self.org, cx.now);
        let update = |(member, role)| Change::UpdateMembership { org, member, role, at };
        let changes = understand(cx, self.grants.items()).await?.into_iter().map(update).collect();
        cx.commit(changes).await
    }
}

/// Whether members can be given this role. Clients of the original are told that before they are asked who they are.
pub fn can_be_given(role: OrgRole) -> Result<()> {
    match role {
        OrgRole::Owner => Err(Error::malformed("role", "owner is given by transferring the org")),
        OrgRole::Viewer | OrgRole::Editor | OrgRole::Admin => Ok(()),
    }
}

/// Who gets which role, once everybody is found.
async fn understand(cx: &Cx<'_>, grants: &[Grant]) -> Result<Vec<(UserId, OrgRole)>> {
    grants.iter().try_for_each(|grant| can_be_given(grant.role))?;
    let emails: Option<Vec<Email>> = grants.iter().map(|grant| grant.email.clone()).collect();
    let emails = emails.ok_or(Error::NotFound(Entity::Account))?;
    let users = directory::owners(cx.directory(), &emails).await?;
    Ok(users.into_iter().zip(grants.iter().map(|grant| grant.role)).collect())
}

/// Takes members out of an org: all of them or none.
#[derive(Debug)]
pub struct RemoveMembers {
    /// Of which org.
    pub org: OrgId,
    /// Who. Naming one twice changes nothing.
    pub members: Batch<UserId>,
}

impl Operation for RemoveMembers {
    type Output = ();
    const NAME: &'static str = "remove_org_memberships";

    fn access(&self) -> Access {
        Access::InOrg(self.org, Action::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let org = self.org;
        let members: BTreeSet<UserId> = self.members.items().iter().copied().collect();
        let remove = |member| Change::RemoveMembership { org, member };
        cx.commit(members.into_iter().map(remove).collect()).await
    }
}

/// Takes the caller out of an org.
#[derive(Debug)]
pub struct LeaveOrg {
    /// Which.
    pub org: OrgId,
}

impl Operation for LeaveOrg {
    type Output = ();
    const NAME: &'static str = "leave_org";

    fn access(&self) -> Access {
        Access::InOrg(self.org, Action::Viewer)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let member = cx.identity()?.user;
        match cx.commit(vec![Change::RemoveMembership { org: self.org, member }]).await {
            // Whoever belongs to an org may look at it, so it is not the guard that says no.
            Err(Error::Forbidden) => Err(Conflict::OwnerStays.into()),
            other => other,
        }
    }
}

/// Makes a member the owner of an org; the owner becomes an admin.
#[derive(Debug)]
pub struct TransferOwnership {
    /// Which org.
    pub org: OrgId,
    /// To whom.
    pub to: UserId,
}

impl Operation for TransferOwnership {
    type Output = ();
    const NAME: &'static str = "transfer_org";

    fn access(&self) -> Access {
        Access::LoggedIn("failed to perform authentication over the entity")
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        cx.authorize(Access::InOrg(self.org, Action::Owner)).await?;
        let org = cx.store().org(self.org).await?.ok_or(Error::NotFound(Entity::Org))?;
        let (from, to, at) = (org.owner, self.to, cx.now);
        cx.commit(vec![Change::TransferOrg { org: org.id, from, to, at }]).await
    }
}

/// Shows a member to the others.
#[derive(Debug)]
pub struct ViewMember {
    /// Of which org.
    pub org: OrgId,
    /// Who.
    pub member: UserId,
}

impl Operation for ViewMember {
    type Output = Member;
    const NAME: &'static str = "view_org_membership";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::InOrg(self.org, Action::Viewer)
    }

    /// The directory is asked about members only.
    async fn run(self, cx: &mut Cx<'_>) -> Result<Member> {
        let membership = cx.store().membership(self.org, self.member).await?;
        let membership = membership.ok_or(Error::NotFound(Entity::Membership))?;
        let mut addresses = directory::addresses(cx.directory(), &[self.member]).await?;
        let email = addresses.remove(&self.member).unwrap_or_default();
        Ok(Member { membership, email })
    }
}

/// Lists the members of an org to each other.
#[derive(Debug)]
pub struct ListMembers {
    /// Which of them.
    pub query: MemberQuery,
    /// Which part of them.
    pub page: Page<MemberOrder>,
}

impl Operation for ListMembers {
    type Output = Listing<Member>;
    const NAME: &'static str = "list_org_memberships";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::InOrg(self.query.org, Action::Viewer)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Listing<Member>> {
        let (query, page) = (&self.query, self.page);
        if query.email.len() > Email::MAX {
            return Err(Invalid::EmailSize.into());
        }
        if query.email.is_empty() && page.order == MemberOrder::Id {
            let Page { offset, limit, direction, .. } = page;
            let page = Page { offset, limit, order: (), direction };
            let found = cx.store().memberships(query.org, query.role, page).await?;
            let items = with_addresses(cx, found.items).await?;
            Ok(Listing { items, total: found.total })
        } else if cx.directory().is_built_in() {
            cx.store().members(query, page).await
        } else {
            search(cx, query, page).await
        }
    }
}

/// One call to the directory, for at most [`MAX_PEOPLE`] memberships.
pub(super) async fn with_addresses(
    cx: &Cx<'_>,
    memberships: Vec<Membership>,
) -> Result<Vec<Member>> {
    let ids: Vec<UserId> = memberships.iter().map(|membership| membership.member).collect();
    let mut addresses = directory::addresses(cx.directory(), &ids).await?;
    let shown = |membership: Membership| Member {
        email: addresses.remove(&membership.member).unwrap_or_default(),
        membership,
    };
    Ok(memberships.into_iter().map(shown).collect())
}

/// What the store does when it has the addresses.
async fn search(
    cx: &Cx<'_>,
    query: &MemberQuery,
    page: Page<MemberOrder>,
) -> Result<Listing<Member>> {
    let wanted = query.email.to_lowercase();
    let mut found = Vec::new();
    let mut seen = 0_usize;
    let mut after = None;
    loop {
        let limit = u32::try_from(MAX_PEOPLE).unwrap_or(u32::MAX);
        let part = cx.store().memberships_after(query.org, query.role, after, limit).await?;
        let Some(last) = part.last() else { break };
        after = Some(last.member);
        seen = seen.saturating_add(part.len());
        if seen > MAX_SEARCHED {
            return Err(Error::malformed(
                "email",
                "is searched and ordered by only in orgs of at most 100000 members",
            ));
        }
        let members = with_addresses(cx, part).await?.into_iter();
        let keyed = members.map(|member| (member.email.to_lowercase(), member));
        found.extend(keyed.filter(|(email, _)| email.contains(&wanted)));
    }
    // They came by id, ascending, and the sort keeps the order of equals.
    if page.order == MemberOrder::Email {
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
    }
    if page.direction == Direction::Descending {
        found.reverse();
    }
    let total = u64::try_from(found.len()).unwrap_or(u64::MAX);
    let places = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let items = found.into_iter().map(|(_, member)| member);
    let items = items.skip(places(page.offset)).take(places(page.limit)).collect();
    Ok(Listing { items, total })
}
