//! What all tables have in common: pages, times, metadata.

use auth_domain::Timestamp;
use auth_domain::error::{Error, Result};
use auth_domain::model::{Listing, Metadata, Page};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, ValueRef};

/// A statement giving one page of what another statement matches, with the number of all matches on
/// every row, both from one snapshot: counted, unless a third statement knows it. A page without elements
/// is one row of nulls. `?1` is the limit, `?2` the offset; the first column must never be null.
macro_rules! page {
    ($matching:expr, $order:literal) => {
        page!($matching, $order, "SELECT count(*) FROM matching")
    };
    ($matching:expr, $order:literal, $total:expr) => {
        concat!(
            "WITH matching AS NOT MATERIALIZED (",
            $matching,
            ") SELECT counted.total, page.* FROM (SELECT (",
            $total,
            ") AS total) AS counted \
             LEFT JOIN (SELECT * FROM matching ORDER BY ",
            $order,
            " LIMIT ?1 OFFSET ?2) AS page ON TRUE ORDER BY ",
            $order
        )
    };
}
pub(crate) use page;

/// One row of a [`page`].
pub(crate) struct Counted<T> {
    total: i64,
    pub(crate) item: Option<T>,
}

impl<'r, T: FromRow<'r, SqliteRow>> FromRow<'r, SqliteRow> for Counted<T> {
    fn from_row(row: &'r SqliteRow) -> sqlx::Result<Self> {
        let total = row.try_get("total")?;
        let item = if row.try_get_raw(1)?.is_null() { None } else { Some(T::from_row(row)?) };
        Ok(Self { total, item })
    }
}

/// The rows of a [`page`], as nouns.
pub(crate) fn listing<R, T>(rows: Vec<Counted<R>>) -> Result<Listing<T>>
where
    T: TryFrom<R, Error = Error>,
{
    let total = rows.first().map_or(0, |row| row.total.cast_unsigned());
    let items =
        rows.into_iter().filter_map(|row| row.item).map(T::try_from).collect::<Result<_>>()?;
    Ok(Listing { items, total })
}

/// Limit and offset, as SQLite takes them.
pub(crate) fn window<O>(page: &Page<O>) -> (i64, i64) {
    let bounded = |number| i64::try_from(number).unwrap_or(i64::MAX);
    (bounded(page.limit), bounded(page.offset))
}

/// Many values travel as one JSON array of text, because SQLite has no arrays.
pub(crate) fn json_array(values: impl Iterator<Item = String>) -> String {
    values.collect::<serde_json::Value>().to_string()
}

/// The moment in a column.
pub(crate) fn moment(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// What is stored of metadata: nothing when there is none.
pub(crate) fn metadata_column(metadata: &Metadata) -> Option<String> {
    (!metadata.is_empty()).then(|| metadata.to_json())
}

/// Metadata, read back.
pub(crate) fn metadata(column: Option<&str>) -> Result<Metadata> {
    match column.map(serde_json::from_str).transpose().map_err(Error::internal)? {
        None => Ok(Metadata::default()),
        Some(Value::Object(object)) => Ok(Metadata::stored(object)),
        Some(_) => Err(Error::internal("stored metadata is not an object")),
    }
}
