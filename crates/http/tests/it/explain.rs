//! `/explain`.

use auth_domain::model::{KeyKind, OrgRole, PlatformRole};
use serde_json::{Value, json};

use crate::support::{Answer, Person, World};

const FORBIDDEN: &str = "failed to perform authorization over the entity";
const NOBODY: &str = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";

async fn ask(world: &World, token: &str, body: &Value) -> Answer {
    world.post("/explain").bearer(token).body(&body.to_string()).send().await
}

fn about(user: &Person, org: &str, action: &str) -> Value {
    json!({ "user_id": user.id.to_string(), "subject": "org", "object": org, "action": action })
}

fn in_group(user: &Person, group: &str, action: &str) -> Value {
    json!({ "user_id": user.id.to_string(), "subject": "group", "object": group, "action": action })
}

async fn make_group(world: &World, by: &Person, body: &Value) -> String {
    let made = world.post("/groups").bearer(&by.token).body(&body.to_string()).send().await;
    made.header("location").trim_start_matches("/groups/").to_owned()
}

#[tokio::test]
async fn an_admin_is_told_which_row_allows_and_what_is_missing() {
    let world = World::new().await;
    let root = world.root().await;
    let admin = world.holder("admin", PlatformRole::Admin).await;
    let (ada, bob, eve) =
        (world.person("ada").await, world.account("bob").await, world.person("eve").await);
    let org = world.org(&ada, &json!({ "name": "acme" })).await;
    world.join(&org, &bob, OrgRole::Editor).await;
    let group = make_group(&world, &ada, &json!({ "name": "pumps", "org_id": org })).await;
    let own = make_group(&world, &eve, &json!({ "name": "own" })).await;
    let role = world.put(&format!("/groups/{own}/roles/{}", bob.id)).bearer(&eve.token);
    role.body(r#"{"role":"viewer"}"#).send().await.assert_empty(204);
    let since = "2023-11-14T22:13:20Z";
    let platform = |user: &Person| json!({ "user_id": user.id.to_string(), "subject": "root" });
    for (asked, expected) in [
        (
            about(&bob, &org, "editor"),
            json!({
                "allowed": true, "reason": "membership", "org_role": "editor",
                "member_since": since, "role_since": since,
            }),
        ),
        (
            about(&bob, &org, "admin"),
            json!({
                "allowed": false, "reason": "role_too_small", "org_role": "editor",
                "member_since": since, "role_since": since, "needed_role": "admin",
            }),
        ),
        (
            about(&eve, &org, "viewer"),
            json!({ "allowed": false, "reason": "not_a_member", "needed_role": "viewer" }),
        ),
        (about(&eve, NOBODY, "viewer"), json!({ "allowed": false, "reason": "no_org" })),
        (about(&eve, "zz", "viewer"), json!({ "allowed": false, "reason": "no_org" })),
        (
            about(&admin, &org, "owner"),
            json!({ "allowed": true, "reason": "platform_role", "platform_role": "admin" }),
        ),
        (
            about(&root, NOBODY, "owner"),
            json!({ "allowed": false, "reason": "no_org", "platform_role": "root" }),
        ),
        (
            platform(&root),
            json!({ "allowed": true, "reason": "platform_role", "platform_role": "root" }),
        ),
        (platform(&ada), json!({ "allowed": false, "reason": "no_platform_role" })),
        (
            in_group(&bob, &group, "editor"),
            json!({
                "allowed": true, "reason": "org_role", "org_id": org, "org_role": "editor",
            }),
        ),
        (
            in_group(&bob, &group, "admin"),
            json!({
                "allowed": false, "reason": "group_role_too_small", "group_role": "editor",
                "needed_role": "admin",
            }),
        ),
        (
            in_group(&eve, &group, "viewer"),
            json!({ "allowed": false, "reason": "no_group_role", "needed_role": "viewer" }),
        ),
        (in_group(&ada, NOBODY, "viewer"), json!({ "allowed": false, "reason": "no_group" })),
        (in_group(&eve, &own, "admin"), json!({ "allowed": true, "reason": "own_tree" })),
        (
            in_group(&bob, &own, "viewer"),
            json!({
                "allowed": true, "reason": "group_role", "group_id": own, "group_role": "viewer",
            }),
        ),
    ] {
        for asking in [&root, &admin] {
            let answer = ask(&world, &asking.token, &asked).await;
            assert_eq!(answer.json(), expected, "{asked}");
        }
    }
}

#[tokio::test]
async fn s43_nobody_else_learns_what_exists() {
    let world = World::new().await;
    let root = world.root().await;
    let (ada, eve) = (world.person("ada").await, world.person("eve").await);
    let org = world.org(&ada, &json!({ "name": "acme" })).await;
    let (_, key) = world.api_key(&root).await;
    for object in [org.as_str(), NOBODY, "zz", ""] {
        for user in [&ada, &eve, &root] {
            let asked = about(user, object, "viewer");
            for token in [&ada.token, &eve.token, &key] {
                let answer = ask(&world, token, &asked).await;
                assert_eq!(answer.refusal(), (403, FORBIDDEN.to_owned()), "{asked}");
            }
            let recovery = world.token(root.id, &root.email, KeyKind::Recovery).await;
            assert_eq!(ask(&world, &recovery, &asked).await.refusal().0, 401);
        }
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let world = World::new().await;
    let root = world.root().await;
    for (asked, text) in [
        (json!({ "subject": "root" }), "missing user id"),
        (json!({ "user_id": "zz", "subject": "root" }), "malformed entity specification"),
        (json!({ "user_id": NOBODY }), "invalid subject"),
        (json!({ "user_id": NOBODY, "subject": "Org" }), "invalid subject"),
        (json!({ "user_id": NOBODY, "subject": "org", "action": "fly" }), "invalid action"),
        (json!({ "user_id": 7, "subject": "root" }), "malformed entity specification"),
    ] {
        let answer = ask(&world, &root.token, &asked).await;
        assert_eq!(answer.refusal(), (400, text.to_owned()), "{asked}");
    }
}
