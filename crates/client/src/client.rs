//! The calls: deadlines, the connection, retries, and which version is on the other side.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use http::uri::PathAndQuery;
use tokio::time::{Instant, timeout_at};
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::builder::{Builder, CurrentTrace};
use crate::error::{Error, Failure, Pushback, Result};
use crate::model::{Check, Identity, Org, PlatformRole, TokenKind, Verdict, verdict};
use crate::proto;
use crate::proto::v1;
use crate::retry::{self, Budget};
use crate::trace::TraceContext;

/// The most checks one [`AuthClient::authorize_many`] takes.
pub const MAX_CHECKS: usize = 200;

/// How long a server that does not know `auth.v1` is taken not to know it.
const OLD: Duration = Duration::from_mins(1);
/// How many checks are under way at a time with a server that takes them one by one.
const AT_ONCE: usize = 16;

/// A call, by its path.
#[derive(Clone, Copy)]
struct Method {
    path: &'static str,
    /// Whether it only reads, so that nobody notices when it is made twice.
    reads: bool,
}

impl Method {
    const fn read(path: &'static str) -> Self {
        Self { path, reads: true }
    }

    const fn write(path: &'static str) -> Self {
        Self { path, reads: false }
    }
}

const IDENTIFY: Method = Method::read("/protomfx.AuthService/Identify");
const AUTHORIZE: Method = Method::read("/protomfx.AuthService/Authorize");
const RETRIEVE_ROLE: Method = Method::read("/protomfx.AuthService/RetrieveRole");
const OWNER: Method = Method::read("/protomfx.AuthService/GetOwnerIDByOrgID");
const VIEW_ORG: Method = Method::read("/protomfx.AuthService/ViewOrg");
const ISSUE: Method = Method::write("/protomfx.AuthService/Issue");
const ASSIGN_ROLE: Method = Method::write("/protomfx.AuthService/AssignRole");
const IDENTIFY_AND_AUTHORIZE: Method = Method::read("/auth.v1.Checks/IdentifyAndAuthorize");
const AUTHORIZE_MANY: Method = Method::read("/auth.v1.Checks/AuthorizeMany");

/// A client of auth. Cloning it is cheap, and clones share one connection and one budget of retries.
#[derive(Clone)]
pub struct AuthClient {
    shared: Arc<Shared>,
    timeout: Duration,
    trace: Option<TraceContext>,
}

struct Shared {
    channel: Channel,
    bearer: Option<MetadataValue<Ascii>>,
    current_trace: Option<CurrentTrace>,
    budget: Budget,
    started: Instant,
    /// Until when the server is taken to know no `auth.v1`: milliseconds after `started`.
    old_until: AtomicU64,
}

