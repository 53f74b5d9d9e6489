//! Platform roles that are given and taken, on several replicas.

use auth_testkit::Server;
use reqwest::Method;
use serde_json::json;
use tonic::Code;

use crate::sign_ins::begin;
use crate::world::{identify, postgres, sibling};

/// No token says what somebody may, so a role that is given or taken ends no session: whatever they show counts for
/// as much as they have at that moment, also where it was remembered a moment before that they had nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s26_s30_a_platform_role_counts_while_it_is_held_whenever_the_token_was_made() {
    let setup = postgres().await;
    let servers = [setup.start().await.unwrap(), setup.start().await.unwrap()];
    let root = servers[0].admin().await.unwrap();
    let login = servers[0].user("ada@example.com").await.unwrap();
    let session = begin(&servers[1], "ada@example.com").await;
    let access = session["access_token"].as_str().unwrap().to_owned();
    let user = identify(&servers[0], &login).await.unwrap();
    let path = format!("/platform-roles/{user}");
    let is_admin = async |server: &Server, token: &str| {
        let question = auth_grpc::proto::AuthorizeReq {
            token: token.to_owned(),
            subject: "root".into(),
            ..Default::default()
        };
        match sibling(server).await.authorize(question).await {
            Ok(_) => true,
            Err(refusal) => {
                assert_eq!(refusal.code(), Code::PermissionDenied);
                false
            }
        }
    };
    for round in 0..4 {
        for expected in [false, true] {
            // Twice, so that the second time it is answered from memory.
            for _ in 0..2 {
                for (server, token) in servers.iter().zip([&login, &access]) {
                    assert_eq!(is_admin(server, token).await, expected, "round {round}");
                    assert_eq!(identify(server, token).await.unwrap(), user);
                }
            }
            let here = &servers[round % 2];
            let (method, body) = if expected {
                (Method::DELETE, None)
            } else {
                (Method::PUT, Some(json!({ "role": "admin" })))
            };
            let answer = here.send(method, &path, Some(&root), body.as_ref()).await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.status());
        }
    }
}
