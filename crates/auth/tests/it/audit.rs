//! The audit trail, as its readers see it.

use auth_grpc::proto::{AssignRoleReq, IssueReq};
use auth_testkit::{ADMIN_PASSWORD, Postgres, SECRET, Server, Setup};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{
    authorize, embedded, found, get, identify, make_key, postgres, sibling, stores,
};

/// The records that a path gives.
async fn records(server: &Server, path: &str, token: &str) -> Vec<Value> {
    let answer = get(server, path, token).await;
    let status = answer.status();
    let page: Value = answer.json().await.unwrap();
    assert_eq!(status, 200, "{path}: {page}");
    page["records"].as_array().unwrap().clone()
}

/// What the records say of one thing, newest first.
fn column(records: &[Value], name: &str) -> Vec<String> {
    let text = |record: &Value| record[name].as_str().unwrap_or_default().to_owned();
    records.iter().map(text).collect()
}

/// The records that `auth audit list` prints.
async fn listed(setup: &Setup, trail: &str) -> Vec<Value> {
    let (status, said) = setup.run(&["audit", "list", "--trail", trail]).await.unwrap();
    assert!(status.success(), "{said}");
    let lines = said.lines().filter(|line| line.starts_with("{\"action\""));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What `auth audit verify` says, and whether it is content.
async fn verify(setup: &Setup, told: &[&str]) -> (bool, String) {
    let (status, said) = setup.run(&[&["audit", "verify"], told].concat()).await.unwrap();
    (status.success(), said)
}

async fn put(server: &Server, path: &str, token: &str, body: Value) -> StatusCode {
    server.send(Method::PUT, path, Some(token), Some(&body)).await.unwrap().status()
}

#[tokio::test]
async fn s94_a_change_is_shown_to_the_platform_and_to_the_org_it_happened_in() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let admin = server.admin().await.unwrap();
        let ada = server.user("ada@example.com").await.unwrap();
        let bob = server.user("bob@example.com").await.unwrap();
        let eve = server.user("eve@example.com").await.unwrap();
        let (org, other) = (found(&server, &ada, "Acme").await, found(&server, &eve, "Eve").await);
        let path = format!("/orgs/{org}/memberships");
        let grant =
            |role| json!({ "org_memberships": [{ "email": "bob@example.com", "role": role }] });
        let added = server.send(Method::POST, &path, Some(&ada), Some(&grant("viewer"))).await;
        assert_eq!(added.unwrap().status(), 200, "{store}");
        let changed = server
            .client
            .put(server.url(&path))
            .bearer_auth(&ada)
            .header("x-request-id", "the-request-of-ada")
            .json(&grant("editor"))
            .send()
            .await
            .unwrap();
        assert_eq!(changed.status(), 200, "{store}");

        // The org's own see their own.
        let audit = format!("/orgs/{org}/audit");
        let of_org = records(&server, &audit, &ada).await;
        let actions = ["membership.update", "membership.create", "membership.create", "org.create"];
        assert_eq!(column(&of_org, "action"), actions, "{store}");
        let (id_of_ada, id_of_bob) =
            (identify(&server, &ada).await.unwrap(), identify(&server, &bob).await.unwrap());
        let update = &of_org[0];
        assert_eq!(update["actor"], format!("user:{id_of_ada}"));
        assert_eq!(update["actor_kind"], "session");
        assert_eq!(update["operation"], "update_org_memberships");
        assert_eq!(update["subject"], id_of_bob);
        assert_eq!(update["object"], org);
        assert_eq!(update["org_id"], org);
        assert_eq!(update["request_id"], "the-request-of-ada");
        assert_eq!(update["details"], json!({ "role": "editor", "role_before": "viewer" }));
        assert_eq!(update.get("peer"), None, "not for the admins of an org");
        assert_eq!(
            column(&records(&server, &format!("/orgs/{other}/audit"), &eve).await, "org_id"),
            [other.as_str(), other.as_str()]
        );
        for (token, path, status) in [
            (&bob, audit.as_str(), 403),
            (&eve, audit.as_str(), 404),
            (&ada, "/audit", 403),
            (&ada, &format!("{audit}?cursor=x"), 400),
            (&ada, &format!("{audit}?from=yesterday"), 400),
            (&ada, &format!("{audit}?trail=other"), 400),
        ] {
            assert_eq!(get(&server, path, token).await.status(), status, "{store}: {path}");
        }

        // The platform sees all of it, part by part, and from where.
        let all = records(&server, "/audit?limit=200", &admin).await;
        let update = all.iter().find(|record| record["place"] == update["place"]).unwrap();
        assert_eq!(update["peer"], "127.0.0.1", "{store}");
        let of_ada = format!("/audit?limit=200&actor=user:{id_of_ada}");
        assert_eq!(column(&records(&server, &of_ada, &admin).await, "action"), actions, "{store}");
        let of_bob = format!("/audit?object={id_of_bob}&action=membership.update");
        assert_eq!(records(&server, &of_bob, &admin).await.len(), 1, "{store}");
        let (mut parts, mut path) = (Vec::new(), "/audit?limit=3".to_owned());
        loop {
            let page: Value = get(&server, &path, &admin).await.json().await.unwrap();
            parts.extend(page["records"].as_array().unwrap().clone());
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/audit?limit=3&cursor={cursor}");
        }
        assert_eq!(parts, all, "{store}");
        // A cursor of one list is none of another.
        let page: Value = get(&server, "/audit?limit=1", &admin).await.json().await.unwrap();
        let foreign = format!("{audit}?cursor={}", page["next_cursor"].as_str().unwrap());
        assert_eq!(get(&server, &foreign, &ada).await.status(), 400, "{store}");
    }
}

