//! What is in a group, and who has which role in it.

mod docs;

use auth_domain::model::{
    EntityId, EntityType, GroupGrant, GroupMember, GroupRole, Listing, Metadata,
};
use auth_domain::ops::group_members::{
    AssignMembers, ListGroupMembers, ListGroupsOf, UnassignMembers,
};
use auth_domain::ops::group_roles::{GrantGroupRole, ListGroupRoles, RemoveGroupRole};
use auth_domain::ops::members::Batch;
use auth_domain::ops::paging::{Paged, PartAsked};
use auth_domain::{App, Invalid, Operation, Result};
use axum::extract::State;
use axum::response::Response;
use axum::routing::on;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::bearer::Credential;
use crate::body::{FromMembers, Json, Members};
use crate::groups::GroupsView;
use crate::openapi::types;
use crate::path::{Segment, TwoSegments};
use crate::problem::Problem;
use crate::query::{FromParameters, PageAsked, PageOrCursor, Parameters, Query};
use crate::{Route, answer};

pub(crate) const ROUTES: &[Route] = &[
    Route::post(
        "/groups/{id}/members",
        AssignMembers::NAME,
        |method| on(method, assign),
        docs::assign,
    ),
    Route::delete(
        "/groups/{id}/members",
        UnassignMembers::NAME,
        |method| on(method, unassign),
        docs::unassign,
    ),
    Route::get(
        "/groups/{id}/members",
        ListGroupMembers::NAME,
        |method| on(method, list),
        docs::list,
    ),
    Route::get(
        "/members/{id}/groups",
        ListGroupsOf::NAME,
        |method| on(method, groups),
        docs::groups,
    ),
    Route::get("/groups/{id}/roles", ListGroupRoles::NAME, |method| on(method, roles), docs::roles),
    Route::put(
        "/groups/{id}/roles/{user_id}",
        GrantGroupRole::NAME,
        |method| on(method, grant),
        docs::grant,
    ),
    Route::delete(
        "/groups/{id}/roles/{user_id}",
        RemoveGroupRole::NAME,
        |method| on(method, revoke),
        docs::revoke,
    ),
];

/// What becomes members of a group.
#[derive(ToSchema)]
#[schema(as = GroupAssignment)]
struct AssignBody {
    /// What they are: `users`, who must belong to the group's org or have an account, or whatever other
    /// services have.
    #[schema(value_type = types::EntityType)]
    r#type: String,
    /// Their ids. Naming one twice changes nothing.
    #[schema(value_type = Vec<types::EntityId>, min_items = 1, max_items = 200)]
    members: Vec<String>,
}

impl FromMembers for AssignBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self { r#type: members.text("type")?, members: members.texts("members")? })
    }
}

fn entities(ids: Vec<String>) -> Result<Batch<EntityId>> {
    let ids = Batch::new(ids)?;
    Batch::new(ids.items().iter().map(|id| id.parse()).collect::<Result<_>>()?)
}

async fn assign(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Json(body): Json<AssignBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let kind: EntityType = body.r#type.parse()?;
    let members = entities(body.members)?;
    app.execute(caller, AssignMembers { group: segment.group()?, kind, members }).await?;
    Ok(answer::empty(StatusCode::OK))
}

/// What leaves a group.
#[derive(ToSchema)]
#[schema(as = GroupUnassignment)]
struct UnassignBody {
    /// Their ids. Those that are not in the group stay where they are.
    #[schema(value_type = Vec<types::EntityId>, min_items = 1, max_items = 200)]
    members: Vec<String>,
}

impl FromMembers for UnassignBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self { members: members.texts("members")? })
    }
}

