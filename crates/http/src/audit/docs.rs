//! What the description says of the routes of the audit trail.

use auth_domain::{Entity, Error, Invalid};
use http::StatusCode;
use serde_json::{Value, json};

use super::RecordsView;
use crate::openapi::lists::{self, Asked};
use crate::openapi::{Docs, Group};

const GROUP: Group = Group {
    name: "Audit trail",
    about: "Who did what to which object, from where, and how it went: a record for everything that was \
            changed, and summed-up ones of sign-ins and of calls that were refused. Checks are not in it. \
            Records hold no secret and no e-mail address.",
};

fn asked() -> Vec<Asked> {
    let mut asked = lists::part();
    asked.extend([Asked::cursor()]);
    asked.extend(Asked::audit());
    asked
}

pub(super) fn list() -> Docs {
    Docs::new(
        &GROUP,
        "listAudit",
        "List what happened on the platform",
        "For admins and roots, with a login token; newest first.",
    )
    .signed_in()
    .asked(asked())
    .refuses(Error::Forbidden)
    .refuses(Invalid::Cursor)
    .answers::<RecordsView<'_>>(StatusCode::OK, "A page of records.", example(true))
}

pub(super) fn list_of_org() -> Docs {
    Docs::new(
        &GROUP,
        "listOrgAudit",
        "List what happened in an org",
        "For its admins and its owner; newest first. They see what happened to the org, to its members, its \
         invites and its groups, and who of them was refused something there; not from which address.",
    )
    .segment("id", "Which org.", Invalid::MissingOrgId)
    .signed_in()
    .asked(asked())
    .refuses_all([Error::Forbidden, Error::NotFound(Entity::Org)])
    .refuses(Invalid::Cursor)
    .answers::<RecordsView<'_>>(StatusCode::OK, "A page of records.", example(false))
}

fn example(whole: bool) -> Value {
    let mut record = json!({
        "place": 7,
        "at": "2026-11-22T16:30:00.25Z",
        "actor": "user:01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d",
        "actor_kind": "session",
        "request_id": "5b2e8f1a6b354d2e-1f",
        "operation": "update_org_memberships",
        "action": "membership.update",
        "subject": "01932f7c-51e8-7a90-b3c6-4d2e8f1a6b35",
        "object": "01932f7c-51e7-7f12-8a4b-9c0d3e5f7a21",
        "org_id": "01932f7c-51e7-7f12-8a4b-9c0d3e5f7a21",
        "outcome": "ok",
        "count": 1,
        "details": { "role": "admin", "role_before": "editor" },
        "hash": "3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea",
    });
    if let Some(members) = record.as_object_mut().filter(|_| whole) {
        members.insert("peer".to_owned(), "192.0.2.7".into());
    }
    json!({
        "trail": "changes",
        "limit": 10,
        "offset": 0,
        "records": [record],
        "next_cursor": "y7gzsbwcOwTFLFyjumlJvmF1ZGl0IGNoYW5nZXMKAAAAAAAAAAQ",
    })
}
