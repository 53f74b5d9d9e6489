//! What the description says of the routes of accounts.

use std::time::Duration;

use auth_domain::{Conflict, Entity, Error, Invalid, Unauthenticated};
use http::StatusCode;
use serde_json::json;

use super::{LoginBody, ProfileView, RegisterBody, TokenView};
use crate::openapi::{Docs, Group};

pub(crate) const GROUP: Group = Group {
    name: "Accounts",
    about: "The built-in directory: who can sign in here. Where users are known to another service, \
            these routes do not exist.",
};

pub(super) fn register() -> Docs {
    Docs::new(&GROUP, "register", "Open an account", "Anybody can, unless the operator closed it.")
        .body::<RegisterBody>(json!({
            "user": {
                "email": "ada@example.com",
                "password": "correct-horse",
                "metadata": { "language": "en" },
            },
            "redirect_path": "/welcome",
        }))
        .refuses_all([Invalid::MissingRedirectPath, Invalid::Password])
        .refuses(Error::RegistrationClosed)
        .refuses(Error::AlreadyExists(Entity::Account))
        .refuses(Error::Conflict(Conflict::Contention))
        .uses_the_store()
        .answers_empty(StatusCode::CREATED, "The account is open.")
}

pub(super) fn login() -> Docs {
    Docs::new(
        &GROUP,
        "login",
        "Sign in",
        "An unknown address, a wrong password and a disabled account answer alike and take as long. \
         Repeated failures are slowed down.",
    )
    .body::<LoginBody>(json!({ "email": "ada@example.com", "password": "correct-horse" }))
    .refuses(Unauthenticated::BadCredentials)
    .refuses(Error::RateLimited(Duration::from_secs(30)))
    .uses_the_store()
    .answers::<TokenView<'_>>(
        StatusCode::CREATED,
        "A login token.",
        json!({ "token": "eyJhbGciOiJIUzI1NiJ9.eyJ0eXBlIjowfQ.c2lnbmF0dXJl" }),
    )
}

pub(super) fn profile() -> Docs {
    Docs::new(
        &GROUP,
        "viewProfile",
        "Show the caller's own account",
        "A caller whose account is gone or disabled is refused as unknown.",
    )
    .signed_in()
    .answers::<ProfileView<'_>>(
        StatusCode::OK,
        "The account.",
        json!({
            "id": "01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d",
            "email": "ada@example.com",
            "metadata": { "language": "en" },
            "status": "enabled",
            "role": "admin",
        }),
    )
}
