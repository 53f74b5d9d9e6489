//! The change log.

use auth_domain::Timestamp;
use auth_domain::audit::{Told, Trail};
use auth_domain::change::Commit;
use auth_domain::error::{Error, Result};
use auth_domain::fact::{Place, Record};
use serde_json::{Value, json};
use sqlx::{FromRow, SqliteConnection, SqlitePool, query, query_as, query_scalar};

use crate::audit;
use crate::failure::failure;
use crate::rows::moment;

/// How many records a purge looks at, so that it never holds up other writers for long.
const PURGED: i64 = 10_000;

#[derive(FromRow)]
struct RecordRow {
    revision: i64,
    ordinal: i32,
    kind: String,
    subject: Option<String>,
    object: String,
    actor: String,
    payload: String,
    occurred_at: i64,
}

impl TryFrom<RecordRow> for Record {
    type Error = Error;

    fn try_from(row: RecordRow) -> Result<Self> {
        Ok(Self {
            revision: row.revision,
            ordinal: row.ordinal,
            kind: row.kind,
            subject: row.subject,
            object: row.object,
            actor: row.actor,
            payload: serde_json::from_str(&row.payload).map_err(Error::internal)?,
            occurred_at: moment(row.occurred_at),
        })
    }
}

pub(crate) async fn revision(db: &SqlitePool) -> Result<i64> {
    query_scalar("SELECT value FROM keyward_revision").fetch_one(db).await.map_err(failure)
}

pub(crate) async fn records(db: &SqlitePool, after: i64, limit: u32) -> Result<Vec<Record>> {
    query_as::<_, RecordRow>(
        "SELECT revision, ordinal, kind, subject, object, actor, payload, occurred_at \
         FROM keyward_changes WHERE revision > ?1 ORDER BY revision, ordinal LIMIT ?2",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(db)
    .await
    .map_err(failure)?
    .into_iter()
    .map(Record::try_from)
    .collect()
}

pub(crate) async fn records_after(
    db: &SqlitePool,
    place: Place,
    limit: u32,
) -> Result<Vec<Record>> {
    query_as::<_, RecordRow>(
        "SELECT revision, ordinal, kind, subject, object, actor, payload, occurred_at \
         FROM keyward_changes WHERE (revision, ordinal) > (?1, ?2) \
         ORDER BY revision, ordinal LIMIT ?3",
    )
    .bind(place.revision)
    .bind(place.ordinal)
    .bind(limit)
    .fetch_all(db)
    .await
    .map_err(failure)?
    .into_iter()
    .map(Record::try_from)
    .collect()
}

/// Only the oldest records are looked at: they are the first of the primary key. `applied` is what every living
/// replica has read, if any lives.
pub(crate) async fn purge(
    db: &mut SqliteConnection,
    older_than: Timestamp,
    applied: Option<i64>,
) -> Result<()> {
    query(
        "DELETE FROM keyward_changes WHERE (revision, ordinal) IN \
         (SELECT revision, ordinal FROM keyward_changes ORDER BY revision, ordinal LIMIT ?2) \
         AND occurred_at < ?1 AND NOT EXISTS (SELECT 1 FROM keyward_sinks AS sink \
         WHERE sink.held_until >= ?1 AND (sink.revision, sink.ordinal) < \
         (keyward_changes.revision, keyward_changes.ordinal)) AND revision <= ?3",
    )
    .bind(older_than.micros())
    .bind(PURGED)
    .bind(applied.unwrap_or(i64::MAX))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

/// Appends the facts of a commit under the next revision, if it has any, and what the audit trail says of them; gives
/// the revision.
pub(crate) async fn append(
    db: &mut SqliteConnection,
    commit: &Commit,
    told: &[Told],
) -> Result<Option<i64>> {
    if told.is_empty() {
        return Ok(None);
    }
    let revision = advance(db).await?;
    write(db, (revision, 0), told, commit).await?;
    Ok(Some(revision))
}

/// The next revision.
pub(crate) async fn advance(db: &mut SqliteConnection) -> Result<i64> {
    query_scalar("UPDATE keyward_revision SET value = value + 1 RETURNING value")
        .fetch_one(db)
        .await
        .map_err(failure)
}

/// Writes facts from this place on, a revision and the place within it, and what the audit trail says of them.
pub(crate) async fn write(
    db: &mut SqliteConnection,
    (revision, first): (i64, i32),
    told: &[Told],
    commit: &Commit,
) -> Result<()> {
    let rows: Vec<Value> = told
        .iter()
        .map(|Told { fact, .. }| {
            json!([fact.kind, fact.subject, fact.object, fact.payload.to_string()])
        })
        .collect();
    query(
        "INSERT INTO keyward_changes \
         (revision, ordinal, kind, subject, object, actor, payload, occurred_at) \
         SELECT ?1, ?2 + key, value ->> 0, value ->> 1, value ->> 2, ?3, value ->> 3, ?4 \
         FROM json_each(?5)",
    )
    .bind(revision)
    .bind(first)
    .bind(&commit.actor)
    .bind(commit.at.micros())
    .bind(Value::Array(rows).to_string())
    .execute(&mut *db)
    .await
    .map_err(failure)?;
    audit::append(db, Trail::Changes, commit.entries(told), &*commit.audit.notary).await
}
