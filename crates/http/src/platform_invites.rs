//! Invites to the platform, as the original's users service has them.

mod docs;

use auth_domain::model::{InviteState, PlatformInvite};
use auth_domain::ops::platform_invites::{
    CreatePlatformInvite, ListPlatformInvites, RevokePlatformInvite, ViewPlatformInvite,
};
use auth_domain::{App, Error, Invalid, Operation, Result};
use axum::extract::{OriginalUri, State};
use axum::response::Response;
use axum::routing::on;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::bearer::Credential;
use crate::body::{FromMembers, Json, Members};
use crate::openapi::types;
use crate::path::Segment;
use crate::problem::Problem;
use crate::query::{FromParameters, PageAsked, Parameters, Query};
use crate::{Route, answer};

/// The routes below this path. The original has them at `/invites`, where ours are those to orgs.
macro_rules! routes {
    ($at:literal) => {
        &[
            Route::post($at, CreatePlatformInvite::NAME, |method| on(method, create), docs::create),
            Route::get($at, ListPlatformInvites::NAME, |method| on(method, list), docs::list),
            Route::get(
                concat!($at, "/{id}"),
                ViewPlatformInvite::NAME,
                |method| on(method, view),
                docs::view,
            ),
            Route::delete(
                concat!($at, "/{id}"),
                RevokePlatformInvite::NAME,
                |method| on(method, revoke),
                docs::revoke,
            ),
        ]
    };
}

pub(crate) const ROUTES: &[Route] = routes!("/platform-invites");
/// Where the original's users service has them.
pub(crate) const USERS_ROUTES: &[Route] = routes!("/invites");

/// How many bytes the part of an address has at most that a list asks for: as many as in the list of accounts.
const LONGEST_PART: usize = 1024;

/// Whom to invite.
#[derive(ToSchema)]
#[schema(as = NewPlatformInvite)]
struct InviteBody {
    /// Their e-mail address, with which nobody has an account.
    #[schema(value_type = types::Email)]
    email: String,
    /// An org they are invited to when they have an account.
    #[schema(value_type = types::Id, required = false)]
    org_id: String,
    /// As what; needed with an org.
    #[schema(value_type = types::GivenRole, required = false)]
    role: String,
    /// Where the link in the mail leads, on the front end the operator has configured.
    #[schema(value_type = types::RedirectPath)]
    redirect_path: String,
}

impl FromMembers for InviteBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self {
            email: members.text("email")?,
            org_id: members.text("org_id")?,
            role: members.text("role")?,
            redirect_path: members.text("redirect_path")?,
        })
    }
}

/// Complains in the order in which the original does. A role without an org says nothing.
async fn create(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    credential: Credential,
    Json(body): Json<InviteBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    if body.email.is_empty() {
        return Err(Invalid::MissingEmail.into());
    }
    if body.redirect_path.is_empty() {
        return Err(Invalid::MissingRedirectPath.into());
    }
    let org = if body.org_id.is_empty() {
        None
    } else {
        if body.role.is_empty() {
            return Err(Invalid::MissingRole.into());
        }
        Some((body.org_id.parse()?, body.role.parse()?))
    };
    let (email, path) = (body.email.parse()?, body.redirect_path.parse()?);
    let id = app.execute(caller, CreatePlatformInvite { email, org, path }).await?;
    answer::created(&format!("{}/{id}", uri.path()))
}

async fn view(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let id = segment.id(Invalid::MissingInviteId)?;
    let invite = app.execute(caller, ViewPlatformInvite { id }).await?;
    answer::json(StatusCode::OK, &InviteView::from(&invite))
}

async fn revoke(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let id = segment.id(Invalid::MissingInviteId)?;
    app.execute(caller, RevokePlatformInvite { id }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Which invites are asked for.
struct InvitesAsked {
    page: PageAsked,
    email: String,
    state: String,
}

impl FromParameters for InvitesAsked {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        Ok(Self {
            page: PageAsked::from_parameters(parameters)?,
            email: parameters.text("email")?,
            state: parameters.text("state")?,
        })
    }
}

async fn list(
    State(app): State<App>,
    credential: Credential,
    Query(asked): Query<InvitesAsked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    if asked.email.len() > LONGEST_PART {
        return Err(Error::from(Invalid::EmailSize).into());
    }
    let page = asked.page.page()?;
    // No invite is in a state that does not exist.
    let states = if asked.state.is_empty() {
        InviteState::ALL.to_vec()
    } else {
        asked.state.parse().into_iter().collect()
    };
    let operation = ListPlatformInvites { email: asked.email.clone(), states, page };
    let listing = app.execute(caller, operation).await?;
    let view = InvitesView {
        total: listing.total,
        offset: page.offset,
        limit: page.limit,
        order: page.order.as_str(),
        dir: page.direction.as_str(),
        email: &asked.email,
        state: &asked.state,
        invites: listing.items.iter().map(InviteView::from).collect(),
    };
    answer::json(StatusCode::OK, &view)
}

/// An invite to the platform.
#[derive(Serialize, ToSchema)]
#[schema(as = PlatformInvite)]
struct InviteView<'a> {
    /// Which one.
    #[schema(value_type = types::Id)]
    id: String,
    /// Who is invited.
    #[schema(value_type = types::Email)]
    invitee_email: &'a str,
    /// Since when.
    #[schema(value_type = types::Moment)]
    created_at: String,
    /// Until when an account can be opened by it.
    #[schema(value_type = types::Moment)]
    expires_at: String,
    /// What became of it.
    #[schema(value_type = types::InviteState)]
    state: &'static str,
}

impl<'a> From<&'a PlatformInvite> for InviteView<'a> {
    fn from(invite: &'a PlatformInvite) -> Self {
        Self {
            id: invite.id.to_string(),
            invitee_email: invite.email.as_str(),
            created_at: invite.created_at.to_string(),
            expires_at: invite.expires_at.to_string(),
            state: invite.state.as_str(),
        }
    }
}

/// A page of invites to the platform, and what was asked to get it.
#[derive(Serialize, ToSchema)]
#[schema(as = PlatformInvites)]
struct InvitesView<'a> {
    /// How many invites there are on all pages.
    total: u64,
    /// How many invites were passed over.
    offset: u64,
    /// The most invites that could be on this page.
    limit: u64,
    /// What they are ordered by.
    order: &'static str,
    /// Which way they are ordered.
    #[schema(value_type = types::Direction)]
    dir: &'static str,
    /// The part of the address, if one was asked for.
    #[serde(skip_serializing_if = "str::is_empty")]
    #[schema(required = false)]
    email: &'a str,
    /// What became of them, if that was asked for.
    #[serde(skip_serializing_if = "str::is_empty")]
    #[schema(required = false)]
    state: &'a str,
    /// The invites.
    invites: Vec<InviteView<'a>>,
}
