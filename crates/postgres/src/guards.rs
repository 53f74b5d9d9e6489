//! Checks inside the transaction what the decision to write was based on, and locks it until the end.
//!
//! Locks are the weakest that do, and always taken in the same order: platform roles, the org, the
//! membership, the trees of the org or user, the account and the API key that are used. Commits that change an org or its members follow one another,
//! which they do anyway when they take their revision.

use auth_domain::backup::Rows;
use auth_domain::change::{Change, Guard};
use auth_domain::error::{Entity, Error, Result, Unauthenticated};
use auth_domain::model::{GroupId, GroupRole, OrgId, PlatformRole, Standing, UserId};
use auth_domain::policy;
use sqlx::{PgConnection, query_scalar};

use crate::failure::failure;
use crate::group_standing::Scope;
use crate::{cutoffs, group_standing, keys, roles, sessions, signing_keys};

/// Whether a guard has to be checked after the commit has taken its revision. There may be no row that could be
/// locked for a session, a signing key or a role; but whoever ended, withdrew or gave it took a revision as well. If that was
/// before this one, a statement that begins now sees it; if it is after, this write came first. A commit that ends
/// the session itself would see only that.
pub(crate) fn comes_last(guard: &Guard, changes: &[Change]) -> bool {
    let ends = |change: &Change, user| matches!(change, Change::EndSessions { user: ended, .. } if *ended == user);
    match guard {
        Guard::SessionLives { user, .. } => !changes.iter().any(|change| ends(change, *user)),
        Guard::SessionExists { session, user } => {
            let this =
                |change: &Change| matches!(change, Change::EndSession { id, .. } if id == session);
            !changes.iter().any(|change| ends(change, *user) || this(change))
        }
        Guard::SigningKeyLives { .. } | Guard::IsNoRoot { .. } => true,
        _ => false,
    }
}

/// Checks a guard of a commit with these changes.
pub(crate) async fn check(db: &mut PgConnection, guard: &Guard, changes: &[Change]) -> Result<()> {
    match *guard {
        Guard::KeyExists { key, issuer } => {
            if keys::hold(db, key, issuer, changes).await? {
                Ok(())
            } else {
                Err(Unauthenticated::NotHonoured.into())
            }
        }
        Guard::SessionLives { user, issued_at } => match cutoffs::within(db, user).await? {
            Some(until) if issued_at <= until => Err(Unauthenticated::NotHonoured.into()),
            _ => Ok(()),
        },
        Guard::SessionExists { session, user } => {
            if sessions::exists(db, user, session).await? {
                Ok(())
            } else {
                Err(Unauthenticated::NotHonoured.into())
            }
        }
        Guard::SigningKeyLives { key } => {
            if signing_keys::is_withdrawn_within(db, key).await? {
                Err(Unauthenticated::BadToken.into())
            } else {
                Ok(())
            }
        }
        Guard::InOrg { user, org, action } => {
            let standing = hold_standing(db, user, org, Hold::for_all(changes, org)).await?;
            policy::in_org(&standing, action)
        }
        Guard::MayInvite { user, org } => {
            let standing = hold_standing(db, user, org, Hold::for_all(changes, org)).await?;
            policy::may_invite(&standing)
        }
        Guard::IsMember { user, org } => {
            hold_org(db, org, Hold::for_all(changes, org)).await?;
            match hold_membership(db, user, org).await? {
                Some(_) => Ok(()),
                None => Err(Error::NotFound(Entity::Membership)),
            }
        }
        Guard::InGroup { user, group, needed } => in_group(db, user, group, needed, changes).await,
        Guard::LiesBelow { group, parent } => {
            let how = group_standing::Hold::for_all(changes);
            group_standing::lies_below(db, group, parent, how).await
        }
        Guard::OnPlatform { user, needed } => {
            policy::on_platform(hold_platform_role(db, user).await?, needed)
        }
        Guard::IsNoRoot { user } => match hold_platform_role(db, user).await? {
            Some(PlatformRole::Root) => Err(Error::Forbidden),
            Some(PlatformRole::Admin) | None => Ok(()),
        },
    }
}

/// Checks a guard of a commit that is put together bit by bit: what it will insert is not known yet.
pub(crate) async fn check_before(db: &mut PgConnection, guard: &Guard) -> Result<()> {
    check(db, guard, &[Change::InsertRows(Rows::Memberships(Vec::new()))]).await
}

