//! Many rows with one statement: SQLite has no arrays, so they come as one JSON text. Ids are written in
//! hexadecimal digits there.

use auth_domain::Timestamp;
use auth_domain::backup::{DormantInvite, Rows};
use auth_domain::error::Result;
use auth_domain::model::{
    Account, Group, GroupGrant, GroupId, GroupMember, Invite, Key, KeyKind, Membership, Org, OrgId,
    RoleHolder,
};
use serde_json::{Value, json};
use sqlx::{SqliteConnection, query};
use uuid::Uuid;

use crate::failure::failure;
use crate::rows::metadata_column;

/// An id as these statements take it.
pub(crate) fn hex(id: Uuid) -> Value {
    Value::String(id.as_simple().to_string())
}

pub(crate) async fn insert(db: &mut SqliteConnection, rows: &Rows) -> Result<()> {
    let (statement, rows): (_, Vec<Value>) = match rows {
        Rows::Orgs(rows) => (ORGS, rows.iter().map(org).collect()),
        Rows::Memberships(rows) => (MEMBERSHIPS, rows.iter().map(membership).collect()),
        Rows::Invites(rows) => (INVITES, rows.iter().map(invite).collect()),
        Rows::Dormant(rows) => (DORMANT, rows.iter().map(dormant).collect()),
        Rows::Keys(rows) => (KEYS, rows.iter().map(key).collect()),
        Rows::PlatformRoles(rows) => (ROLES, rows.iter().map(holder).collect()),
        Rows::Accounts(rows) => (ACCOUNTS, rows.iter().map(account).collect()),
        Rows::Groups(rows) => (GROUPS, rows.iter().map(group).collect()),
        Rows::GroupMembers(rows) => (GROUP_MEMBERS, rows.iter().map(group_member).collect()),
        Rows::GroupRoles(rows) => (GROUP_ROLES, rows.iter().map(grant).collect()),
    };
    query(statement).bind(Value::Array(rows).to_string()).execute(db).await.map_err(failure)?;
    Ok(())
}

const ORGS: &str = "INSERT INTO orgs \
    (id, owner_id, name, name_lower, description, metadata, created_at, updated_at) \
    SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, \
    value ->> 5, value ->> 6, value ->> 7 FROM json_each(?1)";

fn org(org: &Org) -> Value {
    let name = org.name.as_str();
    json!([
        hex(org.id.uuid()),
        hex(org.owner.uuid()),
        name,
        name.to_lowercase(),
        org.description.as_str(),
        metadata_column(&org.metadata),
        org.created_at.micros(),
        org.updated_at.micros(),
    ])
}

const MEMBERSHIPS: &str = "INSERT INTO org_memberships \
    (org_id, member_id, role, created_at, updated_at) \
    SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4 \
    FROM json_each(?1)";

fn membership(membership: &Membership) -> Value {
    json!([
        hex(membership.org.uuid()),
        hex(membership.member.uuid()),
        membership.role.as_str(),
        membership.created_at.micros(),
        membership.updated_at.micros(),
    ])
}

const INVITES: &str = "INSERT INTO org_invites \
    (id, invitee_id, inviter_id, org_id, invitee_role, created_at, expires_at, state) \
    SELECT unhex(value ->> 0), unhex(value ->> 1), unhex(value ->> 2), unhex(value ->> 3), \
    value ->> 4, value ->> 5, value ->> 6, value ->> 7 FROM json_each(?1)";

fn invite(invite: &Invite) -> Value {
    json!([
        hex(invite.id.uuid()),
        invite.invitee.map(|invitee| hex(invitee.uuid())),
        hex(invite.inviter.uuid()),
        hex(invite.org.uuid()),
        invite.role.as_str(),
        invite.created_at.micros(),
        invite.expires_at.micros(),
        invite.state.as_str(),
    ])
}

const DORMANT: &str = "INSERT INTO dormant_org_invites (org_invite_id, platform_invite_id) \
    SELECT unhex(value ->> 0), unhex(value ->> 1) FROM json_each(?1)";

fn dormant(row: &DormantInvite) -> Value {
    json!([hex(row.invite.uuid()), hex(row.platform_invite.uuid())])
}

const KEYS: &str = "INSERT INTO keys (id, type, subject, issuer_id, issued_at, expires_at) \
    SELECT unhex(value ->> 0), value ->> 1, value ->> 2, unhex(value ->> 3), value ->> 4, \
    value ->> 5 FROM json_each(?1)";

fn key(key: &Key) -> Value {
    json!([
        hex(key.id.uuid()),
        KeyKind::Api.number(),
        key.subject,
        hex(key.issuer.uuid()),
        key.issued_at.micros(),
        key.expires_at.map(auth_domain::Timestamp::micros),
    ])
}

const ROLES: &str = "INSERT INTO users_roles (user_id, role) \
    SELECT unhex(value ->> 0), value ->> 1 FROM json_each(?1)";

fn holder(holder: &RoleHolder) -> Value {
    json!([hex(holder.user.uuid()), holder.role.as_str()])
}

const ACCOUNTS: &str = "INSERT INTO keyward_accounts (id, email, email_lower, email_key, \
    password_hash, status, metadata, created_at, updated_at, email_verified_at) \
    SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, \
    value ->> 6, value ->> 7, value ->> 8, value ->> 9 FROM json_each(?1)";

fn account(account: &Account) -> Value {
    let email = account.email.as_str();
    json!([
        hex(account.id.uuid()),
        email,
        email.to_lowercase(),
        account.email.key(),
        account.password.expose(),
        account.status.as_str(),
        metadata_column(&account.metadata),
        account.created_at.micros(),
        account.updated_at.micros(),
        account.email_verified_at.map(Timestamp::micros),
    ])
}

const GROUPS: &str = "INSERT INTO keyward_groups (id, parent_id, owner_id, org_id, name, \
    description, metadata, created_at, updated_at) \
    SELECT unhex(value ->> 0), unhex(value ->> 1), unhex(value ->> 2), unhex(value ->> 3), \
    value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8 FROM json_each(?1)";

fn group(group: &Group) -> Value {
    json!([
        hex(group.id.uuid()),
        group.parent.map(GroupId::uuid).map(hex),
        hex(group.owner.uuid()),
        group.org.map(OrgId::uuid).map(hex),
        group.name.as_str(),
        group.description.as_str(),
        metadata_column(&group.metadata),
        group.created_at.micros(),
        group.updated_at.micros(),
    ])
}

const GROUP_MEMBERS: &str = "INSERT INTO keyward_group_members (group_id, member_id, type, created_at) \
    SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1)";

fn group_member(member: &GroupMember) -> Value {
    json!([
        hex(member.group.uuid()),
        member.member.as_str(),
        member.kind.as_str(),
        member.created_at.micros(),
    ])
}

const GROUP_ROLES: &str = "INSERT INTO keyward_group_roles \
    (group_id, user_id, role, created_at, updated_at) \
    SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4 \
    FROM json_each(?1)";

fn grant(grant: &GroupGrant) -> Value {
    json!([
        hex(grant.group.uuid()),
        hex(grant.user.uuid()),
        grant.role.as_str(),
        grant.created_at.micros(),
        grant.updated_at.micros(),
    ])
}
