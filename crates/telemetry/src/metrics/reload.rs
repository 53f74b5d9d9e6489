//! What is read again while the service runs.

use metrics::{describe_gauge, gauge};

pub(super) fn describe() {
    describe_gauge!(
        "auth_reload_stale",
        "1 while files cannot be used that are read again, and what they said before is."
    );
    describe_gauge!(
        "auth_reload_timestamp_seconds",
        "When what is in use was read, in seconds since 1970."
    );
    describe_gauge!(
        "auth_certificate_expiry_timestamp_seconds",
        "When the certificate of this server, or the first of those above it, is over, in seconds since 1970."
    );
}

/// Says when this was read, in microseconds since 1970, or that it could not be used: a word from a small set.
pub fn reloaded(what: &'static str, read: Option<i64>) {
    gauge!("auth_reload_stale", "what" => what).set(f64::from(u8::from(read.is_none())));
    if let Some(micros) = read {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a microsecond is 53 bits away in 285 years"
        )]
        let seconds = micros as f64 / 1_000_000.0;
        gauge!("auth_reload_timestamp_seconds", "what" => what).set(seconds);
    }
}

/// Says until when the certificate of this server is good, in seconds since 1970.
pub fn certificate_expires(seconds: i64) {
    // Exact for longer than there are certificates.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a second is 53 bits away in 285 million years"
    )]
    gauge!("auth_certificate_expiry_timestamp_seconds").set(seconds as f64);
}
