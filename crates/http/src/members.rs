//! Who belongs to an org.

pub(crate) mod docs;

use auth_domain::model::{Listing, Member, MemberOrder, MemberQuery, OrgRole};
use auth_domain::ops::members::{
    AddMembers, Batch, Grant, LeaveOrg, ListMembers, RemoveMembers, TransferOwnership,
    UpdateMembers, ViewMember, can_be_given,
};
use auth_domain::{App, Error, Invalid, Operation, Result};
use axum::extract::State;
use axum::response::Response;
use axum::routing::on;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::bearer::Credential;
use crate::body::{FromMembers, Json, Members};
use crate::openapi::types;
use crate::path::{self, Segment, TwoSegments};
use crate::problem::Problem;
use crate::query::{FromParameters, PageAsked, Parameters, Query};
use crate::{Route, answer};

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/orgs/{id}/memberships", AddMembers::NAME, |method| on(method, add), docs::add),
    Route::get("/orgs/{id}/memberships", ListMembers::NAME, |method| on(method, list), docs::list),
    Route::put(
        "/orgs/{id}/memberships",
        UpdateMembers::NAME,
        |method| on(method, update),
        docs::update,
    ),
    Route::patch(
        "/orgs/{id}/memberships",
        RemoveMembers::NAME,
        |method| on(method, remove),
        docs::remove,
    ),
    Route::get(
        "/orgs/{id}/members/{member_id}",
        ViewMember::NAME,
        |method| on(method, view),
        docs::view,
    ),
    Route::post("/orgs/{id}/leave", LeaveOrg::NAME, |method| on(method, leave), docs::leave),
    Route::put(
        "/orgs/{id}/owner",
        TransferOwnership::NAME,
        |method| on(method, transfer),
        docs::transfer,
    ),
];

/// People, and what each of them is to be.
#[derive(ToSchema)]
#[schema(as = Grants)]
struct GrantsBody {
    /// Who, as what.
    #[schema(min_items = 1, max_items = 200)]
    org_memberships: Vec<GrantBody>,
}

/// A role for somebody.
#[derive(ToSchema)]
#[schema(as = Grant)]
struct GrantBody {
    /// Their e-mail address.
    #[schema(value_type = types::Email)]
    email: String,
    /// What they are to be, anything but `owner`; `viewer` unless given.
    #[schema(value_type = types::OrgRole, required = false)]
    role: String,
}

impl FromMembers for GrantsBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        let mut grants = members.objects("org_memberships")?;
        let org_memberships = grants.iter_mut().map(GrantBody::from_members);
        Ok(Self { org_memberships: org_memberships.collect::<Result<_>>()? })
    }
}

impl FromMembers for GrantBody {
    /// Complains of `owner` where the original does: before anybody is asked who they are.
    fn from_members(members: &mut Members) -> Result<Self> {
        let (email, role) = (members.text("email")?, members.text("role")?);
        // Any other text that is no role is for later.
        if let Ok(role) = role.parse() {
            can_be_given(role)?;
        }
        Ok(Self { email, role })
    }
}

impl GrantBody {
    /// Text that is no address is nobody's address.
    fn understand(&self) -> Result<Grant> {
        if self.email.is_empty() {
            return Err(Invalid::MissingEmail.into());
        }
        let role = if self.role.is_empty() { OrgRole::Viewer } else { self.role.parse()? };
        Ok(Grant { email: self.email.parse().ok(), role })
    }
}

impl GrantsBody {
    fn understand(&self) -> Result<Batch<Grant>> {
        let grants = self.org_memberships.iter().map(GrantBody::understand);
        Batch::new(grants.collect::<Result<_>>()?)
    }
}

async fn add(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Json(body): Json<GrantsBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let grants = body.understand()?;
    let org = segment.id(Invalid::MissingOrgId)?;
    app.execute(caller, AddMembers { org, grants }).await?;
    Ok(answer::empty(StatusCode::OK))
}

async fn update(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Json(body): Json<GrantsBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let grants = body.understand()?;
    let org = segment.id(Invalid::MissingOrgId)?;
    app.execute(caller, UpdateMembers { org, grants }).await?;
    Ok(answer::empty(StatusCode::OK))
}

/// Several members.
#[derive(ToSchema)]
#[schema(as = MemberIds)]
struct IdsBody {
    /// Who. Naming one twice changes nothing.
    #[schema(value_type = Vec<types::Id>, min_items = 1, max_items = 200)]
    member_ids: Vec<String>,
}

impl FromMembers for IdsBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self { member_ids: members.texts("member_ids")? })
    }
}

