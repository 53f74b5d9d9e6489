//! What is broken on purpose, under load, and what comes of it: the fault suite. `make test-faults` runs its long
//! form and prints a table, `make test` a short one; docs/reliability.md has the table of a run.
//!
//! [`load`] asks and writes and judges every answer; [`table`] prints a row a fault. Each of the others breaks
//! one thing: [`postgres`] and [`failover`], [`redis`], [`mail`], [`kill`], [`stop`], [`clocks`] and [`disk`]. What becomes of
//! memory is in `revocation_outages.rs` and `revocation_races.rs`, and two releases together are in `upgrading.rs`.

mod clocks;
mod disk;
mod failover;
mod kill;
pub mod load;
mod mail;
mod postgres;
mod redis;
mod stop;
pub mod table;
