//! What is stored at the places of some rows.

mod groups;

use auth_domain::backup::{DormantInvite, Rows};
use auth_domain::error::{Error, Result};
use auth_domain::model::{
    Account, Invite, InviteId, Key, Membership, Org, PlatformInviteId, RoleHolder, UserId,
};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, SqliteConnection, query_as};
use uuid::Uuid;

use super::bulk::hex;
use crate::accounts::AccountRow;
use crate::failure::failure;
use crate::invites::InviteRow;
use crate::keys::KeyRow;
use crate::members::MembershipRow;
use crate::orgs::OrgRow;

/// The rows that a statement finds for a list of something.
pub(super) async fn find<R>(
    db: &mut SqliteConnection,
    statement: &'static str,
    wanted: Vec<Value>,
) -> Result<Vec<R>>
where
    R: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
{
    query_as(statement).bind(Value::Array(wanted).to_string()).fetch_all(db).await.map_err(failure)
}

async fn nouns<R, T>(
    db: &mut SqliteConnection,
    statement: &'static str,
    wanted: Vec<Value>,
) -> Result<Vec<T>>
where
    R: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    T: TryFrom<R, Error = Error>,
{
    find(db, statement, wanted).await?.into_iter().map(T::try_from).collect()
}

/// Both ids of something, in one text, so that they can be looked for by one index.
pub(super) fn pair(one: Uuid, other: Uuid) -> Value {
    Value::Array(vec![hex(one), hex(other)])
}

pub(super) async fn present(db: &mut SqliteConnection, rows: &Rows) -> Result<Rows> {
    Ok(match rows {
        Rows::Orgs(rows) => Rows::Orgs(orgs(db, rows).await?),
        Rows::Memberships(rows) => Rows::Memberships(memberships(db, rows).await?),
        Rows::Invites(rows) => Rows::Invites(invites(db, rows).await?),
        Rows::Dormant(rows) => Rows::Dormant(dormant(db, rows).await?),
        Rows::Keys(rows) => Rows::Keys(keys(db, rows).await?),
        Rows::PlatformRoles(rows) => Rows::PlatformRoles(platform_roles(db, rows).await?),
        Rows::Accounts(rows) => Rows::Accounts(accounts(db, rows).await?),
        Rows::Groups(rows) => Rows::Groups(groups::groups(db, rows).await?),
        Rows::GroupMembers(rows) => Rows::GroupMembers(groups::members(db, rows).await?),
        Rows::GroupRoles(rows) => Rows::GroupRoles(groups::roles(db, rows).await?),
    })
}

async fn orgs(db: &mut SqliteConnection, rows: &[Org]) -> Result<Vec<Org>> {
    nouns::<OrgRow, Org>(
        db,
        "SELECT id, owner_id, name, description, metadata, created_at, updated_at \
         FROM orgs WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
        rows.iter().map(|row| hex(row.id.uuid())).collect(),
    )
    .await
}

async fn memberships(db: &mut SqliteConnection, rows: &[Membership]) -> Result<Vec<Membership>> {
    nouns::<MembershipRow, Membership>(
        db,
        "SELECT stored.member_id, stored.org_id, role, created_at, updated_at \
         FROM json_each(?1) AS wanted CROSS JOIN org_memberships AS stored \
         ON stored.member_id = unhex(wanted.value ->> 1) \
         AND stored.org_id = unhex(wanted.value ->> 0)",
        rows.iter().map(|row| pair(row.org.uuid(), row.member.uuid())).collect(),
    )
    .await
}

async fn invites(db: &mut SqliteConnection, rows: &[Invite]) -> Result<Vec<Invite>> {
    nouns::<InviteRow, Invite>(
        db,
        "SELECT id, invitee_id, inviter_id, org_id, invitee_role, created_at, \
         expires_at, state FROM org_invites \
         WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
        rows.iter().map(|row| hex(row.id.uuid())).collect(),
    )
    .await
}

async fn dormant(db: &mut SqliteConnection, rows: &[DormantInvite]) -> Result<Vec<DormantInvite>> {
    let found: Vec<(Uuid, Uuid)> = find(
        db,
        "SELECT org_invite_id, platform_invite_id FROM json_each(?1) AS wanted \
         CROSS JOIN dormant_org_invites \
         ON org_invite_id = unhex(wanted.value ->> 0) \
         AND platform_invite_id = unhex(wanted.value ->> 1)",
        rows.iter().map(|row| pair(row.invite.uuid(), row.platform_invite.uuid())).collect(),
    )
    .await?;
    let row = |(invite, platform_invite)| DormantInvite {
        invite: InviteId::new(invite),
        platform_invite: PlatformInviteId::new(platform_invite),
    };
    Ok(found.into_iter().map(row).collect())
}

async fn keys(db: &mut SqliteConnection, rows: &[Key]) -> Result<Vec<Key>> {
    nouns::<KeyRow, Key>(
        db,
        "SELECT id, issuer_id, subject, issued_at, expires_at FROM keys \
         WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
        rows.iter().map(|row| hex(row.id.uuid())).collect(),
    )
    .await
}

async fn platform_roles(db: &mut SqliteConnection, rows: &[RoleHolder]) -> Result<Vec<RoleHolder>> {
    let found: Vec<(Uuid, String)> = find(
        db,
        "SELECT user_id, role FROM users_roles \
         WHERE user_id IN (SELECT unhex(value) FROM json_each(?1))",
        rows.iter().map(|row| hex(row.user.uuid())).collect(),
    )
    .await?;
    let row = |(user, role): (Uuid, String)| {
        let role = role.parse().map_err(Error::internal)?;
        Ok(RoleHolder { user: UserId::new(user), role })
    };
    found.into_iter().map(row).collect()
}

async fn accounts(db: &mut SqliteConnection, rows: &[Account]) -> Result<Vec<Account>> {
    nouns::<AccountRow, Account>(
        db,
        "SELECT id, email, password_hash, email_verified_at, status, metadata, created_at, updated_at \
         FROM keyward_accounts WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
        rows.iter().map(|row| hex(row.id.uuid())).collect(),
    )
    .await
}
