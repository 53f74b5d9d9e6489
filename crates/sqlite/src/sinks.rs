//! How far the change log was passed on, and who may pass it on now.

use std::time::Duration;

use auth_domain::error::Result;
use auth_domain::fact::{Backlog, Place};
use sqlx::{SqlitePool, query, query_as};
use uuid::Uuid;

use crate::failure::failure;
use crate::rows::moment;

pub(crate) async fn backlog(db: &SqlitePool, sink: &str) -> Result<Backlog> {
    let (records, since): (i64, Option<i64>) = query_as(
        "WITH passed AS (SELECT coalesce(max(revision), 0) AS revision, \
         coalesce(max(ordinal), 0) AS ordinal FROM keyward_sinks WHERE name = ?1), \
         ahead AS (SELECT changes.revision, changes.ordinal, occurred_at \
         FROM passed CROSS JOIN keyward_changes AS changes \
         WHERE (changes.revision, changes.ordinal) > (passed.revision, passed.ordinal) \
         ORDER BY changes.revision, changes.ordinal LIMIT ?2) \
         SELECT (SELECT count(*) FROM ahead), \
         (SELECT occurred_at FROM ahead ORDER BY revision, ordinal LIMIT 1)",
    )
    .bind(sink)
    .bind(Backlog::MOST)
    .fetch_one(db)
    .await
    .map_err(failure)?;
    Ok(Backlog { records: u64::try_from(records).unwrap_or(0), since: since.map(moment) })
}

/// A hold that ends much later than one from now on would is left over from a clock that was set back.
pub(crate) async fn take(
    db: &SqlitePool,
    sink: &str,
    holder: Uuid,
    hold: Duration,
) -> Result<Option<Place>> {
    let place: Option<(i64, i32)> = query_as(
        "INSERT INTO keyward_sinks (name, revision, ordinal, holder, held_until) \
         VALUES (?1, 0, 0, ?2, CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?3) \
         ON CONFLICT (name) DO UPDATE \
         SET holder = excluded.holder, held_until = excluded.held_until \
         WHERE holder = excluded.holder \
         OR held_until <= excluded.held_until - ?3 \
         OR held_until > excluded.held_until + 60000000 \
         RETURNING revision, ordinal",
    )
    .bind(sink)
    .bind(holder)
    .bind(micros(hold))
    .fetch_optional(db)
    .await
    .map_err(failure)?;
    Ok(place.map(|(revision, ordinal)| Place { revision, ordinal }))
}

pub(crate) async fn advance(
    db: &SqlitePool,
    sink: &str,
    holder: Uuid,
    hold: Duration,
    passed: Place,
) -> Result<bool> {
    let noted = query(
        "UPDATE keyward_sinks SET revision = ?4, ordinal = ?5, \
         held_until = CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?3 \
         WHERE name = ?1 AND holder = ?2",
    )
    .bind(sink)
    .bind(holder)
    .bind(micros(hold))
    .bind(passed.revision)
    .bind(passed.ordinal)
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(noted.rows_affected() > 0)
}

/// The moment stays, because it tells that the sink is in use.
pub(crate) async fn release(db: &SqlitePool, sink: &str, holder: Uuid) -> Result<()> {
    query(
        "UPDATE keyward_sinks SET held_until = CAST(unixepoch('subsec') * 1000000 AS INTEGER) \
         WHERE name = ?1 AND holder = ?2",
    )
    .bind(sink)
    .bind(holder)
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
