//! Paths that name no method reach none.

use std::time::Duration;

use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::limits::{by_hand, frame};
use crate::world::{World, world};

fn identify(world: &World) -> Vec<u8> {
    auth_grpc::proto::Token { value: world.login(7) }.encode_to_vec()
}

#[tokio::test]
async fn s78_only_the_exact_path_is_a_method() {
    let world = world().await;
    let message = identify(&world);
    let served = by_hand(&world, "/protomfx.AuthService/Identify", None, frame(&message)).await;
    assert_eq!(served["grpc-status"], "0");
    for path in [
        "/",
        "/Identify",
        "/protomfx.AuthService",
        "/protomfx.AuthService/",
        "/protomfx.AuthService/identify",
        "/protomfx.AuthService/Identify/",
        "/protomfx.AuthService//Identify",
        "//protomfx.AuthService/Identify",
        "/protomfx.AuthService/./Identify",
        "/x/../protomfx.AuthService/Identify",
        "/protomfx.AuthService/%49dentify",
        "/protomfx.AuthService%2FIdentify",
        "/protomfx.authservice/Identify",
        "/AuthService/Identify",
        "/mainflux.AuthService/Identify",
        "/mainflux.AuthService/ListPolicies",
        "/protomfx.AuthService/CreateOrgInvite",
        "/protomfx.ThingsService/Identify",
        "/protomfx.AuthService/AuthorizeMany",
        "/auth.v1.Checks/Identify",
        "/auth.v1.Checks/Explain",
        "/auth.v2.Checks/AuthorizeMany",
    ] {
        let headers = by_hand(&world, path, None, frame(&message)).await;
        assert_eq!(headers["grpc-status"], "12", "{path}");
        assert_eq!(headers["code"], "unimplemented", "{path}");
    }
}

/// One HTTP/2 frame (RFC 9113 section 4.1).
fn http2_frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// One header field, literal and not indexed (RFC 7541 section 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// Calls a path that no HTTP library would send, and gives the kinds of the frames that answer it.
async fn frames_for(world: &World, path: &str) -> Vec<u8> {
    let fields = [
        field(":method", "POST"),
        field(":scheme", "http"),
        field(":path", path),
        field(":authority", "localhost"),
        field("content-type", "application/grpc"),
        field("te", "trailers"),
    ];
    let message = identify(world);
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let request = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        http2_frame(SETTINGS, 0, 0, &[]),
        http2_frame(HEADERS, 4, 1, &fields.concat()),
        http2_frame(DATA, 1, 1, &[&[0][..], &length, &message].concat()),
    ];
    stream.write_all(&request.concat()).await.unwrap();

    let mut kinds = Vec::new();
    loop {
        let mut header = [0; 9];
        if stream.read_exact(&mut header).await.is_err() {
            return kinds;
        }
        let [a, b, c, kind, flags, ..] = header;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap()];
        stream.read_exact(&mut payload).await.unwrap();
        let ends = matches!(kind, HEADERS | DATA) && flags & 1 == 1;
        if matches!(kind, DATA | HEADERS | RST_STREAM | GOAWAY) {
            kinds.push(kind);
        }
        if ends || matches!(kind, RST_STREAM | GOAWAY) {
            return kinds;
        }
    }
}

#[tokio::test]
async fn s78_a_path_without_its_slash_reaches_no_method() {
    let world = world().await;
    let answer = async |path: &str| {
        tokio::time::timeout(Duration::from_secs(20), frames_for(&world, path)).await.unwrap()
    };
    // An answer with a message in it, then the trailers.
    assert_eq!(answer("/protomfx.AuthService/Identify").await, [HEADERS, DATA, HEADERS]);
    for path in ["protomfx.AuthService/Identify", "", "*", "http://x/protomfx.AuthService/Identify"]
    {
        let kinds = answer(path).await;
        assert!(!kinds.contains(&DATA), "{path}: {kinds:?}");
        assert!(!kinds.is_empty(), "{path}");
    }
}
