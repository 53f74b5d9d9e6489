//! The registry of replicas. Every statement may be repeated.

use std::time::Duration;

use auth_domain::error::Result;
use auth_domain::ports::Laggard;
use sqlx::query_as;
use uuid::Uuid;

use crate::connections::Connections;

pub(crate) async fn register(db: &Connections, replica: Uuid, lease: Duration) -> Result<i64> {
    let (revision,) = db
        .one(|| {
            query_as(
                "WITH entered AS (INSERT INTO keyward_replicas AS replica \
                 (id, applied, renewals, lease_micros, seen_at) \
                 SELECT $1, value, 0, $2, clock_timestamp() FROM keyward_revision \
                 ON CONFLICT (id) DO UPDATE SET applied = excluded.applied, \
                 renewals = replica.renewals + 1, lease_micros = excluded.lease_micros, \
                 seen_at = excluded.seen_at) \
                 SELECT value FROM keyward_revision",
            )
            .bind(replica)
            .bind(micros(lease))
        })
        .await?;
    Ok(revision)
}

pub(crate) async fn renew(
    db: &Connections,
    replica: Uuid,
    lease: Duration,
    applied: i64,
) -> Result<Option<i64>> {
    let row: Option<(i64,)> = db
        .optional(|| {
            query_as(
                "UPDATE keyward_replicas SET applied = greatest(applied, $3), \
                 renewals = renewals + 1, lease_micros = $2, seen_at = clock_timestamp() \
                 FROM keyward_revision WHERE id = $1 RETURNING value",
            )
            .bind(replica)
            .bind(micros(lease))
            .bind(applied)
        })
        .await?;
    Ok(row.map(|(revision,)| revision))
}

pub(crate) async fn laggards(
    db: &Connections,
    replica: Uuid,
    revision: i64,
) -> Result<Vec<Laggard>> {
    let rows: Vec<(Uuid, i64, i64)> = db
        .all(|| {
            query_as(
                "SELECT id, renewals, lease_micros FROM keyward_replicas \
                 WHERE applied < $2 AND id <> $1",
            )
            .bind(replica)
            .bind(revision)
        })
        .await?;
    let laggard = |(replica, renewals, lease)| {
        let lease = Duration::from_micros(u64::try_from(lease).unwrap_or(0));
        Laggard { replica, renewals, lease }
    };
    Ok(rows.into_iter().map(laggard).collect())
}

pub(crate) async fn evict(db: &Connections, laggards: &[Laggard]) -> Result<()> {
    let replicas: Vec<Uuid> = laggards.iter().map(|laggard| laggard.replica).collect();
    let renewals: Vec<i64> = laggards.iter().map(|laggard| laggard.renewals).collect();
    db.all::<(i64,)>(|| {
        query_as(
            "DELETE FROM keyward_replicas AS replica \
             USING unnest($1::uuid[], $2::bigint[]) AS seen (id, renewals) \
             WHERE replica.id = seen.id AND replica.renewals = seen.renewals \
             RETURNING replica.renewals",
        )
        .bind(replicas.clone())
        .bind(renewals.clone())
    })
    .await
    .map(drop)
}

pub(crate) async fn leave(db: &Connections, replica: Uuid) -> Result<()> {
    db.all::<(i64,)>(|| {
        query_as("DELETE FROM keyward_replicas WHERE id = $1 RETURNING renewals").bind(replica)
    })
    .await
    .map(drop)
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
