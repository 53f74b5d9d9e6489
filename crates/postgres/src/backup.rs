//! Reading all there is, and bringing it back.
//!
//! [`snapshot`] reads and [`restoring`] writes, each on one connection in one transaction; [`bulk`] has the
//! statements for many rows at once.

pub(crate) mod bulk;
mod present;
mod restoring;
mod snapshot;
mod transaction;

pub(crate) use restoring::PgRestoring;
pub(crate) use snapshot::PgSnapshot;
