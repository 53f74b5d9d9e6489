//! The services as siblings see them: generated clients against the router on a loopback socket,
//! on SQLite in memory, with a stopped clock.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod authorize;
mod callers;
mod checks;
mod directory;
mod explain;
mod fuzz;
mod groups;
mod health;
mod identify;
mod invites;
mod limits;
mod owners;
mod paths;
mod reference;
mod roles;
mod world;
