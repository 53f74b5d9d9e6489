//! `auth.v1.Explanations`: its method understands, executes and answers.

use auth_domain::model::{Explanation, Membership, PlatformRole};
use auth_domain::ops::access::Question;
use auth_domain::ops::explain::Explain;
use auth_domain::{App, Caller, Invalid, Result};
use tonic::{Request, Response, Status};

use crate::auth::{parse_user, understand_token};
use crate::proto::v1;
use crate::proto::v1::explanations_server::Explanations;
use crate::status::status;

/// Serves `auth.v1.Explanations`.
#[derive(Clone)]
pub(crate) struct ExplainRpc {
    pub(crate) app: App,
}

#[tonic::async_trait]
impl Explanations for ExplainRpc {
    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        let mut asked = request.into_inner();
        let token = understand_token(std::mem::take(&mut asked.token)).map_err(status)?;
        let operation = understand(&asked).map_err(status)?;
        let why = self.app.execute(Caller::Bearer(token), operation).await.map_err(status)?;
        Ok(Response::new(view(why)))
    }
}

fn understand(asked: &v1::ExplainRequest) -> Result<Explain> {
    if asked.user_id.is_empty() {
        return Err(Invalid::MissingUserId.into());
    }
    let user = parse_user(&asked.user_id)?;
    let question = Question::parse(&asked.subject, &asked.object, &asked.action)?;
    Ok(Explain { user, question })
}

fn view(why: Explanation) -> v1::ExplainResponse {
    let because = |reason: v1::Reason| v1::ExplainResponse {
        allowed: matches!(
            reason,
            v1::Reason::PlatformRole
                | v1::Reason::Membership
                | v1::Reason::OrgRole
                | v1::Reason::GroupRole
                | v1::Reason::OwnTree
        ),
        reason: reason.into(),
        ..Default::default()
    };
    match why {
        Explanation::ByPlatformRole(role) => v1::ExplainResponse {
            platform_role: role.as_str().to_owned(),
            ..because(v1::Reason::PlatformRole)
        },
        Explanation::ByMembership(membership) => with(&membership, because(v1::Reason::Membership)),
        Explanation::NoPlatformRole => because(v1::Reason::NoPlatformRole),
        Explanation::NoOrg { platform } => v1::ExplainResponse {
            platform_role: platform.map_or("", PlatformRole::as_str).to_owned(),
            ..because(v1::Reason::NoOrg)
        },
        Explanation::NotAMember { needed } => v1::ExplainResponse {
            needed_role: needed.as_str().to_owned(),
            ..because(v1::Reason::NotAMember)
        },
        Explanation::RoleTooSmall { membership, needed } => v1::ExplainResponse {
            needed_role: needed.as_str().to_owned(),
            ..with(&membership, because(v1::Reason::RoleTooSmall))
        },
        Explanation::ByOrgRole { org, role } => v1::ExplainResponse {
            org_id: org.to_string(),
            org_role: role.as_str().to_owned(),
            ..because(v1::Reason::OrgRole)
        },
        Explanation::ByGroupRole { group, role } => v1::ExplainResponse {
            group_id: group.to_string(),
            group_role: role.as_str().to_owned(),
            ..because(v1::Reason::GroupRole)
        },
        Explanation::ByOwnTree => because(v1::Reason::OwnTree),
        Explanation::NoGroup => because(v1::Reason::NoGroup),
        Explanation::NoGroupRole { needed } => v1::ExplainResponse {
            needed_role: needed.as_str().to_owned(),
            ..because(v1::Reason::NoGroupRole)
        },
        Explanation::GroupRoleTooSmall { role, needed } => v1::ExplainResponse {
            group_role: role.as_str().to_owned(),
            needed_role: needed.as_str().to_owned(),
            ..because(v1::Reason::GroupRoleTooSmall)
        },
    }
}

fn with(membership: &Membership, answer: v1::ExplainResponse) -> v1::ExplainResponse {
    v1::ExplainResponse {
        org_role: membership.role.as_str().to_owned(),
        member_since: membership.created_at.to_string(),
        role_since: membership.updated_at.to_string(),
        ..answer
    }
}
