//! What every request asks, and what a write waits for.

use async_trait::async_trait;

use crate::error::Result;
use crate::model::{
    GroupId, GroupRole, Key, KeyId, OrgId, SessionId, SigningKeyId, Standing, UserId,
};

/// What is asked at every request, and answered from memory where the memory is surely current.
#[async_trait]
pub trait Checks: Send + Sync {
    /// The key of this user, as [`Keys::key`](super::Keys::key) says.
    async fn key(&self, issuer: UserId, id: KeyId) -> Result<Option<Key>>;

    /// The last second whose login and recovery tokens of this user are dead, as [`CutOffs::cut_off`](super::CutOffs::cut_off) says.
    async fn cut_off(&self, user: UserId) -> Result<Option<i64>>;

    /// The e-mail address of this user, if they have this session, as [`Sessions::session_email`](super::Sessions::session_email) says.
    async fn session_email(&self, user: UserId, session: SessionId) -> Result<Option<String>>;

    /// Who owns the org, if there is one.
    async fn owner(&self, org: OrgId) -> Result<Option<UserId>>;

    /// Where the user stands, as [`Standings::standing`](super::Standings::standing) says.
    async fn standing(&self, user: UserId, org: Option<OrgId>) -> Result<Standing>;

    /// Whether this signing key was withdrawn, so that nothing it signed counts.
    async fn is_withdrawn(&self, key: SigningKeyId) -> Result<bool>;

    /// The greatest role the user has in the group, as [`crate::policy::group_role`] says. No role and no
    /// such group are the same.
    async fn group_role(&self, user: UserId, group: GroupId) -> Result<Option<GroupRole>>;
}

/// Sees to it that a write is known wherever questions are answered before it is acknowledged.
#[async_trait]
pub trait Confirm: Send + Sync {
    /// Waits until no replica answers any more from what was true before this revision. It never fails,
    /// because the commit stands: whoever stops waiting for it undoes nothing.
    async fn confirm(&self, revision: i64) -> Confirmation;
}

/// What is known of a commit when it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// It is true on every replica.
    Everywhere,
    /// It is committed, and some replica may still answer from what was true before.
    Pending,
}
