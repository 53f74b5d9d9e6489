//! Looking after accounts over the real binary: the numbers of the cases are those of the users contract.

use std::time::Duration;

use auth_testkit::{Server, Setup};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tonic::Code;

use crate::users::Users;
use crate::world::{
    authorize, code, embedded, eventually, found, identify, make_key, postgres, sibling, stores,
};

const UNKNOWN: &str = "0192d3f0-9999-7abc-8def-000000000000";

async fn ask(
    server: &Server,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<Value>,
) -> Response {
    server.send(method, path, token, body.as_ref()).await.unwrap()
}

async fn status(server: &Server, id: &str, word: &str, token: &str) -> u16 {
    let path = format!("/users/{id}/{word}");
    ask(server, Method::POST, &path, Some(token), None).await.status().as_u16()
}

/// A page of accounts, and their addresses.
async fn list(server: &Server, path: &str, token: &str) -> (Value, Vec<String>) {
    let answer = ask(server, Method::GET, path, Some(token), None).await;
    assert_eq!(answer.status(), 200, "{path}");
    let page: Value = answer.json().await.unwrap();
    let users = page["users"].as_array().unwrap();
    let emails = users.iter().map(|user| user["email"].as_str().unwrap().to_owned()).collect();
    (page, emails)
}

async fn refused(answer: Response, status: u16, error: &str) {
    assert_eq!(answer.status(), status);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"], error, "{body}");
}

#[tokio::test]
async fn u5_u6_go57_go58_the_platform_opens_accounts() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let root = server.admin().await.unwrap();
        let ada = server.user("ada@example.com").await.unwrap();
        let open = async |token: Option<&str>, body: Value| {
            ask(&server, Method::POST, "/users", token, Some(body)).await
        };
        let body = |email: &str| json!({ "email": email, "password": PASSWORD });
        let made = open(Some(&root), body(" Bob@example.com\t")).await;
        assert_eq!(made.status(), 201, "{store}");
        let place = made.headers()["location"].to_str().unwrap().to_owned();
        let bob = server.login("bob@EXAMPLE.com", PASSWORD).await.unwrap();
        assert_eq!(place, format!("/users/{}", identify(&server, &bob).await.unwrap()));
        let shown: Value =
            ask(&server, Method::GET, &place, Some(&root), None).await.json().await.unwrap();
        assert_eq!(
            (&shown["email"], &shown["status"]),
            (&json!("Bob@example.com"), &json!("enabled"))
        );

        assert_eq!(open(Some(&ada), body("c@example.com")).await.status(), 403, "{store}");
        for nobody in [None, Some("x.y.z")] {
            assert_eq!(open(nobody, body("c@example.com")).await.status(), 401, "{store}");
        }
        let taken = open(Some(&root), body("BOB@example.com")).await;
        refused(taken, 409, "entity already exists").await;
        let mut odd = body("c@example.com");
        odd["status"] = json!("all");
        refused(open(Some(&root), odd.clone()).await, 400, "invalid user account status").await;
        odd["status"] = json!("disabled");
        assert_eq!(open(Some(&root), odd).await.status(), 201, "{store}");
        assert!(server.login("c@example.com", PASSWORD).await.is_err(), "{store}");

        let other = ask(&server, Method::GET, &place, Some(&ada), None).await;
        assert_eq!(other.status(), 403, "{store}");
        for nobody in [UNKNOWN, "zz"] {
            let path = format!("/users/{nobody}");
            let answer = ask(&server, Method::GET, &path, Some(&root), None).await;
            assert_eq!(answer.status(), 404, "{store}");
            let answer = ask(&server, Method::GET, &path, Some(&ada), None).await;
            assert_eq!(answer.status(), 403, "{store}");
        }
    }
}