#[tokio::test]
async fn s94_whoever_asks_is_named_by_how_they_proved_it() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let admin = server.admin().await.unwrap();
        let ada = server.user("ada@example.com").await.unwrap();
        let (key, value) = make_key(&server, &ada).await;
        found(&server, &value, "by key").await;
        let id = identify(&server, &ada).await.unwrap();
        let assign = AssignRoleReq { id: id.clone(), role: "admin".to_owned() };
        sibling(&server).await.assign_role(assign).await.unwrap();
        let all = records(&server, "/audit?limit=200", &admin).await;
        let who = |action: &str| {
            let record = all.iter().find(|record| record["action"] == action).unwrap();
            let text = |name: &str| record[name].as_str().unwrap().to_owned();
            (text("actor"), text("actor_kind"), text("operation"))
        };
        let three = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        let by_key = format!("user:{id}/key:{key}");
        assert_eq!(who("org.create"), three(&by_key, "key", "create_org"), "{store}");
        let (service, kind, operation) = who("platform_role.assign");
        assert!(service.starts_with("service:"), "{service}");
        assert_eq!((kind.as_str(), operation.as_str()), ("service", "assign_role"), "{store}");
        let first = all.last().unwrap();
        assert_eq!(first["actor"], "system", "{store}: {first}");
        assert_eq!(first["operation"], "bootstrap_admin", "{store}");
        server.stop().await.unwrap();

        let files = tempfile::tempdir().unwrap();
        let file = files.path().join("all.json");
        let file = file.to_str().unwrap();
        let (status, said) = setup.run(&["backup", "--output", file]).await.unwrap();
        assert!(status.success(), "{said}");
        let elsewhere = embedded();
        let (status, said) = elsewhere.run(&["restore", "--input", file]).await.unwrap();
        assert!(status.success(), "{said}");
        let restored = listed(&elsewhere, "changes").await;
        assert!(restored.iter().all(|record| record["actor"] == "operator"), "{restored:?}");
        assert_eq!(restored.last().unwrap()["action"], "backup.restore", "{store}");
        assert!(verify(&elsewhere, &[]).await.0);
    }
}

