//! What every route has in common.

use std::collections::BTreeSet;

use auth_domain::Rules;
use auth_domain::model::KeyKind;
use auth_domain::ops;
use auth_http::{Build, Options, Route};
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Call, Person, World};

/// The routes that look at no token.
const OPEN: [&str; 10] = [
    "/register",
    "/register/verify",
    "/register/invite/{id}",
    "/tokens",
    "/password/reset-request",
    "/password/reset",
    "/sessions/refresh",
    "/revoke",
    "/.well-known/jwks.json",
    "/health",
];

/// A body that the route understands, if it takes one.
fn body(route: &Route) -> Option<Value> {
    match (route.method.as_str(), route.path) {
        ("POST", "/keys") => Some(json!({ "type": 2 })),
        ("POST", "/orgs") | ("PUT", "/orgs/{id}") => Some(json!({ "name": "Acme" })),
        ("PATCH", "/orgs") => Some(json!({ "org_ids": [NOBODY] })),
        ("POST", "/orgs/search" | "/users/search") => Some(json!({ "limit": 5 })),
        ("POST" | "PUT", "/orgs/{id}/memberships") => {
            Some(json!({ "org_memberships": [{ "email": "ada@example.com" }] }))
        }
        ("PATCH", "/orgs/{id}/memberships") => Some(json!({ "member_ids": [NOBODY] })),
        ("POST", "/orgs/{id}/invites") => Some(json!({
            "email": "ada@example.com", "role": "viewer", "redirect_path": "/v"
        })),
        ("PUT", "/orgs/{id}/owner") => Some(json!({ "member_id": NOBODY })),
        ("POST", "/restore") => Some(json!({ "orgs": [] })),
        ("POST", "/groups") | ("PUT", "/groups/{id}") => Some(json!({ "name": "Pumps" })),
        ("PUT", "/groups/{id}/parent") => Some(json!({ "parent_id": "" })),
        ("POST" | "DELETE", "/groups/{id}/members") => {
            Some(json!({ "type": "users", "members": [NOBODY] }))
        }
        ("PUT", "/groups/{id}/roles/{user_id}") => Some(json!({ "role": "viewer" })),
        ("PUT", "/platform-roles/{user_id}") => Some(json!({ "role": "admin" })),
        ("POST", "/explain") => Some(json!({ "user_id": NOBODY, "subject": "root" })),
        ("POST", "/register") => Some(json!({
            "user": { "email": "new@example.com", "password": "password1" }, "redirect_path": "/v"
        })),
        ("POST", "/register/invite/{id}") => Some(json!({
            "user": { "email": "more@example.com", "password": "password1" }, "redirect_path": "/v"
        })),
        ("POST", "/platform-invites") => {
            Some(json!({ "email": "ada@example.com", "redirect_path": "/v" }))
        }
        ("POST", "/tokens") => Some(json!({ "email": "new@example.com", "password": "password1" })),
        ("POST", "/sessions") => {
            Some(json!({ "email": "new@example.com", "password": "password1" }))
        }
        ("POST", "/sessions/refresh") => Some(json!({ "refresh_token": "rt_x" })),
        ("POST", "/users") => {
            Some(json!({ "email": "other@example.com", "password": "password1" }))
        }
        ("PUT", "/users") => Some(json!({ "metadata": {} })),
        ("POST", "/password/reset-request") => {
            Some(json!({ "email": "new@example.com", "redirect_path": "/v" }))
        }
        ("PUT", "/password/reset") => Some(json!({
            "token": "x", "password": "password2", "confirm_password": "password2"
        })),
        ("PATCH", "/password") => {
            Some(json!({ "password": "password2", "old_password": "password1" }))
        }
        _ => None,
    }
}

const NOBODY: &str = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";

fn path(route: &Route) -> String {
    if route.path == "/register/verify" {
        return format!("{}?token=x", route.path);
    }
    ["{id}", "{user_id}", "{member_id}"]
        .iter()
        .fold(route.path.to_owned(), |path, segment| path.replace(segment, NOBODY))
}

fn call(world: &World, route: &Route) -> Call {
    let call = world.call(route.method.clone(), &path(route));
    match body(route) {
        _ if route.path.ends_with("/memberships/restore") => {
            call.header(CONTENT_TYPE, "application/octet-stream").raw("[]".into())
        }
        _ if ["/introspect", "/revoke"].contains(&route.path) => {
            let form = "application/x-www-form-urlencoded";
            call.header(CONTENT_TYPE, form).raw("token=x".into())
        }
        Some(body) => call.body(&body.to_string()),
        None => call,
    }
}

