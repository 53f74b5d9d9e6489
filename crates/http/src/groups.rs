//! Groups: the routes of Mainflux 0.13, and moving.

pub(crate) mod docs;

use auth_domain::model::{Group, GroupId, MAX_DEPTH, Metadata, OrgId, Placed};
use auth_domain::ops::groups::{
    CreateGroup, Home, ListChildren, ListGroups, ListParents, MoveGroup, RemoveGroup, UpdateGroup,
    ViewGroup, levels,
};
use auth_domain::ops::paging::{Paged, PartAsked};
use auth_domain::{App, Invalid, Operation, Result};
use axum::extract::State;
use axum::response::Response;
use axum::routing::on;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::bearer::Credential;
use crate::body::{FromMembers, Json, Members};
use crate::openapi::types;
use crate::path::Segment;
use crate::problem::Problem;
use crate::query::{FromParameters, PageOrCursor, Parameters, Query};
use crate::{Route, answer};

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/groups", CreateGroup::NAME, |method| on(method, create), docs::create),
    Route::get("/groups", ListGroups::NAME, |method| on(method, list), docs::list),
    Route::get("/groups/{id}", ViewGroup::NAME, |method| on(method, view), docs::view),
    Route::put("/groups/{id}", UpdateGroup::NAME, |method| on(method, update), docs::update),
    Route::delete("/groups/{id}", RemoveGroup::NAME, |method| on(method, remove), docs::remove),
    Route::put(
        "/groups/{id}/parent",
        MoveGroup::NAME,
        |method| on(method, relocate),
        docs::relocate,
    ),
    Route::get(
        "/groups/{id}/children",
        ListChildren::NAME,
        |method| on(method, children),
        docs::children,
    ),
    Route::get(
        "/groups/{id}/parents",
        ListParents::NAME,
        |method| on(method, parents),
        docs::parents,
    ),
];

/// A new group.
#[derive(ToSchema)]
#[schema(as = NewGroup)]
struct GroupBody {
    /// Its name, unique among its siblings.
    #[schema(value_type = types::Name)]
    name: String,
    /// The group it goes below. Without one it becomes a root.
    #[schema(value_type = types::GroupId, required = false)]
    parent_id: String,
    /// The org it becomes a root of. Without one, and without a parent, it becomes the caller's own.
    #[schema(value_type = types::Id, required = false)]
    org_id: String,
    /// What people say of it.
    #[schema(value_type = types::Description, required = false)]
    description: String,
    /// What clients attach to it.
    #[schema(value_type = types::Metadata, required = false)]
    metadata: Metadata,
}

impl FromMembers for GroupBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self {
            name: members.text("name")?,
            parent_id: members.text("parent_id")?,
            org_id: members.text("org_id")?,
            description: members.text("description")?,
            metadata: members.metadata()?,
        })
    }
}

impl GroupBody {
    fn understand(self) -> Result<CreateGroup> {
        let org = (!self.org_id.is_empty()).then(|| OrgId::sought(&self.org_id));
        let home = match (self.parent_id.as_str(), org) {
            ("", None) => Home::Own,
            ("", Some(org)) => Home::Org(org),
            (parent, org) => Home::Below(GroupId::sought(parent), org),
        };
        Ok(CreateGroup {
            home,
            name: self.name.parse()?,
            description: self.description.parse()?,
            metadata: self.metadata,
        })
    }
}

async fn create(
    State(app): State<App>,
    credential: Credential,
    Json(body): Json<GroupBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let group = app.execute(caller, body.understand()?).await?;
    answer::created(&format!("/groups/{}", group.id))
}

/// What may change of a group.
#[derive(ToSchema)]
#[schema(as = GroupEdit)]
struct EditBody {
    /// Its name, unique among its siblings.
    #[schema(value_type = types::Name)]
    name: String,
    /// What people say of it.
    #[schema(value_type = types::Description, required = false)]
    description: String,
    /// What clients attach to it.
    #[schema(value_type = types::Metadata, required = false)]
    metadata: Metadata,
}

