//! Load whose every answer is judged, and a ledger of what was acknowledged.
//!
//! Askers ask what can only be answered in one way. Writers make keys, revoke every other one, found orgs, and
//! note what was acknowledged. An answer is *failed* if it says to come again, or there is none; *wrong* if it is a
//! yes or a no that is not true, or an error that says we are broken. Wrong answers are kept as sentences.

mod callers;
mod ledger;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use auth_grpc::proto::AuthorizeReq;
use auth_testkit::{Database, Server, Setup};
use reqwest::Method;
use tokio::task::JoinSet;
use tokio::time::sleep;

use self::ledger::Ledger;
use super::table::Row;
use crate::world::{embedded, found, make_key};

/// The longest any answer may take.
const PATIENCE: Duration = Duration::from_secs(12);
/// Nothing fails any more when nothing has failed for so long.
const CALM: Duration = Duration::from_millis(500);
/// And so many have been answered.
const ENOUGH: usize = 10;
/// How long coming back may take.
const RECOVERY: Duration = Duration::from_secs(5);

/// The binary on this database, with some patience for a machine that is busy with others: what is broken here is
/// not the machine.
pub fn on(database: &Database) -> Setup {
    embedded().on(database).set("MF_AUTH_DB_ACQUIRE_TIMEOUT", "1s")
}

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

    /// Waits until a call that began after this was answered: those of before may wait for long.
    pub async fn is_asked_after(&self, from: Instant) {
        let begun = Instant::now();
        while !self.shared.told.lock().unwrap().iter().any(|told| told.asked >= from) {
            assert!(begun.elapsed() < Duration::from_mins(1), "nobody asks any more");
            sleep(Duration::from_millis(20)).await;
        }
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
        self.recovers_within(RECOVERY, ended).await;
    }

    /// The same for a service that has just been started: however slow the machine, no call outlives its patience.
    pub async fn recovers_after_a_start(&self, ended: Instant) {
        self.recovers_within(PATIENCE, ended).await;
    }

    async fn recovers_within(&self, soon: Duration, ended: Instant) {
        let begun = Instant::now();
        loop {
            {
                let told = self.shared.told.lock().unwrap();
                let failures = told.iter().filter(|told| told.said == Said::Later);
                let last = failures.map(|told| told.answered).max().unwrap_or(ended).max(ended);
                let failed_for = last.duration_since(ended);
                let failures = self.shared.failures.lock().unwrap();
                assert!(
                    failed_for < soon,
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
        let ledger = std::mem::take(&mut *self.shared.ledger.lock().unwrap());
        ledger.compare(&self.shared.facts, server).await;
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