fn guarded() -> impl Iterator<Item = &'static Route> {
    let signs_in = |route: &Route| (route.method.as_str(), route.path) == ("POST", "/sessions");
    auth_http::routes(true).filter(move |route| !OPEN.contains(&route.path) && !signs_in(route))
}

#[tokio::test]
async fn r70_each_route_runs_the_operation_it_names() {
    let world = World::new().await;
    let root = world.root().await;
    world.observer.seen();
    for route in auth_http::routes(true) {
        let answer = call(&world, route).bearer(&root.token).send().await;
        let ran: Vec<_> = world.observer.seen().into_iter().map(|(name, _)| name).collect();
        if route.operation == "health" {
            assert!(ran.is_empty());
        } else {
            assert_eq!(
                ran,
                [route.operation],
                "{} {}: {}",
                route.method,
                route.path,
                answer.text()
            );
            assert!(ops::NAMES.contains(&route.operation), "{}", route.operation);
        }
    }
}

#[test]
fn the_account_routes_can_be_left_out_and_nothing_is_listed_twice() {
    let seen: BTreeSet<_> =
        auth_http::routes(true).map(|route| (route.method.to_string(), route.path)).collect();
    assert_eq!(seen.len(), auth_http::routes(true).count());
    assert_eq!(auth_http::routes(true).count(), auth_http::routes(false).count() + 24);
}

#[tokio::test]
async fn s43_no_route_does_anything_without_a_good_token() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let recovery = world.token(ada.id, &ada.email, KeyKind::Recovery).await;
    let forged = format!("{}x", ada.token);
    let long = "x".repeat(4097);
    for route in guarded() {
        let name = format!("{} {}", route.method, route.path);
        let answer = call(&world, route).send().await;
        let missing = "missing or invalid bearer user token".to_owned();
        assert_eq!(answer.refusal(), (401, missing), "{name}");
        for token in [forged.as_str(), "x.y.z", "x", &long] {
            let answer = call(&world, route).bearer(token).send().await;
            assert_eq!(answer.refusal(), (401, "failed to validate token".to_owned()), "{name}");
        }
        let answer = call(&world, route).bearer(&recovery).send().await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
    }
}

#[tokio::test]
async fn r72_d14_go9_an_expired_login_is_401_everywhere() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    world.clock.advance(10 * 3600 + 1);
    for route in guarded() {
        let answer = call(&world, route).bearer(&ada.token).send().await;
        let name = format!("{} {}", route.method, route.path);
        assert_eq!(answer.refusal(), (401, "failed to validate token".to_owned()), "{name}");
        assert_eq!(answer.json()["code"], "expired_token", "{name}");
    }
}

#[tokio::test]
async fn s72_go24_every_route_with_a_body_wants_json() {
    let world = World::new().await;
    // Of what is restored nothing is read before it is known who asks.
    let root = world.root().await;
    let mut with_body = 0;
    for route in auth_http::routes(true) {
        let Some(body) = body(route) else { continue };
        with_body += 1;
        let name = format!("{} {}", route.method, route.path);
        let plain = || world.call(route.method.clone(), &path(route)).raw(body.to_string().into());
        for call in [plain(), plain().header(CONTENT_TYPE, "text/plain; application/json")] {
            let answer = call.send().await;
            assert_eq!(answer.refusal(), (415, "unsupported content type".to_owned()), "{name}");
        }
        let lenient = world.call(route.method.clone(), &path(route));
        let lenient = lenient.bearer(&root.token).body(&format!("{body} {body}")).send().await;
        assert_eq!(lenient.refusal(), (400, "malformed entity specification".to_owned()), "{name}");
    }
    assert_eq!(with_body, 31);
}

