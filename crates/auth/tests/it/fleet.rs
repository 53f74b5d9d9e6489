//! The main job: people over HTTP, siblings over gRPC, one truth.

use auth_grpc::proto::users_service_client::UsersServiceClient;
use auth_grpc::proto::{AssignRoleReq, IssueReq, OrgId, RetrieveRoleReq, UsersByEmailsReq};
use reqwest::Method;
use serde_json::{Value, json};
use tonic::Code;

use crate::world::{authorize, code, embedded, found, get, identify, make_key, sibling, stores};

#[tokio::test]
async fn what_people_do_over_http_siblings_see_over_grpc() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let (ada, eve) =
            (server.user("ada@example.com").await, server.user("eve@example.com").await);
        let (ada, eve) = (ada.unwrap(), eve.unwrap());
        let admin = server.admin().await.unwrap();
        let org = found(&server, &ada, "acme").await;
        let (key_id, key) = make_key(&server, &ada).await;

        let id = identify(&server, &ada).await.unwrap();
        assert_eq!(identify(&server, &key).await.unwrap(), id, "{store}: a key acts for its owner");
        for token in [&ada, &key, &admin] {
            for action in ["viewer", "editor", "admin", "owner"] {
                authorize(&server, token, &org, action).await.unwrap();
            }
        }
        assert_eq!(code(authorize(&server, &eve, &org, "viewer").await), Code::PermissionDenied);
        let asked = OrgId { value: org.clone() };
        let owner = sibling(&server).await.get_owner_id_by_org_id(asked).await.unwrap();
        assert_eq!(owner.into_inner().value, id);

        let revoked =
            server.send(Method::DELETE, &format!("/keys/{key_id}"), Some(&ada), None).await;
        assert_eq!(revoked.unwrap().status(), 204);
        assert_eq!(code(identify(&server, &key).await), Code::Unauthenticated, "{store}");
        assert_eq!(code(authorize(&server, &key, &org, "viewer").await), Code::Unauthenticated);

        let deleted = server.send(Method::DELETE, &format!("/orgs/{org}"), Some(&ada), None).await;
        assert_eq!(deleted.unwrap().status(), 204);
        assert_eq!(code(authorize(&server, &ada, &org, "viewer").await), Code::PermissionDenied);
        assert_eq!(code(authorize(&server, &admin, &org, "viewer").await), Code::NotFound);
        assert!(server.stop().await.unwrap().success());
    }
}

#[tokio::test]
async fn what_siblings_do_over_grpc_people_see_over_http() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let mut auth = sibling(&server).await;
        let id = "0192d3f0-1111-7abc-8def-000000000001".to_owned();
        let issue =
            |kind| IssueReq { id: id.clone(), email: "fleet@example.com".into(), r#type: kind };
        let login = auth.issue(issue(0)).await.unwrap().into_inner().value;
        let recovery = auth.issue(issue(1)).await.unwrap().into_inner().value;
        assert_eq!(identify(&server, &recovery).await.unwrap(), id);

        assert_eq!(get(&server, "/orgs", &login).await.status(), 200);
        assert_eq!(get(&server, "/orgs", &recovery).await.status(), 401, "{store}: GO-5");
        assert_eq!(get(&server, "/platform-roles", &login).await.status(), 403);

        for role in ["admin", "root", "root"] {
            auth.assign_role(AssignRoleReq { id: id.clone(), role: role.into() }).await.unwrap();
            let asked = RetrieveRoleReq { id: id.clone() };
            assert_eq!(auth.retrieve_role(asked).await.unwrap().into_inner().role, role);
        }
        let roles: Value = get(&server, "/platform-roles", &login).await.json().await.unwrap();
        assert_eq!(roles["total"], 2, "{store}: the bootstrapped admin and this one: {roles}");

        let mut users = UsersServiceClient::connect(server.grpc_url()).await.unwrap();
        let asked = UsersByEmailsReq { emails: vec!["ADMIN@example.com".into()] };
        let found = users.get_users_by_emails(asked).await.unwrap().into_inner().users;
        assert_eq!((found.len(), found[0].email.as_str()), (1, "admin@example.com"));
    }
}

#[tokio::test]
async fn a_sibling_in_another_language_needs_nothing_but_http2() {
    // What nghttp2 or curl would send: the path, two headers, a framed message.
    let server = embedded().start().await.unwrap();
    let token = server.user("ada@example.com").await.unwrap();
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let mut body = vec![0];
    let message = prost::Message::encode_to_vec(&auth_grpc::proto::Token { value: token });
    body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend(message);
    let answer = client
        .post(format!("{}/protomfx.AuthService/Identify", server.grpc_url()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/grpc");
    let bytes = answer.bytes().await.unwrap();
    assert!(bytes.windows(15).any(|part| part == b"ada@example.com"));
}

#[tokio::test]
async fn the_remote_directory_switches_the_built_in_one_off() {
    let setup = embedded()
        .set("MF_USERS_GRPC_URL", "127.0.0.1:1")
        .unset("MF_USERS_ADMIN_EMAIL")
        .unset("MF_USERS_ADMIN_PASSWORD");
    let server = setup.start().await.unwrap();
    let body = json!({ "email": "a@b.io", "password": "password1" });
    let login = server.send(Method::POST, "/tokens", None, Some(&body)).await.unwrap();
    assert_eq!(login.status(), 404);
    let mut users = UsersServiceClient::connect(server.grpc_url()).await.unwrap();
    let asked = UsersByEmailsReq { emails: vec!["a@b.io".into()] };
    assert_eq!(code(users.get_users_by_emails(asked).await), Code::Unimplemented);
    // The rest is there.
    let id = "0192d3f0-1111-7abc-8def-000000000001".to_owned();
    let issue = IssueReq { id, email: "fleet@example.com".into(), r#type: 0 };
    let login = sibling(&server).await.issue(issue).await.unwrap().into_inner().value;
    found(&server, &login, "acme").await;
}
