//! Rights in groups over the real binary, on both stores; cursors, races and events.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tonic::Code;

use crate::groups::{ids, scene, scenes};
use crate::world::{get, stores};

/// Roles in a tree of somebody's own: inherited below, nothing seen above, moved with the tree.
#[tokio::test]
async fn s46_a_guest_sees_a_tree_from_where_they_have_a_role() {
    for scene in scenes().await {
        let root = scene.make(&scene.ada, json!({ "name": "root" })).await;
        let make = async |name: &str, parent: &str| {
            scene.make(&scene.ada, json!({ "name": name, "parent_id": parent })).await
        };
        let middle = make("middle", &root).await;
        let leaf = make("leaf", &middle).await;
        let sibling = make("sibling", &root).await;
        let mallory = scene.id(&scene.mallory).await;
        let role = format!("/groups/{middle}/roles/{mallory}");
        let give = async |role: &str, path: &str| {
            scene.status(Method::PUT, path, &scene.ada, json!({ "role": role })).await
        };
        assert_eq!(give("editor", &role).await, 204);
        let seen = scene.json("/groups?level=32", &scene.mallory).await;
        assert_eq!(ids(&seen), [&*middle, &*leaf], "{}", scene.store);
        let text = seen.to_string();
        assert!(!text.contains(&root) && !text.contains(&sibling), "{text}");
        assert_eq!(
            (&seen["groups"][1]["level"], &seen["groups"][0]["level"]),
            (&json!(2), &json!(1))
        );
        for path in [format!("/groups/{leaf}"), format!("/groups/{leaf}/parents?level=32")] {
            let text = scene.json(&path, &scene.mallory).await.to_string();
            assert!(!text.contains(&root) && text.contains(&middle), "{path}: {text}");
        }
        for hidden in [&root, &sibling] {
            let found = get(&scene.server, &format!("/groups/{hidden}"), &scene.mallory).await;
            assert_eq!(found.status(), 404);
        }
        for (group, action, allowed) in [
            (&leaf, "viewer", true),
            (&leaf, "editor", true),
            (&leaf, "admin", false),
            (&root, "viewer", false),
            (&sibling, "viewer", false),
        ] {
            let answer = scene.authorize(&scene.mallory, group, action).await;
            let expected = if allowed { Code::Ok } else { Code::PermissionDenied };
            assert_eq!(
                answer.map_or_else(|status| status.code(), |()| Code::Ok),
                expected,
                "{action}"
            );
        }
        // Somebody who may not give roles gives none, and cannot move what they see out of what they do not.
        let own = format!("/groups/{leaf}/roles/{mallory}");
        let body = json!({ "role": "admin" });
        assert_eq!(scene.status(Method::PUT, &own, &scene.mallory, body).await, 403);
        assert_eq!(give("admin", &role).await, 204);
        let away = format!("/groups/{middle}/parent");
        assert_eq!(
            scene.status(Method::PUT, &away, &scene.mallory, json!({ "parent_id": null })).await,
            404
        );
        let up = format!("/groups/{leaf}/parent");
        assert_eq!(
            scene.status(Method::PUT, &up, &scene.mallory, json!({ "parent_id": null })).await,
            403
        );
        let to = json!({ "parent_id": sibling });
        assert_eq!(scene.status(Method::PUT, &up, &scene.mallory, to.clone()).await, 404);
        assert_eq!(scene.status(Method::PUT, &up, &scene.ada, to).await, 204);
        let answer = scene.authorize(&scene.mallory, &leaf, "viewer").await.unwrap_err();
        assert_eq!(answer.code(), Code::PermissionDenied, "it was moved out of reach");
        assert_eq!(scene.status(Method::DELETE, &role, &scene.ada, json!({})).await, 204);
        assert_eq!(scene.json("/groups", &scene.mallory).await["total"], 0);
        let nobody = format!("/groups/{root}/roles/0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6");
        assert_eq!(give("viewer", &nobody).await, 404);
    }
}

#[tokio::test]
async fn s41_whoever_leaves_an_org_has_nothing_left_in_its_groups() {
    for scene in scenes().await {
        let [root, leaf] = scene.chain(&["root", "leaf"]).await.try_into().unwrap();
        let eve = scene.id(&scene.eve).await;
        let role = format!("/groups/{root}/roles/{eve}");
        assert_eq!(
            scene.status(Method::PUT, &role, &scene.ada, json!({ "role": "admin" })).await,
            204
        );
        let members = format!("/groups/{leaf}/members");
        let body = json!({ "type": "users", "members": [eve.to_uppercase()] });
        assert_eq!(scene.status(Method::POST, &members, &scene.ada, body).await, 200);
        scene.authorize(&scene.eve, &leaf, "admin").await.unwrap();
        let leave = format!("/orgs/{}/leave", scene.org);
        assert_eq!(scene.status(Method::POST, &leave, &scene.eve, json!({})).await, 204);
        let answer = scene.authorize(&scene.eve, &leaf, "viewer").await.unwrap_err();
        assert_eq!(answer.code(), Code::PermissionDenied, "{}", scene.store);
        assert_eq!(scene.json(&members, &scene.ada).await["total"], 0, "{}", scene.store);
        assert_eq!(scene.json(&format!("/groups/{root}/roles"), &scene.ada).await["total"], 0);
        assert_eq!(scene.json("/groups", &scene.eve).await["total"], 0);
        let outside = json!({ "type": "users", "members": [eve] });
        assert_eq!(scene.status(Method::POST, &members, &scene.ada, outside).await, 404);
        assert_eq!(
            scene.status(Method::PUT, &role, &scene.ada, json!({ "role": "viewer" })).await,
            404
        );

        let org = format!("/orgs/{}", scene.org);
        assert_eq!(scene.status(Method::DELETE, &org, &scene.ada, json!({})).await, 204);
        assert_eq!(get(&scene.server, &format!("/groups/{leaf}"), &scene.ada).await.status(), 404);
    }
}

