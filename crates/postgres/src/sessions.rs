//! Sessions with refresh tokens.

use auth_domain::Timestamp;
use auth_domain::error::{Entity, Error, Result, Unauthenticated};
use auth_domain::model::{
    Device, FoundSession, Listing, NewSession, Page, PasswordHash, Replaced, Rotation, Session,
    SessionId, UserId,
};
use sqlx::{FromRow, PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::connections::Connections;
use crate::failure::failure;
use crate::moment::Moment;
use crate::rows::{listing, page, window};

/// What makes a session live, beside its row: its account, and that it began after all that were ended at once.
macro_rules! living {
    ($columns:literal, $which:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM keyward_sessions AS session JOIN keyward_accounts AS account ON account.id = session.user_id \
             LEFT JOIN keyward_cutoffs AS cutoff ON cutoff.user_id = session.user_id WHERE ",
            $which,
            " AND account.status = 'enabled' \
             AND (cutoff.until IS NULL OR session.began_at > cutoff.until)"
        )
    };
}

#[derive(FromRow)]
struct SessionRow {
    id: Uuid,
    user_id: Uuid,
    began_at: Moment,
    last_used_at: Moment,
    expires_at: Moment,
    ends_at: Moment,
    address: Option<String>,
    device: String,
}

impl TryFrom<SessionRow> for Session {
    type Error = Error;

    fn try_from(row: SessionRow) -> Result<Self> {
        let address =
            row.address.as_deref().map(str::parse).transpose().map_err(Error::internal)?;
        Ok(Self {
            id: SessionId::new(row.id),
            user: UserId::new(row.user_id),
            began_at: row.began_at.0,
            last_used_at: row.last_used_at.0,
            expires_at: row.expires_at.0,
            ends_at: row.ends_at.0,
            address,
            device: Device::cleaned(row.device.as_bytes()),
        })
    }
}

#[derive(FromRow)]
struct FoundRow {
    #[sqlx(flatten)]
    session: SessionRow,
    digest: Vec<u8>,
    used_digest: Option<Vec<u8>>,
    used_cover: Option<Vec<u8>>,
    used_at: Option<Moment>,
}

impl TryFrom<FoundRow> for FoundSession {
    type Error = Error;

    fn try_from(row: FoundRow) -> Result<Self> {
        let before = match (row.used_digest, row.used_cover, row.used_at) {
            (Some(digest), Some(cover), Some(at)) => {
                Some(Replaced { digest: bytes(digest)?, cover: bytes(cover)?, at: at.0 })
            }
            _ => None,
        };
        Ok(Self { session: row.session.try_into()?, current: bytes(row.digest)?, before })
    }
}

fn bytes(column: Vec<u8>) -> Result<[u8; 32]> {
    column.try_into().map_err(|_| Error::internal("a stored digest is no SHA-256"))
}

pub(crate) async fn email(
    db: &Connections,
    user: UserId,
    session: SessionId,
) -> Result<Option<String>> {
    let statement = living!("account.email", "session.id = $1 AND session.user_id = $2");
    let row: Option<(String,)> =
        db.optional(|| query_as(statement).bind(session.uuid()).bind(user.uuid())).await?;
    Ok(row.map(|(email,)| email))
}

/// Whether the user has the session, as the transaction sees it. It locks nothing: `guards::comes_last` says why it
/// need not.
pub(crate) async fn exists(
    db: &mut PgConnection,
    user: UserId,
    session: SessionId,
) -> Result<bool> {
    query_scalar("SELECT EXISTS (SELECT 1 FROM keyward_sessions WHERE id = $1 AND user_id = $2)")
        .bind(session.uuid())
        .bind(user.uuid())
        .fetch_one(db)
        .await
        .map_err(failure)
}

pub(crate) async fn find(db: &Connections, family: [u8; 32]) -> Result<Option<FoundSession>> {
    let row: Option<FoundRow> = db
        .optional(|| query_as(living!("session.*", "session.family = $1")).bind(family.to_vec()))
        .await?;
    row.map(FoundSession::try_from).transpose()
}

