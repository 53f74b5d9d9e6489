//! A server that answers as a test wants it to, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth_client::AuthClient;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::net::TcpListener;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

/// What is answered to one attempt.
pub enum Answer {
    /// This message.
    Message(Vec<u8>),
    /// This refusal.
    Refusal(Status),
    /// Nothing, ever.
    Silence,
}

/// One attempt that reached the server.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub path: String,
    pub headers: HeaderMap,
    pub at: Instant,
}

/// What answers: the path, and how many attempts there were before this one.
type Script = Arc<dyn Fn(&str, usize) -> Answer + Send + Sync>;

/// A server and its memory.
#[derive(Clone)]
pub struct Fake {
    pub address: SocketAddr,
    attempts: Arc<Mutex<Vec<Attempt>>>,
}

impl Fake {
    pub async fn start(script: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let fake = Self { address, attempts: Arc::default() };
        let (script, attempts): (Script, _) = (Arc::new(script), Arc::clone(&fake.attempts));
        let serve = async move |request: Request| {
            let path = request.uri().path().to_owned();
            let attempt = Attempt {
                path: path.clone(),
                headers: request.headers().clone(),
                at: Instant::now(),
            };
            let before = {
                let mut attempts = attempts.lock().unwrap();
                attempts.push(attempt);
                attempts.len() - 1
            };
            match script(&path, before) {
                Answer::Message(message) => framed(&message),
                Answer::Refusal(status) => status.into_http(),
                Answer::Silence => std::future::pending().await,
            }
        };
        let router = Router::new().fallback(serve);
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    /// A client that waits long enough for a busy machine.
    pub fn client(&self) -> AuthClient {
        self.client_within(Duration::from_secs(20))
    }

    pub fn client_within(&self, timeout: Duration) -> AuthClient {
        let address = format!("http://{}", self.address);
        AuthClient::builder(address).timeout(timeout).build().unwrap()
    }

    pub fn attempts(&self) -> Vec<Attempt> {
        self.attempts.lock().unwrap().clone()
    }

    /// The paths it was asked for, without their services.
    pub fn asked(&self) -> Vec<String> {
        let last = |attempt: Attempt| attempt.path.rsplit('/').next().unwrap().to_owned();
        self.attempts().into_iter().map(last).collect()
    }
}

/// A message in its frame, and that all is well.
fn framed(message: &[u8]) -> Response {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let body = [&[0], &length[..], message].concat();
    Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-status", "0")
        .body(Body::from(body))
        .unwrap()
}

/// A message of texts, by field number. Field numbers below 16 and texts below 128 bytes only.
pub fn texts(fields: &[(u8, &str)]) -> Answer {
    let field = |(number, text): &(u8, &str)| {
        [&[number << 3 | 2, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
    };
    Answer::Message(fields.iter().flat_map(field).collect())
}

/// Who user 7 is, as `Identify` says it.
pub fn user7() -> Answer {
    texts(&[(1, "user-7"), (2, "seven@example.com")])
}

pub fn refuse(code: Code) -> Answer {
    Answer::Refusal(Status::new(code, "no"))
}

/// Away, and when to try again.
pub fn push_back(value: &str) -> Answer {
    let mut metadata = MetadataMap::new();
    metadata.insert("grpc-retry-pushback-ms", value.parse().unwrap());
    Answer::Refusal(Status::with_metadata(Code::Unavailable, "later", metadata))
}
