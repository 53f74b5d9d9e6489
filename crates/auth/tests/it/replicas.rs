//! Several processes on one database.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::world::{authorize, code, eventually, found, identify, make_key, postgres, stores};

#[tokio::test]
async fn d75_go37_r34_ten_replicas_on_an_empty_database_all_come_up() {
    let setup = postgres().await;
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let setup = setup.clone();
        starting.spawn(async move { setup.start().await });
    }
    let mut servers = Vec::new();
    while let Some(started) = starting.join_next().await {
        servers.push(started.unwrap().unwrap());
    }
    // One admin, one truth: what one of them writes all of them answer.
    let login = servers[0].admin().await.unwrap();
    let org = found(&servers[1], &login, "acme").await;
    let (_, key) = make_key(&servers[2], &login).await;
    let id = identify(&servers[3], &login).await.unwrap();
    for server in &servers {
        assert_eq!(identify(server, &key).await.unwrap(), id);
        authorize(server, &key, &org, "owner").await.unwrap();
    }
}

#[tokio::test]
async fn s25_what_is_taken_away_on_one_replica_is_gone_on_the_other() {
    let setup = postgres().await;
    let (here, there) = (setup.start().await.unwrap(), setup.start().await.unwrap());
    let ada = here.user("ada@example.com").await.unwrap();
    let bob = here.user("bob@example.com").await.unwrap();
    let bob_id = identify(&here, &bob).await.unwrap();
    let org = found(&here, &ada, "acme").await;
    let memberships = format!("/orgs/{org}/memberships");
    for round in 0..20 {
        let (id, key) = make_key(&here, &ada).await;
        authorize(&there, &key, &org, "owner").await.unwrap();
        let revoked = here.send(Method::DELETE, &format!("/keys/{id}"), Some(&ada), None).await;
        assert_eq!(revoked.unwrap().status(), 204);
        assert_eq!(code(identify(&there, &key).await), Code::Unauthenticated, "{round}");

        let grant = json!({ "org_memberships": [{ "email": "bob@example.com" }] });
        let added = here.send(Method::POST, &memberships, Some(&ada), Some(&grant)).await;
        assert_eq!(added.unwrap().status(), 200);
        authorize(&there, &bob, &org, "viewer").await.unwrap();
        let removal = json!({ "member_ids": [bob_id] });
        let removed = here.send(Method::PATCH, &memberships, Some(&ada), Some(&removal)).await;
        assert_eq!(removed.unwrap().status(), 204);
        let asked = authorize(&there, &bob, &org, "viewer").await;
        assert_eq!(code(asked), Code::PermissionDenied, "{round}");
    }
}

#[tokio::test]
async fn s13_an_ended_key_is_refused_however_many_show_it_at_once() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let ada = server.user("ada@example.com").await.unwrap();
        let body = json!({ "type": 2, "duration": 1 });
        let made = server.send(Method::POST, "/keys", Some(&ada), Some(&body)).await.unwrap();
        let made: Value = made.json().await.unwrap();
        let key = made["value"].as_str().unwrap();
        eventually("it ends", Duration::from_secs(20), async || {
            let ask = || Box::pin(identify(&server, key));
            let answers = tokio::join!(ask(), ask(), ask(), ask(), ask(), ask(), ask(), ask());
            let answers: [Result<String, Status>; 8] = answers.into();
            let refusals: Vec<Status> = answers.into_iter().filter_map(Result::err).collect();
            for refusal in &refusals {
                assert_eq!(refusal.code(), Code::Unauthenticated, "{store}: {refusal}");
            }
            !refusals.is_empty()
        })
        .await;
    }
}
