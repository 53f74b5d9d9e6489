//! Accounts of the built-in directory.

use auth_domain::Timestamp;
use auth_domain::error::{Conflict, Entity, Error, Result};
use auth_domain::model::{
    Account, AccountEdit, AccountFilter, AccountId, AccountOrder, AccountQuery, AccountStatus,
    Direction, Email, Listing, Page, PasswordHash,
};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, query, query_as};
use uuid::Uuid;

use crate::connections::Connections;
use crate::failure::failure;
use crate::moment::Moment;
use crate::roles;
use crate::rows::{listing, metadata, metadata_column, page, window};

#[derive(FromRow)]
pub(crate) struct AccountRow {
    id: Uuid,
    email: String,
    password_hash: String,
    email_verified_at: Option<Moment>,
    status: String,
    metadata: Option<String>,
    created_at: Moment,
    updated_at: Moment,
}

impl TryFrom<AccountRow> for Account {
    type Error = Error;

    fn try_from(row: AccountRow) -> Result<Self> {
        Ok(Self {
            id: AccountId::new(row.id),
            email: row.email.parse().map_err(Error::internal)?,
            password: PasswordHash::new(row.password_hash),
            email_verified_at: row.email_verified_at.map(|at| at.0),
            status: row.status.parse().map_err(Error::internal)?,
            metadata: metadata(row.metadata.as_deref()),
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
        })
    }
}

pub(crate) async fn find(db: &Connections, id: AccountId) -> Result<Option<Account>> {
    let row: Option<AccountRow> = db
        .optional(|| {
            query_as(
                "SELECT id, email, password_hash, email_verified_at, status, metadata::text AS metadata, created_at, \
                 updated_at FROM keyward_accounts WHERE id = $1",
            )
            .bind(id.uuid())
        })
        .await?;
    row.map(Account::try_from).transpose()
}

pub(crate) async fn find_by_email(db: &Connections, email: &Email) -> Result<Option<Account>> {
    let row: Option<AccountRow> = db
        .optional(|| {
            query_as(
                "SELECT id, email, password_hash, email_verified_at, status, metadata::text AS metadata, created_at, \
                 updated_at FROM keyward_accounts WHERE email_key = $1",
            )
            .bind(email.key())
        })
        .await?;
    row.map(Account::try_from).transpose()
}

pub(crate) async fn find_by_emails(db: &Connections, emails: &[Email]) -> Result<Vec<Account>> {
    let keys: Vec<String> = emails.iter().map(|email| email.key().to_owned()).collect();
    let rows: Vec<AccountRow> = db
        .all(|| {
            query_as(
                "SELECT id, email, password_hash, email_verified_at, status, metadata::text AS metadata, created_at, \
                 updated_at FROM keyward_accounts \
                 WHERE email_key = ANY ($1) AND status = 'enabled'",
            )
            .bind(&keys)
        })
        .await?;
    rows.into_iter().map(Account::try_from).collect()
}

pub(crate) async fn ids_by_emails(
    db: &Connections,
    emails: &[Email],
) -> Result<Vec<(String, AccountId)>> {
    let keys: Vec<String> = emails.iter().map(|email| email.key().to_owned()).collect();
    let rows: Vec<(String, Uuid)> = db
        .all(|| {
            query_as("SELECT email_key, id FROM keyward_accounts WHERE email_key = ANY ($1)")
                .bind(&keys)
        })
        .await?;
    Ok(rows.into_iter().map(|(key, id)| (key, AccountId::new(id))).collect())
}

/// In the order of the one index that can answer it: whatever the planner believes of the rows, it reads one of them.
pub(crate) async fn has_bcrypt(db: &Connections) -> Result<bool> {
    let found: Option<(Uuid,)> = db
        .optional(|| {
            query_as(
                "SELECT id FROM keyward_accounts \
                 WHERE password_hash >= '$2' AND password_hash < '$3' ORDER BY password_hash LIMIT 1",
            )
        })
        .await?;
    Ok(found.is_some())
}

pub(crate) async fn list(db: &Connections, query: &AccountQuery) -> Result<Listing<Account>> {
    if query.email.contains('\0') {
        // No address does, and PostgreSQL would not even take the question.
        return Ok(Listing { items: Vec::new(), total: 0 });
    }
    let (limit, offset) = window(&query.page);
    let ids: Vec<Uuid> = query.ids.iter().map(|id| id.uuid()).collect();
    let rows = db
        .all(|| {
            query_as(page_statement(query.page.order, query.page.direction))
                .bind(limit)
                .bind(offset)
                .bind(&ids)
                .bind(query.email.to_lowercase())
        })
        .await?;
    listing::<AccountRow, _>(rows)
}

/// Every order and direction of a list of accounts.
macro_rules! ordered {
    ($order:expr, $direction:expr, $matching:literal) => {
        match ($order, $direction) {
            (AccountOrder::Id, Direction::Ascending) => page!($matching, "id"),
            (AccountOrder::Id, Direction::Descending) => page!($matching, "id DESC"),
            (AccountOrder::Email, Direction::Ascending) => page!($matching, "email_lower, id"),
            (AccountOrder::Email, Direction::Descending) => {
                page!($matching, "email_lower DESC, id DESC")
            }
        }
    };
}