pub(crate) async fn list(
    db: &Connections,
    user: UserId,
    at: Timestamp,
    page: Page<()>,
) -> Result<Listing<Session>> {
    let (limit, offset) = window(&page);
    let rows = db
        .all(|| {
            query_as(page!(
                living!("session.*", "session.user_id = $3 AND session.expires_at > $4"),
                "last_used_at DESC, id DESC"
            ))
            .bind(limit)
            .bind(offset)
            .bind(user.uuid())
            .bind(Moment(at))
        })
        .await?;
    listing::<SessionRow, _>(rows)
}

/// The account is held until the end, so that whoever sets another password or disables it meanwhile finds the session
/// and ends it, or was first.
pub(crate) async fn insert(
    db: &mut PgConnection,
    new: &NewSession,
    proved: &PasswordHash,
) -> Result<()> {
    let NewSession { session, refresh } = new;
    let holds = query_scalar::<_, i32>(
        "SELECT 1 FROM keyward_accounts WHERE id = $1 AND status = 'enabled' AND password_hash = $2 \
         FOR SHARE",
    )
    .bind(session.user.uuid())
    .bind(proved.expose())
    .fetch_optional(&mut *db)
    .await
    .map_err(failure)?;
    if holds.is_none() {
        return Err(Unauthenticated::NotHonoured.into());
    }
    query(
        "INSERT INTO keyward_sessions (id, user_id, began_at, last_used_at, expires_at, ends_at, \
         address, device, family, digest) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(session.id.uuid())
    .bind(session.user.uuid())
    .bind(Moment(session.began_at))
    .bind(Moment(session.last_used_at))
    .bind(Moment(session.expires_at))
    .bind(Moment(session.ends_at))
    .bind(session.address.map(|address| address.to_string()))
    .bind(session.device.as_str())
    .bind(refresh.family.to_vec())
    .bind(refresh.whole.to_vec())
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

/// Of several at once one finds the token it uses up.
pub(crate) async fn rotate(db: &mut PgConnection, rotation: &Rotation) -> Result<()> {
    let rotated = query(
        "UPDATE keyward_sessions SET digest = $3, used_digest = $2, used_cover = $4, used_at = $5, \
         last_used_at = $5, address = $6, expires_at = $7 WHERE id = $1 AND digest = $2",
    )
    .bind(rotation.session.uuid())
    .bind(rotation.used.digest.to_vec())
    .bind(rotation.next.to_vec())
    .bind(rotation.used.cover.to_vec())
    .bind(Moment(rotation.used.at))
    .bind(rotation.address.map(|address| address.to_string()))
    .bind(Moment(rotation.expires_at))
    .execute(db)
    .await
    .map_err(failure)?;
    one_session(rotated.rows_affected())
}

pub(crate) async fn remove(db: &mut PgConnection, id: SessionId, user: UserId) -> Result<()> {
    let removed = query("DELETE FROM keyward_sessions WHERE id = $1 AND user_id = $2")
        .bind(id.uuid())
        .bind(user.uuid())
        .execute(db)
        .await
        .map_err(failure)?;
    one_session(removed.rows_affected())
}

pub(crate) async fn remove_all(db: &mut PgConnection, user: UserId) -> Result<()> {
    query("DELETE FROM keyward_sessions WHERE user_id = $1")
        .bind(user.uuid())
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

pub(crate) async fn purge(db: &mut PgConnection, expired_before: Timestamp) -> Result<()> {
    query(
        "DELETE FROM keyward_sessions WHERE id IN \
         (SELECT id FROM keyward_sessions WHERE expires_at < \
          least($1, clock_timestamp() - interval '1 minute') LIMIT 10000)",
    )
    .bind(Moment(expired_before))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

const fn one_session(rows: u64) -> Result<()> {
    match rows {
        0 => Err(Error::NotFound(Entity::Session)),
        _ => Ok(()),
    }
}
