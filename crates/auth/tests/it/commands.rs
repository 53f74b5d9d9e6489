//! The operator's commands, one by one, by the real binary on both stores.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use auth_testkit::{Database, Postgres, SECRET, Setup};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::importing::{self, Importing};
use crate::world::{embedded, eventually, get, stores};

/// What a command printed to standard output, and its exit code.
async fn told(setup: &Setup, arguments: &[&str], typed: &str) -> (i32, String, String) {
    let mut child = setup.spawn(arguments, Stdio::piped()).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Whoever does not read what is typed has ended.
    let _ = stdin.write_all(typed.as_bytes()).await;
    drop(stdin);
    let ended = child.wait_with_output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ended.status.code().unwrap(), text(ended.stdout), text(ended.stderr))
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).expect(text)
}

#[tokio::test]
async fn check_config_finds_nothing_where_a_start_succeeds() {
    for (store, setup) in stores().await {
        // Without mail, addresses of people who sign up are not proved.
        let setup = setup.set("MF_USERS_SELF_REGISTER_ENABLED", "false");
        let (code, said, problems) = told(&setup, &["check-config"], "").await;
        assert_eq!((code, &*said), (0, "the settings are good\n"), "{store}: {problems}");
        let (code, said, _) = told(&setup, &["check-config", "--json"], "").await;
        assert_eq!(
            (code, document(&said)),
            (0, json!({ "problems": [], "warnings": [] })),
            "{store}"
        );
    }
    let setup = embedded();
    told(&setup, &["check-config"], "").await;
    assert!(!setup.data_dir().exists(), "nothing is made");
}

#[tokio::test]
async fn check_config_names_everything_that_is_wrong_each_in_one_line() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("file");
    std::fs::write(&file, "no certificate").unwrap();
    let file = file.display().to_string();
    let setup = embedded()
        .set("MF_AUTH_SECRET", "short")
        .set("MF_AUTH_HTTP_PORT", "99999")
        .set("MF_AUTH_LEASE", "forever")
        .set("MF_AUTH_DB_PASS_FILE", "/nowhere/password")
        .set("MF_AUTH_GRPC_CLIENT_CA", &*file)
        .set("MF_AUTH_SERVER_CERT", &*file)
        .set("MF_AUTH_SERVER_KEY", &*file)
        .set("MF_AUTH_SIGNING_KEYS", "/nowhere/keys")
        .set("MF_AUTH_ES_URL", "redis://localhost:6379/zero")
        .set("MF_EMAIL_HOST", "mail example com")
        .set("MF_EMAIL_FROM_ADDRESS", "keyward@example.com")
        .set("MF_USERS_GRPC_URL", "users:8184")
        .set("MF_USERS_CLIENT_TLS", "true")
        .set("MF_USERS_CA_CERTS", "/nowhere/ca.pem")
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere")
        .set("MF_AUTH_DATA_DIR", format!("{file}/data"))
        .set("MF_AUTH_HTPP_PORT", "1")
        .set("MF_EMAIL_TEMPLATES_DIR", "/nowhere/templates");
    let (code, said, _) = told(&setup, &["check-config"], "").await;
    assert_eq!(code, 1);
    let lines: Vec<_> = said.lines().collect();
    for begins in [
        "MF_AUTH_SECRET: ",
        "MF_AUTH_HTTP_PORT=99999: ",
        "MF_AUTH_LEASE=forever: ",
        "MF_AUTH_DB_PASS_FILE: /nowhere/password ",
        "MF_AUTH_SERVER_CERT: ",
        "MF_AUTH_SIGNING_KEYS: /nowhere/keys: cannot be read: ",
        "MF_AUTH_ES_URL: ",
        "MF_EMAIL_HOST: ",
        "MF_USERS_GRPC_URL: /nowhere/ca.pem",
        "OTEL_EXPORTER_OTLP_ENDPOINT ",
        "MF_AUTH_DATA_DIR: ",
        "warning: MF_AUTH_HTPP_PORT ",
        "warning: MF_EMAIL_TEMPLATES_DIR: ",
    ] {
        let named = lines.iter().filter(|line| line.starts_with(begins)).count();
        assert!(named >= 1, "no line begins with {begins}:\n{said}");
    }
    assert!(!said.contains("the settings are good") && !said.contains("zero"), "{said}");
    let (code, said, _) = told(&setup, &["check-config", "--json"], "").await;
    let (document, warnings) =
        (document(&said), lines.iter().filter(|it| it.starts_with("warning: ")));
    assert_eq!(code, 1);
    assert_eq!(document["warnings"].as_array().unwrap().len(), warnings.count());
    assert_eq!(document["problems"].as_array().unwrap().len(), 11, "{said}");
    // Each of them alone stops a start, too; what stands in the flags is told alone.
    let (code, _, said) = told(&setup, &[], "").await;
    assert_eq!((code, said.lines().count()), (1, 1), "{said}");
    let (code, _, said) = told(&embedded(), &["check-config", "--http-port", "99999"], "").await;
    assert!(code == 1 && said.contains("99999"), "{said}");
}

