//! The document: JSON that clients of the original's backup read as well, with more in it.
//!
//! ```json
//! {"format":"keyward-backup","version":1,"taken_at":"…","instance":"…","revision":7,
//! "orgs":[…],"org_memberships":[…],"org_invites":[…],"dormant_org_invites":[…],
//! "keys":[…],"platform_roles":[…],"accounts":[…],"groups":[…],"group_members":[…],
//! "group_roles":[…],"mac":"…"}
//! ```
//!
//! Everything is written in this order and without blanks; rows come by their place in their list, groups
//! each after the one above it. `mac` is over every byte before its own comma.

use serde::Serialize;
use serde_json::{Map, Value};

use super::ports::Taken;
use super::rows::{Rows, Section};
use super::seal;
use crate::Timestamp;
use crate::error::{Error, Result};
use crate::model::{
    Account, Group, GroupGrant, GroupMember, Invite, Key, Membership, Org, RoleHolder,
};

/// The version of the format that this service writes, and the only one that it reads.
pub const VERSION: i64 = 1;

/// The beginning, up to the first list.
#[must_use]
pub fn head(taken: Taken, at: Timestamp) -> String {
    let beginning = String::from_utf8_lossy(seal::BEGINNING);
    let Taken { instance, revision } = taken;
    format!(
        "{beginning}\"version\":{VERSION},\"taken_at\":\"{at}\",\"instance\":\"{instance}\",\
         \"revision\":{revision}"
    )
}

/// What stands before the rows of a list.
#[must_use]
pub fn opening(section: Section) -> String {
    format!(",\"{}\":[", section.as_str())
}

/// What stands behind them.
pub const CLOSING: &[u8] = b"]";

/// The end, with the seal.
#[must_use]
pub fn tail(mac: &str) -> Vec<u8> {
    [seal::BEFORE, mac.as_bytes(), seal::BEHIND, b"\n"].concat()
}

/// Writes rows of a list; `first` says whether none of it was written before. Password hashes are only
/// written if that was asked for.
pub fn rows(rows: &Rows, first: bool, password_hashes: bool, to: &mut Vec<u8>) -> Result<()> {
    let mut list = List { to, first };
    match rows {
        Rows::Orgs(rows) => rows.iter().try_for_each(|row| list.push(&OrgRow::from(row))),
        Rows::Memberships(rows) => {
            rows.iter().try_for_each(|row| list.push(&MembershipRow::from(row)))
        }
        Rows::Invites(rows) => rows.iter().try_for_each(|row| list.push(&InviteRow::from(row))),
        Rows::Dormant(rows) => rows.iter().try_for_each(|row| {
            list.push(&DormantRow {
                org_invite_id: row.invite.to_string(),
                platform_invite_id: row.platform_invite.to_string(),
            })
        }),
        Rows::Keys(rows) => rows.iter().try_for_each(|row| list.push(&KeyRow::from(row))),
        Rows::PlatformRoles(rows) => rows.iter().try_for_each(|row| list.push(&RoleRow::from(row))),
        Rows::Accounts(rows) => {
            rows.iter().try_for_each(|row| list.push(&AccountRow::new(row, password_hashes)))
        }
        Rows::Groups(rows) => rows.iter().try_for_each(|row| list.push(&GroupRow::from(row))),
        Rows::GroupMembers(rows) => {
            rows.iter().try_for_each(|row| list.push(&GroupMemberRow::from(row)))
        }
        Rows::GroupRoles(rows) => rows.iter().try_for_each(|row| list.push(&GrantRow::from(row))),
    }
}

struct List<'a> {
    to: &'a mut Vec<u8>,
    first: bool,
}

impl List<'_> {
    fn push(&mut self, row: &impl Serialize) -> Result<()> {
        if !self.first {
            self.to.push(b',');
        }
        self.first = false;
        serde_json::to_writer(&mut *self.to, row).map_err(Error::internal)
    }
}

#[derive(Serialize)]
struct OrgRow<'a> {
    id: String,
    name: &'a str,
    owner_id: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: &'a Map<String, Value>,
    created_at: String,
    updated_at: String,
}

impl<'a> From<&'a Org> for OrgRow<'a> {
    fn from(org: &'a Org) -> Self {
        Self {
            id: org.id.to_string(),
            name: org.name.as_str(),
            owner_id: org.owner.to_string(),
            description: org.description.as_str(),
            metadata: org.metadata.object(),
            created_at: org.created_at.to_string(),
            updated_at: org.updated_at.to_string(),
        }
    }
}

