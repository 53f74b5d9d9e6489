//! How far the change log was passed on, and who may pass it on now, by the server's clock.

use std::time::Duration;

use auth_domain::error::Result;
use auth_domain::fact::{Backlog, Place};
use sqlx::query_as;
use uuid::Uuid;

use crate::connections::Connections;
use crate::moment::Moment;

pub(crate) async fn backlog(db: &Connections, sink: &str) -> Result<Backlog> {
    let (records, since): (i64, Option<Moment>) = db
        .one(|| {
            query_as(
                "WITH passed AS (SELECT coalesce(max(revision), 0) AS revision, \
                 coalesce(max(ordinal), 0) AS ordinal FROM keyward_sinks WHERE name = $1), \
                 ahead AS (SELECT changes.revision, changes.ordinal, occurred_at \
                 FROM passed CROSS JOIN keyward_changes AS changes \
                 WHERE (changes.revision, changes.ordinal) > (passed.revision, passed.ordinal) \
                 ORDER BY changes.revision, changes.ordinal LIMIT $2) \
                 SELECT (SELECT count(*) FROM ahead), \
                 (SELECT occurred_at FROM ahead ORDER BY revision, ordinal LIMIT 1)",
            )
            .bind(sink)
            .bind(Backlog::MOST)
        })
        .await?;
    let since = since.map(|moment| moment.0);
    Ok(Backlog { records: u64::try_from(records).unwrap_or(0), since })
}

/// A hold that ends much later than one from now on would is left over from a clock that was set back.
/// Statements of this kind may be repeated: the holder gets what it already has.
pub(crate) async fn take(
    db: &Connections,
    sink: &str,
    holder: Uuid,
    hold: Duration,
) -> Result<Option<Place>> {
    let place: Option<(i64, i32)> = db
        .optional(|| {
            query_as(
                "INSERT INTO keyward_sinks AS sink (name, revision, ordinal, holder, held_until) \
                 VALUES ($1, 0, 0, $2, clock_timestamp() + $3 * interval '1 microsecond') \
                 ON CONFLICT (name) DO UPDATE \
                 SET holder = excluded.holder, held_until = excluded.held_until \
                 WHERE sink.holder = excluded.holder OR sink.held_until <= clock_timestamp() \
                 OR sink.held_until > excluded.held_until + interval '1 minute' \
                 RETURNING revision, ordinal",
            )
            .bind(sink)
            .bind(holder)
            .bind(micros(hold))
        })
        .await?;
    Ok(place.map(|(revision, ordinal)| Place { revision, ordinal }))
}

pub(crate) async fn advance(
    db: &Connections,
    sink: &str,
    holder: Uuid,
    hold: Duration,
    passed: Place,
) -> Result<bool> {
    let noted: Option<(i64,)> = db
        .optional(|| {
            query_as(
                "UPDATE keyward_sinks SET revision = $4, ordinal = $5, \
                 held_until = clock_timestamp() + $3 * interval '1 microsecond' \
                 WHERE name = $1 AND holder = $2 RETURNING revision",
            )
            .bind(sink)
            .bind(holder)
            .bind(micros(hold))
            .bind(passed.revision)
            .bind(passed.ordinal)
        })
        .await?;
    Ok(noted.is_some())
}

/// The moment stays, because it tells that the sink is in use.
pub(crate) async fn release(db: &Connections, sink: &str, holder: Uuid) -> Result<()> {
    db.all::<(i64,)>(|| {
        query_as(
            "UPDATE keyward_sinks SET held_until = clock_timestamp() \
             WHERE name = $1 AND holder = $2 RETURNING revision",
        )
        .bind(sink)
        .bind(holder)
    })
    .await
    .map(drop)
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
