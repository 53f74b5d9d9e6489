//! What the description says of the routes of orgs.

use auth_domain::model::{Name, OrgOrder};
use auth_domain::{Conflict, Entity, Error, Invalid};
use http::StatusCode;
use serde_json::{Value, json};

use super::{IdsBody, OrgBody, OrgView, OrgsView};
use crate::openapi::lists::{self, Asked};
use crate::openapi::{Docs, Group};

const GROUP: Group = Group {
    name: "Orgs",
    about: "Tenants. What a member may do there follows from their role: `viewer`, `editor`, `admin` \
            or `owner`, each including the ones before. To strangers an org looks as if it did not \
            exist. Whoever has a platform role may do everything in every org.",
};

pub(super) fn create() -> Docs {
    Docs::new(&GROUP, "createOrg", "Found an org", "The caller becomes its owner.")
        .signed_in()
        .body::<OrgBody>(body())
        .refuses(Invalid::NameSize)
        .refuses(Error::Conflict(Conflict::Contention))
        .creates("The org is founded.", "/orgs/01932f70-2b10-7d4f-a6e8-9c1b3d5f7a20")
}

pub(super) fn list() -> Docs {
    Docs::new(
        &GROUP,
        "listOrgs",
        "List the caller's orgs",
        "Those the caller belongs to; all of them for somebody with a platform role.",
    )
    .signed_in()
    .asked(asked())
    .refuses_all([Invalid::Order, Invalid::Direction, Invalid::NameSize])
    .answers::<OrgsView<'_>>(StatusCode::OK, "A page of them.", page())
}

pub(super) fn search() -> Docs {
    let about = "Which orgs are asked for. A `limit` of 0 means the default.";
    Docs::new(
        &GROUP,
        "searchOrgs",
        "List the caller's orgs, asked for in a body",
        "The same as `GET /orgs`, for filters that are too long or too private for an address. \
         Without a body, everything is as if left out.",
    )
    .signed_in()
    .optional_body(
        "OrgSearch",
        lists::search(about, asked()),
        json!({ "limit": 10, "name": "acme", "metadata": { "plan": "gold" } }),
    )
    .refuses_all([Invalid::LimitSize, Invalid::QueryParameters])
    .refuses_all([Invalid::Order, Invalid::Direction, Invalid::NameSize])
    .answers::<OrgsView<'_>>(StatusCode::OK, "A page of them.", page())
}

pub(super) fn view() -> Docs {
    Docs::new(&GROUP, "viewOrg", "Show an org", "For its members.")
        .segment("id", "Which org.", Invalid::MissingOrgId)
        .signed_in()
        .refuses(Error::NotFound(Entity::Org))
        .answers::<OrgView<'_>>(StatusCode::OK, "The org.", example())
}

pub(super) fn update() -> Docs {
    Docs::new(
        &GROUP,
        "updateOrg",
        "Change an org",
        "For its admins and its owner. Name, description and metadata are replaced as a whole: what \
         is left out is gone.",
    )
    .segment("id", "Which org.", Invalid::MissingOrgId)
    .signed_in()
    .body::<OrgBody>(body())
    .refuses(Invalid::NameSize)
    .refuses_all([Error::Forbidden, Error::NotFound(Entity::Org)])
    .refuses(Error::Conflict(Conflict::Contention))
    .answers_empty(StatusCode::OK, "The org is changed.")
}

pub(super) fn remove() -> Docs {
    Docs::new(
        &GROUP,
        "removeOrg",
        "Delete an org",
        "For its owner. All that belongs to the org goes with it. One with more than 10,000 groups is refused: \
         some of its trees have to go first.",
    )
    .segment("id", "Which org.", Invalid::MissingOrgId)
    .signed_in()
    .refuses_all([Error::Forbidden, Error::NotFound(Entity::Org)])
    .refuses_all([Conflict::TooManyGroups, Conflict::Contention])
    .answers_empty(StatusCode::NO_CONTENT, "The org is gone.")
}

pub(super) fn remove_several() -> Docs {
    Docs::new(
        &GROUP,
        "removeOrgs",
        "Delete several orgs",
        "For the owner of each. All of them are deleted or, if one is refused, none.",
    )
    .signed_in()
    .body::<IdsBody>(json!({ "org_ids": ["01932f70-2b10-7d4f-a6e8-9c1b3d5f7a20"] }))
    .refuses_all([Invalid::EmptyList, Invalid::ListTooLong, Invalid::MissingOrgId])
    .refuses_all([Error::Forbidden, Error::NotFound(Entity::Org)])
    .refuses_all([Conflict::TooManyGroups, Conflict::Contention])
    .answers_empty(StatusCode::NO_CONTENT, "The orgs are gone.")
}

/// What a list of orgs can be asked for.
fn asked() -> Vec<Asked> {
    let mut asked = lists::ordered_part(OrgOrder::ALL.map(OrgOrder::as_str));
    asked.extend([
        Asked::name(
            "Only orgs whose name contains this, in whatever case; at most 254 bytes.",
            Name::MAX,
        ),
        Asked::metadata(
            "Only orgs whose metadata contains this: every member, at every depth, and for a list \
             every element.",
        ),
    ]);
    asked
}

fn body() -> Value {
    json!({ "name": "Acme", "description": "Makes everything.", "metadata": { "plan": "gold" } })
}

fn example() -> Value {
    json!({
        "id": "01932f70-2b10-7d4f-a6e8-9c1b3d5f7a20",
        "name": "Acme",
        "owner_id": "01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d",
        "description": "Makes everything.",
        "metadata": { "plan": "gold" },
        "created_at": "2026-11-22T16:30:00Z",
        "updated_at": "2026-11-22T16:42:07.125Z",
    })
}

fn page() -> Value {
    json!({
        "limit": 10,
        "offset": 0,
        "total": 1,
        "order": "id",
        "direction": "desc",
        "dir": "desc",
        "name": "acme",
        "orgs": [example()],
    })
}
