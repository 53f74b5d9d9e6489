//! Answers that take long, because of us or because of the client.
#![expect(clippy::arithmetic_side_effects, reason = "a test may fail by panicking")]

use super::*;

/// How many parts the answer of `/trickle` has before its last pause.
const PARTS: u32 = 12;

/// An answer that takes much longer than idling, with pauses that do, too.
pub(super) fn trickle() -> Body {
    let parts = futures_util::stream::unfold(0, |part| async move {
        let pause = match part {
            0..PARTS => SHORT / 2,
            // Longer than who is idle is given to say goodbye, too.
            PARTS => IDLE * 2 + connection::LAST_WORDS,
            _ => return None,
        };
        sleep(pause).await;
        Some((Ok::<_, io::Error>(if part < PARTS { "part," } else { "end" }), part + 1))
    });
    Body::from_stream(parts)
}

#[tokio::test]
async fn an_answer_may_take_longer_than_idling_and_pause_longer_too() {
    let server = open(limits());
    let begun = Instant::now();
    let mut tcp = server.say("GET /trickle HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let text = answer(&mut tcp, "0\r\n\r\n").await;
    assert_eq!(text.matches("part,").count(), PARTS as usize, "{text}");
    let (mut client, _connection) = http2(&server).await;
    let body = client.send_request(to("/trickle")).await.unwrap().into_body();
    let whole = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    assert!(whole.ends_with(b"part,end"), "{whole:?}");
    assert!(begun.elapsed() > IDLE * 8);
    // Afterwards it is idle like any other.
    assert_eq!(rest(tcp).await, "");
}

#[tokio::test]
async fn a_stop_waits_for_answers_that_pause_longer_than_it_waits_for_silent_clients() {
    let server = open(limits());
    let tcp = server.say("GET /pause HTTP/1.1\r\nHost: x\r\n\r\n").await;
    timeout(PATIENCE, server.begun.notified()).await.unwrap();
    server.drain.begin();
    let drain = server.drain.clone();
    let ending = tokio::spawn(async move { drain.end(PATIENCE).await });
    sleep(connection::LAST_WORDS * 2).await;
    server.release.notify_one();
    let text = rest(tcp).await;
    assert!(text.ends_with("done\r\n0\r\n\r\n"), "{text}");
    assert_eq!(timeout(PATIENCE, ending).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn s81_who_reads_slowly_is_served_and_who_stops_reading_is_not() {
    let server = open(limits());
    // In as many pauses as make up more than idling.
    let mut slow = server.say("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (mut read, mut part) = (0, vec![0; FLOOD / 16]);
    let reading = async {
        while read < FLOOD {
            sleep(IDLE / 8).await;
            let most = part.len();
            let mut got = 0;
            while got < most && read + got < FLOOD {
                let more = slow.read(&mut part[got..]).await.unwrap();
                assert_ne!(more, 0, "closed after {} bytes", read + got);
                got += more;
            }
            read += got;
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
    for path in ["/flood", "/trickle"] {
        let (mut client, _connection) = http2_with_window(&server, 1).await;
        let _held = client.send_request(to(path)).await.unwrap();
        server.ends_all(path).await;
    }
    let _stopped = server.say("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.ends_all("HTTP/1").await;
}
