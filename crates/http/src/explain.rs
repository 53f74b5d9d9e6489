//! Why somebody may, or may not. The original has no such route.

mod docs;

use auth_domain::model::{Explanation, GroupRole, Membership, OrgRole, PlatformRole};
use auth_domain::ops::access::Question;
use auth_domain::ops::explain::Explain;
use auth_domain::{App, Error, Invalid, Operation, Result};
use axum::extract::State;
use axum::response::Response;
use axum::routing::on;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::bearer::Credential;
use crate::body::{FromMembers, Json, Members};
use crate::openapi::types;
use crate::problem::Problem;
use crate::{Route, answer};

pub(crate) const ROUTES: &[Route] =
    &[Route::post("/explain", Explain::NAME, |method| on(method, explain), docs::explain)];

/// What to explain.
#[derive(ToSchema)]
#[schema(as = Check)]
struct CheckBody {
    /// Whose rights.
    #[schema(value_type = types::Id)]
    user_id: String,
    /// `root`: do they have a platform role? `org`: may they do this in that org? `group`: do they have this
    /// role in that group?
    #[schema(value_type = types::Subject)]
    subject: String,
    /// The id of the org or group, when the subject is one.
    #[schema(value_type = String, required = false)]
    object: String,
    /// When the subject is `org` or `group`; a group knows no `owner`.
    #[schema(value_type = types::Action, required = false)]
    action: String,
}

impl FromMembers for CheckBody {
    fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self {
            user_id: members.text("user_id")?,
            subject: members.text("subject")?,
            object: members.text("object")?,
            action: members.text("action")?,
        })
    }
}

async fn explain(
    State(app): State<App>,
    credential: Credential,
    Json(body): Json<CheckBody>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    if body.user_id.is_empty() {
        return Err(Error::from(Invalid::MissingUserId).into());
    }
    let user = body.user_id.parse().map_err(|_| Error::malformed("user_id", "must be a UUID"))?;
    let question = Question::parse(&body.subject, &body.object, &body.action)?;
    let why = app.execute(caller, Explain { user, question }).await?;
    answer::json(StatusCode::OK, &ExplanationView::from(why))
}

/// Why.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = Explanation)]
struct ExplanationView {
    /// Whether `Authorize` answers yes.
    allowed: bool,
    /// Which row allows it, `platform_role` or `membership`, and for a group also `org_role`, `group_role` or
    /// `own_tree`; or what is missing, `no_platform_role`, `no_org`, `not_a_member` or `role_too_small`, and
    /// for a group `no_group`, `no_group_role` or `group_role_too_small`.
    reason: &'static str,
    /// Their platform role, where it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::PlatformRole, required = false)]
    platform_role: Option<&'static str>,
    /// Their role in the org, if they are a member and that matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::OrgRole, required = false)]
    org_role: Option<&'static str>,
    /// Since when they are a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::Moment, required = false)]
    member_since: Option<String>,
    /// When their role last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::Moment, required = false)]
    role_since: Option<String>,
    /// The least role in the org or group that would do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::OrgRole, required = false)]
    needed_role: Option<&'static str>,
    /// The org that the group belongs to, if their role there allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::Id, required = false)]
    org_id: Option<String>,
    /// The group in which they were given the role that allows it: the one asked about, or one above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::GroupId, required = false)]
    group_id: Option<String>,
    /// Their role there; if every one is too small, the greatest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::GroupRole, required = false)]
    group_role: Option<&'static str>,
}

impl ExplanationView {
    fn with(reason: &'static str, allowed: bool, membership: &Membership) -> Self {
        Self {
            allowed,
            reason,
            org_role: Some(membership.role.as_str()),
            member_since: Some(membership.created_at.to_string()),
            role_since: Some(membership.updated_at.to_string()),
            ..Self::default()
        }
    }
}

impl From<Explanation> for ExplanationView {
    fn from(why: Explanation) -> Self {
        let denied = |reason| Self { reason, ..Self::default() };
        let allowed = |reason| Self { allowed: true, ..denied(reason) };
        match why {
            Explanation::ByPlatformRole(role) => {
                Self { platform_role: Some(role.as_str()), ..allowed("platform_role") }
            }
            Explanation::ByMembership(membership) => Self::with("membership", true, &membership),
            Explanation::NoPlatformRole => denied("no_platform_role"),
            Explanation::NoOrg { platform } => {
                Self { platform_role: platform.map(PlatformRole::as_str), ..denied("no_org") }
            }
            Explanation::NotAMember { needed } => {
                Self { needed_role: Some(OrgRole::as_str(needed)), ..denied("not_a_member") }
            }
            Explanation::RoleTooSmall { membership, needed } => Self {
                needed_role: Some(OrgRole::as_str(needed)),
                ..Self::with("role_too_small", false, &membership)
            },
            Explanation::ByOrgRole { org, role } => Self {
                org_id: Some(org.to_string()),
                org_role: Some(role.as_str()),
                ..allowed("org_role")
            },
            Explanation::ByGroupRole { group, role } => Self {
                group_id: Some(group.to_string()),
                group_role: Some(role.as_str()),
                ..allowed("group_role")
            },
            Explanation::ByOwnTree => allowed("own_tree"),
            Explanation::NoGroup => denied("no_group"),
            Explanation::NoGroupRole { needed } => {
                Self { needed_role: Some(GroupRole::as_str(needed)), ..denied("no_group_role") }
            }
            Explanation::GroupRoleTooSmall { role, needed } => Self {
                group_role: Some(role.as_str()),
                needed_role: Some(GroupRole::as_str(needed)),
                ..denied("group_role_too_small")
            },
        }
    }
}
