//! What the description says of the routes of sessions.

use std::time::Duration;

use auth_domain::{Conflict, Entity, Error, Invalid, Unauthenticated};
use http::StatusCode;
use serde_json::{Value, json};

use super::{BeginBody, RefreshBody, SessionsView, SignedInView};
use crate::openapi::{Docs, Group, lists};

const GROUP: Group = Group {
    name: "Sessions",
    about: "Signing in for a short access token and a refresh token that is good once. An access token may do all that a \
            login token of `POST /tokens` may. When its session is ended, every replica refuses it at once.",
};

pub(super) fn begin() -> Docs {
    Docs::new(
        &GROUP,
        "beginSession",
        "Sign in and begin a session",
        "Unknown address, wrong password and disabled account are answered alike. Wrong guesses are limited for each \
         account and each address.",
    )
    .body::<BeginBody>(json!({ "email": "ada@example.com", "password": "correct-horse" }))
    .refuses(Unauthenticated::BadCredentials)
    .refuses(Error::malformed("email", "is not an e-mail address"))
    .refuses(Error::RateLimited(Duration::from_secs(30)))
    .uses_the_store()
    .answers::<SignedInView<'_>>(StatusCode::CREATED, "The session has begun.", example())
}

pub(super) fn refresh() -> Docs {
    Docs::new(
        &GROUP,
        "refreshSession",
        "Refresh a session",
        "Gives a new access token, and a new refresh token instead of the one that is shown, which is used up. For 30 \
         seconds after that it can be shown again, in case two tabs asked at once or the answer got lost, and gives the \
         same refresh token as the first time. Showing one that was used earlier ends the session: somebody else has had \
         it. An unknown token, one that is over and one of a session that was ended are answered alike.",
    )
    .body::<RefreshBody>(json!({
        "refresh_token": "rt_0123456789abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQ1",
    }))
    .refuses(Unauthenticated::NotHonoured)
    .refuses(Error::Conflict(Conflict::Contention))
    .refuses(Error::RateLimited(Duration::from_secs(30)))
    .uses_the_store()
    .answers::<SignedInView<'_>>(StatusCode::OK, "The session goes on.", example())
}

pub(super) fn list() -> Docs {
    Docs::new(
        &GROUP,
        "listSessions",
        "List the caller's sessions",
        "Those that live, the one used last first. Login tokens of `POST /tokens` are no sessions and not among them.",
    )
    .logged_in()
    .asked(lists::part())
    .answers::<SessionsView<'_>>(StatusCode::OK, "A page of them.", examples())
}

pub(super) fn list_theirs() -> Docs {
    Docs::new(&GROUP, "listUserSessions", "List the sessions of a user", "For admins and roots.")
        .segment("id", "Which user.", Invalid::MissingUserId)
        .signed_in()
        .asked(lists::part())
        .refuses(Error::Forbidden)
        .refuses(Error::NotFound(Entity::Account))
        .answers::<SessionsView<'_>>(StatusCode::OK, "A page of them.", examples())
}

pub(super) fn end() -> Docs {
    Docs::new(
        &GROUP,
        "endSession",
        "End one of the caller's sessions",
        "When this is answered with 204, every replica refuses its access tokens, and its refresh token is void. One that \
         is not there, or is somebody else's, is 404.",
    )
    .segment("id", "Which session.", Invalid::MissingSessionId)
    .logged_in()
    .refuses(Error::NotFound(Entity::Session))
    .refuses(Error::Conflict(Conflict::Contention))
    .answers_empty(StatusCode::NO_CONTENT, "The session is ended.")
}

fn example() -> Value {
    json!({
        "access_token": "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwIn0.c2lnbmF0dXJl",
        "token_type": "Bearer",
        "expires_in": 600,
        "refresh_token": "rt_0123456789abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQ2",
        "refresh_expires_in": 1_209_600,
        "session_id": "01932f6c-8a40-7c3e-9d51-6b0a4f2e7c18",
    })
}

fn examples() -> Value {
    json!({
        "limit": 10,
        "offset": 0,
        "total": 1,
        "sessions": [{
            "id": "01932f6c-8a40-7c3e-9d51-6b0a4f2e7c18",
            "current": true,
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            "address": "192.0.2.7",
            "created_at": "2026-11-22T16:30:00Z",
            "last_used_at": "2026-11-22T16:40:00.125Z",
            "expires_at": "2026-12-06T16:40:00.125Z",
            "ends_at": "2026-12-22T16:30:00Z",
        }],
    })
}
