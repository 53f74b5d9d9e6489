//! Whether the process runs: the original's document. Whether it can serve is asked on the
//! operator's listener.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::on;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::problem::Problem;
use crate::{Api, Route, answer};

pub(crate) const ROUTES: &[Route] = &[Route::get("/health", "health", |method| on(method, health))];

#[derive(Serialize)]
struct HealthView<'a> {
    status: &'static str,
    version: &'a str,
    commit: &'a str,
    description: &'static str,
    build_time: &'a str,
}

async fn health(State(api): State<Api>) -> Result<Response, Problem> {
    let build = &api.options.build;
    let view = HealthView {
        status: "pass",
        version: &build.version,
        commit: &build.commit,
        description: "auth service",
        build_time: &build.time,
    };
    let health = [(CONTENT_TYPE, HeaderValue::from_static("application/health+json"))];
    Ok((health, answer::json(StatusCode::OK, &view)?).into_response())
}
