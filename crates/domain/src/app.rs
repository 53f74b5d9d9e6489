//! The pipeline every operation goes through, whoever asks for it.
//!
//! [`App::execute`] finds out who is asking, checks that they may, runs the operation and records
//! what happened. Nothing else does any of that.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::time::Instant;

use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::backup::{Restoring, Seals};
use crate::change::{Change, Commit, Guard};
use crate::error::{Error, Result, Unauthenticated};
use crate::fact::{Fact, Touched};
use crate::model::{
    Action, GroupId, GroupRole, GroupStanding, KeyId, KeyKind, OrgId, PlatformRole, RedirectPath,
    Token, UserId,
};
use crate::ports::{
    Checks, Clock, Confirm, Confirmation, Cursors, Directory, Ids, Observer, Passwords, Store,
    Throttle, Tokens,
};
use crate::{Timestamp, ops, policy};

/// Everything operations need from outside.
pub struct Ports {
    /// Durable state.
    pub store: Arc<dyn Store>,
    /// What requests are decided on.
    pub checks: Arc<dyn Checks>,
    /// Makes commits known everywhere.
    pub replicas: Arc<dyn Confirm>,
    /// Who people are.
    pub directory: Arc<dyn Directory>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
    /// Signs and checks tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Marks places in lists.
    pub cursors: Arc<dyn Cursors>,
    /// Hashes and checks passwords.
    pub passwords: Arc<dyn Passwords>,
    /// Slows down guessing.
    pub throttle: Arc<dyn Throttle>,
    /// Proves that backups are ours.
    pub seals: Arc<dyn Seals>,
    /// Watches operations.
    pub observer: Arc<dyn Observer>,
}

/// What the operator decided.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How long a login token lives.
    pub login_life: Duration,
    /// How long a recovery token lives.
    pub recovery_life: Duration,
    /// The longest an API key may live; `None` also allows keys without an end.
    pub max_key_life: Option<Duration>,
    /// Whether people may open accounts themselves.
    pub self_register: bool,
    /// Whether admins of an org may add members without asking them.
    pub direct_add: bool,
    /// The most rows that are restored at once, except by the operator.
    pub restore_rows: u64,
    /// How long an invite can be accepted.
    pub invite_life: Duration,
    /// Where links in mails may lead: to these paths, or below them.
    pub redirect_prefixes: Vec<RedirectPath>,
    /// Whether mail is sent: without it none is queued.
    pub mail: bool,
}

impl Default for Rules {
    /// What the original does, without its mails.
    fn default() -> Self {
        Self {
            login_life: Duration::from_hours(10),
            recovery_life: Duration::from_mins(5),
            max_key_life: None,
            self_register: true,
            direct_add: true,
            restore_rows: 10_000,
            invite_life: Duration::from_hours(168),
            redirect_prefixes: vec![RedirectPath::default()],
            mail: false,
        }
    }
}

/// What is long work, of which little is done at a time so that checks never wait for it. What anybody
/// may do who has an org has turns of its own: it must not keep the operator from a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Reading all there is.
    Backup,
    /// Bringing it back.
    Restore,
    /// Reading all members of an org.
    MemberBackup,
    /// Bringing those back.
    MemberRestore,
}

/// How much long work is under way.
#[derive(Debug, Default)]
struct Turns {
    backups: AtomicUsize,
    restores: AtomicUsize,
    member_backups: AtomicUsize,
    member_restores: AtomicUsize,
}

impl Turns {
    /// Reads that go on at the same time, and restores, which hold up whoever writes.
    const BACKUPS: usize = 2;
    const RESTORES: usize = 1;

    const fn of(&self, work: Work) -> (&AtomicUsize, usize) {
        match work {
            Work::Backup => (&self.backups, Self::BACKUPS),
            Work::Restore => (&self.restores, Self::RESTORES),
            Work::MemberBackup => (&self.member_backups, Self::BACKUPS),
            Work::MemberRestore => (&self.member_restores, Self::RESTORES),
        }
    }
}

