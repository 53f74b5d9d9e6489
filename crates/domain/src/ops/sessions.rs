//! Ending what gives access: all sessions of a user, all API keys of a user.

use std::time::Duration;

use crate::Timestamp;
use crate::app::{Access, Cx, Identity, Operation};
use crate::change::{Change, Guard};
use crate::error::{Conflict, Entity, Error, Result};
use crate::model::{Direction, KeyOrder, Page, PlatformRole, UserId};
use crate::ops::By;
use crate::ports::BARRED;

/// How far apart the clocks of replicas may be: what another one has signed by a clock that is fast by less ends
/// as well.
const APART: Duration = Duration::from_secs(10);
/// How far into the future sessions may be ended. A token that is made then says that it was made a second later
/// still, and a replica whose clock is slow has to take it: this and [`APART`] stay below the leeway for that.
const FURTHEST: Duration = Duration::from_secs(40);
/// How far users may end their own: whoever logs in and out without end leaves room for the platform to end it.
const FURTHEST_BY_ONESELF: Duration = Duration::from_secs(25);
/// How many keys are revoked in one commit.
const BATCH: u64 = 100;
/// How many commits one call makes: more keys than anybody has.
const BATCHES: u32 = 1_000;

/// Logs the caller out everywhere: no login or recovery token made so far is honoured any more. API keys
/// stay.
#[derive(Debug)]
pub struct EndSessions;

impl Operation for EndSessions {
    type Output = ();
    const NAME: &'static str = "end_sessions";

    fn access(&self) -> Access {
        Access::LoggedIn("failed to end sessions")
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let identity = cx.identity()?;
        let ending = ending_own(cx, identity).await?;
        cx.commit(vec![ending]).await
    }
}

/// Logs a user out everywhere, for somebody with a platform role or the operator.
#[derive(Debug)]
pub struct EndSessionsOf {
    /// For whom.
    pub by: By,
    /// Whose. The nil id is nobody's. To the platform, one nobody has heard of has no sessions; the operator, who may
    /// have mistyped it, is told that there is no such account, where accounts are ours.
    pub user: UserId,
}

impl Operation for EndSessionsOf {
    type Output = ();
    const NAME: &'static str = "end_user_sessions";

    fn access(&self) -> Access {
        self.by.access()
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        known(self.user)?;
        if self.by == By::Operator && cx.directory().is_built_in() {
            let account = cx.store().account(self.user).await?;
            account.ok_or(Error::NotFound(Entity::Account))?;
        }
        outranks(cx, self.by, self.user).await?;
        let ending = ending(cx, self.user).await?;
        cx.commit(vec![ending]).await
    }
}

/// Revokes every API key of the caller.
#[derive(Debug)]
pub struct RevokeKeys;

impl Operation for RevokeKeys {
    type Output = ();
    const NAME: &'static str = "revoke_keys";

    fn access(&self) -> Access {
        Access::LoggedIn("failed to remove key")
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let user = cx.identity()?.user;
        revoke_keys(cx, user).await
    }
}

/// Revokes every API key of a user, for somebody with a platform role or the operator.
#[derive(Debug)]
pub struct RevokeKeysOf {
    /// For whom.
    pub by: By,
    /// Whose. The nil id is nobody's.
    pub user: UserId,
}

impl Operation for RevokeKeysOf {
    type Output = ();
    const NAME: &'static str = "revoke_user_keys";

    fn access(&self) -> Access {
        self.by.access()
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        known(self.user)?;
        outranks(cx, self.by, self.user).await?;
        revoke_keys(cx, self.user).await
    }
}

/// Whoever names something that is no id, an address perhaps, is told that there is nobody.
pub(super) fn known(user: UserId) -> Result<()> {
    if user.is_nil() { Err(Error::NotFound(Entity::Account)) } else { Ok(()) }
}

/// An admin of the platform must not lock out a root, nor who becomes one meanwhile.
pub(super) async fn outranks(cx: &mut Cx<'_>, by: By, user: UserId) -> Result<()> {
    if by == By::Operator {
        return Ok(());
    }
    match cx.checks().standing(user, None).await?.platform {
        Some(PlatformRole::Root) => cx.authorize(Access::OnPlatform(PlatformRole::Root)).await,
        Some(PlatformRole::Admin) | None => {
            cx.require(Guard::IsNoRoot { user });
            Ok(())
        }
    }
}

/// What ends them: up to now by any replica's clock; up to the session it is asked with; and if sessions were ended a moment
/// ago, up to those that began since.
async fn end_sessions(
    cx: &Cx<'_>,
    user: UserId,
    asking: i64,
    furthest: Duration,
) -> Result<Change> {
    let ended = cx.checks().cut_off(user).await?.filter(|until| *until != BARRED);
    let begun_since = ended.map_or(i64::MIN, |until| until.saturating_add(1));
    let until = cx.now.plus(APART).seconds().max(asking).max(begun_since);
    let beyond = until.saturating_sub(cx.now.plus(furthest).seconds());
    if let Ok(wait @ 1..) = u64::try_from(beyond) {
        cx.throttle().not_before(Duration::from_secs(wait)).await?;
    }
    Ok(Change::EndSessions { user, until: Timestamp::from_seconds(until) })
}

/// What ends every session of this user, for somebody else than them.
pub(super) async fn ending(cx: &Cx<'_>, user: UserId) -> Result<Change> {
    end_sessions(cx, user, i64::MIN, FURTHEST).await
}

/// What ends every session of the caller.
pub(super) async fn ending_own(cx: &Cx<'_>, identity: &Identity) -> Result<Change> {
    end_sessions(cx, identity.user, identity.issued_at, FURTHEST_BY_ONESELF).await
}

/// One part after another until there are none: whoever made a key meanwhile has lost that one, too.
pub(super) async fn revoke_keys(cx: &Cx<'_>, issuer: UserId) -> Result<()> {
    let page = Page::new(0, BATCH, KeyOrder::Id, Direction::Ascending)?;
    for _ in 0..BATCHES {
        let keys = cx.store().keys(issuer, page).await?.items;
        if keys.is_empty() {
            return cx.settle().await;
        }
        let removals = keys.into_iter().map(|key| Change::RemoveKey { id: key.id, issuer });
        match cx.commit(removals.collect()).await {
            // Somebody else revoked one of them first.
            Ok(()) | Err(Error::NotFound(Entity::Key)) => {}
            Err(other) => return Err(other),
        }
    }
    Err(Error::Conflict(Conflict::Contention))
}
