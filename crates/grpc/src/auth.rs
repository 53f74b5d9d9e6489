//! `protomfx.AuthService`: each method understands, executes and answers.

use std::sync::Arc;

use auth_domain::model::{Email, KeyKind, OrgId, PlatformRole, Token, UserId};
use auth_domain::ops::access::{Authorize, Identify, Question};
use auth_domain::ops::keys::IssueToken;
use auth_domain::ops::orgs::{ViewOrg, ViewOwner};
use auth_domain::ops::roles::{AssignRole, RetrieveRole};
use auth_domain::{App, Caller, Error, Invalid, Result, Unauthenticated};
use tonic::{Request, Response, Status};

use crate::callers::{Gate, Method};
use crate::proto;
use crate::proto::auth_service_server::AuthService;
use crate::status::status;

/// Serves `protomfx.AuthService`.
#[derive(Clone)]
pub(crate) struct AuthRpc {
    pub(crate) app: App,
    pub(crate) gate: Arc<Gate>,
}

#[tonic::async_trait]
impl AuthService for AuthRpc {
    async fn issue(
        &self,
        request: Request<proto::IssueReq>,
    ) -> Result<Response<proto::Token>, Status> {
        let caller = self.gate.admit(Method::Issue, &request).map_err(status)?;
        let operation = understand_issue(request.into_inner()).map_err(status)?;
        let token = self.app.execute(caller, operation).await.map_err(status)?;
        Ok(Response::new(proto::Token { value: token.expose().to_owned() }))
    }

    async fn identify(
        &self,
        request: Request<proto::Token>,
    ) -> Result<Response<proto::UserIdentity>, Status> {
        let token = understand_token(request.into_inner().value).map_err(status)?;
        let identify = Identify { token };
        let user = self.app.execute(Caller::Anonymous, identify).await.map_err(status)?;
        Ok(Response::new(proto::UserIdentity {
            id: user.user.to_string(),
            email: user.email,
            r#type: user.kind.number().into(),
        }))
    }

    async fn authorize(
        &self,
        request: Request<proto::AuthorizeReq>,
    ) -> Result<Response<()>, Status> {
        let operation = understand_authorize(request.into_inner()).map_err(status)?;
        self.app.execute(Caller::Anonymous, operation).await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn get_owner_id_by_org_id(
        &self,
        request: Request<proto::OrgId>,
    ) -> Result<Response<proto::OwnerId>, Status> {
        self.owner(Method::GetOwnerIdByOrgId, request).await
    }

    async fn get_owner_id_by_org(
        &self,
        request: Request<proto::OrgId>,
    ) -> Result<Response<proto::OwnerId>, Status> {
        self.owner(Method::GetOwnerIdByOrg, request).await
    }

    async fn assign_role(
        &self,
        request: Request<proto::AssignRoleReq>,
    ) -> Result<Response<()>, Status> {
        let caller = self.gate.admit(Method::AssignRole, &request).map_err(status)?;
        let operation = understand_assign(&request.into_inner()).map_err(status)?;
        self.app.execute(caller, operation).await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn retrieve_role(
        &self,
        request: Request<proto::RetrieveRoleReq>,
    ) -> Result<Response<proto::RetrieveRoleRes>, Status> {
        let caller = self.gate.admit(Method::RetrieveRole, &request).map_err(status)?;
        let user = understand_user(&request.into_inner().id).map_err(status)?;
        let role = self.app.execute(caller, RetrieveRole { user }).await.map_err(status)?;
        let role = role.map_or("", PlatformRole::as_str).to_owned();
        Ok(Response::new(proto::RetrieveRoleRes { role }))
    }

    async fn view_org(
        &self,
        request: Request<proto::ViewOrgReq>,
    ) -> Result<Response<proto::Org>, Status> {
        // A known service asks, but the user whose token it hands on decides what it sees.
        self.gate.admit(Method::ViewOrg, &request).map_err(status)?;
        let proto::ViewOrgReq { token, org_id } = request.into_inner();
        let token = understand_token(token).map_err(status)?;
        let id = understand_org(&org_id).map_err(status)?;
        let org = self.app.execute(Caller::Bearer(token), ViewOrg { id }).await.map_err(status)?;
        Ok(Response::new(proto::Org {
            id: org.id.to_string(),
            owner_id: org.owner.to_string(),
            name: org.name.as_str().to_owned(),
        }))
    }
}

impl AuthRpc {
    async fn owner(
        &self,
        method: Method,
        request: Request<proto::OrgId>,
    ) -> Result<Response<proto::OwnerId>, Status> {
        let caller = self.gate.admit(method, &request).map_err(status)?;
        let org = understand_org(&request.into_inner().value).map_err(status)?;
        let owner = self.app.execute(caller, ViewOwner { org }).await.map_err(status)?;
        Ok(Response::new(proto::OwnerId { value: owner.to_string() }))
    }
}

pub(crate) fn understand_token(text: String) -> Result<Token> {
    match text.len() {
        0 => Err(Unauthenticated::MissingToken.into()),
        1..=Token::MAX => Ok(Token::new(text)),
        _ => Err(Unauthenticated::BadToken.into()),
    }
}

fn understand_authorize(asked: proto::AuthorizeReq) -> Result<Authorize> {
    let proto::AuthorizeReq { token, object, subject, action } = asked;
    let token = understand_token(token)?;
    let question = Question::parse(&subject, &object, &action)?;
    Ok(Authorize { token, question })
}

fn understand_issue(asked: proto::IssueReq) -> Result<IssueToken> {
    let proto::IssueReq { id, email, r#type } = asked;
    if email.is_empty() {
        return Err(Unauthenticated::MissingEmail.into());
    }
    if email.len() > Email::MAX {
        return Err(Invalid::EmailSize.into());
    }
    match KeyKind::from_number(r#type.into()) {
        None => Err(Invalid::AuthKey.into()),
        // An API key is its owner's to make, and no user is asking here.
        Some(KeyKind::Api) => {
            Err(Unauthenticated::LoginRequired("failed to issue new login key").into())
        }
        Some(kind @ (KeyKind::Login | KeyKind::Recovery)) => {
            Ok(IssueToken { user: parse_user(&id)?, email, kind })
        }
    }
}

fn understand_assign(asked: &proto::AssignRoleReq) -> Result<AssignRole> {
    if asked.role.is_empty() {
        return Err(Invalid::MissingRole.into());
    }
    let user = understand_user(&asked.id)?;
    Ok(AssignRole { user, role: asked.role.parse()? })
}

fn understand_user(id: &str) -> Result<UserId> {
    if id.is_empty() { Err(Invalid::MissingUserId.into()) } else { parse_user(id) }
}

/// A user here is named by a service, not looked for: text that is no id is the caller's mistake.
fn parse_user(id: &str) -> Result<UserId> {
    id.parse().map_err(|_| Error::malformed("id", "must be a UUID"))
}

/// Text that is no id names no org, which whoever may ask is told like of any other.
fn understand_org(id: &str) -> Result<OrgId> {
    if id.is_empty() { Err(Invalid::MissingOrgId.into()) } else { Ok(OrgId::sought(id)) }
}
