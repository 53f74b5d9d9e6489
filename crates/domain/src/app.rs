//! The pipeline every operation goes through, whoever asks for it.
//!
//! [`App::execute`] finds out who is asking, checks that they may and that they do not ask too much, runs the
//! operation and records what happened. Nothing else does any of that.

mod attempts;
mod cx;
mod limits;
mod turns;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use secrecy::SecretString;
use tracing::field::Empty;
use tracing::{Instrument, Span};

pub use self::cx::Cx;
pub(crate) use self::limits::count_check;
use self::turns::Turns;
pub use self::turns::{Turn, Work};
use crate::audit::Notary;
use crate::audit::attempts::Attempts;
use crate::backup::Seals;
use crate::error::{Error, Invalid, Result};
use crate::model::{
    Action, GroupId, GroupRole, KeyId, KeyKind, OrgId, PlatformRole, RedirectPath, SessionId,
    SigningKeyId, Token, UserId,
};
use crate::ports::{
    Admission, Admitted, Checks, Class, Clock, Confirm, Cursors, Directory, Ids, Observer,
    Passwords, Priority, RefreshTokens, Store, Throttle, TicketSecrets, Tokens, Unbounded,
};

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
    /// Makes the secrets of tickets.
    pub tickets: Arc<dyn TicketSecrets>,
    /// Makes refresh tokens.
    pub refresh: Arc<dyn RefreshTokens>,
    /// Hashes and checks passwords.
    pub passwords: Arc<dyn Passwords>,
    /// Slows down who asks too much.
    pub throttle: Arc<dyn Throttle>,
    /// Proves that backups are ours.
    pub seals: Arc<dyn Seals>,
    /// Chains and seals the audit trail.
    pub notary: Arc<dyn Notary>,
    /// Watches operations.
    pub observer: Arc<dyn Observer>,
}

/// What the operator decided.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a decision of its own")]
pub struct Rules {
    /// How long a login token lives.
    pub login_life: Duration,
    /// How long a recovery token lives.
    pub recovery_life: Duration,
    /// How long an access token lives at most.
    pub access_life: Duration,
    /// How long a session lives that is not refreshed.
    pub session_idle: Duration,
    /// How long a session lives at most, however often it is refreshed.
    pub session_life: Duration,
    /// The longest an API key may live; `None` also allows keys without an end.
    pub max_key_life: Option<Duration>,
    /// Whether people may open accounts themselves.
    pub self_register: bool,
    /// Whether their address must be proved before that.
    pub verify_email: bool,
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
            access_life: Duration::from_mins(10),
            session_idle: Duration::from_hours(14 * 24),
            session_life: Duration::from_hours(30 * 24),
            max_key_life: None,
            self_register: true,
            verify_email: false,
            direct_add: true,
            restore_rows: 10_000,
            invite_life: Duration::from_hours(168),
            redirect_prefixes: vec![RedirectPath::default()],
            mail: false,
        }
    }
}

/// The service. Cloning it is cheap.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    ports: Ports,
    rules: Rules,
    admission: Arc<dyn Admission>,
    turns: Arc<Turns>,
    attempts: Attempts,
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
    /// Whoever runs a command on this machine.
    Operator,
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
    /// Whoever runs a command on this machine.
    Operator,
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
    /// Which session, if it was an access token.
    pub session: Option<SessionId>,
    /// The second in which the token says it was made; for an access token, in which its session began: what ends
    /// sessions goes by that.
    pub issued_at: i64,
    /// Which key of a pair signed the token; none if a secret did.
    pub signed_by: Option<SigningKeyId>,
}

impl fmt::Display for Actor {
    /// How logs and the change log name them: never by address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::User(Identity { user, key: Some(key), .. }) => write!(f, "user:{user}/key:{key}"),
            Self::User(Identity { user, session: Some(session), .. }) => {
                write!(f, "user:{user}/session:{session}")
            }
            Self::User(Identity { user, .. }) => write!(f, "user:{user}"),
            Self::Service(name) => write!(f, "service:{name}"),
            Self::Operator => f.write_str("operator"),
            Self::System => f.write_str("system"),
        }
    }
}

/// Who may run an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody; the operation says itself what it needs.
    Anyone,
    /// A user with a login token, an access token or an API key.
    SignedIn,
    /// A user with a login token, or an access token, which stands for one. The text is what the original answers to anybody else.
    LoggedIn(&'static str),
    /// A user who may do this in this org.
    InOrg(OrgId, Action),
    /// A user who has at least this role in this group.
    InGroup(GroupId, GroupRole),
    /// A user with a login token or an access token, and at least this platform role.
    OnPlatform(PlatformRole),
    /// A sibling service, or this process.
    Service,
    /// A sibling service, this process, or a user as for [`Access::OnPlatform`].
    ServiceOr(PlatformRole),
}