#[tokio::test]
async fn s94_no_secret_and_no_address_is_in_the_trail() {
    let setup = embedded();
    let server = setup.start().await.unwrap();
    let ada = server.user("ada.lovelace@example.com").await.unwrap();
    let (_, key) = make_key(&server, &ada).await;
    let org = found(&server, &ada, "Acme").await;
    let wrong = "a-password-that-is-wrong";
    server.login("ada.lovelace@example.com", wrong).await.unwrap_err();
    server.login("nobody@example.com", wrong).await.unwrap_err();
    let issue = IssueReq {
        id: identify(&server, &ada).await.unwrap(),
        email: "ada.lovelace@example.com".to_owned(),
        r#type: 1,
    };
    let recovery = sibling(&server).await.issue(issue).await.unwrap().into_inner().value;
    let forged = format!("{}.{}", ada.rsplit_once('.').unwrap().0, "A".repeat(43));
    get(&server, "/audit", &forged).await;
    let invite =
        json!({ "email": "eve@example.com", "role": "viewer", "redirect_path": "/invites" });
    server.user("eve@example.com").await.unwrap();
    let path = format!("/orgs/{org}/invites");
    server.send(Method::POST, &path, Some(&ada), Some(&invite)).await.unwrap();
    server.stop().await.unwrap();
    let mut said = String::new();
    for trail in ["changes", "attempts"] {
        let records = listed(&setup, trail).await;
        assert!(records.len() >= 3, "{records:?}");
        said.push_str(&Value::from(records).to_string());
    }
    for secret in ["example.com", ADMIN_PASSWORD, wrong, SECRET] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
    for token in [&ada, &key, &recovery, &forged] {
        assert!(token.split('.').skip(1).all(|part| !said.contains(part)), "{said}");
    }
}

#[tokio::test]
async fn s94_sign_ins_and_refusals_are_summed_up_and_checks_are_not_there() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let bob = server.user("bob@example.com").await.unwrap();
        let id = identify(&server, &bob).await.unwrap();
        let org = found(&server, &server.admin().await.unwrap(), "Acme").await;
        let path = format!("/platform-roles/{id}");
        for _ in 0..200 {
            assert_eq!(put(&server, &path, &bob, json!({ "role": "root" })).await, 403);
        }
        for _ in 0..100 {
            assert_eq!(put(&server, &path, "x.y.z", json!({ "role": "root" })).await, 401);
        }
        for _ in 0..5 {
            server.login("bob@example.com", "wrong-password").await.unwrap_err();
            authorize(&server, &bob, &org, "viewer").await.unwrap_err();
            identify(&server, "x.y.z").await.unwrap_err();
        }
        assert_eq!(get(&server, &format!("/orgs/{org}/audit"), &bob).await.status(), 404);
        // Somebody tries the doors, without a token or with none that could be one.
        for path in ["/audit", "/audit", "/orgs/"] {
            let asked = server.client.get(server.url(path)).send().await.unwrap();
            assert_eq!(asked.status(), 401, "{store} {path}");
        }
        let odd = server.client.delete(server.url("/keys")).bearer_auth("x".repeat(9_000));
        assert_eq!(odd.send().await.unwrap().status(), 401, "{store}");
        server.stop().await.unwrap();

        let attempts = listed(&setup, "attempts").await;
        let find = |operation: &str, outcome: &str| {
            let fits =
                |record: &&Value| record["operation"] == operation && record["outcome"] == outcome;
            let found: Vec<_> = attempts.iter().filter(fits).collect();
            assert_eq!(found.len(), 1, "{store}: {operation} {outcome}: {attempts:?}");
            found[0].clone()
        };
        let refused = find("grant_role", "forbidden");
        assert_eq!((&refused["count"], &refused["action"]), (&json!(200), &json!("refusal")));
        assert_eq!(refused["actor"], format!("user:{id}"), "{store}");
        assert_eq!(refused["peer"], "127.0.0.1", "{store}");
        assert_eq!(find("grant_role", "invalid_token")["count"], 100, "{store}");
        let guessed = find("login", "bad_credentials");
        assert_eq!((&guessed["count"], &guessed["subject"]), (&json!(5), &json!(id)), "{store}");
        assert_eq!(guessed["action"], "sign_in", "{store}");
        assert_eq!(find("list_org_audit", "not_found")["count"], 1, "{store}");
        let door = find("list_audit", "missing_token");
        assert_eq!((&door["count"], &door["actor"]), (&json!(2), &json!("anonymous")), "{store}");
        assert_eq!(door["peer"], "127.0.0.1", "{store}");
        assert_eq!(find("view_org", "missing_token")["count"], 1, "{store}");
        assert_eq!(find("revoke_keys", "invalid_token")["count"], 1, "{store}");
        for record in &attempts {
            let operation = record["operation"].as_str().unwrap();
            assert!(!["identify", "authorize"].contains(&operation), "{store}: {record}");
        }
        assert!(attempts.len() <= 11, "{store}: {attempts:?}");
        assert!(verify(&setup, &[]).await.0, "{store}");
    }
}

