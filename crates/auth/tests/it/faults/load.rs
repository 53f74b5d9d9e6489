//! Load whose every answer is judged, and a ledger of what was acknowledged.
//!
//! Askers ask what can only be answered in one way. Writers make keys, revoke every other one, found orgs, and
//! note what was acknowledged. An answer is *failed* if it says to come again, or there is none; *wrong* if it is a
//! yes or a no that is not true, or an error that says we are broken. Wrong answers are kept as sentences.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use auth_grpc::proto::auth_service_client::AuthServiceClient;
use auth_grpc::proto::{AuthorizeReq, Token};
use auth_testkit::Server;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::table::Row;
use crate::world::{found, get, make_key};

/// The longest any answer may take.
const PATIENCE: Duration = Duration::from_secs(12);
/// Nothing fails any more when nothing has failed for so long.
const CALM: Duration = Duration::from_millis(500);
/// And so many have been answered.
const ENOUGH: usize = 10;
/// How long coming back may take.
const RECOVERY: Duration = Duration::from_secs(5);

/// Where the load goes; whoever replaces a server says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    http: String,
    grpc: String,
}

impl Target {
    pub fn of(server: &Server) -> Self {
        Self { http: server.url(""), grpc: server.grpc_url() }
    }

    pub fn at(http: String, grpc: String) -> Self {
        Self { http, grpc }
    }
}

/// One call, and what was said.
#[derive(Clone, Copy, Debug)]
struct Told {
    asked: Instant,
    answered: Instant,
    said: Said,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Yes,
    No,
    Later,
}

/// What was acknowledged.
#[derive(Debug, Default)]
struct Ledger {
    /// Keys by id and value that were made.
    made: Vec<(String, String)>,
    /// Keys that were revoked.
    revoked: Vec<String>,
    /// Keys whose revocation was asked for, and not acknowledged.
    doubtful: Vec<String>,
    /// Orgs that were founded.
    orgs: Vec<String>,
}

/// Who asks, and what is known of the answers.
#[derive(Clone, Debug)]
struct Facts {
    /// Whose token is good, and who owns the org.
    ada: String,
    /// Whose token is good, and who is a stranger to the org.
    eve: String,
    org: String,
    good_key: String,
    revoked_key: String,
}

struct Shared {
    targets: RwLock<Vec<Target>>,
    facts: Facts,
    client: reqwest::Client,
    told: Mutex<Vec<Told>>,
    wrong: Mutex<Vec<String>>,
    /// Why the last calls failed, for whoever wonders.
    failures: Mutex<VecDeque<String>>,
    ledger: Mutex<Ledger>,
    stop: AtomicBool,
}

/// Load that goes on until it is [ended](Load::end).
pub struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

/// How many ask and how many write at once.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub askers: usize,
    pub writers: usize,
}

impl Size {
    /// Enough to see what happens on a machine that has two cores for everything.
    pub const USUAL: Self = Self { askers: 6, writers: 3 };
}

