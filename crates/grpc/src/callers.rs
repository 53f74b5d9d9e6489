//! Who may make the calls that are not open.
//!
//! `Identify`, `Authorize` and the calls of `auth.v1` need a token to say anything, so anybody may call
//! them. Everything else here acts on somebody's word: the caller must be a known service. Each of its
//! methods in `auth.rs` and `users.rs` asks the gate first, and the operations behind them refuse whoever is not a
//! [`Caller::Service`], so a method that forgets to ask serves nobody.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use auth_domain::{App, Caller, Error, Unauthenticated};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use axum::extract::ConnectInfo;
use secrecy::{ExposeSecret, SecretString};
use tonic::Request;

/// The names in the verified client certificate of a connection, as a request extension.
#[derive(Clone, Debug)]
pub struct PeerNames(pub Arc<[String]>);

/// What counts besides a certificate and a service token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Whoever connects from this machine is trusted, as long as no service token is configured.
    #[default]
    Loopback,
    /// Nothing else: where somebody connects from says nothing of who they are. This is for
    /// servers that verify client certificates.
    Credentials,
    /// Whoever reaches the port is trusted, as by the original.
    Network,
}

/// How callers prove who they are, and what each of them may call.
#[derive(Clone, Debug, Default)]
pub struct Callers {
    /// What counts besides a certificate and a service token.
    pub trust: Trust,
    /// What services show.
    pub tokens: ServiceTokens,
    /// What each name may call.
    pub allow: AllowList,
}

/// Service tokens: the name of each service, and what it shows as `authorization: Bearer …`. They can be replaced while
/// calls are answered; clones share them.
#[derive(Clone, Default)]
pub struct ServiceTokens(Arc<ArcSwap<Vec<Known>>>);

/// A service, and the digest of what it shows.
type Known = (Arc<str>, Digest);

impl ServiceTokens {
    /// Replaces all of them at once: the next call is decided by these.
    pub fn replace(&self, tokens: &[(String, SecretString)]) {
        let digests = tokens.iter().map(|(name, token)| {
            (Arc::from(name.as_str()), digest(&SHA256, token.expose_secret().as_bytes()))
        });
        self.0.store(Arc::new(digests.collect()));
    }

    /// The service whose token this is. Every token is compared, each in constant time over digests, so that how long
    /// it takes says nothing of any of them.
    #[must_use]
    pub fn name(&self, token: &str) -> Option<Arc<str>> {
        let shown = digest(&SHA256, token.as_bytes());
        self.0.load().iter().fold(None, |found, (name, digest)| {
            let same = verify_slices_are_equal(digest.as_ref(), shown.as_ref()).is_ok();
            if same { Some(Arc::clone(name)) } else { found }
        })
    }

    /// Whether nobody has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.load().is_empty()
    }
}

impl FromIterator<(String, SecretString)> for ServiceTokens {
    fn from_iter<I: IntoIterator<Item = (String, SecretString)>>(tokens: I) -> Self {
        let all = Self::default();
        all.replace(&tokens.into_iter().collect::<Vec<_>>());
        all
    }
}

impl fmt::Debug for ServiceTokens {
    /// Whose there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.load().iter().map(|(name, _)| name)).finish()
    }
}

/// A call that only known services may make, by its name in `proto/`, or what they may ask over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `AuthService/Issue`
    Issue,
    /// `AuthService/AssignRole`
    AssignRole,
    /// `AuthService/RetrieveRole`
    RetrieveRole,
    /// `AuthService/GetOwnerIDByOrgID`
    GetOwnerIdByOrgId,
    /// `AuthService/GetOwnerIDByOrg`
    GetOwnerIdByOrg,
    /// `AuthService/ViewOrg`
    ViewOrg,
    /// `AuthService/CreateDormantOrgInvite`
    CreateDormantOrgInvite,
    /// `AuthService/ActivateOrgInvite`
    ActivateOrgInvite,
    /// `AuthService/GetDormantOrgInviteByPlatformInvite`
    GetDormantOrgInviteByPlatformInvite,
    /// `UsersService/GetUsersByIDs`
    GetUsersByIds,
    /// `UsersService/GetUsersByEmails`
    GetUsersByEmails,
    /// `POST /introspect`, which is no method of gRPC and asked with the same token
    Introspect,
}

impl Method {
    /// Those of gRPC.
    pub const RPCS: [Self; 11] = [
        Self::Issue,
        Self::AssignRole,
        Self::RetrieveRole,
        Self::GetOwnerIdByOrgId,
        Self::GetOwnerIdByOrg,
        Self::ViewOrg,
        Self::CreateDormantOrgInvite,
        Self::ActivateOrgInvite,
        Self::GetDormantOrgInviteByPlatformInvite,
        Self::GetUsersByIds,
        Self::GetUsersByEmails,
    ];

    fn all() -> impl Iterator<Item = Self> {
        Self::RPCS.into_iter().chain([Self::Introspect])
    }

    /// Its name in `proto/` and in allow lists.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issue => "Issue",
            Self::AssignRole => "AssignRole",
            Self::RetrieveRole => "RetrieveRole",
            Self::GetOwnerIdByOrgId => "GetOwnerIDByOrgID",
            Self::GetOwnerIdByOrg => "GetOwnerIDByOrg",
            Self::ViewOrg => "ViewOrg",
            Self::CreateDormantOrgInvite => "CreateDormantOrgInvite",
            Self::ActivateOrgInvite => "ActivateOrgInvite",
            Self::GetDormantOrgInviteByPlatformInvite => "GetDormantOrgInviteByPlatformInvite",
            Self::GetUsersByIds => "GetUsersByIDs",
            Self::GetUsersByEmails => "GetUsersByEmails",
            Self::Introspect => "Introspect",
        }
    }

    /// Whether it makes tokens or roles: whoever may call it can become anybody.
    const fn mints(self) -> bool {
        match self {
            Self::Issue | Self::AssignRole => true,
            Self::RetrieveRole
            | Self::GetOwnerIdByOrgId
            | Self::GetOwnerIdByOrg
            | Self::ViewOrg
            | Self::CreateDormantOrgInvite
            | Self::ActivateOrgInvite
            | Self::GetDormantOrgInviteByPlatformInvite
            | Self::GetUsersByIds
            | Self::GetUsersByEmails
            | Self::Introspect => false,
        }
    }
}

