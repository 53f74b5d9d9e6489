//! The registry of replicas. One process has the data directory, so it is kept in memory: a renewal, which comes
//! several times a second for as long as the service runs, writes nothing to the disk and waits for no writer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use auth_domain::Timestamp;
use auth_domain::error::Result;
use auth_domain::ports::Laggard;
use sqlx::{SqlitePool, query_as};
use uuid::Uuid;

use crate::failure::failure;

/// Who is there.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<HashMap<Uuid, Row>>);

#[derive(Clone, Copy, Debug)]
struct Row {
    applied: i64,
    renewals: i64,
    lease: Duration,
    seen_at: Timestamp,
}

impl Registry {
    pub(crate) async fn register(
        &self,
        db: &SqlitePool,
        replica: Uuid,
        lease: Duration,
    ) -> Result<i64> {
        let (revision, seen_at) = newest(db).await?;
        let mut rows = self.rows();
        let renewals = rows.get(&replica).map_or(0, |row| row.renewals.saturating_add(1));
        rows.insert(replica, Row { applied: revision, renewals, lease, seen_at });
        Ok(revision)
    }

    pub(crate) async fn renew(
        &self,
        db: &SqlitePool,
        replica: Uuid,
        lease: Duration,
        applied: i64,
    ) -> Result<Option<i64>> {
        let (revision, seen_at) = newest(db).await?;
        Ok(self.rows().get_mut(&replica).map(|row| {
            let renewals = row.renewals.saturating_add(1);
            *row = Row { applied: row.applied.max(applied), renewals, lease, seen_at };
            revision
        }))
    }

    pub(crate) fn laggards(&self, replica: Uuid, revision: i64) -> Vec<Laggard> {
        self.rows()
            .iter()
            .filter(|(id, row)| **id != replica && row.applied < revision)
            .map(|(id, row)| Laggard { replica: *id, renewals: row.renewals, lease: row.lease })
            .collect()
    }

    pub(crate) fn evict(&self, laggards: &[Laggard]) {
        let mut rows = self.rows();
        for laggard in laggards {
            if rows.get(&laggard.replica).is_some_and(|row| row.renewals == laggard.renewals) {
                rows.remove(&laggard.replica);
            }
        }
    }

    pub(crate) fn leave(&self, replica: Uuid) {
        self.rows().remove(&replica);
    }

    /// What everybody who was seen since then has applied; nothing when nobody was.
    pub(crate) fn applied_by_all(&self, since: Timestamp) -> Option<i64> {
        let rows = self.rows();
        rows.values().filter(|row| row.seen_at >= since).map(|row| row.applied).min()
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<Uuid, Row>> {
        // Nothing in here can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest revision, and when it was read.
async fn newest(db: &SqlitePool) -> Result<(i64, Timestamp)> {
    let (revision, seconds) = query_as("SELECT value, unixepoch() FROM keyward_revision")
        .fetch_one(db)
        .await
        .map_err(failure)?;
    Ok((revision, Timestamp::from_seconds(seconds)))
}
