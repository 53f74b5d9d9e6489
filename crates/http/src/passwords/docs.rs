//! What the description says of the routes of passwords.

use std::time::Duration;

use auth_domain::{Conflict, Entity, Error, Invalid, Unauthenticated};
use http::StatusCode;
use serde_json::json;

use super::{ChangeBody, DoneView, RequestBody, ResetBody, SentView};
use crate::accounts::docs::GROUP;
use crate::openapi::Docs;

pub(super) fn request() -> Docs {
    Docs::new(
        &GROUP,
        "requestPasswordReset",
        "Have a link mailed to set a forgotten password anew",
        "The answer is the same, and takes as long, whether there is an account with this address or not. The link \
         leads to the front end, with a `token` that works once and for 15 minutes; with the new password every \
         other such link ends. Who asks too often is told so; who is asked about too often gets no more mails for a while.",
    )
    .body::<RequestBody>(json!({ "email": "ada@example.com", "redirect_path": "/reset" }))
    .refuses_all([Invalid::MissingEmail, Invalid::MissingRedirectPath])
    .refuses(Error::RateLimited(Duration::from_secs(3)))
    .refuses(Error::Conflict(Conflict::Contention))
    .uses_the_store()
    .answers::<SentView>(
        StatusCode::CREATED,
        "If there is such an account, the mail is on its way.",
        json!({ "msg": "Email with reset link is sent" }),
    )
}

pub(super) fn reset() -> Docs {
    Docs::new(
        &GROUP,
        "resetPassword",
        "Set a forgotten password anew",
        "By the token in the mail, given as `token` in the body, and by no other kind of token. Without one the answer is 401 \
         and speaks of a bearer token, as the original's does; none is asked for. Every session of the user ends; API keys stay.",
    )
    .body::<ResetBody>(json!({
        "token": "01932f5a1f007b9a8c3d2e5f7a9b1c4db3duZXIgb2YgdGhpcyBsaW5rIHJlYWQgdGhlaXIgbWFpbA",
        "password": "correct-horse",
        "confirm_password": "correct-horse",
    }))
    .refuses_all([
        Invalid::MissingPassword,
        Invalid::MissingConfirmation,
        Invalid::Confirmation,
        Invalid::Password,
    ])
    .refuses_all([Unauthenticated::MissingToken, Unauthenticated::NotHonoured])
    .refuses(Error::RateLimited(Duration::from_secs(3)))
    .refuses(Error::Conflict(Conflict::Contention))
    .uses_the_store()
    .answers::<DoneView>(StatusCode::CREATED, "The password is set.", json!({}))
}

pub(super) fn change() -> Docs {
    Docs::new(
        &GROUP,
        "changePassword",
        "Change a password",
        "One's own, with the password so far: wrong ones are slowed down as at a sign-in. Or somebody else's by \
         their address, for the platform's root and admins; that of a root for roots. Every session of the user \
         ends, the one it is asked with included; API keys stay.",
    )
    .logged_in()
    .body::<ChangeBody>(json!({ "password": "battery-staple", "old_password": "correct-horse" }))
    .refuses_all([Invalid::MissingPassword, Invalid::Password, Invalid::CurrentPassword])
    .refuses_all([Error::Forbidden, Error::NotFound(Entity::Account)])
    .refuses(Error::RateLimited(Duration::from_secs(3)))
    .refuses(Error::Conflict(Conflict::Contention))
    .answers::<DoneView>(StatusCode::CREATED, "The password is changed.", json!({}))
}