/// The end of the changes, as it is printed.
fn end(said: &str) -> &str {
    let line = said.lines().find(|line| line.starts_with("changes: ")).unwrap();
    line.rsplit(' ').next().unwrap()
}

#[tokio::test]
async fn s95_verifying_says_whether_anything_was_touched() {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let setup = embedded().on(&database).set("MF_AUTH_DB_ACQUIRE_TIMEOUT", "5s");
    let server = setup.start().await.unwrap();
    let admin = server.admin().await.unwrap();
    for _ in 0..3 {
        found(&server, &admin, "Acme").await;
    }
    let (sound, said) = verify(&setup, &[]).await;
    assert!(sound && said.contains("changes: 8 records, from 1 to 8;"), "{said}");
    let kept = end(&said).to_owned();
    found(&server, &admin, "Acme").await;
    let (sound, said) = verify(&setup, &["--expect", &kept]).await;
    assert!(sound && said.contains("from 1 to 10;"), "{said}");
    let (sound, said) = verify(&setup, &["--expect", &kept.replacen('8', "9", 1)]).await;
    assert!(!sound && said.contains("changes: WRONG: record 9 is not there"), "{said}");
    let (sound, said) = verify(&setup, &["--expect", "8:x"]).await;
    assert!(!sound && said.contains("64 hexadecimal digits"), "{said}");

    // Another secret has to know the one before, until it has sealed a record of its own.
    let other = setup.clone().set("MF_AUTH_SECRET", "another secret that is made up for tests");
    let (sound, said) = verify(&other, &[]).await;
    assert!(!sound && said.contains("MF_AUTH_VERIFY_SECRETS"), "{said}");
    let knowing = other.clone().set("MF_AUTH_VERIFY_SECRETS", SECRET);
    assert!(verify(&knowing, &[]).await.0);
    server.stop().await.unwrap();
    let server = knowing.start().await.unwrap();
    found(&server, &server.admin().await.unwrap(), "Acme").await;
    server.stop().await.unwrap();
    assert!(verify(&other, &["--expect", &kept]).await.0);

    let touch = "ALTER TABLE keyward_audit DISABLE TRIGGER USER; \
                 UPDATE keyward_audit SET actor = 'user:somebody' WHERE trail = 'changes' AND place = 4; \
                 INSERT INTO keyward_audit SELECT 'changes', 99, occurred_at, actor, peer, request_id, \
                 trace_id, operation, action, subject, object, org, outcome, count, details, hash \
                 FROM keyward_audit WHERE trail = 'changes' AND place = 5";
    database.execute(touch).await.unwrap();
    let (sound, said) = verify(&other, &[]).await;
    assert!(!sound && said.contains("changes: WRONG: record 4 is not as it was written"), "{said}");
    assert!(said.contains("changes: WRONG: record 99 is outside of the trail"), "{said}");
}