impl Load {
    /// Makes the world that is asked about and begins; gives it when every kind of call was answered.
    pub async fn begin(server: &Server, targets: Vec<Target>, size: Size) -> Self {
        let ada = server.user("ada@example.com").await.unwrap();
        let eve = server.user("eve@example.com").await.unwrap();
        let org = found(server, &ada, "acme").await;
        let (_, good_key) = make_key(server, &ada).await;
        let (id, revoked_key) = make_key(server, &ada).await;
        let path = format!("/keys/{id}");
        let revoked = server.send(Method::DELETE, &path, Some(&ada), None).await.unwrap();
        assert_eq!(revoked.status(), 204);
        let shared = Arc::new(Shared {
            targets: RwLock::new(targets),
            facts: Facts { ada, eve, org, good_key, revoked_key },
            client: reqwest::Client::builder().timeout(PATIENCE).build().unwrap(),
            told: Mutex::default(),
            wrong: Mutex::default(),
            failures: Mutex::default(),
            ledger: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        for number in 0..size.askers {
            tasks.spawn(Arc::clone(&shared).ask(number));
        }
        for number in 0..size.writers {
            tasks.spawn(Arc::clone(&shared).write(number));
        }
        let load = Self { shared, tasks };
        let begun = Instant::now();
        while load.is_idle() {
            assert!(begun.elapsed() < Duration::from_mins(1), "there is never any load");
            sleep(Duration::from_millis(10)).await;
        }
        load.judge();
        load
    }

    fn is_idle(&self) -> bool {
        let ledger = self.shared.ledger.lock().unwrap();
        let told = self.shared.told.lock().unwrap().len();
        told < 100 || ledger.made.len() < 4 || ledger.revoked.is_empty() || ledger.orgs.is_empty()
    }

    /// From now on it goes to these only.
    pub fn aim(&self, targets: Vec<Target>) {
        *self.shared.targets.write().unwrap() = targets;
    }

    /// The token of whoever writes.
    pub fn ada(&self) -> &str {
        &self.shared.facts.ada
    }

    /// The orgs that were founded so far.
    pub fn orgs(&self) -> Vec<String> {
        self.shared.ledger.lock().unwrap().orgs.clone()
    }

    /// Forgets what was told so far, so that a fault is counted from its beginning.
    pub fn count_from_here(&self) {
        self.judge();
        self.shared.told.lock().unwrap().clear();
    }

    /// There was no wrong answer.
    pub fn judge(&self) {
        let wrong = self.shared.wrong.lock().unwrap();
        assert!(
            wrong.is_empty(),
            "{} wrong answers: {:#?}",
            wrong.len(),
            &wrong[..wrong.len().min(20)]
        );
    }

    /// Nothing was decided or acknowledged by calls that began and ended between these, when nobody could know.
    pub fn nothing_was_decided(&self, from: Instant, to: Instant) {
        let told = self.shared.told.lock().unwrap();
        let within = told.iter().filter(|told| told.asked >= from && told.answered < to);
        let decided: Vec<_> = within.filter(|told| told.said != Said::Later).collect();
        let latest = decided.iter().map(|told| told.asked.duration_since(from)).max();
        assert!(decided.is_empty(), "{} answers, the last {latest:?} after", decided.len());
        assert!(told.iter().any(|told| told.asked >= from && told.asked < to), "nobody asked");
    }

    /// Waits until nothing fails any more, and judges how long after the end of the fault the last call failed.
    pub async fn recovers(&self, ended: Instant) {
        let begun = Instant::now();
        loop {
            {
                let told = self.shared.told.lock().unwrap();
                let failures = told.iter().filter(|told| told.said == Said::Later);
                let last = failures.map(|told| told.answered).max().unwrap_or(ended).max(ended);
                let failed_for = last.duration_since(ended);
                let failures = self.shared.failures.lock().unwrap();
                assert!(
                    failed_for < RECOVERY,
                    "calls failed {failed_for:?} after the fault had ended: {failures:#?}"
                );
                // On a slow machine there are few answers.
                let since = told.iter().filter(|told| told.answered > last).count();
                if since >= ENOUGH && last.elapsed() > CALM {
                    return;
                }
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "there is no load any more");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// How many calls were made since the counting began, and how many failed.
    pub fn counts(&self) -> (usize, usize) {
        let told = self.shared.told.lock().unwrap();
        (told.len(), told.iter().filter(|told| told.said == Said::Later).count())
    }

    /// What came of a fault that began and ended then.
    pub fn row(&self, fault: &'static str, began: Instant, ended: Instant) -> Row {
        self.judge();
        let (requests, failed) = self.counts();
        let told = self.shared.told.lock().unwrap();
        let failures = told.iter().filter(|told| told.said == Said::Later);
        let recovered =
            failures.filter_map(|told| told.answered.checked_duration_since(ended)).max();
        Row { fault, lasted: ended.duration_since(began), requests, failed, recovered }
    }

    /// Ends the load.
    pub async fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }

    /// Ends it and compares the ledger with what this server says. Whatever was acknowledged is so, and nothing is
    /// half done.
    pub async fn end(mut self, server: &Server) {
        self.stop().await;
        self.judge();
        let Facts { ada, org, .. } = self.shared.facts.clone();
        let ledger = std::mem::take(&mut *self.shared.ledger.lock().unwrap());
        let mut siblings = AuthServiceClient::connect(server.grpc_url()).await.unwrap();
        for (id, value) in &ledger.made {
            if ledger.doubtful.contains(id) {
                continue;
            }
            let said = siblings.identify(Token { value: value.clone() }).await;
            let revoked = ledger.revoked.contains(id);
            match said {
                Ok(_) => assert!(!revoked, "the revocation of {id} is lost"),
                Err(status) if status.code() == Code::Unauthenticated => {
                    assert!(revoked, "the key {id} is lost");
                }
                Err(status) => panic!("{status:?}"),
            }
        }
        let owns = |org: &str| owner_of(&ada, org);
        siblings.authorize(owns(&org)).await.unwrap();
        for org in &ledger.orgs {
            siblings
                .authorize(owns(org))
                .await
                .unwrap_or_else(|no| panic!("{org} is lost: {no:?}"));
        }
        // Lists go by membership and views by the org, so a half-founded one would be missing in one of them.
        let mut offset = 0;
        loop {
            let path = format!("/orgs?limit=200&offset={offset}");
            let page: Value = get(server, &path, &ada).await.json().await.unwrap();
            let orgs = page["orgs"].as_array().unwrap();
            for org in orgs {
                let view =
                    get(server, &format!("/orgs/{}", org["id"].as_str().unwrap()), &ada).await;
                assert_eq!(view.status(), 200, "{org} is half there");
            }
            offset += orgs.len();
            if orgs.is_empty() {
                let total = usize::try_from(page["total"].as_u64().unwrap()).unwrap();
                assert!(offset == total && total > ledger.orgs.len(), "{offset} of {total}");
                return;
            }
        }
    }
}

fn owner_of(login: &str, org: &str) -> AuthorizeReq {
    AuthorizeReq {
        token: login.to_owned(),
        object: org.to_owned(),
        subject: "org".to_owned(),
        action: "owner".to_owned(),
    }
}

impl Shared {
    fn over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn target(&self, turn: usize) -> Target {
        let targets = self.targets.read().unwrap();
        targets[turn % targets.len()].clone()
    }

    fn note(&self, asked: Instant, said: Said) {
        self.told.lock().unwrap().push(Told { asked, answered: Instant::now(), said });
    }

    fn failed(&self, asked: Instant, why: String) {
        self.note(asked, Said::Later);
        let mut failures = self.failures.lock().unwrap();
        failures.push_back(why);
        if failures.len() > 5 {
            failures.pop_front();
        }
    }

    fn wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    /// Asks over kept connections, of each target in turn, what can only be answered in one way.
    async fn ask(self: Arc<Self>, number: usize) {
        let mut channels: Vec<(Target, Channel)> = Vec::new();
        for turn in number.. {
            if self.over() {
                return;
            }
            let target = self.target(turn);
            let known = channels.iter().find(|(known, _)| *known == target);
            let channel = if let Some((_, channel)) = known {
                channel.clone()
            } else {
                let endpoint = Endpoint::from_shared(target.grpc.clone()).unwrap();
                let channel = endpoint.connect_timeout(Duration::from_secs(2)).connect_lazy();
                channels.push((target.clone(), channel.clone()));
                channel
            };
            let mut siblings = AuthServiceClient::new(channel);
            let Facts { ada, eve, org, good_key, revoked_key } = &self.facts;
            let identify = |token: &str| Token { value: token.to_owned() };
            let (what, expected) = match turn % 4 {
                0 => ("a good key", Said::Yes),
                1 => ("an owner", Said::Yes),
                2 => ("a revoked key", Said::No),
                _ => ("a stranger", Said::No),
            };
            let asked = Instant::now();
            let answer = timeout(PATIENCE, async {
                match turn % 4 {
                    0 => siblings.identify(identify(good_key)).await.map(drop),
                    1 => siblings.authorize(owner_of(ada, org)).await.map(drop),
                    2 => siblings.identify(identify(revoked_key)).await.map(drop),
                    _ => siblings.authorize(owner_of(eve, org)).await.map(drop),
                }
            });
            match answer.await {
                Err(_) => self.wrong(format!("{what}: no answer within {PATIENCE:?}")),
                Ok(answer) => match meaning(&answer) {
                    Some(Said::Later) => self.failed(asked, format!("{what}: {answer:?}")),
                    Some(said) if said == expected => self.note(asked, said),
                    _ => self.wrong(format!("{what}: {answer:?}")),
                },
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Makes keys, revokes every other one and asks about it, and founds orgs.
    async fn write(self: Arc<Self>, number: usize) {
        for turn in number.. {
            if self.over() {
                return;
            }
            sleep(Duration::from_millis(10)).await;
            if turn % 3 == 2 {
                let body = json!({ "name": format!("org {turn}") });
                if let Some((_, place, _)) =
                    self.send(turn, Method::POST, "/orgs", Some(body)).await
                {
                    let org = place.trim_start_matches("/orgs/").to_owned();
                    self.ledger.lock().unwrap().orgs.push(org);
                }
                continue;
            }
            let body = Some(json!({ "type": 2 }));
            let Some((_, _, made)) = self.send(turn, Method::POST, "/keys", body).await else {
                continue;
            };
            let text = |name: &str| made[name].as_str().unwrap().to_owned();
            let (id, value) = (text("id"), text("value"));
            self.ledger.lock().unwrap().made.push((id.clone(), value.clone()));
            if turn % 3 == 1 {
                continue;
            }
            let path = format!("/keys/{id}");
            let revoked = self.send(turn + 1, Method::DELETE, &path, None).await;
            let Some((status, ..)) = revoked else {
                self.ledger.lock().unwrap().doubtful.push(id);
                continue;
            };
            self.ledger.lock().unwrap().revoked.push(id);
            // Answered as true everywhere, not only as written.
            if status == StatusCode::NO_CONTENT {
                self.is_refused_everywhere(&value).await;
            }
        }
    }

    async fn is_refused_everywhere(&self, key: &str) {
        let targets = self.targets.read().unwrap().clone();
        for target in targets {
            let endpoint = Endpoint::from_shared(target.grpc).unwrap();
            let Ok(channel) = endpoint.connect_timeout(Duration::from_secs(2)).connect().await
            else {
                continue;
            };
            let asked = Instant::now();
            let mut siblings = AuthServiceClient::new(channel);
            let asking = siblings.identify(Token { value: key.to_owned() });
            match timeout(PATIENCE, asking).await {
                Err(_) => self.wrong(format!("no answer within {PATIENCE:?}")),
                Ok(answer) => match meaning(&answer) {
                    Some(Said::Yes) | None => {
                        self.wrong(format!("after its revocation was acknowledged: {answer:?}"));
                    }
                    Some(Said::Later) => self.failed(asked, format!("a revoked key: {answer:?}")),
                    Some(Said::No) => self.note(asked, Said::No),
                },
            }
        }
    }

    /// Writes. Gives the status, the place and the body of an acknowledgement.
    async fn send(
        &self,
        turn: usize,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Option<(StatusCode, String, Value)> {
        let url = format!("{}{path}", self.target(turn).http);
        let mut request = self.client.request(method.clone(), url).bearer_auth(&self.facts.ada);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let asked = Instant::now();
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(failure) => {
                if failure.is_timeout() {
                    self.wrong(format!("{method} {path}: no answer within {PATIENCE:?}"));
                }
                self.failed(asked, format!("{method} {path}: {failure:?}"));
                return None;
            }
        };
        let status = answer.status();
        let headers = answer.headers().clone();
        // Cut off after the head: it was acknowledged, but nobody can tell what was made.
        let Ok(text) = answer.text().await else {
            self.failed(asked, format!("{method} {path}: {status} and no body"));
            return None;
        };
        match status.as_u16() {
            200..300 => {
                self.note(asked, Said::Yes);
                let place = headers.get("location").and_then(|place| place.to_str().ok());
                let body = serde_json::from_str(&text).unwrap_or_default();
                Some((status, place.unwrap_or_default().to_owned(), body))
            }
            503 if headers.contains_key("retry-after") => {
                self.failed(asked, format!("{method} {path}: {status} {text}"));
                None
            }
            // The balancer's own.
            502 | 504 => {
                self.failed(asked, format!("{method} {path}: {status}"));
                None
            }
            _ => {
                self.wrong(format!("{method} {path}: {status} {text}"));
                None
            }
        }
    }
}

/// What an answer says; nothing if it is one that nobody should ever get.
fn meaning<T>(answer: &Result<T, Status>) -> Option<Said> {
    let Err(status) = answer else { return Some(Said::Yes) };
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => Some(Said::No),
        Code::Unavailable => Some(Said::Later),
        // What was not said by us but by the client, of a connection that ended.
        _ if !status.metadata().contains_key("code")
            && std::error::Error::source(status).is_some() =>
        {
            Some(Said::Later)
        }
        _ => None,
    }
}
