//! `GET /backup` and `POST /restore` of the users contract, by the real binary on both stores.

use auth_testkit::{ADMIN_EMAIL, ADMIN_PASSWORD, Server};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tonic::Code;

use crate::users::id;
use crate::users_listener::{ask, with_ports};
use crate::world::{code, embedded, get, identify, make_key, postgres, stores};

async fn backup(server: &Server, token: &str, query: &str) -> Value {
    let answer = ask(server, Method::GET, &format!("/backup{query}"), Some(token), None).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    answer.json().await.unwrap()
}

async fn restore(server: &Server, token: &str, document: &Value) -> Response {
    ask(server, Method::POST, "/restore", Some(token), Some(document.clone())).await
}

async fn profile(server: &Server, token: &str) -> Value {
    get(server, "/users/profile", token).await.json().await.unwrap()
}

fn emails(backup: &Value) -> Vec<&str> {
    let mut emails: Vec<_> = backup["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["email"].as_str().unwrap())
        .collect();
    emails.sort_unstable();
    emails
}

async fn refused(answer: Response, status: u16, error: &str) {
    assert_eq!(answer.status(), status);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"], error, "{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u24_go50_only_a_root_who_signed_in_gets_the_accounts_and_hashes_when_asked_for() {
    for (store, setup) in stores().await {
        let server = with_ports(setup).start().await.unwrap();
        let root = server.admin().await.unwrap();
        let ada = server.user("ada@example.com").await.unwrap();
        let bob = server.user("bob@example.com").await.unwrap();
        let bob = identify(&server, &bob).await.unwrap();
        let body = json!({ "role": "admin" });
        let path = format!("/platform-roles/{bob}");
        let made = server.send(Method::PUT, &path, Some(&root), Some(&body)).await.unwrap();
        assert!(made.status().is_success(), "{store}: {made:?}");
        let admin = server.login("bob@example.com", ADMIN_PASSWORD).await.unwrap();
        let (_, key) = make_key(&server, &root).await;
        for (who, token, status) in [
            ("a user", Some(&*ada), 403),
            ("an admin", Some(&*admin), 403),
            ("an API key of a root", Some(&*key), 403),
            ("nobody", None, 401),
            ("no token", Some("x"), 401),
        ] {
            for query in ["", "?passwords=true"] {
                let answer =
                    ask(&server, Method::GET, &format!("/backup{query}"), token, None).await;
                assert_eq!(answer.status(), status, "{store} {who}");
            }
            let document = json!({ "users": [], "admin": {} });
            let answer = ask(&server, Method::POST, "/restore", token, Some(document)).await;
            assert_eq!(answer.status(), status, "{store} {who}");
        }

        let plain = backup(&server, &root, "").await;
        assert_eq!(plain["admin"]["email"], ADMIN_EMAIL, "{store}");
        assert_eq!(emails(&plain), ["ada@example.com", "bob@example.com"], "{store}");
        assert!(!plain.to_string().contains("argon2"), "{store}");
        assert_eq!(plain["users"][0]["password"], "", "{store}");
        assert_eq!(plain["users"][0]["status"], "enabled", "{store}");
        let records = |text: &str| text.matches("users.export").count();
        let trail = get(&server, "/audit?limit=200", &root).await.text().await.unwrap();
        assert_eq!(records(&trail), 0, "{store}");
        let whole = backup(&server, &root, "?passwords=true").await;
        assert_eq!(whole.to_string().matches("$argon2id$").count(), 3, "{store}");
        let trail = get(&server, "/audit?limit=200", &root).await.text().await.unwrap();
        assert_eq!(records(&trail), 1, "{store}: and the trail says so");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u24_go51_a_backup_comes_back_on_a_fresh_store_with_ids_and_passwords() {
    for (old, new) in [(embedded(), postgres().await), (postgres().await, embedded())] {
        let server = with_ports(old).start().await.unwrap();
        let root = server.admin().await.unwrap();
        let admin = identify(&server, &root).await.unwrap();
        let ada = server.user("ada@example.com").await.unwrap();
        let ada = identify(&server, &ada).await.unwrap();
        server.user("bob@example.com").await.unwrap();
        let mut document = backup(&server, &root, "?passwords=true").await;
        drop(server);
        assert!(document["admin"]["email_verified_at"].is_string(), "the operator vouches");
        document["admin"]["metadata"] = json!({ "since": 1 });
        let bob = document["users"].as_array_mut().unwrap().iter_mut();
        bob.filter(|row| row["email"] == "bob@example.com").for_each(|row| {
            assert!(row.get("email_verified_at").is_none(), "he signed up with any address");
            row["status"] = json!("disabled");
            row["email_verified_at"] = json!("2026-01-02T03:04:05Z");
        });

        let fresh = with_ports(new).start().await.unwrap();
        let root = fresh.admin().await.unwrap();
        let (_, key) = make_key(&fresh, &root).await;
        let before = identify(&fresh, &root).await.unwrap();
        assert_ne!(before, admin);
        let restored = restore(&fresh, &root, &document).await;
        assert_eq!(restored.status(), 201, "{}", restored.text().await.unwrap());
        // Whoever the administrator was here is nobody any more.
        for gone in [&root, &key] {
            assert_eq!(code(identify(&fresh, gone).await), Code::Unauthenticated);
        }
        let root = fresh.admin().await.unwrap();
        assert_eq!(identify(&fresh, &root).await.unwrap(), admin);
        let shown = profile(&fresh, &root).await;
        assert_eq!((&shown["role"], &shown["metadata"]), (&json!("root"), &json!({ "since": 1 })));
        let roots = get(&fresh, "/platform-roles", &root).await.text().await.unwrap();
        assert!(roots.contains(&admin) && !roots.contains(&before), "{roots}");
        let login = fresh.login("ada@example.com", ADMIN_PASSWORD).await.unwrap();
        assert_eq!(identify(&fresh, &login).await.unwrap(), ada);
        assert!(fresh.login("bob@example.com", ADMIN_PASSWORD).await.is_err(), "disabled");

        // Once more is refused, as by the original, and changes nothing.
        let before = backup(&fresh, &root, "?passwords=true").await;
        let rows = before["users"].as_array().unwrap();
        let bob = rows.iter().find(|row| row["email"] == "bob@example.com").unwrap();
        assert_eq!(bob["email_verified_at"], "2026-01-02T03:04:05Z");
        refused(restore(&fresh, &root, &document).await, 409, "entity already exists").await;
        assert_eq!(backup(&fresh, &root, "?passwords=true").await, before);
        // The administrator by the same id is fine.
        document["users"] =
            json!([{ "id": id(1), "email": "new@example.com", "status": "enabled" }]);
        assert_eq!(restore(&fresh, &root, &document).await.status(), 201);
        identify(&fresh, &root).await.unwrap();
        assert!(
            fresh.login("new@example.com", "").await.is_err(),
            "without a hash there is no password"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u24_go51_fw7_a_document_with_anything_wrong_changes_nothing() {
    const HASH: &str = "$2a$10$N9qo8uLOickgx2ZMRZoMyeqaHUS.wUmH7UmqsBUsBP5Yy3joGWyGu";
    for (store, setup) in stores().await {
        let server = with_ports(setup).start().await.unwrap();
        let root = server.admin().await.unwrap();
        let before = backup(&server, &root, "?passwords=true").await;
        let admin = before["admin"].clone();
        let user = |number: u32, change: Value| {
            let mut user = json!({
                "id": id(number),
                "email": format!("user{number}@example.com"),
                "password": HASH,
                "status": "enabled",
            });
            user.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            user
        };
        let good = user(1, json!({}));
        let malformed = "malformed entity specification";
        for (users, by, error) in [
            (json!([]), admin.clone(), "empty list provided"),
            (json!([good]), json!({}), "missing user id"),
            (json!([good]), json!({ "id": id(2), "email": "x" }), malformed),
            (json!([good, user(2, json!({ "id": "x" }))]), admin.clone(), malformed),
            (json!([good, user(2, json!({ "email": "a\u{0}@b.io" }))]), admin.clone(), malformed),
            (json!([good, user(2, json!({ "status": "" }))]), admin.clone(), malformed),
            (json!([good, user(2, json!({ "password": "plain" }))]), admin.clone(), malformed),
            (
                json!([good, user(2, json!({ "email_verified_at": "then" }))]),
                admin.clone(),
                malformed,
            ),
            (
                json!([good, user(2, json!({ "password": HASH.replace("$10$", "$31$") }))]),
                admin.clone(),
                malformed,
            ),
            (json!("x"), admin.clone(), malformed),
        ] {
            let document = json!({ "users": users, "admin": by });
            refused(restore(&server, &root, &document).await, 400, error).await;
        }
        for users in [
            json!([good, user(1, json!({ "email": "other@example.com" }))]),
            json!([good, user(2, json!({ "email": "USER1@example.com" }))]),
            json!([good, user(2, json!({ "email": ADMIN_EMAIL.to_uppercase() }))]),
        ] {
            let document = json!({ "users": users, "admin": admin });
            refused(restore(&server, &root, &document).await, 409, "entity already exists").await;
        }
        let url = format!("http://{}/restore", server.users_http.unwrap());
        let text = server.client.post(url).bearer_auth(&root).body("{}").send().await.unwrap();
        assert_eq!(text.status(), 415, "{store}");
        assert_eq!(backup(&server, &root, "?passwords=true").await, before, "{store}");
        let document = json!({ "users": [good], "admin": admin });
        assert_eq!(restore(&server, &root, &document).await.status(), 201, "{store}");
        server.login("user1@example.com", "password1").await.unwrap();
    }
}
