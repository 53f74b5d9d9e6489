//! Who has which role in a group.
//!
//! Giving a role takes the role `admin`, the greatest there is, so nobody gives more than they have.

use super::group_members::known;
use crate::app::{Access, Cx, Operation};
use crate::change::Change;
use crate::error::Result;
use crate::model::{GroupGrant, GroupId, GroupRole, Listing, Page, UserId};
use crate::ports::Class;

/// Gives a user a role in a group and in all that lies below it, or replaces the one they were given
/// there. In a group of an org they must be a member of the org.
#[derive(Debug)]
pub struct GrantGroupRole {
    /// In which group.
    pub group: GroupId,
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: GroupRole,
}

impl Operation for GrantGroupRole {
    type Output = ();
    const NAME: &'static str = "grant_group_role";

    fn access(&self) -> Access {
        Access::InGroup(self.group, GroupRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        if cx.standing_in(self.group)?.org.is_none() {
            known(cx, &[self.user]).await?;
        }
        let Self { group, user, role } = self;
        let grant = GroupGrant { group, user, role, created_at: cx.now, updated_at: cx.now };
        cx.commit(vec![Change::PutGroupRole(grant)]).await
    }
}

/// Takes the role a user was given right in a group.
#[derive(Debug)]
pub struct RemoveGroupRole {
    /// In which group.
    pub group: GroupId,
    /// Whose.
    pub user: UserId,
}

impl Operation for RemoveGroupRole {
    type Output = ();
    const NAME: &'static str = "remove_group_role";

    fn access(&self) -> Access {
        Access::InGroup(self.group, GroupRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        cx.commit(vec![Change::RemoveGroupRole { group: self.group, user: self.user }]).await
    }
}

/// Lists the roles that were given right in a group.
#[derive(Debug)]
pub struct ListGroupRoles {
    /// Which group.
    pub group: GroupId,
    /// Which part of them.
    pub page: Page<()>,
}

impl Operation for ListGroupRoles {
    type Output = Listing<GroupGrant>;
    const NAME: &'static str = "list_group_roles";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::InGroup(self.group, GroupRole::Viewer)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Listing<GroupGrant>> {
        cx.store().group_roles(self.group, self.page).await
    }
}