/// Of another list, of somebody else, changed, or with an offset: none of ours.
#[tokio::test]
async fn s65_a_cursor_is_good_for_the_list_it_came_from() {
    for scene in scenes().await {
        let [root, _] = scene.chain(&["root", "leaf"]).await.try_into().unwrap();
        let page = scene.json("/groups?level=2&limit=1", &scene.eve).await;
        let cursor = page["next_cursor"].as_str().unwrap();
        let mut changed = cursor.to_owned();
        let last = if changed.pop() == Some('A') { 'Q' } else { 'A' };
        changed.push(last);
        for (path, token) in [
            (format!("/groups/{root}/children?cursor={cursor}"), &scene.eve),
            (format!("/groups/{root}/members?cursor={cursor}"), &scene.eve),
            (format!("/members/t/groups?cursor={cursor}"), &scene.eve),
            (format!("/groups?level=2&cursor={cursor}"), &scene.bob),
            (format!("/groups?level=2&cursor={cursor}&offset=1"), &scene.eve),
            (format!("/groups?level=2&cursor={changed}"), &scene.eve),
            (format!("/groups?cursor={}", "A".repeat(5000)), &scene.eve),
        ] {
            let found = scene.refused(Method::GET, &path, token, json!({})).await;
            assert_eq!(found, (400, "invalid_cursor".into()), "{} {path}", scene.store);
        }
    }
}

/// R-26, S-45: two subtrees moved into one another from several connections.
#[tokio::test]
async fn r26_moves_into_one_another_leave_a_tree() {
    for scene in scenes().await {
        let tops = [scene.chain(&["a", "b"]).await, scene.chain(&["c", "d"]).await];
        let relocate = async |group: &str, parent: Value| {
            let path = format!("/groups/{group}/parent");
            scene.status(Method::PUT, &path, &scene.ada, json!({ "parent_id": parent })).await
        };
        for round in 0..25 {
            let moves = [(&tops[0][0], &tops[1][1]), (&tops[1][0], &tops[0][1])];
            let all =
                moves.iter().cycle().take(6).map(|(group, below)| relocate(group, json!(below)));
            let statuses = futures_util::future::join_all(all).await;
            // Whoever waits too long for the others is told to come back; nobody is told of a fault.
            let known = |status: &u16| [204, 409, 503].contains(status);
            assert!(statuses.iter().all(known), "{} round {round}: {statuses:?}", scene.store);
            assert!(statuses.contains(&204), "{} round {round}: {statuses:?}", scene.store);
            let seen = scene.json("/groups?level=32", &scene.eve).await;
            assert_eq!(
                seen["total"], 4,
                "{} round {round}: a cycle hides what is in it",
                scene.store
            );
            for top in &tops {
                assert_eq!(relocate(&top[0], Value::Null).await, 204);
            }
        }
    }
}

/// Each change is told, by its kind, once.
#[tokio::test]
async fn every_change_of_a_group_is_an_event() {
    let redis = auth_testkit::Redis::start().await.unwrap();
    for (store, setup) in stores().await {
        let scene = scene(store, setup.set("MF_AUTH_ES_URL", redis.address())).await;
        let [root, leaf] = scene.chain(&["root", "leaf"]).await.try_into().unwrap();
        let eve = scene.id(&scene.eve).await;
        let group = format!("/groups/{leaf}");
        for (method, path, body) in [
            (Method::PUT, group.clone(), json!({ "name": "renamed" })),
            (
                Method::POST,
                format!("{group}/members"),
                json!({ "type": "things", "members": ["t"] }),
            ),
            (Method::DELETE, format!("{group}/members"), json!({ "members": ["t"] })),
            (Method::PUT, format!("{group}/roles/{eve}"), json!({ "role": "editor" })),
            (Method::DELETE, format!("{group}/roles/{eve}"), json!({})),
            (Method::PUT, format!("{group}/parent"), json!({ "parent_id": null })),
            (Method::DELETE, group.clone(), json!({})),
        ] {
            let status = scene.status(method.clone(), &path, &scene.ada, body).await;
            assert!((200..300).contains(&status), "{store} {method} {path}: {status}");
        }
        let wanted = [
            "group.create",
            "group.update",
            "group.assign",
            "group.unassign",
            "group_role.assign",
            "group_role.remove",
            "group.move",
            "group.remove",
        ];
        let told = async || {
            let entries = crate::events::events(&redis).await;
            let of_leaf = entries.into_iter().filter(|entry| entry.get("id") == Some(&leaf));
            of_leaf.map(|entry| entry["operation"].clone()).collect::<Vec<_>>()
        };
        crate::world::eventually("its events", Duration::from_secs(10), async || {
            told().await.len() >= wanted.len()
        })
        .await;
        assert_eq!(told().await, wanted, "{store}, not of {root}");
    }
}
