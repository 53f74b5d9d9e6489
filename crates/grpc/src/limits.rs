//! What is too large, too slow or not there, in the same form as every other refusal.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method};
use pin_project_lite::pin_project;
use tokio::time::Timeout;
use tokio::time::error::Elapsed;
use tonic::{Code, Status};
use tower::Service;
use tower::layer::layer_fn;

use crate::status::{CODE, refusal};

/// Bounds how long calls take and how large their metadata is, and rewrites what tonic itself
/// answers.
pub(crate) fn apply(router: axum::Router, max_metadata: usize, longest: Duration) -> axum::Router {
    router.layer(layer_fn(move |inner| Bounded { inner, max_metadata, longest }))
}

/// Gives up on calls that take longer than their client or this server allows. What a streaming
/// method sends after its answer began is not bounded.
#[derive(Clone, Debug)]
struct Bounded<S> {
    inner: S,
    max_metadata: usize,
    longest: Duration,
}

impl<S> Service<Request> for Bounded<S>
where
    S: Service<Request, Error = Infallible>,
    S::Response: IntoResponse,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let asked = asked(request.headers()).unwrap_or(self.longest);
        let limit = asked.min(self.longest);
        // A call is made even if it is not going to be run, because there is one type of answer; it
        // does nothing before it is polled.
        let refused = self.refusal(&request);
        Answer { refused, bounded: tokio::time::timeout(limit, self.inner.call(request)) }
    }
}

/// Why a call is not run.
#[derive(Clone, Copy, Debug)]
enum Refused {
    /// It is no POST, or its path is more than the name of a service and a method.
    Form,
    /// It has too much metadata.
    Metadata,
}

impl<S> Bounded<S> {
    fn refusal(&self, request: &Request) -> Option<Refused> {
        if *request.method() != Method::POST || request.uri().query().is_some() {
            return Some(Refused::Form);
        }
        (metadata_bytes(request) > self.max_metadata).then_some(Refused::Metadata)
    }
}

impl From<Refused> for Status {
    fn from(reason: Refused) -> Self {
        match reason {
            Refused::Form => unimplemented(),
            Refused::Metadata => refusal(
                Code::ResourceExhausted,
                "metadata_too_large",
                "the metadata is larger than allowed",
            ),
        }
    }
}

fn unimplemented() -> Status {
    refusal(Code::Unimplemented, "unimplemented", "there is no such service or method")
}

/// The path, and the names and values of the metadata.
fn metadata_bytes(request: &Request) -> usize {
    request.headers().iter().fold(request.uri().path().len(), |bytes, (name, value)| {
        bytes.saturating_add(name.as_str().len()).saturating_add(value.len())
    })
}

pin_project! {
    /// The answer to one call. A type of its own, because a box would be one more allocation for
    /// every call.
    struct Answer<F> {
        refused: Option<Refused>,
        #[pin]
        bounded: Timeout<F>,
    }
}

impl<F, R> Future for Answer<F>
where
    F: Future<Output = Result<R, Infallible>>,
    R: IntoResponse,
{
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(reason) = *this.refused {
            return Poll::Ready(Ok(wire(&reason.into())));
        }
        this.bounded.poll(cx).map(|outcome| match outcome {
            Ok(answered) => answered.map(|response| in_our_words(response.into_response())),
            Err(Elapsed { .. }) => Ok(wire(&refusal(
                Code::DeadlineExceeded,
                "deadline_exceeded",
                "the call took longer than allowed",
            ))),
        })
    }
}

/// The time the client gives the call. What is not a `grpc-timeout` of the gRPC protocol, one to
/// eight digits and a unit, counts as absent.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_hours(amount)),
        "M" => Some(Duration::from_mins(amount)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// What tonic answers by itself has no stable code, names its own insides and, for a message that
/// is too large, a status that no other server uses.
fn in_our_words(response: Response) -> Response {
    let headers = response.headers();
    let Some(status) = headers.get(Status::GRPC_STATUS) else { return response };
    if headers.contains_key(CODE) {
        return response;
    }
    match Code::from_bytes(status.as_bytes()) {
        Code::OutOfRange => wire(&refusal(
            Code::ResourceExhausted,
            "message_too_large",
            "the message is larger than allowed",
        )),
        // The request's frames are broken, or what is in them is not the message.
        Code::Internal => wire(&refusal(
            Code::InvalidArgument,
            "malformed",
            "malformed entity specification : the message cannot be read",
        )),
        Code::Unimplemented if !headers.contains_key(Status::GRPC_MESSAGE) => {
            wire(&unimplemented())
        }
        _ => response,
    }
}

/// A response of nothing but the status ("trailers only").
fn wire(status: &Status) -> Response {
    status.clone().into_http()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", text.parse().unwrap());
        headers
    }

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        for (text, span) in [
            ("1S", Duration::from_secs(1)),
            ("250m", Duration::from_millis(250)),
            ("99999999H", Duration::from_hours(99_999_999)),
            ("0n", Duration::ZERO),
            ("7u", Duration::from_micros(7)),
            ("2M", Duration::from_mins(2)),
        ] {
            assert_eq!(asked(&headers(text)), Some(span), "{text}");
        }
        for odd in ["", "S", "1", "1s", "-1S", "+1S", "100000000S", "1 S", "1.5S", "0x1S"] {
            assert_eq!(asked(&headers(odd)), None, "{odd}");
        }
        assert_eq!(asked(&HeaderMap::new()), None);
    }
}
