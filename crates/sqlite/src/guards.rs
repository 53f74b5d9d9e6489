//! Checks inside the transaction what the decision to write was based on.

use auth_domain::change::Guard;
use auth_domain::error::{Entity, Error, Result, Unauthenticated};
use auth_domain::model::PlatformRole;
use auth_domain::policy;
use sqlx::SqliteConnection;

use crate::{cutoffs, group_standing, keys, roles, sessions, signing_keys};

pub(crate) async fn check(db: &mut SqliteConnection, guard: &Guard) -> Result<()> {
    match *guard {
        Guard::KeyExists { key, issuer } => {
            if keys::exists(db, key, issuer).await? {
                Ok(())
            } else {
                Err(Unauthenticated::NotHonoured.into())
            }
        }
        Guard::SessionLives { user, issued_at } => match cutoffs::find(&mut *db, user).await? {
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
            if signing_keys::is_withdrawn(&mut *db, key).await? {
                Err(Unauthenticated::BadToken.into())
            } else {
                Ok(())
            }
        }
        Guard::InOrg { user, org, action } => {
            policy::in_org(&roles::standing(db, user, Some(org)).await?, action)
        }
        Guard::MayInvite { user, org } => {
            policy::may_invite(&roles::standing(db, user, Some(org)).await?)
        }
        Guard::IsMember { user, org } => match roles::standing(db, user, Some(org)).await?.org {
            Some(_) => Ok(()),
            None => Err(Error::NotFound(Entity::Membership)),
        },
        Guard::InGroup { user, group, needed } => {
            let standing = group_standing::list(db, user, &[group]).await?.pop();
            policy::in_group(user, standing.as_ref(), needed)
        }
        Guard::LiesBelow { group, parent } => group_standing::lies_below(db, group, parent).await,
        Guard::OnPlatform { user, needed } => {
            policy::on_platform(roles::standing(db, user, None).await?.platform, needed)
        }
        Guard::IsNoRoot { user } => match roles::standing(db, user, None).await?.platform {
            Some(PlatformRole::Root) => Err(Error::Forbidden),
            Some(PlatformRole::Admin) | None => Ok(()),
        },
    }
}
