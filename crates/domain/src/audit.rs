//! The audit trail: who did what to which object, from where, and how it went.
//!
//! How a record comes to be: `App::execute` knows who asks for what and from where ([`Context`]), and that goes
//! into every [`Commit`]. The store derives the [`Entry`]s from the same facts as the change log
//! ([`Commit::entries`]) and has [`Head::extend`] chain them to the end of the trail, in the transaction of the
//! change: there is no other way to commit. [`attempts`] is what is recorded without a change, and [`verify`]
//! says whether a trail is as it was written (`docs/adr/0012-audit-trail.md`).

pub mod attempts;
mod chain;
pub mod verify;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};

pub(crate) use self::chain::ACKNOWLEDGED;
pub use self::chain::{Digest, Head, Notary, hex, unhex};
use crate::Timestamp;
use crate::change::Commit;
use crate::error::{Error, Invalid, Result};
use crate::fact::{Fact, org_of};
use crate::model::OrgId;

/// How many of the oldest records go at a time: few enough that a turn ends well within its time and holds up no
/// other writer for long.
pub const TRIMMED: u32 = 10_000;

/// Which of the two trails: each is a chain of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trail {
    /// What was changed: a record for every fact of every commit.
    Changes,
    /// Sign-ins, and calls that were refused, summed up.
    Attempts,
}

impl Trail {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Changes, Self::Attempts];

    /// What stores and clients call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Attempts => "attempts",
        }
    }
}

impl std::str::FromStr for Trail {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|trail| trail.as_str() == text);
        found.ok_or_else(|| Invalid::QueryParameters.into())
    }
}

/// Where a request comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address it came from.
    pub peer: Option<IpAddr>,
    /// The request's id.
    pub request: Option<String>,
    /// The trace it belongs to.
    pub trace: Option<String>,
}

/// What a commit has for the trail beside its changes.
#[derive(Clone, Debug)]
pub struct Context {
    /// The operation that was asked for.
    pub operation: &'static str,
    /// Where the request came from.
    pub origin: Origin,
    /// The org that the operation was authorized in, if in one.
    pub org: Option<OrgId>,
    /// Chains and seals the trail.
    pub notary: Arc<dyn Notary>,
}

impl Context {
    /// Of what comes from no request and happened in no org that anybody was authorized in.
    #[must_use]
    pub fn plain(operation: &'static str, notary: Arc<dyn Notary>) -> Self {
        Self { operation, origin: Origin::default(), org: None, notary }
    }
}

/// What [`Entry::actor_kind`] can be.
pub const ACTOR_KINDS: [&str; 6] = ["session", "key", "service", "operator", "system", "anonymous"];

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was asked for.
    pub at: Timestamp,
    /// Who asked, as [`crate::Actor`] is written.
    pub actor: String,
    /// The address the request came from.
    pub peer: Option<String>,
    /// The request's id.
    pub request: Option<String>,
    /// The trace it belongs to.
    pub trace: Option<String>,
    /// The operation that was asked for.
    pub operation: String,
    /// What happened, as `noun.verb`; of an attempt, `sign_in` or `refusal`.
    pub action: String,
    /// The user it happened to, if one.
    pub subject: Option<String>,
    /// The thing it happened to; empty if no one thing.
    pub object: String,
    /// The org it happened in, if in one.
    pub org: Option<String>,
    /// `ok`, or the code of the refusal.
    pub outcome: String,
    /// How often, until a moment in the details if more than once.
    pub count: i64,
    /// What else there is to say: a JSON object. Never a secret, never a mail address.
    pub details: String,
}

/// An [`Entry`] in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its number in its trail, from 1 on.
    pub place: i64,
    /// What it says.
    pub entry: Entry,
    /// The digest of the record before it and of what it says.
    pub hash: Digest,
}

impl Entry {
    /// How whoever asked proved who they are, in a word.
    #[must_use]
    pub fn actor_kind(&self) -> &'static str {
        match self.actor.split(':').next() {
            Some("user") if self.actor.contains("/key:") => "key",
            Some("user") => "session",
            Some("service") => "service",
            Some("operator") => "operator",
            Some("anonymous") => "anonymous",
            _ => "system",
        }
    }

    /// What this service itself has to say about the trail.
    #[must_use]
    pub fn own(
        operation: &'static str,
        action: &'static str,
        at: Timestamp,
        details: &Value,
    ) -> Self {
        Self {
            at,
            actor: "system".to_owned(),
            peer: None,
            request: None,
            trace: None,
            operation: operation.to_owned(),
            action: action.to_owned(),
            subject: None,
            object: String::new(),
            org: None,
            outcome: "ok".to_owned(),
            count: 1,
            details: details.to_string(),
        }
    }
}

impl Commit {
    /// What the trail says of some of its facts. With each goes the role that was replaced or taken, if the
    /// change was about one.
    #[must_use]
    pub fn entries<'a>(&self, facts: impl IntoIterator<Item = &'a Told>) -> Vec<Entry> {
        let Context { operation, origin, .. } = &self.audit;
        let peer = origin.peer.map(|peer| peer.to_string());
        let entry = |told: &Told| {
            let Fact { kind, subject, object, payload } = &told.fact;
            let in_group = kind.starts_with("group");
            let org = org_of(kind, object, payload).map(str::to_owned);
            Entry {
                at: self.at,
                actor: self.actor.clone(),
                peer: peer.clone(),
                request: origin.request.clone(),
                trace: origin.trace.clone(),
                operation: (*operation).to_owned(),
                action: (*kind).to_owned(),
                subject: subject.clone(),
                object: object.clone(),
                org: org.or_else(|| self.audit.org.filter(|_| in_group).map(|org| org.to_string())),
                outcome: "ok".to_owned(),
                count: 1,
                details: told.details().to_string(),
            }
        };
        facts.into_iter().map(entry).collect()
    }
}

/// A fact, and what only the store that made it true can tell of it.
#[derive(Clone, Debug)]
pub struct Told {
    /// The fact.
    pub fact: Fact,
    /// The role that was replaced or taken, if the change was about one and there was one.
    pub role_before: Option<String>,
}

impl Told {
    /// The facts of a change, whose application gave the role it replaced.
    pub fn of(
        change: &crate::change::Change,
        role_before: Option<&str>,
    ) -> impl Iterator<Item = Self> {
        let role_before = role_before.map(str::to_owned);
        Fact::of(change)
            .into_iter()
            .map(move |fact| Self { fact, role_before: role_before.clone() })
    }

    fn details(&self) -> Value {
        let mut details = match &self.fact.payload {
            Value::Object(members) => members.clone(),
            _ => Map::new(),
        };
        if let Some(role) = &self.role_before {
            details.insert("role_before".to_owned(), Value::from(role.as_str()));
        }
        Value::Object(details)
    }
}

/// Which records to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditQuery {
    /// Of which trail.
    pub trail: Trail,
    /// Only what happened in this org.
    pub org: Option<OrgId>,
    /// Only what these asked for, as records name them: `user:` and an id is the user however they proved it.
    pub actor: Option<String>,
    /// Only this action.
    pub action: Option<String>,
    /// Only what happened to this thing or user.
    pub object: Option<String>,
    /// Not what was earlier.
    pub from: Option<Timestamp>,
    /// Not what was at this moment or later.
    pub to: Option<Timestamp>,
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