/// One thing a caller can ask for: the fields are the input, `run` is the use case.
pub trait Operation: Send {
    /// What it gives.
    type Output: Send;
    /// Its stable name, in metrics, spans and logs: the original's, where it has one.
    const NAME: &'static str;
    /// Whether it is asked so often that it is logged only when somebody debugs.
    const HOT: bool = false;
    /// What kind of work it is: what it counts against, and what goes first. A write, unless it says otherwise.
    const CLASS: Class = Class::Writes;
    /// What goes first when not everything can be done: by its class.
    const PRIORITY: Priority = if Self::HOT { Priority::Check } else { Self::CLASS.priority() };

    /// Who may run it.
    fn access(&self) -> Access;

    /// Reads, decides, commits.
    fn run(self, cx: &mut Cx<'_>) -> impl Future<Output = Result<Self::Output>> + Send;
}

impl App {
    /// The service on these ports, by these rules. However much it is asked, it begins all of it.
    #[must_use]
    pub fn new(ports: Ports, rules: Rules) -> Self {
        Self::admitting(Arc::new(Unbounded), ports, rules)
    }

    /// The same, beginning no more than is admitted.
    #[must_use]
    pub fn admitting(admission: Arc<dyn Admission>, ports: Ports, rules: Rules) -> Self {
        let (turns, attempts) = (Arc::default(), Attempts::default());
        Self(Arc::new(Inner { ports, rules, admission, turns, attempts }))
    }

    /// The store, for probes: operations get it from [`Cx::store`].
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.0.ports.store
    }

    /// Finds out who is asking, checks that they may, runs the operation, records what happened. What is not
    /// admitted because there is too much of it is no operation: nothing is looked at, and it is counted elsewhere.
    pub async fn execute<O: Operation>(&self, caller: Caller, operation: O) -> Result<O::Output> {
        let _place = self.place(O::PRIORITY, &caller).await?;
        let started = Instant::now();
        let access = operation.access();
        let span = span::<O>(&access);
        let own = matches!(caller, Caller::System);
        let (name, hot, known) = (O::NAME, O::HOT, false);
        let mut ending = Ending { app: self, name, hot, own, span: &span, started, known };
        let result = self.attempt(caller, access, operation, &span).instrument(span.clone()).await;
        ending.record(result.as_ref().err());
        result
    }

    /// Whether there is so much to do that an operation of this priority is refused at once. For transports, to ask
    /// before they read anything.
    #[must_use]
    pub fn refuses(&self, priority: Priority) -> bool {
        self.0.admission.refuses(priority)
    }

    /// What the rule for passwords says of a new one before it is known who sets it. Clients of the original are
    /// told that first; the operation asks the whole rule.
    pub fn check_new_password(&self, password: &SecretString) -> Result<()> {
        if self.0.ports.passwords.acceptable(password, None) {
            Ok(())
        } else {
            Err(Invalid::Password.into())
        }
    }

    /// A place among what is under way. Checks need none, nor does what this process or its operator does.
    async fn place(&self, priority: Priority, caller: &Caller) -> Result<Option<Admitted>> {
        match (priority, caller) {
            (Priority::Check, _) | (_, Caller::Operator | Caller::System) => Ok(None),
            (priority, _) => self.0.admission.admit(priority).await.map(Some),
        }
    }

    async fn attempt<O: Operation>(
        &self,
        caller: Caller,
        access: Access,
        operation: O,
        span: &Span,
    ) -> Result<O::Output> {
        let now = self.0.ports.clock.now();
        let mut cx = Cx::new(&self.0, now, O::NAME);
        let result = self.admit(&mut cx, caller, access, span).await;
        let admitted = result.is_ok();
        // What siblings ask all the time counts itself, if it is counted at all.
        let checks = O::HOT && admitted && !matches!(cx.actor, Actor::User(_));
        let result = if checks { result } else { limits::count::<O>(&cx, result).await };
        let result = match result {
            Ok(()) => operation.run(&mut cx).await,
            Err(refusal) => Err(refusal),
        };
        // What is asked all the time is counted by the observer alone, unless it is asked by who may not.
        if !(O::HOT && admitted) && attempts::is_one(O::NAME, admitted, result.as_ref().err()) {
            self.count_attempt(&cx, access, O::NAME, result.as_ref().err());
        }
        result
    }

    async fn admit(
        &self,
        cx: &mut Cx<'_>,
        caller: Caller,
        access: Access,
        span: &Span,
    ) -> Result<()> {
        if access != Access::Anyone {
            cx.actor = cx.authenticate(caller).await?;
            cx.authorize(access).await?;
        }
        if !span.is_disabled() {
            span.record("actor", tracing::field::display(&cx.actor));
        }
        Ok(())
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
    own: bool,
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
        let observer = &self.app.0.ports.observer;
        if self.own {
            observer.observe_own(self.name, outcome, took);
        } else {
            observer.observe(self.name, outcome, took);
        }
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
            revision = Empty,
            outcome = Empty
        )
    } else {
        tracing::info_span!(
            "operation",
            otel.name = O::NAME,
            op = O::NAME,
            ?access,
            actor = Empty,
            revision = Empty,
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
