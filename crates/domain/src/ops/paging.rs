//! Parts of lists, by number or by the cursor of the part before.

use crate::app::Cx;
use crate::error::{Invalid, Result};
use crate::model::{Page, Part};

/// The most bytes a cursor has.
const MAX_CURSOR: usize = 4 * 1024;

/// Which part of a list is asked for: so many elements after a number of them, or after where the page
/// before ended.
#[derive(Clone, Debug)]
pub struct PartAsked {
    /// How many, after how many.
    pub page: Page<()>,
    /// The `next` of the page before; no offset then.
    pub cursor: Option<String>,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Paged<T> {
    /// The elements asked for.
    pub items: Vec<T>,
    /// How many there are with the same filters.
    pub total: u64,
    /// Where the next part begins; none when this one is not full, and so the last.
    pub next: Option<String>,
}

impl PartAsked {
    /// What the store is asked for. `list` says which list it is: a cursor of another one is refused.
    pub(crate) fn part<A>(
        &self,
        cx: &Cx<'_>,
        list: &str,
        read: impl FnOnce(&[u8]) -> Option<A>,
    ) -> Result<Part<A>> {
        let Page { offset, limit, .. } = self.page;
        let Some(cursor) = &self.cursor else { return Ok(Part { offset, limit, after: None }) };
        if offset != 0 || cursor.len() > MAX_CURSOR {
            return Err(Invalid::Cursor.into());
        }
        let place = cx.cursors().open(cursor).ok_or(Invalid::Cursor)?;
        let place = place.strip_prefix(list.as_bytes()).and_then(|rest| rest.strip_prefix(b"\n"));
        let after = place.and_then(read).ok_or(Invalid::Cursor)?;
        Ok(Part { offset, limit, after: Some(after) })
    }

    /// The page made of what the store gave.
    pub(crate) fn paged<T>(
        &self,
        cx: &Cx<'_>,
        list: &str,
        (items, total): (Vec<T>, u64),
        place: impl FnOnce(&T) -> Vec<u8>,
    ) -> Paged<T> {
        let full = u64::try_from(items.len()).is_ok_and(|length| length >= self.page.limit);
        let end = items.last().filter(|_| full);
        let next = end.map(|end| {
            let mut bytes = list.as_bytes().to_vec();
            bytes.push(b'\n');
            bytes.extend(place(end));
            cx.cursors().seal(&bytes)
        });
        Paged { items, total, next }
    }
}
