//! Three processes on one PostgreSQL, writers, askers and a wrecker: whatever was acknowledged before a question
//! is asked is true in its answer, on every replica.
//!
//! Each subject goes through states that alternate between allowed and denied. Its writer counts a state as begun
//! before it asks for it and as acknowledged after the answer; an asker looks at the acknowledged one before it
//! asks and at the begun one after it was answered. The answer has to fit one of the states between.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use auth_grpc::proto::auth_service_client::AuthServiceClient;
use auth_grpc::proto::{AuthorizeReq, Token};
use auth_testkit::{Database, Postgres, Redis, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, RwLock};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::Code;
use tonic::transport::Channel;

use crate::world::{embedded, found, identify};

/// How long a race goes on at most, however slow the machine is.
const LONGEST: Duration = Duration::from_mins(30);
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

/// What is written and asked about: allowed at even states, denied at odd ones.
enum Kind {
    /// A member who is an editor at even states and a viewer at odd ones.
    Role { org: String, email: String, login: String },
    /// A user who is a member at even states and none at odd ones.
    Member { org: String, email: String, user: String, login: String },
    /// A user with a platform role at even states.
    Platform { user: String, login: String },
    /// A member with a role at even states, two levels above the group that is asked about.
    GroupRole { above: String, group: String, user: String, login: String },
    /// A group that lies below one in which a member has a role at even states, and elsewhere at odd ones. What
    /// is asked about lies below it.
    GroupMove { moved: String, places: [String; 2], group: String, login: String },
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
    /// A file for each place, which steps the clock of its process.
    clocks: TempDir,
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
    /// The setup of one of the places.
    fn setup_of(setup: &Setup, clocks: &TempDir, place: usize) -> Setup {
        let clock = clocks.path().join(place.to_string());
        setup.clone().set("KEYWARD_TEST_CLOCK", clock.to_str().unwrap())
    }

    /// Steps the clock of a place to so many milliseconds from everybody else's.
    fn step_clock(&self, place: usize, millis: i64) {
        let clock: PathBuf = self.clocks.path().join(place.to_string());
        let fresh = clock.with_extension("new");
        std::fs::write(&fresh, (millis * 1_000).to_string()).unwrap();
        std::fs::rename(fresh, clock).unwrap();
    }

