//! Ending what gives access: all sessions, all API keys, one's own and, for the platform, anybody's. The
//! original has no routes for them.

mod docs;

use auth_domain::ops::By;
use auth_domain::ops::sessions::{EndSessions, EndSessionsOf, RevokeKeys, RevokeKeysOf};
use auth_domain::{App, Invalid, Operation};
use axum::extract::State;
use axum::response::Response;
use axum::routing::on;
use http::StatusCode;

use crate::bearer::Credential;
use crate::path::Segment;
use crate::problem::Problem;
use crate::{Route, answer};

pub(crate) const ROUTES: &[Route] = &[
    Route::delete("/keys", RevokeKeys::NAME, |method| on(method, revoke_own), docs::revoke_own),
    Route::delete("/sessions", EndSessions::NAME, |method| on(method, end_own), docs::end_own),
    Route::delete(
        "/users/{id}/keys",
        RevokeKeysOf::NAME,
        |method| on(method, revoke_theirs),
        docs::revoke_theirs,
    ),
    Route::delete(
        "/users/{id}/sessions",
        EndSessionsOf::NAME,
        |method| on(method, end_theirs),
        docs::end_theirs,
    ),
];

async fn revoke_own(State(app): State<App>, credential: Credential) -> Result<Response, Problem> {
    app.execute(credential.caller()?, RevokeKeys).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

async fn end_own(State(app): State<App>, credential: Credential) -> Result<Response, Problem> {
    app.execute(credential.caller()?, EndSessions).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

async fn revoke_theirs(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let user = segment.id(Invalid::MissingUserId)?;
    app.execute(caller, RevokeKeysOf { by: By::Platform, user }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

async fn end_theirs(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let user = segment.id(Invalid::MissingUserId)?;
    app.execute(caller, EndSessionsOf { by: By::Platform, user }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
