//! `AssignRole` and `RetrieveRole`.

use auth_grpc::proto;
use auth_grpc::proto::auth_service_client::AuthServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::world::{refused, user, world};

const MALFORMED: &str = "malformed entity specification : id must be a UUID";

async fn assign(auth: &mut AuthServiceClient<Channel>, id: &str, role: &str) -> Result<(), Status> {
    let request = proto::AssignRoleReq { id: id.into(), role: role.into() };
    auth.assign_role(request).await.map(tonic::Response::into_inner)
}

async fn retrieve(auth: &mut AuthServiceClient<Channel>, id: &str) -> Result<String, Status> {
    let request = proto::RetrieveRoleReq { id: id.into() };
    auth.retrieve_role(request).await.map(|response| response.into_inner().role)
}

#[tokio::test]
async fn row_84_a_user_without_a_role_has_an_empty_one() {
    let mut auth = world().await.auth().await;
    assert_eq!(retrieve(&mut auth, &user(7).to_string()).await.unwrap(), "");
    let answer = retrieve(&mut auth, "").await;
    refused(answer, Code::InvalidArgument, "missing user id", "missing_user_id");
    let answer = retrieve(&mut auth, "zz").await;
    refused(answer, Code::InvalidArgument, MALFORMED, "malformed");
}

#[tokio::test]
async fn row_85_a_role_can_be_given_again_and_changed() {
    let mut auth = world().await.auth().await;
    let (root, other) = (user(6).to_string(), user(7).to_string());
    for (id, role) in [
        (&root, "root"),
        (&root, "root"),
        (&other, "admin"),
        (&other, "admin"),
        (&other, "root"),
        (&other, "admin"),
    ] {
        assign(&mut auth, id, role).await.unwrap();
        assert_eq!(retrieve(&mut auth, id).await.unwrap(), role);
    }
}

#[tokio::test]
async fn the_last_root_keeps_the_role() {
    let mut auth = world().await.auth().await;
    let root = user(6).to_string();
    assign(&mut auth, &root, "root").await.unwrap();
    let answer = assign(&mut auth, &root, "admin").await;
    refused(
        answer,
        Code::FailedPrecondition,
        "the last root cannot be removed or disabled",
        "last_root",
    );
    assert_eq!(retrieve(&mut auth, &root).await.unwrap(), "root");
}

#[tokio::test]
async fn d16_roles_and_users_that_cannot_be_are_refused_in_the_order_of_the_original() {
    let mut auth = world().await.auth().await;
    let id = user(7).to_string();
    let answer = assign(&mut auth, "", "").await;
    refused(answer, Code::InvalidArgument, "missing role", "missing_role");
    let answer = assign(&mut auth, "", "root").await;
    refused(answer, Code::InvalidArgument, "missing user id", "missing_user_id");
    let answer = assign(&mut auth, "zz", "root").await;
    refused(answer, Code::InvalidArgument, MALFORMED, "malformed");
    for role in ["Root", "owner", "viewer", "root\0", "god"] {
        let answer = assign(&mut auth, &id, role).await;
        refused(answer, Code::InvalidArgument, "invalid role", "invalid_role");
    }
    assert_eq!(retrieve(&mut auth, &id).await.unwrap(), "");
}
