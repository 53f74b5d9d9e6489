//! What the description says of the routes of API keys.

use auth_domain::model::KeyOrder;
use auth_domain::{Conflict, Entity, Error, Invalid};
use http::StatusCode;
use serde_json::{Value, json};

use super::{IssuedView, KeyBody, KeyView, KeysView};
use crate::openapi::{Docs, Group, lists};

const GROUP: Group = Group {
    name: "API keys",
    about: "Keys by which programs act for their owner, with the owner's rights at most. Who wants to \
            manage them signs in first: an API key cannot make, show or revoke any.",
};

pub(super) fn issue() -> Docs {
    Docs::new(
        &GROUP,
        "issueKey",
        "Make an API key",
        "The key belongs to the caller. Its value is shown in this answer and never again.",
    )
    .logged_in()
    .body::<KeyBody>(json!({ "type": 2, "duration": 86_400 }))
    .refuses_all([Invalid::ApiKeyType, Invalid::KeyLife])
    .refuses(Error::Conflict(Conflict::Contention))
    .answers::<IssuedView<'_>>(
        StatusCode::CREATED,
        "The key, with its value.",
        json!({
            "id": "01932f6c-8a40-7c3e-9d51-6b0a4f2e7c18",
            "value": "eyJhbGciOiJIUzI1NiJ9.eyJ0eXBlIjoyfQ.c2lnbmF0dXJl",
            "issued_at": "2026-11-22T16:30:00Z",
            "expires_at": "2026-11-23T16:30:00Z",
        }),
    )
}

pub(super) fn list() -> Docs {
    Docs::new(
        &GROUP,
        "listKeys",
        "List the caller's API keys",
        "Expired keys are among them until they are cleared away.",
    )
    .logged_in()
    .asked(lists::ordered_part(KeyOrder::ALL.map(KeyOrder::as_str)))
    .refuses_all([Invalid::Order, Invalid::Direction])
    .answers::<KeysView<'_>>(
        StatusCode::OK,
        "A page of them.",
        json!({
            "limit": 10,
            "offset": 0,
            "total": 1,
            "order": "id",
            "dir": "desc",
            "keys": [example()],
        }),
    )
}

pub(super) fn view() -> Docs {
    Docs::new(
        &GROUP,
        "viewKey",
        "Show one of the caller's API keys",
        "Only what is stored of it: its value is not.",
    )
    .segment("id", "Which key.", Invalid::MissingKeyId)
    .logged_in()
    .refuses(Error::NotFound(Entity::Key))
    .answers::<KeyView<'_>>(StatusCode::OK, "The key.", example())
}

pub(super) fn revoke() -> Docs {
    Docs::new(
        &GROUP,
        "revokeKey",
        "Revoke one of the caller's API keys",
        "Once this is answered, no request is served for that key any more. A key that is not there \
         is as good as revoked.",
    )
    .segment("id", "Which key.", Invalid::MissingKeyId)
    .logged_in()
    .refuses(Error::Conflict(Conflict::Contention))
    .answers_empty(StatusCode::NO_CONTENT, "There is no such key any more.")
}

fn example() -> Value {
    json!({
        "id": "01932f6c-8a40-7c3e-9d51-6b0a4f2e7c18",
        "issuer_id": "01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d",
        "subject": "ada@example.com",
        "type": 2,
        "issued_at": "2026-11-22T16:30:00Z",
        "expires_at": "2026-11-23T16:30:00Z",
    })
}
