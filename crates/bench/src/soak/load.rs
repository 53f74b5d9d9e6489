//! Mixed calls that leave nothing behind: what is made is taken away again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use auth_grpc::proto;
use auth_grpc::proto::auth_service_client::AuthServiceClient;
use auth_testkit::{ADMIN_EMAIL, ADMIN_PASSWORD, Server};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use super::breaking::Breaking;
use crate::report::median;
use crate::scene::{Caller, issue};

/// How many ask over kept connections.
const ASKERS: usize = 6;
/// How many write.
const WRITERS: usize = 2;
/// The longest anybody waits for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// One call.
#[derive(Clone, Copy, Debug)]
struct Told {
    asked: Instant,
    answered: Instant,
    is_check: bool,
    /// Why it failed, if it did.
    failed: Option<&'static str>,
}

/// What came of all calls.
#[derive(Debug)]
pub struct Sum {
    /// How many there were.
    pub calls: usize,
    /// Yes or no, and not true.
    pub wrong: usize,
    /// Failed while something was broken.
    pub excused: usize,
    /// Failed while nothing was.
    pub unexplained: usize,
    /// The median latency of checks in the first half, in seconds.
    pub latency_before: f64,
    /// The same in the second half.
    pub latency_after: f64,
}

struct Shared {
    http: [String; 2],
    grpc: [String; 2],
    ada: Caller,
    client: reqwest::Client,
    stop: AtomicBool,
    told: Mutex<Vec<Told>>,
    wrong: Mutex<Vec<String>>,
}

/// Load that goes on until it is ended.
pub struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    began: Instant,
}

impl Load {
    /// Begins.
    pub async fn begin(servers: &[Server; 2]) -> Result<Self> {
        let [one, two] = servers;
        let ada = Caller::new(one, "ada@example.com").await?;
        // Looked at once, so that what a caller holds is no key that was never asked about.
        issue(two, &ada.login).await?;
        let shared = Arc::new(Shared {
            http: [one.url(""), two.url("")],
            grpc: [one.grpc_url(), two.grpc_url()],
            ada,
            client: reqwest::Client::builder().timeout(PATIENCE).build()?,
            stop: AtomicBool::new(false),
            told: Mutex::default(),
            wrong: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        for number in 0..ASKERS {
            tasks.spawn(Arc::clone(&shared).ask(number));
        }
        for number in 0..WRITERS {
            tasks.spawn(Arc::clone(&shared).write(number));
        }
        tasks.spawn(Arc::clone(&shared).come_and_go());
        tasks.spawn(Arc::clone(&shared).sign_in());
        Ok(Self { shared, tasks, began: Instant::now() })
    }

    /// Ends it.
    pub async fn end(mut self, breaking: &Breaking) -> Result<Sum> {
        let half = self.began + self.began.elapsed() / 2;
        self.shared.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a caller")?;
        }
        let told = self.shared.told.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = self.shared.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        for what in wrong.iter().take(20) {
            println!("wrong: {what}");
        }
        let excuses = |told: &&Told| breaking.excuses(told.asked, told.answered);
        let failed = || told.iter().filter(|told| told.failed.is_some());
        for told in failed().filter(|told| !excuses(told)).take(20) {
            let (at, took) = (told.asked - self.began, told.answered - told.asked);
            println!(
                "unexplained, after {at:.1?}: {}, {took:.1?} later",
                told.failed.unwrap_or_default()
            );
        }
        let latency = |is_after: bool| {
            let good =
                told.iter().filter(|told| told.is_check && told.failed.is_none() && !excuses(told));
            let half = good.filter(|told| (told.asked > half) == is_after);
            median(
                &mut half
                    .map(|told| (told.answered - told.asked).as_secs_f64())
                    .collect::<Vec<_>>(),
            )
        };
        Ok(Sum {
            calls: told.len(),
            wrong: wrong.len(),
            excused: failed().filter(excuses).count(),
            unexplained: failed().filter(|told| !excuses(told)).count(),
            latency_before: latency(false),
            latency_after: latency(true),
        })
    }
}

impl Shared {
    fn over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn note(&self, asked: Instant, is_check: bool, failed: Option<&'static str>) {
        let told = Told { asked, answered: Instant::now(), is_check, failed };
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }

    fn wrong(&self, what: String) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    fn place(places: &[String; 2], turn: usize) -> &str {
        let [one, two] = places;
        if turn.is_multiple_of(2) { one } else { two }
    }

