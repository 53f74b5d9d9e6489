//! Starts ephemeral PostgreSQL servers and the real binary, for tests.

mod postgres;

pub use postgres::{Database, Postgres};
