//! The numbers, in the text format of Prometheus.
//!
//! What is measured at every call is in [`operations`], which is made for that. Everything else
//! goes through the `metrics` macros, from wherever it happens, and is rendered by its exporter.

mod clock;
mod exemplars;
mod keys;
mod limits;
mod mail;
mod memory;
mod openmetrics;
mod operations;
mod process;
mod reload;
mod users;
mod work;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use auth_domain::ports::Observer;
use metrics::{Gauge, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

pub use self::clock::clock_stepped;
pub(crate) use self::exemplars::keep as keep_exemplars;
pub use self::keys::{signing_keys, signing_keys_stale};
pub use self::limits::{counted_alone, counting_together};
pub use self::mail::{mail_died, mail_dropped, mail_failed, mail_sent, mail_tried, mails};
pub use self::memory::{MemoryNumbers, confirmed, memory, not_renewed};
pub use self::openmetrics::is_wanted as wants_openmetrics;
use self::operations::Operations;
pub use self::reload::{certificate_expires, reloaded};
pub use self::users::users_not_asked;
pub use self::work::{WorkNumbers, shed, tasks, work};

/// All numbers of this process.
#[derive(Clone)]
pub struct Metrics {
    operations: Arc<Operations>,
    others: PrometheusHandle,
    grpc_open: Gauge,
    weak_verify_keys: Gauge,
}

impl Metrics {
    /// Prepares a series for each of these operations and takes what the `metrics` macros say from
    /// now on. A second call in the same process counts operations anew and shares the rest.
    #[must_use]
    pub fn install(operations: &[&'static str]) -> Self {
        static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
        let others = RECORDER.get_or_init(|| {
            let recorder = PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("something else takes the metrics; /metrics shows only operations");
            }
            describe();
            begin_at_zero();
            handle
        });
        Self {
            operations: Arc::new(Operations::new(operations)),
            others: others.clone(),
            grpc_open: gauge!("auth_grpc_open"),
            weak_verify_keys: gauge!("auth_weak_verify_keys"),
        }
    }

    /// What the operations report to.
    #[must_use]
    pub fn observer(&self) -> Arc<dyn Observer> {
        self.operations.clone()
    }

    /// Says whether gRPC trusts whoever reaches its port.
    pub fn set_grpc_open(&self, open: bool) {
        self.grpc_open.set(f64::from(u8::from(open)));
    }

    /// Says how many keys too weak to sign with are still accepted for old tokens.
    pub fn set_weak_verify_keys(&self, keys: u32) {
        self.weak_verify_keys.set(f64::from(keys));
    }

    /// Everything, in the text format of Prometheus, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        self.text(false)
    }

    /// Everything, in the format of OpenMetrics, version 1.0.0: the same numbers, and for the buckets of operations the
    /// trace of a request that fell into them, once spans are collected.
    #[must_use]
    pub fn render_openmetrics(&self) -> String {
        openmetrics::from_text(&self.text(true))
    }

    fn text(&self, with_exemplars: bool) -> String {
        let mut text = self.operations.render(with_exemplars);
        text.push_str(&process::render());
        text.push_str(&self.others.render());
        text
    }

    /// Sums up what was measured since the last time. To be called every few seconds: between two
    /// calls, each value given to a histogram of the `metrics` macros takes memory.
    pub fn upkeep(&self) {
        self.others.run_upkeep();
    }
}

fn describe() {
    mail::describe();
    describe_gauge!("auth_grpc_open", "1 when gRPC trusts whoever reaches its port.");
    describe_gauge!(
        "auth_weak_verify_keys",
        "Keys too weak to sign with, accepted for old tokens."
    );
    describe_gauge!("auth_build_info", "Always 1; the labels say what is running.");
    describe_gauge!("auth_outbox_records", "Records of the change log that are not published yet.");
    describe_gauge!("auth_outbox_age_seconds", "How long the first of them has waited.");
    describe_counter!("auth_events_published_total", "Events published, repeated ones included.");
    describe_counter!("auth_events_failures_total", "Tries to publish that failed.");
    keys::describe();
    limits::describe();
    reload::describe();
    clock::describe();
    work::describe();
    users::describe();
    memory::describe();
    describe_counter!("auth_panics_total", "Panics, by where they happened.");
    describe_counter!("auth_refused_total", "Requests refused by a limit.");
    describe_counter!("auth_log_lines_dropped_total", "Log lines nobody read in time.");
    describe_counter!("auth_spans_dropped_total", "Spans the collector did not take in time.");
}

/// Shows what has not happened yet as zero, as far as it is known beforehand: whoever asks for the increase
/// of a counter does not see the first time of one that begins with it.
fn begin_at_zero() {
    for place in ["http", "grpc", "task"] {
        counter!("auth_panics_total", "place" => place).increment(0);
    }
    counter!("auth_events_published_total").increment(0);
    for away in ["stream", "store", "relay"] {
        counter!("auth_events_failures_total", "away" => away).increment(0);
    }
    counter!("auth_log_lines_dropped_total").increment(0);
    for reason in ["queue", "collector"] {
        counter!("auth_spans_dropped_total", "reason" => reason).increment(0);
    }
    limits::begin_at_zero();
    clock::begin_at_zero();
    mail::begin_at_zero();
    memory::begin_at_zero();
    work::begin_at_zero();
    users::begin_at_zero();
}

