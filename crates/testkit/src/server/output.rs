//! What a server prints, and where it serves by that.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;
use tokio::sync::watch;

/// Where it serves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) http: SocketAddr,
    pub(super) grpc: SocketAddr,
    pub(super) ops: SocketAddr,
    pub(super) users_http: Option<SocketAddr>,
    pub(super) users_grpc: Option<SocketAddr>,
}

/// The addresses, if this is the log line that tells them.
fn addresses(line: &str) -> Option<Addresses> {
    let line: Value = serde_json::from_str(line).ok()?;
    let address = |name: &str| line.get(name)?.as_str()?.parse().ok();
    Some(Addresses {
        http: address("http")?,
        grpc: address("grpc")?,
        ops: address("ops")?,
        users_http: address("users_http"),
        users_grpc: address("users_grpc"),
    })
}

/// What a process has printed, and who reads it.
#[derive(Debug, Default)]
pub(super) struct Output {
    text: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Output {
    pub(super) fn text(&self) -> String {
        self.text.lock().map(|text| text.clone()).unwrap_or_default()
    }

    /// Reads to the end of it, on a thread: a test that ends stops its tasks where they are.
    pub(super) fn collect(
        &mut self,
        stream: OwnedFd,
        found: Option<watch::Sender<Option<Addresses>>>,
    ) {
        let text = Arc::clone(&self.text);
        self.readers.push(std::thread::spawn(move || {
            for line in BufReader::new(File::from(stream)).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                if let (Some(found), Some(addresses)) = (&found, addresses(&line)) {
                    found.send_replace(Some(addresses));
                }
                if let Ok(mut text) = text.lock() {
                    text.push_str(&line);
                    text.push('\n');
                }
            }
        }));
    }

    /// Waits until all of it is read, which is when the process has ended.
    pub(super) fn end(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}
