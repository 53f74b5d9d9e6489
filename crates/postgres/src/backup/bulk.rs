//! Many rows with one statement.

use std::collections::BTreeSet;

use auth_domain::Timestamp;
use auth_domain::backup::{DormantInvite, Rows};
use auth_domain::error::{Entity, Error, Result};
use auth_domain::model::{
    Account, Group, GroupGrant, GroupId, GroupMember, Invite, Key, KeyId, KeyKind, Membership, Org,
    OrgId, RoleHolder, UserId,
};
use sqlx::{PgConnection, query};
use uuid::Uuid;

use crate::failure::failure;
use crate::group_standing::{Scope, hold_all};
use crate::moment::{Moment, PlainMoment};
use crate::rows::metadata_column;

pub(crate) async fn insert(db: &mut PgConnection, rows: &Rows) -> Result<()> {
    match rows {
        Rows::Orgs(rows) => orgs(db, rows).await,
        Rows::Memberships(rows) => memberships(db, rows).await,
        Rows::Invites(rows) => invites(db, rows).await,
        Rows::Dormant(rows) => dormant(db, rows).await,
        Rows::Keys(rows) => keys(db, rows).await,
        Rows::PlatformRoles(rows) => roles(db, rows).await,
        Rows::Accounts(rows) => accounts(db, rows).await,
        Rows::Groups(rows) => groups(db, rows).await,
        Rows::GroupMembers(rows) => group_members(db, rows).await,
        Rows::GroupRoles(rows) => group_roles(db, rows).await,
    }
}

/// One column of the rows.
fn column<T, C>(rows: &[T], value: impl Fn(&T) -> C) -> Vec<C> {
    rows.iter().map(value).collect()
}

fn moments<T>(rows: &[T], value: impl Fn(&T) -> Timestamp) -> Vec<Moment> {
    rows.iter().map(|row| Moment(value(row))).collect()
}