#[tokio::test]
async fn check_config_names_contradictions_and_a_secret_that_was_spoiled() {
    let setup = embedded()
        .unset("MF_AUTH_SECRET")
        .set("MF_AUTH_SERVER_KEY", "/nowhere/key.pem")
        .set("MF_AUTH_LEASE", "1s")
        .set("MF_AUTH_LEASE_RENEWAL", "1s")
        .set("MF_AUTH_OPS_PORT", "7000")
        .set("MF_AUTH_HTTP_PORT", "7000");
    std::fs::create_dir(setup.data_dir()).unwrap();
    std::fs::write(setup.data_dir().join("secret"), "auth\n").unwrap();
    let (code, said, _) = told(&setup, &["check-config"], "").await;
    assert_eq!((code, said.lines().count()), (1, 4), "{said}");
    for part in
        ["MF_AUTH_SERVER_CERT", "MF_AUTH_LEASE_RENEWAL", "are both 7000", "published default"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(std::fs::read_dir(setup.data_dir()).unwrap().count(), 1, "nothing is made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_is_created_once_and_the_service_knows_them() {
    for (store, setup) in stores().await {
        let setup = setup.unset("MF_USERS_ADMIN_EMAIL").unset("MF_USERS_ADMIN_PASSWORD");
        let create = ["admin", "create", "--email", "root@example.com", "--json"];
        let (code, said, log) = told(&setup, &create, "a-password-typed\n").await;
        assert_eq!(code, 0, "{store}: {log}");
        assert_eq!(
            document(&said),
            json!({ "email": "root@example.com", "platform_role": "root" })
        );
        assert!(!log.contains("root@example.com") && !log.contains("a-password"), "{log}");

        let server = setup.start().await.unwrap();
        let root = server.login("root@example.com", "a-password-typed").await.unwrap();
        assert_eq!(get(&server, "/platform-roles", &root).await.status(), 200, "{store}");
        let bob = server.user("bob@example.com").await.unwrap();
        if store == "postgres" {
            // Beside the service that runs.
            let file = setup.data_dir().with_file_name("password");
            std::fs::write(&file, "another-password\r\nnot this\n").unwrap();
            let file = file.display().to_string();
            let create =
                ["admin", "create", "--email", "two@example.com", "--password-file", &file];
            let (code, said, log) = told(&setup, &create, "").await;
            assert_eq!(code, 0, "{log}");
            assert!(said.contains("two@example.com"), "{said}");
            let two = server.login("two@example.com", "another-password").await.unwrap();
            assert_eq!(get(&server, "/platform-roles", &two).await.status(), 200);
        } else {
            let (code, _, said) = told(&setup, &create, "another-password\n").await;
            assert!(code == 1 && said.contains("in use by another process"), "{said}");
        }
        server.stop().await.unwrap();

        // Somebody who is there is neither made a root nor given another password.
        for email in ["root@example.com", "bob@example.com"] {
            let create = ["admin", "create", "--email", email];
            let (code, said, problem) = told(&setup, &create, "another-password\n").await;
            assert_eq!((code, &*said), (1, ""), "{store}: {problem}");
            assert!(problem.contains("already"), "{problem}");
        }
        let server = setup.start().await.unwrap();
        assert_eq!(get(&server, "/platform-roles", &bob).await.status(), 403, "{store}");
        server.login("bob@example.com", "another-password").await.unwrap_err();
        server.login("root@example.com", "a-password-typed").await.unwrap();
    }
}

#[tokio::test]
async fn an_admin_that_cannot_be_is_refused_and_nothing_is_opened() {
    let setup = embedded();
    let create = |email: &'static str| vec!["admin", "create", "--email", email];
    for (setup, arguments, typed, part) in [
        (setup.clone(), create("root@example.com"), "", "no password on its first line"),
        (setup.clone(), create("root@example.com"), "\n\n", "no password on its first line"),
        (setup.clone(), create("root@example.com"), "short\n", "MF_USERS_PASS_REGEX"),
        (setup.clone(), create("nobody"), "a-password-typed\n", "e-mail address"),
        (setup.clone(), vec!["admin", "create"], "a-password-typed\n", "--email"),
        (setup.clone(), vec!["admin"], "", "create"),
        (
            setup.clone().set("MF_USERS_GRPC_URL", "users:8184"),
            create("root@example.com"),
            "a-password-typed\n",
            "MF_USERS_GRPC_URL",
        ),
    ] {
        let (code, _, said) = told(&setup, &arguments, typed).await;
        assert!(code != 0 && said.contains(part), "{arguments:?}: {said}");
        assert!(!said.contains("a-password-typed") && !said.contains("panicked"), "{said}");
    }
    let server = setup.start().await.unwrap();
    server.login("root@example.com", "short").await.unwrap_err();
}

#[tokio::test]
async fn every_shell_gets_a_script_that_knows_commands_and_settings_and_no_secret() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, problem) = told(&embedded(), &["completions", shell], "").await;
        assert_eq!(code, 0, "{problem}");
        for word in ["check-config", "migrate", "http-port", "with-password-hashes"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        for secret in ["grpc-tokens", "verify-secrets", "db-pass", SECRET] {
            assert!(!script.contains(secret), "{shell}: {secret}");
        }
        if shell == "bash" {
            let mut check = tokio::process::Command::new("bash")
                .arg("-n")
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            check.stdin.take().unwrap().write_all(script.as_bytes()).await.unwrap();
            assert!(check.wait().await.unwrap().success(), "bash does not read it");
        }
    }
    assert_ne!(told(&embedded(), &["completions", "cmd"], "").await.0, 0);
}

