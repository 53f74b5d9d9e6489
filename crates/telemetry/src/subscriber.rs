//! Where log lines and spans go, decided once at start.

use std::any::Any;
use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::time::Duration;

use anyhow::Context;
use auth_domain::ports::CALLS_OUT;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::log::LogLayer;
use crate::log::line::{Shape, Value};
use crate::log::sink::Queue;
use crate::settings::{Format, Level, LogSettings};
use crate::{metrics, request, trace};

/// How long spans, and then log lines, may take to leave at the end.
const SPANS_LEAVE: Duration = Duration::from_secs(3);
const LINES_LEAVE: Duration = Duration::from_secs(1);

/// What is on its way out. Dropping it waits for the log lines; so do not end the process by
/// `std::process::exit` while it is alive.
#[must_use = "log lines that wait are lost when the process ends without it"]
pub struct Telemetry {
    lines: Queue,
    spans: Option<SdkTracerProvider>,
    level: LogLevel,
}

/// What is logged, to be changed while the process runs. Clones change the same.
#[derive(Clone)]
pub struct LogLevel(reload::Handle<Targets, Registry>);

impl LogLevel {
    /// From now on lines from this level on are logged.
    pub fn set(&self, level: Level) {
        // Fails when nothing logs any more, and then nothing is to be changed.
        let _ = self.0.reload(logged(level.filter()));
    }
}

/// Starts logging to standard output, sending spans if there is a collector, and logging and
/// counting panics. Once a process; in a tokio runtime, which carries the spans.
///
/// # Errors
///
/// When the collector's address cannot be one, or something else logs already.
pub fn init(settings: &LogSettings) -> anyhow::Result<Telemetry> {
    let (otlp, jaeger) = (settings.otlp_endpoint.as_deref(), settings.jaeger_url.as_deref());
    let endpoint = trace::endpoint(otlp, jaeger)?;
    let spans = endpoint.as_deref().map(trace::provider).transpose()?;
    let lines = Queue::to(io::stdout()).context("cannot start the thread that writes the log")?;
    let log = LogLayer::new(shape(settings.format, io::stdout().is_terminal()), lines.clone());
    if spans.is_some() {
        metrics::keep_exemplars();
    }
    let otel = spans.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(trace::tracer(provider))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(traced())
    });
    let (filter, level) = reload::Layer::new(logged(settings.level.filter()));
    tracing_subscriber::registry()
        .with(log.with_filter(filter))
        .with(otel)
        .try_init()
        .context("something else logs already")?;
    panic::set_hook(Box::new(report));
    if let Some(endpoint) = endpoint {
        match jaeger {
            Some(agent) if otlp.is_none_or(|url| url.trim().is_empty()) => tracing::info!(
                agent,
                endpoint,
                "sending spans to the OTLP port of the host in MF_JAEGER_URL; \
                 OTEL_EXPORTER_OTLP_ENDPOINT names another"
            ),
            _ => tracing::info!(endpoint, "sending spans"),
        }
    }
    Ok(Telemetry { lines, spans, level: LogLevel(level) })
}

/// Whether [`init`] will understand where spans go.
///
/// # Errors
///
/// When the collector's address cannot be one.
pub fn check(settings: &LogSettings) -> anyhow::Result<()> {
    trace::endpoint(settings.otlp_endpoint.as_deref(), settings.jaeger_url.as_deref()).map(drop)
}

/// Starts logging to standard error, for a command whose output goes to standard output. Once a process.
///
/// # Errors
///
/// When something else logs already.
pub fn init_for_commands(settings: &LogSettings) -> anyhow::Result<Telemetry> {
    let lines = Queue::to(io::stderr()).context("cannot start the thread that writes the log")?;
    let log = LogLayer::new(shape(settings.format, io::stderr().is_terminal()), lines.clone());
    let (filter, level) = reload::Layer::new(logged(settings.level.filter()));
    tracing_subscriber::registry()
        .with(log.with_filter(filter))
        .try_init()
        .context("something else logs already")?;
    panic::set_hook(Box::new(report));
    Ok(Telemetry { lines, spans: None, level: LogLevel(level) })
}

fn shape(format: Format, colour: bool) -> Shape {
    match format {
        Format::Human => Shape::Human { colour },
        Format::Auto if colour => Shape::Human { colour },
        Format::Auto | Format::Json => Shape::Json,
    }
}

/// Our own lines at this level. What libraries say below `info` is about bytes on the wire, among
/// which may be secrets, so it is never logged.
fn logged(level: LevelFilter) -> Targets {
    Targets::new().with_target("auth", level).with_default(level.min(LevelFilter::INFO))
}

/// Our own spans down to the operations that are too frequent for the log, what they ask others, and slow statements.
fn traced() -> Targets {
    Targets::new()
        .with_target("auth", LevelFilter::DEBUG)
        .with_target(CALLS_OUT, LevelFilter::DEBUG)
        .with_target("sqlx", LevelFilter::WARN)
}

/// Logs a panic as one line and counts it, wherever it happened.
fn report(info: &PanicHookInfo<'_>) {
    let mut place = "task";
    request::with_current(|request| place = request.transport());
    metrics::panicked(place);
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let Value::Text(panic) = Value::text(said(info.payload())) else { return };
    tracing::error!(panic, location, "panicked");
}

fn said(payload: &(dyn Any + Send)) -> &str {
    match payload.downcast_ref::<&str>() {
        Some(text) => text,
        None => payload.downcast_ref::<String>().map_or("", String::as_str),
    }
}

impl Telemetry {
    /// What changes the level of the log.
    #[must_use]
    pub fn level(&self) -> LogLevel {
        self.level.clone()
    }

    /// Sends what is left, but waits no longer than a few seconds for it.
    pub async fn shutdown(self) {
        // The thread is not waited for if this future is dropped; it ends by its own deadlines.
        let _ = tokio::task::spawn_blocking(move || {
            if let Some(spans) = &self.spans
                && let Err(error) = spans.shutdown_with_timeout(SPANS_LEAVE)
            {
                tracing::warn!(%error, "some spans were not sent");
            }
            drop(self);
        })
        .await;
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.lines.flush(LINES_LEAVE);
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::{CALLS_OUT, LevelFilter, logged, traced};

    #[test]
    fn s_91_libraries_never_log_what_is_on_the_wire() {
        let most = logged(LevelFilter::TRACE);
        assert!(most.would_enable("auth_domain::app", &Level::TRACE));
        assert!(most.would_enable("sqlx::query", &Level::INFO));
        for library in ["h2::proto", "hyper", "rustls", "sqlx::query", "tonic"] {
            assert!(!most.would_enable(library, &Level::DEBUG), "{library}");
        }
        assert!(!logged(LevelFilter::ERROR).would_enable("sqlx::query", &Level::WARN));
    }

    #[test]
    fn frequent_operations_are_traced_but_not_logged() {
        assert!(traced().would_enable("auth_domain::app", &Level::DEBUG));
        assert!(!logged(LevelFilter::INFO).would_enable("auth_domain::app", &Level::DEBUG));
        assert!(!traced().would_enable("h2::proto", &Level::INFO));
        assert!(traced().would_enable(CALLS_OUT, &Level::DEBUG));
        assert!(!logged(LevelFilter::TRACE).would_enable(CALLS_OUT, &Level::DEBUG));
    }
}
