//! Backup and restore of the accounts, as the original's users service has them: on the listener with its contract.

pub(crate) mod docs;

use auth_domain::ops::users_backup::{BackupUsers, RestoreUsers};
use auth_domain::{Operation, Result};
use axum::extract::State;
use axum::response::Response;
use axum::routing::on;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::backup::JsonBody;
use crate::bearer::Credential;
use crate::problem::Problem;
use crate::query::{FromParameters, Parameters, Query};
use crate::upload::Upload;
use crate::{Api, Route, answer, stream};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/backup", BackupUsers::NAME, |method| on(method, backup), docs::backup)
        .at(BackupUsers::PRIORITY),
    Route::post("/restore", RestoreUsers::NAME, |method| on(method, restore), docs::restore)
        .at(RestoreUsers::PRIORITY),
];

/// What is to be in it.
struct Asked {
    passwords: bool,
}

impl FromParameters for Asked {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        Ok(Self { passwords: parameters.flag("passwords")? })
    }
}

async fn backup(
    State(api): State<Api>,
    credential: Credential,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let body = stream::written(&api.options.limits, |pipe| async move {
        let backup = BackupUsers { sink: Box::new(pipe), passwords: asked.passwords };
        api.app.execute(caller, backup).await
    });
    let mut response = Response::new(body.await?);
    response.headers_mut().insert(CONTENT_TYPE, answer::JSON);
    Ok(response)
}

/// Who is asking is found out before the body is read, because it may be large.
async fn restore(
    State(api): State<Api>,
    credential: Credential,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let limits = &api.options.limits;
    let (source, reason) = Upload::new(body, limits, limits.long_request);
    let restore = RestoreUsers { source: Box::new(source) };
    api.app.execute(caller, restore).await.map_err(|error| reason.or(error))?;
    Ok(answer::empty(StatusCode::CREATED))
}
