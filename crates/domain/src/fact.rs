//! What the change log says of a write.
//!
//! One exhaustive `match` derives it, so a change that alters who may do what cannot be committed
//! without its row. Replicas read these rows to forget what they remember, the event stream is fed
//! from them, and the audit trail is made of them (`docs/adr/0003-change-log.md`).

use serde_json::{Value, json};

use crate::Timestamp;
use crate::change::Change;

/// One fact that a commit changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// What happened, as `noun.verb`.
    pub kind: &'static str,
    /// The user it happened to, if one: whatever is remembered of them is out of date.
    pub subject: Option<String>,
    /// The thing it happened to: whatever is remembered of it is out of date.
    pub object: String,
    /// What else readers need. Never a secret, never an address.
    pub payload: Value,
}

/// A [`Fact`] as stored: its place in the order of all commits, and by whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The commit's place among all commits; what has a higher one was committed later.
    pub revision: i64,
    /// The place within the commit.
    pub ordinal: i32,
    /// What happened, as `noun.verb`.
    pub kind: String,
    /// The user it happened to, if one.
    pub subject: Option<String>,
    /// The thing it happened to.
    pub object: String,
    /// Who asked for it.
    pub actor: String,
    /// What else readers need.
    pub payload: Value,
    /// When it was asked for.
    pub occurred_at: Timestamp,
}

impl Fact {
    /// What the change log says of a change, if anything.
    #[must_use]
    pub fn of(change: &Change) -> Option<Self> {
        let fact = |kind, subject: Option<String>, object: String, payload| {
            Some(Self { kind, subject, object, payload })
        };
        match change {
            Change::InsertKey(key) => fact(
                "key.issue",
                Some(key.issuer.to_string()),
                key.id.to_string(),
                json!({ "expires_at": key.expires_at.map(|end| end.to_string()) }),
            ),
            Change::RemoveKey { id, issuer } => {
                fact("key.revoke", Some(issuer.to_string()), id.to_string(), json!({}))
            }
            Change::PurgeKeys { .. } => None,
            Change::InsertOrg(org) => {
                fact("org.create", Some(org.owner.to_string()), org.id.to_string(), json!({}))
            }
            Change::UpdateOrg(edit) => fact("org.update", None, edit.id.to_string(), json!({})),
            Change::RemoveOrg(id) => fact("org.remove", None, id.to_string(), json!({})),
            Change::InsertMembership(membership) => fact(
                "membership.create",
                Some(membership.member.to_string()),
                membership.org.to_string(),
                json!({ "role": membership.role.as_str() }),
            ),
            Change::UpdateMembership { org, member, role, .. } => fact(
                "membership.update",
                Some(member.to_string()),
                org.to_string(),
                json!({ "role": role.as_str() }),
            ),
            Change::RemoveMembership { org, member } => {
                fact("membership.remove", Some(member.to_string()), org.to_string(), json!({}))
            }
            // Of two users, so of the org as a whole.
            Change::TransferOrg { org, from, to, .. } => fact(
                "org.transfer",
                None,
                org.to_string(),
                json!({ "from": from.to_string(), "to": to.to_string() }),
            ),
            Change::PutPlatformRole { user, role } => fact(
                "platform_role.assign",
                Some(user.to_string()),
                user.to_string(),
                json!({ "role": role.as_str() }),
            ),
            Change::RemovePlatformRole { user } => {
                fact("platform_role.remove", Some(user.to_string()), user.to_string(), json!({}))
            }
            Change::InsertAccount(account) => fact(
                "account.create",
                Some(account.id.to_string()),
                account.id.to_string(),
                json!({ "status": account.status.as_str() }),
            ),
        }
    }
}
