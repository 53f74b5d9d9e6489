//! Who passes on the change log, and who has applied it.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::error::Result;
use crate::fact::{Backlog, Place, Record};

/// Reading the change log.
#[async_trait]
pub trait ChangeLog: Send + Sync {
    /// The newest revision; 0 when nothing was ever committed.
    async fn revision(&self) -> Result<i64>;

    /// The records of all commits after this revision, oldest first, at most `limit` of them.
    async fn records(&self, after: i64, limit: u32) -> Result<Vec<Record>>;
}

/// How far the change log was passed on, sink by sink.
///
/// A sink is a name. Whoever passes records on to it has to hold it, and only one holder has it at a
/// time: for a while from when they took it or last noted what they passed on, by the store's clock.
/// This is bookkeeping about the log and not part of what it records, hence no [`crate::change::Change`].
#[async_trait]
pub trait Sinks: Send + Sync {
    /// What the sink has still to pass on.
    async fn backlog(&self, sink: &str) -> Result<Backlog>;

    /// The records after this place, oldest first, at most `limit` of them.
    async fn records_after(&self, place: Place, limit: u32) -> Result<Vec<Record>>;

    /// Takes the sink or keeps it, for this long. Gives the place up to which it has passed records
    /// on, which is before all of them for a sink nobody had before; or nothing while another holder
    /// has it. All who want it ask for about the same time: a hold that ends more than a minute after
    /// the one asked for is left over from a clock that was set back, and ends at once.
    async fn take_sink(&self, sink: &str, holder: Uuid, hold: Duration) -> Result<Option<Place>>;

    /// Notes that the records up to this place were passed on, and keeps the sink for this long.
    /// Whether the holder still had it: if not, nothing is noted.
    async fn advance_sink(
        &self,
        sink: &str,
        holder: Uuid,
        hold: Duration,
        passed: Place,
    ) -> Result<bool>;

    /// Gives the sink back, if the holder has it: the next one need not wait.
    async fn release_sink(&self, sink: &str, holder: Uuid) -> Result<()>;
}

/// The registry of replicas: who answers from memory, and what they have applied of the change log.
///
/// Every method is one statement, committed when it returns. Like [`Sinks`], this is bookkeeping about the log
/// and not part of what it records. No moment in it decides anything: whoever waits counts on their own clock.
#[async_trait]
pub trait Replicas: Send + Sync {
    /// Enters a replica, or enters it anew, with nothing applied before the newest revision, which it gives.
    async fn register(&self, replica: Uuid, lease: Duration) -> Result<i64>;

    /// Notes that the replica lives and has applied everything up to a revision. Gives the newest revision, or
    /// nothing when the replica is not in the registry.
    async fn renew(&self, replica: Uuid, lease: Duration, applied: i64) -> Result<Option<i64>>;

    /// The other replicas that have not applied this revision.
    async fn laggards(&self, replica: Uuid, revision: i64) -> Result<Vec<Laggard>>;

    /// Takes these out of the registry, except for those that have renewed since they were looked at.
    async fn evict(&self, laggards: &[Laggard]) -> Result<()>;

    /// Waits until somebody says that something was committed. It is a hint: it may come late, for nothing, or
    /// not at all. Fails when nothing can be heard for now.
    async fn woken(&self) -> Result<()> {
        std::future::pending().await
    }

    /// Takes the replica out of the registry: it answers nothing any more.
    async fn leave(&self, replica: Uuid) -> Result<()>;
}

/// A replica that has not applied something yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Laggard {
    /// Which.
    pub replica: Uuid,
    /// How often it has renewed.
    pub renewals: i64,
    /// Its lease.
    pub lease: Duration,
}

/// Tells the world what the change log says.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Tells all of these in this order, or nothing. Fails with `Unavailable`, also when nobody knows
    /// whether they were told; whoever asks again tells them again.
    async fn publish(&self, records: &[Record]) -> Result<()>;
}
