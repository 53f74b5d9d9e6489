//! `auth.v1.Checks`: each method understands, executes and answers.

use auth_domain::app::Identity;
use auth_domain::model::KeyKind;
use auth_domain::ops::access::Question;
use auth_domain::ops::checks::{AuthorizeMany, IdentifyAndAuthorize, MAX_CHECKS, Verdict};
use auth_domain::{App, Caller, Invalid, Result};
use tonic::{Request, Response, Status};

use crate::auth::understand_token;
use crate::proto::v1;
use crate::proto::v1::checks_server::Checks;
use crate::status::{status, status_at};

/// Serves `auth.v1.Checks`.
#[derive(Clone)]
pub(crate) struct ChecksRpc {
    pub(crate) app: App,
}

#[tonic::async_trait]
impl Checks for ChecksRpc {
    async fn identify_and_authorize(
        &self,
        request: Request<v1::IdentifyAndAuthorizeRequest>,
    ) -> Result<Response<v1::IdentifyAndAuthorizeResponse>, Status> {
        let v1::IdentifyAndAuthorizeRequest { token, check } = request.into_inner();
        let token = understand_token(token).map_err(status)?;
        let question = understand_check(&check.unwrap_or_default()).map_err(status)?;
        let operation = IdentifyAndAuthorize { token, question };
        let user = self.app.execute(Caller::Anonymous, operation).await.map_err(status)?;
        Ok(Response::new(v1::IdentifyAndAuthorizeResponse { identity: Some(identity(user)) }))
    }

    async fn authorize_many(
        &self,
        request: Request<v1::AuthorizeManyRequest>,
    ) -> Result<Response<v1::AuthorizeManyResponse>, Status> {
        let v1::AuthorizeManyRequest { token, checks } = request.into_inner();
        let token = understand_token(token).map_err(status)?;
        // The operation looks at the number, too; this spares reading more than it takes.
        if checks.len() > MAX_CHECKS {
            return Err(status(Invalid::ListTooLong.into()));
        }
        let questions = checks
            .iter()
            .enumerate()
            .map(|(place, check)| understand_check(check).map_err(|bad| status_at(bad, place)))
            .collect::<Result<_, _>>()?;
        let operation = AuthorizeMany { token, questions };
        let verdicts = self.app.execute(Caller::Anonymous, operation).await.map_err(status)?;
        let results = verdicts.into_iter().map(|verdict| result(verdict).into()).collect();
        Ok(Response::new(v1::AuthorizeManyResponse { results }))
    }
}

fn understand_check(check: &v1::Check) -> Result<Question> {
    Question::parse(&check.subject, &check.object, &check.action)
}

fn identity(user: Identity) -> v1::Identity {
    let kind = match user.kind {
        KeyKind::Login => v1::TokenKind::Login,
        KeyKind::Api => v1::TokenKind::ApiKey,
        // The operation refuses it.
        KeyKind::Recovery => v1::TokenKind::Unspecified,
    };
    v1::Identity { user_id: user.user.to_string(), email: user.email, kind: kind.into() }
}

const fn result(verdict: Verdict) -> v1::CheckResult {
    match verdict {
        Verdict::Allowed => v1::CheckResult::Allowed,
        Verdict::Denied => v1::CheckResult::Denied,
        Verdict::NotFound => v1::CheckResult::NotFound,
    }
}
