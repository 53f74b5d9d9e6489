//! Use cases, through `App::execute`, on SQLite in memory, with a stopped clock and counted ids.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod access;
mod accounts;
mod changes;
mod keys;
mod members;
mod orgs;
mod pipeline;
mod roles;
mod sessions;
mod world;
