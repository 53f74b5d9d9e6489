//! API keys.

use auth_domain::Timestamp;
use auth_domain::change::Change;
use auth_domain::error::{Entity, Error, Result};
use auth_domain::model::{Direction, Key, KeyId, KeyKind, KeyOrder, Listing, Page, UserId};
use sqlx::{FromRow, PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::connections::Connections;
use crate::failure::failure;
use crate::moment::PlainMoment;
use crate::rows::{listing, page, window};

#[derive(FromRow)]
pub(crate) struct KeyRow {
    id: String,
    issuer_id: Uuid,
    subject: String,
    issued_at: PlainMoment,
    expires_at: Option<PlainMoment>,
}

impl TryFrom<KeyRow> for Key {
    type Error = Error;

    fn try_from(row: KeyRow) -> Result<Self> {
        Ok(Self {
            id: row.id.parse().map_err(Error::internal)?,
            issuer: UserId::new(row.issuer_id),
            subject: row.subject,
            issued_at: row.issued_at.0,
            expires_at: row.expires_at.map(|end| end.0),
        })
    }
}

pub(crate) async fn find(db: &Connections, issuer: UserId, id: KeyId) -> Result<Option<Key>> {
    let row: Option<KeyRow> = db
        .optional(|| {
            query_as(
                "SELECT id, issuer_id, subject, issued_at, expires_at FROM keys \
                 WHERE id = $1 AND issuer_id = $2 AND type = 2 \
                 AND NOT EXISTS (SELECT 1 FROM keyward_accounts AS owner \
                 WHERE owner.id = $2 AND owner.status = 'disabled')",
            )
            .bind(id.to_string())
            .bind(issuer.uuid())
        })
        .await?;
    row.map(Key::try_from).transpose()
}

pub(crate) async fn stored(db: &Connections, issuer: UserId, id: KeyId) -> Result<Option<Key>> {
    let row: Option<KeyRow> = db
        .optional(|| {
            query_as(
                "SELECT id, issuer_id, subject, issued_at, expires_at FROM keys \
                 WHERE id = $1 AND issuer_id = $2 AND type = 2",
            )
            .bind(id.to_string())
            .bind(issuer.uuid())
        })
        .await?;
    row.map(Key::try_from).transpose()
}

pub(crate) async fn list(
    db: &Connections,
    issuer: UserId,
    page: Page<KeyOrder>,
) -> Result<Listing<Key>> {
    let (limit, offset) = window(&page);
    let rows = db
        .all(|| {
            query_as(page_statement(page.order, page.direction))
                .bind(limit)
                .bind(offset)
                .bind(issuer.uuid())
        })
        .await?;
    listing::<KeyRow, _>(rows)
}

const fn page_statement(order: KeyOrder, direction: Direction) -> &'static str {
    macro_rules! by {
        ($order:literal) => {
            page!(
                "SELECT id COLLATE \"C\" AS id, issuer_id, subject, issued_at, expires_at FROM keys \
                 WHERE issuer_id = $3 AND type = 2",
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

/// The original's primary key lets two users have keys with the same id; we do not.
pub(crate) async fn insert(db: &mut PgConnection, key: &Key) -> Result<()> {
    let inserted = query(
        "INSERT INTO keys (id, type, subject, issuer_id, issued_at, expires_at) \
         SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (SELECT 1 FROM keys WHERE id = $1)",
    )
    .bind(key.id.to_string())
    .bind(i16::from(KeyKind::Api.number()))
    .bind(&key.subject)
    .bind(key.issuer.uuid())
    .bind(PlainMoment(key.issued_at))
    .bind(key.expires_at.map(PlainMoment))
    .execute(db)
    .await
    .map_err(failure)?;
    match inserted.rows_affected() {
        0 => Err(Error::AlreadyExists(Entity::Key)),
        _ => Ok(()),
    }
}

pub(crate) async fn remove(db: &mut PgConnection, id: KeyId, issuer: UserId) -> Result<()> {
    let removed = query("DELETE FROM keys WHERE id = $1 AND issuer_id = $2 AND type = 2")
        .bind(id.to_string())
        .bind(issuer.uuid())
        .execute(db)
        .await
        .map_err(failure)?;
    match removed.rows_affected() {
        0 => Err(Error::NotFound(Entity::Key)),
        _ => Ok(()),
    }
}

pub(crate) async fn purge(db: &mut PgConnection, expired_before: Timestamp) -> Result<()> {
    query(
        "DELETE FROM keys WHERE type = 2 AND expires_at < \
         least($1, (clock_timestamp() AT TIME ZONE 'UTC') - interval '1 minute')",
    )
    .bind(PlainMoment(expired_before))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

/// Whether this user has this key and may use it; it cannot be removed, nor their account disabled, until the
/// transaction ends. A commit that writes to the account takes the lock for that at once: of two that shared it first
/// neither could.
pub(crate) async fn hold(
    db: &mut PgConnection,
    id: KeyId,
    issuer: UserId,
    changes: &[Change],
) -> Result<bool> {
    let writes =
        |change: &Change| matches!(change, Change::UpdateAccount(edit) if edit.id == issuer);
    let statement = if changes.iter().any(writes) {
        "WITH owner AS (SELECT status FROM keyward_accounts WHERE id = $2 FOR NO KEY UPDATE) \
         SELECT 1 FROM keys WHERE id = $1 AND issuer_id = $2 AND type = 2 \
         AND NOT EXISTS (SELECT 1 FROM owner WHERE status = 'disabled') FOR KEY SHARE OF keys"
    } else {
        "WITH owner AS (SELECT status FROM keyward_accounts WHERE id = $2 FOR SHARE) \
         SELECT 1 FROM keys WHERE id = $1 AND issuer_id = $2 AND type = 2 \
         AND NOT EXISTS (SELECT 1 FROM owner WHERE status = 'disabled') FOR KEY SHARE OF keys"
    };
    let found: Option<i32> = query_scalar(statement)
        .bind(id.to_string())
        .bind(issuer.uuid())
        .fetch_optional(db)
        .await
        .map_err(failure)?;
    Ok(found.is_some())
}

/// How many were made from the first moment on and before the second, and have not ended by the third.
pub(crate) async fn alive(
    db: &Connections,
    from: Timestamp,
    before: Timestamp,
    at: Timestamp,
) -> Result<u64> {
    let (count,): (i64,) = db
        .one(|| {
            query_as(
                "SELECT count(*) FROM keys WHERE issued_at >= $1 AND issued_at < $2 \
                 AND (expires_at IS NULL OR expires_at > $3) AND type = 2",
            )
            .bind(PlainMoment(from))
            .bind(PlainMoment(before))
            .bind(PlainMoment(at))
        })
        .await?;
    Ok(count.unsigned_abs())
}
