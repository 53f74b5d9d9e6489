//! `/sessions` and what is below it.

use auth_domain::Rules;
use auth_http::Options;
use http::header::{CONTENT_TYPE, USER_AGENT};
use serde_json::{Value, json};

use crate::support::{Answer, World};

const UNAUTHENTICATED: &str = "failed to perform authentication over the entity";
const MALFORMED: &str = "malformed entity specification";

async fn begin(world: &World, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password }).to_string();
    let call = world.post("/sessions").header(USER_AGENT, "a browser");
    call.body(&body).send().await
}

async fn refresh(world: &World, token: &Value) -> Answer {
    let body = json!({ "refresh_token": token }).to_string();
    world.post("/sessions/refresh").body(&body).send().await
}

async fn list(world: &World, token: &str) -> Value {
    let answer = world.get("/sessions").bearer(token).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap()
}

#[tokio::test]
async fn a_session_is_begun_refreshed_listed_and_ended() {
    let world = World::new().await;
    let ada = world.account("ada").await;
    let answer = begin(&world, &ada.email, "password1").await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (201, "no-store"));
    let names = [
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "refresh_expires_in",
        "session_id",
    ];
    assert_eq!(answer.members(), names);
    let first = answer.json();
    assert_eq!((&first["token_type"], &first["expires_in"]), (&json!("Bearer"), &json!(600)));

    let answer = refresh(&world, &first["refresh_token"]).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"));
    let second = answer.json();
    assert_eq!(answer.members(), names);
    assert_eq!(second["session_id"], first["session_id"]);
    assert_ne!(second["refresh_token"], first["refresh_token"]);

    let listed = list(&world, text(&second, "access_token")).await;
    assert_eq!(
        (&listed["total"], &listed["limit"], &listed["offset"]),
        (&json!(1), &json!(10), &json!(0))
    );
    let one = &listed["sessions"][0];
    assert_eq!((&one["id"], &one["current"]), (&first["session_id"], &json!(true)));
    assert_eq!(one["user_agent"], "a browser");
    assert_eq!(list(&world, &ada.token).await["sessions"][0]["current"], false);
    assert!(!listed.to_string().contains("rt_"), "no secret leaves as a field: {listed}");

    let path = format!("/sessions/{}", text(&first, "session_id"));
    let bob = world.person("bob").await;
    world.delete(&path).bearer(&bob.token).send().await.assert_refused(404, "entity not found");
    world.delete(&path).bearer(text(&first, "access_token")).send().await.assert_empty(204);
    world.delete(&path).bearer(&ada.token).send().await.assert_refused(404, "entity not found");
    for token in [&first, &second] {
        let answer = world.get("/sessions").bearer(text(token, "access_token")).send().await;
        answer.assert_refused(401, UNAUTHENTICATED);
        refresh(&world, &token["refresh_token"]).await.assert_refused(401, UNAUTHENTICATED);
    }
    assert_eq!(list(&world, &ada.token).await["total"], 0);
}

#[tokio::test]
async fn what_is_refused() {
    let world = World::new().await;
    let ada = world.account("ada").await;
    for (email, password) in [(&*ada.email, "password2"), ("nobody@example.com", "password1")] {
        let answer = begin(&world, email, password).await;
        answer.assert_refused(401, UNAUTHENTICATED);
        assert_eq!(answer.json()["code"], "bad_credentials");
    }
    begin(&world, "no address", "password1").await.assert_refused(400, MALFORMED);
    for token in [json!(""), json!(&ada.token), json!("rt_x"), json!(null)] {
        refresh(&world, &token).await.assert_refused(401, UNAUTHENTICATED);
    }
    refresh(&world, &json!(["rt_x"])).await.assert_refused(400, MALFORMED);
    for path in ["/sessions", "/sessions/refresh"] {
        let call = world.post(path).header(CONTENT_TYPE, "text/plain").raw("{}".into());
        call.send().await.assert_refused(415, "unsupported content type");
    }
    let (_, key) = world.api_key(&ada).await;
    let listed = world.get("/sessions").bearer(&key).send().await;
    listed.assert_refused(401, "failed to retrieve sessions");
    world
        .delete("/sessions/")
        .bearer(&ada.token)
        .send()
        .await
        .assert_refused(400, "missing session ID");
}

#[tokio::test]
async fn the_platform_sees_the_sessions_of_others() {
    let world = World::new().await;
    let (ada, root) = (world.account("ada").await, world.root().await);
    let begun = begin(&world, &ada.email, "password1").await.json();
    let path = format!("/users/{}/sessions", ada.id);
    let listed = world.get(&path).bearer(&root.token).send().await.json();
    assert_eq!(listed["sessions"][0]["id"], begun["session_id"]);
    assert_eq!(listed["sessions"][0]["current"], false);
    let answer = world.get(&path).bearer(&ada.token).send().await;
    assert_eq!(answer.status, 403);
    let answer = world.get("/users/nobody/sessions").bearer(&root.token).send().await;
    answer.assert_refused(404, "entity not found");
}

#[tokio::test]
async fn without_accounts_there_are_no_sessions_to_begin() {
    let options = Options { accounts: false, ..Options::default() };
    let world = World::with(options, Rules::default()).await;
    let answer = world.post("/sessions").body("{}").open().await;
    assert_eq!(answer.status(), 405, "only DELETE, for login tokens");
}