/// Says what is running, in the labels of `auth_build_info`.
pub fn build_info(version: &'static str, commit: &'static str) {
    gauge!("auth_build_info", "version" => version, "commit" => commit).set(1.0);
}

/// Counts a request that a limit refused. Both words must be from a small set: each pair is kept
/// for as long as the process lives.
pub fn refused(transport: &'static str, reason: &'static str) {
    counter!("auth_refused_total", "transport" => transport, "reason" => reason).increment(1);
}

/// Says how much of the change log has still to be passed on, and how old the first of it is.
pub fn outbox(records: u64, age: Duration) {
    gauge!("auth_outbox_records").set(f64::from(u32::try_from(records).unwrap_or(u32::MAX)));
    gauge!("auth_outbox_age_seconds").set(age.as_secs_f64());
}

/// Counts events that were published.
pub fn published(events: u64) {
    counter!("auth_events_published_total").increment(events);
}

/// Counts a try to publish that failed because this was away: a word from a small set.
pub fn not_published(away: &'static str) {
    counter!("auth_events_failures_total", "away" => away).increment(1);
}

/// Counts a panic.
pub(crate) fn panicked(place: &'static str) {
    counter!("auth_panics_total", "place" => place).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_was_said_is_rendered() {
        let metrics = Metrics::install(&["identify"]);
        metrics.observer().observe("identify", "ok", Duration::from_micros(3));
        metrics.set_grpc_open(true);
        metrics.set_weak_verify_keys(2);
        build_info("1.2.3", "abcdef");
        refused("http", "body");
        panicked("task");
        outbox(3, Duration::from_millis(1_500));
        published(4);
        not_published("stream");
        signing_keys("next", 1);
        signing_keys_stale(true);
        reloaded("log_level", Some(1_500_000));
        reloaded("log_level", None);
        certificate_expires(1_800_000_000);
        clock_stepped(-7_500_000);
        work(WorkNumbers { under_way: 24, waiting: 7 });
        shed("management", "queue");
        tasks(31);
        users_not_asked(true);
        mails(5, 1, Duration::from_millis(2_500));
        mail_sent();
        mail_dropped("untrue");
        mail_failed("connect");
        mail_died("recipient");
        mail_tried("send_org_invite", Duration::from_millis(500));
        mail_tried("send_password_reset", Duration::from_millis(500));
        metrics.upkeep();
        let text = metrics.render();
        for line in [
            r#"auth_operations_total{operation="identify",outcome="ok"} 1"#,
            "auth_grpc_open 1",
            "auth_weak_verify_keys 2",
            r#"auth_build_info{version="1.2.3",commit="abcdef"} 1"#,
            r#"auth_refused_total{transport="http",reason="body"} 1"#,
            r#"auth_panics_total{place="task"} 1"#,
            "auth_outbox_records 3",
            "auth_outbox_age_seconds 1.5",
            "auth_events_published_total 4",
            r#"auth_events_failures_total{away="stream"} 1"#,
            r#"auth_signing_keys{phase="next"} 1"#,
            "auth_signing_keys_stale 1",
            r#"auth_reload_stale{what="log_level"} 1"#,
            r#"auth_reload_timestamp_seconds{what="log_level"} 1.5"#,
            "auth_certificate_expiry_timestamp_seconds 1800000000",
            "auth_clock_step_seconds -7.5",
            "auth_work_under_way 24",
            "auth_work_waiting 7",
            "auth_tasks 31",
            "auth_users_service_breaker_open 1",
            r#"auth_shed_total{priority="management",reason="queue"} 1"#,
            r#"auth_mails{state="queued"} 5"#,
            r#"auth_mails{state="dead"} 1"#,
            "auth_mails_age_seconds 2.5",
            "auth_mails_sent_total 1",
            r#"auth_mails_dropped_total{reason="untrue"} 1"#,
            r#"auth_mails_failures_total{problem="connect"} 1"#,
            r#"auth_mails_dead_total{problem="recipient"} 1"#,
            r#"auth_email_request_count{method="send_org_invite"} 1"#,
            r#"auth_email_request_latency_microseconds_sum{method="send_org_invite"} 0.5"#,
            r#"auth_email_request_latency_microseconds_count{method="send_org_invite"} 1"#,
            r#"users_email_request_count{method="send_password_reset"} 1"#,
            r#"users_email_request_latency_microseconds_count{method="send_password_reset"} 1"#,
        ] {
            assert!(text.lines().any(|seen| seen == line), "{line} is not in\n{text}");
        }
        assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
    }

    #[test]
    fn a_second_installation_counts_operations_anew() {
        let one = Metrics::install(&["identify"]);
        one.observer().observe("identify", "ok", Duration::ZERO);
        let two = Metrics::install(&["identify"]);
        assert!(one.render().contains("auth_operations_total{"));
        assert!(!two.render().contains("auth_operations_total{"));
    }
}
