//! What traces show of the database: what it was asked, in the words of the source and without any values, for how
//! long, and whether it answered.

use auth_domain::error::{Error, Result};
use auth_domain::ports::CALLS_OUT;
use sqlx::Execute;
use tracing::field::Empty;
use tracing::{Level, Span, debug_span};

use crate::connections::Select;

/// Whether somebody looks at what is under way. What is done in the background, many times a second, is in no trace.
fn is_traced() -> bool {
    tracing::enabled!(target: CALLS_OUT, Level::DEBUG) && !Span::current().is_none()
}

/// For a statement that reads.
pub(crate) fn select<'q, T: Send>(statement: impl Fn() -> Select<'q, T>) -> Span {
    if !is_traced() {
        return Span::none();
    }
    debug_span!(
        target: CALLS_OUT,
        "select",
        otel.name = "SELECT",
        otel.kind = "client",
        otel.status_code = Empty,
        db.system.name = "postgresql",
        db.operation.name = "SELECT",
        db.query.text = statement().sql().as_str(),
    )
}

/// For a transaction with so many changes.
pub(crate) fn transaction(changes: usize) -> Span {
    if !is_traced() {
        return Span::none();
    }
    debug_span!(
        target: CALLS_OUT,
        "transaction",
        otel.name = "transaction",
        otel.kind = "client",
        otel.status_code = Empty,
        db.system.name = "postgresql",
        db.operation.name = "COMMIT",
        db.operation.batch.size = changes,
    )
}

/// Says how it ended. A refusal is an answer.
pub(crate) fn end<T>(span: &Span, result: Result<T>) -> Result<T> {
    if matches!(result, Err(Error::Unavailable(_) | Error::Internal(_))) {
        span.record("otel.status_code", "ERROR");
    }
    result
}
