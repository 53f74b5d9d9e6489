//! S-81: who asks and never takes the answer. They are let go in time, others do not notice, and what is held for them is
//! bounded.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::frames::{END_HEADERS, END_STREAM, HEADERS, Wire, call, frame, named, resident};
use crate::world::{embedded, eventually, identify};

const SOON: Duration = Duration::from_secs(30);
/// How many there are of each kind, and how much each of them asks for.
const READERS: usize = 3;
const QUESTIONS: u32 = 1000;
/// A window in which nothing may be sent (RFC 9113, section 6.5.2).
const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

fn stream(round: u32) -> u32 {
    2 * round + 1
}

/// How many of the connections from these ports the server has not closed. It is asked of the kernel, because whoever
/// does not read does not hear of it.
fn open(ports: &[u16]) -> usize {
    const ESTABLISHED: &str = "01";
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let kept = table.lines().skip(1).filter(|line| {
        let mut fields = line.split_whitespace().skip(2);
        let (_, port) = fields.next().unwrap().split_once(':').unwrap();
        let port = u16::from_str_radix(port, 16).unwrap();
        ports.contains(&port) && fields.next() == Some(ESTABLISHED)
    });
    kept.count()
}

#[tokio::test]
async fn s81_who_never_takes_an_answer_is_let_go_and_costs_little() {
    let server = embedded()
        .set("MF_AUTH_HTTP_IDLE_TIMEOUT", "1s")
        .set("MF_AUTH_GRPC_KEEPALIVE", "1s")
        .set("MF_AUTH_GRPC_KEEPALIVE_TIMEOUT", "1s")
        .start()
        .await
        .unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    // A list of 200 KiB.
    let large = json!({ "name": "acme", "metadata": { "x": "y".repeat(10 << 10) } });
    for _ in 0..20 {
        let made = server.send(Method::POST, "/orgs", Some(&login), Some(&large)).await.unwrap();
        assert_eq!(made.status(), 201);
    }
    let bearer = format!("Bearer {login}");
    let list = format!("GET /orgs?limit=20 HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\n\r\n");
    // GET, http, this path, localhost.
    let mut listing = vec![0x82, 0x86];
    for (index, value) in [(4, "/orgs?limit=20"), (1, "localhost"), (23, &bearer)] {
        listing.extend(named(index, value.as_bytes()));
    }
    identify(&server, &login).await.unwrap();
    for kind in ["HTTP/1", "HTTP/2", "gRPC"] {
        let memory = resident(&server);
        let (mut readers, mut ports) = (Vec::new(), Vec::new());
        for _ in 0..READERS {
            let asked: Vec<u8> = match kind {
                "HTTP/1" => list.repeat(100).into_bytes(),
                _ => (0..QUESTIONS)
                    .flat_map(|round| {
                        let head = if kind == "gRPC" { &call() } else { &listing };
                        frame(HEADERS, END_HEADERS | END_STREAM, stream(round), head)
                    })
                    .collect(),
            };
            let mut reader = match kind {
                "HTTP/1" => TcpStream::connect(server.http).await.unwrap(),
                "HTTP/2" => Wire::open(server.http, &NO_WINDOW).await.0,
                _ => Wire::open(server.grpc, &NO_WINDOW).await.0,
            };
            ports.push(reader.local_addr().unwrap().port());
            readers.push(tokio::spawn(async move {
                // As far as the other side takes it.
                let _ = reader.write_all(&asked).await;
                reader
            }));
        }
        assert_eq!(open(&ports), READERS);
        let (mut slowest, mut most) = (Duration::ZERO, 0);
        eventually(&format!("{kind}: they are let go"), SOON, async || {
            let begun = Instant::now();
            identify(&server, &login).await.unwrap();
            slowest = slowest.max(begun.elapsed());
            most = most.max(resident(&server).saturating_sub(memory) >> 20);
            tokio::time::sleep(Duration::from_millis(100)).await;
            open(&ports) == 0
        })
        .await;
        println!("{kind}: others waited {slowest:?}, {most} MiB more");
        assert!(slowest < Duration::from_secs(5), "{kind}: others waited {slowest:?}");
        assert!(most < 64, "{kind}: {most} MiB");
        drop(readers);
    }
    assert!(!server.output().contains("panicked"), "{}", server.output());
}
