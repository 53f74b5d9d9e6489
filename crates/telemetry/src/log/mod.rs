//! Log lines: what a line says ([`LogLayer`]), how it looks ([`line`]), how it leaves ([`sink`]).
//!
//! A line carries the fields of its event, of the spans around it and of the request it belongs to.

pub(crate) mod line;
pub(crate) mod sink;

use std::collections::BTreeMap;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use self::line::{Line, Shape, Value};
use self::sink::Sink;
use crate::request;

/// Writes every event it sees to a sink, as one line.
pub(crate) struct LogLayer<S> {
    shape: Shape,
    sink: S,
}

impl<S: Sink> LogLayer<S> {
    pub(crate) const fn new(shape: Shape, sink: S) -> Self {
        Self { shape, sink }
    }
}

impl<C, S> Layer<C> for LogLayer<S>
where
    C: Subscriber + for<'a> LookupSpan<'a>,
    S: Sink,
{
    // Fields are read before anything is locked: reading runs their own `Debug`, which might log.

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, C>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().replace(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, C>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(span) = context.span(id) {
            let mut extensions = span.extensions_mut();
            if let Some(known) = extensions.get_mut::<Fields>() {
                known.0.append(&mut fields.0);
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, C>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = match fields.0.remove("message") {
            Some(Value::Text(message)) => message,
            _ => String::new(),
        };
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.add_missing(&outer.0);
            }
        }
        request::with_current(|request| fields.add_missing(&request.fields()));
        let metadata = event.metadata();
        if !metadata.target().starts_with("auth") {
            fields.0.entry("target").or_insert_with(|| Value::text(metadata.target()));
        }
        let line = Line { level: *metadata.level(), message, fields: fields.0 };
        self.sink.write(line.render(self.shape));
    }
}

/// What was said about a span or an event, by the name of the field.
#[derive(Default)]
struct Fields(BTreeMap<&'static str, Value>);

impl Fields {
    fn add_missing(&mut self, others: &BTreeMap<&'static str, Value>) {
        for (name, value) in others {
            self.0.entry(name).or_insert_with(|| value.clone());
        }
    }

    fn put(&mut self, field: &Field, value: Value) {
        let name = match field.name() {
            // What crates that use the `log` facade say about where a line comes from.
            "log.target" => "target",
            name if name.starts_with("log.") => return,
            // Instructions to the span exporter.
            name if name.starts_with("otel.") => return,
            name => name,
        };
        self.0.insert(name, value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::float(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::Bare(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::Bare(value.to_string()));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, Value::Bare(value.to_string()));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, Value::Bare(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::Bare(value.to_string()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::text(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::text(format_args!("{value:?}")));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::field::Empty;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    impl Sink for Arc<Mutex<Vec<String>>> {
        fn write(&self, line: String) {
            self.lock().unwrap().push(line);
        }
    }

    /// The lines that `say` logs.
    fn logged(shape: Shape, say: impl FnOnce()) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let layer = LogLayer::new(shape, lines.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), say);
        std::mem::take(&mut *lines.lock().unwrap())
    }

    const HOSTILE: &str =
        "x\n{\"level\":\"error\"}\r\u{1b}[2J\u{9b}31m\u{7f}\u{2028}\u{202e}\"} = \\";

    #[test]
    fn a_json_line_has_the_keys_of_the_original_and_the_fields_around_it() {
        let lines = logged(Shape::Json, || {
            let span = tracing::info_span!(
                "operation",
                op = "create_org",
                otel.name = "x",
                actor = Empty,
                outcome = Empty
            );
            span.record("actor", "user:1");
            let _entered = span.enter();
            tracing::info!(took_ms = 0.5, tries = 3, fine = true, outcome = "ok", "create_org");
        });
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        let seen: serde_json::Value = serde_json::from_str(line).unwrap();
        let ts = seen["ts"].as_str().unwrap();
        assert!(ts.ends_with('Z') && ts.contains('T'), "{ts}");
        assert_eq!(
            seen,
            serde_json::json!({
                "level": "info", "message": "create_org", "ts": ts, "took_ms": 0.5, "tries": 3,
                "fine": true, "outcome": "ok", "op": "create_org", "actor": "user:1",
            })
        );
        assert!(line.ends_with("}\n"));
    }

    #[test]
    fn s_93_user_text_cannot_forge_a_json_line() {
        let lines = logged(Shape::Json, || {
            let span = tracing::info_span!("operation", name = HOSTILE);
            let _entered = span.enter();
            tracing::warn!(shown = %HOSTILE, debugged = ?HOSTILE, "{HOSTILE}");
        });
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        let body = line.strip_suffix('\n').unwrap();
        assert!(body.chars().all(|c| (' '..='~').contains(&c)), "{body:?}");
        let seen: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(seen["level"], "warn");
        for key in ["message", "name", "shown"] {
            assert_eq!(seen[key], HOSTILE, "{key}");
        }
        assert_eq!(seen.as_object().unwrap().len(), 6);
    }

    #[test]
    fn s_93_user_text_cannot_forge_a_human_line() {
        let lines = logged(Shape::Human { colour: false }, || {
            let span = tracing::info_span!("operation", name = HOSTILE);
            let _entered = span.enter();
            tracing::warn!(shown = %"a b=c", plain = "word", "{HOSTILE}");
        });
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        let body = line.strip_suffix('\n').unwrap();
        assert!(body.chars().all(|c| (' '..='~').contains(&c)), "{body:?}");
        assert!(body.ends_with(r#" plain=word shown="a b=c""#), "{body}");
        let (_, message) = body.split_once("WARN  ").unwrap();
        assert!(message.starts_with(r#""x\n{\"level\":\"error\"}\r\u001b[2J\u009b31m"#), "{body}");
    }

    #[test]
    fn endless_text_is_cut() {
        let lines = logged(Shape::Json, || tracing::info!(name = "é".repeat(100_000), "x"));
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert!(line.len() < 5_000, "{}", line.len());
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }

    #[test]
    fn numbers_that_json_does_not_have_become_text() {
        let lines = logged(Shape::Json, || tracing::info!(took_ms = f64::NAN, "x"));
        assert!(lines[0].contains(r#""took_ms":"NaN""#), "{lines:?}");
    }
}
