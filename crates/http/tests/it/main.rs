//! The router on the embedded store, in memory, with the clock stopped.
//!
//! Tests are named after the case of the interface they hold us to: `r12` is row 12 of the contract,
//! `u` the same for accounts; `d`, `go` and `s` are the original's defects, our deliberate
//! differences and our requirements.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod accounts;
mod backup;
mod described;
mod docs_page;
mod explain;
mod fuzz;
mod introspection;
mod invites;
mod keys;
mod limits;
mod mails;
mod members;
mod openapi;
mod org_lists;
mod orgs;
mod problems;
mod roles;
mod routes;
mod sign_ins;
mod support;
