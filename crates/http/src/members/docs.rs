//! What the description says of the routes of members.

use auth_domain::model::{Email, MemberOrder};
use auth_domain::{Conflict, Entity, Error, Invalid};
use http::StatusCode;
use serde_json::{Value, json};

use super::{GrantsBody, IdsBody, MemberView, MembersView, OwnerBody};
use crate::openapi::lists::{self, Asked};
use crate::openapi::{Docs, Group};

const GROUP: Group = Group {
    name: "Members",
    about: "Who belongs to an org, and as what. Nobody gives more than they have: admins give every role \
            but `owner`, of which an org has one. The owner is neither changed nor removed; they can make \
            another member the owner.",
};

pub(crate) fn docs(id: &'static str, summary: &'static str, about: &'static str) -> Docs {
    Docs::new(&GROUP, id, summary, about)
        .segment("id", "Which org.", Invalid::MissingOrgId)
        .signed_in()
        .refuses(Error::NotFound(Entity::Org))
}

pub(super) fn add() -> Docs {
    docs(
        "addMembers",
        "Add members to an org",
        "For its admins and its owner. All of them are added or, if one is refused, none. An address \
         that nobody has is not found. Operators can switch this off (`MF_AUTH_DIRECT_ADD`).",
    )
    .body::<GrantsBody>(grants())
    .refuses_all([Invalid::EmptyList, Invalid::ListTooLong, Invalid::MissingEmail, Invalid::Role])
    .refuses(Error::Forbidden)
    .refuses(Error::AlreadyExists(Entity::Membership))
    .refuses(Conflict::Contention)
    .answers_empty(StatusCode::OK, "They are members.")
}

pub(super) fn list() -> Docs {
    docs(
        "listMembers",
        "List the members of an org",
        "For its members. Searching and ordering by address takes longer the more members there are; \
         with a users service elsewhere it is for orgs of at most 100000.",
    )
    .asked(asked())
    .refuses_all([Invalid::Order, Invalid::Direction, Invalid::Role, Invalid::EmailSize])
    .refuses(Error::malformed("email", "cannot be searched by here"))
    .answers::<MembersView<'_>>(StatusCode::OK, "A page of them.", page())
}

pub(super) fn update() -> Docs {
    docs(
        "updateMembers",
        "Change what members are",
        "For admins of the org and its owner. All of them are changed or, if one is refused, none. Of two \
         roles for one member the last counts.",
    )
    .body::<GrantsBody>(grants())
    .refuses_all([Invalid::EmptyList, Invalid::ListTooLong, Invalid::MissingEmail, Invalid::Role])
    .refuses(Error::Forbidden)
    .refuses(Conflict::Contention)
    .answers_empty(StatusCode::OK, "They are changed.")
}

pub(super) fn remove() -> Docs {
    docs(
        "removeMembers",
        "Remove members from an org",
        "For its admins and its owner. All of them are removed or, if one is refused, none. Invites to \
         the org that they sent and nobody has answered are revoked.",
    )
    .body::<IdsBody>(json!({ "member_ids": ["01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d"] }))
    .refuses_all([Invalid::EmptyList, Invalid::ListTooLong, Invalid::MissingMemberId])
    .refuses(Error::Forbidden)
    .refuses(Conflict::Contention)
    .answers_empty(StatusCode::NO_CONTENT, "They are no members any more.")
}

pub(super) fn view() -> Docs {
    docs("viewMember", "Show a member of an org", "For its members.")
        .segment("member_id", "Which member.", Invalid::MissingMemberId)
        .answers::<MemberView<'_>>(StatusCode::OK, "The member.", example())
}

pub(super) fn leave() -> Docs {
    docs("leaveOrg", "Leave an org", "For every member but its owner.")
        .refuses_all([Conflict::OwnerStays, Conflict::Contention])
        .answers_empty(StatusCode::NO_CONTENT, "The caller is no member any more.")
}

pub(super) fn transfer() -> Docs {
    Docs::new(
        &GROUP,
        "transferOrg",
        "Make a member the owner of an org",
        "For its owner and for whoever has a platform role, with a login token. Who owned it becomes an \
         admin.",
    )
    .segment("id", "Which org.", Invalid::MissingOrgId)
    .logged_in()
    .body::<OwnerBody>(json!({ "member_id": "01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d" }))
    .refuses(Invalid::MissingMemberId)
    .refuses_all([Error::Forbidden, Error::NotFound(Entity::Org)])
    .refuses(Conflict::Contention)
    .answers_empty(StatusCode::NO_CONTENT, "They own it.")
}

/// What a list of members can be asked for.
fn asked() -> Vec<Asked> {
    let mut asked = lists::ordered_part(MemberOrder::ALL.map(MemberOrder::as_str));
    asked.extend([
        Asked::email("Only members whose address contains this, in whatever case.", Email::MAX),
        Asked::role("Only members with this role."),
    ]);
    asked
}

fn grants() -> Value {
    json!({ "org_memberships": [{ "email": "ada@example.com", "role": "editor" }] })
}

pub(crate) fn example() -> Value {
    json!({
        "member_id": "01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d",
        "org_id": "01932f70-2b10-7d4f-a6e8-9c1b3d5f7a20",
        "email": "ada@example.com",
        "role": "editor",
        "created_at": "2026-11-22T16:30:00Z",
        "updated_at": "2026-11-22T16:42:07.125Z",
    })
}

fn page() -> Value {
    json!({
        "limit": 10,
        "offset": 0,
        "total": 1,
        "email": "ada",
        "role": "editor",
        "order": "id",
        "direction": "desc",
        "dir": "desc",
        "org_memberships": [example()],
    })
}
