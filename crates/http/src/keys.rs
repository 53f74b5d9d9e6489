//! API keys.

mod docs;

use auth_domain::model::{Key, KeyKind, KeyOrder};
use auth_domain::ops::keys::{IssueKey, IssuedKey, ListKeys, RevokeKey, ViewKey};
use auth_domain::{App, Error, Invalid, Operation, Result};
use axum::extract::State;
use axum::response::Response;
use axum::routing::on;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Route;
use crate::answer;
use crate::bearer::Credential;
use crate::body::{FromMembers, Json, Members};
use crate::openapi::types;
use crate::path::Segment;
use crate::problem::Problem;
use crate::query::{PageAsked, Query};

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/keys", IssueKey::NAME, |method| on(method, issue), docs::issue),
    Route::get("/keys", ListKeys::NAME, |method| on(method, list), docs::list),
    Route::get("/keys/{id}", ViewKey::NAME, |method| on(method, view), docs::view),
    Route::delete("/keys/{id}", RevokeKey::NAME, |method| on(method, revoke), docs::revoke),
];

/// The key that is wanted.
#[derive(ToSchema)]
#[schema(as = NewKey)]
struct KeyBody {
    /// The kind of key: 2, an API key. The other kinds are not made here.
    #[schema(rename = "type", minimum = 2, maximum = 2)]
    kind: u32,
    /// How many seconds it lives. 0, like leaving it out, means for ever, which an operator may
    /// forbid, as they may set a shorter longest life than these 100 years.
    #[schema(rename = "duration", nullable = false, minimum = 0, maximum = 3_153_600_000i64)]
    seconds: Option<i64>,
}

impl FromMembers for KeyBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        let kind = u32::try_from(members.integer("type")?.unwrap_or(0))
            .map_err(|_| Error::malformed("type", "must be 0, 1 or 2"))?;
        Ok(Self { kind, seconds: members.integer("duration").map_err(|_| Invalid::KeyLife)? })
    }
}

async fn issue(
    State(app): State<App>,
    credential: Credential,
    Json(body): Json<KeyBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let kind = KeyKind::from_number(body.kind.into()).ok_or(Error::from(Invalid::ApiKeyType))?;
    let issued = app.execute(caller, IssueKey { kind, seconds: body.seconds }).await?;
    answer::json(StatusCode::CREATED, &IssuedView::from(&issued))
}

async fn list(
    State(app): State<App>,
    credential: Credential,
    Query(asked): Query<PageAsked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let page = asked.page::<KeyOrder>()?;
    let listing = app.execute(caller, ListKeys { page }).await?;
    let view = KeysView {
        limit: page.limit,
        offset: page.offset,
        total: listing.total,
        order: page.order.as_str(),
        dir: page.direction.as_str(),
        keys: listing.items.iter().map(KeyView::from).collect(),
    };
    answer::json(StatusCode::OK, &view)
}

async fn view(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let id = segment.id(Invalid::MissingKeyId)?;
    let key = app.execute(caller, ViewKey { id }).await?;
    answer::json(StatusCode::OK, &KeyView::from(&key))
}

async fn revoke(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let id = segment.id(Invalid::MissingKeyId)?;
    app.execute(caller, RevokeKey { id }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// A fresh key, with the only sight of its value.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuedKey)]
struct IssuedView<'a> {
    /// The key's id, by which it is revoked.
    #[schema(value_type = types::Id)]
    id: String,
    /// What to put after `Bearer`. It is shown this once and stored nowhere.
    value: &'a str,
    /// When the key was made.
    #[schema(value_type = types::Moment)]
    issued_at: String,
    /// When it ends, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::Moment, required = false)]
    expires_at: Option<String>,
}

impl<'a> From<&'a IssuedKey> for IssuedView<'a> {
    fn from(issued: &'a IssuedKey) -> Self {
        Self {
            id: issued.key.id.to_string(),
            value: issued.token.expose(),
            issued_at: issued.key.issued_at.to_string(),
            expires_at: issued.key.expires_at.map(|end| end.to_string()),
        }
    }
}

/// An API key, never its value.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
struct KeyView<'a> {
    /// The key's id.
    #[schema(value_type = types::Id)]
    id: String,
    /// Whose it is.
    #[schema(value_type = types::Id)]
    issuer_id: String,
    /// Their e-mail address when the key was made.
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    /// The kind of key: always 2, an API key.
    #[schema(minimum = 2, maximum = 2)]
    r#type: u8,
    /// When it was made.
    #[schema(value_type = types::Moment)]
    issued_at: String,
    /// When it ends, if it does. It is listed for a while after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::Moment, required = false)]
    expires_at: Option<String>,
}

impl<'a> From<&'a Key> for KeyView<'a> {
    fn from(key: &'a Key) -> Self {
        Self {
            id: key.id.to_string(),
            issuer_id: key.issuer.to_string(),
            subject: &key.subject,
            r#type: KeyKind::Api.number(),
            issued_at: key.issued_at.to_string(),
            expires_at: key.expires_at.map(|end| end.to_string()),
        }
    }
}

/// A page of API keys, and what was asked to get it.
#[derive(Serialize, ToSchema)]
#[schema(as = Keys)]
struct KeysView<'a> {
    /// The most keys that could be on this page.
    limit: u64,
    /// How many keys were passed over.
    offset: u64,
    /// How many keys there are on all pages.
    total: u64,
    /// What they are ordered by.
    order: &'static str,
    /// Which way.
    #[schema(value_type = types::Direction)]
    dir: &'static str,
    /// The keys.
    keys: Vec<KeyView<'a>>,
}
