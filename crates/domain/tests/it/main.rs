//! Use cases, through `App::execute`, on SQLite in memory, with a stopped clock and counted ids.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod access;
mod account_admin;
mod accounts;
mod audit;
mod backup;
mod changes;
mod checks;
mod dormant_invites;
mod elsewhere;
mod explain;
mod fuzz;
mod groups;
mod invites;
mod keys;
mod limits;
mod mails;
mod member_backup;
mod members;
mod old_hashes;
mod orgs;
mod passwords;
mod pipeline;
mod platform_invites;
mod registration;
mod roles;
mod secrets;
mod sessions;
mod sign_ins;
mod signing_keys;
mod verified_addresses;
mod world;