async fn unassign(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Json(body): Json<UnassignBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let members = entities(body.members)?;
    app.execute(caller, UnassignMembers { group: segment.group()?, members }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Which members are asked for.
struct MembersAsked {
    part: PageOrCursor,
    kind: String,
    metadata: Metadata,
}

impl FromParameters for MembersAsked {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        // It says how groups are shown, and none are here; older clients send it all the same.
        parameters.flag("tree")?;
        Ok(Self {
            part: PageOrCursor::from_parameters(parameters)?,
            kind: parameters.text("type")?,
            metadata: parameters.metadata()?,
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
    let kind = (!asked.kind.is_empty()).then(|| asked.kind.parse()).transpose()?;
    let part = asked.part.part()?;
    let operation = ListGroupMembers {
        group: segment.group()?,
        kind,
        metadata: asked.metadata,
        part: part.clone(),
    };
    let page = app.execute(caller, operation).await?;
    answer::json(StatusCode::OK, &MembersView::new(&page, &part, &asked.kind))
}

/// A page of what is in a group.
#[derive(Serialize, ToSchema)]
#[schema(as = GroupMembers)]
struct MembersView<'a> {
    /// How many elements were asked for.
    limit: u64,
    /// How many elements were passed over.
    offset: u64,
    /// How many there are with the same filters.
    total: u64,
    /// 0: what older clients expect to be there.
    level: u64,
    /// Empty: what older clients expect to be there.
    name: &'static str,
    /// The type that was asked for; empty for all.
    r#type: &'a str,
    /// Their ids.
    #[schema(value_type = Vec<types::EntityId>)]
    members: Vec<&'a str>,
    /// What to ask for as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    next_cursor: Option<&'a str>,
}

impl<'a> MembersView<'a> {
    fn new(page: &'a Paged<GroupMember>, asked: &PartAsked, kind: &'a str) -> Self {
        Self {
            limit: asked.page.limit,
            offset: asked.page.offset,
            total: page.total,
            level: 0,
            name: "",
            r#type: kind,
            members: page.items.iter().map(|member| member.member.as_str()).collect(),
            next_cursor: page.next.as_deref(),
        }
    }
}

/// Which groups of a member are asked for.
struct GroupsAsked {
    part: PageOrCursor,
    metadata: Metadata,
}

impl FromParameters for GroupsAsked {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        let part = PageOrCursor::from_parameters(parameters)?;
        Ok(Self { part, metadata: parameters.metadata()? })
    }
}

async fn groups(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Query(asked): Query<GroupsAsked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let part = asked.part.part()?;
    let member = segment.text().unwrap_or_default().parse()?;
    let operation = ListGroupsOf { member, metadata: asked.metadata, part: part.clone() };
    let page = app.execute(caller, operation).await?;
    answer::json(StatusCode::OK, &GroupsView::new(&page, &part, 0, false))
}

/// A role in a group.
#[derive(ToSchema)]
#[schema(as = GroupRoleChoice)]
struct RoleBody {
    /// The role.
    #[schema(value_type = types::GroupRole)]
    role: String,
}

impl FromMembers for RoleBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self { role: members.text("role")? })
    }
}

async fn grant(
    State(app): State<App>,
    credential: Credential,
    TwoSegments(group, user): TwoSegments,
    Json(body): Json<RoleBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    if body.role.is_empty() {
        return Err(auth_domain::Error::from(Invalid::MissingRole).into());
    }
    let role: GroupRole = body.role.parse()?;
    let (group, user) = (group.group()?, user.id(Invalid::MissingUserId)?);
    app.execute(caller, GrantGroupRole { group, user, role }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

async fn revoke(
    State(app): State<App>,
    credential: Credential,
    TwoSegments(group, user): TwoSegments,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let (group, user) = (group.group()?, user.id(Invalid::MissingUserId)?);
    app.execute(caller, RemoveGroupRole { group, user }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

async fn roles(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Query(asked): Query<PageAsked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let page = asked.unordered()?;
    let listing = app.execute(caller, ListGroupRoles { group: segment.group()?, page }).await?;
    let view = RolesView {
        limit: page.limit,
        offset: page.offset,
        total: listing.total,
        roles: views(&listing),
    };
    answer::json(StatusCode::OK, &view)
}

fn views(listing: &Listing<GroupGrant>) -> Vec<RoleView> {
    let view = |grant: &GroupGrant| RoleView {
        user_id: grant.user.to_string(),
        role: grant.role.as_str(),
        created_at: grant.created_at.to_string(),
        updated_at: grant.updated_at.to_string(),
    };
    listing.items.iter().map(view).collect()
}

/// A role that somebody was given in a group.
#[derive(Serialize, ToSchema)]
#[schema(as = GroupGrant)]
struct RoleView {
    /// Who.
    #[schema(value_type = types::Id)]
    user_id: String,
    /// As what.
    #[schema(value_type = types::GroupRole)]
    role: &'static str,
    /// Since when they have one there.
    #[schema(value_type = types::Moment)]
    created_at: String,
    /// When it was last replaced.
    #[schema(value_type = types::Moment)]
    updated_at: String,
}

/// A page of roles.
#[derive(Serialize, ToSchema)]
#[schema(as = GroupGrants)]
struct RolesView {
    /// How many elements were asked for.
    limit: u64,
    /// How many elements were passed over.
    offset: u64,
    /// How many there are.
    total: u64,
    /// The roles, by user.
    roles: Vec<RoleView>,
}