#[tokio::test]
async fn u11_u12_go62_go63_accounts_are_listed_and_searched() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let root = server.admin().await.unwrap();
        for name in ["b_b", "A%a", "aaa"] {
            let body = json!({ "email": format!("{name}@part.example"), "password": PASSWORD });
            let made = ask(&server, Method::POST, "/users", Some(&root), Some(body)).await;
            assert_eq!(made.status(), 201, "{store}");
        }
        let ada = server.user("ada@example.com").await.unwrap();
        let id = identify(&server, &ada).await.unwrap();
        let metadata = json!({ "metadata": { "team": 7 } });
        let put = ask(&server, Method::PUT, "/users", Some(&ada), Some(metadata)).await;
        assert_eq!(put.status(), 200, "{store}");
        assert_eq!(ask(&server, Method::GET, "/users", Some(&ada), None).await.status(), 403);

        let path = "/users?email=PART&order=email&dir=asc";
        let (page, emails) = list(&server, path, &root).await;
        assert_eq!(emails, ["A%a@part.example", "aaa@part.example", "b_b@part.example"], "{store}");
        let members: Vec<_> = page.as_object().unwrap().keys().map(String::as_str).collect();
        for name in ["total", "offset", "limit", "order", "dir", "email", "status", "users"] {
            assert!(members.contains(&name), "{store} {name}");
        }
        assert_eq!(list(&server, "/users?email=b_", &root).await.1, ["b_b@part.example"]);
        let longest = "x".repeat(1024);
        let found = list(&server, &format!("/users?email={longest}"), &root).await;
        assert!(found.1.is_empty(), "{store}");
        let path = format!("/users?email={longest}x");
        let long = ask(&server, Method::GET, &path, Some(&root), None).await;
        refused(long, 400, "invalid email size").await;
        assert_eq!(list(&server, "/users?email=a%25", &root).await.1, ["A%a@part.example"]);
        let (page, found) = list(&server, "/users?metadata=%7B%22team%22:7%7D", &root).await;
        assert_eq!(
            (found, &page["users"][0]["metadata"]["team"]),
            (vec!["ada@example.com".into()], &json!(7))
        );

        assert_eq!(status(&server, &id, "disable", &root).await, 204);
        let (page, found) = list(&server, "/users?status=disabled", &root).await;
        assert_eq!((found, &page["total"]), (vec!["ada@example.com".into()], &json!(1)), "{store}");
        assert_eq!(page["users"][0]["status"], "disabled");
        assert_eq!(list(&server, "/users", &root).await.0["total"], 4, "{store}");
        assert_eq!(list(&server, "/users?status=all&limit=2", &root).await.0["total"], 5);

        for (query, error) in [
            ("limit=201", "invalid limit size"),
            ("order=name", "invalid list order provided"),
            ("dir=ASC", "invalid list direction provided"),
            ("status=x", "invalid user account status"),
            ("status=", "invalid user account status"),
            ("offset=18446744073709551615", "invalid query parameters"),
            ("metadata=1", "invalid query parameters"),
        ] {
            let path = format!("/users?{query}");
            refused(ask(&server, Method::GET, &path, Some(&root), None).await, 400, error).await;
        }
        let search = async |body: Option<Value>| {
            ask(&server, Method::POST, "/users/search", Some(&root), body).await
        };
        for body in [None, Some(json!({ "limit": 0, "status": "" }))] {
            let page: Value = search(body).await.json().await.unwrap();
            assert_eq!((&page["limit"], &page["total"]), (&json!(10), &json!(4)), "{store}");
        }
        assert_eq!(search(Some(json!({ "limit": -1 }))).await.status(), 400, "{store}");
        let cleared = ask(&server, Method::PUT, "/users", Some(&root), Some(json!({}))).await;
        assert_eq!(cleared.status(), 200, "{store}");
    }
}

