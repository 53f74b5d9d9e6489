//! Accounts of the built-in directory, as the original's users service has them.

pub(crate) mod docs;

use auth_domain::model::{Metadata, PlatformRole, TicketSecret};
use auth_domain::ops::accounts::{Login, Profile, Register, ViewProfile};
use auth_domain::ops::addresses::VerifyEmail;
use auth_domain::ops::platform_invites::RegisterByInvite;
use auth_domain::{App, Caller, Error, Invalid, Operation, Result};
use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use axum::routing::on;
use http::StatusCode;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::bearer::Credential;
use crate::body::{FromMembers, Json, MaybeJson, Members};
use crate::openapi::types;
use crate::path::Segment;
use crate::problem::Problem;
use crate::query::{FromParameters, Parameters, Query};
use crate::{Api, Route, answer};

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/register", Register::NAME, |method| on(method, register), docs::register)
        .at(Register::PRIORITY),
    Route::post("/register/verify", VerifyEmail::NAME, |method| on(method, verify), docs::verify)
        .at(VerifyEmail::PRIORITY),
    Route::post(
        "/register/invite/{id}",
        RegisterByInvite::NAME,
        |method| on(method, register_by_invite),
        docs::register_by_invite,
    )
    .at(RegisterByInvite::PRIORITY),
    Route::post("/tokens", Login::NAME, |method| on(method, login), docs::login)
        .at(Login::PRIORITY),
    Route::get("/users/profile", ViewProfile::NAME, |method| on(method, profile), docs::profile),
];

/// A new account.
#[derive(ToSchema)]
#[schema(as = NewAccount)]
struct RegisterBody {
    /// Who signs up.
    user: UserBody,
    /// The path of the page on the front end that the link in a mail leads to, where addresses are to be proved:
    /// absolute, plain segments. It must not be empty in any case.
    #[schema(min_length = 1)]
    redirect_path: String,
}

/// Who signs up. Whatever else a client says of the user, their status for instance, is ignored.
#[derive(ToSchema)]
#[schema(as = NewUser)]
struct UserBody {
    /// How they will sign in.
    #[schema(value_type = types::Email)]
    email: String,
    /// Their password: 8 to 72 characters of any kind, unless the operator set another rule; none of the commonest
    /// ones and not the address.
    #[schema(value_type = String, format = Password, write_only, min_length = 1, max_length = 72)]
    password: SecretString,
    /// What to attach to them; nothing unless given.
    #[schema(value_type = types::Metadata, required = false)]
    metadata: Metadata,
}

impl FromMembers for RegisterBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        let mut user = members.object("user")?;
        let user = UserBody {
            email: user.text("email")?,
            password: user.text("password")?.into(),
            metadata: user.metadata()?,
        };
        Ok(Self { user, redirect_path: members.text("redirect_path")? })
    }
}

async fn register(
    State(app): State<App>,
    Json(body): Json<RegisterBody>,
) -> Result<Response, Problem> {
    if body.redirect_path.is_empty() {
        return Err(Error::from(Invalid::MissingRedirectPath).into());
    }
    let user = body.user;
    let email = user.email.parse()?;
    let UserBody { password, metadata, .. } = user;
    let operation = Register { email, password, metadata, path: body.redirect_path };
    app.execute(Caller::Anonymous, operation).await?;
    Ok(answer::empty(StatusCode::CREATED))
}

/// Complains in the order in which the original does.
async fn register_by_invite(
    State(app): State<App>,
    segment: Segment,
    Json(body): Json<RegisterBody>,
) -> Result<Response, Problem> {
    let proof = match segment.text() {
        Some("") => return Err(Error::from(Invalid::MissingInviteId).into()),
        text => text.unwrap_or_default().parse()?,
    };
    let UserBody { email, password, metadata } = body.user;
    let email = email.parse()?;
    app.check_new_password(&password)?;
    let path = body.redirect_path.parse()?;
    let operation = RegisterByInvite { proof, email, password, metadata, path };
    let id = app.execute(Caller::Anonymous, operation).await?;
    answer::created(&format!("/users/{id}"))
}

/// What the link in a mail says.
#[derive(ToSchema)]
#[schema(as = Verification)]
struct VerifyBody {
    /// What the link has after `token=`.
    #[schema(value_type = String, write_only)]
    token: TicketSecret,
}

impl FromMembers for VerifyBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self { token: TicketSecret::new(members.text("token")?) })
    }
}

impl FromParameters for VerifyBody {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        Ok(Self { token: TicketSecret::new(parameters.text("token")?) })
    }
}

/// Clients of the original say it in the query, and may send any body with it.
async fn verify(
    State(api): State<Api>,
    Query(VerifyBody { mut token }): Query<VerifyBody>,
    request: Request,
) -> Result<Response, Problem> {
    if token.expose().is_empty() {
        MaybeJson(VerifyBody { token }) = MaybeJson::from_request(request, &api).await?;
    }
    if token.expose().is_empty() {
        return Err(Error::from(Invalid::MissingVerification).into());
    }
    let id = api.app.execute(Caller::Anonymous, VerifyEmail { secret: token }).await?;
    answer::created(&format!("/users/{id}"))
}

/// Who signs in.
#[derive(ToSchema)]
#[schema(as = Credentials)]
struct LoginBody {
    /// The address of their account.
    #[schema(value_type = types::Email)]
    email: String,
    /// Their password.
    #[schema(value_type = String, format = Password, write_only)]
    password: SecretString,
}

impl FromMembers for LoginBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self { email: members.text("email")?, password: members.text("password")?.into() })
    }
}

async fn login(State(app): State<App>, Json(body): Json<LoginBody>) -> Result<Response, Problem> {
    let operation = Login { email: body.email.parse()?, password: body.password };
    let token = app.execute(Caller::Anonymous, operation).await?;
    answer::json(StatusCode::CREATED, &TokenView { token: token.expose() })
}

async fn profile(State(app): State<App>, credential: Credential) -> Result<Response, Problem> {
    let profile = app.execute(credential.caller()?, ViewProfile).await?;
    answer::json(StatusCode::OK, &ProfileView::from(&profile))
}

/// A login token.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
struct TokenView<'a> {
    /// What to put after `Bearer`. It is good for ten hours, unless the operator decided otherwise.
    token: &'a str,
}

/// The caller's own account.
#[derive(Serialize, ToSchema)]
#[schema(as = Profile)]
struct ProfileView<'a> {
    /// Who they are.
    #[schema(value_type = types::Id)]
    id: String,
    /// Their e-mail address, as they typed it.
    email: &'a str,
    /// What is attached to them, if anything.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = types::Metadata, required = false)]
    metadata: &'a Map<String, Value>,
    /// Whether they may use it, which they may if they see this.
    #[schema(value_type = types::AccountStatus)]
    status: &'static str,
    /// `root` if they have a platform role, whichever it is: clients of the original know no other word.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::PlatformRole, required = false)]
    role: Option<&'static str>,
}

impl<'a> From<&'a Profile> for ProfileView<'a> {
    fn from(profile: &'a Profile) -> Self {
        Self {
            id: profile.account.id.to_string(),
            email: profile.account.email.as_str(),
            metadata: profile.account.metadata.object(),
            status: profile.account.status.as_str(),
            role: profile.role.map(|_| PlatformRole::Root.as_str()),
        }
    }
}
