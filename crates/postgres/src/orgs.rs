//! Orgs.

use auth_domain::error::{Entity, Error, Result};
use auth_domain::model::{
    Description, Direction, Listing, Name, Org, OrgEdit, OrgId, OrgOrder, OrgQuery, Page, UserId,
};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, query, query_as};
use uuid::Uuid;

use crate::connections::Connections;
use crate::failure::failure;
use crate::groups;
use crate::moment::Moment;
use crate::rows::{listing, metadata, metadata_column, moment, page, window};

#[derive(FromRow)]
pub(crate) struct OrgRow {
    id: Uuid,
    owner_id: Uuid,
    name: String,
    description: Option<String>,
    metadata: Option<String>,
    created_at: Option<Moment>,
    updated_at: Option<Moment>,
}

impl OrgRow {
    /// Whether it lacks a time that every row should have.
    pub(crate) const fn is_without_times(&self) -> bool {
        self.created_at.is_none() || self.updated_at.is_none()
    }
}

impl TryFrom<OrgRow> for Org {
    type Error = Error;

    fn try_from(row: OrgRow) -> Result<Self> {
        Ok(Self {
            id: OrgId::new(row.id),
            owner: UserId::new(row.owner_id),
            name: Name::stored(row.name),
            description: Description::stored(row.description.unwrap_or_default()),
            metadata: metadata(row.metadata.as_deref()),
            created_at: moment(row.created_at),
            updated_at: moment(row.updated_at),
        })
    }
}

pub(crate) async fn find(db: &Connections, id: OrgId) -> Result<Option<Org>> {
    let row: Option<OrgRow> = db
        .optional(|| {
            query_as(
                "SELECT id, owner_id, name, description, metadata::text AS metadata, created_at, \
                 updated_at FROM orgs WHERE id = $1",
            )
            .bind(id.uuid())
        })
        .await?;
    row.map(Org::try_from).transpose()
}

pub(crate) async fn list(
    db: &Connections,
    query: &OrgQuery,
    page: Page<OrgOrder>,
) -> Result<Listing<Org>> {
    if query.name.contains('\0') {
        // No name does, and PostgreSQL would not even take the question.
        return Ok(Listing { items: Vec::new(), total: 0 });
    }
    let (limit, offset) = window(&page);
    let statement = match query.member {
        None => all_statement(page.order, page.direction),
        Some(_) => member_statement(page.order, page.direction),
    };
    let rows = db
        .all(|| {
            query_as(statement)
                .bind(limit)
                .bind(offset)
                .bind(&query.name)
                .bind((!query.metadata.is_empty()).then(|| Json(query.metadata.object())))
                .bind(query.member.map(UserId::uuid))
        })
        .await?;
    listing::<OrgRow, _>(rows)
}

/// Every order and direction of a list of orgs.
macro_rules! ordered {
    ($order:expr, $direction:expr, $matching:literal) => {
        match ($order, $direction) {
            (OrgOrder::Id, Direction::Ascending) => page!($matching, "id"),
            (OrgOrder::Id, Direction::Descending) => page!($matching, "id DESC"),
            (OrgOrder::Name, Direction::Ascending) => page!($matching, "name_lower, id"),
            (OrgOrder::Name, Direction::Descending) => page!($matching, "name_lower DESC, id DESC"),
            (OrgOrder::CreatedAt, Direction::Ascending) => page!($matching, "created, id"),
            (OrgOrder::CreatedAt, Direction::Descending) => {
                page!($matching, "created DESC, id DESC")
            }
            (OrgOrder::UpdatedAt, Direction::Ascending) => page!($matching, "updated, id"),
            (OrgOrder::UpdatedAt, Direction::Descending) => {
                page!($matching, "updated DESC, id DESC")
            }
        }
    };
}

/// `$5` is always null here. A row without a time comes before all others, as the year 1 it is shown
/// with.
const fn all_statement(order: OrgOrder, direction: Direction) -> &'static str {
    ordered!(
        order,
        direction,
        "SELECT id, owner_id, name, lower(name) COLLATE \"C\" AS name_lower, description, \
         metadata::text AS metadata, created_at, updated_at, \
         coalesce(created_at, '-infinity') AS created, \
         coalesce(updated_at, '-infinity') AS updated FROM orgs \
         WHERE strpos(lower(name), lower($3)) > 0 AND ($4::jsonb IS NULL OR metadata @> $4) \
         AND $5::uuid IS NULL"
    )
}

const fn member_statement(order: OrgOrder, direction: Direction) -> &'static str {
    ordered!(
        order,
        direction,
        "SELECT id, owner_id, name, lower(name) COLLATE \"C\" AS name_lower, description, \
         metadata::text AS metadata, orgs.created_at, orgs.updated_at, \
         coalesce(orgs.created_at, '-infinity') AS created, \
         coalesce(orgs.updated_at, '-infinity') AS updated \
         FROM org_memberships JOIN orgs ON id = org_id WHERE member_id = $5 \
         AND strpos(lower(name), lower($3)) > 0 AND ($4::jsonb IS NULL OR metadata @> $4)"
    )
}

/// Every column gets a value, except that no metadata is null: the original cannot read other nulls.
pub(crate) async fn insert(db: &mut PgConnection, org: &Org) -> Result<()> {
    query(
        "INSERT INTO orgs (id, owner_id, name, description, metadata, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(org.id.uuid())
    .bind(org.owner.uuid())
    .bind(org.name.as_str())
    .bind(org.description.as_str())
    .bind(metadata_column(&org.metadata))
    .bind(Moment(org.created_at))
    .bind(Moment(org.updated_at))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(crate) async fn update(db: &mut PgConnection, edit: &OrgEdit) -> Result<()> {
    let updated = query(
        "UPDATE orgs SET name = $2, description = $3, metadata = $4, updated_at = $5 WHERE id = $1",
    )
    .bind(edit.id.uuid())
    .bind(edit.name.as_str())
    .bind(edit.description.as_str())
    .bind(metadata_column(&edit.metadata))
    .bind(Moment(edit.updated_at))
    .execute(db)
    .await
    .map_err(failure)?;
    one_org(updated.rows_affected())
}

/// Memberships and invites go with it: the schema cascades. Groups do not refer to the tables of the
/// original, so they are told.
pub(crate) async fn remove(db: &mut PgConnection, id: OrgId) -> Result<()> {
    let removed = query("DELETE FROM orgs WHERE id = $1")
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