/// Somebody's turn to do long work, over when it is dropped.
pub struct Turn {
    inner: Arc<Inner>,
    work: Work,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.inner.turns.of(self.work).0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The service. Cloning it is cheap.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    ports: Ports,
    rules: Rules,
    turns: Turns,
}

/// What a transport knows of whoever is asking, before anything is proved.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Nothing.
    Anonymous,
    /// They showed this token.
    Bearer(Token),
    /// A sibling service that the transport recognised, by its name.
    Service(Arc<str>),
    /// This process itself: start-up and housekeeping.
    System,
}

/// Who is asking, proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Anybody.
    Anonymous,
    /// A user, by a token of theirs.
    User(Identity),
    /// A sibling service.
    Service(Arc<str>),
    /// This process itself.
    System,
}

/// A user, as a verified token names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub user: UserId,
    /// Their e-mail address, as the token has it.
    pub email: String,
    /// What kind of token they showed.
    pub kind: KeyKind,
    /// Which API key, if it was one.
    pub key: Option<KeyId>,
    /// The second in which the token says it was made.
    pub issued_at: i64,
}

impl fmt::Display for Actor {
    /// How logs and the change log name them: never by address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::User(Identity { user, key: None, .. }) => write!(f, "user:{user}"),
            Self::User(Identity { user, key: Some(key), .. }) => write!(f, "user:{user}/key:{key}"),
            Self::Service(name) => write!(f, "service:{name}"),
            Self::System => f.write_str("system"),
        }
    }
}

/// Who may run an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody; the operation says itself what it needs.
    Anyone,
    /// A user with a login token or an API key.
    SignedIn,
    /// A user with a login token. The text is what the original answers to anybody else.
    LoggedIn(&'static str),
    /// A user who may do this in this org.
    InOrg(OrgId, Action),
    /// A user who has at least this role in this group.
    InGroup(GroupId, GroupRole),
    /// A user with a login token and at least this platform role.
    OnPlatform(PlatformRole),
    /// A sibling service, or this process.
    Service,
}

/// One thing a caller can ask for: the fields are the input, `run` is the use case.
pub trait Operation: Send {
    /// What it gives.
    type Output: Send;
    /// Its stable name, in metrics, spans and logs: the original's, where it has one.
    const NAME: &'static str;
    /// Whether it is asked so often that it is logged only when somebody debugs.
    const HOT: bool = false;

    /// Who may run it.
    fn access(&self) -> Access;

    /// Reads, decides, commits.
    fn run(self, cx: &mut Cx<'_>) -> impl Future<Output = Result<Self::Output>> + Send;
}

/// What an operation runs with: who asks, when, and the way to the ports.
pub struct Cx<'a> {
    /// Who is asking.
    pub actor: Actor,
    /// When: taken once, so that all an operation writes carries the same time.
    pub now: Timestamp,
    inner: &'a Arc<Inner>,
    guards: Vec<Guard>,
    standings: Vec<GroupStanding>,
}

impl App {
    /// The service on these ports, by these rules.
    #[must_use]
    pub fn new(ports: Ports, rules: Rules) -> Self {
        Self(Arc::new(Inner { ports, rules, turns: Turns::default() }))
    }

