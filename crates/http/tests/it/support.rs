//! A world to send requests to.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::app::Ports;
use auth_domain::audit::Context;
use auth_domain::change::{Change, Commit};
use auth_domain::checks::Direct;
use auth_domain::directory::BuiltIn;
use auth_domain::model::{
    Email, KeyKind, Membership, OrgId, OrgRole, PasswordHash, PlatformRole, UserId,
};
use auth_domain::ops::keys::IssueToken;
use auth_domain::ops::roles::AssignRole;
use auth_domain::ports::{Attempt, Class, Clock, Guess, Ids, Observer, Passwords, Store, Throttle};
use auth_domain::{App, Caller, Error, Id, Result, Rules, Timestamp};
use auth_http::Options;
use auth_jwt::{HmacNotary, HmacSeals, JwtTokens, RandomRefreshTokens};
use auth_sqlite::SqliteStore;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName};
use http::{HeaderMap, Method, Request, StatusCode, request};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;
use uuid::Uuid;

use crate::described;

const SECRET: &str = "a secret that is long enough for tests of HTTP";

/// What chains and seals the audit trail.
fn notary() -> Arc<HmacNotary> {
    Arc::new(HmacNotary::new(&SECRET.into(), &[]).unwrap())
}

/// What a commit that nobody asked for has for the audit trail.
pub fn audit() -> Context {
    Context::plain("test", notary())
}

/// When everything happens unless a test moves the clock.
pub const NOW: i64 = 1_700_000_000;

/// As far ahead are tests whose invites the store, which has a clock of its own, must not find expired.
pub const CENTURY: i64 = 100 * 365 * 24 * 3600;

/// A service of its own, and what a test can turn in it.
pub struct World {
    pub app: App,
    pub clock: Arc<StoppedClock>,
    pub passwords: Arc<PlainPasswords>,
    pub observer: Arc<Witness>,
    ids: Arc<CountedIds>,
    router: Router,
}

