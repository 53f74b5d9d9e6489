//! Backup and restore of the members of one org, as a file.

mod docs;

use async_trait::async_trait;
use auth_domain::backup::Sink;
use auth_domain::model::Member;
use auth_domain::ops::member_backup::{BackupMembers, Joined, RestoreMembers};
use auth_domain::{Error, Invalid, Operation, Result};
use axum::body::Body;
use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use axum::routing::on;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::bearer::Credential;
use crate::members::MemberView;
use crate::path::Segment;
use crate::problem::{Problem, Transport};
use crate::query::{FromParameters, Parameters, Query};
use crate::stream::Pipe;
use crate::upload::Upload;
use crate::{Api, Route, answer, body, stream};

/// What a file is.
const FILE: HeaderValue = HeaderValue::from_static("application/octet-stream");

pub(crate) const ROUTES: &[Route] = &[
    Route::get(
        "/orgs/{id}/memberships/backup",
        BackupMembers::NAME,
        |method| on(method, backup),
        docs::backup,
    )
    .at(BackupMembers::PRIORITY),
    Route::post(
        "/orgs/{id}/memberships/restore",
        RestoreMembers::NAME,
        |method| on(method, restore),
        docs::restore,
    )
    .at(RestoreMembers::PRIORITY),
];

async fn backup(
    State(api): State<Api>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let org = segment.id(Invalid::MissingOrgId)?;
    let body = stream::written(&api.options.limits, |pipe| async move {
        let sink = Box::new(File { pipe, begun: false });
        api.app.execute(caller, BackupMembers { org, sink }).await
    });
    let mut response = Response::new(body.await?);
    let name = format!("attachment; filename=\"org-memberships-backup-{org}.json\"");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, FILE);
    headers.insert(CONTENT_DISPOSITION, HeaderValue::try_from(name).map_err(Error::internal)?);
    Ok(response)
}

/// The original's format: a JSON array, indented by two blanks, without a line break at its end.
struct File {
    pipe: Pipe,
    begun: bool,
}

#[async_trait]
impl Sink<Vec<Member>> for File {
    async fn write(&mut self, part: Vec<Member>) -> Result<()> {
        let mut text = Vec::new();
        for member in &part {
            let row = serde_json::to_string_pretty(&MemberView::from(member));
            let row = row.map_err(Error::internal)?.replace('\n', "\n  ");
            text.extend_from_slice(if self.begun { b",\n  " } else { b"[\n  " });
            text.extend_from_slice(row.as_bytes());
            self.begun = true;
        }
        self.pipe.write(text).await
    }

    async fn end(&mut self) -> Result<()> {
        self.pipe.write(if self.begun { b"\n]".to_vec() } else { b"[]".to_vec() }).await
    }
}

/// A body that is a file, not yet read.
struct FileBody(Body);

impl FromRequest<Api> for FileBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Api) -> Result<Self, Problem> {
        if body::is(request.headers(), "application/octet-stream") {
            Ok(Self(request.into_body()))
        } else {
            Err(Transport::ContentType.into())
        }
    }
}

/// How a file is to be restored.
struct Asked {
    dry_run: bool,
}

impl FromParameters for Asked {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        Ok(Self { dry_run: parameters.flag("dry_run")? })
    }
}

/// Who is asking is found out before the body is read, because it may be large.
async fn restore(
    State(api): State<Api>,
    credential: Credential,
    segment: Segment,
    Query(asked): Query<Asked>,
    FileBody(body): FileBody,
) -> Result<Response, Problem> {
    let org = segment.id(Invalid::MissingOrgId)?;
    let caller = credential.caller()?;
    let limits = &api.options.limits;
    // Anybody may have an org, and whoever sends slowly keeps other owners waiting.
    let (source, reason) = Upload::new(body, limits, limits.request);
    let dry_run = asked.dry_run;
    let restore = RestoreMembers { org, source: Box::new(source), dry_run };
    let joined = api.app.execute(caller, restore).await.map_err(|error| reason.or(error))?;
    if dry_run {
        return answer::json(StatusCode::OK, &JoinedView::from(joined));
    }
    Ok(answer::empty(StatusCode::CREATED))
}

/// What a restore of members would do.
#[derive(Serialize, ToSchema)]
#[schema(as = MembersRestored)]
struct JoinedView {
    /// How many would become members.
    created: u64,
    /// How many rows would be passed over: that of the owner.
    unchanged: u64,
}

impl From<Joined> for JoinedView {
    fn from(Joined { created, unchanged }: Joined) -> Self {
        Self { created, unchanged }
    }
}
