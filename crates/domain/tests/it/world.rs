//! A small world to run use cases in.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::app::Ports;
use auth_domain::audit::Context;
use auth_domain::change::{Change, Commit};
use auth_domain::checks::Direct;
use auth_domain::directory::BuiltIn;
use auth_domain::model::{
    Account, AccountStatus, Claims, Email, KeyKind, Membership, Metadata, OrgId, OrgRole,
    PasswordHash, Person, PlatformRole, Token, UserId,
};
use auth_domain::ports::{
    Accounts, Attempt, Call, ChangeLog, Class, Clock, Directory, Guess, Ids, Observer, Passwords,
    Store, Throttle, Tokens,
};
use auth_domain::{App, Caller, Error, Id, Operation, Result, Rules, Timestamp, ops};
use auth_jwt::{HmacNotary, HmacSeals, JwtTokens, RandomRefreshTokens};
use auth_sqlite::SqliteStore;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

/// Everything a test touches.
pub struct World {
    pub app: App,
    pub store: Arc<SqliteStore>,
    pub tokens: Arc<JwtTokens>,
    pub clock: Arc<StoppedClock>,
    pub seen: Arc<Seen>,
    pub throttle: Arc<FewTries>,
    pub passwords: Arc<PlainPasswords>,
}

/// A world where nobody did anything yet.
pub async fn world() -> World {
    world_by(Rules::default()).await
}

/// The same by other rules.
pub async fn world_by(rules: Rules) -> World {
    let store = Arc::new(SqliteStore::in_memory().await.unwrap());
    let directory = Arc::new(BuiltIn::new(store.clone()));
    build(rules, store, directory)
}

/// The same with people known elsewhere.
pub async fn world_with(directory: Arc<dyn Directory>) -> World {
    world_of(Rules::default(), directory).await
}

/// The same by other rules and with people known elsewhere.
pub async fn world_of(rules: Rules, directory: Arc<dyn Directory>) -> World {
    let store = Arc::new(SqliteStore::in_memory().await.unwrap());
    build(rules, store, directory)
}

/// The same, where something can happen right after somebody was looked up.
pub async fn world_meanwhile(rules: Rules) -> (World, Arc<Meanwhile>) {
    let store = Arc::new(SqliteStore::in_memory().await.unwrap());
    let directory =
        Arc::new(Meanwhile { accounts: BuiltIn::new(store.clone()), then: Mutex::new(None) });
    (build(rules, store, directory.clone()), directory)
}

/// The built-in directory, and what happens once it has answered who somebody is, if anything.
pub struct Meanwhile {
    accounts: BuiltIn,
    pub then: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
}

#[async_trait]
impl Directory for Meanwhile {
    async fn people(&self, ids: &[UserId]) -> Result<Vec<Person>> {
        let answer = self.accounts.people(ids).await;
        let then = self.then.lock().unwrap().take();
        if let Some(then) = then {
            then.await;
        }
        answer
    }

    async fn people_by_emails(&self, emails: &[Email]) -> Result<Vec<Person>> {
        self.accounts.people_by_emails(emails).await
    }

    fn is_built_in(&self) -> bool {
        true
    }
}

fn build(rules: Rules, store: Arc<SqliteStore>, directory: Arc<dyn Directory>) -> World {
    let tokens = Arc::new(
        JwtTokens::new(&"a signing secret of more than 32 bytes".into(), &["secret".into()])
            .unwrap(),
    );
    let clock = Arc::new(StoppedClock(AtomicI64::new(1_700_000_000_250_000)));
    let seen = Arc::new(Seen::default());
    let direct = Arc::new(Direct::new(store.clone()));
    let throttle = Arc::new(FewTries::default());
    let passwords = Arc::new(PlainPasswords::default());
    let ports = Ports {
        store: store.clone(),
        checks: direct.clone(),
        replicas: direct,
        directory,
        clock: clock.clone(),
        ids: Arc::new(CountedIds(AtomicU64::new(1000))),
        cursors: Arc::new(tokens.cursors()),
        tickets: Arc::new(tokens.tickets()),
        refresh: Arc::new(RandomRefreshTokens),
        tokens: tokens.clone(),
        passwords: passwords.clone(),
        throttle: throttle.clone(),
        seals: Arc::new(
            HmacSeals::new(&"a signing secret of more than 32 bytes".into(), &[]).unwrap(),
        ),
        notary: notary(),
        observer: seen.clone(),
    };
    World { app: App::new(ports, rules), store, tokens, clock, seen, throttle, passwords }
}

/// What chains and seals the audit trail.
pub fn notary() -> Arc<HmacNotary> {
    let secret = "a signing secret of more than 32 bytes".into();
    Arc::new(HmacNotary::new(&secret, &[]).unwrap())
}

/// What a commit that nobody asked for has for the audit trail.
pub fn audit() -> Context {
    Context::plain("test", notary())
}