#[tokio::test]
async fn u13_u14_go40_pw11_disabling_is_for_the_platform_and_never_the_last_root() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let root = server.admin().await.unwrap();
        let root_id = identify(&server, &root).await.unwrap();
        let (ada, bob) = (
            server.user("ada@example.com").await.unwrap(),
            server.user("bob@example.com").await.unwrap(),
        );
        let id = identify(&server, &ada).await.unwrap();
        for victim in [&root_id, &identify(&server, &bob).await.unwrap()] {
            for word in ["disable", "enable"] {
                assert_eq!(status(&server, victim, word, &ada).await, 403, "{store}");
            }
        }
        let bare = ask(&server, Method::POST, &format!("/users/{id}/disable"), None, None).await;
        assert_eq!(bare.status(), 401, "{store}");
        assert_eq!(status(&server, &root_id, "disable", &root).await, 409, "{store}: oneself");
        assert_eq!(status(&server, UNKNOWN, "disable", &root).await, 404, "{store}");

        let org = found(&server, &ada, "acme").await;
        let (_, key) = make_key(&server, &ada).await;
        for _ in 0..2 {
            assert_eq!(status(&server, &id, "disable", &root).await, 204, "{store}");
        }
        for token in [&ada, &key] {
            assert_eq!(code(identify(&server, token).await), Code::Unauthenticated, "{store}");
            let asked = authorize(&server, token, &org, "viewer").await;
            assert_eq!(code(asked), Code::Unauthenticated, "{store}");
            let profile = ask(&server, Method::GET, "/users/profile", Some(token), None).await;
            assert_eq!(profile.status(), 401, "{store}");
            assert_eq!(status(&server, &id, "enable", token).await, 401, "{store}");
        }
        assert!(server.login("ada@example.com", PASSWORD).await.is_err(), "{store}");
        for kind in [0, 1] {
            let email = "ada@example.com".to_owned();
            let issue = auth_grpc::proto::IssueReq { id: id.clone(), email, r#type: kind };
            let answer = sibling(&server).await.issue(issue).await;
            assert_eq!(code(answer), Code::Unauthenticated, "{store}");
        }
        assert_eq!(status(&server, &id, "enable", &root).await, 204, "{store}");
        assert_eq!(identify(&server, &key).await.unwrap(), id, "{store}");
        authorize(&server, &key, &org, "owner").await.unwrap();
        assert_eq!(code(identify(&server, &ada).await), Code::Unauthenticated, "{store}");
        let again = server.login("ada@example.com", PASSWORD).await.unwrap();
        assert_eq!(identify(&server, &again).await.unwrap(), id, "{store}");

        let trail = "/audit?object=".to_owned() + &id;
        let trail: Value =
            ask(&server, Method::GET, &trail, Some(&root), None).await.json().await.unwrap();
        let told = trail.to_string();
        assert!(told.contains("account.disable") && told.contains("account.enable"), "{told}");
    }
}

async fn hits(server: &Server) -> u64 {
    let metrics = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix("auth_memory_hits_total "));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// Both replicas answer from memory when it happens.
#[tokio::test]
async fn s25_go40_a_disabled_account_is_out_on_every_replica_when_it_is_answered() {
    let setup = postgres().await;
    let servers = [setup.start().await.unwrap(), setup.start().await.unwrap()];
    let root = servers[0].admin().await.unwrap();
    let mut login = servers[0].user("ada@example.com").await.unwrap();
    let id = identify(&servers[0], &login).await.unwrap();
    let (_, key) = make_key(&servers[0], &login).await;
    let org = found(&servers[0], &login, "acme").await;
    for server in &servers {
        eventually("the memory is trusted", Duration::from_secs(10), async || {
            let before = hits(server).await;
            identify(server, &key).await.unwrap();
            hits(server).await > before
        })
        .await;
    }
    for round in 0..10 {
        let (here, there) = (&servers[round % 2], &servers[(round + 1) % 2]);
        for server in &servers {
            for token in [&login, &key] {
                authorize(server, token, &org, "owner").await.unwrap();
            }
        }
        assert_eq!(status(here, &id, "disable", &root).await, 204);
        for server in [there, here] {
            for token in [&login, &key] {
                let asked = code(identify(server, token).await);
                assert_eq!(asked, Code::Unauthenticated, "{round}");
                let asked = code(authorize(server, token, &org, "owner").await);
                assert_eq!(asked, Code::Unauthenticated, "{round}");
            }
        }
        assert_eq!(status(there, &id, "enable", &root).await, 204);
        for server in [here, there] {
            authorize(server, &key, &org, "owner").await.unwrap();
            assert_eq!(code(identify(server, &login).await), Code::Unauthenticated, "{round}");
        }
        let issue = auth_grpc::proto::IssueReq {
            id: id.clone(),
            email: "ada@example.com".to_owned(),
            r#type: 0,
        };
        login = sibling(here).await.issue(issue).await.unwrap().into_inner().value;
    }
}

