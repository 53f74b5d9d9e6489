//! What `Identify` and `Authorize` are decided on, read where it is kept.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::model::{
    GroupId, GroupRole, Key, KeyId, OrgId, SessionId, SigningKeyId, Standing, UserId,
};
use crate::policy;
use crate::ports::{Checks, Confirm, Confirmation, Store};

/// Asks the store every time and remembers nothing, so that there is nothing anybody has to be told of.
pub struct Direct(Arc<dyn Store>);

impl Direct {
    /// Asks this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

#[async_trait]
impl Checks for Direct {
    async fn key(&self, issuer: UserId, id: KeyId) -> Result<Option<Key>> {
        self.0.key(issuer, id).await
    }

    async fn cut_off(&self, user: UserId) -> Result<Option<i64>> {
        self.0.cut_off(user).await
    }

    async fn session_email(&self, user: UserId, session: SessionId) -> Result<Option<String>> {
        self.0.session_email(user, session).await
    }

    async fn is_withdrawn(&self, key: SigningKeyId) -> Result<bool> {
        self.0.is_withdrawn(key).await
    }

    async fn owner(&self, org: OrgId) -> Result<Option<UserId>> {
        Ok(self.0.org(org).await?.map(|org| org.owner))
    }

    async fn standing(&self, user: UserId, org: Option<OrgId>) -> Result<Standing> {
        self.0.standing(user, org).await
    }

    async fn group_role(&self, user: UserId, group: GroupId) -> Result<Option<GroupRole>> {
        let standing = self.0.group_standings(user, &[group]).await?.pop();
        Ok(standing.and_then(|standing| policy::group_role(user, &standing)))
    }
}

#[async_trait]
impl Confirm for Direct {
    async fn confirm(&self, _revision: i64) -> Confirmation {
        Confirmation::Everywhere
    }
}
