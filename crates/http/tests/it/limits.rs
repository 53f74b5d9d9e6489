//! How large and how slow requests may be.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use auth_domain::Rules;
use auth_http::{Limits, Options};
use axum::body::{Body, Bytes};
use http::header::{CONTENT_TYPE, HOST, HeaderName};
use http::{Request, Version};
use http_body::{Frame, SizeHint};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;

use crate::support::{Answer, Mood, World};

const KIB: usize = 1024;

/// A body of many frames that counts how many of them were wanted.
pub(crate) struct Frames {
    pub(crate) wanted: Arc<AtomicUsize>,
    pub(crate) left: usize,
    pub(crate) size: usize,
    pub(crate) then: Then,
    pub(crate) announced: Option<u64>,
}

/// What a body does after its last frame.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    Ends,
    Stalls,
    Breaks,
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(left) = self.left.checked_sub(1) else {
            return match self.then {
                Then::Ends => Poll::Ready(None),
                Then::Stalls => Poll::Pending,
                Then::Breaks => Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into()))),
            };
        };
        self.left = left;
        self.wanted.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b' '; self.size])))))
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Posts a body and says how many of its frames were read.
async fn post(world: &World, frames: usize, then: Then, announced: Option<u64>) -> (Answer, usize) {
    let wanted = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&wanted);
    let body = Body::new(Frames { wanted: counted, left: frames, size: KIB, then, announced });
    let call = world.post("/orgs").header(CONTENT_TYPE, "application/json").raw(body);
    let answer = call.send().await;
    (answer, wanted.load(Ordering::SeqCst))
}

async fn hasty() -> World {
    let (body_idle, request) = (Duration::from_millis(50), Duration::from_millis(200));
    let limits = Limits { body_idle, request, ..Limits::default() };
    World::with(Options { accounts: true, limits, ..Options::default() }, Rules::default()).await
}

#[tokio::test]
async fn d37_s80_go21_a_body_without_a_length_is_read_up_to_the_limit() {
    let world = World::new().await;
    let (answer, read) = post(&world, 100_000, Then::Ends, None).await;
    answer.assert_refused(413, "request body too large");
    assert_eq!(answer.header("connection"), "close");
    assert_eq!(read, 257, "the rest is not read");
    let (answer, read) = post(&world, 256, Then::Ends, None).await;
    assert_eq!((answer.status.as_u16(), read), (400, 256), "the limit itself is fine");
}

#[tokio::test]
async fn s80_a_body_that_announces_too_much_is_not_read_at_all() {
    let world = World::new().await;
    let (answer, read) = post(&world, 300, Then::Ends, Some(300 * 1024)).await;
    answer.assert_refused(413, "request body too large");
    assert_eq!(read, 0);
}

#[tokio::test]
async fn s81_a_body_that_stalls_is_given_up() {
    let world = hasty().await;
    let (answer, read) = post(&world, 3, Then::Stalls, None).await;
    answer.assert_refused(408, "request body did not arrive in time");
    assert_eq!((answer.header("connection"), read), ("close", 3));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_malformed() {
    let world = World::new().await;
    let (answer, _) = post(&world, 3, Then::Breaks, None).await;
    answer.assert_refused(400, "malformed entity specification");
}

#[tokio::test]
async fn s81_a_request_that_takes_too_long_is_given_up() {
    let world = hasty().await;
    world.passwords.feel(Mood::Hangs);
    let body = json!({ "email": "ada@example.com", "password": "password1" }).to_string();
    let answer = world.post("/tokens").body(&body).send().await;
    answer.assert_refused(504, "request took too long");
    assert_eq!(answer.json()["code"], "deadline_exceeded");
}

#[tokio::test]
async fn s80_too_many_or_too_large_headers_are_refused() {
    let world = World::new().await;
    let name = |n: usize| HeaderName::from_bytes(format!("x-{n}").as_bytes()).unwrap();
    let many = (0..100).fold(world.get("/health"), |call, n| call.header(name(n), "v"));
    many.send().await.assert_refused(431, "request headers too large");
    let large = world.get("/health").header(name(0), &"v".repeat(16 * KIB));
    large.send().await.assert_refused(431, "request headers too large");
    let long = world.get(&format!("/health?{}", "q".repeat(16 * KIB)));
    long.send().await.assert_refused(431, "request headers too large");
    // With the host exactly as many as allowed, and the request id that we put there ourselves.
    let fine = (0..99).fold(world.get("/health"), |call, n| call.header(name(n), "v"));
    let fine = fine.header(HeaderName::from_static("x-request-id"), "ours");
    assert_eq!(fine.send().await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_request_without_a_host_or_with_two_is_malformed() {
    let world = World::new().await;
    let ask = async |version, hosts: &[&str]| {
        let mut request = Request::get("/health").version(version).body(Body::empty()).unwrap();
        for host in hosts {
            request.headers_mut().append(HOST, host.parse().unwrap());
        }
        let response = world.router().oneshot(request).await.unwrap();
        let kind = response.headers().get(CONTENT_TYPE).cloned();
        (response.status().as_u16(), kind.is_some_and(|it| it == "application/problem+json"))
    };
    for hosts in [&[][..], &["a", "b"], &["a", "a"]] {
        assert_eq!(ask(Version::HTTP_11, hosts).await, (400, true), "{hosts:?}");
    }
    assert_eq!(ask(Version::HTTP_10, &["a", "b"]).await, (400, true));
    for (version, hosts) in [
        (Version::HTTP_11, &["a"][..]),
        (Version::HTTP_11, &[""]),
        (Version::HTTP_10, &[]),
        (Version::HTTP_2, &[]),
    ] {
        assert_eq!(ask(version, hosts).await.0, 200, "{version:?} {hosts:?}");
    }
}

#[tokio::test]
async fn s67_deep_and_wide_documents_are_refused() {
    let world = World::new().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let wide: Vec<_> = (0..257).map(|n| format!("\"{n}\":0")).collect();
    for body in [
        format!("{{\"metadata\":{deep}}}"),
        format!("{{{}}}", wide.join(",")),
        format!("{{\"name\":\"{}\"}}", "x".repeat(16 * KIB + 1)),
    ] {
        let answer = world.post("/orgs").body(&body).send().await;
        answer.assert_refused(400, "malformed entity specification");
    }
}

/// The same over a socket: the connection is closed instead of the rest being read.
#[tokio::test]
async fn s80_a_connection_with_an_oversized_body_is_closed() {
    let world = World::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, world.router()).into_future());
    for framing in ["Content-Length: 1048576", "Transfer-Encoding: chunked"] {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /orgs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{framing}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        if framing.starts_with('T') {
            let chunk = format!("{:x}\r\n{}\r\n", 300 * KIB, " ".repeat(300 * KIB));
            socket.write_all(chunk.as_bytes()).await.unwrap();
        }
        let mut answer = Vec::new();
        let until_closed = socket.read_to_end(&mut answer);
        let closed = tokio::time::timeout(Duration::from_secs(10), until_closed).await;
        closed.expect("the server closes the connection").unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
    }
    server.abort();
}
