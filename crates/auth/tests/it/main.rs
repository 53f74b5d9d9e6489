//! Black box: the real binary over real sockets, on both stores.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod accounts;
mod audit;
mod backup;
mod balancer;
mod client;
mod commands;
mod containers;
mod contract;
mod crash;
mod docs;
mod events;
mod fleet;
mod floods;
mod group_rights;
mod groups;
mod injection;
mod invite_races;
mod invites;
mod leaks;
mod mail;
mod member_races;
mod members;
mod migrating;
mod ops;
mod outage;
mod passwords;
mod readme;
mod replicas;
mod revocation;
mod revocation_groups;
mod revocation_outages;
mod revocation_races;
mod signing_keys;
mod start;
mod stop;
mod tls;
mod traces;
mod users;
mod watching;
mod wire;
mod world;
