//! One trace for each bucket of a histogram: what to look at when somebody asks which requests these were.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::trace::{TraceContextExt, TraceId};
use time::OffsetDateTime;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// How long an exemplar stays before another takes its place: asking for the trace costs about as much as the
/// cheapest call.
const FRESH: Duration = Duration::from_secs(1);

/// Whether anybody collects spans: without them an exemplar would lead nowhere, and nobody asks for the trace.
static KEPT: AtomicBool = AtomicBool::new(false);

/// From now on exemplars are kept.
pub(crate) fn keep() {
    KEPT.store(true, Ordering::Relaxed);
}

pub(super) fn are_kept() -> bool {
    KEPT.load(Ordering::Relaxed)
}

/// What is kept of one observation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exemplar {
    trace: TraceId,
    took: Duration,
    /// By this process's clock, and by the one on the wall.
    since: Instant,
    at: OffsetDateTime,
}

/// The place for one.
#[derive(Debug, Default)]
pub(super) struct Place(Mutex<Option<Exemplar>>);

impl Place {
    /// Keeps this one, if there is a trace of it that somebody collects. Nobody waits for that.
    pub(super) fn offer(&self, took: Duration) {
        let Ok(mut kept) = self.0.try_lock() else { return };
        if kept.is_some_and(|kept| kept.since.elapsed() < FRESH) {
            return;
        }
        let context = Span::current().context();
        let span = context.span();
        let current = span.span_context();
        if current.is_valid() && current.is_sampled() {
            let (since, at) = (Instant::now(), now());
            *kept = Some(Exemplar { trace: current.trace_id(), took, since, at });
        }
    }

    /// What is written behind a bucket's number; nothing if there is none.
    pub(super) fn render(&self) -> String {
        let kept = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.map_or_else(String::new, |Exemplar { trace, took, at, .. }| {
            let at = at.unix_timestamp_nanos() / 1_000_000;
            let (seconds, millis) = (at / 1_000, at % 1_000);
            format!(r#" # {{trace_id="{trace}"}} {} {seconds}.{millis:03}"#, took.as_secs_f64())
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "the time is only shown to whoever looks at numbers")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
