//! Platform roles. The original has no routes for them.

mod docs;

use auth_domain::model::RoleHolder;
use auth_domain::ops::roles::{GrantRole, ListRoles, RemoveRole};
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
use crate::path::Segment;
use crate::problem::Problem;
use crate::query::{PageAsked, Query};
use crate::{Route, answer};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/platform-roles", ListRoles::NAME, |method| on(method, list), docs::list),
    Route::put(
        "/platform-roles/{user_id}",
        GrantRole::NAME,
        |method| on(method, grant),
        docs::grant,
    ),
    Route::delete(
        "/platform-roles/{user_id}",
        RemoveRole::NAME,
        |method| on(method, remove),
        docs::remove,
    ),
];

async fn list(
    State(app): State<App>,
    credential: Credential,
    Query(asked): Query<PageAsked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let page = asked.unordered()?;
    let listing = app.execute(caller, ListRoles { page }).await?;
    let view = RolesView {
        limit: page.limit,
        offset: page.offset,
        total: listing.total,
        platform_roles: listing.items.iter().map(RoleView::from).collect(),
    };
    answer::json(StatusCode::OK, &view)
}

/// The role to give.
#[derive(ToSchema)]
#[schema(as = RoleGrant)]
struct RoleBody {
    /// Which.
    #[schema(value_type = types::PlatformRole)]
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
    segment: Segment,
    Json(body): Json<RoleBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let user = segment.id(Invalid::MissingUserId)?;
    if body.role.is_empty() {
        return Err(Error::from(Invalid::MissingRole).into());
    }
    app.execute(caller, GrantRole { user, role: body.role.parse()? }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

async fn remove(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let user = segment.id(Invalid::MissingUserId)?;
    app.execute(caller, RemoveRole { user }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Somebody with a platform role.
#[derive(Serialize, ToSchema)]
#[schema(as = RoleHolder)]
struct RoleView {
    /// Who.
    #[schema(value_type = types::Id)]
    user_id: String,
    /// What they are.
    #[schema(value_type = types::PlatformRole)]
    role: &'static str,
}

impl From<&RoleHolder> for RoleView {
    fn from(holder: &RoleHolder) -> Self {
        Self { user_id: holder.user.to_string(), role: holder.role.as_str() }
    }
}

/// A page of role holders, by user id, ascending.
#[derive(Serialize, ToSchema)]
#[schema(as = RoleHolders)]
struct RolesView {
    /// The most people that could be on this page.
    limit: u64,
    /// How many people were passed over.
    offset: u64,
    /// How many people there are on all pages.
    total: u64,
    /// Who has a role.
    platform_roles: Vec<RoleView>,
}
