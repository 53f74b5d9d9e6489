//! Orgs.

mod docs;

use auth_domain::model::{Listing, Metadata, Name, Org};
use auth_domain::ops::orgs::{CreateOrg, ListOrgs, RemoveOrgs, UpdateOrg, ViewOrg};
use auth_domain::{App, Caller, Error, Invalid, Operation, Result};
use axum::extract::State;
use axum::response::Response;
use axum::routing::on;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::bearer::Credential;
use crate::body::{FromMembers, Json, MaybeJson, Members};
use crate::openapi::types;
use crate::path::{self, Segment};
use crate::problem::Problem;
use crate::query::{FromParameters, PageAsked, Parameters, Query};
use crate::{Route, answer};

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/orgs", CreateOrg::NAME, |method| on(method, create), docs::create),
    Route::get("/orgs", ListOrgs::NAME, |method| on(method, list), docs::list),
    Route::patch(
        "/orgs",
        RemoveOrgs::NAME,
        |method| on(method, remove_several),
        docs::remove_several,
    ),
    Route::post("/orgs/search", ListOrgs::NAME, |method| on(method, search), docs::search),
    Route::get("/orgs/{id}", ViewOrg::NAME, |method| on(method, view), docs::view),
    Route::put("/orgs/{id}", UpdateOrg::NAME, |method| on(method, update), docs::update),
    Route::delete("/orgs/{id}", RemoveOrgs::NAME, |method| on(method, remove), docs::remove),
];

/// Everything about an org that clients decide.
#[derive(ToSchema)]
#[schema(as = OrgEdit)]
struct OrgBody {
    /// What people call it.
    #[schema(value_type = types::Name)]
    name: String,
    /// What people say of it; nothing unless given.
    #[schema(value_type = types::Description, required = false)]
    description: String,
    /// What to attach to it; nothing unless given.
    #[schema(value_type = types::Metadata, required = false)]
    metadata: Metadata,
}

impl FromMembers for OrgBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self {
            name: members.text("name")?,
            description: members.text("description")?,
            metadata: members.metadata()?,
        })
    }
}

async fn create(
    State(app): State<App>,
    credential: Credential,
    Json(body): Json<OrgBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let name = body.name.parse()?;
    let description = body.description.parse()?;
    let org = app.execute(caller, CreateOrg { name, description, metadata: body.metadata }).await?;
    answer::created(&format!("/orgs/{}", org.id))
}

async fn view(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let id = segment.id(Invalid::MissingOrgId)?;
    let org = app.execute(caller, ViewOrg { id }).await?;
    answer::json(StatusCode::OK, &OrgView::from(&org))
}

async fn update(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Json(body): Json<OrgBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let id = segment.id(Invalid::MissingOrgId)?;
    let name = body.name.parse()?;
    let description = body.description.parse()?;
    app.execute(caller, UpdateOrg { id, name, description, metadata: body.metadata }).await?;
    Ok(answer::empty(StatusCode::OK))
}

async fn remove(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let id = segment.id(Invalid::MissingOrgId)?;
    app.execute(caller, RemoveOrgs { ids: vec![id] }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Several orgs.
#[derive(ToSchema)]
#[schema(as = OrgIds)]
struct IdsBody {
    /// Which. Naming one twice changes nothing.
    #[schema(value_type = Vec<types::Id>, min_items = 1, max_items = 200)]
    org_ids: Vec<String>,
}

impl FromMembers for IdsBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self { org_ids: members.texts("org_ids")? })
    }
}

async fn remove_several(
    State(app): State<App>,
    credential: Credential,
    Json(body): Json<IdsBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    if body.org_ids.is_empty() {
        return Err(Error::from(Invalid::EmptyList).into());
    }
    let ids = body.org_ids.iter().map(|id| path::id(id, Invalid::MissingOrgId));
    app.execute(caller, RemoveOrgs { ids: ids.collect::<Result<_>>()? }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Which orgs are asked for, in a query string or in a body.
struct OrgsAsked {
    page: PageAsked,
    name: String,
    metadata: Metadata,
}

impl FromParameters for OrgsAsked {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        Ok(Self {
            page: PageAsked::from_parameters(parameters)?,
            name: parameters.text("name")?,
            metadata: parameters.metadata()?,
        })
    }
}

impl FromMembers for OrgsAsked {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self {
            page: PageAsked::from_members(members)?,
            name: members.text("name")?,
            metadata: members.metadata()?,
        })
    }
}

async fn list(
    State(app): State<App>,
    credential: Credential,
    Query(asked): Query<OrgsAsked>,
) -> Result<Response, Problem> {
    show(&app, credential.caller()?, asked).await
}

async fn search(
    State(app): State<App>,
    credential: Credential,
    MaybeJson(asked): MaybeJson<OrgsAsked>,
) -> Result<Response, Problem> {
    show(&app, credential.caller()?, asked).await
}

async fn show(app: &App, caller: Caller, asked: OrgsAsked) -> Result<Response, Problem> {
    if asked.name.len() > Name::MAX {
        return Err(Error::from(Invalid::NameSize).into());
    }
    let page = asked.page.page()?;
    let name = asked.name.clone();
    let listing = app.execute(caller, ListOrgs { name, metadata: asked.metadata, page }).await?;
    let view = OrgsView {
        limit: page.limit,
        offset: page.offset,
        total: listing.total,
        order: page.order.as_str(),
        direction: page.direction.as_str(),
        dir: page.direction.as_str(),
        name: &asked.name,
        orgs: views(&listing),
    };
    answer::json(StatusCode::OK, &view)
}

fn views(listing: &Listing<Org>) -> Vec<OrgView<'_>> {
    listing.items.iter().map(OrgView::from).collect()
}

/// An org.
// Without the limits of what is read: what the original stored may be beyond them.
#[derive(Serialize, ToSchema)]
#[schema(as = Org)]
struct OrgView<'a> {
    /// The org's id.
    #[schema(value_type = types::Id)]
    id: String,
    /// What people call it.
    name: &'a str,
    /// Who owns it.
    #[schema(value_type = types::Id)]
    owner_id: String,
    /// What people say of it, if anything.
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    /// What is attached to it, if anything.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = types::Metadata, required = false)]
    metadata: &'a Map<String, Value>,
    /// When it was founded.
    #[schema(value_type = types::Moment)]
    created_at: String,
    /// When it was last changed.
    #[schema(value_type = types::Moment)]
    updated_at: String,
}

impl<'a> From<&'a Org> for OrgView<'a> {
    fn from(org: &'a Org) -> Self {
        Self {
            id: org.id.to_string(),
            name: org.name.as_str(),
            owner_id: org.owner.to_string(),
            description: org.description.as_str(),
            metadata: org.metadata.object(),
            created_at: org.created_at.to_string(),
            updated_at: org.updated_at.to_string(),
        }
    }
}

/// A page of orgs, and what was asked to get it.
#[derive(Serialize, ToSchema)]
#[schema(as = Orgs)]
struct OrgsView<'a> {
    /// The most orgs that could be on this page.
    limit: u64,
    /// How many orgs were passed over.
    offset: u64,
    /// How many orgs there are on all pages.
    total: u64,
    /// What they are ordered by.
    order: &'static str,
    /// The same as `dir`, by the name that older clients read.
    #[schema(value_type = types::Direction)]
    direction: &'static str,
    /// Which way they are ordered.
    #[schema(value_type = types::Direction)]
    dir: &'static str,
    /// What their names contain, if that was asked for.
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    /// The orgs.
    orgs: Vec<OrgView<'a>>,
}
