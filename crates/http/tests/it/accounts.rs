//! `/register`, `/tokens`, `/users/profile`.

use auth_domain::model::PlatformRole;
use auth_domain::ops::roles::AssignRole;
use auth_domain::{Caller, Rules};
use auth_http::Options;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::support::{Answer, World};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "password1";
const MALFORMED: &str = "malformed entity specification";
const UNAUTHENTICATED: &str = "failed to perform authentication over the entity";

async fn register(world: &World, body: &Value) -> Answer {
    world.post("/register").body(&body.to_string()).send().await
}

async fn open(world: &World) {
    let user = json!({ "email": EMAIL, "password": PASSWORD, "metadata": { "x": 1 } });
    register(world, &json!({ "user": user, "redirect_path": "/v" })).await.assert_empty(201);
}

async fn login(world: &World, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password }).to_string();
    world.post("/tokens").body(&body).send().await
}

async fn profile(world: &World, token: &str) -> Answer {
    world.get("/users/profile").bearer(token).send().await
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(answer.members(), ["token"]);
    answer.json()["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn u1_whoever_registers_can_sign_in() {
    let world = World::new().await;
    let user = json!({ "email": EMAIL, "password": PASSWORD, "status": "disabled", "id": "x" });
    let answer = register(&world, &json!({ "user": user, "redirect_path": "/v" })).await;
    answer.assert_empty(201);
    assert_eq!(answer.header("location"), "");
    let token = token(&login(&world, " ada@example.com\t", PASSWORD).await);
    let answer = profile(&world, &token).await;
    assert_eq!(answer.members(), ["id", "email", "status"]);
    assert_eq!(answer.json()["email"], EMAIL);
}

#[tokio::test]
async fn u2_registrations_that_are_refused() {
    let world = World::new().await;
    open(&world).await;
    let with = |email: &str, password: &str, path: &str| json!({ "user": { "email": email, "password": password }, "redirect_path": path });
    let weak = "password does not meet the requirements";
    for (body, status, text) in [
        (with(EMAIL, PASSWORD, "/v"), 409, "entity already exists"),
        (with("ADA@Example.com", PASSWORD, "/v"), 409, "entity already exists"),
        (with("bob@example.com", PASSWORD, ""), 400, "missing redirect path"),
        (json!({ "email": EMAIL, "password": PASSWORD }), 400, "missing redirect path"),
        (with("bob", "short", "/v"), 400, MALFORMED),
        (with(" ada@example.com ", PASSWORD, "/v"), 409, "entity already exists"),
        (with("", PASSWORD, "/v"), 400, MALFORMED),
        (with("bob@example.com", "short", "/v"), 400, weak),
        (with("bob@example.com", "with blank", "/v"), 400, weak),
        (with("bob@example.com", &"x".repeat(73), "/v"), 400, weak),
        (json!({ "user": [], "redirect_path": "/v" }), 400, MALFORMED),
        (json!({ "redirect_path": "/v" }), 400, MALFORMED),
    ] {
        let answer = register(&world, &body).await;
        assert_eq!(answer.refusal(), (status, text.to_owned()), "{body}");
    }
    let call = world.post("/register").header(CONTENT_TYPE, "text/plain").raw("{}".into());
    call.send().await.assert_refused(415, "unsupported content type");
    let bytes = "é".repeat(8);
    register(&world, &with("bob@example.com", &bytes, "/v")).await.assert_empty(201);
}

#[tokio::test]
async fn u2_an_operator_can_close_registration() {
    let rules = Rules { self_register: false, ..Rules::default() };
    let world = World::with(Options { accounts: true, ..Options::default() }, rules).await;
    let mut body =
        json!({ "user": { "email": EMAIL, "password": PASSWORD }, "redirect_path": "/v" });
    register(&world, &body).await.assert_refused(403, "self register disabled");
    body["user"]["email"] = json!("nonsense");
    register(&world, &body).await.assert_refused(400, MALFORMED);
}

#[tokio::test]
async fn u7_u8_a_failed_login_says_nothing_more() {
    let world = World::new().await;
    open(&world).await;
    let mut bodies = Vec::new();
    for (email, password) in
        [(EMAIL, "wrong password"), (EMAIL, "x"), (EMAIL, ""), ("bob@example.com", PASSWORD)]
    {
        let answer = login(&world, email, password).await;
        answer.assert_refused(401, UNAUTHENTICATED);
        bodies.push(answer.text().to_owned());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    login(&world, "nonsense", PASSWORD).await.assert_refused(400, MALFORMED);
}

#[tokio::test]
async fn s62_an_address_is_one_text() {
    let world = World::new().await;
    open(&world).await;
    for email in [
        json!([EMAIL]),
        json!({ "a": EMAIL }),
        json!(1),
        json!("ada@example.com,bob@example.com"),
        json!("Ada <ada@example.com>"),
        Value::Null,
    ] {
        let body = json!({ "email": email, "password": PASSWORD }).to_string();
        world.post("/tokens").body(&body).send().await.assert_refused(400, MALFORMED);
        let user = json!({ "email": email, "password": PASSWORD });
        let answer = register(&world, &json!({ "user": user, "redirect_path": "/v" })).await;
        answer.assert_refused(400, MALFORMED);
    }
}

#[tokio::test]
async fn u9_the_profile_tells_the_platform_role() {
    let world = World::new().await;
    open(&world).await;
    let token = token(&login(&world, EMAIL, PASSWORD).await);
    let before = profile(&world, &token).await;
    assert_eq!(before.members(), ["id", "email", "metadata", "status"]);
    assert_eq!(before.json()["metadata"], json!({ "x": 1 }));
    let user = before.json()["id"].as_str().unwrap().parse().unwrap();
    for role in [PlatformRole::Admin, PlatformRole::Root] {
        world.app.execute(Caller::System, AssignRole { user, role }).await.unwrap();
        let answer = profile(&world, &token).await;
        assert_eq!(answer.members(), ["id", "email", "metadata", "status", "role"]);
        assert_eq!(answer.json()["role"], "root", "u5: of an admin, too: {role}");
    }
    let none = world.get("/users/profile").send().await;
    none.assert_refused(401, "missing or invalid bearer user token");
    world.clock.advance(10 * 3600 + 1);
    profile(&world, &token).await.assert_refused(401, "failed to validate token");
}

#[tokio::test]
async fn a_user_whom_the_directory_does_not_know_has_no_profile() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    profile(&world, &ada.token).await.assert_refused(401, UNAUTHENTICATED);
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let world = World::new().await;
    open(&world).await;
    for _ in 0..3 {
        login(&world, EMAIL, "wrong password").await.assert_refused(401, UNAUTHENTICATED);
    }
    let answer = login(&world, EMAIL, PASSWORD).await;
    answer.assert_refused(429, "too many requests");
    assert_eq!(answer.header("retry-after"), "2");
}

#[tokio::test]
async fn a_remote_directory_keeps_its_own_routes() {
    let world = World::with(Options::default(), Rules::default()).await;
    for call in [world.post("/register"), world.post("/tokens"), world.get("/users/profile")] {
        let answer = call.send().await;
        assert_eq!((answer.status.as_u16(), answer.text()), (404, "404 page not found\n"));
    }
}