/// The key's owner is held for as long as a write lasts, and is what is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r6_writes_to_ones_account_by_one_key_do_not_wait_for_one_another_in_a_circle() {
    let server = postgres().await.start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let (_, key) = make_key(&server, &login).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..24 {
        let (client, url, key) = (server.client.clone(), server.url("/users"), key.clone());
        tasks.spawn(async move {
            let body = json!({ "metadata": { "number": number } });
            client.put(url).bearer_auth(key).json(&body).send().await.unwrap().status()
        });
    }
    while let Some(status) = tasks.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
}

/// An operator with psql writes no log; what they disable is out a lease later.
#[tokio::test]
async fn what_somebody_else_disables_in_the_database_is_out_as_well() {
    let database = auth_testkit::Postgres::shared().await.unwrap().database().await.unwrap();
    let server =
        embedded().on(&database).set("MF_AUTH_DB_ACQUIRE_TIMEOUT", "5s").start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let (_, key) = make_key(&server, &login).await;
    identify(&server, &key).await.unwrap();
    let disable = "UPDATE keyward_accounts SET status = 'disabled' WHERE email = 'ada@example.com'";
    database.execute(disable).await.unwrap();
    eventually("it is out", Duration::from_secs(10), async || {
        let answers = [identify(&server, &key).await, identify(&server, &login).await];
        answers.iter().all(|answer| {
            answer.as_ref().is_err_and(|status| status.code() == Code::Unauthenticated)
        })
    })
    .await;
}

#[tokio::test]
async fn a_status_survives_backup_and_restore() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let root = server.admin().await.unwrap();
        let ada = server.user("ada@example.com").await.unwrap();
        let id = identify(&server, &ada).await.unwrap();
        let (_, key) = make_key(&server, &ada).await;
        assert_eq!(status(&server, &id, "disable", &root).await, 204, "{store}");
        let taken = ask(&server, Method::GET, "/backup", Some(&root), None).await;
        let document = taken.text().await.unwrap();
        let fresh = embedded().set("MF_USERS_ADMIN_EMAIL", "other@example.com");
        let fresh = fresh.start().await.unwrap();
        let other = fresh.login("other@example.com", PASSWORD).await.unwrap();
        let request = fresh.client.post(fresh.url("/restore")).bearer_auth(&other);
        let request = request.header("content-type", "application/json").body(document);
        let restored = request.send().await.unwrap();
        assert!(restored.status().is_success(), "{store}: {}", restored.text().await.unwrap());
        let shown = ask(&fresh, Method::GET, &format!("/users/{id}"), Some(&other), None).await;
        assert_eq!(shown.json::<Value>().await.unwrap()["status"], "disabled", "{store}");
        assert_eq!(code(identify(&fresh, &key).await), Code::Unauthenticated, "{store}");
        assert_eq!(status(&fresh, &id, "enable", &other).await, 204, "{store}");
        assert_eq!(identify(&fresh, &key).await.unwrap(), id, "{store}");
    }
}

/// People are elsewhere then, and so is who may sign in.
#[tokio::test]
async fn with_a_users_service_there_are_no_such_routes() {
    let users = Users::start(1).await;
    let setup: Setup = embedded()
        .set("MF_USERS_GRPC_URL", users.address.to_string())
        .unset("MF_USERS_ADMIN_EMAIL")
        .unset("MF_USERS_ADMIN_PASSWORD");
    let server = setup.start().await.unwrap();
    for (method, path) in [
        (Method::POST, "/users"),
        (Method::GET, "/users"),
        (Method::PUT, "/users"),
        (Method::POST, "/users/search"),
        (Method::GET, "/users/x"),
        (Method::POST, "/users/x/enable"),
        (Method::POST, "/users/x/disable"),
    ] {
        let answer = ask(&server, method.clone(), path, None, Some(json!({}))).await;
        assert_eq!(answer.status(), 404, "{method} {path}");
    }
}

/// The password of every account here.
const PASSWORD: &str = auth_testkit::ADMIN_PASSWORD;
