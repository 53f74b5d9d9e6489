//! Passwords that are forgotten, changed, or set for somebody else, as the original's users service has them.

mod docs;

use auth_domain::model::TicketSecret;
use auth_domain::ops::passwords::{ChangePassword, RequestReset, ResetPassword, SetPasswordOf};
use auth_domain::{App, Caller, Error, Invalid, Operation, Result, Unauthenticated};
use axum::extract::State;
use axum::response::Response;
use axum::routing::on;
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use crate::bearer::Credential;
use crate::body::{FromMembers, Json, Members};
use crate::openapi::types;
use crate::problem::Problem;
use crate::{Route, answer};

pub(crate) const ROUTES: &[Route] = &[
    Route::post(
        "/password/reset-request",
        RequestReset::NAME,
        |method| on(method, request),
        docs::request,
    )
    .at(RequestReset::PRIORITY),
    Route::put("/password/reset", ResetPassword::NAME, |method| on(method, reset), docs::reset)
        .at(ResetPassword::PRIORITY),
    Route::patch("/password", ChangePassword::NAME, |method| on(method, change), docs::change)
        .at(ChangePassword::PRIORITY),
];

/// Whose password is forgotten.
#[derive(ToSchema)]
#[schema(as = ResetRequest)]
struct RequestBody {
    /// Their address.
    #[schema(value_type = types::Email)]
    email: String,
    /// The path of the page on the front end where the new password is typed: absolute, plain segments.
    #[schema(min_length = 1)]
    redirect_path: String,
}

impl FromMembers for RequestBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self { email: members.text("email")?, redirect_path: members.text("redirect_path")? })
    }
}

async fn request(
    State(app): State<App>,
    Json(body): Json<RequestBody>,
) -> Result<Response, Problem> {
    if body.email.is_empty() {
        return Err(Error::from(Invalid::MissingEmail).into());
    }
    let path = body.redirect_path.parse()?;
    app.execute(Caller::Anonymous, RequestReset { email: body.email, path }).await?;
    answer::json(StatusCode::CREATED, &SentView { msg: "Email with reset link is sent" })
}

/// A new password, and what the link in the mail says.
#[derive(ToSchema)]
#[schema(as = PasswordReset)]
struct ResetBody {
    /// What the link has after `token=`.
    #[schema(value_type = String, write_only)]
    token: TicketSecret,
    /// The new password.
    #[schema(value_type = String, format = Password, write_only, min_length = 1)]
    password: SecretString,
    /// The same again.
    #[schema(value_type = String, format = Password, write_only, min_length = 1)]
    confirm_password: SecretString,
}

impl FromMembers for ResetBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self {
            token: TicketSecret::new(members.text("token")?),
            password: members.text("password")?.into(),
            confirm_password: members.text("confirm_password")?.into(),
        })
    }
}

/// Complains in the order in which the original does.
async fn reset(State(app): State<App>, Json(body): Json<ResetBody>) -> Result<Response, Problem> {
    let refuse = |reason: Error| Err(Problem::from(reason));
    if is_empty(&body.password) {
        return refuse(Invalid::MissingPassword.into());
    }
    app.check_new_password(&body.password)?;
    if is_empty(&body.confirm_password) {
        return refuse(Invalid::MissingConfirmation.into());
    }
    if body.token.expose().is_empty() {
        return refuse(Unauthenticated::MissingToken.into());
    }
    if body.password.expose_secret() != body.confirm_password.expose_secret() {
        return refuse(Invalid::Confirmation.into());
    }
    if body.token.expose().len() > TicketSecret::MAX {
        return refuse(Unauthenticated::NotHonoured.into());
    }
    let operation = ResetPassword { secret: body.token, password: body.password };
    app.execute(Caller::Anonymous, operation).await?;
    answer::json(StatusCode::CREATED, &DoneView {})
}

/// A new password for oneself, with the one so far, or for somebody else, with their address.
#[derive(ToSchema)]
#[schema(as = PasswordChange)]
struct ChangeBody {
    /// The new password.
    #[schema(value_type = String, format = Password, write_only, min_length = 1)]
    password: SecretString,
    /// The password so far, to change one's own.
    #[schema(value_type = String, format = Password, write_only, required = false)]
    old_password: SecretString,
    /// The address of somebody else, to set theirs.
    #[schema(value_type = types::Email, required = false)]
    email: String,
}

impl FromMembers for ChangeBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self {
            password: members.text("password")?.into(),
            old_password: members.text("old_password")?.into(),
            email: members.text("email")?,
        })
    }
}

/// Complains in the order in which the original does.
async fn change(
    State(app): State<App>,
    credential: Credential,
    Json(body): Json<ChangeBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let (own, other) = (!is_empty(&body.old_password), !body.email.is_empty());
    if !own && !other {
        return Err(Error::from(Invalid::MissingPassword).into());
    }
    // Whatever rule the operator set, it is one for passwords.
    if is_empty(&body.password) {
        return Err(Error::from(Invalid::Password).into());
    }
    app.check_new_password(&body.password)?;
    if own && other {
        return Err(Error::from(Unauthenticated::NotHonoured).into());
    }
    let password = body.password;
    if own {
        let operation = ChangePassword { current: body.old_password, password };
        app.execute(caller, operation).await?;
    } else {
        app.execute(caller, SetPasswordOf { email: body.email.parse().ok(), password }).await?;
    }
    answer::json(StatusCode::CREATED, &DoneView {})
}

fn is_empty(text: &SecretString) -> bool {
    text.expose_secret().is_empty()
}

/// That was asked for. It is the same whether there is such an account or not.
#[derive(Serialize, ToSchema)]
#[schema(as = ResetRequested)]
struct SentView {
    /// A sentence for people.
    msg: &'static str,
}

/// Nothing more to say.
#[derive(Serialize, ToSchema)]
#[schema(as = Done)]
struct DoneView {}
