//! Platform roles.

use crate::app::{Access, Cx, Operation};
use crate::change::Change;
use crate::error::{Entity, Error, Result};
use crate::model::{Listing, Page, PlatformRole, RoleHolder, UserId};
use crate::ports::Class;

/// Gives a user a platform role, for a sibling service. Repeating it changes nothing.
#[derive(Debug)]
pub struct AssignRole {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub role: PlatformRole,
}

impl Operation for AssignRole {
    type Output = ();
    const NAME: &'static str = "assign_role";

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        assign(cx, self.user, self.role).await
    }
}

/// Gives a user a platform role, for a root.
#[derive(Debug)]
pub struct GrantRole {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub role: PlatformRole,
}

impl Operation for GrantRole {
    type Output = ();
    const NAME: &'static str = "grant_role";

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Root)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        if self.user.is_nil() {
            return Err(Error::NotFound(Entity::Account));
        }
        assign(cx, self.user, self.role).await
    }
}

/// Somebody who has the role already costs no revision.
async fn assign(cx: &Cx<'_>, user: UserId, role: PlatformRole) -> Result<()> {
    if cx.store().standing(user, None).await?.platform == Some(role) {
        return cx.settle().await;
    }
    cx.commit(vec![Change::PutPlatformRole { user, role }]).await
}

/// Says which platform role a user has, for a sibling service.
#[derive(Debug)]
pub struct RetrieveRole {
    /// Whose.
    pub user: UserId,
}

impl Operation for RetrieveRole {
    type Output = Option<PlatformRole>;
    const NAME: &'static str = "retrieve_role";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Option<PlatformRole>> {
        Ok(cx.store().standing(self.user, None).await?.platform)
    }
}

/// Lists everybody with a platform role.
#[derive(Debug)]
pub struct ListRoles {
    /// Which part of them.
    pub page: Page<()>,
}

impl Operation for ListRoles {
    type Output = Listing<RoleHolder>;
    const NAME: &'static str = "list_roles";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Listing<RoleHolder>> {
        cx.store().role_holders(self.page).await
    }
}

/// Takes a user's platform role. The last root stays.
#[derive(Debug)]
pub struct RemoveRole {
    /// Whose.
    pub user: UserId,
}

impl Operation for RemoveRole {
    type Output = ();
    const NAME: &'static str = "remove_role";

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Root)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        cx.commit(vec![Change::RemovePlatformRole { user: self.user }]).await
    }
}
