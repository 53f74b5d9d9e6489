//! Backup and restore of the whole service.

mod docs;

use auth_domain::backup::{Counts, Report, Section};
use auth_domain::ops::By;
use auth_domain::ops::backup::{Existing, Restore, TakeBackup};
use auth_domain::{Operation, Result};
use axum::body::Body;
use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use axum::routing::on;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::bearer::Credential;
use crate::problem::{Problem, Transport};
use crate::query::{FromParameters, Parameters, Query};
use crate::upload::Upload;
use crate::{Api, Route, answer, body, stream};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/backup", TakeBackup::NAME, |method| on(method, backup), docs::backup)
        .at(TakeBackup::PRIORITY),
    Route::post("/restore", Restore::NAME, |method| on(method, restore), docs::restore)
        .at(Restore::PRIORITY),
];

/// What `existing` can be.
const EXISTING: [&str; 2] = ["refuse", "skip"];

async fn backup(State(api): State<Api>, credential: Credential) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let body = stream::written(&api.options.limits, |pipe| async move {
        let backup = TakeBackup { by: By::Platform, sink: Box::new(pipe), password_hashes: false };
        api.app.execute(caller, backup).await
    });
    let mut response = Response::new(body.await?);
    response.headers_mut().insert(CONTENT_TYPE, answer::JSON);
    Ok(response)
}

/// A body with this content type, not yet read.
pub(crate) struct JsonBody(pub Body);

impl FromRequest<Api> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Api) -> Result<Self, Problem> {
        if body::is_json(request.headers()) {
            Ok(Self(request.into_body()))
        } else {
            Err(Transport::ContentType.into())
        }
    }
}

/// How a document is to be restored.
struct Asked {
    existing: Existing,
    revive: bool,
    dry_run: bool,
}

impl FromParameters for Asked {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        Ok(Self {
            existing: match parameters.word("existing", EXISTING)? {
                "skip" => Existing::Skip,
                _ => Existing::Refuse,
            },
            revive: parameters.flag("revive")?,
            dry_run: parameters.flag("dry_run")?,
        })
    }
}

/// Who is asking is found out before the body is read, because it may be large.
async fn restore(
    State(api): State<Api>,
    credential: Credential,
    Query(asked): Query<Asked>,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let limits = &api.options.limits;
    let (source, reason) = Upload::new(body, limits, limits.long_request);
    let Asked { existing, revive, dry_run } = asked;
    let restore = Restore { by: By::Platform, source: Box::new(source), existing, revive, dry_run };
    let report = api.app.execute(caller, restore).await.map_err(|error| reason.or(error))?;
    match (report.dry_run, report.sealed) {
        (true, _) => answer::json(StatusCode::OK, &ReportView::from(&report)),
        (false, true) => answer::json(StatusCode::CREATED, &ReportView::from(&report)),
        // As the original does with documents of its own.
        (false, false) => Ok(answer::empty(StatusCode::CREATED)),
    }
}

/// What a restore has done, for programs: the same over HTTP and on the command line.
pub fn report_json(report: &Report) -> Result<Value> {
    serde_json::to_value(ReportView::from(report)).map_err(auth_domain::Error::internal)
}

/// What a restore has done; after a dry run, what it would have done.
#[derive(Serialize, ToSchema)]
#[schema(as = RestoreReport)]
struct ReportView<'a> {
    /// Whether nothing was written.
    dry_run: bool,
    /// Whether the document has a seal, which says that it is what was backed up.
    sealed: bool,
    /// What became of the orgs.
    orgs: CountsView<'a>,
    /// What became of the memberships.
    org_memberships: CountsView<'a>,
    /// What became of the invites.
    org_invites: CountsView<'a>,
    /// What became of the invites for people without an account.
    dormant_org_invites: CountsView<'a>,
    /// What became of the API keys.
    keys: CountsView<'a>,
    /// What became of the platform roles.
    platform_roles: CountsView<'a>,
    /// What became of the accounts.
    accounts: CountsView<'a>,
    /// What became of the groups.
    groups: CountsView<'a>,
    /// What became of what was in them.
    group_members: CountsView<'a>,
    /// What became of the roles in them.
    group_roles: CountsView<'a>,
    /// What somebody should know, a sentence each.
    warnings: &'a [String],
}

/// What became of the rows of one list.
#[derive(Serialize, ToSchema)]
#[schema(as = RestoreCounts)]
struct CountsView<'a> {
    /// How many were not there and are now.
    created: u64,
    /// How many were there already, and the same.
    unchanged: u64,
    /// How many were left out because they were taken away on purpose since the backup.
    left_out: u64,
    /// Which those are, up to 100 of them: an id, or that of an org or group and that of a member.
    left_out_ids: &'a [String],
}

impl<'a> From<&'a Counts> for CountsView<'a> {
    fn from(counts: &'a Counts) -> Self {
        Self {
            created: counts.created,
            unchanged: counts.unchanged,
            left_out: counts.left_out,
            left_out_ids: &counts.named,
        }
    }
}

impl<'a> From<&'a Report> for ReportView<'a> {
    fn from(report: &'a Report) -> Self {
        let of = |section: Section| CountsView::from(report.of(section));
        Self {
            dry_run: report.dry_run,
            sealed: report.sealed,
            orgs: of(Section::Orgs),
            org_memberships: of(Section::Memberships),
            org_invites: of(Section::Invites),
            dormant_org_invites: of(Section::Dormant),
            keys: of(Section::Keys),
            platform_roles: of(Section::PlatformRoles),
            accounts: of(Section::Accounts),
            groups: of(Section::Groups),
            group_members: of(Section::GroupMembers),
            group_roles: of(Section::GroupRoles),
            warnings: &report.warnings,
        }
    }
}