impl FromMembers for EditBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self {
            name: members.text("name")?,
            description: members.text("description")?,
            metadata: members.metadata()?,
        })
    }
}

async fn update(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Json(body): Json<EditBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let operation = UpdateGroup {
        id: segment.group()?,
        name: body.name.parse()?,
        description: body.description.parse()?,
        metadata: body.metadata,
    };
    app.execute(caller, operation).await?;
    Ok(answer::empty(StatusCode::OK))
}

async fn view(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let placed = app.execute(caller, ViewGroup { id: segment.group()? }).await?;
    answer::json(StatusCode::OK, &GroupView::from(&placed))
}

/// How much of a tree goes.
struct RemovalAsked {
    subtree: bool,
}

impl FromParameters for RemovalAsked {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        Ok(Self { subtree: parameters.flag("subtree")? })
    }
}

async fn remove(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Query(asked): Query<RemovalAsked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let operation = RemoveGroup { id: segment.group()?, subtree: asked.subtree };
    app.execute(caller, operation).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Where a group goes.
#[derive(ToSchema)]
#[schema(as = GroupMove)]
struct MoveBody {
    /// The group it goes below; null makes it a root.
    #[schema(value_type = types::NewParent)]
    parent_id: String,
}

impl FromMembers for MoveBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self { parent_id: members.stated_text("parent_id")? })
    }
}

async fn relocate(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Json(body): Json<MoveBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let parent = (!body.parent_id.is_empty()).then(|| GroupId::sought(&body.parent_id));
    app.execute(caller, MoveGroup { id: segment.group()?, parent }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Which part of a tree is asked for, and how it is shown.
struct TreeAsked {
    part: PageOrCursor,
    level: u64,
    tree: bool,
    org: String,
    metadata: Metadata,
}

impl FromParameters for TreeAsked {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        Ok(Self {
            part: PageOrCursor::from_parameters(parameters)?,
            level: parameters.whole("level", 1)?,
            tree: parameters.flag("tree")?,
            org: parameters.text("org_id")?,
            metadata: parameters.metadata()?,
        })
    }
}

async fn list(
    State(app): State<App>,
    credential: Credential,
    Query(asked): Query<TreeAsked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let operation = ListGroups {
        org: (!asked.org.is_empty()).then(|| OrgId::sought(&asked.org)),
        levels: levels(asked.level)?,
        metadata: asked.metadata,
        part: asked.part.part()?,
    };
    let part = operation.part.clone();
    let page = app.execute(caller, operation).await?;
    answer::json(StatusCode::OK, &GroupsView::new(&page, &part, asked.level, asked.tree))
}

async fn children(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Query(asked): Query<TreeAsked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let operation = ListChildren {
        levels: levels(asked.level)?,
        metadata: asked.metadata,
        part: asked.part.part()?,
        id: segment.group()?,
    };
    let part = operation.part.clone();
    let page = app.execute(caller, operation).await?;
    answer::json(StatusCode::OK, &GroupsView::new(&page, &part, asked.level, asked.tree))
}

async fn parents(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Query(asked): Query<TreeAsked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let operation = ListParents {
        levels: levels(asked.level)?,
        metadata: asked.metadata,
        part: asked.part.part()?,
        id: segment.group()?,
    };
    let part = operation.part.clone();
    let page = app.execute(caller, operation).await?;
    answer::json(StatusCode::OK, &GroupsView::new(&page, &part, asked.level, asked.tree))
}

/// A group, as far up as the caller may see.
#[derive(Serialize, ToSchema)]
#[schema(as = Group)]
pub(crate) struct GroupView<'a> {
    /// Which one.
    #[schema(value_type = types::GroupId)]
    id: String,
    /// What people call it.
    #[schema(value_type = types::Name)]
    name: &'a str,
    /// Whose it is; who made it, if it belongs to an org.
    #[schema(value_type = types::Id)]
    owner_id: String,
    /// The org it belongs to, if to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::Id, required = false)]
    org_id: Option<String>,
    /// The group above it; none for a root, and for the highest group the caller may see.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::GroupId, required = false)]
    parent_id: Option<String>,
    /// What people say of it.
    #[serde(skip_serializing_if = "str::is_empty")]
    #[schema(value_type = types::Description, required = false)]
    description: &'a str,
    /// What clients attach to it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = types::Metadata, required = false)]
    metadata: &'a Map<String, Value>,
    /// How many groups its path has.
    #[schema(minimum = 1, maximum = 32)]
    level: usize,
    /// The ids from the highest group the caller may see down to this one, joined by dots.
    path: String,
    /// The groups below it, by age, in a tree.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion, required = false)]
    children: Vec<GroupView<'a>>,
    /// When it was made.
    #[schema(value_type = types::Moment)]
    created_at: String,
    /// When it was last changed or moved.
    #[schema(value_type = types::Moment)]
    updated_at: String,
}

