//! Whether the users service is asked.

use metrics::{describe_gauge, gauge};

pub(super) fn describe() {
    describe_gauge!(
        "auth_users_service_breaker_open",
        "1 while the users service is not asked, because it did not answer."
    );
}

pub(super) fn begin_at_zero() {
    users_not_asked(false);
}

/// Says whether the users service is not asked for now, because it did not answer.
pub fn users_not_asked(open: bool) {
    gauge!("auth_users_service_breaker_open").set(f64::from(u8::from(open)));
}
