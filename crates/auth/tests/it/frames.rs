//! HTTP/2 frame by frame (RFC 9113), for clients that no library would be.

use std::net::SocketAddr;
use std::time::Duration;

use auth_testkit::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A frame as RFC 9113, section 4.1 has it.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// What a client says first, with these settings.
pub fn opening(settings: &[u8]) -> Vec<u8> {
    let mut opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    opening.extend(frame(SETTINGS, 0, 0, settings));
    opening
}

/// The headers of a call, by the static table of RFC 7541: POST, http, this path.
pub fn call() -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    block.extend(named(4, b"/protomfx.AuthService/Identify"));
    block
}

/// A header field with a name of the static table, never indexed.
pub fn named(index: u8, value: &[u8]) -> Vec<u8> {
    let mut field = match index {
        0..15 => vec![index],
        _ => vec![0x0f, index - 15],
    };
    field.extend(text(value));
    field
}

/// A new header field, never indexed.
pub fn field(number: usize) -> Vec<u8> {
    let mut field = vec![0x10];
    field.extend(text(format!("x-{number:08}").as_bytes()));
    field.extend(text(&[b'y'; 100]));
    field
}

/// A string as RFC 7541, section 5.2 has it, as it is.
pub fn text(value: &[u8]) -> Vec<u8> {
    let mut text = match value.len() {
        short @ 0..127 => vec![u8::try_from(short).unwrap()],
        long => {
            let (mut rest, mut length) = (long - 127, vec![127]);
            while rest >= 128 {
                length.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            length.push(u8::try_from(rest).unwrap());
            length
        }
    };
    text.extend(value);
    text
}

/// A frame that came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A connection that sends what it is told.
pub struct Wire(pub TcpStream);

impl Wire {
    /// Connects and says hello, with these settings.
    pub async fn open(address: SocketAddr, settings: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&opening(settings)).await.unwrap();
        Self(stream)
    }

    /// Sends this; the other side may have closed.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
    }

    /// The next frame, or nothing when the other side has closed.
    pub async fn next(&mut self) -> Option<Frame> {
        let reading = async {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            Some(Frame { kind: head[3], flags: head[4], stream, payload })
        };
        timeout(Duration::from_secs(20), reading).await.expect("it neither answers nor closes")
    }
}

/// How much memory the server has, in bytes.
pub fn resident(server: &Server) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", server.pid().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
