//! S-82: frames of HTTP/2 that cost their sender nothing. Whoever sends them loses their connection or gets
//! nowhere; nobody else notices, and what the service holds stays bounded.

use std::time::{Duration, Instant};

use auth_testkit::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::world::{embedded, identify};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// A frame as RFC 9113, section 4.1 has it.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The headers of a call, by the static table of RFC 7541: POST, http, this path.
fn call() -> Vec<u8> {
    let path = b"/protomfx.AuthService/Identify";
    let mut block = vec![0x83, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path);
    block
}

/// A new header field, never indexed.
fn field(number: usize) -> Vec<u8> {
    let name = format!("x-{number:08}");
    let mut field = vec![0x10, u8::try_from(name.len()).unwrap()];
    field.extend(name.bytes());
    field.extend([0x64]);
    field.extend([b'y'; 100]);
    field
}

/// Sends this again and again until it is cut off, at most so many bytes.
async fn flood(server: &Server, opening: Vec<u8>, mut next: impl FnMut(u32) -> Vec<u8>) -> usize {
    const MOST: usize = 64 << 20;
    let mut stream = TcpStream::connect(server.grpc).await.unwrap();
    let mut start = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    start.extend(frame(SETTINGS, 0, 0, &[]));
    start.extend(opening);
    stream.write_all(&start).await.unwrap();
    let (mut answers, mut questions) = stream.into_split();
    // What comes back is read, so that it is not the network that holds us up.
    let reading = tokio::spawn(async move {
        let mut sink = vec![0; 64 * 1024];
        while matches!(answers.read(&mut sink).await, Ok(read) if read > 0) {}
    });
    let (mut sent, mut round) = (0, 0);
    let begun = Instant::now();
    while sent < MOST && begun.elapsed() < Duration::from_secs(10) && !reading.is_finished() {
        let mut batch = Vec::new();
        for _ in 0..100 {
            batch.extend(next(round));
            round += 1;
        }
        sent += batch.len();
        let written = timeout(Duration::from_secs(10), questions.write_all(&batch)).await;
        if !matches!(written, Ok(Ok(()))) {
            break;
        }
    }
    sent
}

fn resident(server: &Server) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", server.pid().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// The stream of this round: those of clients have odd numbers.
fn stream(round: u32) -> u32 {
    2 * round + 1
}

/// What it is called, what comes first, and the frames of each round.
type Flood = (&'static str, Vec<u8>, Box<dyn FnMut(u32) -> Vec<u8> + Send>);

#[tokio::test(flavor = "multi_thread")]
async fn s82_floods_of_frames_are_nobody_elses_trouble() {
    let server = embedded().start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let before = resident(&server);
    let opened = |round| frame(HEADERS, END_HEADERS, stream(round), &call());
    let floods: Vec<Flood> = vec![
        (
            "calls that are taken back at once",
            Vec::new(),
            Box::new(move |round| {
                let mut both = opened(round);
                both.extend(frame(RST_STREAM, 0, stream(round), &8_u32.to_be_bytes()));
                both
            }),
        ),
        ("calls that are never finished", Vec::new(), Box::new(opened)),
        (
            "headers without an end",
            frame(HEADERS, 0, 1, &call()),
            Box::new(|round| frame(CONTINUATION, 0, 1, &field(round.try_into().unwrap()))),
        ),
        (
            "empty headers without an end",
            frame(HEADERS, 0, 1, &call()),
            Box::new(|_| frame(CONTINUATION, 0, 1, &[])),
        ),
        (
            "data without anything in it",
            frame(HEADERS, END_HEADERS, 1, &call()),
            Box::new(|_| frame(DATA, 0, 1, &[])),
        ),
        ("settings", Vec::new(), Box::new(|_| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]))),
        (
            "calls that make the server take them back",
            Vec::new(),
            Box::new(move |round| {
                // Data for a stream that is over: an error of the stream each time.
                let mut both = opened(round);
                both.extend(frame(RST_STREAM, 0, stream(round), &8_u32.to_be_bytes()));
                both.extend(frame(DATA, 0, stream(round), b"x"));
                both
            }),
        ),
    ];
    for (what, opening, next) in floods {
        let flooding = flood(&server, opening, next);
        let asking = async {
            let mut slowest = Duration::ZERO;
            for _ in 0..20 {
                let begun = Instant::now();
                identify(&server, &login).await.unwrap();
                slowest = slowest.max(begun.elapsed());
            }
            slowest
        };
        let (sent, slowest) = tokio::join!(flooding, asking);
        let grown = resident(&server).saturating_sub(before) >> 20;
        println!("{what}: {sent} bytes, others waited {slowest:?}, {grown} MiB more");
        assert!(slowest < Duration::from_secs(5), "{what}: others waited {slowest:?}");
        assert!(grown < 64, "{what}: {grown} MiB");
    }
    identify(&server, &login).await.unwrap();
    assert!(!server.output().contains("panicked"), "{}", server.output());
    assert!(server.stop().await.unwrap().success());
}
