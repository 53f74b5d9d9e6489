//! The trace a caller says its request belongs to (W3C Trace Context, level 1), and ours for those whom
//! we call.
//!
//! The caller's is used to put our spans and log lines beside the caller's and for nothing else: whether we
//! record does not depend on the caller's sampling flag, and `tracestate` and baggage are not read.

use http::HeaderMap;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// What to tell a service that is called now, so that its spans join ours; nothing unless spans are
/// exported.
#[must_use]
pub fn traceparent() -> Option<String> {
    let context = tracing::Span::current().context();
    let span = context.span();
    let current = span.span_context();
    let flags = current.trace_flags().to_u8();
    current
        .is_valid()
        .then(|| format!("00-{}-{}-{flags:02x}", current.trace_id(), current.span_id()))
}

/// The caller's trace and span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) trace: TraceId,
    span: SpanId,
}

impl Parent {
    /// What the `traceparent` header says, unless it is missing, repeated or malformed.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent").iter();
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        Self::parse(value.as_bytes())
    }

    /// `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`, digits in lower case. A newer version
    /// may have more to say behind it, up to a length that no sane one exceeds.
    fn parse(text: &[u8]) -> Option<Self> {
        const LENGTH: usize = 55;
        const LONGEST: usize = 256;
        if !(LENGTH..=LONGEST).contains(&text.len()) {
            return None;
        }
        let (fixed, rest) = text.split_at_checked(LENGTH)?;
        let version = hex(fixed.get(0..2)?)?;
        let fits = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with(b"-"),
        };
        let dashes = [2, 35, 52].iter().all(|&at| fixed.get(at) == Some(&b'-'));
        hex(fixed.get(53..55)?)?;
        let trace = hex(fixed.get(3..35)?)?;
        let span = u64::try_from(hex(fixed.get(36..52)?)?).ok()?;
        (fits && dashes && trace != 0 && span != 0)
            .then(|| Self { trace: trace.into(), span: span.into() })
    }

    /// As the tracing libraries have it. The flag says "sampled" whatever the caller said, so that
    /// it is us who decide.
    pub(crate) fn context(self) -> SpanContext {
        let state = TraceState::default();
        SpanContext::new(self.trace, self.span, TraceFlags::SAMPLED, true, state)
    }
}

fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0_u128, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit.checked_sub(b'0')?,
            b'a'..=b'f' => digit.checked_sub(b'a')?.checked_add(10)?,
            _ => return None,
        };
        Some((value << 4) | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parsed(text: &str) -> Option<Parent> {
        Parent::parse(text.as_bytes())
    }

    #[test]
    fn a_well_formed_parent_is_understood() {
        let parent = parsed(GOOD).unwrap();
        assert_eq!(parent.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(parent.span.to_string(), "00f067aa0ba902b7");
    }

    #[test]
    fn a_newer_version_may_say_more() {
        let newer = format!("01{}", &GOOD[2..]);
        assert!(parsed(&newer).is_some());
        assert!(parsed(&format!("{newer}-what-comes-next")).is_some());
        assert!(parsed(&format!("{newer}what-comes-next")).is_none());
        assert!(parsed(&format!("{newer}-{}", "x".repeat(1000))).is_none());
    }

    #[test]
    fn malformed_parents_are_ignored() {
        for text in [
            "",
            "00",
            &GOOD[..54],
            &format!("{GOOD}-more"),
            &format!("ff{}", &GOOD[2..]),
            &GOOD.to_uppercase(),
            &GOOD.replace('-', "_"),
            &GOOD.replace("01", "zz"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473\u{e9}-00f067aa0ba902b7-01",
        ] {
            assert_eq!(parsed(text), None, "{text:?}");
        }
    }

    #[test]
    fn s_96_the_callers_sampling_flag_changes_nothing() {
        let unsampled = GOOD.replace("-01", "-00");
        assert_eq!(parsed(&unsampled), parsed(GOOD));
        assert!(parsed(&unsampled).unwrap().context().is_sampled());
    }

    #[test]
    fn two_parents_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(Parent::of(&headers), None);
        headers.append("traceparent", HeaderValue::from_static(GOOD));
        assert!(Parent::of(&headers).is_some());
        headers.append("traceparent", HeaderValue::from_static(GOOD));
        assert_eq!(Parent::of(&headers), None);
    }
}
