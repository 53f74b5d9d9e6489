//! Rows 69 to 73: what holds beside the nouns.

use std::time::Duration;

use auth_testkit::SECRET;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Fleet, NOTHING, OWNER};
use crate::users::{Manner, email, id};

/// A token that somebody who has the secret would make.
pub(super) fn forge(secret: &str, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let body = format!("{}.{}", encode(&json!({ "alg": "HS256", "typ": "JWT" })), encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("{body}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, body.as_bytes())))
}

#[expect(clippy::disallowed_methods, reason = "the clock of a black box cannot be stopped")]
pub(super) fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

/// The claims of a login token of the owner, issued this many seconds ago for an hour.
pub(super) fn claims(ago: i64) -> Value {
    let issued = now() - ago;
    json!({
        "exp": issued + 3600, "iat": issued, "iss": "mainflux.auth", "sub": email(OWNER),
        "issuer_id": id(OWNER), "type": 0,
    })
}

#[tokio::test]
async fn r69_r70_r71_health_metrics_and_what_is_not_there() {
    for fleet in Fleet::both().await {
        let health = fleet.get("69", "/health").gives(200).await;
        assert_eq!(health.headers()["content-type"], "application/health+json");
        let health: Value = health.json().await.unwrap();
        assert_eq!(health["status"], "pass");
        assert_eq!(health["description"], "auth service");
        let metrics = fleet.server.client.get(fleet.server.ops_url("/metrics"));
        let metrics = metrics.send().await.unwrap().text().await.unwrap();
        assert!(metrics.contains(r#"auth_api_request_count{method="create_org"} 1"#), "{metrics}");
        fleet.get("GO-28", "/metrics").gives(404).await;

        let nowhere = fleet.get("71", "/nowhere").gives(404).await;
        assert_eq!(nowhere.headers()["content-type"], "text/plain; charset=utf-8");
        assert_eq!(nowhere.text().await.unwrap(), "404 page not found\n");
        fleet.put("71", "/keys/x").gives_nothing(405).await;
        let moved = fleet.get("71", "/health/").gives(302).await;
        assert_eq!(super::location(&moved), "/health");
    }
}

/// A body that every route can read, so that it is the token that is refused.
fn every_field() -> Value {
    json!({
        "type": 2, "name": "A", "org_ids": [NOTHING], "member_ids": [NOTHING], "member_id": NOTHING,
        "org_memberships": [{ "email": email(OWNER), "role": "viewer" }], "role": "admin",
        "user_id": NOTHING, "subject": "root", "object": "", "action": "",
        "email": email(OWNER), "redirect_path": "/v", "parent_id": null,
    })
}

#[tokio::test]
async fn r72_d14_go9_an_expired_login_is_401_on_every_route() {
    for fleet in Fleet::both().await {
        let good = forge(SECRET, &claims(60));
        fleet.get("72", "/orgs").with(&good).gives(200).await;
        let expired = forge(SECRET, &claims(3700));
        let open = ["health", "list_public_keys", "revoke_token"];
        for route in auth_http::routes(false).filter(|route| !open.contains(&route.operation)) {
            let path = route.path.replace("{id}", NOTHING).replace("{member_id}", NOTHING);
            let path = path.replace("{user_id}", NOTHING).replace("{action}", "accept");
            let call = fleet.call("72", route.method.clone(), &path).with(&expired);
            let call = match (&route.method, route.operation) {
                (_, "assign_group_members" | "unassign_group_members") => {
                    call.json(&json!({ "type": "things", "members": ["a thing"] }))
                }
                (&Method::GET | &Method::DELETE, _) => call,
                (_, "introspect") => call.form("token=x"),
                (_, "restore_org_memberships") => call.file(&json!([])),
                (_, "restore") => {
                    let org = json!({ "id": NOTHING, "name": "A", "owner_id": NOTHING });
                    call.json(&json!({ "orgs": [org] }))
                }
                _ => call.json(&every_field()),
            };
            call.refused(401, "failed to validate token").await;
        }
    }
}

#[tokio::test]
async fn r73_d58_without_the_users_service_a_list_of_members_says_so() {
    for fleet in Fleet::both().await {
        fleet.users.behave(Manner::Hangs);
        let begun = std::time::Instant::now();
        let answer = fleet.get("73", &fleet.in_org("memberships")).by(OWNER).await.gives(503).await;
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert!(answer.headers().contains_key("retry-after"));
        let body = answer.text().await.unwrap();
        let address = fleet.users.address.to_string();
        assert!(!body.contains(&address) && !body.contains("127.0.0.1"), "{body}");
    }
}