    /// The store, for probes: operations get it from [`Cx::store`].
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.0.ports.store
    }

    /// Finds out who is asking, checks that they may, runs the operation, records what happened.
    pub async fn execute<O: Operation>(&self, caller: Caller, operation: O) -> Result<O::Output> {
        let started = Instant::now();
        let access = operation.access();
        let span = span::<O>(&access);
        let mut ending =
            Ending { app: self, name: O::NAME, hot: O::HOT, span: &span, started, known: false };
        let result = self.attempt(caller, access, operation, &span).instrument(span.clone()).await;
        ending.record(result.as_ref().err());
        result
    }

    async fn attempt<O: Operation>(
        &self,
        caller: Caller,
        access: Access,
        operation: O,
        span: &Span,
    ) -> Result<O::Output> {
        let now = self.0.ports.clock.now();
        let mut cx = Cx {
            actor: Actor::Anonymous,
            now,
            inner: &self.0,
            guards: Vec::new(),
            standings: Vec::new(),
        };
        if access != Access::Anyone {
            cx.actor = cx.authenticate(caller).await?;
            cx.authorize(access).await?;
        }
        if !span.is_disabled() {
            span.record("actor", tracing::field::display(&cx.actor));
        }
        operation.run(&mut cx).await
    }
}

/// How an operation ended: the one line that says who did what, and the one measurement of it.
///
/// A client that goes away ends its operation where it waits, even in the middle of a commit, which
/// then took place or did not. That is recorded, too, as `cancelled`.
struct Ending<'a> {
    app: &'a App,
    name: &'static str,
    hot: bool,
    span: &'a Span,
    started: Instant,
    known: bool,
}

impl Ending<'_> {
    fn record(&mut self, error: Option<&Error>) {
        self.known = true;
        let outcome = error.map_or("ok", Error::outcome);
        let took_ms = self.observe(outcome);
        let name = self.name;
        self.span.in_scope(|| match error {
            Some(Error::Internal(cause)) => {
                tracing::error!(took_ms, outcome, error = %chain(&**cause), "{name}");
            }
            Some(Error::Unavailable(cause)) => {
                tracing::warn!(took_ms, outcome, error = %chain(&**cause), "{name}");
            }
            Some(refusal) if self.hot => {
                tracing::debug!(took_ms, outcome, code = refusal.code(), "{name}");
            }
            Some(refusal) => tracing::info!(took_ms, outcome, code = refusal.code(), "{name}"),
            None if self.hot => tracing::debug!(took_ms, outcome, "{name}"),
            None => tracing::info!(took_ms, outcome, "{name}"),
        });
    }

    /// Gives how long it took, in milliseconds.
    fn observe(&self, outcome: &'static str) -> f64 {
        let took = self.started.elapsed();
        self.app.0.ports.observer.observe(self.name, outcome, took);
        self.span.record("outcome", outcome);
        took.as_secs_f64() * 1000.0
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if self.known {
            return;
        }
        let outcome = "cancelled";
        let took_ms = self.observe(outcome);
        self.span.in_scope(|| tracing::info!(took_ms, outcome, "{}", self.name));
    }
}

fn span<O: Operation>(access: &Access) -> Span {
    // Two call sites, because a span's level is fixed where it is made.
    if O::HOT {
        tracing::debug_span!(
            "operation",
            otel.name = O::NAME,
            op = O::NAME,
            actor = Empty,
            outcome = Empty
        )
    } else {
        tracing::info_span!(
            "operation",
            otel.name = O::NAME,
            op = O::NAME,
            ?access,
            actor = Empty,
            outcome = Empty
        )
    }
}

