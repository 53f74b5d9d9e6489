//! What is stored at the places of some rows.

mod groups;

use auth_domain::backup::{DormantInvite, Rows};
use auth_domain::error::{Error, Result};
use auth_domain::model::{
    Account, Invite, InviteId, Key, Membership, Org, PlatformInviteId, RoleHolder, UserId,
};
use sqlx::{PgConnection, query_as};
use uuid::Uuid;

use crate::accounts::AccountRow;
use crate::failure::failure;
use crate::invites::InviteRow;
use crate::keys::KeyRow;
use crate::members::{MembershipRow, words};
use crate::orgs::OrgRow;

fn nouns<R, T: TryFrom<R, Error = Error>>(rows: Vec<R>) -> Result<Vec<T>> {
    rows.into_iter().map(T::try_from).collect()
}

pub(super) async fn present(db: &mut PgConnection, rows: &Rows) -> Result<Rows> {
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

async fn orgs(db: &mut PgConnection, rows: &[Org]) -> Result<Vec<Org>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id.uuid()).collect();
    let found = query_as::<_, OrgRow>(
        "SELECT id, owner_id, name, description, metadata::text AS metadata, created_at, \
         updated_at FROM orgs WHERE id = ANY ($1)",
    )
    .bind(ids);
    nouns(found.fetch_all(db).await.map_err(failure)?)
}

async fn memberships(db: &mut PgConnection, rows: &[Membership]) -> Result<Vec<Membership>> {
    let orgs: Vec<Uuid> = rows.iter().map(|row| row.org.uuid()).collect();
    let members: Vec<Uuid> = rows.iter().map(|row| row.member.uuid()).collect();
    let found = query_as::<_, MembershipRow>(
        "SELECT stored.member_id, stored.org_id, role, created_at, updated_at \
         FROM unnest($1::uuid[], $2::uuid[]) AS wanted (org_id, member_id) \
         JOIN org_memberships AS stored ON stored.org_id = wanted.org_id \
         AND stored.member_id = wanted.member_id WHERE role = ANY ($3)",
    )
    .bind(orgs)
    .bind(members)
    .bind(words(None));
    nouns(found.fetch_all(db).await.map_err(failure)?)
}

async fn invites(db: &mut PgConnection, rows: &[Invite]) -> Result<Vec<Invite>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id.uuid()).collect();
    let found = query_as::<_, InviteRow>(
        "SELECT id, invitee_id, inviter_id, org_id, invitee_role, created_at, expires_at, \
         state FROM org_invites WHERE id = ANY ($1)",
    )
    .bind(ids);
    let found = found.fetch_all(db).await.map_err(failure)?;
    // The original's tables can hold words that mean nothing; inserting over them says that they are there.
    Ok(found.into_iter().filter_map(|row| row.try_into().ok()).collect())
}

async fn dormant(db: &mut PgConnection, rows: &[DormantInvite]) -> Result<Vec<DormantInvite>> {
    let invites: Vec<Uuid> = rows.iter().map(|row| row.invite.uuid()).collect();
    let platform: Vec<Uuid> = rows.iter().map(|row| row.platform_invite.uuid()).collect();
    let found: Vec<(Uuid, Uuid)> = query_as(
        "SELECT org_invite_id, platform_invite_id FROM dormant_org_invites \
         WHERE (org_invite_id, platform_invite_id) IN \
         (SELECT * FROM unnest($1::uuid[], $2::uuid[]))",
    )
    .bind(invites)
    .bind(platform)
    .fetch_all(db)
    .await
    .map_err(failure)?;
    let row = |(invite, platform_invite)| DormantInvite {
        invite: InviteId::new(invite),
        platform_invite: PlatformInviteId::new(platform_invite),
    };
    Ok(found.into_iter().map(row).collect())
}

async fn keys(db: &mut PgConnection, rows: &[Key]) -> Result<Vec<Key>> {
    let ids: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
    let found = query_as::<_, KeyRow>(
        "SELECT id, issuer_id, subject, issued_at, expires_at FROM keys \
         WHERE id = ANY ($1) AND type = 2",
    )
    .bind(ids);
    nouns(found.fetch_all(db).await.map_err(failure)?)
}

async fn platform_roles(db: &mut PgConnection, rows: &[RoleHolder]) -> Result<Vec<RoleHolder>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.user.uuid()).collect();
    let found: Vec<(Uuid, String)> = query_as(
        "SELECT user_id, role FROM users_roles WHERE user_id = ANY ($1) AND role IS NOT NULL",
    )
    .bind(ids)
    .fetch_all(db)
    .await
    .map_err(failure)?;
    let row = |(user, role): (Uuid, String)| {
        let role = role.parse().map_err(Error::internal)?;
        Ok(RoleHolder { user: UserId::new(user), role })
    };
    found.into_iter().map(row).collect()
}

async fn accounts(db: &mut PgConnection, rows: &[Account]) -> Result<Vec<Account>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id.uuid()).collect();
    let found = query_as::<_, AccountRow>(
        "SELECT id, email, password_hash, email_verified_at, status, metadata::text AS metadata, created_at, \
         updated_at FROM keyward_accounts WHERE id = ANY ($1)",
    )
    .bind(ids);
    nouns(found.fetch_all(db).await.map_err(failure)?)
}
