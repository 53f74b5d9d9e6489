//! The store on PostgreSQL, against a real server.

#![expect(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, reason = "tests")]

mod agreement;
mod audit;
mod contract;
mod copies;
mod counts;
mod explain;
mod faults;
mod interrupted;
mod pooler;
mod schema;
mod takeover;
mod world;
