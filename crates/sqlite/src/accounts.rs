//! Accounts of the built-in directory.

use auth_domain::error::{Error, Result};
use auth_domain::model::{
    Account, AccountId, AccountOrder, AccountQuery, Direction, Email, Listing, PasswordHash,
};
use sqlx::{FromRow, SqliteConnection, SqlitePool, query, query_as};
use uuid::Uuid;

use crate::failure::failure;
use crate::rows::{listing, metadata, metadata_column, moment, page, window};

#[derive(FromRow)]
pub(crate) struct AccountRow {
    id: Uuid,
    email: String,
    password_hash: String,
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
            status: row.status.parse().map_err(Error::internal)?,
            metadata: metadata(row.metadata.as_deref())?,
            created_at: moment(row.created_at),
            updated_at: moment(row.updated_at),
        })
    }
}

pub(crate) async fn find(db: &SqlitePool, id: AccountId) -> Result<Option<Account>> {
    query_as::<_, AccountRow>(
        "SELECT id, email, password_hash, status, metadata, created_at, updated_at \
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
        "SELECT id, email, password_hash, status, metadata, created_at, updated_at \
         FROM keyward_accounts WHERE email_key = ?1",
    )
    .bind(email.key())
    .fetch_optional(db)
    .await
    .map_err(failure)?
    .map(Account::try_from)
    .transpose()
}

/// Many values travel as one JSON array of text, because SQLite has no arrays.
fn json_array(values: impl Iterator<Item = String>) -> String {
    values.collect::<serde_json::Value>().to_string()
}

pub(crate) async fn find_by_emails(db: &SqlitePool, emails: &[Email]) -> Result<Vec<Account>> {
    query_as::<_, AccountRow>(
        "SELECT id, email, password_hash, status, metadata, created_at, updated_at \
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

const fn page_statement(order: AccountOrder, direction: Direction) -> &'static str {
    macro_rules! by {
        ($order:literal) => {
            page!(
                "SELECT id, email, email_lower, password_hash, status, metadata, created_at, \
                 updated_at FROM keyward_accounts \
                 WHERE id IN (SELECT unhex(value) FROM json_each(?3)) \
                 AND instr(email_lower, ?4) > 0 AND status = 'enabled'",
                $order
            )
        };
    }
    match (order, direction) {
        (AccountOrder::Id, Direction::Ascending) => by!("id"),
        (AccountOrder::Id, Direction::Descending) => by!("id DESC"),
        (AccountOrder::Email, Direction::Ascending) => by!("email_lower, id"),
        (AccountOrder::Email, Direction::Descending) => by!("email_lower DESC, id DESC"),
    }
}

pub(crate) async fn insert(db: &mut SqliteConnection, account: &Account) -> Result<()> {
    query(
        "INSERT INTO keyward_accounts (id, email, email_lower, email_key, password_hash, status, \
         metadata, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
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
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}
