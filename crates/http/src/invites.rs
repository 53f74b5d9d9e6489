//! Invites to orgs.

mod docs;

use auth_domain::model::{InviteOrder, InviteState, Page, ShownInvite};
use auth_domain::ops::invite_lists::{ListInvitesByOrg, ListInvitesByUser, Side, ViewInvite};
use auth_domain::ops::invites::{Answer, CreateInvite, RespondInvite, RevokeInvite};
use auth_domain::{App, Invalid, Operation, Result};
use axum::extract::State;
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

pub(crate) const ROUTES: &[Route] = &[
    Route::post(
        "/orgs/{id}/invites",
        CreateInvite::NAME,
        |method| on(method, create),
        docs::create,
    ),
    Route::get(
        "/orgs/{id}/invites",
        ListInvitesByOrg::NAME,
        |method| on(method, list_by_org),
        docs::list_by_org,
    ),
    Route::get("/invites/{id}", ViewInvite::NAME, |method| on(method, view), docs::view),
    Route::delete("/invites/{id}", RevokeInvite::NAME, |method| on(method, revoke), docs::revoke),
    Route::post(
        "/invites/{id}/accept",
        RespondInvite::NAME,
        |method| on(method, accept),
        docs::accept,
    ),
    Route::post(
        "/invites/{id}/decline",
        RespondInvite::NAME,
        |method| on(method, decline),
        docs::decline,
    ),
    Route::get(
        "/users/{id}/invites/received",
        ListInvitesByUser::NAME,
        |method| on(method, list_received),
        docs::list_received,
    ),
    Route::get(
        "/users/{id}/invites/sent",
        ListInvitesByUser::NAME,
        |method| on(method, list_sent),
        docs::list_sent,
    ),
];

/// Where every other answer to an invite goes, and no answer at all: to [`other_answer`].
pub(crate) const OTHER_ANSWERS: [&str; 2] = ["/invites/{id}/", "/invites/{id}/{answer}"];

/// Whom to invite, as what.
#[derive(ToSchema)]
#[schema(as = NewInvite)]
struct InviteBody {
    /// Their e-mail address.
    #[schema(value_type = types::Email)]
    email: String,
    /// What they become if they accept.
    #[schema(value_type = types::GivenRole)]
    role: String,
    /// Where the link in the mail leads, on the front end the operator has configured.
    #[schema(value_type = types::RedirectPath)]
    redirect_path: String,
}

impl FromMembers for InviteBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self {
            email: members.text("email")?,
            role: members.text("role")?,
            redirect_path: members.text("redirect_path")?,
        })
    }
}

async fn create(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Json(body): Json<InviteBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let org = segment.id(Invalid::MissingOrgId)?;
    if body.redirect_path.is_empty() {
        return Err(Invalid::MissingRedirectPath.into());
    }
    if body.email.is_empty() {
        return Err(Invalid::MissingEmail.into());
    }
    let role = body.role.parse()?;
    let (email, path) = (body.email.parse()?, body.redirect_path.parse()?);
    let id = app.execute(caller, CreateInvite { org, email, role, path }).await?;
    answer::created(&format!("/invites/{id}"))
}

async fn view(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let id = segment.id(Invalid::MissingInviteId)?;
    let shown = app.execute(caller, ViewInvite { id }).await?;
    answer::json(StatusCode::OK, &InviteView::from(&shown))
}