/// What each service may call, by its name.
///
/// The default: `users` may call everything; any other name everything that makes neither tokens
/// nor roles. Written out, it is a list like `users=*;things=GetOwnerIDByOrgID,GetUsersByIDs`, and
/// who is not on it may call nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Option<Vec<(String, Vec<Method>)>>);

impl AllowList {
    /// Whether the service with this name may make this call.
    #[must_use]
    pub fn allows(&self, name: &str, method: Method) -> bool {
        match &self.0 {
            None => name == "users" || !method.mints(),
            Some(list) => {
                list.iter().any(|(listed, methods)| listed == name && methods.contains(&method))
            }
        }
    }
}

/// Why an allow list cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadAllowList {
    /// It names nobody.
    Empty,
    /// This part is not `name=methods`.
    Entry(String),
    /// This name is there twice.
    Repeated(String),
    /// There is no such method among those that need a place on the list.
    Method(String),
}

impl std::error::Error for BadAllowList {}

impl fmt::Display for BadAllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the list of callers names nobody"),
            Self::Entry(entry) => write!(f, "`{entry}` is not of the form name=Method,Method"),
            Self::Repeated(name) => write!(f, "`{name}` is listed twice"),
            Self::Method(method) => {
                write!(f, "there is no method `{method}` to allow; use * or some of")?;
                Method::all().try_for_each(|method| write!(f, " {}", method.name()))
            }
        }
    }
}

impl FromStr for AllowList {
    type Err = BadAllowList;

    fn from_str(text: &str) -> Result<Self, BadAllowList> {
        let mut list: Vec<(String, Vec<Method>)> = Vec::new();
        for entry in text.split(';').map(str::trim).filter(|entry| !entry.is_empty()) {
            let bad = || BadAllowList::Entry(entry.to_owned());
            let (name, methods) = entry.split_once('=').ok_or_else(bad)?;
            let (name, methods) = (name.trim(), methods.trim());
            if name.is_empty() || methods.is_empty() {
                return Err(bad());
            }
            if list.iter().any(|(listed, _)| listed == name) {
                return Err(BadAllowList::Repeated(name.to_owned()));
            }
            list.push((name.to_owned(), parse_methods(methods)?));
        }
        if list.is_empty() { Err(BadAllowList::Empty) } else { Ok(Self(Some(list))) }
    }
}

fn parse_methods(text: &str) -> Result<Vec<Method>, BadAllowList> {
    if text == "*" {
        return Ok(Method::all().collect());
    }
    text.split(',')
        .map(str::trim)
        .map(|name| {
            Method::all()
                .find(|method| method.name() == name)
                .ok_or_else(|| BadAllowList::Method(name.to_owned()))
        })
        .collect()
}

/// [`Callers`], ready to be asked.
pub(crate) struct Gate {
    /// Hears of those who are refused.
    app: App,
    trust: Trust,
    tokens: ServiceTokens,
    allow: AllowList,
    /// The names under which callers without one of their own are recorded.
    loopback: Arc<str>,
    network: Arc<str>,
}

impl Gate {
    pub(crate) fn new(callers: Callers, app: App) -> Self {
        Self {
            app,
            trust: callers.trust,
            tokens: callers.tokens,
            allow: callers.allow,
            loopback: Arc::from("loopback"),
            network: Arc::from("network"),
        }
    }

    /// Who is calling, if they may make this call.
    ///
    /// Fails with `Unauthenticated` for somebody unknown and with `Forbidden` for a known service
    /// that is not on the list for this method.
    pub(crate) fn admit<T>(&self, method: Method, request: &Request<T>) -> Result<Caller, Error> {
        let mut known = None;
        for name in certified(request).map(Arc::from).chain(self.by_token(request)) {
            if self.allow.allows(&name, method) {
                return Ok(Caller::Service(name));
            }
            known = Some(name);
        }
        let by_position = match self.trust {
            Trust::Network => Some(&self.network),
            Trust::Loopback if self.tokens.is_empty() && known.is_none() && is_local(request) => {
                Some(&self.loopback)
            }
            Trust::Loopback | Trust::Credentials => None,
        };
        if let Some(name) = by_position {
            return Ok(Caller::Service(Arc::clone(name)));
        }
        let method = method.name();
        tracing::info!(method, known = known.is_some(), "a call by somebody who may not make it");
        let refusal = match &known {
            Some(_) => Error::Forbidden,
            None => Unauthenticated::UnknownService.into(),
        };
        self.app.note_refusal(known, method, &refusal);
        Err(refusal)
    }

    /// The service whose token the caller shows.
    fn by_token<T>(&self, request: &Request<T>) -> Option<Arc<str>> {
        let header = request.metadata().get("authorization")?.to_str().ok()?;
        let (scheme, token) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        self.tokens.name(token)
    }
}

/// The names in the caller's certificate.
fn certified<T>(request: &Request<T>) -> impl Iterator<Item = &str> {
    let names = request.extensions().get::<PeerNames>().map(|PeerNames(names)| names.iter());
    names.into_iter().flatten().map(String::as_str)
}

/// Whether the caller is on this machine.
fn is_local<T>(request: &Request<T>) -> bool {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback())
}
