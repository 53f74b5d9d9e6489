//! Whether the process runs: the original's document. Whether it can serve is asked on the
//! operator's listener.

use auth_domain::ports::Priority;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::on;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::openapi::{Docs, Group};
use crate::problem::Problem;
use crate::{Api, Contract, Route, answer};

pub(crate) const ROUTES: &[Route] =
    &[Route::get("/health", "health", |method| on(method, health), docs).at(Priority::Check)];

const GROUP: Group = Group { name: "Health", about: "Whether the process runs." };

const MEDIA_TYPE: &str = "application/health+json";

pub(crate) fn docs() -> Docs {
    Docs::new(
        &GROUP,
        "health",
        "Say that the process runs",
        "It looks at nothing else: whether requests can be served is asked on the operator's listener.",
    )
    .answers_as::<HealthView<'_>>(
        MEDIA_TYPE,
        StatusCode::OK,
        "The process runs.",
        json!({
            "status": "pass",
            "version": "1.2.3",
            "commit": "9248e62",
            "description": "auth service",
            "build_time": "2026-11-22_16:30:00",
        }),
    )
}

/// That the process runs, and which build it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
struct HealthView<'a> {
    /// Always `pass`.
    status: &'static str,
    /// The release.
    version: &'a str,
    /// The commit it was built from.
    commit: &'a str,
    /// `auth service`, and `users service` on the listener with that contract.
    description: &'static str,
    /// When it was built.
    build_time: &'a str,
}

async fn health(State(api): State<Api>) -> Result<Response, Problem> {
    let build = &api.options.build;
    let view = HealthView {
        status: "pass",
        version: &build.version,
        commit: &build.commit,
        description: match api.options.contract {
            Contract::Auth => "auth service",
            Contract::Users => "users service",
        },
        build_time: &build.time,
    };
    let health = [(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE))];
    Ok((health, answer::json(StatusCode::OK, &view)?).into_response())
}