/// The user with this number.
pub fn user(number: u128) -> UserId {
    Id::new(Uuid::from_u128(number))
}

impl World {
    /// Asks as the user with this number, who signed in just now.
    pub async fn as_user<O: Operation>(&self, number: u128, operation: O) -> Result<O::Output> {
        self.app.execute(Caller::Bearer(self.token(number, KeyKind::Login)), operation).await
    }

    /// Asks as a sibling service.
    pub async fn as_service<O: Operation>(&self, operation: O) -> Result<O::Output> {
        self.app.execute(Caller::Service("users".into()), operation).await
    }

    /// Asks as nobody in particular.
    pub async fn as_anyone<O: Operation>(&self, operation: O) -> Result<O::Output> {
        self.app.execute(Caller::Anonymous, operation).await
    }

    /// A login or recovery token for the user with this number.
    pub fn token(&self, number: u128, kind: KeyKind) -> Token {
        let now = self.clock.now().seconds();
        let life = if kind == KeyKind::Recovery { 300 } else { 36_000 };
        self.sign(&Claims {
            id: None,
            user: user(number),
            email: format!("user{number}@example.com"),
            kind,
            issued_at: now,
            not_before: None,
            expires_at: Some(now.saturating_add(life)),
            session: None,
        })
    }

    /// A token that says this.
    pub fn sign(&self, claims: &Claims) -> Token {
        self.tokens.sign(claims, Timestamp::from_seconds(claims.issued_at), &[]).unwrap()
    }

    /// A fresh API key of the user with this number.
    pub async fn key(&self, number: u128, seconds: Option<i64>) -> ops::keys::IssuedKey {
        self.as_user(number, ops::keys::IssueKey { kind: KeyKind::Api, seconds }).await.unwrap()
    }

    /// A fresh org of the user with this number.
    pub async fn org(&self, owner: u128, name: &str) -> OrgId {
        let operation = ops::orgs::CreateOrg {
            name: name.parse().unwrap(),
            description: String::new().parse().unwrap(),
            metadata: auth_domain::model::Metadata::default(),
        };
        self.as_user(owner, operation).await.unwrap().id
    }

    /// Makes somebody a member.
    pub async fn join(&self, org: OrgId, number: u128, role: OrgRole) {
        let at = self.clock.now();
        let membership =
            Membership { org, member: user(number), role, created_at: at, updated_at: at };
        self.commit(Change::InsertMembership(membership)).await.unwrap();
    }

    /// Gives somebody a platform role.
    pub async fn promote(&self, number: u128, role: PlatformRole) {
        self.commit(Change::PutPlatformRole { user: user(number), role }).await.unwrap();
    }

    /// Opens an account for the user with this number.
    pub async fn account(&self, number: u128, email: &str) {
        let at = self.clock.now();
        let account = Account {
            id: user(number),
            email: email.parse().unwrap(),
            password: PasswordHash::new("none".into()),
            email_verified_at: None,
            status: AccountStatus::Enabled,
            metadata: Metadata::default(),
            created_at: at,
            updated_at: at,
        };
        self.commit(Change::InsertAccount(account)).await.unwrap();
    }

    /// Whose account has this address.
    pub async fn store_account(&self, email: &str) -> UserId {
        let found = self.store.account_by_email(&email.parse().unwrap()).await.unwrap();
        found.unwrap().id
    }

    /// Writes one change that nobody asked for.
    pub async fn commit(&self, change: Change) -> Result<()> {
        self.store.commit(Self::commit_of(self.clock.now(), vec![change])).await.map(drop)
    }

    /// Changes that nobody asked for.
    pub fn commit_of(at: Timestamp, changes: Vec<Change>) -> Commit {
        Commit { actor: "test".into(), at, guards: vec![], changes, audit: audit() }
    }

    /// The kinds of all facts so far, oldest first.
    pub async fn facts(&self) -> Vec<String> {
        self.store.records(0, 1000).await.unwrap().into_iter().map(|record| record.kind).collect()
    }
}

/// A clock that only moves when it is told to.
pub struct StoppedClock(AtomicI64);

impl StoppedClock {
    /// Lets time pass.
    pub fn advance(&self, span: Duration) {
        self.0.store(self.now().plus(span).micros(), Ordering::SeqCst);
    }