#[tokio::test]
async fn s95_a_careless_change_of_the_secret_is_explained_and_stays_in_the_trail() {
    let setup = embedded();
    let server = setup.start().await.unwrap();
    found(&server, &server.admin().await.unwrap(), "Acme").await;
    server.stop().await.unwrap();
    let other = setup.clone().set("MF_AUTH_SECRET", "another secret that is made up for tests");
    let server = other.start().await.unwrap();
    found(&server, &server.admin().await.unwrap(), "Acme").await;
    server.stop().await.unwrap();

    let (sound, said) = verify(&other, &[]).await;
    assert!(!sound, "{said}");
    let place = |trail: &str| {
        let begins = format!("{trail}: WRONG: record ");
        let line = said.lines().find_map(|line| line.strip_prefix(&begins)).expect(&said);
        line.split(' ').next().unwrap().to_owned()
    };
    let (changes, attempts) = (place("changes"), place("attempts"));
    let acknowledge = async |place: &str, more: &[&str]| {
        let told = [&["audit", "acknowledge", place, "--reason", "no two steps"], more].concat();
        other.run(&told).await.unwrap()
    };
    let (status, said) = acknowledge("1", &[]).await;
    assert!(!status.success() && said.contains("record 1 does not say"), "{said}");
    let (status, said) = acknowledge(&changes, &[]).await;
    assert!(status.success() && said.contains("is acknowledged"), "{said}");
    assert!(!acknowledge(&changes, &[]).await.0.success(), "once is enough");
    assert!(!verify(&other, &[]).await.0, "the other trail is not explained");
    let (status, said) = acknowledge(&attempts, &["--trail", "attempts", "--json"]).await;
    assert!(status.success() && said.contains("\"acknowledged\""), "{said}");

    let (sound, said) = verify(&other, &[]).await;
    assert!(sound && !said.contains("WRONG"), "{said}");
    let explained = format!("changes: explained: record {changes} says that the service found");
    assert!(said.contains(&explained) && said.contains("\"no two steps\""), "{said}");
    let record = listed(&other, "changes").await.pop().unwrap();
    assert_eq!((&record["actor"], &record["object"]), (&json!("operator"), &json!(changes)));

    // What was printed is found again, in either trail.
    let (_, said) = other.run(&["audit", "verify", "--json"]).await.unwrap();
    let report: Value =
        serde_json::Deserializer::from_str(&said).into_iter().next().unwrap().unwrap();
    assert_eq!(report["sound"], true, "{report}");
    let ends: Vec<String> = report["trails"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{}:{}", it["trail"].as_str().unwrap(), it["end"].as_str().unwrap()))
        .collect();
    let expect: Vec<&str> = ends.iter().flat_map(|end| ["--expect", end]).collect();
    let (sound, said) = verify(&other, &expect).await;
    assert!(sound, "{said}");
    let gone = format!("attempts:9{}", ends[1].strip_prefix("attempts:").unwrap());
    let (sound, said) = verify(&other, &["--expect", &ends[0], "--expect", &gone]).await;
    assert!(!sound && said.contains("attempts: WRONG: record 9"), "{said}");
}

#[tokio::test]
async fn s94_a_commit_that_was_answered_has_its_records_after_a_crash() {
    for setup in [embedded(), postgres().await] {
        let server = setup.start().await.unwrap();
        let admin = server.admin().await.unwrap();
        let founded = crate::world::killed_while_founding(server, &admin).await;
        let records = listed(&setup, "changes").await;
        let orgs: Vec<String> = records
            .iter()
            .filter(|record| record["action"] == "org.create")
            .map(|record| record["object"].as_str().unwrap().to_owned())
            .collect();
        assert!(founded.iter().all(|org| orgs.contains(org)), "{founded:?} {orgs:?}");
        let (sound, said) = verify(&setup, &[]).await;
        assert!(sound, "{said}");
        let server = setup.start().await.unwrap();
        let admin = server.admin().await.unwrap();
        let page: Value = get(&server, "/orgs?limit=200", &admin).await.json().await.unwrap();
        assert_eq!(
            page["total"],
            orgs.len(),
            "no org without its record, and no record without its org"
        );
    }
}

/// A trail that begins with the question would be right, whatever was there.
#[tokio::test]
async fn s95_whoever_only_looks_makes_no_store() {
    for (store, setup) in stores().await {
        for told in [["audit", "verify"], ["audit", "list"]] {
            let (status, said) = setup.run(&told).await.unwrap();
            assert_eq!(status.code(), Some(1), "{store}: {said}");
            assert!(said.contains("auth migrate"), "{store}: {said}");
        }
        let (status, said) = setup.run(&["migrate", "--check"]).await.unwrap();
        assert_eq!(status.code(), Some(2), "{store}: {said}");
        assert!(said.contains("pending: 0001_"), "{store}: {said}");
        assert!(setup.run(&["migrate"]).await.unwrap().0.success());
        assert!(verify(&setup, &[]).await.0, "{store}");
    }
}