impl fmt::Debug for AuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthClient").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl AuthClient {
    /// How to reach auth at an address like `http://auth:8181`, or `https://…` for TLS.
    pub fn builder(address: impl Into<String>) -> Builder {
        Builder::new(address.into())
    }

    pub(crate) fn new(
        channel: Channel,
        timeout: Duration,
        bearer: Option<MetadataValue<Ascii>>,
        current_trace: Option<CurrentTrace>,
    ) -> Self {
        let shared = Shared {
            channel,
            bearer,
            current_trace,
            budget: Budget::default(),
            started: Instant::now(),
            old_until: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared), timeout, trace: None }
    }

    /// The same client, whose calls take at most this long, if that is less than they would.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.timeout = self.timeout.min(limit);
        self
    }

    /// The same client, whose calls belong to this trace.
    #[must_use]
    pub fn traced(mut self, context: TraceContext) -> Self {
        self.trace = Some(context);
        self
    }

    /// Whose token this is, of whatever kind: look at [`Identity::kind`] before treating it as a
    /// session, because a recovery token is none.
    pub async fn identify(&self, token: &str) -> Result<Identity> {
        self.identify_by(self.deadline(), token).await
    }

    /// Whether the token's user may do this: `Ok` is yes, [`Error::Denied`] is no.
    ///
    /// The original, v0.33, answers a stranger to an org as it answers a fault of its own. From it,
    /// and only from it, that is `Denied` here, as it is to its siblings.
    pub async fn authorize(&self, token: &str, check: &Check) -> Result<()> {
        self.authorize_by(self.deadline(), token, check).await
    }

    /// Whose token this is, provided that they may do this: one call where the server has it, two with
    /// the original. Recovery tokens are [`Error::Unauthenticated`].
    pub async fn identify_and_authorize(&self, token: &str, check: &Check) -> Result<Identity> {
        let deadline = self.deadline();
        if self.knows_v1() {
            let asked = v1::IdentifyAndAuthorizeRequest {
                token: token.to_owned(),
                check: Some(check.message()),
            };
            match self
                .call::<_, v1::IdentifyAndAuthorizeResponse>(
                    IDENTIFY_AND_AUTHORIZE,
                    asked,
                    deadline,
                )
                .await
            {
                Ok(answer) => return answer.try_into(),
                Err(Trouble::Refused(old)) if old.is_unknown_call() => self.note_old(),
                Err(trouble) => return Err(trouble.into()),
            }
        }
        let identity = self.identify_by(deadline, token).await?;
        if identity.kind == TokenKind::Recovery {
            return Err(Error::Unauthenticated { code: "token_not_honoured".to_owned() });
        }
        self.authorize_by(deadline, token, check).await?;
        Ok(identity)
    }

    /// Whether the token's user may do each of these, 1 to [`MAX_CHECKS`] of them: one verdict for
    /// each, in their order. One mistake in the list is [`Error::Invalid`] for all of it.
    ///
    /// The verdicts are all from one snapshot. Not so with the original, which is asked one by one.
    pub async fn authorize_many(&self, token: &str, checks: &[Check]) -> Result<Vec<Verdict>> {
        if !(1..=MAX_CHECKS).contains(&checks.len()) {
            return Err(Error::Invalid(format!("1 to {MAX_CHECKS} checks at a time")));
        }
        let deadline = self.deadline();
        if self.knows_v1() {
            let checks_message = checks.iter().map(Check::message).collect();
            let asked =
                v1::AuthorizeManyRequest { token: token.to_owned(), checks: checks_message };
            match self.call::<_, v1::AuthorizeManyResponse>(AUTHORIZE_MANY, asked, deadline).await {
                Ok(answer) if answer.results.len() == checks.len() => {
                    return Ok(answer.results.into_iter().map(verdict).collect());
                }
                Ok(_) => {
                    return Err(Error::Failed("another number of answers than checks".to_owned()));
                }
                Err(Trouble::Refused(old)) if old.is_unknown_call() => self.note_old(),
                Err(trouble) => return Err(trouble.into()),
            }
        }
        stream::iter(checks)
            .map(|check| async move {
                match self.authorize_by(deadline, token, check).await {
                    Ok(()) => Ok(Verdict::Allowed),
                    Err(Error::Denied) => Ok(Verdict::Denied),
                    Err(Error::NotFound) => Ok(Verdict::NotFound),
                    Err(other) => Err(other),
                }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Which platform role a user has. For services that auth knows.
    pub async fn retrieve_role(&self, user_id: &str) -> Result<Option<PlatformRole>> {
        let asked = proto::RetrieveRoleReq { id: user_id.to_owned() };
        let answer: proto::RetrieveRoleRes =
            self.call(RETRIEVE_ROLE, asked, self.deadline()).await?;
        PlatformRole::parse(&answer.role)
    }

    /// The user id of an org's owner. For services that auth knows.
    pub async fn org_owner(&self, org_id: &str) -> Result<String> {
        let asked = proto::OrgId { value: org_id.to_owned() };
        let answer: proto::OwnerId = self.call(OWNER, asked, self.deadline()).await?;
        Ok(answer.value)
    }

    /// An org, if the token's user may see it; [`Error::NotFound`] if not. For services that auth knows.
    /// The original has it since v0.35.
    pub async fn view_org(&self, token: &str, org_id: &str) -> Result<Org> {
        let asked = proto::ViewOrgReq { token: token.to_owned(), org_id: org_id.to_owned() };
        let answer: proto::Org = self.call(VIEW_ORG, asked, self.deadline()).await?;
        Ok(Org { id: answer.id, owner_id: answer.owner_id, name: answer.name })
    }

    /// A login or recovery token for a user whom this service vouches for. For services that auth
    /// knows. It is never tried twice: after [`Error::Unavailable`], one may have been made.
    pub async fn issue(&self, user_id: &str, email: &str, kind: TokenKind) -> Result<Token> {
        let number = match kind {
            TokenKind::Login => 0,
            TokenKind::Recovery => 1,
            TokenKind::ApiKey => 2,
        };
        let (id, email) = (user_id.to_owned(), email.to_owned());
        let asked = proto::IssueReq { id, email, r#type: number };
        let answer: proto::Token = self.call(ISSUE, asked, self.deadline()).await?;
        Ok(answer.value.into())
    }

    /// Gives a user a platform role, or another one than they have. For services that auth knows. It
    /// is never tried twice: after [`Error::Unavailable`], they may have it.
    pub async fn assign_role(&self, user_id: &str, role: PlatformRole) -> Result<()> {
        let (id, role) = (user_id.to_owned(), role.as_str().to_owned());
        let asked = proto::AssignRoleReq { id, role };
        let (): () = self.call(ASSIGN_ROLE, asked, self.deadline()).await?;
        Ok(())
    }

    async fn identify_by(&self, deadline: Instant, token: &str) -> Result<Identity> {
        let asked = proto::Token { value: token.to_owned() };
        match self.call::<_, proto::UserIdentity>(IDENTIFY, asked, deadline).await {
            Ok(answer) => answer.try_into(),
            // The original says this of a token with another issuer; nothing but the token was asked.
            Err(Trouble::Refused(failure)) if failure.status.code() == Code::InvalidArgument => {
                Err(Error::Unauthenticated { code: String::new() })
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    async fn authorize_by(&self, deadline: Instant, token: &str, check: &Check) -> Result<()> {
        match self.call::<_, ()>(AUTHORIZE, check.with(token), deadline).await {
            Err(Trouble::Refused(failure)) if failure.is_the_originals_no() => Err(Error::Denied),
            other => Ok(other?),
        }
    }

    fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.timeout).unwrap_or(now)
    }

    fn knows_v1(&self) -> bool {
        self.shared.millis() >= self.shared.old_until.load(Ordering::Relaxed)
    }

    fn note_old(&self) {
        let until = self.shared.millis().saturating_add(Shared::in_millis(OLD));
        self.shared.old_until.store(until, Ordering::Relaxed);
    }

    /// Makes a call, and if it only reads, again when that may help: after a pause, while there is time,
    /// and as far as the budget goes.
    async fn call<Q, A>(&self, method: Method, asked: Q, deadline: Instant) -> Result<A, Trouble>
    where
        Q: prost::Message + Clone + 'static,
        A: prost::Message + Default + 'static,
    {
        if method.reads {
            self.shared.budget.earn();
        }
        let mut tries = 0_u32;
        loop {
            tries = tries.saturating_add(1);
            let attempt = self.attempt(method, asked.clone(), deadline);
            let failure = match timeout_at(deadline, attempt).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(status)) => Failure::of(status),
                Err(_) => return Err(Trouble::Late),
            };
            if !method.reads || !failure.is_passing() || tries >= retry::TRIES {
                return Err(failure.into());
            }
            let pause = match failure.pushback() {
                Pushback::Unsaid => retry::pause(tries),
                Pushback::After(pause) => pause,
                Pushback::Never => return Err(failure.into()),
            };
            let again = Instant::now().checked_add(pause).filter(|again| *again < deadline);
            let (Some(again), true) = (again, self.shared.budget.spend()) else {
                return Err(failure.into());
            };
            tracing::debug!(call = method.path, tries, "auth is asked again");
            tokio::time::sleep_until(again).await;
        }
    }

    async fn attempt<Q, A>(&self, method: Method, asked: Q, deadline: Instant) -> Result<A, Status>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let mut request = Request::new(asked);
        request.set_timeout(deadline.saturating_duration_since(Instant::now()));
        let metadata = request.metadata_mut();
        if let Some(bearer) = &self.shared.bearer {
            metadata.insert("authorization", bearer.clone());
        }
        let current = || self.shared.current_trace.as_ref().and_then(|current| current());
        if let Some(context) = self.trace.clone().or_else(current) {
            put(metadata, TraceContext::PARENT, &context.parent);
            if let Some(state) = &context.state {
                put(metadata, TraceContext::STATE, state);
            }
        }
        let mut grpc = Grpc::new(self.shared.channel.clone());
        grpc.ready().await.map_err(|problem| Status::from_error(Box::new(problem)))?;
        let path = PathAndQuery::from_static(method.path);
        let answer = grpc.unary(request, path, ProstCodec::<Q, A>::default()).await?;
        Ok(answer.into_inner())
    }
}

fn put(metadata: &mut tonic::metadata::MetadataMap, name: &'static str, value: &http::HeaderValue) {
    if let Ok(value) = MetadataValue::try_from(value.as_bytes()) {
        metadata.insert(name, value);
    }
}

impl Shared {
    fn millis(&self) -> u64 {
        // From one, so that zero is over.
        Self::in_millis(self.started.elapsed()).saturating_add(1)
    }

    fn in_millis(span: Duration) -> u64 {
        u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A signed token, to be handed to its user. Never printed.
pub type Token = secrecy::SecretString;

/// What a call ended in, before it is known what that means.
#[derive(Debug)]
enum Trouble {
    /// There was no answer in time.
    Late,
    /// There was another answer. In a box, because it is large and seldom.
    Refused(Box<Failure>),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Refused(Box::new(failure))
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Late => Self::late(),
            Trouble::Refused(failure) => Self::of(&failure),
        }
    }
}
