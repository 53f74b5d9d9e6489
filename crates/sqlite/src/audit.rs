//! The audit trail.

use auth_domain::Timestamp;
use auth_domain::audit::{
    AuditQuery, AuditRecord, Digest, Entry, Head, Notary, TRIMMED, Trail, hex,
};
use auth_domain::error::{Error, Result};
use auth_domain::model::Part;
use serde_json::{Value, json};
use sqlx::{FromRow, SqliteConnection, SqlitePool, query, query_as};

use crate::failure::failure;
use crate::rows::moment;

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

#[derive(FromRow)]
struct RecordRow {
    place: i64,
    occurred_at: i64,
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
            at: moment(row.occurred_at),
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

/// Chains entries to the end of a trail.
pub(crate) async fn append(
    db: &mut SqliteConnection,
    trail: Trail,
    entries: Vec<Entry>,
    notary: &dyn Notary,
) -> Result<()> {
    let mut head = head(&mut *db, trail).await?;
    let records = head.extend(notary, entries);
    write(db, &head, &records).await
}

async fn write(db: &mut SqliteConnection, head: &Head, records: &[AuditRecord]) -> Result<()> {
    let row = |AuditRecord { place, entry: it, hash }: &AuditRecord| {
        let details = &it.details;
        json!([
            place,
            it.at.micros(),
            it.actor,
            it.peer,
            it.request,
            it.trace,
            it.operation,
            it.action,
            it.subject,
            it.object,
            it.org,
            it.outcome,
            it.count,
            details,
            hex(hash),
        ])
    };
    let rows: Vec<Value> = records.iter().map(row).collect();
    query(
        "INSERT INTO keyward_audit (trail, place, occurred_at, actor, peer, request_id, trace_id, \
         operation, action, subject, object, org, outcome, count, details, hash) \
         SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, \
         value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, \
         value ->> 12, value ->> 13, unhex(value ->> 14) FROM json_each(?2)",
    )
    .bind(head.trail.as_str())
    .bind(Value::Array(rows).to_string())
    .execute(&mut *db)
    .await
    .map_err(failure)?;
    query(
        "UPDATE keyward_audit_heads SET first = ?2, anchor = ?3, place = ?4, hash = ?5, seal = ?6 \
         WHERE trail = ?1",
    )
    .bind(head.trail.as_str())
    .bind(head.first)
    .bind(head.anchor.as_slice())
    .bind(head.place)
    .bind(head.hash.as_slice())
    .bind(head.seal.as_ref().map(Digest::as_slice))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(crate) async fn head(db: impl sqlx::SqliteExecutor<'_>, trail: Trail) -> Result<Head> {
    let row: Option<HeadRow> = query_as(
        "SELECT first, anchor, place, hash, seal FROM keyward_audit_heads WHERE trail = ?1",
    )
    .bind(trail.as_str())
    .fetch_optional(db)
    .await
    .map_err(failure)?;
    let row = row.ok_or_else(|| Error::internal("the audit trail has no head"))?;
    Ok(Head {
        trail,
        first: row.first,
        anchor: digest(&row.anchor),
        place: row.place,
        hash: digest(&row.hash),
        seal: row.seal.as_deref().map(digest),
    })
}

pub(crate) async fn after(
    db: &SqlitePool,
    trail: Trail,
    place: i64,
    limit: u32,
) -> Result<Vec<AuditRecord>> {
    let rows: Vec<RecordRow> = query_as(
        "SELECT place, occurred_at, actor, peer, request_id, trace_id, operation, action, subject, \
         object, org, outcome, count, details, hash FROM keyward_audit \
         WHERE trail = ?1 AND place > ?2 ORDER BY place LIMIT ?3",
    )
    .bind(trail.as_str())
    .bind(place)
    .bind(limit)
    .fetch_all(db)
    .await
    .map_err(failure)?;
    Ok(rows.into_iter().map(AuditRecord::from).collect())
}

/// The records that match, newest first: of all orgs and none, or of one. Those are two statements, so that a page of
/// an org is read by its index, however long the trail is: SQLite has no statistics and has to be told.
macro_rules! listed {
    ($table:literal, $of_org:literal) => {
        concat!(
            "SELECT place, occurred_at, actor, peer, request_id, trace_id, operation, action, subject, \
         object, org, outcome, count, details, hash FROM ", $table, " \
         WHERE trail = ?1 AND place < ?2 AND ", $of_org, " \
         AND (?4 IS NULL OR actor = ?4 OR (actor >= ?4 || '/' AND actor < ?4 || '0')) \
         AND (?5 IS NULL OR action = ?5) AND (?6 IS NULL OR object = ?6 OR subject = ?6) \
         AND (?7 IS NULL OR occurred_at >= ?7) AND (?8 IS NULL OR occurred_at < ?8) \
         ORDER BY place DESC LIMIT ?9 OFFSET ?10"
        )
    };
}
const OF_ALL: &str = listed!("keyward_audit", "?3 IS NULL");
const OF_ORG: &str = listed!("keyward_audit INDEXED BY keyward_audit_org", "org = ?3");

pub(crate) async fn list(
    db: &SqlitePool,
    wanted: &AuditQuery,
    part: &Part<i64>,
) -> Result<Vec<AuditRecord>> {
    let statement = if wanted.org.is_some() { OF_ORG } else { OF_ALL };
    let limit = i64::try_from(part.limit).unwrap_or(i64::MAX);
    let rows: Vec<RecordRow> = query_as(statement)
        .bind(wanted.trail.as_str())
        .bind(part.after.unwrap_or(NEVER))
        .bind(wanted.org.map(|org| org.to_string()))
        .bind(&wanted.actor)
        .bind(&wanted.action)
        .bind(&wanted.object)
        .bind(wanted.from.map(Timestamp::micros))
        .bind(wanted.to.map(Timestamp::micros))
        .bind(limit)
        .bind(i64::try_from(part.offset).unwrap_or(i64::MAX))
        .fetch_all(db)
        .await
        .map_err(failure)?;
    Ok(rows.into_iter().map(AuditRecord::from).collect())
}

pub(crate) async fn note(
    db: &SqlitePool,
    trail: Trail,
    entries: Vec<Entry>,
    notary: &dyn Notary,
) -> Result<()> {
    let mut tx = db.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
    append(&mut tx, trail, entries, notary).await?;
    tx.commit().await.map_err(failure)
}

pub(crate) async fn trim(
    db: &SqlitePool,
    trail: Trail,
    older_than: Timestamp,
    at: Timestamp,
    notary: &dyn Notary,
) -> Result<u64> {
    let mut tx = db.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
    let mut head = head(&mut *tx, trail).await?;
    let last: Option<(i64, Vec<u8>)> = query_as(
        "SELECT place, hash FROM keyward_audit WHERE trail = ?1 AND place < min(?2, ?3, \
         coalesce((SELECT min(place) FROM keyward_audit WHERE trail = ?1 AND place < ?3 \
         AND occurred_at >= ?4), ?5)) ORDER BY place DESC LIMIT 1",
    )
    .bind(trail.as_str())
    .bind(head.place)
    .bind(head.first.saturating_add(i64::from(TRIMMED)))
    .bind(older_than.micros())
    .bind(NEVER)
    .fetch_optional(&mut *tx)
    .await
    .map_err(failure)?;
    let Some((place, hash)) = last else { return Ok(0) };
    let Some(records) = head.trim(notary, (place, digest(&hash)), at) else { return Ok(0) };
    write(&mut tx, &head, &records).await?;
    let gone = query("DELETE FROM keyward_audit WHERE trail = ?1 AND place <= ?2")
        .bind(trail.as_str())
        .bind(place)
        .execute(&mut *tx)
        .await
        .map_err(failure)?;
    tx.commit().await.map_err(failure)?;
    Ok(gone.rows_affected())
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Row};

    use super::*;
    use crate::SqliteStore;

    #[tokio::test]
    async fn a_page_of_an_org_is_read_by_its_index() {
        let store = SqliteStore::in_memory().await.unwrap();
        for (statement, index) in [(OF_ORG, "keyward_audit_org"), (OF_ALL, "PRIMARY KEY")] {
            let asked = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let rows = query(asked).fetch_all(&store.readers).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            let plan = plan.join("\n");
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
