//! Which trace a call belongs to (W3C Trace Context), passed on as it came.

use http::{HeaderMap, HeaderValue};

/// The most bytes a `tracestate` has, by the standard.
const LONGEST_STATE: usize = 512;

/// The trace a request belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub(crate) parent: HeaderValue,
    pub(crate) state: Option<HeaderValue>,
}

impl TraceContext {
    /// The names of the two headers.
    pub(crate) const PARENT: &'static str = "traceparent";
    pub(crate) const STATE: &'static str = "tracestate";

    /// The context a `traceparent` names, if it is one: version 00, lower case. A `tracestate` that is
    /// too long or no header is left out.
    #[must_use]
    pub fn new(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let parent =
            well_formed(traceparent).then(|| HeaderValue::from_str(traceparent).ok())??;
        let state = tracestate
            .filter(|text| !text.is_empty() && text.len() <= LONGEST_STATE)
            .and_then(|text| HeaderValue::from_str(text).ok());
        Some(Self { parent, state })
    }

    /// The context of a request, from its headers.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        Self::new(text(Self::PARENT)?, text(Self::STATE))
    }
}

fn well_formed(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut next = |length: usize| {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        parts.next().is_some_and(|part| part.len() == length && part.bytes().all(digit))
    };
    text.starts_with("00-") && next(2) && next(32) && next(16) && next(2) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn s96_only_what_is_a_context_is_passed_on() {
        let context = TraceContext::new(PARENT, Some("a=b")).unwrap();
        assert_eq!(
            (context.parent.as_bytes(), context.state.unwrap().as_bytes()),
            (PARENT.as_bytes(), &b"a=b"[..])
        );
        for odd in [
            "",
            "00",
            &PARENT.to_uppercase(),
            &PARENT[1..],
            &format!("{PARENT}-x"),
            &PARENT.replace('4', "g"),
        ] {
            assert_eq!(TraceContext::new(odd, None), None, "{odd}");
        }
        let long = "x".repeat(513);
        assert_eq!(TraceContext::new(PARENT, Some(&long)).unwrap().state, None);
        assert_eq!(TraceContext::new(PARENT, Some("a\nb")).unwrap().state, None);
    }
}
