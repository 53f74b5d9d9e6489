//! Orgs.

use std::collections::BTreeSet;

use crate::app::{Access, Cx, Operation};
use crate::change::Change;
use crate::error::{Entity, Error, Invalid, Result};
use crate::model::{
    Action, Description, Listing, Membership, Metadata, Name, Org, OrgEdit, OrgId, OrgOrder,
    OrgQuery, OrgRole, Page, UserId,
};
use crate::ports::Class;

/// The most orgs one call deletes.
pub const MAX_BATCH: usize = 200;

/// Founds an org owned by the caller.
#[derive(Debug)]
pub struct CreateOrg {
    /// Its name.
    pub name: Name,
    /// Its description.
    pub description: Description,
    /// Its metadata.
    pub metadata: Metadata,
}

impl Operation for CreateOrg {
    type Output = Org;
    const NAME: &'static str = "create_org";

    fn access(&self) -> Access {
        Access::SignedIn
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Org> {
        let owner = cx.identity()?.user;
        let org = Org {
            id: cx.new_id(),
            owner,
            name: self.name,
            description: self.description,
            metadata: self.metadata,
            created_at: cx.now,
            updated_at: cx.now,
        };
        let founder = Membership {
            org: org.id,
            member: owner,
            role: OrgRole::Owner,
            created_at: cx.now,
            updated_at: cx.now,
        };
        cx.commit(vec![Change::InsertOrg(org.clone()), Change::InsertMembership(founder)]).await?;
        Ok(org)
    }
}

/// Shows an org to whoever may see it.
#[derive(Debug)]
pub struct ViewOrg {
    /// Which.
    pub id: OrgId,
}

impl Operation for ViewOrg {
    type Output = Org;
    const NAME: &'static str = "view_org";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::InOrg(self.id, Action::Viewer)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Org> {
        cx.store().org(self.id).await?.ok_or(Error::NotFound(Entity::Org))
    }
}

/// Lists the orgs the caller belongs to; all of them for somebody with a platform role.
#[derive(Debug)]
pub struct ListOrgs {
    /// Only those whose name contains this.
    pub name: String,
    /// Only those whose metadata contains this.
    pub metadata: Metadata,
    /// Which part of them.
    pub page: Page<OrgOrder>,
}

impl Operation for ListOrgs {
    type Output = Listing<Org>;
    const NAME: &'static str = "list_orgs";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::SignedIn
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Listing<Org>> {
        let user = cx.identity()?.user;
        let sees_all = cx.store().standing(user, None).await?.platform.is_some();
        let query = OrgQuery {
            member: (!sees_all).then_some(user),
            name: self.name,
            metadata: self.metadata,
        };
        cx.store().orgs(&query, self.page).await
    }
}

/// Replaces an org's name, description and metadata.
#[derive(Debug)]
pub struct UpdateOrg {
    /// Which.
    pub id: OrgId,
    /// Its new name.
    pub name: Name,
    /// Its new description.
    pub description: Description,
    /// Its new metadata.
    pub metadata: Metadata,
}

impl Operation for UpdateOrg {
    type Output = ();
    const NAME: &'static str = "update_org";

    fn access(&self) -> Access {
        Access::InOrg(self.id, Action::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let edit = OrgEdit {
            id: self.id,
            name: self.name,
            description: self.description,
            metadata: self.metadata,
            updated_at: cx.now,
        };
        cx.commit(vec![Change::UpdateOrg(edit)]).await
    }
}

/// Deletes orgs and all that belongs to them: all of those named, or none.
#[derive(Debug)]
pub struct RemoveOrgs {
    /// Which. Naming one twice changes nothing.
    pub ids: Vec<OrgId>,
}

impl Operation for RemoveOrgs {
    type Output = ();
    const NAME: &'static str = "remove_orgs";

    fn access(&self) -> Access {
        Access::SignedIn
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        if self.ids.is_empty() {
            return Err(Invalid::EmptyList.into());
        }
        if self.ids.len() > MAX_BATCH {
            return Err(Invalid::ListTooLong.into());
        }
        let ids: BTreeSet<OrgId> = self.ids.into_iter().collect();
        for id in &ids {
            cx.authorize(Access::InOrg(*id, Action::Owner)).await?;
        }
        cx.commit(ids.into_iter().map(Change::RemoveOrg).collect()).await
    }
}

/// Says who owns an org.
#[derive(Debug)]
pub struct ViewOwner {
    /// Which org.
    pub org: OrgId,
}

impl Operation for ViewOwner {
    type Output = UserId;
    const NAME: &'static str = "get_owner_id_by_org_id";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<UserId> {
        cx.checks().owner(self.org).await?.ok_or(Error::NotFound(Entity::Org))
    }
}
