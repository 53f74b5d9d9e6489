//! Checks inside the transaction what the decision to write was based on, and locks it until the end.
//!
//! Locks are the weakest that do: everyday commits on one org go on side by side. They are always taken
//! in the same order: platform roles, the org, the membership.

use auth_domain::change::{Change, Guard};
use auth_domain::error::{Result, Unauthenticated};
use auth_domain::model::{Action, OrgId, PlatformRole, Standing, UserId};
use auth_domain::policy;
use sqlx::{PgConnection, query_scalar};

use crate::failure::failure;
use crate::{keys, roles};

/// Checks a guard of a commit with these changes.
pub(crate) async fn check(db: &mut PgConnection, guard: &Guard, changes: &[Change]) -> Result<()> {
    match *guard {
        Guard::KeyExists { key, issuer } => {
            if keys::hold(db, key, issuer).await? {
                Ok(())
            } else {
                Err(Unauthenticated::NotHonoured.into())
            }
        }
        Guard::InOrg { user, org, action } => {
            let removed = changes.iter().any(|change| removes(change, org));
            in_org(db, user, org, action, removed).await
        }
        Guard::OnPlatform { user, needed } => {
            policy::on_platform(hold_platform_role(db, user).await?, needed)
        }
    }
}

fn removes(change: &Change, org: OrgId) -> bool {
    matches!(change, Change::RemoveOrg(id) if *id == org)
}

async fn in_org(
    db: &mut PgConnection,
    user: UserId,
    org: OrgId,
    action: Action,
    removed: bool,
) -> Result<()> {
    let platform = hold_platform_role(db, user).await?;
    let org_exists = hold_org(db, org, removed).await?;
    let role: Option<String> = query_scalar(
        "SELECT role FROM org_memberships WHERE member_id = $1 AND org_id = $2 FOR SHARE",
    )
    .bind(user.uuid())
    .bind(org.uuid())
    .fetch_optional(db)
    .await
    .map_err(failure)?;
    let org = roles::known(role);
    policy::in_org(&Standing { platform, org_exists, org }, action)
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

/// The lock keeps the org from being deleted, and lets others edit it; who is about to delete it takes
/// the stronger one at once, because two who both want to strengthen theirs wait for each other.
async fn hold_org(db: &mut PgConnection, org: OrgId, removed: bool) -> Result<bool> {
    let statement = if removed {
        "SELECT 1 FROM orgs WHERE id = $1 FOR UPDATE"
    } else {
        "SELECT 1 FROM orgs WHERE id = $1 FOR KEY SHARE"
    };
    let found: Option<i32> =
        query_scalar(statement).bind(org.uuid()).fetch_optional(db).await.map_err(failure)?;
    Ok(found.is_some())
}