/// Somebody with a login token.
pub struct Person {
    pub id: UserId,
    pub email: String,
    pub token: String,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Options { accounts: true, ..Options::default() }, Rules::default()).await
    }

    pub async fn with(options: Options, rules: Rules) -> Self {
        Self::on(SqliteStore::in_memory().await.unwrap(), options, rules)
    }

    /// On a store that several can read at once, which one in memory does not have. It goes with the
    /// directory.
    pub async fn on_disk() -> (TempDir, Self) {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path()).await.unwrap();
        let options = Options { accounts: true, ..Options::default() };
        (directory, Self::on(store, options, Rules::default()))
    }

    fn on(store: SqliteStore, options: Options, rules: Rules) -> Self {
        let clock = Arc::new(StoppedClock(AtomicI64::new(NOW)));
        let ids = Arc::new(CountedIds(AtomicU64::new(0)));
        let passwords = Arc::new(PlainPasswords::default());
        let observer = Arc::new(Witness::default());
        let secret = SecretString::from(SECRET);
        let tokens = JwtTokens::new(&secret, &[]).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let direct = Arc::new(Direct::new(Arc::clone(&store)));
        let ports = Ports {
            store: Arc::clone(&store),
            checks: direct.clone(),
            replicas: direct,
            directory: Arc::new(BuiltIn::new(store)),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            ids: Arc::clone(&ids) as Arc<dyn Ids>,
            cursors: Arc::new(tokens.cursors()),
            tickets: Arc::new(tokens.tickets()),
            refresh: Arc::new(RandomRefreshTokens),
            tokens: Arc::new(tokens),
            passwords: Arc::clone(&passwords) as Arc<dyn Passwords>,
            throttle: Arc::new(FewTries::default()),
            seals: Arc::new(HmacSeals::new(&secret, &[]).unwrap()),
            notary: notary(),
            observer: Arc::clone(&observer) as Arc<dyn Observer>,
        };
        let app = App::new(ports, rules);
        let router = auth_http::router(app.clone(), options);
        Self { app, clock, passwords, observer, ids, router }
    }

    /// The router, for tests that need a socket.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    pub async fn person(&self, name: &str) -> Person {
        let id = Id::new(self.ids.next());
        let email = format!("{name}@example.com");
        let token = self.token(id, &email, KeyKind::Login).await;
        Person { id, email, token }
    }

    pub async fn holder(&self, name: &str, role: PlatformRole) -> Person {
        let person = self.person(name).await;
        self.app.execute(Caller::System, AssignRole { user: person.id, role }).await.unwrap();
        person
    }

    pub async fn root(&self) -> Person {
        self.holder("root", PlatformRole::Root).await
    }

    pub async fn token(&self, user: UserId, email: &str, kind: KeyKind) -> String {
        let operation = IssueToken { user, email: email.to_owned(), kind };
        self.app.execute(Caller::System, operation).await.unwrap().expose().to_owned()
    }

    /// Somebody with an account, who can be found by their address.
    pub async fn account(&self, name: &str) -> Person {
        let email = format!("{name}@example.com");
        let body = serde_json::json!({
            "user": { "email": email, "password": "password1" }, "redirect_path": "/v"
        });
        self.post("/register").body(&body.to_string()).send().await.assert_empty(201);
        let found = self.store().account_by_email(&email.parse().unwrap()).await.unwrap();
        let id = found.unwrap().id;
        let token = self.token(id, &email, KeyKind::Login).await;
        Person { id, email, token }
    }

    /// A fresh API key of theirs: its id and its value.
    pub async fn api_key(&self, person: &Person) -> (String, String) {
        let answer = self.post("/keys").bearer(&person.token).body(r#"{"type":2}"#).send().await;
        assert_eq!(answer.status, StatusCode::CREATED);
        let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        (text("id"), text("value"))
    }

    /// A fresh org of theirs: its id.
    pub async fn org(&self, owner: &Person, body: &Value) -> String {
        let answer = self.post("/orgs").bearer(&owner.token).body(&body.to_string()).send().await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        answer.header("location").strip_prefix("/orgs/").unwrap().to_owned()
    }

    pub async fn join(&self, org: &str, person: &Person, role: OrgRole) {
        self.join_user(org, person.id, role).await;
    }

    pub async fn join_user(&self, org: &str, member: UserId, role: OrgRole) {
        let org: OrgId = org.parse().unwrap();
        let at = Timestamp::from_seconds(NOW);
        let membership = Membership { org, member, role, created_at: at, updated_at: at };
        let changes = vec![Change::InsertMembership(membership)];
        let commit =
            Commit { actor: "test".to_owned(), at, guards: Vec::new(), changes, audit: audit() };
        self.store().commit(commit).await.unwrap();
    }

    pub fn store(&self) -> &dyn Store {
        self.app.store()
    }

    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    pub fn put(&self, path: &str) -> Call {
        self.call(Method::PUT, path)
    }

    pub fn patch(&self, path: &str) -> Call {
        self.call(Method::PATCH, path)
    }

    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    pub fn call(&self, method: Method, path: &str) -> Call {
        Call {
            router: self.router(),
            request: Request::builder().method(method).uri(path).header(HOST, "auth"),
            body: Body::empty(),
        }
    }
}

/// A request in the making.
pub struct Call {
    router: Router,
    request: request::Builder,
    body: Body,
}

impl Call {
    pub fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION, &format!("Bearer {token}"))
    }

    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// A JSON body with its content type.
    pub fn body(self, text: &str) -> Self {
        self.header(CONTENT_TYPE, "application/json").raw(Body::from(text.to_owned()))
    }

    pub fn raw(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// The answer as it begins, of which nobody has read the body yet.
    pub async fn open(self) -> Response {
        self.router.oneshot(self.request.body(self.body).unwrap()).await.unwrap()
    }

    /// The answer, once it is found to be one that the description gives.
    pub async fn send(self) -> Answer {
        let (method, uri) = (self.request.method_ref(), self.request.uri_ref());
        let (method, uri) = (method.unwrap().clone(), uri.unwrap().clone());
        let work = async { Answer::read(self.open().await).await };
        let answer = tokio::time::timeout(Duration::from_secs(10), work).await.unwrap();
        let status = answer.status.as_u16();
        described::check(&method, uri.path(), status, &answer.headers, &answer.body);
        answer
    }
}

