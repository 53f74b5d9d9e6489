//! Accounts of the built-in directory.

use auth_domain::Timestamp;
use auth_domain::error::{Conflict, Entity, Error, Result};
use auth_domain::model::{
    Account, AccountEdit, AccountFilter, AccountId, AccountOrder, AccountQuery, AccountStatus,
    Direction, Email, Listing, Page, PasswordHash,
};
use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteArguments;
use sqlx::{FromRow, Sqlite, SqliteConnection, SqlitePool, query, query_as};
use uuid::Uuid;

use crate::failure::failure;
use crate::roles;
use crate::rows::{Counted, json_array, listing, metadata, metadata_column, moment, page, window};

#[derive(FromRow)]
pub(crate) struct AccountRow {
    id: Uuid,
    email: String,
    password_hash: String,
    email_verified_at: Option<i64>,
    status: String,
    metadata: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<AccountRow> for Account {
    type Error = Error;

    fn try_from(row: AccountRow) -> Result<Self> {
        Ok(Self {
            id: AccountId::new(row.id),
            email: row.email.parse().map_err(Error::internal)?,
            password: PasswordHash::new(row.password_hash),
            email_verified_at: row.email_verified_at.map(moment),
            status: row.status.parse().map_err(Error::internal)?,
            metadata: metadata(row.metadata.as_deref())?,
            created_at: moment(row.created_at),
            updated_at: moment(row.updated_at),
        })
    }
}

pub(crate) async fn find(db: &SqlitePool, id: AccountId) -> Result<Option<Account>> {
    query_as::<_, AccountRow>(
        "SELECT id, email, password_hash, email_verified_at, status, metadata, created_at, updated_at \
         FROM keyward_accounts WHERE id = ?1",
    )
    .bind(id.uuid())
    .fetch_optional(db)
    .await
    .map_err(failure)?
    .map(Account::try_from)
    .transpose()
}

pub(crate) async fn find_by_email(db: &SqlitePool, email: &Email) -> Result<Option<Account>> {
    query_as::<_, AccountRow>(
        "SELECT id, email, password_hash, email_verified_at, status, metadata, created_at, updated_at \
         FROM keyward_accounts WHERE email_key = ?1",
    )
    .bind(email.key())
    .fetch_optional(db)
    .await
    .map_err(failure)?
    .map(Account::try_from)
    .transpose()
}

pub(crate) async fn find_by_emails(db: &SqlitePool, emails: &[Email]) -> Result<Vec<Account>> {
    query_as::<_, AccountRow>(
        "SELECT id, email, password_hash, email_verified_at, status, metadata, created_at, updated_at \
         FROM keyward_accounts \
         WHERE email_key IN (SELECT value FROM json_each(?1)) AND status = 'enabled'",
    )
    .bind(json_array(emails.iter().map(|email| email.key().to_owned())))
    .fetch_all(db)
    .await
    .map_err(failure)?
    .into_iter()
    .map(Account::try_from)
    .collect()
}

pub(crate) async fn ids_by_emails(
    db: &SqlitePool,
    emails: &[Email],
) -> Result<Vec<(String, AccountId)>> {
    let rows: Vec<(String, Uuid)> = query_as(
        "SELECT email_key, id FROM keyward_accounts \
         WHERE email_key IN (SELECT value FROM json_each(?1))",
    )
    .bind(json_array(emails.iter().map(|email| email.key().to_owned())))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    Ok(rows.into_iter().map(|(key, id)| (key, AccountId::new(id))).collect())
}

pub(crate) async fn has_bcrypt(db: &SqlitePool) -> Result<bool> {
    let found: Option<(Uuid,)> = query_as(
        "SELECT id FROM keyward_accounts INDEXED BY keyward_accounts_bcrypt \
         WHERE password_hash >= '$2' AND password_hash < '$3' LIMIT 1",
    )
    .fetch_optional(db)
    .await
    .map_err(failure)?;
    Ok(found.is_some())
}

pub(crate) async fn list(db: &SqlitePool, query: &AccountQuery) -> Result<Listing<Account>> {
    let (limit, offset) = window(&query.page);
    let rows = query_as(page_statement(query.page.order, query.page.direction))
        .bind(limit)
        .bind(offset)
        .bind(json_array(query.ids.iter().map(|id| id.uuid().as_simple().to_string())))
        .bind(query.email.to_lowercase())
        .fetch_all(db)
        .await
        .map_err(failure)?;
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
        "SELECT id, email, email_lower, password_hash, email_verified_at, status, metadata, created_at, updated_at \
         FROM keyward_accounts WHERE id IN (SELECT unhex(value) FROM json_each(?3)) \
         AND instr(email_lower, ?4) > 0 AND status = 'enabled'"
    )
}