const fn page_statement(order: AccountOrder, direction: Direction) -> &'static str {
    ordered!(
        order,
        direction,
        "SELECT id, email, email_lower, password_hash, email_verified_at, status, metadata::text AS metadata, \
         created_at, updated_at FROM keyward_accounts \
         WHERE id = ANY ($3) AND strpos(email_lower, $4) > 0 AND status = 'enabled'"
    )
}

pub(crate) async fn search(
    db: &Connections,
    filter: &AccountFilter,
    page: Page<AccountOrder>,
) -> Result<Listing<Account>> {
    if filter.email.contains('\0') {
        // No address does, and PostgreSQL would not even take the question.
        return Ok(Listing { items: Vec::new(), total: 0 });
    }
    let (limit, offset) = window(&page);
    let rows = db
        .all(|| {
            query_as(search_statement(page.order, page.direction))
                .bind(limit)
                .bind(offset)
                .bind(filter.email.to_lowercase())
                .bind((!filter.metadata.is_empty()).then(|| Json(filter.metadata.object())))
                .bind(filter.status.map(AccountStatus::as_str))
        })
        .await?;
    listing::<AccountRow, _>(rows)
}

const fn search_statement(order: AccountOrder, direction: Direction) -> &'static str {
    ordered!(
        order,
        direction,
        "SELECT id, email, email_lower, password_hash, email_verified_at, status, metadata::text AS metadata, \
         created_at, updated_at FROM keyward_accounts \
         WHERE strpos(email_lower, $3) > 0 AND ($4::jsonb IS NULL OR metadata @> $4) \
         AND ($5::text IS NULL OR status = $5)"
    )
}

pub(crate) async fn update(db: &mut PgConnection, edit: &AccountEdit) -> Result<()> {
    let updated = query("UPDATE keyward_accounts SET metadata = $2, updated_at = $3 WHERE id = $1")
        .bind(edit.id.uuid())
        .bind(metadata_column(&edit.metadata))
        .bind(Moment(edit.updated_at))
        .execute(db)
        .await
        .map_err(failure)?;
    one_account(updated.rows_affected())
}

/// Nobody else takes a root's role or their account meanwhile, see [`roles::lock_roots`].
pub(crate) async fn set_status(
    db: &mut PgConnection,
    id: AccountId,
    status: AccountStatus,
    at: Timestamp,
) -> Result<()> {
    if status == AccountStatus::Disabled && roles::is_last_root(db, id).await? == Some(true) {
        return Err(Conflict::LastRoot.into());
    }
    let updated = query("UPDATE keyward_accounts SET status = $2, updated_at = $3 WHERE id = $1")
        .bind(id.uuid())
        .bind(status.as_str())
        .bind(Moment(at))
        .execute(db)
        .await
        .map_err(failure)?;
    one_account(updated.rows_affected())
}

pub(crate) async fn set_password(
    db: &mut PgConnection,
    id: AccountId,
    password: &PasswordHash,
    replacing: Option<&PasswordHash>,
    at: Timestamp,
) -> Result<()> {
    let updated = query(
        "UPDATE keyward_accounts SET password_hash = $2, updated_at = $3 \
         WHERE id = $1 AND status = 'enabled' AND password_hash = coalesce($4, password_hash)",
    )
    .bind(id.uuid())
    .bind(password.expose())
    .bind(Moment(at))
    .bind(replacing.map(PasswordHash::expose))
    .execute(db)
    .await
    .map_err(failure)?;
    one_account(updated.rows_affected())
}

/// What was proved first stays.
pub(crate) async fn verify_email(
    db: &mut PgConnection,
    id: AccountId,
    at: Timestamp,
) -> Result<()> {
    let updated = query(
        "UPDATE keyward_accounts SET email_verified_at = coalesce(email_verified_at, $2) \
         WHERE id = $1 AND status = 'enabled'",
    )
    .bind(id.uuid())
    .bind(Moment(at))
    .execute(db)
    .await
    .map_err(failure)?;
    one_account(updated.rows_affected())
}

pub(crate) async fn renumber(db: &mut PgConnection, from: AccountId, to: AccountId) -> Result<()> {
    let updated = query("UPDATE keyward_accounts SET id = $2 WHERE id = $1")
        .bind(from.uuid())
        .bind(to.uuid())
        .execute(db)
        .await
        .map_err(failure)?;
    one_account(updated.rows_affected())
}

pub(crate) async fn renew_hash(
    db: &mut PgConnection,
    id: AccountId,
    from: &PasswordHash,
    to: &PasswordHash,
) -> Result<()> {
    let updated = query(
        "UPDATE keyward_accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2",
    )
    .bind(id.uuid())
    .bind(from.expose())
    .bind(to.expose())
    .execute(db)
    .await
    .map_err(failure)?;
    one_account(updated.rows_affected())
}

const fn one_account(rows: u64) -> Result<()> {
    match rows {
        0 => Err(Error::NotFound(Entity::Account)),
        _ => Ok(()),
    }
}

pub(crate) async fn insert(db: &mut PgConnection, account: &Account) -> Result<()> {
    query(
        "INSERT INTO keyward_accounts (id, email, email_lower, email_key, password_hash, status, \
         metadata, created_at, updated_at, email_verified_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(account.id.uuid())
    .bind(account.email.as_str())
    .bind(account.email.as_str().to_lowercase())
    .bind(account.email.key())
    .bind(account.password.expose())
    .bind(account.status.as_str())
    .bind(metadata_column(&account.metadata))
    .bind(Moment(account.created_at))
    .bind(Moment(account.updated_at))
    .bind(account.email_verified_at.map(Moment))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}