/// An error and what caused it, on one line.
fn chain(cause: &(dyn std::error::Error + 'static)) -> String {
    let mut text = cause.to_string();
    let mut source = cause.source();
    while let Some(deeper) = source {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        source = deeper.source();
    }
    text
}

impl Cx<'_> {
    /// Durable state, for reading. Writing goes through [`Cx::commit`].
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.inner.ports.store
    }

    /// What requests are decided on. It may answer from memory, as if it had asked the store just now.
    #[must_use]
    pub fn checks(&self) -> &dyn Checks {
        &*self.inner.ports.checks
    }

    /// Who people are.
    #[must_use]
    pub fn directory(&self) -> &dyn Directory {
        &*self.inner.ports.directory
    }

    /// Signs and checks tokens.
    #[must_use]
    pub fn tokens(&self) -> &dyn Tokens {
        &*self.inner.ports.tokens
    }

    /// Hashes and checks passwords.
    #[must_use]
    pub fn passwords(&self) -> &dyn Passwords {
        &*self.inner.ports.passwords
    }

    /// Marks places in lists.
    #[must_use]
    pub fn cursors(&self) -> &dyn Cursors {
        &*self.inner.ports.cursors
    }

    /// Slows down guessing.
    #[must_use]
    pub fn throttle(&self) -> &dyn Throttle {
        &*self.inner.ports.throttle
    }

    /// Proves that backups are ours.
    #[must_use]
    pub fn seals(&self) -> &dyn Seals {
        &*self.inner.ports.seals
    }

    /// Our turn to do long work. Fails with `Unavailable` while others have all there are.
    pub fn turn(&self, work: Work) -> Result<Turn> {
        let (taken, most) = self.inner.turns.of(work);
        let take = |under_way: usize| under_way.checked_add(1).filter(|more| *more <= most);
        match taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, take) {
            Ok(_) => Ok(Turn { inner: Arc::clone(self.inner), work }),
            Err(_) => Err(Error::unavailable("others are taking or restoring backups")),
        }
    }

    /// What the operator decided.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.inner.rules
    }

    /// A fresh id.
    #[must_use]
    pub fn new_id<T>(&self) -> crate::Id<T> {
        crate::Id::new(self.inner.ports.ids.next())
    }

    /// The user who is asking, and by which token.
    pub fn identity(&self) -> Result<&Identity> {
        match &self.actor {
            Actor::User(identity) => Ok(identity),
            _ => Err(Error::internal("the operation needs a user and did not ask for one")),
        }
    }

    /// Who is asking, proved.
    async fn authenticate(&self, caller: Caller) -> Result<Actor> {
        match caller {
            Caller::Anonymous => Ok(Actor::Anonymous),
            Caller::Bearer(token) => ops::access::identify(self, &token).await.map(Actor::User),
            Caller::Service(name) => Ok(Actor::Service(name)),
            Caller::System => Ok(Actor::System),
        }
    }

    /// Checks that whoever is asking may, and sees to it that [`Cx::commit`] checks it again in the
    /// transaction that writes.
    pub async fn authorize(&mut self, access: Access) -> Result<()> {
        match access {
            Access::Anyone => Ok(()),
            Access::Service => match self.actor {
                Actor::Service(_) | Actor::System => Ok(()),
                Actor::Anonymous | Actor::User(_) => Err(Unauthenticated::UnknownService.into()),
            },
            Access::SignedIn => self.signed_in().map(drop),
            Access::LoggedIn(otherwise) => match self.signed_in() {
                Ok(Identity { kind: KeyKind::Login, .. }) => Ok(()),
                Ok(_) | Err(Error::Unauthenticated(Unauthenticated::NotHonoured)) => {
                    Err(Unauthenticated::LoginRequired(otherwise).into())
                }
                Err(other) => Err(other),
            },
            Access::InOrg(org, action) => {
                let user = self.signed_in()?.user;
                let standing = self.checks().standing(user, Some(org)).await?;
                self.guards.push(Guard::InOrg { user, org, action });
                policy::in_org(&standing, action)
            }
            Access::InGroup(group, needed) => {
                let user = self.signed_in()?.user;
                self.guards.push(Guard::InGroup { user, group, needed });
                let standing = self.store().group_standings(user, &[group]).await?.pop();
                let verdict = policy::in_group(user, standing.as_ref(), needed);
                self.standings.extend(standing);
                verdict
            }
            Access::OnPlatform(needed) => {
                let identity = self.signed_in()?;
                if identity.kind != KeyKind::Login {
                    return Err(Error::Forbidden);
                }
                let user = identity.user;
                let standing = self.checks().standing(user, None).await?;
                self.guards.push(Guard::OnPlatform { user, needed });
                policy::on_platform(standing.platform, needed)
            }
        }
    }

    /// Where the user stands towards a group they were authorized for, as it was read then.
    pub fn standing_in(&self, group: GroupId) -> Result<&GroupStanding> {
        let found = self.standings.iter().rfind(|standing| standing.group == group);
        found.ok_or_else(|| Error::internal("the operation was not authorized for the group"))
    }

    /// Has [`Cx::commit`] check this as well.
    pub fn require(&mut self, guard: Guard) {
        self.guards.push(guard);
    }

    /// The user who is asking, unless all they have is a recovery token: that one is good for the
    /// password reset and nothing else.
    fn signed_in(&self) -> Result<&Identity> {
        match &self.actor {
            Actor::User(Identity { kind: KeyKind::Recovery, .. }) => {
                Err(Unauthenticated::NotHonoured.into())
            }
            Actor::User(identity) => Ok(identity),
            Actor::Anonymous | Actor::Service(_) | Actor::System => {
                Err(Unauthenticated::MissingToken.into())
            }
        }
    }

    /// Writes all of it or nothing, provided that what was authorized still holds, and then waits
    /// until it is true on every replica.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<()> {
        self.commit_if(&[], changes).await
    }

    /// Begins a commit that is put together bit by bit, provided that what was authorized still holds.
    pub async fn restoring(&self) -> Result<Box<dyn Restoring>> {
        self.store().restoring(self.commit_of(&[], Vec::new())).await
    }

    /// Ends it: all of it becomes true, on every replica when this returns.
    pub async fn finish(&self, restoring: Box<dyn Restoring>) -> Result<()> {
        let revision = restoring.commit().await?;
        self.inner.ports.observer.committed();
        if let Some(revision) = revision {
            self.confirm(revision).await;
        }
        Ok(())
    }

    /// The same as [`Cx::commit`], provided that these hold as well.
    pub async fn commit_if(&self, also: &[Guard], changes: Vec<Change>) -> Result<()> {
        let queues_mail = changes.iter().any(Change::queues_mail);
        let touches = |fact: &Fact| fact.touches() != Touched::Nothing;
        let remembered = changes.iter().any(|change| Fact::of(change).iter().any(touches));
        let revision = match self.store().commit(self.commit_of(also, changes)).await {
            Ok(revision) => revision,
            // It says how things stand: gone, or there already. Whoever brought that about may still be waiting.
            Err(refusal @ (Error::NotFound(_) | Error::AlreadyExists(_))) if remembered => {
                self.settle().await?;
                return Err(refusal);
            }
            Err(error) => return Err(error),
        };
        self.inner.ports.observer.committed();
        if queues_mail {
            self.inner.ports.observer.mail_queued();
        }
        if let Some(revision) = revision.filter(|_| remembered) {
            self.confirm(revision).await;
        }
        Ok(())
    }

    fn commit_of(&self, also: &[Guard], changes: Vec<Change>) -> Commit {
        let mut guards = self.guards.clone();
        guards.extend_from_slice(also);
        if let Actor::User(Identity { user, key, issued_at, .. }) = &self.actor {
            guards.push(match key {
                Some(key) => Guard::KeyExists { key: *key, issuer: *user },
                None => Guard::SessionLives { user: *user, issued_at: *issued_at },
            });
        }
        Commit { actor: self.actor.to_string(), at: self.now, guards, changes }
    }

    /// For a write that finds its work done: waits until that is true on every replica, because whoever did
    /// it may still be waiting.
    pub async fn settle(&self) -> Result<()> {
        let revision = self.store().revision().await?;
        self.confirm(revision).await;
        Ok(())
    }

    async fn confirm(&self, revision: i64) {
        let ports = &self.inner.ports;
        if ports.replicas.confirm(revision).await == Confirmation::Pending {
            ports.observer.unconfirmed();
        }
    }
}
