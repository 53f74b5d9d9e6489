//! The client against servers that fail in chosen ways, on loopback sockets, and the layer around
//! services. That it works with the real `auth` is tested with the binary.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test may fail by panicking"
)]

mod calls;
mod fake;
mod fuzz;
mod layer;
mod offline;
mod old;
mod retries;
