//! Accounts of the built-in directory, as the original's users service has them.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use auth_domain::model::Metadata;
use auth_domain::ops::accounts::{Login, Profile, Register, ViewProfile};
use auth_domain::{App, Caller, Error, Invalid, Operation, Result};
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::response::Response;
use axum::routing::on;
use http::StatusCode;
use http::request::Parts;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::bearer::Credential;
use crate::body::{FromMembers, Json, Members};
use crate::problem::Problem;
use crate::{Route, answer};

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/register", Register::NAME, |method| on(method, register)),
    Route::post("/tokens", Login::NAME, |method| on(method, login)),
    Route::get("/users/profile", ViewProfile::NAME, |method| on(method, profile)),
];

/// A new account. Whatever else a client says of the user, its status for instance, is ignored.
struct RegisterBody {
    email: String,
    password: SecretString,
    metadata: Metadata,
    redirect_path: String,
}

impl FromMembers for RegisterBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        let mut user = members.object("user")?;
        Ok(Self {
            email: user.text("email")?,
            password: user.text("password")?.into(),
            metadata: user.metadata()?,
            redirect_path: members.text("redirect_path")?,
        })
    }
}

async fn register(
    State(app): State<App>,
    Json(body): Json<RegisterBody>,
) -> Result<Response, Problem> {
    if body.redirect_path.is_empty() {
        return Err(Error::from(Invalid::MissingRedirectPath).into());
    }
    let email = body.email.parse()?;
    let operation = Register { email, password: body.password, metadata: body.metadata };
    app.execute(Caller::Anonymous, operation).await?;
    Ok(answer::empty(StatusCode::CREATED))
}

struct LoginBody {
    email: String,
    password: SecretString,
}

impl FromMembers for LoginBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self { email: members.text("email")?, password: members.text("password")?.into() })
    }
}

async fn login(
    State(app): State<App>,
    Peer(from): Peer,
    Json(body): Json<LoginBody>,
) -> Result<Response, Problem> {
    let operation = Login { email: body.email.parse()?, password: body.password, from };
    let token = app.execute(Caller::Anonymous, operation).await?;
    answer::json(StatusCode::CREATED, &TokenView { token: token.expose() })
}

async fn profile(State(app): State<App>, credential: Credential) -> Result<Response, Problem> {
    let profile = app.execute(credential.caller()?, ViewProfile).await?;
    answer::json(StatusCode::OK, &ProfileView::from(&profile))
}

/// Where the connection comes from, if the listener said.
struct Peer(Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        // One address, whether it came in over a dual-stack socket or not.
        Ok(Self(peer.map(|peer| peer.0.ip().to_canonical())))
    }
}

#[derive(Serialize)]
struct TokenView<'a> {
    token: &'a str,
}

/// The caller's own account. `role` is the platform role they have; the original says `root` of
/// administrators too, and its web client knows no other word.
#[derive(Serialize)]
struct ProfileView<'a> {
    id: String,
    email: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
}

impl<'a> From<&'a Profile> for ProfileView<'a> {
    fn from(profile: &'a Profile) -> Self {
        Self {
            id: profile.account.id.to_string(),
            email: profile.account.email.as_str(),
            metadata: profile.account.metadata.object(),
            role: profile.role.map(auth_domain::model::PlatformRole::as_str),
        }
    }
}
