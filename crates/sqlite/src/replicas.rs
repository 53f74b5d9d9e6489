//! The registry of replicas: one process has the data directory, so one row.

use std::time::Duration;

use auth_domain::error::Result;
use auth_domain::ports::Laggard;
use sqlx::{SqlitePool, query, query_as, query_scalar};
use uuid::Uuid;

use crate::failure::failure;

pub(crate) async fn register(db: &SqlitePool, replica: Uuid, lease: Duration) -> Result<i64> {
    query_scalar(
        "INSERT INTO keyward_replicas (id, applied, renewals, lease_micros, seen_at) \
         SELECT ?1, value, 0, ?2, unixepoch() FROM keyward_revision WHERE true \
         ON CONFLICT (id) DO UPDATE SET applied = excluded.applied, renewals = renewals + 1, \
         lease_micros = excluded.lease_micros, seen_at = excluded.seen_at \
         RETURNING applied",
    )
    .bind(replica)
    .bind(micros(lease))
    .fetch_one(db)
    .await
    .map_err(failure)
}

pub(crate) async fn renew(
    db: &SqlitePool,
    replica: Uuid,
    lease: Duration,
    applied: i64,
) -> Result<Option<i64>> {
    query_scalar(
        "UPDATE keyward_replicas SET applied = max(applied, ?3), renewals = renewals + 1, \
         lease_micros = ?2, seen_at = unixepoch() WHERE id = ?1 \
         RETURNING (SELECT value FROM keyward_revision)",
    )
    .bind(replica)
    .bind(micros(lease))
    .bind(applied)
    .fetch_optional(db)
    .await
    .map_err(failure)
}

pub(crate) async fn laggards(
    db: &SqlitePool,
    replica: Uuid,
    revision: i64,
) -> Result<Vec<Laggard>> {
    let rows: Vec<(Uuid, i64, i64)> = query_as(
        "SELECT id, renewals, lease_micros FROM keyward_replicas WHERE applied < ?2 AND id <> ?1",
    )
    .bind(replica)
    .bind(revision)
    .fetch_all(db)
    .await
    .map_err(failure)?;
    let laggard = |(replica, renewals, lease)| {
        let lease = Duration::from_micros(u64::try_from(lease).unwrap_or(0));
        Laggard { replica, renewals, lease }
    };
    Ok(rows.into_iter().map(laggard).collect())
}

pub(crate) async fn evict(db: &SqlitePool, laggards: &[Laggard]) -> Result<()> {
    for laggard in laggards {
        query("DELETE FROM keyward_replicas WHERE id = ?1 AND renewals = ?2")
            .bind(laggard.replica)
            .bind(laggard.renewals)
            .execute(db)
            .await
            .map_err(failure)?;
    }
    Ok(())
}

pub(crate) async fn leave(db: &SqlitePool, replica: Uuid) -> Result<()> {
    query("DELETE FROM keyward_replicas WHERE id = ?1")
        .bind(replica)
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
