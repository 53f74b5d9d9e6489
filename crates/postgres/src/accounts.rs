//! Accounts of the built-in directory.

use auth_domain::error::{Error, Result};
use auth_domain::model::{
    Account, AccountId, AccountOrder, AccountQuery, Direction, Email, Listing, PasswordHash,
};
use sqlx::{FromRow, PgConnection, query, query_as};
use uuid::Uuid;

use crate::connections::Connections;
use crate::failure::failure;
use crate::moment::Moment;
use crate::rows::{listing, metadata, metadata_column, page, window};

#[derive(FromRow)]
pub(crate) struct AccountRow {
    id: Uuid,
    email: String,
    password_hash: String,
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
                "SELECT id, email, password_hash, status, metadata::text AS metadata, created_at, \
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
                "SELECT id, email, password_hash, status, metadata::text AS metadata, created_at, \
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
                "SELECT id, email, password_hash, status, metadata::text AS metadata, created_at, \
                 updated_at FROM keyward_accounts \
                 WHERE email_key = ANY ($1) AND status = 'enabled'",
            )
            .bind(&keys)
        })
        .await?;
    rows.into_iter().map(Account::try_from).collect()
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

const fn page_statement(order: AccountOrder, direction: Direction) -> &'static str {
    macro_rules! by {
        ($order:literal) => {
            page!(
                "SELECT id, email, email_lower, password_hash, status, metadata::text AS metadata, \
                 created_at, updated_at FROM keyward_accounts \
                 WHERE id = ANY ($3) AND strpos(email_lower, $4) > 0 AND status = 'enabled'",
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

pub(crate) async fn insert(db: &mut PgConnection, account: &Account) -> Result<()> {
    query(
        "INSERT INTO keyward_accounts (id, email, email_lower, email_key, password_hash, status, \
         metadata, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
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
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}
