//! API keys.

use auth_domain::Timestamp;
use auth_domain::error::{Entity, Error, Result};
use auth_domain::model::{Direction, Key, KeyId, KeyKind, KeyOrder, Listing, Page, UserId};
use sqlx::{FromRow, SqliteConnection, SqlitePool, query, query_as};
use uuid::Uuid;

use crate::failure::failure;
use crate::rows::{listing, moment, page, window};

#[derive(FromRow)]
pub(crate) struct KeyRow {
    id: Uuid,
    issuer_id: Uuid,
    subject: String,
    issued_at: i64,
    expires_at: Option<i64>,
}

impl TryFrom<KeyRow> for Key {
    type Error = Error;

    fn try_from(row: KeyRow) -> Result<Self> {
        Ok(Self {
            id: KeyId::new(row.id),
            issuer: UserId::new(row.issuer_id),
            subject: row.subject,
            issued_at: moment(row.issued_at),
            expires_at: row.expires_at.map(moment),
        })
    }
}

pub(crate) async fn find(db: &SqlitePool, issuer: UserId, id: KeyId) -> Result<Option<Key>> {
    query_as::<_, KeyRow>(
        "SELECT id, issuer_id, subject, issued_at, expires_at FROM keys \
         WHERE id = ?1 AND issuer_id = ?2 AND NOT EXISTS (SELECT 1 FROM keyward_accounts AS owner \
         WHERE owner.id = ?2 AND owner.status = 'disabled')",
    )
    .bind(id.uuid())
    .bind(issuer.uuid())
    .fetch_optional(db)
    .await
    .map_err(failure)?
    .map(Key::try_from)
    .transpose()
}

pub(crate) async fn stored(db: &SqlitePool, issuer: UserId, id: KeyId) -> Result<Option<Key>> {
    query_as::<_, KeyRow>(
        "SELECT id, issuer_id, subject, issued_at, expires_at FROM keys \
         WHERE id = ?1 AND issuer_id = ?2",
    )
    .bind(id.uuid())
    .bind(issuer.uuid())
    .fetch_optional(db)
    .await
    .map_err(failure)?
    .map(Key::try_from)
    .transpose()
}

pub(crate) async fn list(
    db: &SqlitePool,
    issuer: UserId,
    page: Page<KeyOrder>,
) -> Result<Listing<Key>> {
    let (limit, offset) = window(&page);
    let rows = query_as(page_statement(page.order, page.direction))
        .bind(limit)
        .bind(offset)
        .bind(issuer.uuid())
        .fetch_all(db)
        .await
        .map_err(failure)?;
    listing::<KeyRow, _>(rows)
}

const fn page_statement(order: KeyOrder, direction: Direction) -> &'static str {
    macro_rules! by {
        ($order:literal) => {
            page!(
                "SELECT id, issuer_id, subject, issued_at, expires_at FROM keys \
                 WHERE issuer_id = ?3",
                $order
            )
        };
    }
    match (order, direction) {
        (KeyOrder::Id, Direction::Ascending) => by!("id"),
        (KeyOrder::Id, Direction::Descending) => by!("id DESC"),
        (KeyOrder::IssuedAt, Direction::Ascending) => by!("issued_at, id"),
        (KeyOrder::IssuedAt, Direction::Descending) => by!("issued_at DESC, id DESC"),
    }
}

pub(crate) async fn insert(db: &mut SqliteConnection, key: &Key) -> Result<()> {
    query(
        "INSERT INTO keys (id, type, subject, issuer_id, issued_at, expires_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(key.id.uuid())
    .bind(KeyKind::Api.number())
    .bind(&key.subject)
    .bind(key.issuer.uuid())
    .bind(key.issued_at.micros())
    .bind(key.expires_at.map(Timestamp::micros))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(crate) async fn remove(db: &mut SqliteConnection, id: KeyId, issuer: UserId) -> Result<()> {
    let removed = query("DELETE FROM keys WHERE id = ?1 AND issuer_id = ?2")
        .bind(id.uuid())
        .bind(issuer.uuid())
        .execute(db)
        .await
        .map_err(failure)?;
    match removed.rows_affected() {
        0 => Err(Error::NotFound(Entity::Key)),
        _ => Ok(()),
    }
}

pub(crate) async fn purge(db: &mut SqliteConnection, expired_before: Timestamp) -> Result<()> {
    query(
        "DELETE FROM keys WHERE expires_at < \
         min(?1, CAST(unixepoch('subsec') * 1000000 AS INTEGER) - 60000000)",
    )
    .bind(expired_before.micros())
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

/// Whether this user has this key and may use it.
pub(crate) async fn exists(db: &mut SqliteConnection, id: KeyId, issuer: UserId) -> Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM keys WHERE id = ?1 AND issuer_id = ?2) \
         AND NOT EXISTS (SELECT 1 FROM keyward_accounts WHERE id = ?2 AND status = 'disabled')",
    )
    .bind(id.uuid())
    .bind(issuer.uuid())
    .fetch_one(db)
    .await
    .map_err(failure)
}

/// How many were made from the first moment on and before the second, and have not ended by the third.
pub(crate) async fn alive(
    db: &SqlitePool,
    from: Timestamp,
    before: Timestamp,
    at: Timestamp,
) -> Result<u64> {
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM keys WHERE issued_at >= ?1 AND issued_at < ?2 \
         AND (expires_at IS NULL OR expires_at > ?3)",
    )
    .bind(from.micros())
    .bind(before.micros())
    .bind(at.micros())
    .fetch_one(db)
    .await
    .map_err(failure)?;
    Ok(count.unsigned_abs())
}
