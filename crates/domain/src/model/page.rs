//! Asking for a part of a list.

use std::str::FromStr;

use crate::error::{Error, Invalid, Result};

/// The most elements a page has.
pub const MAX_LIMIT: u64 = 200;
/// The furthest a page starts into a list; further in, use a filter.
pub const MAX_OFFSET: u64 = 1_000_000;

/// Which part of a list, in which order. `O` names the columns the list can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<O> {
    /// How many elements to pass over.
    pub offset: u64,
    /// How many elements to give.
    pub limit: u64,
    /// By what.
    pub order: O,
    /// Which way.
    pub direction: Direction,
}

impl<O> Page<O> {
    /// The page, if it is not too large and does not start too far in.
    pub fn new(offset: u64, limit: u64, order: O, direction: Direction) -> Result<Self> {
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Invalid::LimitSize.into());
        }
        if offset > MAX_OFFSET {
            return Err(Invalid::QueryParameters.into());
        }
        Ok(Self { offset, limit, order, direction })
    }
}

/// Which way a list is ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first, as the original does unless told otherwise.
    #[default]
    Descending,
}

impl Direction {
    /// Both directions, the default first.
    pub const ALL: [Self; 2] = [Self::Descending, Self::Ascending];

    /// The word clients use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ascending => "asc",
            Self::Descending => "desc",
        }
    }
}

impl FromStr for Direction {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "asc" => Ok(Self::Ascending),
            "desc" | "" => Ok(Self::Descending),
            _ => Err(Invalid::Direction.into()),
        }
    }
}

/// A part of a list, and how long the whole of it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<T> {
    /// The elements asked for.
    pub items: Vec<T>,
    /// How many there are with the same filters.
    pub total: u64,
}
