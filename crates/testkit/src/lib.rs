//! Starts ephemeral PostgreSQL servers and the real binary, for tests.

mod postgres;
mod server;

pub use postgres::{Database, Postgres};
pub use server::{ADMIN_EMAIL, ADMIN_PASSWORD, SECRET, Server, Setup, workspace};
