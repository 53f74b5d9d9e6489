//! What the description says of the routes of platform roles.

use auth_domain::{Conflict, Entity, Error, Invalid};
use http::StatusCode;
use serde_json::json;

use super::{RoleBody, RolesView};
use crate::openapi::{Docs, Group, lists};

const GROUP: Group = Group {
    name: "Platform roles",
    about: "Who may act for the whole platform. An API key cannot, whoever owns it: these routes need \
            a login token of somebody with the role.",
};

pub(super) fn list() -> Docs {
    Docs::new(
        &GROUP,
        "listPlatformRoles",
        "List everybody with a platform role",
        "For admins and roots; by user id, ascending.",
    )
    .signed_in()
    .asked(lists::part())
    .refuses(Error::Forbidden)
    .answers::<RolesView>(
        StatusCode::OK,
        "A page of them.",
        json!({
            "limit": 10,
            "offset": 0,
            "total": 1,
            "platform_roles": [
                { "user_id": "01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d", "role": "root" },
            ],
        }),
    )
}

pub(super) fn grant() -> Docs {
    Docs::new(
        &GROUP,
        "grantPlatformRole",
        "Give a user a platform role",
        "For roots. It replaces the role they have. The last root cannot be made anything less.",
    )
    .segment("user_id", "Which user.", Invalid::MissingUserId)
    .signed_in()
    .body::<RoleBody>(json!({ "role": "admin" }))
    .refuses_all([Invalid::MissingRole, Invalid::Role])
    .refuses_all([Error::Forbidden, Error::NotFound(Entity::PlatformRole)])
    .refuses_all([Conflict::LastRoot, Conflict::Contention].map(Error::Conflict))
    .answers_empty(StatusCode::NO_CONTENT, "They have the role.")
}

pub(super) fn remove() -> Docs {
    Docs::new(
        &GROUP,
        "removePlatformRole",
        "Take a user's platform role",
        "For roots. The last root stays.",
    )
    .segment("user_id", "Which user.", Invalid::MissingUserId)
    .signed_in()
    .refuses_all([Error::Forbidden, Error::NotFound(Entity::PlatformRole)])
    .refuses_all([Conflict::LastRoot, Conflict::Contention].map(Error::Conflict))
    .answers_empty(StatusCode::NO_CONTENT, "They have no platform role.")
}
