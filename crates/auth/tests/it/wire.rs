//! Hostile bytes on the real listeners.

use std::time::{Duration, Instant};

use auth_grpc::proto::Token;
use auth_testkit::Server;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use crate::frames::resident;
use crate::world::{code, embedded, identify, sibling};

/// What comes back for these bytes until the other side closes, or nothing within the deadline.
async fn raw(server: &Server, bytes: &[u8], within: Duration) -> String {
    let mut stream = TcpStream::connect(server.http).await.unwrap();
    // The other side may close before it has read all.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ =
        tokio::time::timeout(within, stream.read_to_end(&mut answer)).await.expect("it stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn go21_large_bodies_and_heads_are_refused_cheaply() {
    let server = embedded().start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let before = resident(&server);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let request = server.client.post(server.url("/orgs")).bearer_auth(&login);
        let request = request.header("content-type", "application/json").body(vec![b' '; 20 << 20]);
        asking.spawn(request.send());
    }
    while let Some(answer) = asking.join_next().await {
        // The connection may be closed while the client still sends.
        if let Ok(answer) = answer.unwrap() {
            assert_eq!(answer.status(), 413);
        }
    }
    let head = |target: &str, more: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{more}\r\n")
    };
    let long = "x".repeat(17 * 1024);
    for head in [
        head("/health", &format!("X: {long}\r\n")),
        head(&format!("/health?name={long}"), ""),
        head("/health", &"X: y\r\n".repeat(99)),
    ] {
        let answer = raw(&server, head.as_bytes(), Duration::from_secs(20)).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert!(answer.contains("\"code\":\"headers_too_large\""), "{answer}");
    }
    let most = head("/health", &"X: y\r\n".repeat(98));
    let answer = raw(&server, most.as_bytes(), Duration::from_secs(20)).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for beyond in [format!("X: {}\r\n", long.repeat(5)), "X: y\r\n".repeat(300)] {
        let head = head("/health", &beyond);
        let answer = raw(&server, head.as_bytes(), Duration::from_secs(20)).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let grown = resident(&server).saturating_sub(before);
    assert!(grown < 32 << 20, "it grew by {grown} bytes");
}

#[tokio::test]
async fn s80_what_a_limit_refuses_is_counted() {
    let server = embedded().start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let large = server.client.post(server.url("/orgs")).bearer_auth(&login);
    let large = large.header("content-type", "application/json").body(vec![b' '; 300 << 10]);
    assert_eq!(large.send().await.unwrap().status(), 413);
    let heavy = server.client.get(server.url("/health")).header("x", "y".repeat(17 << 10));
    assert_eq!(heavy.send().await.unwrap().status(), 431);
    let token = "x".repeat(5000);
    let long = server.send(Method::GET, "/orgs", Some(&token), None).await.unwrap();
    assert_eq!(long.status(), 401);
    let huge = "x".repeat(300 << 10);
    assert_eq!(code(identify(&server, &huge).await), Code::ResourceExhausted);
    // More metadata than allowed, and less than the connection itself takes.
    let mut request = tonic::Request::new(Token { value: login });
    request.metadata_mut().insert("x", "y".repeat(17 << 10).parse().unwrap());
    let refused = sibling(&server).await.identify(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.metadata().get("code").unwrap(), "metadata_too_large");

    let metrics = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for (transport, reason) in [
        ("http", "body_too_large"),
        ("http", "headers_too_large"),
        ("http", "token_too_long"),
        ("grpc", "message_too_large"),
        ("grpc", "metadata_too_large"),
    ] {
        let line = format!("auth_refused_total{{transport=\"{transport}\",reason=\"{reason}\"}} 1");
        assert!(metrics.lines().any(|seen| seen == line), "no {line} in {metrics}");
    }
}

#[tokio::test]
async fn s7_long_tokens_are_refused_unread() {
    let server = embedded().start().await.unwrap();
    for length in [4097, 8000, 15_000] {
        let token = "a.".repeat(length / 2 + 1);
        let answer = server.send(Method::GET, "/orgs", Some(&token), None).await.unwrap();
        assert_eq!(answer.status(), 401, "{length}");
        assert_eq!(code(identify(&server, &token).await), Code::Unauthenticated, "{length}");
    }
    let huge = "x".repeat(300 * 1024);
    assert_eq!(code(identify(&server, &huge).await), Code::ResourceExhausted);
}

#[tokio::test]
async fn go26_slow_clients_are_let_go_and_others_do_not_notice() {
    let server = embedded().start().await.unwrap();
    let mut slow = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(server.http).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n").await.unwrap();
        slow.push(stream);
    }
    let begun = Instant::now();
    let health = server.client.get(server.url("/health")).send().await.unwrap();
    assert_eq!(health.status(), 200);
    assert!(begun.elapsed() < Duration::from_secs(3));
    for mut stream in slow {
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest));
        let _ = closed.await.expect("a connection without a whole head is closed");
    }
}

#[tokio::test]
async fn s83_no_bytes_end_the_process() {
    let server = embedded().start().await.unwrap();
    let pieces: [&[u8]; 10] = [
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\n\r\n",
        b"POST /orgs HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /orgs HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /orgs HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ];
    for address in [server.http, server.grpc, server.ops] {
        for piece in pieces {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _ = stream.write_all(piece).await;
            let _ = stream.shutdown().await;
            let mut rest = Vec::new();
            let ended =
                tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest));
            let _ = ended.await.expect("it lets go");
        }
    }
    let health = server.client.get(server.url("/health")).send().await.unwrap();
    assert_eq!(health.status(), 200);
    assert!(!server.output().contains("panicked"), "{}", server.output());
}
