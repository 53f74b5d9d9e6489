//! Black box: the real binary over real sockets, on both stores.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
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
mod deadlines;
mod docs;
mod emergency;
mod events;
mod faults;
mod fleet;
mod floods;
mod frames;
mod group_rights;
mod groups;
mod importing;
mod injection;
mod invite_races;
mod invites;
mod leaks;
mod limits;
mod mail;
mod member_races;
mod members;
mod method_paths;
mod migrating;
mod mutual_tls;
mod offline;
mod ops;
mod outage;
mod overload;
mod passwords;
mod platform_invites;
mod proxies;
mod readme;
mod registration;
mod reload;
mod replicas;
mod revocation;
mod revocation_groups;
mod revocation_outages;
mod revocation_races;
mod revocation_roles;
mod revoking;
mod runbooks;
mod seeds;
mod shell;
mod sign_ins;
mod signing_keys;
mod slow_readers;
mod start;
mod stop;
mod tls;
mod traces;
mod upgrading;
mod users;
mod users_backup;
mod users_contract;
mod users_listener;
mod verified_addresses;
mod watching;
mod wire;
mod world;
