//! Reading all there is, and bringing it back.
//!
//! [`snapshot`] reads, [`restoring`] writes, by the statements in [`bulk`].

pub(crate) mod bulk;
mod present;
mod restoring;
mod snapshot;

pub(crate) use restoring::SqliteRestoring;
pub(crate) use snapshot::SqliteSnapshot;
