//! What the description says of the routes that end sessions and revoke all keys.

use auth_domain::{Conflict, Entity, Error, Invalid};
use http::StatusCode;

use crate::openapi::{Docs, Group};

const GROUP: Group = Group {
    name: "Revocation",
    about: "Taking access away, all of it at once. When one of these is answered with 204, every replica \
            refuses what was revoked. 202, with the header `keyward-confirmation: pending`, says that it is \
            done and that some replica may not know yet: asking again is harmless.",
};

fn route(id: &'static str, title: &'static str, about: &'static str) -> Docs {
    Docs::new(&GROUP, id, title, about).refuses(Error::Conflict(Conflict::Contention))
}

pub(super) fn revoke_own() -> Docs {
    route("revokeKeys", "Revoke all of the caller's API keys", "Idempotent. Sessions stay.")
        .logged_in()
        .answers_empty(StatusCode::NO_CONTENT, "The caller has no API keys any more.")
}

pub(super) fn end_own() -> Docs {
    route(
        "endSessions",
        "Log the caller out everywhere",
        "No login or recovery token made so far is honoured any more, the one shown included. API keys stay.",
    )
    .logged_in()
    .refuses(Error::RateLimited(std::time::Duration::from_secs(30)))
    .answers_empty(StatusCode::NO_CONTENT, "All sessions are ended.")
}

pub(super) fn revoke_theirs() -> Docs {
    route(
        "revokeUserKeys",
        "Revoke all API keys of a user",
        "For admins and roots; of a root, for roots. Idempotent: a user nobody knows has no keys. What is no id is 404.",
    )
    .segment("id", "Which user.", Invalid::MissingUserId)
    .signed_in()
    .refuses(Error::Forbidden)
    .refuses(Error::NotFound(Entity::Account))
    .answers_empty(StatusCode::NO_CONTENT, "They have no API keys any more.")
}

pub(super) fn end_theirs() -> Docs {
    route(
        "endUserSessions",
        "Log a user out everywhere",
        "For admins and roots; of a root, for roots. Idempotent: a user nobody knows has no sessions. What is no id is 404.",
    )
    .segment("id", "Which user.", Invalid::MissingUserId)
    .signed_in()
    .refuses(Error::Forbidden)
    .refuses(Error::NotFound(Entity::Account))
    .refuses(Error::RateLimited(std::time::Duration::from_secs(30)))
    .answers_empty(StatusCode::NO_CONTENT, "All their sessions are ended.")
}
