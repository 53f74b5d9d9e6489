//! Text is data: wherever it is put, it is never a statement.

use std::time::{Duration, Instant};

use auth_testkit::workspace;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{authorize, code, found, get, identify, postgres};

/// What would end a string, a list or a statement, and then take its time or something away.
const PROBES: [&str; 8] = [
    "' OR '1'='1",
    "'; SELECT pg_sleep(8); --",
    "') OR pg_sleep(8) IS NULL --",
    "\"; DROP TABLE orgs; --",
    "$1); DROP TABLE orgs; --",
    "\\'; SELECT pg_sleep(8); --",
    "{\"a\":\"' || pg_sleep(8) || '\"}",
    "id; SELECT pg_sleep(8)",
];

/// Every character escaped, for a path or a query.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |escaped, byte| escaped + &format!("%{byte:02X}"))
}

#[tokio::test]
async fn s64_go22_no_text_becomes_a_statement() {
    let server = postgres().await.start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let org = found(&server, &login, "acme").await;
    for probe in PROBES {
        let text = escaped(probe);
        let mut asked = Vec::new();
        for path in [
            format!("/orgs/{text}"),
            format!("/keys/{text}"),
            format!("/orgs/{org}/members/{text}"),
            format!("/orgs/{text}/memberships"),
            format!("/platform-roles?offset={text}"),
        ] {
            asked.push((Method::GET, path, None));
        }
        for name in ["name", "metadata", "order", "dir", "limit", "offset"] {
            asked.push((Method::GET, format!("/orgs?{name}={text}"), None));
        }
        for name in ["email", "role", "order", "dir"] {
            asked.push((Method::GET, format!("/orgs/{org}/memberships?{name}={text}"), None));
        }
        let memberships = format!("/orgs/{org}/memberships");
        let grant = json!({ "email": probe, "role": "viewer" });
        let edit = json!({ "name": probe, "description": probe, "metadata": { probe: probe } });
        for (method, path, body) in [
            (Method::POST, "/orgs".to_owned(), edit.clone()),
            (Method::PUT, format!("/orgs/{org}"), edit),
            (Method::PATCH, "/orgs".to_owned(), json!({ "org_ids": [probe] })),
            (Method::POST, "/orgs/search".to_owned(), json!({ "name": probe, "order": probe })),
            (Method::POST, memberships.clone(), json!({ "org_memberships": [grant] })),
            (Method::PATCH, memberships, json!({ "member_ids": [probe] })),
            (Method::PUT, format!("/orgs/{org}/owner"), json!({ "member_id": probe })),
            (Method::POST, "/tokens".to_owned(), json!({ "email": probe, "password": probe })),
        ] {
            asked.push((method, path, Some(body)));
        }
        let begun = Instant::now();
        for (method, path, body) in asked {
            let answer = server.send(method, &path, Some(&login), body.as_ref()).await.unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            assert!(!status.is_server_error(), "{path} {body:?}: {status} {text}");
            for word in ["syntax", "SQLSTATE", "relation"] {
                assert!(!text.contains(word), "{path}: {text}");
            }
        }
        code(authorize(&server, &login, probe, "viewer").await);
        code(identify(&server, probe).await);
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(8), "{probe} took {took:?}: something slept");
    }
    // It is all there: the org by its last name, and one more for each probe.
    let orgs: Value = get(&server, "/orgs", &login).await.json().await.unwrap();
    assert_eq!(orgs["total"], 1 + PROBES.len(), "{orgs}");
    let org: Value = get(&server, &format!("/orgs/{org}"), &login).await.json().await.unwrap();
    let last = PROBES[PROBES.len() - 1];
    assert_eq!((&org["name"], &org["metadata"][last]), (&json!(last), &json!(last)));
}

/// The database library takes text that was put together only if it is told that it is safe; the
/// stores say so in one place, of names that are their own.
#[test]
fn s64_statements_are_text_of_our_own() {
    let mut said = Vec::new();
    let mut folders: Vec<_> =
        ["postgres", "sqlite"].map(|store| workspace().join(format!("crates/{store}/src"))).into();
    while let Some(folder) = folders.pop() {
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let uses = code.lines().filter(|line| line.contains("AssertSqlSafe("));
            said.extend(uses.map(|line| line.trim().to_owned()));
        }
    }
    let index =
        "let statement = AssertSqlSafe(format!(\"DROP INDEX CONCURRENTLY IF EXISTS {index}\"));";
    assert_eq!(said, [index]);
}
