//! The audit trail.

use auth_domain::Timestamp;
use auth_domain::audit::{AuditQuery, AuditRecord, Digest, Entry, Head, Notary, TRIMMED, Trail};
use auth_domain::error::{Error, Result};
use auth_domain::model::Part;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments, Connection, FromRow, PgConnection, query, query_as, query_with};
use tokio::time::timeout;

use crate::connections::{Connections, WRITE};
use crate::failure::{failure, was_disconnected};
use crate::moment::Moment;

/// No record has it.
const NEVER: i64 = i64::MAX;

#[derive(FromRow)]
struct HeadRow {
    first: i64,
    anchor: Vec<u8>,
    place: i64,
    hash: Vec<u8>,
    seal: Option<Vec<u8>>,
}

impl HeadRow {
    fn head(self, trail: Trail) -> Head {
        Head {
            trail,
            first: self.first,
            anchor: digest(&self.anchor),
            place: self.place,
            hash: digest(&self.hash),
            seal: self.seal.as_deref().map(digest),
        }
    }
}

#[derive(FromRow)]
struct RecordRow {
    place: i64,
    occurred_at: Moment,
    actor: String,
    peer: Option<String>,
    request_id: Option<String>,
    trace_id: Option<String>,
    operation: String,
    action: String,
    subject: Option<String>,
    object: String,
    org: Option<String>,
    outcome: String,
    count: i64,
    details: String,
    hash: Vec<u8>,
}

/// A digest of another length is no digest of ours: zeros are nobody's, so it is found out.
fn digest(bytes: &[u8]) -> Digest {
    bytes.try_into().unwrap_or_default()
}

impl From<RecordRow> for AuditRecord {
    fn from(row: RecordRow) -> Self {
        let entry = Entry {
            at: row.occurred_at.0,
            actor: row.actor,
            peer: row.peer,
            request: row.request_id,
            trace: row.trace_id,
            operation: row.operation,
            action: row.action,
            subject: row.subject,
            object: row.object,
            org: row.org,
            outcome: row.outcome,
            count: row.count,
            details: row.details,
        };
        Self { place: row.place, entry, hash: digest(&row.hash) }
    }
}

/// Where a trail ends. The row stays locked until the end of the transaction, so that whoever appends next sees
/// what this one appended; everybody takes it before the revision.
pub(crate) async fn hold(db: &mut PgConnection, trail: Trail) -> Result<Head> {
    let row: Option<HeadRow> = query_as(
        "SELECT first, anchor, place, hash, seal FROM keyward_audit_heads WHERE trail = $1 FOR UPDATE",
    )
    .bind(trail.as_str())
    .fetch_optional(db)
    .await
    .map_err(failure)?;
    let row = row.ok_or_else(|| Error::internal("the audit trail has no head"))?;
    Ok(row.head(trail))
}

/// Two parts of one statement, which append records and say where the trail ends now; what is asked beside them
/// takes its place after the arguments that [`arguments`] gives, the last of which is `$21`.
macro_rules! appended {
    () => {
        "audited AS (INSERT INTO keyward_audit (trail, place, occurred_at, actor, peer, request_id, \
         trace_id, operation, action, subject, object, org, outcome, count, details, hash) \
         SELECT $1, * FROM unnest($7::bigint[], $8::timestamptz[], $9::text[], $10::text[], \
         $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], \
         $18::text[], $19::bigint[], $20::text[], $21::bytea[])), \
         headed AS (UPDATE keyward_audit_heads SET first = $2, anchor = $3, place = $4, hash = $5, \
         seal = $6 WHERE trail = $1)"
    };
}
pub(crate) use appended;

