//! Problem documents.

use http::header::HeaderName;
use serde_json::json;

use crate::support::{Answer, Mood, World};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

async fn login(world: &World) -> Answer {
    let body = json!({ "email": "ada@example.com", "password": "password1" }).to_string();
    world.post("/tokens").body(&body).send().await
}

#[tokio::test]
async fn d38_s90_a_problem_has_every_member_in_order() {
    let world = World::new().await;
    let answer = world.get("/orgs").header(REQUEST_ID, "req-1").send().await;
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(
        answer.text(),
        "{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401,\
         \"detail\":\"missing or invalid bearer user token\",\"code\":\"missing_token\",\
         \"request_id\":\"req-1\",\"error\":\"missing or invalid bearer user token\"}\n"
    );
    let without = world.get("/orgs").send().await;
    assert!(without.json().get("request_id").is_none());
}

#[tokio::test]
async fn the_detail_names_the_field() {
    let world = World::new().await;
    let answer = world.post("/orgs").body(r#"{"name":"a","description":7}"#).send().await;
    let problem = answer.json();
    assert_eq!(problem["code"], "malformed");
    assert_eq!(problem["detail"], "description must be a text");
    let answer = world.post("/orgs").body(r#"{"a":1,"a":2}"#).send().await;
    assert_eq!(answer.json()["detail"], "body has a member twice");
}

#[tokio::test]
async fn s90_what_broke_inside_stays_inside() {
    let world = World::new().await;
    for (mood, status, code) in [(Mood::Busy, 503, "unavailable"), (Mood::Broken, 500, "internal")]
    {
        world.passwords.feel(mood);
        let answer = login(&world).await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.json()["code"], code);
        assert!(!answer.text().contains("secret-cause"), "{}", answer.text());
        assert_eq!(answer.header("retry-after"), if status == 503 { "1" } else { "" });
    }
}

#[tokio::test]
async fn a_request_id_cannot_break_out_of_the_document() {
    let world = World::new().await;
    let odd = r#"","status":200,"x":"#;
    let answer = world.get("/orgs").header(REQUEST_ID, odd).send().await;
    assert_eq!(answer.json()["status"], 401);
    assert_eq!(answer.json()["request_id"], odd);
}
