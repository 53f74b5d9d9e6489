//! Spans on their way to a collector, over OTLP.
//!
//! They wait in a bounded queue and a thread sends them in batches. What does not fit, and what the
//! collector does not take, is dropped and counted; requests never wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, Span, SpanData,
    SpanExporter, SpanProcessor,
};

/// How many spans may wait, and how many are sent at once.
const LONGEST_QUEUE: usize = 4096;
const BATCH: usize = 512;

/// How long the collector may take for a batch.
const PATIENCE: Duration = Duration::from_secs(5);

/// The collector's URL: the setting itself, or where a Jaeger beside the named agent listens.
pub(crate) fn endpoint(otlp: Option<&str>, jaeger: Option<&str>) -> anyhow::Result<Option<String>> {
    let given = |text: &&str| !text.trim().is_empty();
    if let Some(url) = otlp.filter(given) {
        let url = url.trim();
        let parsed: http::Uri = url.parse().context("OTEL_EXPORTER_OTLP_ENDPOINT is not a URL")?;
        // The address is logged, so it is no place for a password.
        let plain = parsed.authority().is_some_and(|to| !to.as_str().contains('@'));
        ensure!(
            matches!(parsed.scheme_str(), Some("http" | "https")) && plain,
            "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL such as http://localhost:4317"
        );
        return Ok(Some(url.to_owned()));
    }
    let Some(agent) = jaeger.filter(given) else { return Ok(None) };
    let agent: http::uri::Authority = match agent.trim().parse() {
        Ok(agent) => agent,
        Err(_) => bail!("MF_JAEGER_URL must look like host:port"),
    };
    ensure!(!agent.host().is_empty(), "MF_JAEGER_URL must look like host:port");
    Ok(Some(format!("http://{}:4317", agent.host())))
}

/// Sends every span to this collector, under the service name `auth`. Must be called in a tokio
/// runtime, which carries the connection.
pub(crate) fn provider(endpoint: &str) -> anyhow::Result<SdkTracerProvider> {
    ensure!(tokio::runtime::Handle::try_current().is_ok(), "sending spans needs a tokio runtime");
    let exporter = OtlpExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(PATIENCE)
        .build()
        .context("cannot send spans")?;
    let waiting = Arc::new(AtomicUsize::new(0));
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(LONGEST_QUEUE)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(Duration::from_secs(1))
        .build();
    let exporter = Counted { inner: exporter, waiting: waiting.clone(), away: false.into() };
    let inner = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
    let resource = Resource::builder()
        .with_service_name("auth")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_span_processor(Bounded { inner, waiting })
        // Whatever the caller's flag says: as the original, and nobody can hide from it.
        .with_sampler(Sampler::AlwaysOn)
        .with_resource(resource)
        .build())
}

pub(crate) fn tracer(provider: &SdkTracerProvider) -> SdkTracer {
    provider.tracer("auth")
}

/// Lets spans into the queue while there is room. The queue would drop the others as well, but it
/// tells nobody how many.
#[derive(Debug)]
struct Bounded<P> {
    inner: P,
    waiting: Arc<AtomicUsize>,
}

impl<P: SpanProcessor> SpanProcessor for Bounded<P> {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.inner.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < LONGEST_QUEUE {
            self.inner.on_end(span);
        } else {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            metrics::counter!("auth_spans_dropped_total", "reason" => "queue").increment(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Counts what the collector does not take, and says so once until it takes something again.
#[derive(Debug)]
struct Counted<E> {
    inner: E,
    waiting: Arc<AtomicUsize>,
    away: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.inner.export(batch).await;
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        let was_away = self.away.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Ok(()) if was_away => tracing::info!("the trace collector takes spans again"),
            Ok(()) => {}
            Err(error) => {
                let lost = metrics::counter!("auth_spans_dropped_total", "reason" => "collector");
                lost.increment(u64::try_from(spans).unwrap_or(u64::MAX));
                if !was_away {
                    tracing::warn!(%error, "the trace collector takes no spans; they are dropped");
                }
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collectors_url_goes_before_the_jaeger_agent() {
        let of = |otlp, jaeger| endpoint(otlp, jaeger).unwrap();
        assert_eq!(of(None, None), None);
        assert_eq!(of(Some(""), Some(" ")), None);
        assert_eq!(of(Some("https://c:1"), Some("j:6831")).unwrap(), "https://c:1");
        assert_eq!(of(None, Some("jaeger:6831")).unwrap(), "http://jaeger:4317");
        assert_eq!(of(Some(""), Some("jaeger")).unwrap(), "http://jaeger:4317");
        assert_eq!(of(None, Some("[::1]:6831")).unwrap(), "http://[::1]:4317");
    }

    #[test]
    fn what_cannot_be_an_address_is_refused_without_being_repeated() {
        for (otlp, jaeger) in [
            (Some("localhost:4317"), None),
            (Some("ftp://localhost"), None),
            (Some("http://user:hunter2@localhost"), None),
            (Some("http://"), None),
            (Some("a b"), None),
            (None, Some("http://jaeger:6831")),
            (None, Some(":6831")),
        ] {
            let error = endpoint(otlp, jaeger).unwrap_err().to_string();
            assert!(
                error.contains("OTEL_EXPORTER_OTLP_ENDPOINT") || error.contains("MF_JAEGER_URL")
            );
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
