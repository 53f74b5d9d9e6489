//! Orgs.

use auth_domain::error::{Entity, Error, Result};
use auth_domain::model::{
    Description, Direction, Listing, Name, Org, OrgEdit, OrgId, OrgOrder, OrgQuery, Page, UserId,
};
use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteArguments;
use sqlx::{FromRow, Sqlite, SqliteConnection, SqlitePool, query, query_as};
use uuid::Uuid;

use crate::failure::failure;
use crate::groups;
use crate::rows::{Counted, listing, metadata, metadata_column, moment, page, window};

#[derive(FromRow)]
pub(crate) struct OrgRow {
    id: Uuid,
    owner_id: Uuid,
    name: String,
    description: String,
    metadata: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<OrgRow> for Org {
    type Error = Error;

    fn try_from(row: OrgRow) -> Result<Self> {
        Ok(Self {
            id: OrgId::new(row.id),
            owner: UserId::new(row.owner_id),
            name: Name::stored(row.name),
            description: Description::stored(row.description),
            metadata: metadata(row.metadata.as_deref())?,
            created_at: moment(row.created_at),
            updated_at: moment(row.updated_at),
        })
    }
}

pub(crate) async fn find(db: &SqlitePool, id: OrgId) -> Result<Option<Org>> {
    query_as::<_, OrgRow>(
        "SELECT id, owner_id, name, description, metadata, created_at, updated_at \
         FROM orgs WHERE id = ?1",
    )
    .bind(id.uuid())
    .fetch_optional(db)
    .await
    .map_err(failure)?
    .map(Org::try_from)
    .transpose()
}

pub(crate) async fn list(
    db: &SqlitePool,
    query: &OrgQuery,
    page: Page<OrgOrder>,
) -> Result<Listing<Org>> {
    if !query.metadata.is_empty() {
        return list_by_metadata(db, query, page).await;
    }
    let rows = matching(query, &page, window(&page)).fetch_all(db).await.map_err(failure)?;
    listing::<OrgRow, _>(rows)
}

/// SQLite has no word for "contains this JSON": all candidates pass by here, and only the page is
/// kept.
async fn list_by_metadata(
    db: &SqlitePool,
    query: &OrgQuery,
    page: Page<OrgOrder>,
) -> Result<Listing<Org>> {
    const ALL: (i64, i64) = (-1, 0);
    let mut candidates = matching(query, &page, ALL).fetch(db);
    let mut found = Listing { items: Vec::new(), total: 0_u64 };
    while let Some(row) = candidates.try_next().await.map_err(failure)? {
        let Some(org) = row.item.map(Org::try_from).transpose()? else { continue };
        if !org.metadata.contains(&query.metadata) {
            continue;
        }
        if found.total >= page.offset && found.total < page.offset.saturating_add(page.limit) {
            found.items.push(org);
        }
        found.total = found.total.saturating_add(1);
    }
    Ok(found)
}

type OrgsQuery = query::QueryAs<'static, Sqlite, Counted<OrgRow>, SqliteArguments>;

/// The orgs with this member and name, in order; the window is limit and offset.
fn matching(query: &OrgQuery, page: &Page<OrgOrder>, (limit, offset): (i64, i64)) -> OrgsQuery {
    let statement = match query.member {
        None => all_statement(page.order, page.direction),
        Some(_) => member_statement(page.order, page.direction),
    };
    query_as(statement)
        .bind(limit)
        .bind(offset)
        .bind(query.name.to_lowercase())
        .bind(query.member.map(UserId::uuid))
}

/// Every order and direction of a list of orgs.
macro_rules! ordered {
    ($order:expr, $direction:expr, $matching:literal) => {
        match ($order, $direction) {
            (OrgOrder::Id, Direction::Ascending) => page!($matching, "id"),
            (OrgOrder::Id, Direction::Descending) => page!($matching, "id DESC"),
            (OrgOrder::Name, Direction::Ascending) => page!($matching, "name_lower, id"),
            (OrgOrder::Name, Direction::Descending) => page!($matching, "name_lower DESC, id DESC"),
            (OrgOrder::CreatedAt, Direction::Ascending) => page!($matching, "created_at, id"),
            (OrgOrder::CreatedAt, Direction::Descending) => {
                page!($matching, "created_at DESC, id DESC")
            }
            (OrgOrder::UpdatedAt, Direction::Ascending) => page!($matching, "updated_at, id"),
            (OrgOrder::UpdatedAt, Direction::Descending) => {
                page!($matching, "updated_at DESC, id DESC")
            }
        }
    };
}

/// `?4` is always null here.
const fn all_statement(order: OrgOrder, direction: Direction) -> &'static str {
    ordered!(
        order,
        direction,
        "SELECT id, owner_id, name, name_lower, description, metadata, created_at, updated_at \
         FROM orgs WHERE instr(name_lower, ?3) > 0 AND ?4 IS NULL"
    )
}

const fn member_statement(order: OrgOrder, direction: Direction) -> &'static str {
    ordered!(
        order,
        direction,
        "SELECT id, owner_id, name, name_lower, description, metadata, orgs.created_at, \
         orgs.updated_at FROM org_memberships JOIN orgs ON id = org_id \
         WHERE member_id = ?4 AND instr(name_lower, ?3) > 0"
    )
}

pub(crate) async fn insert(db: &mut SqliteConnection, org: &Org) -> Result<()> {
    query(
        "INSERT INTO orgs \
         (id, owner_id, name, name_lower, description, metadata, created_at, updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .bind(org.id.uuid())
    .bind(org.owner.uuid())
    .bind(org.name.as_str())
    .bind(org.name.as_str().to_lowercase())
    .bind(org.description.as_str())
    .bind(metadata_column(&org.metadata))
    .bind(org.created_at.micros())
    .bind(org.updated_at.micros())
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(crate) async fn update(db: &mut SqliteConnection, edit: &OrgEdit) -> Result<()> {
    let updated = query(
        "UPDATE orgs SET name = ?2, name_lower = ?3, description = ?4, metadata = ?5, \
         updated_at = ?6 WHERE id = ?1",
    )
    .bind(edit.id.uuid())
    .bind(edit.name.as_str())
    .bind(edit.name.as_str().to_lowercase())
    .bind(edit.description.as_str())
    .bind(metadata_column(&edit.metadata))
    .bind(edit.updated_at.micros())
    .execute(db)
    .await
    .map_err(failure)?;
    one_org(updated.rows_affected())
}

/// Memberships go with it: the schema cascades. Groups do not refer to orgs, as in PostgreSQL.
pub(crate) async fn remove(db: &mut SqliteConnection, id: OrgId) -> Result<()> {
    let removed = query("DELETE FROM orgs WHERE id = ?1")
        .bind(id.uuid())
        .execute(&mut *db)
        .await
        .map_err(failure)?;
    one_org(removed.rows_affected())?;
    groups::remove_all(db, id).await
}

const fn one_org(rows: u64) -> Result<()> {
    match rows {
        0 => Err(Error::NotFound(Entity::Org)),
        _ => Ok(()),
    }
}
