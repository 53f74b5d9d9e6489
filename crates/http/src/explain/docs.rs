//! What the description says of the route that explains.

use auth_domain::{Error, Invalid};
use http::StatusCode;
use serde_json::json;

use super::{CheckBody, ExplanationView};
use crate::openapi::{Docs, Group};

const GROUP: Group = Group {
    name: "Explanations",
    about: "Why somebody may, or may not. For admins of the platform, with a login token.",
};

pub(super) fn explain() -> Docs {
    Docs::new(
        &GROUP,
        "explain",
        "Explain a user's rights",
        "Says which row makes `Authorize` answer the user as it does, or what is missing. It supposes \
         that they show a good login token or API key. Everybody without a platform role gets the same \
         403, whatever they ask.",
    )
    .signed_in()
    .body::<CheckBody>(json!({
        "user_id": "01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d",
        "subject": "org",
        "object": "01932f6c-8a40-7c3e-9d51-6b0a4f2e7c18",
        "action": "admin",
    }))
    .refuses_all([Invalid::MissingUserId, Invalid::Subject, Invalid::Action])
    .refuses(Error::Forbidden)
    .answers::<ExplanationView>(
        StatusCode::OK,
        "Why.",
        json!({
            "allowed": false,
            "reason": "role_too_small",
            "org_role": "editor",
            "member_since": "2026-11-22T16:30:00.25Z",
            "role_since": "2026-11-24T09:00:00Z",
            "needed_role": "admin",
        }),
    )
}
