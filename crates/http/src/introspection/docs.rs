//! What the description says of asking of tokens and taking them back.

use auth_domain::{Conflict, Error, Invalid};
use http::StatusCode;
use serde_json::json;

use super::{IntrospectionView, TokenForm};
use crate::openapi::{Docs, Group};

const GROUP: Group = Group {
    name: "Tokens",
    about: "What OAuth 2.0 has for services that get tokens and cannot or will not verify them themselves (RFC 7662), and for \
            whoever wants to be rid of one (RFC 7009). Both read a form.",
};

const FORM: &str = "application/x-www-form-urlencoded";

pub(super) fn introspect() -> Docs {
    Docs::new(
        &GROUP,
        "introspect",
        "Ask whether a token is good",
        "RFC 7662. For sibling services, by the service token that they show over gRPC (`MF_AUTH_GRPC_TOKENS`) and if they may (`Introspect` in \
         `MF_AUTH_GRPC_ALLOW`), and for admins and roots. Of a login token, an access token, an API key or the newest refresh token of a session it says whose it is and \
         until when; of anything else only that it is not good, and never why. It is true at the moment it is answered: an \
         answer that is kept goes out of date.",
    )
    .signed_in()
    .body_as::<TokenForm>(FORM, json!({ "token": "eyJhbGciOiJIUzI1NiJ9.eyJ0eXBlIjowfQ.c2lnbmF0dXJl" }))
    .refuses(Invalid::Form)
    .refuses(Error::Forbidden)
    .answers::<IntrospectionView<'_>>(
        StatusCode::OK,
        "Whether it is good, and if so what it says.",
        json!({
            "active": true,
            "token_type": "Bearer",
            "kind": "access",
            "sub": "01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d",
            "username": "ada@example.com",
            "iat": 1_764_000_000,
            "exp": 1_764_000_600,
            "jti": "01932f6c-8a40-7c3e-9d51-6b0a4f2e7c19",
            "sid": "01932f6c-8a40-7c3e-9d51-6b0a4f2e7c18",
        }),
    )
}

pub(super) fn revoke() -> Docs {
    Docs::new(
        &GROUP,
        "revokeToken",
        "Take a token back",
        "RFC 7009. For whoever holds it, without any other credential. A refresh token, also one that was used, and an access \
         token end their session with all its tokens; an API key is revoked. When this is answered, every replica refuses what was taken \
         back. Text that is no token, or is one no longer, is answered alike. A login token cannot be taken back alone: see \
         `DELETE /sessions`.",
    )
    .body_as::<TokenForm>(FORM, json!({
        "token": "rt_0123456789abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQ1",
    }))
    .refuses_all([Invalid::Form, Invalid::TokenType])
    .refuses(Error::Conflict(Conflict::Contention))
    .uses_the_store()
    .answers_empty(StatusCode::OK, "It is not good any more, if it ever was.")
}
