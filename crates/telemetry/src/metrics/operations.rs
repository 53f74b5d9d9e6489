//! How often operations ran, how they went and how long they took.
//!
//! An observation finds its series without a lock and adds to three numbers. Series appear when
//! they are first used, and there can never be more than the operations times [`MOST_OUTCOMES`].

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use auth_domain::audit::Origin;
use auth_domain::ports::{Observer, Source};

use super::exemplars::{self, Place};
use crate::request::{mark, with_current};

/// The upper ends of the buckets, in nanoseconds and as Prometheus is told, in seconds.
const BUCKETS: [(u64, &str); 16] = [
    (10_000, "0.00001"),
    (50_000, "0.00005"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (10_000_000_000, "10"),
];

/// More than the domain has.
const MOST_OUTCOMES: usize = 16;

/// Where operations count that nobody announced.
const OTHER: &str = "other";

/// Every series, by operation.
pub(super) struct Operations {
    /// In the order they are rendered.
    names: Vec<&'static str>,
    by_name: HashMap<&'static str, Outcomes>,
}

/// The series of one operation. A place is taken by the first observation with a new outcome.
type Outcomes = [OnceLock<Series>; MOST_OUTCOMES];

struct Series {
    outcome: &'static str,
    /// How many fell into each bucket, and above.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    nanos: AtomicU64,
    /// How many of them nobody but this process asked for, and how long those took.
    own: AtomicU64,
    own_nanos: AtomicU64,
    /// A trace of each, once spans go somewhere.
    exemplars: OnceLock<Box<[Place; BUCKETS.len() + 1]>>,
}

impl Series {
    fn new(outcome: &'static str) -> Self {
        Self {
            outcome,
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            nanos: AtomicU64::new(0),
            own: AtomicU64::new(0),
            own_nanos: AtomicU64::new(0),
            exemplars: OnceLock::new(),
        }
    }

    fn add(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.partition_point(|(end, _)| *end < nanos);
        if let Some(count) = self.buckets.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        if exemplars::are_kept() {
            let places = self.exemplars.get_or_init(Box::default);
            if let Some(place) = places.get(bucket) {
                place.offer(took);
            }
        }
    }

    fn read(&self) -> Reading<'_> {
        let mut count = 0_u64;
        let upto = std::array::from_fn(|n| {
            let more = self.buckets.get(n).map_or(0, |bucket| bucket.load(Ordering::Relaxed));
            count = count.wrapping_add(more);
            count
        });
        let nanos = |sum: &AtomicU64| Duration::from_nanos(sum.load(Ordering::Relaxed));
        let (took, own_took) = (nanos(&self.nanos), nanos(&self.own_nanos));
        let own = self.own.load(Ordering::Relaxed);
        let exemplars = self.exemplars.get().map(|places| &**places);
        Reading { outcome: self.outcome, upto, count, took, own, own_took, exemplars }
    }
}

/// A series at one moment.
struct Reading<'a> {
    outcome: &'static str,
    /// How many fell into each bucket or a smaller one.
    upto: [u64; BUCKETS.len() + 1],
    count: u64,
    took: Duration,
    own: u64,
    own_took: Duration,
    exemplars: Option<&'a [Place; BUCKETS.len() + 1]>,
}

impl Operations {
    pub(super) fn new(names: &[&'static str]) -> Self {
        let names: Vec<_> = names.iter().copied().chain([OTHER]).collect();
        let by_name = names.iter().map(|name| (*name, Outcomes::default())).collect();
        Self { names, by_name }
    }

    /// Where this is counted, unless there are too many outcomes.
    fn series(&self, operation: &'static str, outcome: &'static str) -> Option<&Series> {
        let known = self.by_name.get(operation).or_else(|| self.by_name.get(OTHER));
        known.into_iter().flatten().find_map(|place| {
            let series = place.get_or_init(|| Series::new(outcome));
            (series.outcome == outcome).then_some(series)
        })
    }

    /// In the text format; with exemplars, which that format does not have, as OpenMetrics has them.
    pub(super) fn render(&self, with_exemplars: bool) -> String {
        let mut readings = Vec::new();
        for name in &self.names {
            let outcomes = self.by_name.get(name).into_iter().flatten();
            let series = outcomes.map_while(OnceLock::get);
            readings.extend(series.map(|series| (*name, series.read())));
        }
        let mut text = String::new();
        counters(&mut text, &readings);
        histograms(&mut text, &readings, with_exemplars);
        original(&mut text, &readings);
        text
    }
}

impl Observer for Operations {
    fn observe(&self, operation: &'static str, outcome: &'static str, took: Duration) {
        if let Some(series) = self.series(operation, outcome) {
            series.add(took);
        }
    }

    fn observe_own(&self, operation: &'static str, outcome: &'static str, took: Duration) {
        if let Some(series) = self.series(operation, outcome) {
            series.add(took);
            let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            series.own.fetch_add(1, Ordering::Relaxed);
            series.own_nanos.fetch_add(nanos, Ordering::Relaxed);
        }
    }

    fn origin(&self) -> Origin {
        let mut origin = Origin::default();
        with_current(|current| origin = current.origin());
        origin
    }

