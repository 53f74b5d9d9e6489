//! Looking after accounts of the built-in directory, as the original's users service has it.

mod docs;

use auth_domain::model::{Account, AccountFilter, AccountStatus, Metadata};
use auth_domain::ops::account_admin::{
    DisableAccount, EnableAccount, ListAccounts, OpenAccount, UpdateOwnMetadata, ViewAccount,
};
use auth_domain::{App, Caller, Error, Invalid, Operation, Result};
use axum::extract::State;
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
use crate::query::{FromParameters, PageAsked, Parameters, Query};
use crate::{Route, answer};

/// How many bytes the part of an address has at most that a list asks for: as many as the original takes.
const LONGEST_PART: usize = 1024;

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/users", OpenAccount::NAME, |method| on(method, open), docs::open),
    Route::get("/users", ListAccounts::NAME, |method| on(method, list), docs::list),
    Route::put("/users", UpdateOwnMetadata::NAME, |method| on(method, update), docs::update),
    Route::post("/users/search", ListAccounts::NAME, |method| on(method, search), docs::search),
    Route::get("/users/{id}", ViewAccount::NAME, |method| on(method, view), docs::view),
    Route::post(
        "/users/{id}/enable",
        EnableAccount::NAME,
        |method| on(method, enable),
        docs::enable,
    ),
    Route::post(
        "/users/{id}/disable",
        DisableAccount::NAME,
        |method| on(method, disable),
        docs::disable,
    ),
];

/// An account for somebody else.
#[derive(ToSchema)]
#[schema(as = AccountForOther)]
struct OpenBody {
    /// How they will sign in.
    #[schema(value_type = types::Email)]
    email: String,
    /// Their password, by the same rules as for whoever opens an account themselves.
    #[schema(value_type = String, format = Password, write_only, min_length = 1)]
    password: SecretString,
    /// What to attach to them; nothing unless given.
    #[schema(value_type = types::Metadata, required = false)]
    metadata: Metadata,
    /// Whether they may sign in at once; `enabled` unless given.
    #[schema(value_type = types::AccountStatus, required = false)]
    status: String,
}

impl FromMembers for OpenBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self {
            email: members.text("email")?,
            password: members.text("password")?.into(),
            metadata: members.metadata()?,
            status: members.text("status")?,
        })
    }
}

/// Complains in the order in which the original does.
async fn open(
    State(app): State<App>,
    credential: Credential,
    Json(body): Json<OpenBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let email = body.email.parse()?;
    app.check_new_password(&body.password)?;
    let status = match body.status.as_str() {
        "" => AccountStatus::Enabled,
        text => text.parse()?,
    };
    let operation = OpenAccount { email, password: body.password, metadata: body.metadata, status };
    let id = app.execute(caller, operation).await?;
    answer::created(&format!("/users/{id}"))
}

async fn view(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let id = segment.id(Invalid::MissingUserId)?;
    let account = app.execute(caller, ViewAccount { id }).await?;
    answer::json(StatusCode::OK, &AccountView::from(&account))
}

/// What to attach to oneself.
#[derive(ToSchema)]
#[schema(as = OwnMetadata)]
struct UpdateBody {
    /// It replaces what was attached before; left out, nothing is.
    #[schema(value_type = types::Metadata, required = false)]
    metadata: Metadata,
}

impl FromMembers for UpdateBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self { metadata: members.metadata()? })
    }
}

async fn update(
    State(app): State<App>,
    credential: Credential,
    Json(body): Json<UpdateBody>,
) -> Result<Response, Problem> {
    app.execute(credential.caller()?, UpdateOwnMetadata { metadata: body.metadata }).await?;
    Ok(answer::empty(StatusCode::OK))
}

async fn enable(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let id = segment.id(Invalid::MissingUserId)?;
    app.execute(caller, EnableAccount { id }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

async fn disable(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let id = segment.id(Invalid::MissingUserId)?;
    app.execute(caller, DisableAccount { id }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Which accounts are asked for, in a query string or in a body.
struct AccountsAsked {
    page: PageAsked,
    email: String,
    metadata: Metadata,
    /// None if nobody said.
    status: Option<String>,
}

impl FromParameters for AccountsAsked {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        Ok(Self {
            page: PageAsked::from_parameters(parameters)?,
            email: parameters.text("email")?,
            metadata: parameters.metadata()?,
            status: parameters.stated("status")?,
        })
    }
}

impl FromMembers for AccountsAsked {
    fn from_members(members: &mut Members) -> Result<Self> {
        let status = members.text("status")?;
        Ok(Self {
            page: PageAsked::from_members(members)?,
            email: members.text("email")?,
            metadata: members.metadata()?,
            status: (!status.is_empty()).then_some(status),
        })
    }
}

async fn list(
    State(app): State<App>,
    credential: Credential,
    Query(asked): Query<AccountsAsked>,
) -> Result<Response, Problem> {
    show(&app, credential.caller()?, asked).await
}

async fn search(
    State(app): State<App>,
    credential: Credential,
    MaybeJson(asked): MaybeJson<AccountsAsked>,
) -> Result<Response, Problem> {
    show(&app, credential.caller()?, asked).await
}

async fn show(app: &App, caller: Caller, asked: AccountsAsked) -> Result<Response, Problem> {
    if asked.email.len() > LONGEST_PART {
        return Err(Error::from(Invalid::EmailSize).into());
    }
    let page = asked.page.page()?;
    let word = asked.status.as_deref().unwrap_or(AccountStatus::Enabled.as_str());
    let status = if word == "all" { None } else { Some(word.parse()?) };
    let filter = AccountFilter { email: asked.email.clone(), metadata: asked.metadata, status };
    let listing = app.execute(caller, ListAccounts { filter, page }).await?;
    let view = AccountsView {
        total: listing.total,
        offset: page.offset,
        limit: page.limit,
        order: page.order.as_str(),
        dir: page.direction.as_str(),
        email: &asked.email,
        status: word,
        users: listing.items.iter().map(AccountView::from).collect(),
    };
    answer::json(StatusCode::OK, &view)
}

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
struct AccountView<'a> {
    /// Whose.
    #[schema(value_type = types::Id)]
    id: String,
    /// Their e-mail address, as they typed it.
    email: &'a str,
    /// What is attached to them, if anything.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = types::Metadata, required = false)]
    metadata: &'a Map<String, Value>,
    /// Whether they may use it.
    #[schema(value_type = types::AccountStatus)]
    status: &'static str,
}

impl<'a> From<&'a Account> for AccountView<'a> {
    fn from(account: &'a Account) -> Self {
        Self {
            id: account.id.to_string(),
            email: account.email.as_str(),
            metadata: account.metadata.object(),
            status: account.status.as_str(),
        }
    }
}

/// A page of accounts, and what was asked to get it.
#[derive(Serialize, ToSchema)]
#[schema(as = Accounts)]
struct AccountsView<'a> {
    /// How many accounts there are on all pages.
    total: u64,
    /// How many accounts were passed over.
    offset: u64,
    /// The most accounts that could be on this page.
    limit: u64,
    /// What they are ordered by.
    order: &'static str,
    /// Which way they are ordered.
    #[schema(value_type = types::Direction)]
    dir: &'static str,
    /// What their addresses contain, if that was asked for.
    #[serde(skip_serializing_if = "str::is_empty")]
    email: &'a str,
    /// Which status they have: `enabled`, `disabled`, or `all`, which is either.
    status: &'a str,
    /// The accounts.
    users: Vec<AccountView<'a>>,
}
