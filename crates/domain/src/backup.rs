//! Backups: everything the service keeps, as one document, and the way back.
//!
//! [`mod@format`] says what the document looks like and writes it, [`split`] takes text apart as it comes,
//! [`read`] makes rows of it, [`seal`] proves that it is ours, and [`report`] is what a restore tells. The
//! operations are in [`crate::ops::backup`] and [`crate::ops::member_backup`]; `docs/adr/0009-backup.md`
//! has the reasons.

pub mod format;
pub mod odd;
pub mod ports;
pub mod read;
pub mod report;
pub mod rows;
pub mod seal;
pub mod split;

pub use ports::{
    Backups, Checking, GroupRecord, Part, Restoring, Sealing, Seals, Sink, Snapshot, Source, Taken,
};
pub use report::{Counts, Report};
pub use rows::{DormantInvite, Place, Row, Rows, Section};
