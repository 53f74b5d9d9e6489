//! Logs, traces, metrics and the layer both transports share.
//!
//! Read in this order:
//!
//! 1. [`layers`], what every request goes through before a router sees it: it gets an id and a
//!    span, and a panic becomes an answer. Behind [`Proxies`] it finds out who is asking.
//! 2. [`init`], where log lines and spans go: one line each to standard output, and over OTLP to a
//!    collector if there is one.
//! 3. [`Metrics`], the numbers, in the text format of Prometheus.
//!
//! Nothing here can block or fail a request: log lines and spans wait in bounded queues, and what
//! does not fit is dropped and counted.

#[cfg(test)]
mod fuzz;
mod log;
mod metrics;
mod proxies;
mod request;
mod settings;
mod subscriber;
mod trace;
mod traceparent;

pub use metrics::{
    MemoryNumbers, Metrics, WorkNumbers, build_info, certificate_expires, clock_stepped, confirmed,
    counted_alone, counting_together, mail_died, mail_dropped, mail_failed, mail_sent, mail_tried,
    mails, memory, not_published, not_renewed, outbox, published, refused, reloaded, shed,
    signing_keys, signing_keys_stale, tasks, users_not_asked, wants_openmetrics, work,
};
pub use proxies::{BadNetwork, Network, Proxies};
pub use request::layers;
pub use settings::{Format, Level, LogSettings, UnknownWord};
pub use subscriber::{LogLevel, Telemetry, check, init, init_for_commands};
pub use traceparent::traceparent;