/// A response, read.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The member names of an object, in the order they were sent.
    pub fn members(&self) -> Vec<String> {
        let names = self.json().as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let place = |name: &String| self.text().find(&format!("\"{name}\":")).unwrap();
        let mut names = names;
        names.sort_by_key(place);
        names
    }

    /// The status and the text that older clients read.
    pub fn refusal(&self) -> (u16, String) {
        let error = self.json()["error"].as_str().unwrap().to_owned();
        (self.status.as_u16(), error)
    }

    #[track_caller]
    pub fn assert_refused(&self, status: u16, error: &str) {
        assert_eq!(self.refusal(), (status, error.to_owned()));
    }

    #[track_caller]
    pub fn assert_empty(&self, status: u16) {
        assert_eq!((self.status.as_u16(), self.text()), (status, ""));
    }
}

pub struct StoppedClock(AtomicI64);

impl StoppedClock {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

struct CountedIds(AtomicU64);

impl Ids for CountedIds {
    fn next(&self) -> Uuid {
        let count = self.0.fetch_add(1, Ordering::SeqCst);
        Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(count))
    }
}

/// What checking a password does.
#[derive(Clone, Copy, Default)]
pub enum Mood {
    #[default]
    Works,
    Busy,
    Broken,
    Hangs,
}

#[derive(Default)]
pub struct PlainPasswords(Mutex<Mood>);

impl PlainPasswords {
    pub fn feel(&self, mood: Mood) {
        *self.0.lock().unwrap() = mood;
    }

    async fn wait(&self) -> Result<()> {
        let mood = *self.0.lock().unwrap();
        match mood {
            Mood::Works => Ok(()),
            Mood::Busy => Err(Error::unavailable("secret-cause-1")),
            Mood::Broken => Err(Error::internal("secret-cause-2")),
            Mood::Hangs => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Passwords for PlainPasswords {
    fn acceptable(&self, password: &SecretString, _: Option<&Email>) -> bool {
        let text = password.expose_secret();
        text.chars().count() >= 8 && text.len() <= 72 && !text.contains(char::is_whitespace)
    }

    fn can_check(&self, hash: &PasswordHash) -> bool {
        hash.expose().starts_with("plain:")
    }

    async fn hash(&self, password: SecretString) -> Result<PasswordHash> {
        self.wait().await?;
        Ok(PasswordHash::new(format!("plain:{}", password.expose_secret())))
    }

    async fn verify(
        &self,
        password: SecretString,
        hash: Option<PasswordHash>,
        _mixed: bool,
    ) -> Result<Guess> {
        self.wait().await?;
        let given = format!("plain:{}", password.expose_secret());
        Ok(hash.is_some_and(|hash| hash.expose() == given).into())
    }
}

/// Refuses what was attempted so often: three times to sign in, as often as it is by default to invite.
#[derive(Default)]
struct FewTries(Mutex<Vec<String>>);

#[async_trait]
impl Throttle for FewTries {
    fn counts(&self, _: Class) -> bool {
        true
    }

    async fn enter(&self, attempt: Attempt<'_>) -> Result<()> {
        let most = match attempt {
            Attempt::Call(_) => return Ok(()),
            Attempt::SignIn { .. } | Attempt::BeingSentLink { .. } => 3,
            Attempt::Inviting(_) => 60,
            Attempt::BeingInvited { .. } => 5,
            Attempt::InviteMail(_) | Attempt::AskingForLink { .. } => 20,
        };
        let (mut tries, attempt) = (self.0.lock().unwrap(), format!("{attempt:?}"));
        if tries.iter().filter(|other| **other == attempt).count() >= most {
            return Err(Error::RateLimited(Duration::from_millis(1_500)));
        }
        tries.push(attempt);
        Ok(())
    }

    async fn take_back(&self, attempt: Attempt<'_>) {
        let (mut tries, attempt) = (self.0.lock().unwrap(), format!("{attempt:?}"));
        let last = tries.iter().rposition(|other| *other == attempt).unwrap();
        tries.remove(last);
    }

    async fn not_before(&self, wait: Duration) -> Result<()> {
        Err(Error::RateLimited(wait))
    }
}

/// Remembers which operations ran and how they went.
#[derive(Default)]
pub struct Witness(Mutex<Vec<(&'static str, &'static str)>>);

impl Witness {
    /// What ran since the last time somebody asked.
    pub fn seen(&self) -> Vec<(&'static str, &'static str)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Observer for Witness {
    fn observe(&self, operation: &'static str, outcome: &'static str, _: Duration) {
        self.0.lock().unwrap().push((operation, outcome));
    }
}
