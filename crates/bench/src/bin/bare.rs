//! The yardstick: a tonic server with our interface and empty handlers. It prints its address.

use std::net::SocketAddr;

use auth_grpc::proto;
use auth_grpc::proto::auth_service_server::{AuthService, AuthServiceServer};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

struct Bare;

/// Every call answers at once with an empty message.
macro_rules! empty {
    ($($name:ident: $request:ty => $response:ty),* $(,)?) => {
        #[tonic::async_trait]
        impl AuthService for Bare {
            $(
                async fn $name(&self, _: Request<$request>) -> Result<Response<$response>, Status> {
                    Ok(Response::new(<$response>::default()))
                }
            )*
        }
    };
}

empty! {
    issue: proto::IssueReq => proto::Token,
    identify: proto::Token => proto::UserIdentity,
    authorize: proto::AuthorizeReq => (),
    get_owner_id_by_org_id: proto::OrgId => proto::OwnerId,
    get_owner_id_by_org: proto::OrgId => proto::OwnerId,
    assign_role: proto::AssignRoleReq => (),
    retrieve_role: proto::RetrieveRoleReq => proto::RetrieveRoleRes,
    view_org: proto::ViewOrgReq => proto::Org,
    create_dormant_org_invite: proto::CreateDormantOrgInviteReq => (),
    activate_org_invite: proto::ActivateOrgInviteReq => (),
    get_dormant_org_invite_by_platform_invite:
        proto::GetDormantOrgInviteByPlatformInviteReq => proto::OrgInvite,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    println!("{}", listener.local_addr()?);
    tonic::transport::Server::builder()
        .add_service(AuthServiceServer::new(Bare))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await?;
    Ok(())
}
