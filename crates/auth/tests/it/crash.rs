//! `kill -9` during writes loses nothing that was answered.

use reqwest::Method;
use serde_json::Value;

use crate::world::{authorize, get, killed_while_founding, stores};

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
            answered.extend(killed_while_founding(server, &login).await);
        }

        let server = setup.start().await.unwrap();
        for org in &answered {
            let view = get(&server, &format!("/orgs/{org}"), &login).await;
            assert_eq!(view.status(), 200, "{store}: {org} is lost");
            authorize(&server, &login, org, "owner").await.unwrap();
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
