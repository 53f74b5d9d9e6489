//! Groups: `mainflux.AuthService`, as Mainflux 0.13 has it, and `auth.v1.Groups`.
//!
//! Both act in the name of the user whose token is in the message, so they are open to whoever has one.

use auth_domain::model::{Direction, EntityType, GroupId, MAX_LIMIT, Metadata, Page, USERS};
use auth_domain::ops::group_members::{AssignMembers, ListGroupMembers};
use auth_domain::ops::members::Batch;
use auth_domain::ops::paging::PartAsked;
use auth_domain::{App, Caller, Invalid, Result};
use tonic::{Request, Response, Status};

use crate::auth::understand_token;
use crate::proto::mainflux::auth_service_server::AuthService;
use crate::proto::v1::groups_server::Groups;
use crate::proto::{mainflux, v1};
use crate::status::status;

/// Serves both.
#[derive(Clone)]
pub(crate) struct GroupsRpc {
    pub(crate) app: App,
}

#[tonic::async_trait]
impl AuthService for GroupsRpc {
    async fn assign(&self, request: Request<mainflux::Assignment>) -> Result<Response<()>, Status> {
        let mainflux::Assignment { token, group_id, member_id } = request.into_inner();
        let (caller, operation) =
            understand_assign(token, &group_id, USERS, &[member_id]).map_err(status)?;
        self.app.execute(caller, operation).await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn members(
        &self,
        request: Request<mainflux::MembersReq>,
    ) -> Result<Response<mainflux::MembersRes>, Status> {
        let mainflux::MembersReq { token, group_id, offset, limit, r#type } = request.into_inner();
        let part = Part { offset, limit, cursor: String::new() };
        let asked = understand_members(token, &group_id, Some(&r#type), part);
        let (caller, operation) = asked.map_err(status)?;
        let limit = operation.part.page.limit;
        let page = self.app.execute(caller, operation).await.map_err(status)?;
        let members = page.items.iter().map(|member| member.member.as_str().to_owned()).collect();
        Ok(Response::new(mainflux::MembersRes {
            total: page.total,
            offset,
            limit,
            r#type,
            members,
        }))
    }
}

#[tonic::async_trait]
impl Groups for GroupsRpc {
    async fn assign(
        &self,
        request: Request<v1::AssignRequest>,
    ) -> Result<Response<v1::AssignResponse>, Status> {
        let v1::AssignRequest { token, group_id, r#type, member_ids } = request.into_inner();
        let (caller, operation) =
            understand_assign(token, &group_id, &r#type, &member_ids).map_err(status)?;
        self.app.execute(caller, operation).await.map_err(status)?;
        Ok(Response::new(v1::AssignResponse {}))
    }

    async fn members(
        &self,
        request: Request<v1::MembersRequest>,
    ) -> Result<Response<v1::MembersResponse>, Status> {
        let asked = request.into_inner();
        let v1::MembersRequest { token, group_id, r#type, offset, limit, cursor } = asked;
        let part = Part { offset, limit, cursor };
        let kind = (!r#type.is_empty()).then_some(r#type.as_str());
        let (caller, operation) =
            understand_members(token, &group_id, kind, part).map_err(status)?;
        let page = self.app.execute(caller, operation).await.map_err(status)?;
        let member = |member: auth_domain::model::GroupMember| v1::Member {
            id: member.member.as_str().to_owned(),
            r#type: member.kind.as_str().to_owned(),
        };
        Ok(Response::new(v1::MembersResponse {
            total: page.total,
            members: page.items.into_iter().map(member).collect(),
            next_cursor: page.next.unwrap_or_default(),
        }))
    }
}

fn understand_group(id: &str) -> Result<GroupId> {
    if id.is_empty() { Err(Invalid::MissingGroupId.into()) } else { Ok(GroupId::sought(id)) }
}

fn understand_assign(
    token: String,
    group: &str,
    kind: &str,
    members: &[String],
) -> Result<(Caller, AssignMembers)> {
    let caller = Caller::Bearer(understand_token(token)?);
    let group = understand_group(group)?;
    let kind: EntityType = kind.parse()?;
    let members = Batch::new(members.iter().collect())?;
    let members = members.items().iter().map(|id| id.parse()).collect::<Result<_>>()?;
    Ok((caller, AssignMembers { group, kind, members: Batch::new(members)? }))
}

/// Which part of a list is asked for, as the wire has it.
struct Part {
    offset: u64,
    limit: u64,
    cursor: String,
}

fn understand_members(
    token: String,
    group: &str,
    kind: Option<&str>,
    part: Part,
) -> Result<(Caller, ListGroupMembers)> {
    let caller = Caller::Bearer(understand_token(token)?);
    let group = understand_group(group)?;
    let kind = kind.map(str::parse).transpose()?;
    let limit = if part.limit == 0 { MAX_LIMIT } else { part.limit };
    let page = Page::new(part.offset, limit, (), Direction::Ascending)?;
    let cursor = (!part.cursor.is_empty()).then_some(part.cursor);
    let part = PartAsked { page, cursor };
    Ok((caller, ListGroupMembers { group, kind, metadata: Metadata::default(), part }))
}