    /// Whose token it is: `good` says whether it is anybody's.
    async fn identify(&self, channel: Channel, token: String, good: bool) {
        let asked = Instant::now();
        let asking =
            async { AuthServiceClient::new(channel).identify(proto::Token { value: token }).await };
        let code = match timeout(PATIENCE, asking).await {
            Ok(Ok(_)) => Code::Ok,
            Ok(Err(status)) => status.code(),
            Err(_) => Code::DeadlineExceeded,
        };
        match (code, good) {
            (Code::Ok, true) | (Code::Unauthenticated, false) => self.note(asked, true, None),
            (Code::Ok | Code::Unauthenticated | Code::Internal, _) => {
                self.wrong(format!("{code:?} of a token that is good: {good}"));
            }
            _ => self.note(asked, true, Some("a check was not answered")),
        }
    }

    /// Good tokens of both kinds, and each time another one that is none.
    async fn ask(self: Arc<Self>, number: usize) {
        let Ok(endpoint) = Endpoint::from_shared(Self::place(&self.grpc, number).to_owned()) else {
            return;
        };
        let channel = endpoint.connect_lazy();
        for turn in 0_usize.. {
            if self.over() {
                return;
            }
            let Caller { login, key } = &self.ada;
            let (token, good) = match turn % 4 {
                0 | 1 => (key.clone(), true),
                2 => (login.clone(), true),
                _ => (format!("{login}{number}{turn}"), false),
            };
            self.identify(channel.clone(), token, good).await;
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// A connection for each call.
    async fn come_and_go(self: Arc<Self>) {
        for turn in 0_usize.. {
            if self.over() {
                return;
            }
            let Ok(endpoint) = Endpoint::from_shared(Self::place(&self.grpc, turn).to_owned())
            else {
                return;
            };
            let channel = endpoint.connect_lazy();
            self.identify(channel, self.ada.key.clone(), true).await;
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn send(
        &self,
        turn: usize,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Option<(String, Value)> {
        let url = format!("{}{path}", Self::place(&self.http, turn));
        let mut request = self.client.request(method.clone(), url).bearer_auth(&self.ada.login);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let asked = Instant::now();
        let Ok(answer) = request.send().await else {
            self.note(asked, false, Some("a connection ended"));
            return None;
        };
        let status = answer.status().as_u16();
        let place = answer.headers().get("location").and_then(|place| place.to_str().ok());
        let place = place.unwrap_or_default().to_owned();
        let text = answer.text().await.unwrap_or_default();
        match status {
            200..300 => {
                self.note(asked, false, None);
                Some((place, serde_json::from_str(&text).unwrap_or_default()))
            }
            503 => {
                self.note(asked, false, Some("503"));
                None
            }
            _ => {
                self.wrong(format!("{method} {path}: {status} {text}"));
                None
            }
        }
    }

    /// Keys that are made, asked about, revoked and asked about again; orgs that come and go; lists.
    async fn write(self: Arc<Self>, number: usize) {
        for turn in number.. {
            if self.over() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
            self.send(turn, Method::GET, "/orgs?limit=10", None).await;
            let named = json!({ "name": "comes and goes" });
            if let Some((place, _)) = self.send(turn, Method::POST, "/orgs", Some(named)).await {
                self.send(turn + 1, Method::DELETE, &place, None).await;
            }
            let kind = json!({ "type": 2 });
            let Some((_, made)) = self.send(turn, Method::POST, "/keys", Some(kind)).await else {
                continue;
            };
            let text =
                |name: &str| made.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let Ok(other) = Endpoint::from_shared(Self::place(&self.grpc, turn + 1).to_owned())
            else {
                return;
            };
            let channel = other.connect_lazy();
            self.identify(channel.clone(), text("value"), true).await;
            let path = format!("/keys/{}", text("id"));
            if self.send(turn, Method::DELETE, &path, None).await.is_some() {
                self.identify(channel, text("value"), false).await;
            }
        }
    }

    /// Signs in, twice a second.
    async fn sign_in(self: Arc<Self>) {
        for turn in 0_usize.. {
            if self.over() {
                return;
            }
            let body = json!({ "email": ADMIN_EMAIL, "password": ADMIN_PASSWORD });
            self.send(turn, Method::POST, "/tokens", Some(body)).await;
            sleep(Duration::from_millis(500)).await;
        }
    }
}
