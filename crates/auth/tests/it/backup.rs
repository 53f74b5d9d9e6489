//! Backup and restore with the real binary, from either store to either.

use std::process::Stdio;
use std::time::Duration;

use auth_testkit::{ADMIN_EMAIL, ADMIN_PASSWORD, Postgres, Server, Setup};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::world::{embedded, eventually, found, get, identify, make_key, postgres, stores};

/// The document without what says when and where it was taken, and its seal.
fn content(text: &str) -> &str {
    let from = text.find(",\"orgs\":").unwrap();
    &text[from..text.rfind(",\"mac\":").unwrap()]
}

async fn backup(setup: &Setup, file: &std::path::Path) -> String {
    let (file, told) = (file.to_str().unwrap(), "--with-password-hashes");
    let (status, said) = setup.run(&["backup", "--output", file, told]).await.unwrap();
    assert!(status.success(), "{said}");
    std::fs::read_to_string(file).unwrap()
}

/// The report, from among the lines.
fn report(said: &str) -> Value {
    let (from, to) = (said.find("{\n").unwrap(), said.rfind("\n}").unwrap());
    serde_json::from_str(&said[from..to + 2]).unwrap()
}

/// People, orgs, members, a key: the ids of an org and the value of the key.
async fn inhabit(server: &Server) -> (String, String) {
    let ada = server.user("ada@example.com").await.unwrap();
    server.user("bob@example.com").await.unwrap();
    let org = found(server, &ada, "Acme \u{1F33B}").await;
    let body = json!({ "org_memberships": [{ "email": "bob@example.com", "role": "editor" }] });
    let path = format!("/orgs/{org}/memberships");
    let added = server.send(Method::POST, &path, Some(&ada), Some(&body)).await.unwrap();
    assert_eq!(added.status(), 200);
    (org, make_key(server, &ada).await.1)
}

