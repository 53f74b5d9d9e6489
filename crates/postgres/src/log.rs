//! The change log.

use auth_domain::Timestamp;
use auth_domain::audit::{Told, Trail};
use auth_domain::change::Commit;
use auth_domain::error::Result;
use auth_domain::fact::{Fact, Place, Record};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{Arguments, FromRow, PgConnection, query, query_as, query_scalar, query_scalar_with};

use crate::audit;
use crate::connections::Connections;
use crate::failure::failure;
use crate::moment::Moment;

/// Where whoever listens hears of commits: they are told when the transaction has been committed.
pub(crate) const CHANNEL: &str = "keyward_changes";
/// How many records a purge looks at, so that it ends well within its time.
const PURGED: i64 = 10_000;

#[derive(FromRow)]
struct RecordRow {
    revision: i64,
    ordinal: i32,
    kind: String,
    subject: Option<String>,
    object: String,
    actor: String,
    payload: Json<Value>,
    occurred_at: Moment,
}

impl From<RecordRow> for Record {
    fn from(row: RecordRow) -> Self {
        Self {
            revision: row.revision,
            ordinal: row.ordinal,
            kind: row.kind,
            subject: row.subject,
            object: row.object,
            actor: row.actor,
            payload: row.payload.0,
            occurred_at: row.occurred_at.0,
        }
    }
}

pub(crate) async fn revision(db: &Connections) -> Result<i64> {
    let (revision,) = db.one(|| query_as("SELECT value FROM keyward_revision")).await?;
    Ok(revision)
}

pub(crate) async fn records(db: &Connections, after: i64, limit: u32) -> Result<Vec<Record>> {
    let rows: Vec<RecordRow> = db
        .all(|| {
            query_as(
                "SELECT revision, ordinal, kind, subject, object, actor, payload, occurred_at \
                 FROM keyward_changes WHERE revision > $1 ORDER BY revision, ordinal LIMIT $2",
            )
            .bind(after)
            .bind(i64::from(limit))
        })
        .await?;
    Ok(rows.into_iter().map(Record::from).collect())
}

pub(crate) async fn records_after(
    db: &Connections,
    place: Place,
    limit: u32,
) -> Result<Vec<Record>> {
    let rows: Vec<RecordRow> = db
        .all(|| {
            query_as(
                "SELECT revision, ordinal, kind, subject, object, actor, payload, occurred_at \
                 FROM keyward_changes WHERE (revision, ordinal) > ($1, $2) \
                 ORDER BY revision, ordinal LIMIT $3",
            )
            .bind(place.revision)
            .bind(place.ordinal)
            .bind(i64::from(limit))
        })
        .await?;
    Ok(rows.into_iter().map(Record::from).collect())
}

/// Only the oldest records are looked at: they are the first of the primary key.
pub(crate) async fn purge(db: &mut PgConnection, older_than: Timestamp) -> Result<()> {
    query(
        "DELETE FROM keyward_changes AS change USING \
         (SELECT revision, ordinal FROM keyward_changes ORDER BY revision, ordinal LIMIT $2) \
         AS oldest WHERE change.revision = oldest.revision AND change.ordinal = oldest.ordinal \
         AND change.occurred_at < $1 AND NOT EXISTS (SELECT 1 FROM keyward_sinks AS sink \
         WHERE sink.held_until >= $1 \
         AND (sink.revision, sink.ordinal) < (change.revision, change.ordinal)) \
         AND NOT EXISTS (SELECT 1 FROM keyward_replicas AS replica \
         WHERE replica.applied < change.revision AND replica.seen_at >= $1)",
    )
    .bind(Moment(older_than))
    .bind(PURGED)
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

/// Appends the facts of a commit under the next revision, if it has any, and what the audit trail says of them; gives
/// the revision. Must come last: it locks the rows that every other commit needs.
pub(crate) async fn append(
    db: &mut PgConnection,
    commit: &Commit,
    told: Vec<Told>,
) -> Result<Option<i64>> {
    if told.is_empty() {
        return Ok(None);
    }
    let mut head = audit::hold(&mut *db, Trail::Changes).await?;
    let records = head.extend(&*commit.audit.notary, commit.entries(&told));
    let mut arguments = audit::arguments(&head, records)?;
    let facts = Columns::of(told.into_iter().map(|told| told.fact).collect());
    let add = || {
        arguments.add(facts.kinds)?;
        arguments.add(facts.subjects)?;
        arguments.add(facts.objects)?;
        arguments.add(facts.payloads)?;
        arguments.add(&commit.actor)?;
        arguments.add(Moment(commit.at))?;
        arguments.add(CHANNEL)
    };
    add().map_err(|error| failure(sqlx::Error::Encode(error)))?;
    let revision = query_scalar_with(
        concat!(
            "WITH ",
            audit::appended!(),
            ", advanced AS (UPDATE keyward_revision SET value = value + 1 RETURNING value), \
             appended AS (INSERT INTO keyward_changes \
             (revision, ordinal, kind, subject, object, actor, payload, occurred_at) \
             SELECT value, (place - 1)::integer, kind, subject, object, $26, payload, $27 \
             FROM advanced, unnest($22::text[], $23::text[], $24::text[], $25::jsonb[]) \
             WITH ORDINALITY AS fact (kind, subject, object, payload, place)) \
             SELECT value FROM advanced, pg_notify($28, '')",
        ),
        arguments,
    )
    .fetch_one(db)
    .await
    .map_err(failure)?;
    Ok(Some(revision))
}

/// The next revision, of which others hear when this is committed. Locks the row that every other commit
/// needs.
pub(crate) async fn advance(db: &mut PgConnection) -> Result<i64> {
    query_scalar(
        "WITH advanced AS (UPDATE keyward_revision SET value = value + 1 RETURNING value) \
         SELECT value FROM advanced, pg_notify($1, '')",
    )
    .bind(CHANNEL)
    .fetch_one(db)
    .await
    .map_err(failure)
}

/// Writes facts from this place on: a revision, and the place within it.
pub(crate) async fn write(
    db: &mut PgConnection,
    (revision, first): (i64, i32),
    facts: Vec<Fact>,
    actor: &str,
    at: Timestamp,
) -> Result<()> {
    let facts = Columns::of(facts);
    query(
        "INSERT INTO keyward_changes \
         (revision, ordinal, kind, subject, object, actor, payload, occurred_at) \
         SELECT $7, $8 + (place - 1)::integer, kind, subject, object, $5, payload, $6 FROM \
         unnest($1::text[], $2::text[], $3::text[], $4::jsonb[]) \
         WITH ORDINALITY AS fact (kind, subject, object, payload, place)",
    )
    .bind(facts.kinds)
    .bind(facts.subjects)
    .bind(facts.objects)
    .bind(facts.payloads)
    .bind(actor)
    .bind(Moment(at))
    .bind(revision)
    .bind(first)
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

/// Facts as PostgreSQL takes many rows: column by column.
struct Columns {
    kinds: Vec<&'static str>,
    subjects: Vec<Option<String>>,
    objects: Vec<String>,
    payloads: Vec<Json<Value>>,
}

impl Columns {
    fn of(facts: Vec<Fact>) -> Self {
        let mut columns = Self {
            kinds: Vec::with_capacity(facts.len()),
            subjects: Vec::with_capacity(facts.len()),
            objects: Vec::with_capacity(facts.len()),
            payloads: Vec::with_capacity(facts.len()),
        };
        for fact in facts {
            columns.kinds.push(fact.kind);
            columns.subjects.push(fact.subject);
            columns.objects.push(fact.object);
            columns.payloads.push(Json(fact.payload));
        }
        columns
    }
}
