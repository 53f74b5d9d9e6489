//! What all tables have in common: pages, times, metadata.

use auth_domain::Timestamp;
use auth_domain::error::{Error, Result};
use auth_domain::model::{Listing, Metadata, Page};
use serde_json::{Map, Value};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row, ValueRef};

use crate::moment::Moment;

/// A statement giving one page of what another statement matches, with the number of all matches on
/// every row, both from one snapshot: counted, unless a third statement knows it. A page without elements
/// is one row of nulls. `$1` is the limit, `$2` the offset; the first column must never be null.
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
            " LIMIT $1 OFFSET $2) AS page ON TRUE ORDER BY ",
            $order
        )
    };
}
pub(crate) use page;

/// One row of a [`page`].
pub(crate) struct Counted<T> {
    total: i64,
    item: Option<T>,
}

impl<'r, T: FromRow<'r, PgRow>> FromRow<'r, PgRow> for Counted<T> {
    fn from_row(row: &'r PgRow) -> sqlx::Result<Self> {
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

/// Limit and offset, as PostgreSQL takes them.
pub(crate) fn window<O>(page: &Page<O>) -> (i64, i64) {
    let bounded = |number| i64::try_from(number).unwrap_or(i64::MAX);
    (bounded(page.limit), bounded(page.offset))
}

/// The moment in a column. The original's may hold none, and it shows year 1 then.
pub(crate) fn moment(column: Option<Moment>) -> Timestamp {
    column.map_or(Timestamp::from_micros(i64::MIN), |moment| moment.0)
}

/// What is stored of metadata: nothing when there is none, as the original does.
pub(crate) fn metadata_column(metadata: &Metadata) -> Option<Json<&Map<String, Value>>> {
    (!metadata.is_empty()).then(|| Json(metadata.object()))
}

/// Metadata, read back as text. The original's may hold what we would not have taken; the rest of the
/// row is good all the same.
pub(crate) fn metadata(column: Option<&str>) -> Metadata {
    match column.map(serde_json::from_str) {
        Some(Ok(Value::Object(object))) => Metadata::stored(object),
        None | Some(Ok(Value::Null)) => Metadata::default(),
        Some(odd) => {
            let problem = odd.err().map_or("not an object".into(), |error| error.to_string());
            tracing::warn!(%problem, "stored metadata cannot be read and is left out");
            Metadata::default()
        }
    }
}
