//! What the change log says of a write.
//!
//! One exhaustive `match` derives it, so a change that alters who may do what cannot be committed
//! without its row. Replicas read these rows to forget what they remember, the event stream is fed
//! from them, and the audit trail is made of them (`docs/adr/0003-change-log.md`).

use std::fmt;

use serde_json::{Value, json};

use crate::Timestamp;
use crate::change::Change;
use crate::model::{KeyId, OrgId, UserId};

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

/// Where a record stands among all records: they are passed on in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The commit's place among all commits; 0 is before all of them.
    pub revision: i64,
    /// The place within the commit.
    pub ordinal: i32,
}

impl fmt::Display for Place {
    /// `revision-ordinal`: what consumers of events recognise a repeated one by.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.revision, self.ordinal)
    }
}

/// What a sink has still to pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// How many records, counted up to [`Backlog::MOST`].
    pub records: u64,
    /// When the first of them was written.
    pub since: Option<Timestamp>,
}

impl Backlog {
    /// A backlog is counted this far and no further, so that looking at it costs the same after an
    /// outage of any length.
    pub const MOST: i64 = 10_000;
}

impl Record {
    /// Where it stands.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place { revision: self.revision, ordinal: self.ordinal }
    }

    /// The user who asked for it, if one did: [`crate::Actor`] says how it is written.
    #[must_use]
    pub fn actor_user(&self) -> Option<&str> {
        self.actor.strip_prefix("user:").and_then(|user| user.split('/').next())
    }
}

/// What changes for whoever remembers something, when a fact is recorded.
///
/// What answers depend on is named by these, too: an answer is out of date once one of them has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// Nothing that is remembered.
    Nothing,
    /// An API key.
    Key(KeyId),
    /// When a user's sessions were ended.
    CutOff(UserId),
    /// A user's platform role.
    PlatformRole(UserId),
    /// A user's place in an org.
    Member(UserId, OrgId),
    /// An org: whether it exists, who owns it, and with that the places of several people in it.
    Org(OrgId),
    /// Nobody can tell what.
    Everything,
}

impl Touched {
    /// What the record of a fact touches. A new kind of fact has its line here; one that has none, perhaps
    /// because a newer replica wrote it, touches everything, which costs time and is never wrong.
    #[must_use]
    pub fn by(kind: &str, subject: Option<&str>, object: &str) -> Self {
        let user = || subject.and_then(|text| text.parse().ok());
        let touched = match kind {
            "org.update" | "account.create" => Some(Self::Nothing),
            "key.issue" | "key.revoke" => object.parse().ok().map(Self::Key),
            "session.cutoff" => user().map(Self::CutOff),
            "platform_role.assign" | "platform_role.remove" => user().map(Self::PlatformRole),
            "membership.create" | "membership.update" | "membership.remove" => {
                user().zip(object.parse().ok()).map(|(user, org)| Self::Member(user, org))
            }
            "org.create" | "org.remove" | "org.transfer" => object.parse().ok().map(Self::Org),
            _ => None,
        };
        touched.unwrap_or(Self::Everything)
    }
}

impl Fact {
    /// What it touches.
    #[must_use]
    pub fn touches(&self) -> Touched {
        Touched::by(self.kind, self.subject.as_deref(), &self.object)
    }

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
            Change::EndSessions { user, until } => fact(
                "session.cutoff",
                Some(user.to_string()),
                user.to_string(),
                json!({ "until": until.to_string() }),
            ),
            Change::PurgeKeys { .. } | Change::PurgeRecords { .. } | Change::QueueMail(_) => None,
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
