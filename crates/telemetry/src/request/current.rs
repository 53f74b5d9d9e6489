//! The request that code runs for: what log lines and the audit trail say of it, and what its answer has to say.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use auth_domain::audit::Origin;
use auth_domain::ports::Source;
use axum::extract::MatchedPath;
use http::{HeaderValue, Method};
use opentelemetry::trace::TraceId;

use crate::log::line::Value;

/// What log lines say about the request they belong to.
pub(crate) struct Current {
    pub(super) id: HeaderValue,
    pub(super) transport: &'static str,
    pub(super) trace: Option<TraceId>,
    /// The address of whoever is asking, if it is known: the accept loop's, or what trusted proxies say.
    pub(super) peer: Option<IpAddr>,
    /// The method and the route's pattern; a gRPC line has the operation's name instead.
    pub(super) route: Option<(Method, MatchedPath)>,
    pub(super) marks: Cell<Marks>,
}

/// What the answer has to say beside its result.
#[derive(Clone, Copy, Default)]
pub(crate) struct Marks {
    /// A write is committed, and some replica may not know yet.
    pub(crate) unconfirmed: bool,
    /// It comes from a memory that may be out of date.
    pub(crate) graced: bool,
}

/// Adds to what the answer of the request this code runs for has to say.
pub(crate) fn mark(add: impl FnOnce(&mut Marks)) {
    with_current(|current| {
        let mut marks = current.marks.get();
        add(&mut marks);
        current.marks.set(marks);
    });
}

tokio::task_local! {
    /// What a request is run in.
    pub(super) static CURRENT: Current;
}

/// Calls back with the request this code runs for, if it runs for one.
pub(crate) fn with_current(tell: impl FnOnce(&Current)) {
    // Outside of a request there is none, which is not an error.
    let _ = CURRENT.try_with(tell);
}

impl Current {
    pub(crate) fn fields(&self) -> BTreeMap<&'static str, Value> {
        let mut fields = BTreeMap::new();
        fields.insert("request_id", Value::text(self.id.to_str().unwrap_or_default()));
        fields.insert("transport", Value::text(self.transport));
        if let Some(trace) = self.trace {
            fields.insert("trace_id", Value::text(trace));
        }
        if let Some((method, path)) = &self.route {
            fields.insert("method", Value::text(method));
            fields.insert("path", Value::text(path.as_str()));
        }
        fields
    }

    /// Where it comes from, for the audit trail.
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            peer: self.peer,
            request: self.id.to_str().ok().map(str::to_owned),
            trace: self.trace.map(|trace| trace.to_string()),
        }
    }

    /// Where it came in, for limits by address. Those who call over gRPC are services of the fleet, whose
    /// addresses stand for everybody they ask about.
    pub(crate) fn source(&self) -> Source {
        match self.transport {
            "grpc" => Source::Fleet,
            _ => Source::Http(self.peer),
        }
    }

    /// What a panic counts under.
    pub(crate) const fn transport(&self) -> &'static str {
        self.transport
    }
}