async fn remove(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Json(body): Json<IdsBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let ids = Batch::new(body.member_ids)?;
    let org = segment.id(Invalid::MissingOrgId)?;
    let members = ids.items().iter().map(|id| path::id(id, Invalid::MissingMemberId));
    let members = Batch::new(members.collect::<Result<_>>()?)?;
    app.execute(caller, RemoveMembers { org, members }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

async fn leave(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let org = segment.id(Invalid::MissingOrgId)?;
    app.execute(caller, LeaveOrg { org }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// The next owner.
#[derive(ToSchema)]
#[schema(as = NextOwner)]
struct OwnerBody {
    /// Which member.
    #[schema(value_type = types::Id)]
    member_id: String,
}

impl FromMembers for OwnerBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self { member_id: members.text("member_id")? })
    }
}

async fn transfer(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Json(body): Json<OwnerBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let org = segment.id(Invalid::MissingOrgId)?;
    let to = path::id(&body.member_id, Invalid::MissingMemberId)?;
    app.execute(caller, TransferOwnership { org, to }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

async fn view(
    State(app): State<App>,
    credential: Credential,
    TwoSegments(org, member): TwoSegments,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let org = org.id(Invalid::MissingOrgId)?;
    let member = member.id(Invalid::MissingMemberId)?;
    let member = app.execute(caller, ViewMember { org, member }).await?;
    answer::json(StatusCode::OK, &MemberView::from(&member))
}

/// Which members are asked for.
struct MembersAsked {
    page: PageAsked,
    email: String,
    role: String,
}

impl FromParameters for MembersAsked {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        Ok(Self {
            page: PageAsked::from_parameters(parameters)?,
            email: parameters.text("email")?,
            role: parameters.text("role")?,
        })
    }
}

async fn list(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Query(asked): Query<MembersAsked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let page = asked.page.page::<MemberOrder>()?;
    let role = (!asked.role.is_empty()).then(|| asked.role.parse::<OrgRole>()).transpose()?;
    if asked.email.len() > auth_domain::model::Email::MAX {
        return Err(Error::from(Invalid::EmailSize).into());
    }
    let org = segment.id(Invalid::MissingOrgId)?;
    let query = MemberQuery { org, role, email: asked.email.clone() };
    let listing = app.execute(caller, ListMembers { query, page }).await?;
    let view = MembersView {
        limit: page.limit,
        offset: page.offset,
        total: listing.total,
        email: &asked.email,
        role: &asked.role,
        order: page.order.as_str(),
        direction: page.direction.as_str(),
        dir: page.direction.as_str(),
        org_memberships: views(&listing),
    };
    answer::json(StatusCode::OK, &view)
}

fn views(listing: &Listing<Member>) -> Vec<MemberView<'_>> {
    listing.items.iter().map(MemberView::from).collect()
}

/// A member of an org.
#[derive(Serialize, ToSchema)]
#[schema(as = Membership)]
pub(crate) struct MemberView<'a> {
    /// Who.
    #[schema(value_type = types::Id)]
    member_id: String,
    /// Of which org.
    #[schema(value_type = types::Id)]
    org_id: String,
    /// Their e-mail address; empty when the directory does not know them, or not any more.
    email: &'a str,
    /// What they are.
    #[schema(value_type = types::OrgRole)]
    role: &'static str,
    /// Since when.
    #[schema(value_type = types::Moment)]
    created_at: String,
    /// When their role was last changed.
    #[schema(value_type = types::Moment)]
    updated_at: String,
}

impl<'a> From<&'a Member> for MemberView<'a> {
    fn from(member: &'a Member) -> Self {
        let membership = &member.membership;
        Self {
            member_id: membership.member.to_string(),
            org_id: membership.org.to_string(),
            email: &member.email,
            role: membership.role.as_str(),
            created_at: membership.created_at.to_string(),
            updated_at: membership.updated_at.to_string(),
        }
    }
}

/// A page of members, and what was asked to get it.
#[derive(Serialize, ToSchema)]
#[schema(as = Memberships)]
struct MembersView<'a> {
    /// The most members that could be on this page.
    limit: u64,
    /// How many members were passed over.
    offset: u64,
    /// How many members there are on all pages.
    total: u64,
    /// What their e-mail addresses contain, if that was asked for.
    #[serde(skip_serializing_if = "str::is_empty")]
    email: &'a str,
    /// What they are, if that was asked for.
    #[serde(skip_serializing_if = "str::is_empty")]
    #[schema(value_type = types::OrgRole, required = false)]
    role: &'a str,
    /// What they are ordered by.
    order: &'static str,
    /// The same as `dir`, by the name that some clients read.
    #[schema(value_type = types::Direction)]
    direction: &'static str,
    /// Which way they are ordered.
    #[schema(value_type = types::Direction)]
    dir: &'static str,
    /// The members.
    org_memberships: Vec<MemberView<'a>>,
}
