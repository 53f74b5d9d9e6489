//! `kill -9` during writes loses nothing that was answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{authorize, get, stores};

#[tokio::test]
async fn r21_what_was_answered_is_there_after_a_crash() {
    for (store, setup) in stores().await {
        let mut answered: Vec<String> = Vec::new();
        let mut login = String::new();
        for round in 0..5 {
            let server = setup.start().await.unwrap();
            if round == 0 {
                login = server.user("ada@example.com").await.unwrap();
            }
            let stop = Arc::new(AtomicBool::new(false));
            let writers: Vec<_> = (0..4)
                .map(|_| {
                    let (client, url) = (server.client.clone(), server.url("/orgs"));
                    let (login, stop) = (login.clone(), Arc::clone(&stop));
                    tokio::spawn(async move {
                        let mut founded = Vec::new();
                        while !stop.load(Ordering::Relaxed) {
                            let body = json!({ "name": "acme" });
                            let request = client.post(&url).bearer_auth(&login).json(&body);
                            let Ok(answer) = request.send().await else { break };
                            if answer.status() == StatusCode::CREATED {
                                let location = answer.headers()["location"].to_str().unwrap();
                                founded.push(location.to_owned());
                            }
                        }
                        founded
                    })
                })
                .collect();
            // More than a lease: writes wait that long for the replica that was killed before.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            server.kill().await.unwrap();
            stop.store(true, Ordering::Relaxed);
            for writer in writers {
                answered.extend(writer.await.unwrap());
            }
        }
        assert!(
            answered.len() > 20,
            "{store}: too few writes to prove anything: {}",
            answered.len()
        );

        let server = setup.start().await.unwrap();
        for org in &answered {
            assert_eq!(get(&server, org, &login).await.status(), 200, "{store}: {org} is lost");
            let id = org.trim_start_matches("/orgs/");
            authorize(&server, &login, id, "owner").await.unwrap();
        }
        // Nothing is half done either: every org that is listed has its owner as a member, because
        // lists go by membership and views by the org.
        let all: Value = get(&server, "/orgs?limit=200", &login).await.json().await.unwrap();
        let total = usize::try_from(all["total"].as_u64().unwrap()).unwrap();
        assert!(total >= answered.len(), "{store}: {total} of {}", answered.len());
        let gone = format!("/orgs/{}", all["orgs"][0]["id"].as_str().unwrap());
        let deleted = server.send(Method::DELETE, &gone, Some(&login), None).await.unwrap();
        assert_eq!(deleted.status(), 204);
    }
}
