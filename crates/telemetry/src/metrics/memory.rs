//! What a replica remembers, and how it keeps up with the others.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// The state of the memory.
#[derive(Clone, Copy, Debug)]
pub struct MemoryNumbers {
    /// Questions it had the answer to, since the start.
    pub hits: u64,
    /// Questions that were read from the store and remembered, since the start.
    pub misses: u64,
    /// Answers it holds.
    pub entries: usize,
    /// What they take, in bytes.
    pub bytes: u64,
    /// The revision up to which it is up to date.
    pub applied: i64,
    /// How long it is still trusted.
    pub lease_left: Duration,
}

pub(super) fn describe() {
    describe_counter!("auth_memory_hits_total", "Checks answered from memory.");
    describe_counter!("auth_memory_misses_total", "Checks read from the store and remembered.");
    describe_counter!("auth_memory_graced_total", "Checks answered from memory after the lease.");
    describe_gauge!("auth_memory_entries", "Answers in memory.");
    describe_gauge!("auth_memory_bytes", "What they take, about.");
    describe_gauge!("auth_replica_applied_revision", "The revision the memory is up to date with.");
    describe_gauge!("auth_replica_lease_seconds", "How long the memory is still trusted.");
    describe_counter!("auth_replica_renewal_failures_total", "Renewals of the lease that failed.");
    describe_histogram!("auth_confirmation_seconds", "From a commit to its confirmation.");
    describe_counter!(
        "auth_confirmations_total",
        "Commits, by whether all replicas confirmed them."
    );
}

pub(super) fn begin_at_zero() {
    counter!("auth_memory_graced_total").increment(0);
    counter!("auth_replica_renewal_failures_total").increment(0);
    for outcome in ["everywhere", "pending"] {
        counter!("auth_confirmations_total", "outcome" => outcome).increment(0);
    }
}

/// Says what state it is in.
pub fn memory(numbers: &MemoryNumbers) {
    counter!("auth_memory_hits_total").absolute(numbers.hits);
    counter!("auth_memory_misses_total").absolute(numbers.misses);
    let entries = u32::try_from(numbers.entries).unwrap_or(u32::MAX);
    gauge!("auth_memory_entries").set(f64::from(entries));
    let kib = u32::try_from(numbers.bytes >> 10).unwrap_or(u32::MAX);
    gauge!("auth_memory_bytes").set(f64::from(kib) * 1024.0);
    let applied = u32::try_from(numbers.applied).unwrap_or(u32::MAX);
    gauge!("auth_replica_applied_revision").set(f64::from(applied));
    gauge!("auth_replica_lease_seconds").set(numbers.lease_left.as_secs_f64());
}

/// Counts a renewal that failed.
pub fn not_renewed() {
    counter!("auth_replica_renewal_failures_total").increment(1);
}

/// Counts a commit that was acknowledged, by whether it was true on every replica, and how long that took.
pub fn confirmed(everywhere: bool, took: Duration) {
    let outcome = if everywhere { "everywhere" } else { "pending" };
    counter!("auth_confirmations_total", "outcome" => outcome).increment(1);
    histogram!("auth_confirmation_seconds").record(took.as_secs_f64());
}

/// Counts a check that was answered after the lease.
pub(super) fn graced() {
    counter!("auth_memory_graced_total").increment(1);
}
