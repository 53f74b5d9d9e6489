//! `/platform-roles`.

use auth_domain::model::PlatformRole;
use serde_json::json;

use crate::support::{Answer, Person, World};

const FORBIDDEN: &str = "failed to perform authorization over the entity";

async fn grant(world: &World, by: &Person, user: &str, body: &str) -> Answer {
    world.put(&format!("/platform-roles/{user}")).bearer(&by.token).body(body).send().await
}

async fn remove(world: &World, by: &Person, user: &str) -> Answer {
    world.delete(&format!("/platform-roles/{user}")).bearer(&by.token).send().await
}

async fn list(world: &World, by: &Person, query: &str) -> Answer {
    world.get(&format!("/platform-roles{query}")).bearer(&by.token).send().await
}

#[tokio::test]
async fn d18_a_root_gives_changes_and_takes_roles() {
    let world = World::new().await;
    let root = world.root().await;
    let ada = world.person("ada").await;
    let id = ada.id.to_string();
    for role in ["admin", "admin", "root"] {
        grant(&world, &root, &id, &json!({ "role": role }).to_string()).await.assert_empty(204);
    }
    let answer = list(&world, &root, "").await;
    assert_eq!(answer.members(), ["limit", "offset", "total", "platform_roles"]);
    assert_eq!(
        answer.json()["platform_roles"],
        json!([
            { "user_id": root.id.to_string(), "role": "root" },
            { "user_id": id, "role": "root" },
        ])
    );
    assert_eq!(
        list(&world, &root, "?offset=1&limit=1").await.json()["platform_roles"][0]["user_id"],
        id.as_str()
    );
    remove(&world, &root, &id).await.assert_empty(204);
    remove(&world, &root, &id).await.assert_refused(404, "entity not found");
    list(&world, &ada, "").await.assert_refused(403, FORBIDDEN);
}

#[tokio::test]
async fn only_a_root_gives_roles_and_only_with_a_login_token() {
    let world = World::new().await;
    let root = world.root().await;
    let admin = world.holder("admin", PlatformRole::Admin).await;
    let user = world.person("user").await;
    let target = user.id.to_string();
    for by in [&admin, &user] {
        grant(&world, by, &target, r#"{"role":"root"}"#).await.assert_refused(403, FORBIDDEN);
        remove(&world, by, &root.id.to_string()).await.assert_refused(403, FORBIDDEN);
    }
    assert_eq!(list(&world, &admin, "").await.json()["total"], 2);
    let (_, key) = world.api_key(&root).await;
    let call = world.get("/platform-roles").bearer(&key).send().await;
    call.assert_refused(403, FORBIDDEN);
}

#[tokio::test]
async fn the_last_root_stays() {
    let world = World::new().await;
    let root = world.root().await;
    let id = root.id.to_string();
    let last = "the last root cannot be removed or disabled";
    remove(&world, &root, &id).await.assert_refused(409, last);
    grant(&world, &root, &id, r#"{"role":"admin"}"#).await.assert_refused(409, last);
}

#[tokio::test]
async fn roles_and_users_are_named() {
    let world = World::new().await;
    let root = world.root().await;
    let id = root.id.to_string();
    grant(&world, &root, &id, "{}").await.assert_refused(400, "missing role");
    grant(&world, &root, &id, r#"{"role":"boss"}"#).await.assert_refused(400, "invalid role");
    grant(&world, &root, &id, r#"{"role":"Root"}"#).await.assert_refused(400, "invalid role");
    grant(&world, &root, "", r#"{"role":"root"}"#).await.assert_refused(400, "missing user id");
    grant(&world, &root, "zz", r#"{"role":"root"}"#).await.assert_refused(404, "entity not found");
    remove(&world, &root, "").await.assert_refused(400, "missing user id");
    remove(&world, &root, "zz").await.assert_refused(404, "entity not found");
    list(&world, &root, "?limit=201").await.assert_refused(400, "invalid limit size");
}