    async fn start(setup: Setup) -> Self {
        let clocks = tempfile::tempdir().unwrap();
        // Reads arrive late, so that changes overtake them.
        let setup = setup
            .set("KEYWARD_TEST_LINGER", "10")
            .set("MF_AUTH_RATE_LIMITS", "off")
            .set("MF_AUTH_DB_ACQUIRE_TIMEOUT", "2s");
        let mut places = Vec::new();
        for place in 0..3 {
            let setup = Self::setup_of(&setup, &clocks, place);
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
            clocks,
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
        let member = async |name: &str, role: &str| {
            let email = format!("{name}@example.com");
            let login = server.user(&email).await.unwrap();
            let body = json!({ "org_memberships": [{ "email": email, "role": role }] });
            let path = format!("/orgs/{org}/memberships");
            let added = server.send(Method::POST, &path, Some(&self.owner), Some(&body)).await;
            assert_eq!(added.unwrap().status(), 200);
            (identify(server, &login).await.unwrap(), email, login)
        };
        let (user, email, login) = member("guest", "viewer").await;
        kinds.push(Kind::Member { org: org.clone(), email, user, login });
        let login = server.user("platform@example.com").await.unwrap();
        let user = identify(server, &login).await.unwrap();
        self.put(&format!("/platform-roles/{user}"), &self.root, json!({ "role": "admin" })).await;
        kinds.push(Kind::Platform { user, login });

        let below = async |parent: Option<&str>, name: &str| {
            let body = match parent {
                Some(parent) => json!({ "name": name, "parent_id": parent }),
                None => json!({ "name": name, "org_id": org }),
            };
            let made = server.send(Method::POST, "/groups", Some(&self.owner), Some(&body)).await;
            let location = made.unwrap().headers()["location"].to_str().unwrap().to_owned();
            location.strip_prefix("/groups/").unwrap().to_owned()
        };
        let (user, _, login) = member("given", "viewer").await;
        let above = below(None, "given").await;
        let group = below(Some(&below(Some(&above), "between").await), "asked about").await;
        let editor = json!({ "role": "editor" });
        self.put(&format!("/groups/{above}/roles/{user}"), &self.owner, editor.clone()).await;
        kinds.push(Kind::GroupRole { above, group, user, login });
        let (user, _, login) = member("moved", "viewer").await;
        let places = [below(None, "here").await, below(None, "elsewhere").await];
        let moved = below(Some(&places[0]), "moved").await;
        let group = below(Some(&moved), "asked about").await;
        self.put(&format!("/groups/{}/roles/{user}", places[0]), &self.owner, editor).await;
        kinds.push(Kind::GroupMove { moved, places, group, login });

        let subject = |kind| {
            Arc::new(Subject { kind, begun: AtomicU64::new(0), acknowledged: AtomicU64::new(0) })
        };
        kinds.into_iter().map(subject).collect()
    }

    async fn put(&self, path: &str, token: &str, body: Value) {
        self.insist(Method::PUT, path, token, Some(body)).await;
    }

    /// Sends until it is answered with a yes: after an outage nobody knows what became of it. So what is gone
    /// already, or there already, is a yes to whoever asks again.
    async fn insist(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Value {
        let begun = Instant::now();
        let done = match method {
            Method::DELETE | Method::PATCH => 404,
            Method::POST => 409,
            _ => 200,
        };
        for turn in 0.. {
            let said = {
                let place = self.places[turn % 3].read().await;
                let sent = place.server.send(method.clone(), path, Some(token), body.as_ref());
                match timeout(PATIENCE, sent).await {
                    Ok(Ok(answer)) => {
                        let status = answer.status();
                        if matches!(status.as_u16(), 200 | 201 | 204) || status == done {
                            return answer.json().await.unwrap_or_default();
                        }
                        format!("{status}: {}", answer.text().await.unwrap_or_default())
                    }
                    Ok(Err(failure)) => format!("{failure:#}"),
                    Err(_) => "nothing in time".to_owned(),
                }
            };
            let patient = begun.elapsed() < Duration::from_mins(3);
            assert!(patient, "{method} {path} is never answered, but {said}");
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
            Kind::Member { org, email, user, .. } => {
                let path = format!("/orgs/{org}/memberships");
                let (method, body) = if allowed {
                    let body = json!({ "org_memberships": [{ "email": email, "role": "viewer" }] });
                    (Method::POST, body)
                } else {
                    (Method::PATCH, json!({ "member_ids": [user] }))
                };
                self.insist(method, &path, &self.owner, Some(body)).await;
            }
            Kind::Platform { user, .. } => {
                let path = format!("/platform-roles/{user}");
                if allowed {
                    self.put(&path, &self.root, json!({ "role": "admin" })).await;
                } else {
                    self.insist(Method::DELETE, &path, &self.root, None).await;
                }
            }
            Kind::GroupRole { above, user, .. } => {
                let path = format!("/groups/{above}/roles/{user}");
                if allowed {
                    self.put(&path, &self.owner, json!({ "role": "editor" })).await;
                } else {
                    self.insist(Method::DELETE, &path, &self.owner, None).await;
                }
            }
            Kind::GroupMove { moved, places, .. } => {
                let place = &places[usize::from(!allowed)];
                let path = format!("/groups/{moved}/parent");
                self.put(&path, &self.owner, json!({ "parent_id": place })).await;
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
        let mut authorize = async |login: &String, [subject, object, action]: [&str; 3]| {
            let request = AuthorizeReq {
                token: login.clone(),
                object: object.into(),
                subject: subject.into(),
                action: action.into(),
            };
            timeout(PATIENCE, siblings.authorize(request)).await.map(|said| said.map(drop))
        };
        let known = subject.acknowledged.load(Ordering::SeqCst);
        let (from, known, answer) = match &subject.kind {
            Kind::Role { org, login, .. } => {
                (0, known, authorize(login, ["org", org, "editor"]).await)
            }
            Kind::Member { org, login, .. } => {
                (0, known, authorize(login, ["org", org, "viewer"]).await)
            }
            Kind::Platform { login, .. } => (0, known, authorize(login, ["root", "", ""]).await),
            Kind::GroupRole { group, login, .. } | Kind::GroupMove { group, login, .. } => {
                (0, known, authorize(login, ["group", group, "editor"]).await)
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
            Kind::Role { .. }
            | Kind::Member { .. }
            | Kind::Platform { .. }
            | Kind::GroupRole { .. }
            | Kind::GroupMove { .. } => known != begun || allowed == known.is_multiple_of(2),
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

    fn counts(&self) -> String {
        let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        format!(
            "{} answers judged, {} writes, {} without an answer, {} stale allows, {} stale denies",
            count(&self.asked),
            count(&self.writes),
            count(&self.unsure),
            count(&self.stale_allows),
            count(&self.stale_denies)
        )
    }

    fn over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// Steps the clocks of the processes, to and fro, as far from one another as they may be: the rest of the 10
/// seconds is for the time that passes between two looks at a clock.
async fn step_clocks(fleet: Arc<Fleet>) {
    for round in 0_usize.. {
        sleep(Duration::from_millis(150)).await;
        if fleet.over() {
            return;
        }
        let steps = [4_000, -4_000, 0, -2_500, 3_999, 1_000, -3_500];
        fleet.step_clock(round % 3, steps[round % steps.len()]);
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
                let setup = Fleet::setup_of(&fleet.setup, &fleet.clocks, place);
                let fresh = Place::start(&setup).await;
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
    tasks.spawn(step_clocks(Arc::clone(&fleet)));
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
    let begun = Instant::now();
    let mut told = Duration::ZERO;
    while fleet.asked.load(Ordering::SeqCst) < answers && begun.elapsed() < LONGEST {
        sleep(Duration::from_millis(20)).await;
        if begun.elapsed() > told + Duration::from_secs(30) {
            told = begun.elapsed();
            println!("after {told:?}: {}", fleet.counts());
        }
    }
    fleet.stop.store(true, Ordering::SeqCst);
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    fleet
}

fn report(name: &str, fleet: &Fleet) -> (u64, u64) {
    println!("{name}: {}", fleet.counts());
    let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    assert!(count(&fleet.writes) > 10, "{name}: hardly anything was written");
    (count(&fleet.stale_allows), count(&fleet.stale_denies))
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
