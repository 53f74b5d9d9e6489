//! What a replica remembers of the store, and when it may answer from it. No I/O: the store is a port,
//! and time is handed in.
//!
//! The promise is that nobody is answered from what was true before a write that was acknowledged before
//! they asked. Each file holds one part of the argument (`docs/adr/0011-checks-from-memory.md` has all of
//! it):
//!
//! 1. [`stripes`]: what is remembered is never older than the newest change of it this replica has read.
//! 2. [`memory`]: what is remembered, how much of it, and the one place that decides what is a hit.
//! 3. [`lease`]: while a replica trusts its memory, it knows of every acknowledged write.
//! 4. [`confirm`]: when a write may be acknowledged.
//! 5. [`checks`]: the port, made of these and the store; callers who miss the same thing share a read (`shared`).

pub mod checks;
pub mod confirm;
mod flights;
pub mod lease;
pub mod memory;
mod shared;
pub mod stripes;

pub use checks::RememberedChecks;
pub use lease::{Lease, Micros, Renewals};
pub use memory::{Answer, Limits, Memory, Question, Recalled};