    fn source(&self) -> Source {
        let mut source = Source::default();
        with_current(|current| source = current.source());
        source
    }

    fn unconfirmed(&self) {
        mark(|marks| marks.unconfirmed = true);
    }

    fn graced(&self) {
        super::memory::graced();
        mark(|marks| marks.graced = true);
    }
}

/// Writes one line of the format. Writing to a string cannot fail.
macro_rules! line {
    ($text:expr, $($rest:tt)*) => {
        let _ = writeln!($text, $($rest)*);
    };
}

fn counters(text: &mut String, readings: &[(&str, Reading<'_>)]) {
    line!(text, "# HELP auth_operations_total Operations, by how they went.");
    line!(text, "# TYPE auth_operations_total counter");
    for (operation, Reading { outcome, count, .. }) in readings {
        let labels = format!(r#"operation="{operation}",outcome="{outcome}""#);
        line!(text, "auth_operations_total{{{labels}}} {count}");
    }
}

fn histograms(text: &mut String, readings: &[(&str, Reading<'_>)], with_exemplars: bool) {
    let name = "auth_operation_duration_seconds";
    line!(text, "# HELP {name} How long operations took.");
    line!(text, "# TYPE {name} histogram");
    for (operation, Reading { outcome, upto, count, took, exemplars, .. }) in readings {
        let labels = format!(r#"operation="{operation}",outcome="{outcome}""#);
        let exemplar = |bucket: usize| {
            let places = exemplars.filter(|_| with_exemplars);
            places.and_then(|places| places.get(bucket)).map_or_else(String::new, Place::render)
        };
        for ((n, (_, end)), count) in BUCKETS.iter().enumerate().zip(upto) {
            // OpenMetrics writes every bound as a fraction.
            let point = if with_exemplars && !end.contains('.') { ".0" } else { "" };
            line!(text, r#"{name}_bucket{{{labels},le="{end}{point}"}} {count}{}"#, exemplar(n));
        }
        let last = exemplar(BUCKETS.len());
        line!(text, r#"{name}_bucket{{{labels},le="+Inf"}} {count}{last}"#);
        line!(text, "{name}_sum{{{labels}}} {}", took.as_secs_f64());
        line!(text, "{name}_count{{{labels}}} {count}");
    }
}

/// The same numbers under the original's names, for its dashboards, and once more under those of its users service where
/// they are of that: of what others ask, not of what this process does by itself. They are in seconds there too, whatever
/// the name says (D-55).
fn original(text: &mut String, readings: &[(&str, Reading<'_>)]) {
    count_as(text, "auth", readings, |operation| Some(method(operation)));
    count_as(text, "users", readings, users_method);
}

/// Under the names of one of its services, for the operations that it has a method for.
fn count_as(
    text: &mut String,
    service: &str,
    readings: &[(&str, Reading<'_>)],
    method: impl Fn(&str) -> Option<&str>,
) {
    let mut methods = BTreeMap::<&str, (u64, Duration)>::new();
    for (operation, reading) in readings {
        let asked = reading.count.saturating_sub(reading.own);
        let Some(method) = method(operation).filter(|_| asked > 0) else { continue };
        let (count, took) = methods.entry(method).or_default();
        *count = count.wrapping_add(asked);
        *took = took.saturating_add(reading.took.saturating_sub(reading.own_took));
    }
    let name = format!("{service}_api_request_count");
    line!(text, "# HELP {name} Number of requests received.");
    line!(text, "# TYPE {name} counter");
    for (method, (count, _)) in &methods {
        line!(text, r#"{name}{{method="{method}"}} {count}"#);
    }
    let name = format!("{service}_api_request_latency_microseconds");
    line!(text, "# HELP {name} Total duration of requests in seconds.");
    line!(text, "# TYPE {name} summary");
    for (method, (count, took)) in &methods {
        line!(text, r#"{name}_sum{{method="{method}"}} {}"#, took.as_secs_f64());
        line!(text, r#"{name}_count{{method="{method}"}} {count}"#);
    }
}

/// What the original calls the operation: it has one method for keys of every kind.
fn method(operation: &str) -> &str {
    match operation {
        "issue_token" => "issue_key",
        other => other,
    }
}

/// What the original's users service calls the operation, if it is one of that. It has one method for every change of a
/// password.
fn users_method(operation: &str) -> Option<&str> {
    match operation {
        "bootstrap_admin" => Some("register_admin"),
        "set_user_password" => Some("change_password"),
        "backup_users" => Some("backup"),
        "restore_users" => Some("restore"),
        "self_register"
        | "verify_email"
        | "register_by_invite"
        | "register"
        | "login"
        | "view_user"
        | "view_profile"
        | "list_users"
        | "list_users_by_ids"
        | "list_users_by_emails"
        | "update_user"
        | "generate_reset_token"
        | "change_password"
        | "reset_password"
        | "enable_user"
        | "disable_user"
        | "create_platform_invite"
        | "revoke_platform_invite"
        | "view_platform_invite"
        | "list_platform_invites" => Some(operation),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|seen| seen == line), "{line} is not in\n{text}");
    }

    #[test]
    fn an_observation_shows_in_every_series_it_belongs_to() {
        let operations = Operations::new(&["identify", "authorize"]);
        operations.observe("identify", "ok", Duration::from_micros(250));
        operations.observe("identify", "ok", Duration::from_mins(1));
        operations.observe("identify", "unauthenticated", Duration::from_nanos(1));
        let text = operations.render(false);
        has(&text, r#"auth_operations_total{operation="identify",outcome="ok"} 2"#);
        has(&text, r#"auth_operations_total{operation="identify",outcome="unauthenticated"} 1"#);
        let of = |le: &str| {
            format!(
                r#"auth_operation_duration_seconds_bucket{{operation="identify",outcome="ok",le="{le}"}}"#
            )
        };
        has(&text, &format!("{} 0", of("0.0001")));
        has(&text, &format!("{} 1", of("0.00025")));
        has(&text, &format!("{} 1", of("10")));
        has(&text, &format!("{} 2", of("+Inf")));
        let labels = r#"{operation="identify",outcome="ok"}"#;
        has(&text, &format!("auth_operation_duration_seconds_sum{labels} 60.00025"));
        has(&text, &format!("auth_operation_duration_seconds_count{labels} 2"));
    }

    #[test]
    fn d55_dashboards_of_the_original_find_their_names() {
        let operations = Operations::new(&["issue_token", "issue_key"]);
        operations.observe("issue_key", "ok", Duration::from_millis(500));
        operations.observe("issue_key", "invalid", Duration::from_millis(500));
        operations.observe("issue_token", "ok", Duration::from_millis(500));
        let text = operations.render(false);
        has(&text, r#"auth_api_request_count{method="issue_key"} 3"#);
        has(&text, r#"auth_api_request_latency_microseconds_sum{method="issue_key"} 1.5"#);
        has(&text, r#"auth_api_request_latency_microseconds_count{method="issue_key"} 3"#);
        assert!(!text.contains("users_api_request_count{"), "{text}");
    }

    #[test]
    fn d55_so_do_those_of_its_users_service() {
        let operations = Operations::new(&["change_password", "set_user_password", "backup_users"]);
        for operation in ["change_password", "set_user_password", "backup_users"] {
            operations.observe(operation, "ok", Duration::from_millis(500));
        }
        let text = operations.render(false);
        has(&text, r#"users_api_request_count{method="change_password"} 2"#);
        has(&text, r#"users_api_request_latency_microseconds_sum{method="change_password"} 1"#);
        has(&text, r#"users_api_request_latency_microseconds_count{method="change_password"} 2"#);
        has(&text, r#"users_api_request_count{method="backup"} 1"#);
    }

    #[test]
    fn d55_what_nobody_asked_for_is_none_of_the_requests_that_the_original_counts() {
        let operations = Operations::new(&["purge_keys", "assign_role"]);
        operations.observe_own("purge_keys", "ok", Duration::from_millis(500));
        operations.observe_own("assign_role", "ok", Duration::from_millis(500));
        operations.observe("assign_role", "ok", Duration::from_millis(250));
        let text = operations.render(false);
        has(&text, r#"auth_operations_total{operation="purge_keys",outcome="ok"} 1"#);
        has(&text, r#"auth_operations_total{operation="assign_role",outcome="ok"} 2"#);
        has(&text, r#"auth_api_request_count{method="assign_role"} 1"#);
        has(&text, r#"auth_api_request_latency_microseconds_sum{method="assign_role"} 0.25"#);
        assert!(!text.contains(r#"method="purge_keys""#), "{text}");
    }

    #[test]
    fn series_appear_on_first_use() {
        let operations = Operations::new(&["identify"]);
        assert!(!operations.render(false).contains("identify"));
    }

    #[test]
    fn s_85_what_nobody_announced_cannot_make_series_without_end() {
        let operations = Operations::new(&["identify"]);
        for n in 0..100 {
            let outcome = Box::leak(n.to_string().into_boxed_str());
            operations.observe("identify", outcome, Duration::ZERO);
            operations.observe(outcome, "ok", Duration::ZERO);
        }
        let text = operations.render(false);
        has(&text, r#"auth_operations_total{operation="other",outcome="ok"} 100"#);
        let series = text.lines().filter(|line| line.starts_with("auth_operations_total{"));
        assert_eq!(series.count(), MOST_OUTCOMES + 1);
    }

    #[test]
    fn observations_from_many_threads_are_all_counted() {
        let operations = Operations::new(&["identify"]);
        std::thread::scope(|scope| {
            for outcome in ["ok", "internal", "ok", "forbidden"] {
                let operations = &operations;
                scope.spawn(move || {
                    for _ in 0..1000 {
                        operations.observe("identify", outcome, Duration::from_micros(1));
                    }
                });
            }
        });
        let text = operations.render(false);
        has(&text, r#"auth_operations_total{operation="identify",outcome="ok"} 2000"#);
        has(&text, r#"auth_operations_total{operation="identify",outcome="internal"} 1000"#);
        has(&text, r#"auth_operations_total{operation="identify",outcome="forbidden"} 1000"#);
    }
}