/// How an org is held while a commit works on it, the weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hold {
    /// It must not go.
    Exists,
    /// That, and nobody else may change it or its members: who holds it so never waits for somebody who
    /// waits for it, whichever rows of theirs the two touch.
    Alone,
    /// It goes, or the row's key changes, of which the owner is a part.
    Goes,
}

impl Hold {
    /// What all of these changes need of the org. Whoever took less first and more later could wait for
    /// somebody who does the same.
    fn for_all(changes: &[Change], org: OrgId) -> Self {
        let needed = |change: &Change| match change {
            Change::RemoveOrg(id) | Change::TransferOrg { org: id, .. } if *id == org => Self::Goes,
            Change::UpdateOrg(edit) if edit.id == org => Self::Alone,
            Change::InsertMembership(joined) if joined.org == org => Self::Alone,
            Change::InsertRows(_) => Self::Alone,
            Change::InsertInvite(invite) if invite.org == org => Self::Alone,
            Change::UpdateMembership { org: id, .. } | Change::RemoveMembership { org: id, .. }
                if *id == org =>
            {
                Self::Alone
            }
            _ => Self::Exists,
        };
        changes.iter().map(needed).max().unwrap_or(Self::Exists)
    }

    const fn statement(self) -> &'static str {
        match self {
            Self::Exists => "SELECT 1 FROM orgs WHERE id = $1 FOR KEY SHARE",
            Self::Alone => "SELECT 1 FROM orgs WHERE id = $1 FOR NO KEY UPDATE",
            Self::Goes => "SELECT 1 FROM orgs WHERE id = $1 FOR UPDATE",
        }
    }
}

/// Where the user stands towards the org, and stays until the end.
async fn hold_standing(
    db: &mut PgConnection,
    user: UserId,
    org: OrgId,
    hold: Hold,
) -> Result<Standing> {
    let platform = hold_platform_role(db, user).await?;
    let org_exists = hold_org(db, org, hold).await?;
    let org = roles::known(hold_membership(db, user, org).await?);
    Ok(Standing { platform, org_exists, org })
}

/// Whatever decides is held before any of it is read.
async fn in_group(
    db: &mut PgConnection,
    user: UserId,
    group: GroupId,
    needed: GroupRole,
    changes: &[Change],
) -> Result<()> {
    let belongs_to = group_standing::scope(db, group).await?;
    let belongs_to = belongs_to.ok_or(Error::NotFound(Entity::Group))?;
    hold_platform_role(db, user).await?;
    if let Scope::Org(org) = belongs_to {
        hold_org(db, org, Hold::for_all(changes, org)).await?;
        hold_membership(db, user, org).await?;
    }
    group_standing::hold(db, belongs_to, group_standing::Hold::for_all(changes)).await?;
    let standing = group_standing::find(db, user, group).await?;
    policy::in_group(user, standing.as_ref(), needed)
}

/// The role of a member, and keeps it from being taken or replaced.
async fn hold_membership(
    db: &mut PgConnection,
    user: UserId,
    org: OrgId,
) -> Result<Option<String>> {
    query_scalar("SELECT role FROM org_memberships WHERE member_id = $1 AND org_id = $2 FOR SHARE")
        .bind(user.uuid())
        .bind(org.uuid())
        .fetch_optional(db)
        .await
        .map_err(failure)
}

/// The lock keeps the role from being taken or replaced.
async fn hold_platform_role(db: &mut PgConnection, user: UserId) -> Result<Option<PlatformRole>> {
    let role: Option<Option<String>> =
        query_scalar("SELECT role FROM users_roles WHERE user_id = $1 FOR SHARE")
            .bind(user.uuid())
            .fetch_optional(db)
            .await
            .map_err(failure)?;
    Ok(roles::known(role.flatten()))
}

/// Whether there is the org, and takes its lock.
async fn hold_org(db: &mut PgConnection, org: OrgId, hold: Hold) -> Result<bool> {
    let found: Option<i32> = query_scalar(hold.statement())
        .bind(org.uuid())
        .fetch_optional(db)
        .await
        .map_err(failure)?;
    Ok(found.is_some())
}