#[derive(Serialize)]
struct MembershipRow {
    member_id: String,
    org_id: String,
    role: &'static str,
    created_at: String,
    updated_at: String,
}

impl From<&Membership> for MembershipRow {
    fn from(membership: &Membership) -> Self {
        Self {
            member_id: membership.member.to_string(),
            org_id: membership.org.to_string(),
            role: membership.role.as_str(),
            created_at: membership.created_at.to_string(),
            updated_at: membership.updated_at.to_string(),
        }
    }
}

#[derive(Serialize)]
struct InviteRow {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    invitee_id: Option<String>,
    inviter_id: String,
    org_id: String,
    invitee_role: &'static str,
    state: &'static str,
    created_at: String,
    expires_at: String,
}

impl From<&Invite> for InviteRow {
    fn from(invite: &Invite) -> Self {
        Self {
            id: invite.id.to_string(),
            invitee_id: invite.invitee.map(|invitee| invitee.to_string()),
            inviter_id: invite.inviter.to_string(),
            org_id: invite.org.to_string(),
            invitee_role: invite.role.as_str(),
            state: invite.state.as_str(),
            created_at: invite.created_at.to_string(),
            expires_at: invite.expires_at.to_string(),
        }
    }
}

#[derive(Serialize)]
struct DormantRow {
    org_invite_id: String,
    platform_invite_id: String,
}

#[derive(Serialize)]
struct KeyRow<'a> {
    id: String,
    issuer_id: String,
    subject: &'a str,
    issued_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

impl<'a> From<&'a Key> for KeyRow<'a> {
    fn from(key: &'a Key) -> Self {
        Self {
            id: key.id.to_string(),
            issuer_id: key.issuer.to_string(),
            subject: &key.subject,
            issued_at: key.issued_at.to_string(),
            expires_at: key.expires_at.map(|end| end.to_string()),
        }
    }
}

#[derive(Serialize)]
struct RoleRow {
    user_id: String,
    role: &'static str,
}

impl From<&RoleHolder> for RoleRow {
    fn from(holder: &RoleHolder) -> Self {
        Self { user_id: holder.user.to_string(), role: holder.role.as_str() }
    }
}

#[derive(Serialize)]
struct AccountRow<'a> {
    id: String,
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified_at: Option<String>,
    status: &'static str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: &'a Map<String, Value>,
    created_at: String,
    updated_at: String,
}

impl<'a> AccountRow<'a> {
    fn new(account: &'a Account, password_hash: bool) -> Self {
        let password_hash = password_hash && account.password.is_usable();
        Self {
            id: account.id.to_string(),
            email: account.email.as_str(),
            password_hash: password_hash.then(|| account.password.expose()),
            email_verified_at: account.email_verified_at.map(|at| at.to_string()),
            status: account.status.as_str(),
            metadata: account.metadata.object(),
            created_at: account.created_at.to_string(),
            updated_at: account.updated_at.to_string(),
        }
    }
}

#[derive(Serialize)]
struct GroupRow<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
    owner_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    org_id: Option<String>,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: &'a Map<String, Value>,
    created_at: String,
    updated_at: String,
}

impl<'a> From<&'a Group> for GroupRow<'a> {
    fn from(group: &'a Group) -> Self {
        Self {
            id: group.id.to_string(),
            parent_id: group.parent.map(|parent| parent.to_string()),
            owner_id: group.owner.to_string(),
            org_id: group.org.map(|org| org.to_string()),
            name: group.name.as_str(),
            description: group.description.as_str(),
            metadata: group.metadata.object(),
            created_at: group.created_at.to_string(),
            updated_at: group.updated_at.to_string(),
        }
    }
}

#[derive(Serialize)]
struct GroupMemberRow<'a> {
    group_id: String,
    member_id: &'a str,
    r#type: &'a str,
    created_at: String,
}

impl<'a> From<&'a GroupMember> for GroupMemberRow<'a> {
    fn from(member: &'a GroupMember) -> Self {
        Self {
            group_id: member.group.to_string(),
            member_id: member.member.as_str(),
            r#type: member.kind.as_str(),
            created_at: member.created_at.to_string(),
        }
    }
}

#[derive(Serialize)]
struct GrantRow {
    group_id: String,
    user_id: String,
    role: &'static str,
    created_at: String,
    updated_at: String,
}

impl From<&GroupGrant> for GrantRow {
    fn from(grant: &GroupGrant) -> Self {
        Self {
            group_id: grant.group.to_string(),
            user_id: grant.user.to_string(),
            role: grant.role.as_str(),
            created_at: grant.created_at.to_string(),
            updated_at: grant.updated_at.to_string(),
        }
    }
}