async fn moves(from: Setup, to: Setup) {
    let files = tempfile::tempdir().unwrap();
    let server = from.start().await.unwrap();
    let (org, key) = inhabit(&server).await;
    server.stop().await.unwrap();
    let file = files.path().join("all.json");
    let text = backup(&from, &file).await;
    assert!(!files.path().join("all.json.partial").exists());

    let file = file.to_str().unwrap();
    let (status, said) = to.run(&["restore", "--input", file, "--dry-run"]).await.unwrap();
    assert!(status.success(), "{said}");
    assert_eq!(report(&said)["dry_run"], true);
    let (status, said) = to.run(&["restore", "--input", file]).await.unwrap();
    assert!(status.success(), "{said}");
    let told = report(&said);
    // The admin's, Ada's and Bob's.
    assert_eq!(told["accounts"]["created"], 3, "{said}");
    assert_eq!(told["org_memberships"]["created"], 2, "{said}");
    assert_eq!(content(&backup(&to, &files.path().join("again.json")).await), content(&text));
    let (status, said) = to.run(&["restore", "--input", file]).await.unwrap();
    assert!(status.success(), "{said}");
    assert_eq!(report(&said)["accounts"]["created"], 0, "{said}");

    // The first start opens no other account, and everybody gets in as before.
    let server = to.start().await.unwrap();
    let admin = server.login(ADMIN_EMAIL, ADMIN_PASSWORD).await.unwrap();
    assert_eq!(get(&server, "/platform-roles", &admin).await.status(), 200);
    let bob = server.login("bob@example.com", ADMIN_PASSWORD).await.unwrap();
    assert_eq!(get(&server, &format!("/orgs/{org}"), &bob).await.status(), 200);
    identify(&server, &key).await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r39_everything_moves_from_the_embedded_store_to_postgres() {
    moves(embedded(), postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r39_everything_moves_from_postgres_to_the_embedded_store() {
    moves(postgres().await, embedded()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s97_a_restore_that_is_killed_leaves_nothing() {
    for (store, setup) in stores().await {
        let source = embedded();
        let server = source.start().await.unwrap();
        inhabit(&server).await;
        server.stop().await.unwrap();
        let files = tempfile::tempdir().unwrap();
        let text = backup(&source, &files.path().join("all.json")).await;
        let (most, rest) = text.split_at(text.find("\"platform_roles\"").unwrap());

        let mut child = setup.spawn(&["restore"], Stdio::piped()).unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(most.as_bytes()).await.unwrap();
        // Blanks mean nothing here. It takes more of them than a pipe holds only when it is done with what
        // came before: seven lists are written, and the transaction is open.
        let blanks = vec![b' '; 2 * 1024 * 1024];
        timeout(Duration::from_mins(1), stdin.write_all(&blanks)).await.unwrap().unwrap();
        child.kill().await.unwrap();
        let again = backup(&setup, &files.path().join("none.json")).await;
        assert!(again.contains("\"orgs\":[],\"org_memberships\":[]"), "{store}: {again}");
        assert!(again.contains("\"revision\":0,"), "{store}: {again}");

        // Without a part it is no backup, either.
        let mut child = setup.spawn(&["restore"], Stdio::piped()).unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(most.as_bytes()).await.unwrap();
        drop(stdin);
        let ended = child.wait_with_output().await.unwrap();
        assert_eq!(ended.status.code(), Some(1), "{store}");
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(said.contains("nothing was restored"), "{store}: {said}");

        // And whole it is one, also when it comes by a pipe.
        let mut child = setup.spawn(&["restore"], Stdio::piped()).unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(most.as_bytes()).await.unwrap();
        stdin.write_all(rest.as_bytes()).await.unwrap();
        drop(stdin);
        let ended = child.wait_with_output().await.unwrap();
        assert!(ended.status.success(), "{store}: {}", String::from_utf8_lossy(&ended.stderr));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r22_a_client_that_hangs_up_in_the_middle_of_a_restore_leaves_nothing() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let admin = server.admin().await.unwrap();
        let id = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";
        let document =
            json!({ "orgs": [{ "id": id, "name": "Acme", "owner_id": id }] }).to_string();
        let mut client = tokio::net::TcpStream::connect(server.http).await.unwrap();
        let head = format!(
            "POST /restore HTTP/1.1\r\nHost: auth\r\nAuthorization: Bearer {admin}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            document.len()
        );
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&document.as_bytes()[..document.len() - 1]).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // Whatever it is told, if anything.
        let _ = client.read_to_end(&mut answer).await;
        let orgs: Value = get(&server, "/orgs", &admin).await.json().await.unwrap();
        assert_eq!(orgs["total"], 0, "{store}");
        // And nothing stands in the way of whoever comes next.
        let restored = async || {
            let body: Value = serde_json::from_str(&document).unwrap();
            let answer = server.send(Method::POST, "/restore", Some(&admin), Some(&body)).await;
            answer.unwrap().status() == StatusCode::CREATED
        };
        eventually("it is restored", Duration::from_secs(20), restored).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r39_a_backup_shows_one_moment_whatever_is_written_meanwhile() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let admin = server.admin().await.unwrap();
        let body = json!({ "name": "Acme" });
        let writes = async {
            for _ in 0..60 {
                let made = server.send(Method::POST, "/orgs", Some(&admin), Some(&body)).await;
                assert_eq!(made.unwrap().status(), 201, "{store}");
            }
        };
        let reads = async {
            let mut sizes = Vec::new();
            for _ in 0..6 {
                let answer = get(&server, "/backup", &admin).await;
                assert_eq!(answer.status(), 200, "{store}");
                let document: Value = answer.json().await.unwrap();
                let ids = |list: &str, name: &str| {
                    let rows = document[list].as_array().unwrap().iter();
                    rows.map(|row| row[name].as_str().unwrap().to_owned()).collect::<Vec<_>>()
                };
                assert_eq!(ids("orgs", "id"), ids("org_memberships", "org_id"), "{store}");
                assert!(document["mac"].is_string());
                sizes.push(document["orgs"].as_array().unwrap().len());
            }
            sizes
        };
        let ((), sizes) = tokio::join!(writes, reads);
        assert!(sizes.is_sorted(), "{store}: {sizes:?}");
        // One that came to its end can be restored.
        let text = get(&server, "/backup", &admin).await.text().await.unwrap();
        let answer = server
            .client
            .post(server.url("/restore?existing=skip"))
            .bearer_auth(&admin)
            .header("content-type", "application/json")
            .body(text)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 201, "{store}");
        let report: Value = answer.json().await.unwrap();
        assert_eq!(report["orgs"]["unchanged"], 60, "{store}");
    }
}

#[tokio::test]
async fn r39_a_backup_that_fails_in_the_middle_does_not_look_whole() {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let setup = embedded().on(&database).set("MF_AUTH_DB_ACQUIRE_TIMEOUT", "5s");
    let server = setup.start().await.unwrap();
    let admin = server.admin().await.unwrap();
    // 32 MB: more than there is room for on the way to a client that does not read.
    let many = "INSERT INTO orgs (id, owner_id, name, description, metadata, created_at, updated_at) \
        SELECT gen_random_uuid(), gen_random_uuid(), 'acme', '', \
        jsonb_build_object('a', repeat('x', 2000)), now(), now() FROM generate_series(1, 16000)";
    database.execute(many).await.unwrap();
    let mut answer = get(&server, "/backup", &admin).await;
    assert_eq!(answer.status(), 200);
    let first = answer.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"{\"format\":\"keyward-backup\""));
    // In the middle of the orgs it waits for us; its connection is cut.
    let cut = "DO $$ BEGIN IF (SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND state = 'idle in transaction' \
        AND query LIKE '%FROM orgs WHERE id > %') = 0 THEN RAISE 'it goes on'; END IF; END $$";
    eventually("it waits for us", Duration::from_mins(1), async || {
        database.execute(cut).await.is_ok()
    })
    .await;
    let mut read = first.len();
    let broke = loop {
        match answer.chunk().await {
            Ok(Some(part)) => read += part.len(),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broke && read < 32_000_000, "{read} bytes, and an end that looked like one");
    // The next one is whole.
    let whole = get(&server, "/backup", &admin).await.text().await.unwrap();
    assert!(whole.ends_with("\"}\n") && whole.len() > 32_000_000, "{} bytes", whole.len());
}

#[tokio::test]
async fn the_embedded_store_is_backed_up_when_nobody_uses_it() {
    let setup = embedded();
    let server = setup.start().await.unwrap();
    for command in ["backup", "restore"] {
        let (status, said) = setup.run(&[command]).await.unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("in use") && said.contains("must be stopped"), "{said}");
    }
    server.stop().await.unwrap();
    let (status, said) = setup.run(&["backup"]).await.unwrap();
    assert!(status.success() && said.contains("\"mac\":\""), "{said}");
}

#[tokio::test]
async fn s98_a_backup_under_another_secret_is_refused_unless_that_is_listed() {
    let source = embedded();
    let server = source.start().await.unwrap();
    server.stop().await.unwrap();
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("all.json");
    backup(&source, &file).await;
    let file = file.to_str().unwrap();
    let other = embedded().set("MF_AUTH_SECRET", "another secret that is made up for tests");
    let (status, said) = other.run(&["restore", "--input", file]).await.unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("nothing was restored") && said.contains("secret"), "{said}");
    let knowing = other.set("MF_AUTH_VERIFY_SECRETS", auth_testkit::SECRET);
    let (status, said) = knowing.run(&["restore", "--input", file]).await.unwrap();
    assert!(status.success(), "{said}");
}
