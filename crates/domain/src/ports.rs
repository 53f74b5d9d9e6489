//! What the outside implements. Reads are grouped by noun; there is one way to write.

/// What spans of calls that leave the process are filed under: a collector of traces gets them, and no log line
/// speaks of them.
pub const CALLS_OUT: &str = "calls_out";

mod admission;
mod checks;
mod log;
mod mail;
mod secrets;
mod store;
mod throttle;

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::Timestamp;
use crate::audit::Origin;
use crate::error::Result;
use crate::model::{Email, Person, UserId};

pub use self::admission::{Admission, Admitted, Priority, Unbounded};
pub use self::checks::{Checks, Confirm, Confirmation};
pub use self::log::{ChangeLog, Laggard, Publisher, Replicas, Sinks};
pub use self::mail::{Mailer, Mails, Undelivered};
pub use self::secrets::{Cursors, Guess, Passwords, RefreshTokens, TicketSecrets, Tokens};
pub use self::store::{
    Accounts, AuditTrail, BARRED, CutOffs, Groups, Invites, Keys, Memberships, Orgs,
    PlatformInvites, Sessions, SigningKeys, Standings, Store, Tickets,
};
pub use self::throttle::{Attempt, Call, Class, Source, Throttle};

/// The most people one call to a [`Directory`] names.
pub const MAX_PEOPLE: usize = 1000;

/// Who people are, wherever that is kept. What it answers is checked by whoever asks, because another
/// service may be behind it: it may name too few people, too many, the same twice, in any order.
#[async_trait]
pub trait Directory: Send + Sync {
    /// The enabled people among these, at most [`MAX_PEOPLE`] of them.
    async fn people(&self, ids: &[UserId]) -> Result<Vec<Person>>;

    /// The enabled people with these addresses, at most [`MAX_PEOPLE`] of them. Fails with `NotFound`
    /// when one of the addresses is nobody's.
    async fn people_by_emails(&self, emails: &[Email]) -> Result<Vec<Person>>;

    /// Whether these people are the accounts in the store, which can then be asked with one statement.
    fn is_built_in(&self) -> bool;
}

/// The time.
pub trait Clock: Send + Sync {
    /// Now, in whole milliseconds.
    fn now(&self) -> Timestamp;
}

/// Fresh ids.
pub trait Ids: Send + Sync {
    /// An id nobody had before: a version 7 UUID (RFC 9562), which is not a secret.
    fn next(&self) -> Uuid;
}

/// Watches operations, for metrics and for whoever waits for commits.
pub trait Observer: Send + Sync {
    /// An operation ended: its name, `ok` or an [`crate::Error::outcome`], and how long it took.
    fn observe(&self, operation: &'static str, outcome: &'static str, took: Duration);

    /// The same of one that nobody but this process asked for.
    fn observe_own(&self, operation: &'static str, outcome: &'static str, took: Duration) {
        self.observe(operation, outcome, took);
    }

    /// Where the request that is under way comes from, for the audit trail.
    fn origin(&self) -> Origin {
        Origin::default()
    }

    /// Where the request that is under way came in, for limits by address.
    fn source(&self) -> Source {
        Source::default()
    }

    /// Something was committed: whoever passes it on may look now.
    fn committed(&self) {}

    /// A mail was queued or is due again: whoever sends it may look now.
    fn mail_queued(&self) {}

    /// The request that is under way is answered although some replica may not know of its commit yet.
    fn unconfirmed(&self) {}

    /// The request that is under way is answered from a memory that may be out of date, as the operator wants
    /// it for a while when the store is away.
    fn graced(&self) {}
}
