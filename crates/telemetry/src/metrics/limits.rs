//! Rate limits that replicas share.

use metrics::{counter, describe_counter, describe_gauge, gauge};

pub(super) fn describe() {
    describe_gauge!(
        "auth_rate_limits_shared",
        "1 while rate limits are counted through Redis, together with other replicas."
    );
    describe_counter!(
        "auth_rate_limits_alone_total",
        "Attempts that should have been counted through Redis and were counted here alone."
    );
}

pub(super) fn begin_at_zero() {
    gauge!("auth_rate_limits_shared").set(0.0);
    counter!("auth_rate_limits_alone_total").increment(0);
}

/// Says whether rate limits are counted together with other replicas.
pub fn counting_together(together: bool) {
    gauge!("auth_rate_limits_shared").set(f64::from(u8::from(together)));
}

/// Counts an attempt for which there was no answer from where replicas count together.
pub fn counted_alone() {
    counter!("auth_rate_limits_alone_total").increment(1);
}