/// What [`appended`] asks for.
pub(crate) fn arguments(head: &Head, records: Vec<AuditRecord>) -> Result<PgArguments> {
    let mut columns = Columns::default();
    for record in records {
        columns.push(record);
    }
    let mut arguments = PgArguments::default();
    let add = || {
        arguments.add(head.trail.as_str())?;
        arguments.add(head.first)?;
        arguments.add(head.anchor.to_vec())?;
        arguments.add(head.place)?;
        arguments.add(head.hash.to_vec())?;
        arguments.add(head.seal.map(Vec::from))?;
        arguments.add(columns.places)?;
        arguments.add(columns.moments)?;
        arguments.add(columns.actors)?;
        arguments.add(columns.peers)?;
        arguments.add(columns.requests)?;
        arguments.add(columns.traces)?;
        arguments.add(columns.operations)?;
        arguments.add(columns.actions)?;
        arguments.add(columns.subjects)?;
        arguments.add(columns.objects)?;
        arguments.add(columns.orgs)?;
        arguments.add(columns.outcomes)?;
        arguments.add(columns.counts)?;
        arguments.add(columns.details)?;
        arguments.add(columns.hashes)
    };
    add().map_err(|error| failure(sqlx::Error::Encode(error)))?;
    Ok(arguments)
}

/// Records as PostgreSQL takes many rows: column by column.
#[derive(Default)]
struct Columns {
    places: Vec<i64>,
    moments: Vec<Moment>,
    actors: Vec<String>,
    peers: Vec<Option<String>>,
    requests: Vec<Option<String>>,
    traces: Vec<Option<String>>,
    operations: Vec<String>,
    actions: Vec<String>,
    subjects: Vec<Option<String>>,
    objects: Vec<String>,
    orgs: Vec<Option<String>>,
    outcomes: Vec<String>,
    counts: Vec<i64>,
    details: Vec<String>,
    hashes: Vec<Vec<u8>>,
}

impl Columns {
    fn push(&mut self, AuditRecord { place, entry, hash }: AuditRecord) {
        self.places.push(place);
        self.moments.push(Moment(entry.at));
        self.actors.push(entry.actor);
        self.peers.push(entry.peer);
        self.requests.push(entry.request);
        self.traces.push(entry.trace);
        self.operations.push(entry.operation);
        self.actions.push(entry.action);
        self.subjects.push(entry.subject);
        self.objects.push(entry.object);
        self.orgs.push(entry.org);
        self.outcomes.push(entry.outcome);
        self.counts.push(entry.count);
        self.details.push(entry.details);
        self.hashes.push(hash.to_vec());
    }
}

