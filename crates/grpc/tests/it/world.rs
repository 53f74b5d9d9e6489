//! A service on a loopback socket, and hands to set it up with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::app::Ports;
use auth_domain::audit::Context;
use auth_domain::change::{Change, Commit};
use auth_domain::checks::Direct;
use auth_domain::directory::BuiltIn;
use auth_domain::model::{
    Account, AccountStatus, Claims, Email, KeyKind, Membership, Metadata, OrgId, OrgRole,
    PasswordHash, PlatformRole, UserId,
};
use auth_domain::ops::keys::{IssueKey, IssuedKey};
use auth_domain::ops::orgs::CreateOrg;
use auth_domain::ports::{
    Attempt, Class, Clock, Guess, Ids, Observer, Passwords, Store, Throttle, Tokens,
};
use auth_domain::{App, Caller, Error, Id, Result, Rules, Timestamp};
use auth_grpc::proto::auth_service_client::AuthServiceClient;
use auth_grpc::proto::users_service_client::UsersServiceClient;
use auth_grpc::{Callers, Options, Trust};
use auth_jwt::{HmacNotary, HmacSeals, JwtTokens, RandomRefreshTokens};
use auth_sqlite::SqliteStore;
use secrecy::SecretString;
use tonic::transport::Channel;
use tonic::{Code, Status};
use uuid::Uuid;

/// What signs the tokens of a world.
pub const SECRET: &str = "a signing secret of more than 32 bytes";

/// What chains and seals the audit trail.
fn notary() -> Arc<HmacNotary> {
    Arc::new(HmacNotary::new(&SECRET.into(), &[]).unwrap())
}

/// A running service and its insides.
pub struct World {
    pub app: App,
    pub store: Arc<SqliteStore>,
    pub clock: Arc<StoppedClock>,
    pub address: SocketAddr,
    tokens: Arc<JwtTokens>,
}

/// A world that trusts its network, so that tests can call everything.
pub async fn world() -> World {
    world_with(trusting(Trust::Network), |router| router).await
}

/// The options of a world with this trust.
pub fn trusting(trust: Trust) -> Options {
    Options { callers: Callers { trust, ..Callers::default() }, ..Options::default() }
}

/// A world with these options, behind these layers.
pub async fn world_with(
    options: Options,
    layers: impl FnOnce(axum::Router) -> axum::Router,
) -> World {
    let store = Arc::new(SqliteStore::in_memory().await.unwrap());
    let tokens = Arc::new(JwtTokens::new(&SECRET.into(), &[]).unwrap());
    let clock = Arc::new(StoppedClock(AtomicI64::new(1_700_000_000_250_000)));
    let direct = Arc::new(Direct::new(store.clone()));
    let ports = Ports {
        store: store.clone(),
        checks: direct.clone(),
        replicas: direct,
        directory: Arc::new(BuiltIn::new(store.clone())),
        clock: clock.clone(),
        ids: Arc::new(CountedIds(AtomicU64::new(1000))),
        cursors: Arc::new(tokens.cursors()),
        tickets: Arc::new(tokens.tickets()),
        refresh: Arc::new(RandomRefreshTokens),
        tokens: tokens.clone(),
        passwords: Arc::new(Nothing),
        throttle: Arc::new(Nothing),
        seals: Arc::new(HmacSeals::new(&SECRET.into(), &[]).unwrap()),
        notary: notary(),
        observer: Arc::new(Nothing),
    };
    let app = App::new(ports, Rules::default());
    let router = layers(auth_grpc::router(app.clone(), options));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    World { app, store, clock, address, tokens }
}

/// The user with this number.
pub fn user(number: u128) -> UserId {
    Id::new(Uuid::from_u128(number))
}

impl World {
    /// A connection to the service.
    pub async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    pub async fn auth(&self) -> AuthServiceClient<Channel> {
        AuthServiceClient::new(self.channel().await)
    }

    pub async fn users(&self) -> UsersServiceClient<Channel> {
        UsersServiceClient::new(self.channel().await)
    }

    /// A login or recovery token for the user with this number.
    pub fn token(&self, number: u128, kind: KeyKind) -> String {
        let now = self.clock.now().seconds();
        let life = if kind == KeyKind::Recovery { 300 } else { 36_000 };
        let claims = Claims {
            id: None,
            user: user(number),
            email: format!("user{number}@example.com"),
            kind,
            issued_at: now,
            not_before: None,
            expires_at: Some(now.saturating_add(life)),
            session: None,
        };
        self.tokens
            .sign(&claims, Timestamp::from_seconds(claims.issued_at), &[])
            .unwrap()
            .expose()
            .to_owned()
    }

