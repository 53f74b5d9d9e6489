//! What is too large, too slow or not a message.

use std::time::{Duration, Instant};

use auth_grpc::{Options, proto};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full, StreamBody};
use tonic::Code;
use tonic::codegen::tokio_stream;

use crate::world::{World, refused, world, world_with};

pub const IDENTIFY: &str = "/protomfx.AuthService/Identify";

/// Makes a call by hand and gives the headers of the answer, which hold its status when it failed.
pub async fn by_hand<B>(world: &World, path: &str, timeout: Option<&str>, body: B) -> HeaderMap
where
    B: hyper::body::Body<Data = bytes::Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::post(format!("http://{}{path}", world.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    let answer = client.send_request(request.body(body).unwrap());
    let answer = tokio::time::timeout(Duration::from_secs(20), answer).await.unwrap();
    let (parts, mut body) = answer.unwrap().into_parts();
    let mut headers = parts.headers;
    while let Some(frame) = body.frame().await {
        if let Ok(trailers) = frame.unwrap().into_trailers() {
            headers.extend(trailers);
        }
    }
    headers
}

/// The frame of a message: whether it is compressed, its length, and its bytes.
pub fn frame(message: &[u8]) -> Full<bytes::Bytes> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    Full::new([&[0][..], &length, message].concat().into())
}

/// A body that never comes.
pub fn nothing()
-> impl hyper::body::Body<Data = bytes::Bytes, Error = std::io::Error> + Send + Unpin {
    let frames = tokio_stream::pending::<Result<hyper::body::Frame<bytes::Bytes>, _>>();
    StreamBody::new(frames)
}

#[tokio::test]
async fn s80_a_message_that_is_too_large_is_refused() {
    let world = world().await;
    let mut auth = world.auth().await;
    let answer = auth.identify(proto::Token { value: "x".repeat(256 * 1024) }).await;
    let text = "the message is larger than allowed";
    refused(answer, Code::ResourceExhausted, text, "message_too_large");
    // The connection lives on.
    assert!(auth.identify(proto::Token { value: world.login(7) }).await.is_ok());
}

#[tokio::test]
async fn s80_metadata_that_is_too_large_is_refused() {
    let options = Options { max_metadata: 4 * 1024, ..Options::default() };
    let world = world_with(options, |router| router).await;
    let mut auth = world.auth().await;
    let request = |bytes: usize| {
        let mut request = tonic::Request::new(proto::Token { value: world.login(7) });
        request.metadata_mut().insert("x", "v".repeat(bytes).parse().unwrap());
        request
    };
    let answer = auth.identify(request(4 * 1024)).await;
    let text = "the metadata is larger than allowed";
    refused(answer, Code::ResourceExhausted, text, "metadata_too_large");
    assert!(auth.identify(request(3 * 1024)).await.is_ok());
}

#[tokio::test]
async fn s80_a_length_that_is_too_large_is_refused_before_the_bytes_come() {
    let world = world().await;
    let announced = Full::new(bytes::Bytes::from_static(&[0, 0x7f, 0xff, 0xff, 0xff]));
    let headers = by_hand(&world, IDENTIFY, None, announced).await;
    assert_eq!(headers["grpc-status"], "8");
}

#[tokio::test]
async fn s90_bytes_that_are_no_message_are_refused_without_naming_our_insides() {
    let world = world().await;
    for body in [
        frame(&[0xff; 7]),
        // A string that is not UTF-8.
        frame(&[0x0a, 0x02, 0xc3, 0x28]),
        // A frame that ends early, none at all, and one with a flag that does not exist.
        Full::new(bytes::Bytes::from_static(&[0, 0, 0, 0, 9, 1])),
        Full::default(),
        Full::new(bytes::Bytes::from_static(&[7, 0, 0, 0, 0])),
    ] {
        let headers = by_hand(&world, IDENTIFY, None, body).await;
        assert_eq!(
            (&headers["grpc-status"], &headers["code"]),
            (&"3".parse().unwrap(), &"malformed".parse().unwrap())
        );
        let text = headers["grpc-message"].to_str().unwrap();
        assert!(text.starts_with("malformed%20entity%20specification"), "{text}");
        assert!(!text.to_lowercase().contains("prost"), "{text}");
    }
}

#[tokio::test]
async fn d60_r13_a_call_takes_no_longer_than_its_client_allows() {
    let world = world().await;
    let started = Instant::now();
    let headers = by_hand(&world, IDENTIFY, Some("50m"), nothing()).await;
    assert_eq!(headers["grpc-status"], "4");
    assert_eq!(headers["code"], "deadline_exceeded");
    assert!(started.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn a_call_takes_no_longer_than_the_server_allows() {
    let options = Options { deadline: Duration::from_millis(50), ..Options::default() };
    let world = world_with(options, |router| router).await;
    for asked in [None, Some("1H"), Some("nonsense")] {
        let headers = by_hand(&world, IDENTIFY, asked, nothing()).await;
        assert_eq!(headers["grpc-status"], "4", "{asked:?}");
    }
}
