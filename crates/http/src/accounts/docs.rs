//! What the description says of the routes of accounts.

use std::time::Duration;

use auth_domain::{Conflict, Entity, Error, Invalid, Unauthenticated};
use http::StatusCode;
use serde_json::json;

use super::{LoginBody, ProfileView, RegisterBody, TokenView, VerifyBody};
use crate::openapi::lists::Asked;
use crate::openapi::{Docs, Group};

pub(crate) const GROUP: Group = Group {
    name: "Accounts",
    about: "The built-in directory: who can sign in here. Where users are known to another service, \
            these routes do not exist.",
};

pub(super) fn register() -> Docs {
    Docs::new(
        &GROUP,
        "register",
        "Open an account",
        "Anybody can, unless the operator closed it. Where addresses are to be proved \
         (`MF_REQUIRE_EMAIL_VERIFICATION`), there is no account yet: a mail goes to the address, with a link to the \
         front end that has a `token` for `POST /register/verify`. It works once and for an hour. The answer is the \
         same then, and takes as long, whether there is an account with this address or not. Asking again mails \
         another link beside those before; each opens the account with the password it was asked for with. Who asks \
         too often is told so; who is asked about too often gets no more mails for a while.",
    )
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
    .refuses(Error::RateLimited(Duration::from_secs(3)))
    .refuses(Error::Conflict(Conflict::Contention))
    .uses_the_store()
    .answers_empty(StatusCode::CREATED, "The account is open, or the mail is on its way.")
}

pub(super) fn verify() -> Docs {
    Docs::new(
        &GROUP,
        "verifyEmail",
        "Use a mailed link that proves an address",
        "By the `token` of the link, once: in the body, or in the query as with the original, where it may be written down \
         on the way; then no body is looked at. It opens the account that the link is for, unless people may no longer open \
         accounts themselves; or it notes of an account that is there that its address is proved. Every other link for \
         the same ends with it.",
    )
    .told([Asked::token("What the link in the mail has after `token=`, instead of in the body.")])
    .maybe_body::<VerifyBody>(json!({ "token": "0f3c2e4a5b6d4c7e8f90a1b2c3d4e5f6aB3-_x" }))
    .refuses_all([Invalid::MissingVerification, Invalid::VerificationExpired])
    .refuses(Error::RegistrationClosed)
    .refuses(Unauthenticated::NotHonoured)
    .refuses_all([Error::AlreadyExists(Entity::Account), Conflict::Contention.into()])
    .uses_the_store()
    .creates("The account is open, or its address is proved.", "/users/01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d")
}

pub(super) fn register_by_invite() -> Docs {
    Docs::new(
        &GROUP,
        "registerByInvite",
        "Open an account by an invite to the platform",
        "With the address that is invited, also where people may not open accounts themselves. `id` is what the link \
         in the mail ends with: a secret. Without a mail server nobody can be sent one, and it is the invite's id. Whoever made the invite must still have a platform role. An invite that is unknown, \
         has ended or is for another address is refused, and nothing else is said. If it came with an org, the new user \
         has a pending invite to it, and a mail about that, which leads to `redirect_path`.",
    )
    .segment("id", "Which invite.", Invalid::MissingInviteId)
    .body::<RegisterBody>(json!({
        "user": { "email": "grace@example.com", "password": "correct-horse" },
        "redirect_path": "/invites",
    }))
    .refuses_all([Invalid::MissingRedirectPath, Invalid::Password])
    .refuses_all([Error::Forbidden, Error::AlreadyExists(Entity::Account)])
    .refuses(Error::RateLimited(Duration::from_secs(3)))
    .refuses(Error::Conflict(Conflict::Contention))
    .uses_the_store()
    .creates("The account is open.", "/users/01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d")
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
