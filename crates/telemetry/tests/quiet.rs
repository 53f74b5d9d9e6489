//! Without a collector, and with the log at its default, frequent operations cost no span.

use auth_telemetry::LogSettings;
use tracing::Level;

#[test]
fn nobody_pays_for_what_nobody_sees() {
    let telemetry = auth_telemetry::init(&LogSettings::default());
    assert!(telemetry.is_ok(), "without a collector it needs no runtime");
    let hot = tracing::debug_span!(target: "auth_domain::app", "operation");
    assert!(hot.is_disabled());
    assert!(!tracing::enabled!(target: "auth_domain::app", Level::DEBUG));
    assert!(tracing::enabled!(target: "auth_domain::app", Level::INFO));
}