    /// A login token for the user with this number.
    pub fn login(&self, number: u128) -> String {
        self.token(number, KeyKind::Login)
    }

    /// The user with this number, signed in.
    pub fn as_user(&self, number: u128) -> Caller {
        Caller::Bearer(auth_domain::model::Token::new(self.login(number)))
    }

    /// A fresh API key of the user with this number.
    pub async fn key(&self, number: u128, seconds: Option<i64>) -> IssuedKey {
        let operation = IssueKey { kind: KeyKind::Api, seconds };
        self.app.execute(self.as_user(number), operation).await.unwrap()
    }

    /// A fresh org of the user with this number.
    pub async fn org(&self, owner: u128) -> OrgId {
        let operation = CreateOrg {
            name: "acme".parse().unwrap(),
            description: "".parse().unwrap(),
            metadata: Metadata::default(),
        };
        self.app.execute(self.as_user(owner), operation).await.unwrap().id
    }

    /// Makes somebody a member.
    pub async fn join(&self, org: OrgId, number: u128, role: OrgRole) {
        let at = self.clock.now();
        let member = user(number);
        let membership = Membership { org, member, role, created_at: at, updated_at: at };
        self.commit(Change::InsertMembership(membership)).await;
    }

    /// Gives somebody a platform role.
    pub async fn promote(&self, number: u128, role: PlatformRole) {
        self.commit(Change::PutPlatformRole { user: user(number), role }).await;
    }

    /// Opens an account.
    pub async fn account(&self, number: u128, email: &str, status: AccountStatus) {
        let at = self.clock.now();
        let account = Account {
            id: user(number),
            email: email.parse().unwrap(),
            password: PasswordHash::new("none".into()),
            email_verified_at: None,
            status,
            metadata: Metadata::default(),
            created_at: at,
            updated_at: at,
        };
        self.commit(Change::InsertAccount(account)).await;
    }

    /// Writes one change that nobody asked for.
    async fn commit(&self, change: Change) {
        let at = self.clock.now();
        let commit = Commit {
            actor: "test".into(),
            at,
            guards: vec![],
            changes: vec![change],
            audit: Context::plain("test", notary()),
        };
        self.store.commit(commit).await.unwrap();
    }
}

/// Asserts what a refusal says: its status, its text and its stable code.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(
    answer: Result<T, Status>,
    code: Code,
    text: &str,
    stable: &str,
) {
    let status = answer.unwrap_err();
    assert_eq!((status.code(), status.message()), (code, text), "{status:?}");
    assert_eq!(stable_code(&status), stable);
}

/// The stable code of a refusal, empty when it has none.
pub fn stable_code(status: &Status) -> &str {
    status.metadata().get("code").map_or("", |code| code.to_str().unwrap())
}

/// A clock that only moves when it is told to.
pub struct StoppedClock(AtomicI64);

impl StoppedClock {
    /// Lets time pass.
    pub fn advance(&self, span: Duration) {
        self.0.store(self.now().plus(span).micros(), Ordering::SeqCst);
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

/// The ports that no call here uses.
struct Nothing;

#[async_trait]
impl Passwords for Nothing {
    fn acceptable(&self, _password: &SecretString, _: Option<&Email>) -> bool {
        false
    }

    fn can_check(&self, _hash: &PasswordHash) -> bool {
        true
    }

    async fn hash(&self, _password: SecretString) -> Result<PasswordHash> {
        Err(Error::internal("nobody sets a password over gRPC"))
    }

    async fn verify(
        &self,
        _password: SecretString,
        _hash: Option<PasswordHash>,
        _mixed: bool,
    ) -> Result<Guess> {
        Err(Error::internal("nobody signs in over gRPC"))
    }
}

#[async_trait]
impl Throttle for Nothing {
    fn counts(&self, _: Class) -> bool {
        false
    }

    async fn enter(&self, _: Attempt<'_>) -> Result<()> {
        Ok(())
    }

    async fn take_back(&self, _: Attempt<'_>) {}

    async fn not_before(&self, _: Duration) -> Result<()> {
        Ok(())
    }
}

impl Observer for Nothing {
    fn observe(&self, _operation: &'static str, _outcome: &'static str, _took: Duration) {}
}
