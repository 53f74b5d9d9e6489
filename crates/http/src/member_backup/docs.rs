//! What the description says of an org's members as a file.

use std::borrow::Cow;

use auth_domain::{Conflict, Entity, Error, Invalid, Unauthenticated};
use http::StatusCode;
use serde_json::{Value, json};
use utoipa::openapi::{ArrayBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::JoinedView;
use crate::members::{MemberView, docs};
use crate::openapi::Docs;
use crate::openapi::lists::Asked;

/// All members of an org.
struct MembersFile;

impl PartialSchema for MembersFile {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new()
            .items(Ref::from_schema_name(MemberView::name()))
            .description(Some("Members of an org, by their ids."))
            .into()
    }
}

impl ToSchema for MembersFile {
    fn name() -> Cow<'static, str> {
        "MembersFile".into()
    }
}

pub(super) fn backup() -> Docs {
    docs::docs(
        "backupMembers",
        "Take a backup of the members of an org",
        "For its owner. The answer is written while it is read.",
    )
    .refuses(Error::Forbidden)
    .answers_as::<MembersFile>(
        "application/octet-stream",
        StatusCode::OK,
        "A file with all of them.",
        example(),
    )
}

pub(super) fn restore() -> Docs {
    docs::docs(
        "restoreMembers",
        "Restore members of an org",
        "For its owner, with a login token. All of them or, if one is refused, none. Each row must be of this \
         org; nobody becomes the owner, and the owner's own row is passed over. Addresses are ignored. At \
         most 10000 rows and 32 MiB. Operators can switch this off (`MF_AUTH_DIRECT_ADD`).",
    )
    .refuses(Unauthenticated::LoginRequired("failed to perform authentication over the entity"))
    .told([Asked::flag("dry_run", "Whether everything is done but nothing written.")])
    .body_as::<MembersFile>("application/octet-stream", example())
    .refuses_all([
        Invalid::EmptyList,
        Invalid::TooManyRows,
        Invalid::Row { list: "org_memberships", row: 0, problem: "is of another org" },
    ])
    .refuses(Error::Forbidden)
    .refuses(Error::AlreadyExists(Entity::Membership))
    .refuses(Conflict::Contention)
    .answers::<JoinedView>(
        StatusCode::OK,
        "What would be done, after a dry run.",
        json!({ "created": 1, "unchanged": 1 }),
    )
    .answers_empty(StatusCode::CREATED, "They are members.")
}

fn example() -> Value {
    json!([docs::example()])
}
