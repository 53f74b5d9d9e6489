//! What traces show of Redis: which command it was sent, for how long, and whether it answered.

use auth_domain::ports::CALLS_OUT;
use tracing::field::Empty;
use tracing::{Span, debug_span};

/// For so many of a command.
pub(crate) fn command(name: &'static str, many: usize) -> Span {
    debug_span!(
        target: CALLS_OUT,
        "redis",
        otel.name = name,
        otel.kind = "client",
        otel.status_code = Empty,
        db.system.name = "redis",
        db.operation.name = name,
        db.operation.batch.size = many,
    )
}

/// The same as a part of what is under way. In the background it is said again and again, and is in no trace.
pub(crate) fn part(name: &'static str) -> Span {
    if Span::current().is_none() { Span::none() } else { command(name, 1) }
}

/// Says whether it answered.
pub(crate) fn end(span: &Span, answered: bool) {
    if !answered {
        span.record("otel.status_code", "ERROR");
    }
}