#[tokio::test]
async fn s88_every_answer_says_how_it_may_be_kept() {
    let world = World::new().await;
    let root = world.root().await;
    let mut answers = vec![
        world.get("/nowhere").send().await,
        world.get("/health/").send().await,
        world.put("/health").send().await,
        world.get("/orgs?limit=x").send().await,
    ];
    // The one thing that others may keep is public, and the same for everybody.
    let kept = "/.well-known/jwks.json";
    let answer = world.get(kept).send().await;
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    for route in auth_http::routes(true).filter(|route| route.path != kept) {
        answers.push(call(&world, route).bearer(&root.token).send().await);
    }
    for answer in answers {
        assert_eq!(answer.header("cache-control"), "no-store", "{}", answer.text());
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{}", answer.text());
        if !answer.body.is_empty() {
            assert_ne!(answer.header("content-type"), "", "{}", answer.text());
        }
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
}

#[tokio::test]
async fn r69_health_is_the_original_document() {
    let build = Build { version: "1.2.3".into(), commit: "abc".into(), time: "today".into() };
    let world = World::with(Options { build, ..Options::default() }, Rules::default()).await;
    let answer = world.get("/health").send().await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/health+json");
    assert_eq!(
        answer.text(),
        "{\"status\":\"pass\",\"version\":\"1.2.3\",\"commit\":\"abc\",\
         \"description\":\"auth service\",\"build_time\":\"today\"}\n"
    );
    let unset = World::new().await.get("/health").send().await.json();
    assert_eq!(unset["version"], "0.0.0");
    assert_eq!(unset["commit"], "ffffffff");
    assert_eq!(unset["build_time"], "1970-01-01_00:00:00");
}

#[tokio::test]
async fn r71_what_no_route_matches() {
    let world = World::new().await;
    for path in
        ["/nowhere", "/", "/version", "//orgs", "/ORGS", "/orgs/a/b", "/keys/../orgs", "/%6Frgs"]
    {
        let answer = world.get(path).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (404, "404 page not found\n"),
            "{path}"
        );
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    }
    for (method, path) in [
        (Method::PUT, "/keys/x"),
        (Method::PATCH, "/keys"),
        (Method::DELETE, "/orgs"),
        (Method::POST, "/orgs/x"),
        (Method::POST, "/health"),
        (Method::GET, "/orgs/search"),
        (Method::GET, "/users/search"),
        (Method::OPTIONS, "/orgs"),
        (Method::TRACE, "/orgs"),
        (Method::from_bytes(b"PROPFIND").unwrap(), "/orgs"),
    ] {
        let answer = world.call(method.clone(), path).send().await;
        assert_eq!((answer.status.as_u16(), answer.text()), (405, ""), "{method} {path}");
        assert_ne!(answer.header("allow"), "", "{method} {path}");
    }
    for (path, location) in [
        ("/health/", "/health"),
        ("/orgs/x/", "/orgs/x"),
        ("/keys/x//?a=1", "/keys/x?a=1"),
        ("/nowhere/", "/nowhere"),
    ] {
        let answer = world.get(path).send().await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (302, location), "{path}");
    }
}

#[tokio::test]
async fn s75_a_redirect_never_leads_to_another_host() {
    let world = World::new().await;
    for path in ["//evil.example/", "//evil.example//", "/\\evil.example/", "///"] {
        let answer = world.get(path).send().await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (404, ""), "{path}");
    }
}

#[tokio::test]
async fn head_is_served_by_get() {
    let world = World::new().await;
    let ada: Person = world.person("ada").await;
    for path in ["/orgs", "/keys", "/health"] {
        let get = world.get(path).bearer(&ada.token).send().await;
        let head = world.call(Method::HEAD, path).bearer(&ada.token).send().await;
        head.assert_empty(200);
        assert_eq!(head.header("content-type"), get.header("content-type"));
        assert_eq!(head.header("content-length"), get.body.len().to_string());
    }
    world.call(Method::HEAD, "/orgs").send().await.assert_empty(401);
}

#[tokio::test]
async fn s8_s43_an_odd_id_is_no_way_past_the_token() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let recovery = world.token(ada.id, &ada.email, KeyKind::Recovery).await;
    let (_, key) = world.api_key(&ada).await;
    for id in ["zz", "00000000-0000-0000-0000-000000000000", NOBODY] {
        let orgs = format!("/orgs/{id}");
        let keys = format!("/keys/{id}");
        let roles = format!("/platform-roles/{id}");
        for (call, status) in [
            (world.get(&orgs).bearer(&recovery), 401),
            (world.delete(&orgs).bearer(&recovery), 401),
            (world.get(&orgs).bearer("garbage"), 401),
            (world.get(&orgs).bearer(&ada.token), 404),
            (world.get(&keys).bearer(&key), 401),
            (world.delete(&keys).bearer(&recovery), 401),
            (world.get(&keys).bearer(&ada.token), 404),
            (world.delete(&keys).bearer(&ada.token), 204),
            (world.delete(&roles).bearer(&key), 403),
            (world.delete(&roles).bearer(&ada.token), 403),
        ] {
            let answer = call.send().await;
            assert_eq!(answer.status.as_u16(), status, "{id}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn nobody_gets_no_role() {
    let world = World::new().await;
    let root = world.root().await;
    for id in ["zz", "00000000-0000-0000-0000-000000000000"] {
        let call = world.put(&format!("/platform-roles/{id}")).bearer(&root.token);
        call.body(r#"{"role":"root"}"#).send().await.assert_refused(404, "entity not found");
    }
}
