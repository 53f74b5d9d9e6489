//! Starts ephemeral PostgreSQL and Redis servers and the real binary, for tests.

mod postgres;
mod redis;
mod server;

pub use postgres::{Database, Postgres};
pub use redis::Redis;
pub use server::{ADMIN_EMAIL, ADMIN_PASSWORD, SECRET, Server, Setup, workspace};