impl<'a> From<&'a Placed> for GroupView<'a> {
    fn from(placed: &'a Placed) -> Self {
        let Group { id, owner, org, parent, name, description, metadata, .. } = &placed.group;
        let path: Vec<String> = placed.path.iter().map(GroupId::to_string).collect();
        Self {
            id: id.to_string(),
            name: name.as_str(),
            owner_id: owner.to_string(),
            org_id: org.map(|org| org.to_string()),
            parent_id: parent.map(|parent| parent.to_string()),
            description: description.as_str(),
            metadata: metadata.object(),
            level: path.len(),
            path: path.join("."),
            children: Vec::new(),
            created_at: placed.group.created_at.to_string(),
            updated_at: placed.group.updated_at.to_string(),
        }
    }
}

/// A page of groups.
#[derive(Serialize, ToSchema)]
#[schema(as = Groups)]
pub(crate) struct GroupsView<'a> {
    /// How many elements were asked for.
    limit: u64,
    /// How many elements were passed over.
    offset: u64,
    /// How many there are with the same filters.
    total: u64,
    /// How many levels were asked for; 0 where that cannot be asked.
    level: u64,
    /// Empty: what older clients expect to be there.
    name: &'static str,
    /// The groups: each after the one above it and its older siblings; in a tree, below the one above it
    /// if that is on this page.
    groups: Vec<GroupView<'a>>,
    /// What to ask for as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    next_cursor: Option<&'a str>,
}

impl<'a> GroupsView<'a> {
    pub(crate) fn new(page: &'a Paged<Placed>, asked: &PartAsked, level: u64, tree: bool) -> Self {
        let groups = page.items.iter().map(GroupView::from).collect();
        Self {
            limit: asked.page.limit,
            offset: asked.page.offset,
            total: page.total,
            level,
            name: "",
            groups: if tree { nested(groups) } else { groups },
            next_cursor: page.next.as_deref(),
        }
    }
}

/// Puts each group below the one above it, if that is there. They come in the order in which a tree is
/// read, so whatever is open is the way to the next one.
fn nested(groups: Vec<GroupView<'_>>) -> Vec<GroupView<'_>> {
    let mut open: Vec<GroupView<'_>> = Vec::with_capacity(MAX_DEPTH);
    let mut highest = Vec::new();
    for group in groups {
        while open.last().is_some_and(|last| group.parent_id.as_ref() != Some(&last.id)) {
            close(&mut open, &mut highest);
        }
        open.push(group);
    }
    while !open.is_empty() {
        close(&mut open, &mut highest);
    }
    highest
}

fn close<'a>(open: &mut Vec<GroupView<'a>>, highest: &mut Vec<GroupView<'a>>) {
    if let Some(done) = open.pop() {
        open.last_mut().map_or(highest, |above| &mut above.children).push(done);
    }
}

impl Segment {
    /// The group it names, which need not exist.
    pub(crate) fn group(&self) -> Result<GroupId> {
        match self.text() {
            Some("") => Err(Invalid::MissingGroupId.into()),
            text => Ok(GroupId::sought(text.unwrap_or_default())),
        }
    }
}