pub(crate) async fn search(
    db: &SqlitePool,
    filter: &AccountFilter,
    page: Page<AccountOrder>,
) -> Result<Listing<Account>> {
    if filter.metadata.is_empty() {
        let rows = matching(filter, &page, window(&page)).fetch_all(db).await.map_err(failure)?;
        return listing::<AccountRow, _>(rows);
    }
    // As with orgs: SQLite has no word for "contains this JSON", so all candidates pass by here.
    let all = (-1, 0);
    let mut candidates = matching(filter, &page, all).fetch(db);
    let mut found = Listing { items: Vec::new(), total: 0_u64 };
    while let Some(row) = candidates.try_next().await.map_err(failure)? {
        let Some(account) = row.item.map(Account::try_from).transpose()? else { continue };
        if !account.metadata.contains(&filter.metadata) {
            continue;
        }
        if found.total >= page.offset && found.total < page.offset.saturating_add(page.limit) {
            found.items.push(account);
        }
        found.total = found.total.saturating_add(1);
    }
    Ok(found)
}

type AccountsQuery = query::QueryAs<'static, Sqlite, Counted<AccountRow>, SqliteArguments>;

/// The accounts with this address and status, in order; the window is limit and offset.
fn matching(
    filter: &AccountFilter,
    page: &Page<AccountOrder>,
    (limit, offset): (i64, i64),
) -> AccountsQuery {
    let statement = ordered!(
        page.order,
        page.direction,
        "SELECT id, email, email_lower, password_hash, email_verified_at, status, metadata, created_at, updated_at \
         FROM keyward_accounts WHERE instr(email_lower, ?3) > 0 AND (?4 IS NULL OR status = ?4)"
    );
    query_as(statement)
        .bind(limit)
        .bind(offset)
        .bind(filter.email.to_lowercase())
        .bind(filter.status.map(AccountStatus::as_str))
}

pub(crate) async fn update(db: &mut SqliteConnection, edit: &AccountEdit) -> Result<()> {
    let updated = query("UPDATE keyward_accounts SET metadata = ?2, updated_at = ?3 WHERE id = ?1")
        .bind(edit.id.uuid())
        .bind(metadata_column(&edit.metadata))
        .bind(edit.updated_at.micros())
        .execute(db)
        .await
        .map_err(failure)?;
    one_account(updated.rows_affected())
}

pub(crate) async fn set_status(
    db: &mut SqliteConnection,
    id: AccountId,
    status: AccountStatus,
    at: Timestamp,
) -> Result<()> {
    if status == AccountStatus::Disabled && roles::is_last_root(db, id).await? == Some(true) {
        return Err(Conflict::LastRoot.into());
    }
    let updated = query("UPDATE keyward_accounts SET status = ?2, updated_at = ?3 WHERE id = ?1")
        .bind(id.uuid())
        .bind(status.as_str())
        .bind(at.micros())
        .execute(db)
        .await
        .map_err(failure)?;
    one_account(updated.rows_affected())
}

pub(crate) async fn set_password(
    db: &mut SqliteConnection,
    id: AccountId,
    password: &PasswordHash,
    replacing: Option<&PasswordHash>,
    at: Timestamp,
) -> Result<()> {
    let updated = query(
        "UPDATE keyward_accounts SET password_hash = ?2, updated_at = ?3 \
         WHERE id = ?1 AND status = 'enabled' AND password_hash = coalesce(?4, password_hash)",
    )
    .bind(id.uuid())
    .bind(password.expose())
    .bind(at.micros())
    .bind(replacing.map(PasswordHash::expose))
    .execute(db)
    .await
    .map_err(failure)?;
    one_account(updated.rows_affected())
}

/// What was proved first stays.
pub(crate) async fn verify_email(
    db: &mut SqliteConnection,
    id: AccountId,
    at: Timestamp,
) -> Result<()> {
    let updated = query(
        "UPDATE keyward_accounts SET email_verified_at = coalesce(email_verified_at, ?2) \
         WHERE id = ?1 AND status = 'enabled'",
    )
    .bind(id.uuid())
    .bind(at.micros())
    .execute(db)
    .await
    .map_err(failure)?;
    one_account(updated.rows_affected())
}

pub(crate) async fn renumber(
    db: &mut SqliteConnection,
    from: AccountId,
    to: AccountId,
) -> Result<()> {
    let updated = query("UPDATE keyward_accounts SET id = ?2 WHERE id = ?1")
        .bind(from.uuid())
        .bind(to.uuid())
        .execute(db)
        .await
        .map_err(failure)?;
    one_account(updated.rows_affected())
}

pub(crate) async fn renew_hash(
    db: &mut SqliteConnection,
    id: AccountId,
    from: &PasswordHash,
    to: &PasswordHash,
) -> Result<()> {
    let updated = query(
        "UPDATE keyward_accounts SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2",
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

pub(crate) async fn insert(db: &mut SqliteConnection, account: &Account) -> Result<()> {
    query(
        "INSERT INTO keyward_accounts (id, email, email_lower, email_key, password_hash, status, \
         metadata, created_at, updated_at, email_verified_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )
    .bind(account.id.uuid())
    .bind(account.email.as_str())
    .bind(account.email.as_str().to_lowercase())
    .bind(account.email.key())
    .bind(account.password.expose())
    .bind(account.status.as_str())
    .bind(metadata_column(&account.metadata))
    .bind(account.created_at.micros())
    .bind(account.updated_at.micros())
    .bind(account.email_verified_at.map(Timestamp::micros))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}
