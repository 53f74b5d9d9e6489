//! The embedded store.

mod open;
