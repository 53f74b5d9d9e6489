//! Three processes on one PostgreSQL, writers, askers and a wrecker: whatever was acknowledged before a question
//! is asked is true in its answer, on every replica.
//!
//! Each subject goes through states that alternate between allowed and denied. Its writer counts a state as begun
//! before it asks for it and as acknowledged after the answer; an asker looks at the acknowledged one before it
//! asks and at the begun one after it was answered. The answer has to fit one of the states between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use auth_grpc::proto::auth_service_client::AuthServiceClient;
use auth_grpc::proto::{AuthorizeReq, Token};
use auth_testkit::{Database, Postgres, Redis, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::{Mutex, RwLock};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::Code;
use tonic::transport::Channel;

use crate::world::{embedded, found, identify};

/// How long an asker waits for a replica that may be stopped or dead.
const PATIENCE: Duration = Duration::from_secs(5);

/// A replica that may be replaced by another one.
struct Place {
    server: Server,
    siblings: AuthServiceClient<Channel>,
}

impl Place {
    async fn start(setup: &Setup) -> Self {
        // While others are being wrecked, a start may find no connection in time.
        let mut turns = 0;
        let server = loop {
            match setup.start().await {
                Ok(server) => break server,
                Err(problem) => {
                    turns += 1;
                    assert!(turns < 20, "{problem:#}");
                }
            }
        };
        let channel = Channel::from_shared(server.grpc_url()).unwrap().connect_lazy();
        Self { siblings: AuthServiceClient::new(channel), server }
    }
}

/// What is written and asked about.
enum Kind {
    /// A member who is an editor at even states and a viewer at odd ones.
    Role { org: String, email: String, login: String },
    /// A user whose sessions are ended at odd states, and who signs in for even ones.
    Session { user: String, login: Mutex<(u64, String)> },
    /// A key that is made for even states and revoked at odd ones.
    Key { key: Mutex<(u64, String, String)> },
}

struct Subject {
    kind: Kind,
    begun: AtomicU64,
    acknowledged: AtomicU64,
}

struct Fleet {
    setup: Setup,
    places: Vec<RwLock<Place>>,
    owner: String,
    root: String,
    stop: AtomicBool,
    asked: AtomicU64,
    unsure: AtomicU64,
    stale_allows: AtomicU64,
    stale_denies: AtomicU64,
    writes: AtomicU64,
}

impl Fleet {
    async fn start(setup: Setup) -> Self {
        // Reads arrive late, so that changes overtake them.
        let setup = setup
            .set("KEYWARD_TEST_LINGER", "10")
            .set("MF_AUTH_RATE_LIMITS", "off")
            .set("MF_AUTH_DB_ACQUIRE_TIMEOUT", "2s");
        let mut places = Vec::new();
        for _ in 0..3 {
            places.push(RwLock::new(Place::start(&setup).await));
        }
        let (owner, root) = {
            let place = places[0].read().await;
            (
                place.server.user("owner@example.com").await.unwrap(),
                place.server.admin().await.unwrap(),
            )
        };
        Self {
            setup,
            places,
            owner,
            root,
            stop: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            unsure: AtomicU64::new(0),
            stale_allows: AtomicU64::new(0),
            stale_denies: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        }
    }

    async fn subjects(&self) -> Vec<Arc<Subject>> {
        let place = self.places[0].read().await;
        let server = &place.server;
        let org = found(server, &self.owner, "acme").await;
        let mut kinds = Vec::new();
        for number in 0..2 {
            let email = format!("member{number}@example.com");
            let login = server.user(&email).await.unwrap();
            let body = json!({ "org_memberships": [{ "email": email, "role": "editor" }] });
            let path = format!("/orgs/{org}/memberships");
            let added = server.send(Method::POST, &path, Some(&self.owner), Some(&body)).await;
            assert_eq!(added.unwrap().status(), 200);
            kinds.push(Kind::Role { org: org.clone(), email, login });
            let login = server.user(&format!("session{number}@example.com")).await.unwrap();
            let user = identify(server, &login).await.unwrap();
            kinds.push(Kind::Session { user, login: Mutex::new((0, login)) });
            let (id, key) = crate::world::make_key(server, &self.owner).await;
            kinds.push(Kind::Key { key: Mutex::new((0, id, key)) });
        }
        let subject = |kind| {
            Arc::new(Subject { kind, begun: AtomicU64::new(0), acknowledged: AtomicU64::new(0) })
        };
        kinds.into_iter().map(subject).collect()
    }

    /// Sends until it is answered with a yes: after an outage nobody knows what became of it.
    async fn insist(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Value {
        let begun = Instant::now();
        for turn in 0.. {
            {
                let place = self.places[turn % 3].read().await;
                let sent = place.server.send(method.clone(), path, Some(token), body.as_ref());
                if let Ok(Ok(answer)) = timeout(PATIENCE, sent).await
                    && matches!(answer.status().as_u16(), 200 | 201 | 204)
                {
                    return answer.json().await.unwrap_or_default();
                }
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "{method} {path} is never answered");
            sleep(Duration::from_millis(20)).await;
        }
        unreachable!()
    }

    async fn write(&self, subject: &Subject) {
        let state = subject.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let allowed = state.is_multiple_of(2);
        match &subject.kind {
            Kind::Role { org, email, .. } => {
                let role = if allowed { "editor" } else { "viewer" };
                let body = json!({ "org_memberships": [{ "email": email, "role": role }] });
                let path = format!("/orgs/{org}/memberships");
                self.insist(Method::PUT, &path, &self.owner, Some(body)).await;
            }
            Kind::Session { user, login } if allowed => {
                let request = auth_grpc::proto::IssueReq {
                    id: user.clone(),
                    email: "session@example.com".into(),
                    r#type: 0,
                };
                for turn in 0.. {
                    let mut siblings = self.places[turn % 3].read().await.siblings.clone();
                    let issued = timeout(PATIENCE, siblings.issue(request.clone())).await;
                    if let Ok(Ok(token)) = issued {
                        *login.lock().await = (state, token.into_inner().value);
                        break;
                    }
                    sleep(Duration::from_millis(20)).await;
                }
            }
            Kind::Session { user, .. } => {
                let path = format!("/users/{user}/sessions");
                self.insist(Method::DELETE, &path, &self.root, None).await;
            }
            Kind::Key { key } if allowed => {
                let body = json!({ "type": 2 });
                let made = self.insist(Method::POST, "/keys", &self.owner, Some(body)).await;
                let text = |name: &str| made[name].as_str().unwrap().to_owned();
                *key.lock().await = (state, text("id"), text("value"));
            }
            Kind::Key { key } => {
                let path = format!("/keys/{}", key.lock().await.1);
                self.insist(Method::DELETE, &path, &self.owner, None).await;
            }
        }
        subject.acknowledged.store(state, Ordering::SeqCst);
        self.writes.fetch_add(1, Ordering::SeqCst);
    }

    /// Asks one replica, and judges its answer.
    async fn ask(&self, subject: &Subject, place: usize) {
        let mut siblings = self.places[place].read().await.siblings.clone();
        let identify = |token: String, mut siblings: AuthServiceClient<Channel>| async move {
            siblings.identify(Token { value: token }).await.map(drop)
        };
        // A token that was made for a state is good from there up to the next.
        let (from, known, answer) = match &subject.kind {
            Kind::Role { org, login, .. } => {
                let known = subject.acknowledged.load(Ordering::SeqCst);
                let request = AuthorizeReq {
                    token: login.clone(),
                    object: org.clone(),
                    subject: "org".into(),
                    action: "editor".into(),
                };
                let asked = async { siblings.authorize(request).await.map(drop) };
                (0, known, timeout(PATIENCE, asked).await)
            }
            Kind::Session { login, .. } => {
                let (from, token) = login.lock().await.clone();
                let known = subject.acknowledged.load(Ordering::SeqCst).max(from);
                (from, known, timeout(PATIENCE, identify(token, siblings)).await)
            }
            Kind::Key { key } => {
                let (from, _, token) = key.lock().await.clone();
                let known = subject.acknowledged.load(Ordering::SeqCst).max(from);
                (from, known, timeout(PATIENCE, identify(token, siblings)).await)
            }
        };
        let begun = subject.begun.load(Ordering::SeqCst);
        let allowed = match answer {
            Ok(Ok(())) => true,
            Ok(Err(status))
                if matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated) =>
            {
                false
            }
            // Stopped, dead, or without a database: it did not say.
            _ => {
                self.unsure.fetch_add(1, Ordering::SeqCst);
                return;
            }
        };
        self.asked.fetch_add(1, Ordering::SeqCst);
        let fits = match subject.kind {
            Kind::Role { .. } => known != begun || allowed == known.is_multiple_of(2),
            // Once dead, always dead.
            Kind::Session { .. } | Kind::Key { .. } => {
                if known > from {
                    !allowed
                } else {
                    begun > from || allowed
                }
            }
        };
        if !fits {
            let count = if allowed { &self.stale_allows } else { &self.stale_denies };
            count.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// Stops, kills and cuts off, one after another.
async fn wreck(fleet: Arc<Fleet>, database: Database) {
    for round in 0_usize.. {
        sleep(Duration::from_millis(700)).await;
        if fleet.over() {
            return;
        }
        let place = round % 3;
        match round % 4 {
            0 | 2 => {
                let pid = fleet.places[place].read().await;
                pid.server.signal("STOP").await.unwrap();
                sleep(Duration::from_millis(if round % 8 == 0 { 1_600 } else { 300 })).await;
                pid.server.signal("CONT").await.unwrap();
            }
            1 => {
                let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                           WHERE pid <> pg_backend_pid() AND application_name = 'keyward'";
                database.execute(cut).await.unwrap();
            }
            _ => {
                let fresh = Place::start(&fleet.setup).await;
                let old = std::mem::replace(&mut *fleet.places[place].write().await, fresh);
                old.server.kill().await.unwrap();
            }
        }
    }
}

/// Freezes, empties, poisons and stops Redis.
async fn poison(fleet: Arc<Fleet>, mut redis: Redis) {
    for round in 0_u32.. {
        sleep(Duration::from_millis(400)).await;
        if fleet.over() {
            return;
        }
        match round % 4 {
            0 => {
                redis.freeze().await.unwrap();
                sleep(Duration::from_millis(1_500)).await;
                redis.thaw().await.unwrap();
            }
            1 => {
                redis.stop();
                sleep(Duration::from_millis(500)).await;
                redis.start_again().await.unwrap();
            }
            2 => {
                for garbage in
                    ["", "-1", "9223372036854775807", "\u{0}\u{1}{]", &"x".repeat(10_000)]
                {
                    redis.ask(&["PUBLISH", "keyward.changes", garbage]).await.unwrap();
                }
            }
            _ => redis.flush().await.unwrap(),
        }
    }
}

/// Runs until so many answers were judged; gives the fleet with its counts.
async fn race(
    setup: Setup,
    answers: u64,
    database: Option<Database>,
    redis: Option<Redis>,
) -> Arc<Fleet> {
    let fleet = Arc::new(Fleet::start(setup).await);
    let subjects = fleet.subjects().await;
    let mut tasks = JoinSet::new();
    if let Some(database) = database {
        tasks.spawn(wreck(Arc::clone(&fleet), database));
    }
    if let Some(redis) = redis {
        tasks.spawn(poison(Arc::clone(&fleet), redis));
    }
    for subject in &subjects {
        let (writing, written) = (Arc::clone(&fleet), Arc::clone(subject));
        tasks.spawn(async move {
            while !writing.over() {
                writing.write(&written).await;
            }
        });
        for place in 0..3 {
            let (asking, asked) = (Arc::clone(&fleet), Arc::clone(subject));
            tasks.spawn(async move {
                while !asking.over() {
                    asking.ask(&asked, place).await;
                }
            });
        }
    }
    let deadline = Instant::now() + Duration::from_mins(30);
    while fleet.asked.load(Ordering::SeqCst) < answers && Instant::now() < deadline {
        sleep(Duration::from_millis(20)).await;
    }
    fleet.stop.store(true, Ordering::SeqCst);
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    fleet
}

fn report(name: &str, fleet: &Fleet) -> (u64, u64) {
    let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    let stale = (count(&fleet.stale_allows), count(&fleet.stale_denies));
    println!(
        "{name}: {} answers judged, {} writes, {} without an answer, {} stale allows, {} stale denies",
        count(&fleet.asked),
        count(&fleet.writes),
        count(&fleet.unsure),
        stale.0,
        stale.1
    );
    assert!(count(&fleet.writes) > 10, "{name}: hardly anything was written");
    stale
}

/// `KEYWARD_RACES=200000` judges that many; `make test-races` does.
#[expect(clippy::disallowed_methods, reason = "how long the test takes is for whoever runs it")]
fn answers() -> u64 {
    std::env::var("KEYWARD_RACES").ok().map_or(4_000, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_replica_answers_from_before_an_acknowledged_write() {
    let postgres = Postgres::start().await.unwrap();
    let database = postgres.database().await.unwrap();
    let setup = embedded().on(&database);
    let fleet = race(setup, answers(), Some(database), None).await;
    assert_eq!(report("PostgreSQL alone", &fleet), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r9_to_r12_nor_with_a_redis_that_is_frozen_emptied_poisoned_and_stopped() {
    let postgres = Postgres::start().await.unwrap();
    let database = postgres.database().await.unwrap();
    let redis = Redis::start().await.unwrap();
    let setup = embedded().on(&database);
    let setup = setup.set("MF_AUTH_ES_URL", redis.address());
    let fleet = race(setup, answers(), Some(database), Some(redis)).await;
    assert_eq!(report("with Redis", &fleet), (0, 0));
}

/// A check that cannot fail proves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_wait_or_the_stamp_stale_answers_are_found() {
    let postgres = Postgres::start().await.unwrap();
    for part in ["wait", "stamp"] {
        let database = postgres.database().await.unwrap();
        let setup = embedded().on(&database);
        let setup = setup.set("KEYWARD_TEST_WITHOUT", part);
        let fleet = race(setup, answers().min(4_000), None, None).await;
        let (allows, denies) = report(part, &fleet);
        assert!(allows + denies > 0, "nobody notices that the {part} is left out");
    }
}