async fn revoke(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let id = segment.id(Invalid::MissingInviteId)?;
    app.execute(caller, RevokeInvite { id }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// How an invite is accepted. In the query: the original looks at no body.
struct AcceptAsked {
    redirect_path: String,
}

impl FromParameters for AcceptAsked {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        Ok(Self { redirect_path: parameters.text("redirect_path")? })
    }
}

async fn accept(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Query(asked): Query<AcceptAsked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let (id, answer) = (segment.id(Invalid::MissingInviteId)?, Answer::Accept);
    let path = match asked.redirect_path.as_str() {
        "" => None,
        path => Some(path.parse()?),
    };
    app.execute(caller, RespondInvite { id, answer, path }).await?;
    Ok(answer::empty(StatusCode::CREATED))
}

async fn decline(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let (id, answer) = (segment.id(Invalid::MissingInviteId)?, Answer::Decline);
    app.execute(caller, RespondInvite { id, answer, path: None }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// The original looks at the answer before the token.
pub(crate) async fn other_answer() -> Problem {
    Invalid::InviteAction.into()
}

/// Which invites are asked for.
struct InvitesAsked {
    page: PageAsked,
    state: String,
}

impl FromParameters for InvitesAsked {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        Ok(Self { page: PageAsked::from_parameters(parameters)?, state: parameters.text("state")? })
    }
}

impl InvitesAsked {
    /// No invite is in a state that does not exist.
    fn states(&self) -> Vec<InviteState> {
        if self.state.is_empty() {
            InviteState::ALL.to_vec()
        } else {
            self.state.parse().into_iter().collect()
        }
    }
}

async fn list_by_org(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Query(asked): Query<InvitesAsked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let (page, states) = (asked.page.page()?, asked.states());
    let org = segment.id(Invalid::MissingOrgId)?;
    let listing = app.execute(caller, ListInvitesByOrg { org, states, page }).await?;
    show(page, &asked.state, listing.total, &listing.items)
}

async fn list_received(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Query(asked): Query<InvitesAsked>,
) -> Result<Response, Problem> {
    list_by_user(app, credential, &segment, &asked, Side::Received).await
}

async fn list_sent(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Query(asked): Query<InvitesAsked>,
) -> Result<Response, Problem> {
    list_by_user(app, credential, &segment, &asked, Side::Sent).await
}

async fn list_by_user(
    app: App,
    credential: Credential,
    segment: &Segment,
    asked: &InvitesAsked,
    side: Side,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let (page, states) = (asked.page.page()?, asked.states());
    let user = segment.id(Invalid::MissingUserId)?;
    let listing = app.execute(caller, ListInvitesByUser { user, side, states, page }).await?;
    show(page, &asked.state, listing.total, &listing.items)
}

fn show(
    page: Page<InviteOrder>,
    state: &str,
    total: u64,
    invites: &[ShownInvite],
) -> Result<Response, Problem> {
    let view = InvitesView {
        limit: page.limit,
        offset: page.offset,
        total,
        order: page.order.as_str(),
        direction: page.direction.as_str(),
        dir: page.direction.as_str(),
        state,
        invites: invites.iter().map(InviteView::from).collect(),
    };
    answer::json(StatusCode::OK, &view)
}

/// An invite to an org.
#[derive(Serialize, ToSchema)]
#[schema(as = Invite)]
struct InviteView<'a> {
    /// Which one.
    #[schema(value_type = types::Id)]
    id: String,
    /// Who is invited; empty while that is nobody who has an account.
    invitee_id: String,
    /// Their e-mail address; empty when the directory does not know them, or not any more.
    invitee_email: &'a str,
    /// Who invited them.
    #[schema(value_type = types::Id)]
    inviter_id: String,
    /// Their e-mail address; empty when the directory does not know them, or not any more.
    inviter_email: &'a str,
    /// To which org.
    #[schema(value_type = types::Id)]
    org_id: String,
    /// What people call it.
    org_name: &'a str,
    /// What the invitee becomes if they accept.
    #[schema(value_type = types::OrgRole)]
    invitee_role: &'static str,
    /// Since when.
    #[schema(value_type = types::Moment)]
    created_at: String,
    /// Until when it can be accepted.
    #[schema(value_type = types::Moment)]
    expires_at: String,
    /// What became of it.
    #[schema(value_type = types::InviteState)]
    state: &'static str,
}

impl<'a> From<&'a ShownInvite> for InviteView<'a> {
    fn from(shown: &'a ShownInvite) -> Self {
        let invite = &shown.invite;
        Self {
            id: invite.id.to_string(),
            invitee_id: invite.invitee.map(|user| user.to_string()).unwrap_or_default(),
            invitee_email: &shown.invitee_email,
            inviter_id: invite.inviter.to_string(),
            inviter_email: &shown.inviter_email,
            org_id: invite.org.to_string(),
            org_name: shown.org_name.as_str(),
            invitee_role: invite.role.as_str(),
            created_at: invite.created_at.to_string(),
            expires_at: invite.expires_at.to_string(),
            state: invite.state.as_str(),
        }
    }
}

/// A page of invites, and what was asked to get it.
#[derive(Serialize, ToSchema)]
#[schema(as = Invites)]
struct InvitesView<'a> {
    /// The most invites that could be on this page.
    limit: u64,
    /// How many invites were passed over.
    offset: u64,
    /// How many invites there are on all pages.
    total: u64,
    /// What they are ordered by.
    order: &'static str,
    /// The same as `dir`, by the name that some clients read.
    #[schema(value_type = types::Direction)]
    direction: &'static str,
    /// Which way they are ordered.
    #[schema(value_type = types::Direction)]
    dir: &'static str,
    /// What became of them, if that was asked for.
    #[serde(skip_serializing_if = "str::is_empty")]
    #[schema(required = false)]
    state: &'a str,
    /// The invites.
    invites: Vec<InviteView<'a>>,
}
