//! S-82: frames of HTTP/2 that cost their sender nothing. Whoever sends them loses their connection or gets
//! nowhere; nobody else notices, and what the service holds stays bounded.

use std::time::{Duration, Instant};

use auth_testkit::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    call, field, frame, opening as hello, resident,
};
use crate::world::{embedded, identify};

/// How long a flood lasts.
const LONG_ENOUGH: Duration = Duration::from_secs(2);

/// Sends this again and again until it is cut off, at most so many bytes.
async fn flood(server: &Server, opening: Vec<u8>, mut next: impl FnMut(u32) -> Vec<u8>) -> usize {
    const MOST: usize = 64 << 20;
    let mut stream = TcpStream::connect(server.grpc).await.unwrap();
    let mut start = hello(&[]);
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
    while sent < MOST && begun.elapsed() < LONG_ENOUGH && !reading.is_finished() {
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
    // One large field is remembered, and each head is made of a hundred times that one: 4 KiB become 400.
    let mut large = call();
    large.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
    large.extend([b'y'; 4000]);
    let mut unpacking = call();
    unpacking.extend([0xbe; 100]);
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
        (
            "heads that are much larger than they are on the wire",
            frame(HEADERS, END_HEADERS, 1, &large),
            Box::new(move |round| frame(HEADERS, END_HEADERS, stream(round + 1), &unpacking)),
        ),
        ("pings", Vec::new(), Box::new(|_| frame(PING, 0, 0, &[0; 8]))),
        ("windows", Vec::new(), Box::new(|_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]))),
        ("priorities", Vec::new(), Box::new(|round| frame(PRIORITY, 0, stream(round), &[0; 5]))),
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
