//! The embedded store.

#![expect(clippy::unwrap_used, reason = "tests")]

mod audit;
mod contract;
mod open;
