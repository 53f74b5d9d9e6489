//! The embedded store.

#![expect(clippy::unwrap_used, reason = "tests")]

mod contract;
mod open;