/// Writes records, and where the trail ends with them.
pub(crate) async fn write(
    db: &mut PgConnection,
    head: &Head,
    records: Vec<AuditRecord>,
) -> Result<()> {
    query_with(concat!("WITH ", appended!(), " SELECT 1"), arguments(head, records)?)
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

/// Chains entries to the end of a trail.
pub(crate) async fn append(
    db: &mut PgConnection,
    trail: Trail,
    entries: Vec<Entry>,
    notary: &dyn Notary,
) -> Result<()> {
    let mut head = hold(db, trail).await?;
    let records = head.extend(notary, entries);
    write(db, &head, records).await
}

pub(crate) async fn head(db: &Connections, trail: Trail) -> Result<Head> {
    let row: HeadRow = db
        .one(|| {
            query_as(
                "SELECT first, anchor, place, hash, seal FROM keyward_audit_heads WHERE trail = $1",
            )
            .bind(trail.as_str())
        })
        .await?;
    Ok(row.head(trail))
}

pub(crate) async fn after(
    db: &Connections,
    trail: Trail,
    place: i64,
    limit: u32,
) -> Result<Vec<AuditRecord>> {
    let rows: Vec<RecordRow> = db
        .all(|| {
            query_as(
                "SELECT place, occurred_at, actor, peer, request_id, trace_id, operation, action, \
                 subject, object, org, outcome, count, details, hash FROM keyward_audit \
                 WHERE trail = $1 AND place > $2 ORDER BY place LIMIT $3",
            )
            .bind(trail.as_str())
            .bind(place)
            .bind(i64::from(limit))
        })
        .await?;
    Ok(rows.into_iter().map(AuditRecord::from).collect())
}

/// The records that match, newest first: of all orgs and none, or of one. Those are two statements, so that a page of
/// an org is read by its index, however long the trail is.
macro_rules! listed {
    ($of_org:literal) => {
        concat!(
            "SELECT place, occurred_at, actor, peer, request_id, trace_id, operation, action, \
                 subject, object, org, outcome, count, details, hash FROM keyward_audit \
                 WHERE trail = $1 AND place < $2 AND ", $of_org, " \
                 AND ($4::text IS NULL OR actor = $4 OR (actor >= $4 || '/' AND actor < $4 || '0')) \
                 AND ($5::text IS NULL OR action = $5) \
                 AND ($6::text IS NULL OR object = $6 OR subject = $6) \
                 AND ($7::timestamptz IS NULL OR occurred_at >= $7) \
                 AND ($8::timestamptz IS NULL OR occurred_at < $8) \
                 ORDER BY place DESC LIMIT $9 OFFSET $10"
        )
    };
}
const OF_ALL: &str = listed!("$3::text IS NULL");
const OF_ORG: &str = listed!("org = $3");

pub(crate) async fn list(
    db: &Connections,
    wanted: &AuditQuery,
    part: &Part<i64>,
) -> Result<Vec<AuditRecord>> {
    let statement = if wanted.org.is_some() { OF_ORG } else { OF_ALL };
    let rows: Vec<RecordRow> = db
        .all(|| {
            query_as(statement)
                .bind(wanted.trail.as_str())
                .bind(part.after.unwrap_or(NEVER))
                .bind(wanted.org.map(|org| org.to_string()))
                .bind(wanted.actor.clone())
                .bind(wanted.action.clone())
                .bind(wanted.object.clone())
                .bind(wanted.from.map(Moment))
                .bind(wanted.to.map(Moment))
                .bind(i64::try_from(part.limit).unwrap_or(i64::MAX))
                .bind(i64::try_from(part.offset).unwrap_or(i64::MAX))
        })
        .await?;
    Ok(rows.into_iter().map(AuditRecord::from).collect())
}

pub(crate) async fn note(
    db: &Connections,
    trail: Trail,
    entries: Vec<Entry>,
    notary: &dyn Notary,
) -> Result<()> {
    alone(db, async |db| append(db, trail, entries, notary).await).await
}

pub(crate) async fn trim(
    db: &Connections,
    trail: Trail,
    older_than: Timestamp,
    at: Timestamp,
    notary: &dyn Notary,
) -> Result<u64> {
    alone(db, async |db| trim_within(db, trail, older_than, at, notary).await).await
}

async fn trim_within(
    db: &mut PgConnection,
    trail: Trail,
    older_than: Timestamp,
    at: Timestamp,
    notary: &dyn Notary,
) -> Result<u64> {
    let mut head = hold(db, trail).await?;
    let last: Option<(i64, Vec<u8>)> = query_as(
        "SELECT place, hash FROM keyward_audit WHERE trail = $1 AND place < least($2, $3, \
         (SELECT place FROM keyward_audit WHERE trail = $1 AND place < $3 \
         AND occurred_at >= $4 ORDER BY place LIMIT 1)) ORDER BY place DESC LIMIT 1",
    )
    .bind(trail.as_str())
    .bind(head.place)
    .bind(head.first.saturating_add(i64::from(TRIMMED)))
    .bind(Moment(older_than))
    .fetch_optional(&mut *db)
    .await
    .map_err(failure)?;
    let Some((place, hash)) = last else { return Ok(0) };
    let Some(records) = head.trim(notary, (place, digest(&hash)), at) else { return Ok(0) };
    write(db, &head, records).await?;
    let gone = query("DELETE FROM keyward_audit WHERE trail = $1 AND place <= $2")
        .bind(trail.as_str())
        .bind(place)
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(gone.rows_affected())
}

/// A transaction that is no commit: nobody asked for it, and nobody hears of it.
async fn alone<T>(
    database: &Connections,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T>,
) -> Result<T> {
    let attempt = async {
        let mut lease = database.lease().await.map_err(failure)?;
        let done = async {
            let mut tx = lease.begin().await.map_err(failure)?;
            let done = work(&mut tx).await?;
            tx.commit().await.map_err(failure)?;
            Ok(done)
        }
        .await;
        lease.finish(done.as_ref().is_err_and(was_disconnected));
        done
    };
    match timeout(WRITE, attempt).await {
        Ok(done) => done,
        Err(_) => Err(Error::unavailable("the audit trail could not be written in time")),
    }
}
