//! The id by which everybody speaks of a request: the client's if that is a sane one, else ours.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of this request, which is also in its headers from now on.
pub(super) fn identify(headers: &mut HeaderMap) -> HeaderValue {
    let mut sent = headers.get_all(REQUEST_ID).iter();
    if let (Some(id), None) = (sent.next(), sent.next())
        && is_sane(id.as_bytes())
    {
        return id.clone();
    }
    let id = new_id();
    headers.insert(REQUEST_ID, id.clone());
    id
}

/// The value, for an answer: never to be kept in the table of headers that HTTP/2 compresses with
/// (RFC 7541, section 7.1.3). It is said once, and would push out what is said again.
pub(super) fn once(value: &HeaderValue) -> HeaderValue {
    let mut value = value.clone();
    value.set_sensitive(true);
    value
}

/// What may go into headers, problem documents and log lines as it is.
pub(super) fn is_sane(id: &[u8]) -> bool {
    let plain = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    (1..=64).contains(&id.len()) && id.iter().all(plain)
}

/// An id nobody had before: a number that is random for each process, and a count. It is no secret,
/// and asking the system for randomness at each call would cost more than all that is done for a request here.
fn new_id() -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("request id"));
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let id = format!("{:016x}-{count:x}", *PROCESS);
    HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("unknown"))
}
