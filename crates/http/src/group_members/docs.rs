//! What the description says of the routes of what is in groups, and of roles in them.

use auth_domain::{Conflict, Entity, Error, Invalid};
use http::StatusCode;
use serde_json::{Value, json};

use super::{AssignBody, MembersView, RoleBody, RolesView, UnassignBody};
use crate::groups::GroupsView;
use crate::groups::docs::{GROUP, of_group, page};
use crate::openapi::lists::{self, Asked};
use crate::openapi::{Docs, types};

const USER: &str = "01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d";

pub(super) fn assign() -> Docs {
    of_group(
        "assignGroupMembers",
        "Make things members of a group",
        "For its editors. All of them are assigned or, if one is refused, none. A thing can be in many \
         groups, and is in each of them once.",
    )
    .body::<AssignBody>(json!({ "type": "users", "members": [USER] }))
    .refuses_all([Invalid::EmptyList, Invalid::ListTooLong])
    .refuses_all([Invalid::MissingMemberType, Invalid::MissingMemberId])
    .refuses(Error::Forbidden)
    .refuses(Error::AlreadyExists(Entity::GroupMember))
    .refuses(Conflict::Contention)
    .answers_empty(StatusCode::OK, "They are members.")
}

pub(super) fn unassign() -> Docs {
    of_group("unassignGroupMembers", "Take things out of a group", "For its editors.")
        .body::<UnassignBody>(json!({ "members": [USER] }))
        .refuses_all([Invalid::EmptyList, Invalid::ListTooLong, Invalid::MissingMemberId])
        .refuses(Error::Forbidden)
        .refuses(Conflict::Contention)
        .answers_empty(StatusCode::NO_CONTENT, "None of them is a member.")
}

pub(super) fn list() -> Docs {
    let mut asked = lists::part();
    asked.extend([
        Asked::cursor(),
        Asked::kind(),
        Asked::tree(),
        Asked::metadata("Nobody, unless the group's metadata contains this."),
    ]);
    of_group("listGroupMembers", "List what is in a group", "For whoever has a role in it.")
        .asked(asked)
        .refuses(Invalid::Cursor)
        .refuses(Error::malformed("type", "has at most 254 bytes and no control characters"))
        .answers::<MembersView<'_>>(StatusCode::OK, "A page of them, by id.", members())
}

pub(super) fn groups() -> Docs {
    let mut asked = lists::part();
    asked.extend([Asked::cursor(), Asked::metadata("Only groups whose metadata contains this.")]);
    Docs::new(
        &GROUP,
        "listGroupMemberships",
        "List the groups something is in",
        "Those that the caller has a role in; all of them for somebody with a platform role.",
    )
    .typed_segment::<types::EntityId>("id", "Which member.", Invalid::MissingMemberId)
    .signed_in()
    .asked(asked)
    .refuses(Invalid::Cursor)
    .refuses(Error::malformed("members", "are ids of at most 254 bytes"))
    .answers::<GroupsView<'_>>(StatusCode::OK, "A page of them, by id.", page())
}

pub(super) fn roles() -> Docs {
    of_group(
        "listGroupRoles",
        "List who was given a role in a group",
        "For whoever has a role in it. Roles that come from above, or with a role in the org, are not in \
         the list.",
    )
    .asked(lists::part())
    .answers::<RolesView>(
        StatusCode::OK,
        "A page of them.",
        json!({
            "limit": 10,
            "offset": 0,
            "total": 1,
            "roles": [{
                "user_id": USER,
                "role": "editor",
                "created_at": "2026-11-22T16:30:00Z",
                "updated_at": "2026-11-22T16:42:07.125Z",
            }],
        }),
    )
}

pub(super) fn grant() -> Docs {
    of_group(
        "grantGroupRole",
        "Give somebody a role in a group",
        "For its admins. The role holds in all that lies below the group too, and replaces the one they \
         were given there before. In a group of an org they must be a member of the org.",
    )
    .segment("user_id", "Who.", Invalid::MissingUserId)
    .body::<RoleBody>(json!({ "role": "editor" }))
    .refuses_all([Invalid::MissingRole, Invalid::Role])
    .refuses(Error::Forbidden)
    .refuses(Conflict::Contention)
    .answers_empty(StatusCode::NO_CONTENT, "They have the role.")
}

pub(super) fn revoke() -> Docs {
    of_group(
        "removeGroupRole",
        "Take somebody's role in a group",
        "For its admins. A role that was given further up, or comes with a role in the org, stays.",
    )
    .segment("user_id", "Whose.", Invalid::MissingUserId)
    .refuses(Error::Forbidden)
    .refuses(Conflict::Contention)
    .answers_empty(StatusCode::NO_CONTENT, "The role is gone.")
}

fn members() -> Value {
    json!({
        "limit": 1,
        "offset": 0,
        "total": 2,
        "level": 0,
        "name": "",
        "type": "users",
        "members": [USER],
        "next_cursor": "q83vASNFZ4mrze8BI0VniW1lbWJlcnMg",
    })
}