async fn orgs(db: &mut PgConnection, rows: &[Org]) -> Result<()> {
    query(
        "INSERT INTO orgs (id, owner_id, name, description, metadata, created_at, updated_at) \
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::jsonb[], \
         $6::timestamptz[], $7::timestamptz[])",
    )
    .bind(column(rows, |row| row.id.uuid()))
    .bind(column(rows, |row| row.owner.uuid()))
    .bind(column(rows, |row| row.name.as_str().to_owned()))
    .bind(column(rows, |row| row.description.as_str().to_owned()))
    .bind(rows.iter().map(|row| metadata_column(&row.metadata)).collect::<Vec<_>>())
    .bind(moments(rows, |row| row.created_at))
    .bind(moments(rows, |row| row.updated_at))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

async fn memberships(db: &mut PgConnection, rows: &[Membership]) -> Result<()> {
    query(
        "INSERT INTO org_memberships (member_id, org_id, role, created_at, updated_at) \
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], \
         $5::timestamptz[])",
    )
    .bind(column(rows, |row| row.member.uuid()))
    .bind(column(rows, |row| row.org.uuid()))
    .bind(column(rows, |row| row.role.as_str()))
    .bind(moments(rows, |row| row.created_at))
    .bind(moments(rows, |row| row.updated_at))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

async fn invites(db: &mut PgConnection, rows: &[Invite]) -> Result<()> {
    query(
        "INSERT INTO org_invites (id, invitee_id, inviter_id, org_id, invitee_role, created_at, \
         expires_at, state) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], \
         $5::text[], $6::timestamptz[], $7::timestamptz[], $8::text[])",
    )
    .bind(column(rows, |row| row.id.uuid()))
    .bind(column(rows, |row| row.invitee.map(UserId::uuid)))
    .bind(column(rows, |row| row.inviter.uuid()))
    .bind(column(rows, |row| row.org.uuid()))
    .bind(column(rows, |row| row.role.as_str()))
    .bind(moments(rows, |row| row.created_at))
    .bind(moments(rows, |row| row.expires_at))
    .bind(column(rows, |row| row.state.as_str()))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

async fn dormant(db: &mut PgConnection, rows: &[DormantInvite]) -> Result<()> {
    query(
        "INSERT INTO dormant_org_invites (org_invite_id, platform_invite_id) \
         SELECT * FROM unnest($1::uuid[], $2::uuid[])",
    )
    .bind(column(rows, |row| row.invite.uuid()))
    .bind(column(rows, |row| row.platform_invite.uuid()))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

/// The original's primary key lets two users have keys with the same id; we do not.
async fn keys(db: &mut PgConnection, rows: &[Key]) -> Result<()> {
    let ids: BTreeSet<KeyId> = rows.iter().map(|row| row.id).collect();
    if ids.len() < rows.len() {
        return Err(Error::AlreadyExists(Entity::Key));
    }
    let ends = column(rows, |row| row.expires_at.map(PlainMoment));
    let begins: Vec<PlainMoment> = column(rows, |row| PlainMoment(row.issued_at));
    let inserted = query(
        "INSERT INTO keys (id, type, subject, issuer_id, issued_at, expires_at) \
         SELECT id, $6, subject, issuer_id, issued_at, expires_at FROM unnest($1::text[], \
         $2::text[], $3::uuid[], $4::timestamp[], $5::timestamp[]) \
         AS key (id, subject, issuer_id, issued_at, expires_at) \
         WHERE NOT EXISTS (SELECT 1 FROM keys AS stored WHERE stored.id = key.id)",
    )
    .bind(column(rows, |row| row.id.to_string()))
    .bind(column(rows, |row| row.subject.clone()))
    .bind(column(rows, |row| row.issuer.uuid()))
    .bind(begins)
    .bind(ends)
    .bind(i16::from(KeyKind::Api.number()))
    .execute(db)
    .await
    .map_err(failure)?;
    if usize::try_from(inserted.rows_affected()).is_ok_and(|inserted| inserted == rows.len()) {
        Ok(())
    } else {
        Err(Error::AlreadyExists(Entity::Key))
    }
}

async fn roles(db: &mut PgConnection, rows: &[RoleHolder]) -> Result<()> {
    query("INSERT INTO users_roles (user_id, role) SELECT * FROM unnest($1::uuid[], $2::text[])")
        .bind(column(rows, |row| row.user.uuid()))
        .bind(column(rows, |row| row.role.as_str()))
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

async fn accounts(db: &mut PgConnection, rows: &[Account]) -> Result<()> {
    let ids: Vec<Uuid> = column(rows, |row| row.id.uuid());
    query(
        "INSERT INTO keyward_accounts (id, email, email_lower, email_key, password_hash, status, \
         metadata, created_at, updated_at, email_verified_at) SELECT * FROM unnest($1::uuid[], \
         $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[], \
         $8::timestamptz[], $9::timestamptz[], $10::timestamptz[])",
    )
    .bind(ids)
    .bind(column(rows, |row| row.email.as_str().to_owned()))
    .bind(column(rows, |row| row.email.as_str().to_lowercase()))
    .bind(column(rows, |row| row.email.key().to_owned()))
    .bind(column(rows, |row| row.password.expose().to_owned()))
    .bind(column(rows, |row| row.status.as_str()))
    .bind(rows.iter().map(|row| metadata_column(&row.metadata)).collect::<Vec<_>>())
    .bind(moments(rows, |row| row.created_at))
    .bind(moments(rows, |row| row.updated_at))
    .bind(column(rows, |row| row.email_verified_at.map(Moment)))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

/// The trees they come into keep their shape until the end.
async fn groups(db: &mut PgConnection, rows: &[Group]) -> Result<()> {
    hold_all(db, rows.iter().map(|row| Scope::of(row.org, row.owner))).await?;
    query(
        "INSERT INTO keyward_groups (id, parent_id, owner_id, org_id, name, description, metadata, \
         created_at, updated_at) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], \
         $4::uuid[], $5::text[], $6::text[], $7::jsonb[], $8::timestamptz[], $9::timestamptz[])",
    )
    .bind(column(rows, |row| row.id.uuid()))
    .bind(column(rows, |row| row.parent.map(GroupId::uuid)))
    .bind(column(rows, |row| row.owner.uuid()))
    .bind(column(rows, |row| row.org.map(OrgId::uuid)))
    .bind(column(rows, |row| row.name.as_str().to_owned()))
    .bind(column(rows, |row| row.description.as_str().to_owned()))
    .bind(rows.iter().map(|row| metadata_column(&row.metadata)).collect::<Vec<_>>())
    .bind(moments(rows, |row| row.created_at))
    .bind(moments(rows, |row| row.updated_at))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

async fn group_members(db: &mut PgConnection, rows: &[GroupMember]) -> Result<()> {
    query(
        "INSERT INTO keyward_group_members (group_id, member_id, type, created_at) \
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[])",
    )
    .bind(column(rows, |row| row.group.uuid()))
    .bind(column(rows, |row| row.member.as_str().to_owned()))
    .bind(column(rows, |row| row.kind.as_str().to_owned()))
    .bind(moments(rows, |row| row.created_at))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

async fn group_roles(db: &mut PgConnection, rows: &[GroupGrant]) -> Result<()> {
    query(
        "INSERT INTO keyward_group_roles (group_id, user_id, role, created_at, updated_at) \
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], \
         $5::timestamptz[])",
    )
    .bind(column(rows, |row| row.group.uuid()))
    .bind(column(rows, |row| row.user.uuid()))
    .bind(column(rows, |row| row.role.as_str()))
    .bind(moments(rows, |row| row.created_at))
    .bind(moments(rows, |row| row.updated_at))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}
