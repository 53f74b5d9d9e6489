//! `GetOwnerIDByOrgID`, its newer name, and `ViewOrg`.

use auth_domain::model::{KeyKind, OrgRole, PlatformRole};
use auth_grpc::proto;
use tonic::Code;

use crate::world::{refused, user, world};

#[tokio::test]
async fn row_83_the_owner_of_an_org_is_told_under_both_names() {
    let world = world().await;
    let mut auth = world.auth().await;
    let org = world.org(4).await;
    let unknown = user(12345).to_string();
    for newer in [false, true] {
        let mut owner = async |value: &str| {
            let org = proto::OrgId { value: value.into() };
            if newer {
                auth.get_owner_id_by_org(org).await
            } else {
                auth.get_owner_id_by_org_id(org).await
            }
        };
        let known = owner(&org.to_string()).await.unwrap().into_inner();
        assert_eq!(known.value, user(4).to_string());
        for value in [unknown.as_str(), "zz", "a\0b"] {
            refused(owner(value).await, Code::NotFound, "entity not found", "not_found");
        }
        refused(owner("").await, Code::InvalidArgument, "missing org id", "missing_org_id");
    }
}

#[tokio::test]
async fn an_org_is_shown_to_whoever_may_see_it() {
    let world = world().await;
    let mut auth = world.auth().await;
    let org = world.org(4).await;
    world.join(org, 1, OrgRole::Viewer).await;
    world.promote(6, PlatformRole::Root).await;
    let mut view = async |token: String, id: &str| {
        auth.view_org(proto::ViewOrgReq { token, org_id: id.into() }).await
    };
    let id = org.to_string();
    for number in [1, 4, 6] {
        let shown = view(world.login(number), &id).await.unwrap().into_inner();
        let owner_id = user(4).to_string();
        assert_eq!(shown, proto::Org { id: id.clone(), owner_id, name: "acme".into() });
    }
    let unknown = user(12345).to_string();
    for id in [id.as_str(), unknown.as_str(), "zz"] {
        let answer = view(world.login(9), id).await;
        refused(answer, Code::NotFound, "entity not found", "not_found");
    }
    let answer = view(world.login(1), "").await;
    refused(answer, Code::InvalidArgument, "missing org id", "missing_org_id");
    let answer = view(String::new(), &id).await;
    let text = "missing or invalid bearer user token";
    refused(answer, Code::Unauthenticated, text, "missing_token");
    let answer = view(world.token(4, KeyKind::Recovery), &id).await;
    let text = "failed to perform authentication over the entity";
    refused(answer, Code::Unauthenticated, text, "token_not_honoured");
}