    /// As if another clock, which is behind, were asked from now on.
    pub fn back(&self, span: Duration) {
        self.0.store(self.now().minus(span).micros(), Ordering::SeqCst);
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

struct CountedIds(AtomicU64);

impl Ids for CountedIds {
    fn next(&self) -> Uuid {
        Uuid::from_u128(self.0.fetch_add(1, Ordering::SeqCst).into())
    }
}

/// Which operations ended how, and how many commits there were.
#[derive(Default)]
pub struct Seen(Mutex<Vec<(&'static str, &'static str)>>, AtomicU64, AtomicU64);

impl Seen {
    /// The newest of them.
    pub fn last(&self) -> (&'static str, &'static str) {
        *self.0.lock().unwrap().last().unwrap()
    }

    /// How many commits it heard of.
    pub fn commits(&self) -> u64 {
        self.1.load(Ordering::SeqCst)
    }

    /// How many times it heard that mail is due.
    pub fn mails(&self) -> u64 {
        self.2.load(Ordering::SeqCst)
    }
}

impl Observer for Seen {
    fn observe(&self, operation: &'static str, outcome: &'static str, _took: Duration) {
        self.0.lock().unwrap().push((operation, outcome));
    }

    fn committed(&self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }

    fn mail_queued(&self) {
        self.2.fetch_add(1, Ordering::SeqCst);
    }
}

/// The password that comes at a bad moment.
pub const FULL: &str = "while too many wait";

/// Hashes that can be read: what real ones are worth is tested where they are made.
#[derive(Default)]
pub struct PlainPasswords {
    /// What happens while the next one is hashed or verified.
    pub meanwhile: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    /// How many were hashed.
    pub hashed: AtomicU64,
}

impl PlainPasswords {
    async fn wait(&self) {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
    }
}

#[async_trait]
impl Passwords for PlainPasswords {
    fn acceptable(&self, password: &SecretString, _: Option<&Email>) -> bool {
        password.expose_secret().len() >= 8
    }

    fn can_check(&self, hash: &PasswordHash) -> bool {
        ["plain:", "old:"].iter().any(|kind| hash.expose().starts_with(kind))
    }

    async fn hash(&self, password: SecretString) -> Result<PasswordHash> {
        self.wait().await;
        self.hashed.fetch_add(1, Ordering::SeqCst);
        Ok(PasswordHash::new(format!("plain:{}", password.expose_secret())))
    }

    async fn verify(
        &self,
        password: SecretString,
        hash: Option<PasswordHash>,
        _mixed: bool,
    ) -> Result<Guess> {
        if password.expose_secret() == FULL {
            return Err(Error::unavailable("too many wait already"));
        }
        self.wait().await;
        let plain = format!("plain:{}", password.expose_secret());
        let old = format!("old:{}", password.expose_secret());
        Ok(match hash {
            Some(hash) if hash.expose() == old => Guess::Outdated(PasswordHash::new(plain)),
            Some(hash) => (hash.expose() == plain).into(),
            None => Guess::Wrong,
        })
    }
}

/// Refuses what was attempted so often: three times to sign in, as often as it is by default to invite. Notes calls.
#[derive(Default)]
pub struct FewTries {
    tries: Mutex<Vec<String>>,
    calls: Mutex<Vec<Call>>,
    /// Whether every call is one too many.
    pub refuses_calls: AtomicBool,
    /// Whether checks are not counted.
    pub checks_are_free: AtomicBool,
    /// Whether ends of sessions wait for as long as they have to, as this clock says, and are not refused.
    pub waits: Mutex<Option<Arc<StoppedClock>>>,
}

impl FewTries {
    /// As if all that was attempted were long ago.
    pub fn forget(&self) {
        self.tries.lock().unwrap().clear();
    }

    /// The calls that were counted since somebody asked.
    pub fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

#[async_trait]
impl Throttle for FewTries {
    fn counts(&self, class: Class) -> bool {
        assert_eq!(class, Class::Checks, "nothing else is so dear that one has to ask");
        !self.checks_are_free.load(Ordering::SeqCst)
    }

    async fn enter(&self, attempt: Attempt<'_>) -> Result<()> {
        let most = match attempt {
            Attempt::Call(_) if self.refuses_calls.load(Ordering::SeqCst) => 0,
            Attempt::Call(call) => {
                self.calls.lock().unwrap().push(call);
                return Ok(());
            }
            Attempt::SignIn { .. } | Attempt::BeingSentLink { .. } => 3,
            Attempt::Inviting(_) => 60,
            Attempt::BeingInvited { .. } => 5,
            Attempt::InviteMail(_) | Attempt::AskingForLink { .. } => 20,
        };
        let (mut tries, attempt) = (self.tries.lock().unwrap(), format!("{attempt:?}"));
        if tries.iter().filter(|other| **other == attempt).count() >= most {
            return Err(Error::RateLimited(Duration::from_mins(1)));
        }
        tries.push(attempt);
        Ok(())
    }

    async fn take_back(&self, attempt: Attempt<'_>) {
        let (mut tries, attempt) = (self.tries.lock().unwrap(), format!("{attempt:?}"));
        let last = tries.iter().rposition(|other| *other == attempt).unwrap();
        tries.remove(last);
    }

    async fn not_before(&self, wait: Duration) -> Result<()> {
        match &*self.waits.lock().unwrap() {
            Some(clock) => clock.advance(wait),
            None => return Err(Error::RateLimited(wait)),
        }
        Ok(())
    }
}
