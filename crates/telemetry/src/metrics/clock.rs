//! What the machine's clock did.

use metrics::{describe_gauge, gauge};

pub(super) fn describe() {
    describe_gauge!(
        "auth_clock_step_seconds",
        "By how many seconds the machine's clock was set while that is not believed; otherwise 0."
    );
}

pub(super) fn begin_at_zero() {
    clock_stepped(0);
}

/// Says by how many microseconds the clock was set, and with 0 that it is believed.
pub fn clock_stepped(by: i64) {
    // Exact for 285 years.
    #[expect(clippy::cast_precision_loss, reason = "a microsecond is 53 bits away in 285 years")]
    gauge!("auth_clock_step_seconds").set(by as f64 / 1_000_000.0);
}
