//! Sessions with refresh tokens. The original has none.

mod docs;

use auth_domain::model::{Device, RefreshToken, Session, SessionId};
use auth_domain::ops::By;
use auth_domain::ops::sign_ins::{
    BeginSession, EndSession, ListSessions, ListSessionsOf, RefreshSession, SignedIn,
};
use auth_domain::{App, Caller, Invalid, Operation, Result};
use axum::extract::State;
use axum::response::Response;
use axum::routing::on;
use http::header::USER_AGENT;
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::Serialize;
use utoipa::ToSchema;

use crate::bearer::Credential;
use crate::body::{FromMembers, Json, Members};
use crate::openapi::types;
use crate::path::Segment;
use crate::problem::Problem;
use crate::query::{PageAsked, Query};
use crate::{Route, answer};

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/sessions", BeginSession::NAME, |method| on(method, begin), docs::begin)
        .at(BeginSession::PRIORITY),
    Route::post(
        "/sessions/refresh",
        RefreshSession::NAME,
        |method| on(method, refresh),
        docs::refresh,
    ),
    Route::get("/sessions", ListSessions::NAME, |method| on(method, list), docs::list),
    Route::delete("/sessions/{id}", EndSession::NAME, |method| on(method, end), docs::end),
    Route::get(
        "/users/{id}/sessions",
        ListSessionsOf::NAME,
        |method| on(method, list_theirs),
        docs::list_theirs,
    ),
];

/// Who signs in.
#[derive(ToSchema)]
#[schema(as = SessionCredentials)]
struct BeginBody {
    /// The address of their account.
    #[schema(value_type = types::Email)]
    email: String,
    /// Their password.
    #[schema(value_type = String, format = Password, write_only)]
    password: SecretString,
}

impl FromMembers for BeginBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self { email: members.text("email")?, password: members.text("password")?.into() })
    }
}

async fn begin(
    State(app): State<App>,
    headers: HeaderMap,
    Json(body): Json<BeginBody>,
) -> Result<Response, Problem> {
    let said = headers.get(USER_AGENT).map(|value| Device::cleaned(value.as_bytes()));
    let operation = BeginSession {
        email: body.email.parse()?,
        password: body.password,
        device: said.unwrap_or_default(),
    };
    let signed_in = app.execute(Caller::Anonymous, operation).await?;
    answer::json(StatusCode::CREATED, &SignedInView::from(&signed_in))
}

/// What refreshes a session.
#[derive(ToSchema)]
#[schema(as = Refresh)]
struct RefreshBody {
    /// The refresh token of the answer before.
    #[schema(value_type = String, format = Password, write_only)]
    refresh_token: RefreshToken,
}

impl FromMembers for RefreshBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self { refresh_token: RefreshToken::new(members.text("refresh_token")?) })
    }
}

async fn refresh(
    State(app): State<App>,
    Json(body): Json<RefreshBody>,
) -> Result<Response, Problem> {
    let operation = RefreshSession { token: body.refresh_token };
    let signed_in = app.execute(Caller::Anonymous, operation).await?;
    answer::json(StatusCode::OK, &SignedInView::from(&signed_in))
}

async fn list(
    State(app): State<App>,
    credential: Credential,
    Query(asked): Query<PageAsked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let page = asked.unordered()?;
    let some = app.execute(caller, ListSessions { page }).await?;
    let view = |session| SessionView::of(session, some.current);
    let view = SessionsView {
        limit: page.limit,
        offset: page.offset,
        total: some.sessions.total,
        sessions: some.sessions.items.iter().map(view).collect(),
    };
    answer::json(StatusCode::OK, &view)
}

async fn list_theirs(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Query(asked): Query<PageAsked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let user = segment.id(Invalid::MissingUserId)?;
    let page = asked.unordered()?;
    let operation = ListSessionsOf { by: By::Platform, user, page };
    let listing = app.execute(caller, operation).await?;
    let view = SessionsView {
        limit: page.limit,
        offset: page.offset,
        total: listing.total,
        sessions: listing.items.iter().map(|session| SessionView::of(session, None)).collect(),
    };
    answer::json(StatusCode::OK, &view)
}

async fn end(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let id = segment.id(Invalid::MissingSessionId)?;
    app.execute(caller, EndSession { id }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// What whoever signs in or refreshes gets.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedIn)]
struct SignedInView<'a> {
    /// What to put after `Bearer`: a signed access token (RFC 9068).
    access_token: &'a str,
    /// How it is shown: always `Bearer`.
    token_type: &'static str,
    /// For how many seconds it is good, as long as its session is.
    expires_in: u64,
    /// What refreshes the session, once.
    refresh_token: &'a str,
    /// For how many seconds that is good.
    refresh_expires_in: u64,
    /// Which session it is.
    #[schema(value_type = types::Id)]
    session_id: String,
}

impl<'a> From<&'a SignedIn> for SignedInView<'a> {
    fn from(signed_in: &'a SignedIn) -> Self {
        Self {
            access_token: signed_in.access.expose(),
            token_type: "Bearer",
            expires_in: signed_in.expires_in,
            refresh_token: signed_in.refresh.expose(),
            refresh_expires_in: signed_in.refresh_expires_in,
            session_id: signed_in.session.to_string(),
        }
    }
}

/// A session: one sign-in on one device.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionView<'a> {
    /// Which.
    #[schema(value_type = types::Id)]
    id: String,
    /// Whether it is the one that is asked with.
    current: bool,
    /// What the device said it is, cleaned: the first 200 printable characters of `User-Agent`.
    user_agent: &'a str,
    /// From where it was last refreshed, or begun, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    address: Option<String>,
    /// When it began.
    #[schema(value_type = types::Moment)]
    created_at: String,
    /// When it was last refreshed, or began.
    #[schema(value_type = types::Moment)]
    last_used_at: String,
    /// When it is over unless it is refreshed.
    #[schema(value_type = types::Moment)]
    expires_at: String,
    /// When it is over in any case.
    #[schema(value_type = types::Moment)]
    ends_at: String,
}

impl<'a> SessionView<'a> {
    fn of(session: &'a Session, current: Option<SessionId>) -> Self {
        Self {
            id: session.id.to_string(),
            current: current == Some(session.id),
            user_agent: session.device.as_str(),
            address: session.address.map(|address| address.to_string()),
            created_at: session.began_at.to_string(),
            last_used_at: session.last_used_at.to_string(),
            expires_at: session.expires_at.to_string(),
            ends_at: session.ends_at.to_string(),
        }
    }
}

/// A page of sessions, those first that were used last.
#[derive(Serialize, ToSchema)]
#[schema(as = Sessions)]
struct SessionsView<'a> {
    /// The most sessions that could be on this page.
    limit: u64,
    /// How many sessions were passed over.
    offset: u64,
    /// How many sessions there are on all pages.
    total: u64,
    /// The sessions.
    sessions: Vec<SessionView<'a>>,
}
