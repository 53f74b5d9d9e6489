//! What the description says of the routes of backups.

use std::borrow::Cow;

use auth_domain::{Conflict, Entity, Error, Invalid};
use http::StatusCode;
use serde_json::{Value, json};
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{EXISTING, ReportView};
use crate::openapi::lists::Asked;
use crate::openapi::{Docs, Group, types};

const GROUP: Group = Group {
    name: "Backups",
    about: "All the service keeps, as one document, and the way back. For whoever has a platform role, with \
            a login token. `auth backup` and `auth restore` do the same without these limits.",
};

/// A backup.
struct Backup;

impl PartialSchema for Backup {
    fn schema() -> RefOr<Schema> {
        let row = || {
            ObjectBuilder::new()
                .schema_type(Type::Object)
                .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        };
        let rows = |about| ArrayBuilder::new().items(row()).description(Some(about));
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some(
                "Everything as it was at one moment. Clients of the original read `orgs` and \
                 `org_memberships`. `mac` is over every byte before it: a document that was changed, or \
                 written anew by a JSON library, is refused.",
            ))
            .property("format", types::text().description(Some("Always `keyward-backup`.")))
            .property("version", types::integer().description(Some("Of the format.")))
            .property("taken_at", types::text().description(Some("When it was taken.")))
            .property("instance", types::text().description(Some("Of which database.")))
            .property("revision", types::integer().description(Some("After which of its changes.")))
            .property("orgs", rows("Orgs."))
            .property("org_memberships", rows("Who belongs to them."))
            .property("org_invites", rows("Invites, whatever became of them."))
            .property("dormant_org_invites", rows("Which of them wait for somebody to register."))
            .property("keys", rows("API keys, without their values."))
            .property("platform_roles", rows("Platform roles."))
            .property("accounts", rows("Accounts, without their passwords."))
            .property("groups", rows("Groups, each after the one above it."))
            .property("group_members", rows("What is in them."))
            .property("group_roles", rows("Who was given which role in them."))
            .property("mac", types::text().description(Some("The seal.")))
            .required("orgs")
            .required("org_memberships")
            .into()
    }
}

impl ToSchema for Backup {
    fn name() -> Cow<'static, str> {
        "Backup".into()
    }
}

pub(super) fn backup() -> Docs {
    Docs::new(
        &GROUP,
        "backup",
        "Take a backup of everything",
        "For whoever has a platform role. The answer is written while it is read, from one snapshot; one that \
         breaks off has no `mac`. Two are taken at a time. There are no passwords and no values of keys in it.",
    )
    .signed_in()
    .refuses(Error::Forbidden)
    .answers::<Backup>(StatusCode::OK, "Everything.", example())
}

pub(super) fn restore() -> Docs {
    Docs::new(
        &GROUP,
        "restore",
        "Restore a backup",
        "For whoever has a platform role; platform roles are restored only by roots. All of it or nothing. \
         Takes a backup of ours, as it was written, or `orgs` and `org_memberships` without a seal, which \
         follow the rules for what is created by hand. What was taken away on purpose since the backup \
         (keys, members, platform roles) stays away unless `revive` is given; the report says so. At most \
         10000 rows and 32 MiB. Without a seal the answer to 201 is empty, as the original's.",
    )
    .signed_in()
    .told([
        Asked::word(
            "existing",
            EXISTING,
            "What becomes of rows that are there already: all of it is refused, or those that are the same \
             are passed over.",
        ),
        Asked::flag("revive", "Whether what was taken away on purpose since comes back, too."),
        Asked::flag("dry_run", "Whether everything is done but nothing written."),
    ])
    .body::<Backup>(example())
    .refuses_all([Error::Forbidden, Error::NotFound(Entity::Org)])
    .refuses_all([
        Invalid::EmptyList,
        Invalid::BackupSeal,
        Invalid::BackupVersion,
        Invalid::TooManyRows,
        Invalid::Row { list: "orgs", row: 0, problem: "has an id that is no UUID" },
    ])
    .refuses_all([Error::AlreadyExists(Entity::Org), Error::AlreadyExists(Entity::Membership)])
    .refuses_all([Conflict::Differs, Conflict::AddressTaken, Conflict::Contention])
    .answers::<ReportView<'_>>(
        StatusCode::OK,
        "What would be done, after a dry run.",
        report(true),
    )
    .answers::<ReportView<'_>>(
        StatusCode::CREATED,
        "What was done; empty for a document without a seal.",
        report(false),
    )
}

fn example() -> Value {
    json!({
        "orgs": [{
            "id": "01932f70-2b10-7d4f-a6e8-9c1b3d5f7a20",
            "name": "Acme",
            "owner_id": "01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d",
            "created_at": "2026-11-22T16:30:00Z",
            "updated_at": "2026-11-22T16:30:00Z",
        }],
        "org_memberships": [{
            "member_id": "01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d",
            "org_id": "01932f70-2b10-7d4f-a6e8-9c1b3d5f7a20",
            "role": "owner",
            "created_at": "2026-11-22T16:30:00Z",
            "updated_at": "2026-11-22T16:30:00Z",
        }],
    })
}

fn report(dry_run: bool) -> Value {
    let counts = |created: u64| json!({ "created": created, "unchanged": 0, "left_out": 0, "left_out_ids": [] });
    json!({
        "dry_run": dry_run,
        "sealed": true,
        "orgs": counts(1),
        "org_memberships": {
            "created": 1,
            "unchanged": 0,
            "left_out": 1,
            "left_out_ids": [
                "01932f70-2b10-7d4f-a6e8-9c1b3d5f7a20/01932f71-3c20-7e5a-b7f9-0d2c4e6a8b31"
            ],
        },
        "org_invites": counts(0),
        "dormant_org_invites": counts(0),
        "keys": counts(0),
        "platform_roles": counts(0),
        "accounts": counts(0),
        "groups": counts(0),
        "group_members": counts(0),
        "group_roles": counts(0),
        "warnings": [],
    })
}