#[tokio::test]
async fn what_a_command_says_can_be_read_by_programs() {
    let setup = embedded();
    let server = setup.start().await.unwrap();
    let asked = setup.clone().set("MF_AUTH_OPS_PORT", server.ops.port().to_string());
    let (code, said, _) = told(&asked, &["health", "--json"], "").await;
    assert_eq!((code, &document(&said)["status"]), (0, &json!("ready")));
    let body = json!({ "name": "acme" });
    let admin = server.admin().await.unwrap();
    server.send(Method::POST, "/orgs", Some(&admin), Some(&body)).await.unwrap();
    server.stop().await.unwrap();
    let file = setup.data_dir().with_file_name("all.json").display().to_string();
    let (code, said, _) = told(&setup, &["backup", "--json", "--output", &file], "").await;
    let report = document(&said);
    assert_eq!((code, report["left_out"].as_u64()), (0, Some(0)));
    assert!(report["rows"].as_u64().unwrap() >= 3, "{said}");
    let (_, said, log) = told(&setup, &["backup", "--json"], "").await;
    assert!(document(&said)["orgs"].is_array(), "the backup is the output");
    assert!(log.lines().any(|line| document(line) == report), "{log}");
}

/// Runs a command whose work this holds up in that database until it has said how far it is, and gives what it said.
async fn held_up(setup: Setup, arguments: Vec<String>, database: Database, by: &str) -> String {
    let hold = format!("BEGIN; {by}; SELECT pg_sleep(60); COMMIT");
    let holding = tokio::spawn({
        let database = database.clone();
        async move { database.execute(&hold).await }
    });
    let asleep = "SELECT 1 / count(*) FROM pg_stat_activity \
                  WHERE datname = current_database() AND wait_event = 'PgSleep'";
    eventually("it is held", Duration::from_mins(1), async || {
        database.execute(asleep).await.is_ok()
    })
    .await;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut child = setup.spawn(&arguments, Stdio::null()).unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let progress = async {
        loop {
            let line = said.next_line().await.unwrap().expect("it ended without a word");
            if line.starts_with("auth: ") {
                return line;
            }
        }
    };
    let line = tokio::time::timeout(Duration::from_mins(1), progress).await.unwrap();
    let wake = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE datname = current_database() AND wait_event = 'PgSleep'";
    database.execute(wake).await.unwrap();
    holding.await.unwrap().unwrap_err();
    assert!(child.wait_with_output().await.unwrap().status.success(), "{line}");
    line
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_long_work_is_told_how_far_it_is() {
    let empty = Postgres::shared().await.unwrap().database().await.unwrap();
    let migrating = embedded().on(&empty);
    let original = importing::original(&[]).await;
    let importing = Importing::new(embedded(), &original);
    let words = |words: &[&str]| words.iter().copied().map(str::to_owned).collect::<Vec<_>>();
    let (migrated, imported) = tokio::join!(
        held_up(
            migrating,
            words(&["migrate"]),
            empty,
            "SELECT pg_advisory_lock(30229394876363364)"
        ),
        held_up(
            importing.setup.clone(),
            words(&importing.arguments(&[])),
            original,
            "LOCK TABLE users IN ACCESS EXCLUSIVE MODE"
        ),
    );
    for (line, part) in [
        (migrated, "auth: the schema is being brought up to date, "),
        (imported, "auth: 0 users read so far, after "),
    ] {
        assert!(line.starts_with(part), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_says_what_is_to_be_done_does_it_and_then_there_is_nothing() {
    for (store, setup) in stores().await {
        // It needs nothing else to be in order.
        let setup = setup.unset("MF_AUTH_SECRET");
        let (code, said, problem) = told(&setup, &["migrate", "--check"], "").await;
        assert_eq!(code, 2, "{store}: {problem}");
        let all: Vec<_> = said.lines().map(str::to_owned).collect();
        assert!(all.len() > 5 && all.iter().all(|line| line.starts_with("pending: 0")), "{said}");
        if store == "embedded" {
            assert!(!setup.data_dir().exists(), "it only looked");
        } else {
            assert_eq!(all[0], "pending: 0000_original");
        }
        let (code, said, problem) = told(&setup, &["migrate"], "").await;
        assert_eq!(code, 0, "{problem}");
        let ran: Vec<_> = said.lines().map(|line| line.replace("run: ", "pending: ")).collect();
        assert_eq!(ran, all, "{store}");
        for arguments in [vec!["migrate", "--check"], vec!["migrate"]] {
            let (code, said, problem) = told(&setup, &arguments, "").await;
            assert_eq!((code, &*said), (0, "the schema is up to date\n"), "{store}: {problem}");
        }
        let (code, said, _) = told(&setup, &["migrate", "--check", "--json"], "").await;
        assert_eq!((code, document(&said)), (0, json!({ "store": store, "pending": [] })));
        // Beside a service that runs.
        let server = setup.set("MF_AUTH_SECRET", SECRET).start().await.unwrap();
        server.user("ada@example.com").await.unwrap();
    }
}

#[tokio::test]
async fn migrate_check_finds_what_is_missing_and_refuses_what_is_newer() {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let setup = embedded().on(&database);
    assert_eq!(told(&setup, &["migrate"], "").await.0, 0);
    // As a release before the last migration left it, and a crash in the middle of an index.
    database.execute("DELETE FROM keyward_migrations WHERE version = 32").await.unwrap();
    let unfinished = "UPDATE pg_index SET indisvalid = false \
                      WHERE indexrelid = 'keyward_keys_issuer_id'::regclass";
    database.execute(unfinished).await.unwrap();
    let (code, said, _) = told(&setup, &["migrate", "--check", "--json"], "").await;
    let pending = json!(["0006_keyward_keys_issuer_id", "0032_keyward_foreign_writes"]);
    assert_eq!((code, &document(&said)["pending"]), (2, &pending));

    database
        .execute(
            "INSERT INTO keyward_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'from the future', TRUE, '', 0)",
        )
        .await
        .unwrap();
    for arguments in [vec!["migrate", "--check"], vec!["migrate"]] {
        let (code, said, problem) = told(&setup, &arguments, "").await;
        assert_eq!((code, &*said), (1, ""), "{problem}");
        assert!(problem.contains("version 9999, made by a newer version"), "{problem}");
    }
    let other = Postgres::shared().await.unwrap().database().await.unwrap();
    other.execute("CREATE TABLE groups ()").await.unwrap();
    let (code, _, problem) = told(&embedded().on(&other), &["migrate", "--check"], "").await;
    assert!(code == 1 && problem.contains("Mainflux auth 0.13"), "{problem}");
    let nowhere = embedded().on(&other).set("MF_AUTH_DB", "nowhere").set("MF_AUTH_DB_WAIT", "0s");
    assert_eq!(told(&nowhere, &["migrate", "--check"], "").await.0, 1);
}

#[tokio::test]
async fn migrate_check_looks_at_an_embedded_store_in_use_and_leaves_it_as_it_is() {
    let setup = embedded();
    let server = setup.start().await.unwrap();
    let (code, said, problem) = told(&setup, &["migrate", "--check"], "").await;
    assert_eq!((code, &*said), (0, "the schema is up to date\n"), "{problem}");
    let (code, _, problem) = told(&setup, &["migrate"], "").await;
    assert!(code == 1 && problem.contains("in use by another process"), "{problem}");
    server.user("ada@example.com").await.unwrap();
    server.kill().await.unwrap();
    let files = || -> BTreeMap<_, _> {
        let entries = std::fs::read_dir(setup.data_dir()).unwrap().map(Result::unwrap);
        entries.map(|it| (it.file_name(), std::fs::read(it.path()).unwrap().len())).collect()
    };
    let log = setup.data_dir().join("keyward.db-wal");
    assert!(log.exists(), "what was written last is still there");
    let before = files();
    assert_eq!(told(&setup, &["migrate", "--check"], "").await.0, 0);
    assert_eq!(files(), before);
    eventually("it is in the database", Duration::from_secs(20), async || {
        // Not every end waits for the connections to be closed.
        told(&setup, &["migrate"], "").await;
        !log.exists()
    })
    .await;
    let before = files();
    assert_eq!(told(&setup, &["migrate", "--check"], "").await.0, 0);
    assert_eq!(files(), before);
}
