//! `auth import users` by the real binary: from a users database of the original into both stores.

use auth_testkit::{Database, Postgres, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};

use crate::users::id;
use crate::world::{embedded, get, identify, stores};

/// What the original's library makes of `password1`, at its cost and at the least there is.
const HASH: &str = "$2a$10$N9qo8uLOickgx2ZMRZoMyeqaHUS.wUmH7UmqsBUsBP5Yy3joGWyGu";
pub const CHEAP: &str = "$2a$04$N9qo8uLOickgx2ZMRZoMyeLLQUVWdPXwM1/2pOIq1F767FQWXptai";

/// A users database of the original with these rows: values of `users`.
pub async fn original(rows: &[String]) -> Database {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let schema = include_str!("../../../postgres/tests/mainflux_users_v033.sql");
    database.execute(schema).await.unwrap();
    for row in rows {
        database.execute(&format!("INSERT INTO users VALUES ({row})")).await.unwrap();
    }
    database
}

pub fn row(number: u32, email: &str, hash: &str, rest: &str) -> String {
    format!("'{}', '{email}', '{hash}', {rest}", id(number))
}

pub struct Importing {
    pub setup: Setup,
    from: String,
    password: String,
}

impl Importing {
    pub fn new(setup: Setup, original: &Database) -> Self {
        let Database { host, port, user, name, .. } = original;
        let password = setup.data_dir().with_file_name("users-password");
        std::fs::write(&password, &original.password).unwrap();
        let from = format!("postgres://{user}@{host}:{port}/{name}");
        Self { setup, from, password: password.display().to_string() }
    }

    /// The command, with these flags.
    pub fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let told = ["import", "users", "--from", &self.from, "--password-file", &self.password];
        told.into_iter().chain(more.iter().copied()).collect()
    }

    async fn run(&self, more: &[&str]) -> (bool, String) {
        let told = self.arguments(more);
        let (status, said) = self.setup.run(&told).await.unwrap();
        (status.success(), said)
    }

    /// The counts: whether it is written, and how many were read, brought in and here.
    async fn report(&self, more: &[&str]) -> (bool, Value) {
        let more: Vec<&str> = ["--json"].iter().chain(more).copied().collect();
        let (good, said) = self.run(&more).await;
        assert!(!said.contains("$2a$") && !said.contains('@'), "only ids are told: {said}");
        let start = said.find('{').expect(&said);
        let mut documents = serde_json::Deserializer::from_str(&said[start..]).into_iter();
        (good, documents.next().expect(&said).expect(&said))
    }

    /// Everybody's password hash, as a backup of the operator's has it.
    async fn hashes(&self) -> Vec<(String, String)> {
        let file = self.setup.data_dir().with_file_name("backup.json");
        let told = ["backup", "--with-password-hashes", "--output", file.to_str().unwrap()];
        let (status, said) = self.setup.run(&told).await.unwrap();
        assert!(status.success(), "{said}");
        let backup: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let accounts = backup["accounts"].as_array().unwrap().iter();
        accounts.map(|row| (text(&row["email"]), text(&row["password_hash"]))).collect()
    }

    async fn kinds(&self) -> Vec<(String, String)> {
        let kind = |hash: String| hash.split('$').nth(1).unwrap_or_default().to_owned();
        self.hashes().await.into_iter().map(|(email, hash)| (email, kind(hash))).collect()
    }
}

fn counts(report: &Value) -> [Value; 4] {
    ["written", "read", "created", "unchanged"].map(|name| report[name].clone())
}

async fn login(server: &Server, email: &str, password: &str) -> u16 {
    let body = json!({ "email": email, "password": password });
    let answer = server.send(Method::POST, "/tokens", None, Some(&body)).await.unwrap();
    answer.status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u8_r36_fw7_accounts_come_with_ids_and_passwords_and_are_hashed_anew_at_a_sign_in() {
    let original = original(&[
        row(1, "Ada@example.com", HASH, r#"'{"lang":"en"}', 'enabled'"#),
        row(2, "bob@example.com", CHEAP, "'{}', 'disabled'"),
        row(3, "carol@example.com", &CHEAP.replace("$2a$", "$2y$"), "NULL, 'enabled'"),
        row(4, "dan@example.com", &HASH.replace("$10$", "$31$"), "'{}', 'enabled'"),
        row(5, "eve@example.com", "short", "'{}', 'enabled'"),
    ])
    .await;
    let waiting = "INSERT INTO platform_invites VALUES \
        (gen_random_uuid(), 'new@example.com', now(), now() + interval '1 day', 'pending'), \
        (gen_random_uuid(), 'old@example.com', now(), now(), 'pending')";
    original.execute(waiting).await.unwrap();
    for (store, setup) in stores().await {
        let importing = Importing::new(setup, &original);
        let (good, dry) = importing.report(&["--dry-run"]).await;
        assert!(good, "{store}: {dry}");
        assert_eq!(counts(&dry), [json!(false), json!(5), json!(5), json!(0)], "{store}");
        assert!(importing.hashes().await.is_empty(), "{store}: a dry run writes nothing");
        let (good, report) = importing.report(&[]).await;
        assert!(good, "{store}: {report}");
        assert_eq!(counts(&report), [json!(true), json!(5), json!(5), json!(0)], "{store}");
        assert_eq!(report["unusable_hashes"], json!([id(4), id(5)]), "{store}");
        assert_eq!(report["left_behind"], json!({ "verifications": 0, "platform_invites": 1 }));

        let server = importing.setup.start().await.unwrap();
        for (email, password, status) in [
            ("ada@example.com", "password2", 401),
            ("ada@example.com", "password1", 201),
            ("bob@example.com", "password1", 401),
            ("carol@example.com", "password1", 201),
            ("dan@example.com", "password1", 401),
            ("eve@example.com", "short", 401),
        ] {
            assert_eq!(login(&server, email, password).await, status, "{store} {email} {password}");
        }
        let token = server.login("ada@example.com", "password1").await.unwrap();
        assert_eq!(identify(&server, &token).await.unwrap(), id(1), "{store}");
        let profile: Value = get(&server, "/users/profile", &token).await.json().await.unwrap();
        assert_eq!(profile["metadata"], json!({ "lang": "en" }), "{store}");
        // One of them has another password by now.
        let body = json!({ "old_password": "password1", "password": "a new long one" });
        let changed = server.send(Method::PATCH, "/password", Some(&token), Some(&body)).await;
        assert_eq!(changed.unwrap().status(), 201, "{store}");
        server.stop().await.unwrap();
        let mut kinds = importing.kinds().await;
        kinds.retain(|(email, _)| email != auth_testkit::ADMIN_EMAIL);
        kinds.sort();
        let expected = [
            ("Ada@example.com", "argon2id"),
            ("bob@example.com", "2a"),
            ("carol@example.com", "argon2id"),
            ("dan@example.com", ""),
            ("eve@example.com", ""),
        ];
        assert_eq!(
            kinds,
            expected.map(|(one, other)| (one.to_owned(), other.to_owned())),
            "{store}"
        );

        let (good, again) = importing.report(&[]).await;
        assert!(good, "{store}: {again}");
        assert_eq!(counts(&again), [json!(true), json!(5), json!(0), json!(5)], "{store}");
        let server = importing.setup.start().await.unwrap();
        assert_eq!(login(&server, "ada@example.com", "password1").await, 401, "{store}");
        assert_eq!(login(&server, "ada@example.com", "a new long one").await, 201, "{store}");
        server.stop().await.unwrap();

        let (status, trail) = importing.setup.run(&["audit", "list"]).await.unwrap();
        assert!(status.success());
        assert_eq!(trail.matches("\"users.import\"").count(), 1, "{store}: {trail}");
        let (status, said) = importing.setup.run(&["audit", "verify"]).await.unwrap();
        assert!(status.success(), "{store}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go58_fw7_whoever_cannot_be_brought_in_is_named_and_nobody_is_merged() {
    let longest = format!("{}@example.com", "x".repeat(70));
    let original = original(&[
        row(1, "ada@example.com", CHEAP, "'{}', 'enabled'"),
        row(2, "ADA@example.com", CHEAP, "'{}', 'enabled'"),
        row(3, "no address", CHEAP, "'{}', 'enabled'"),
        row(4, &longest, CHEAP, "'{}', 'enabled'"),
        row(5, "bell\u{7}@example.com", CHEAP, "'{}', 'enabled'"),
        row(6, "list@example.com", CHEAP, "'[1]', 'enabled'"),
        row(7, "root@example.com", CHEAP, "'{}', 'enabled'"),
        row(8, "good@example.com", CHEAP, "'{}', 'enabled'"),
        row(9, "admin@localhost", CHEAP, "'{}', 'enabled'"),
        row(10, "eve@my_host.example", CHEAP, "'{}', 'enabled'"),
        row(11, "eve@192.0.2.7", CHEAP, "'{}', 'enabled'"),
        row(12, "gr\u{fc}n@example.com", CHEAP, "'{}', 'enabled'"),
        row(13, "eve@example.com@example.org", CHEAP, "'{}', 'enabled'"),
    ])
    .await;
    for (store, setup) in stores().await {
        let setup = setup.unset("MF_USERS_ADMIN_EMAIL").unset("MF_USERS_ADMIN_PASSWORD");
        let importing = Importing::new(setup, &original);
        let password = importing.setup.data_dir().with_file_name("root-password");
        std::fs::write(&password, "a-long-password").unwrap();
        let create = ["admin", "create", "--email", "root@example.com", "--password-file"];
        let create: Vec<&str> = create.into_iter().chain([password.to_str().unwrap()]).collect();
        let (status, said) = importing.setup.run(&create).await.unwrap();
        assert!(status.success(), "{store}: {said}");

        let expected = json!([
            { "users": [id(3)], "why": "address" },
            { "users": [id(4)], "why": "address" },
            { "users": [id(5)], "why": "address" },
            { "users": [id(6)], "why": "metadata" },
            { "users": [id(9)], "why": "address" },
            { "users": [id(10)], "why": "address" },
            { "users": [id(11)], "why": "address" },
            { "users": [id(12)], "why": "address" },
            { "users": [id(13)], "why": "address" },
            { "users": [id(7)], "why": "address_taken" },
            { "users": [id(1), id(2)], "why": "same_address" },
        ]);
        for more in [&["--dry-run"][..], &[]] {
            let (good, report) = importing.report(more).await;
            assert!(!good, "{store}: {report}");
            assert_eq!(report["refused"], expected, "{store}");
            assert_eq!(counts(&report), [json!(false), json!(13), json!(0), json!(0)], "{store}");
        }
        assert_eq!(importing.hashes().await.len(), 1, "{store}: nobody came");
        let (good, said) = importing.run(&[]).await;
        assert!(!good && said.contains("nobody was brought in of 13 users"), "{store}: {said}");

        let (good, report) = importing.report(&["--leave-out"]).await;
        assert!(good, "{store}: {report}");
        assert_eq!(counts(&report), [json!(true), json!(13), json!(1), json!(0)], "{store}");
        assert_eq!(report["refused"], expected, "{store}: and they are named");
        let emails: Vec<_> = importing.hashes().await.into_iter().map(|(email, _)| email).collect();
        assert_eq!(emails.len(), 2, "{store}: {emails:?}");
        assert!(emails.contains(&"good@example.com".to_owned()), "{store}: {emails:?}");
    }
}

#[tokio::test]
async fn only_a_users_database_is_read_and_no_password_is_taken_from_an_argument() {
    let setup = embedded();
    let empty = Postgres::shared().await.unwrap().database().await.unwrap();
    let importing = Importing::new(setup, &empty);
    let (good, said) = importing.run(&[]).await;
    assert!(!good && said.contains("lacks users_1") && said.trim().lines().count() == 1, "{said}");
    assert!(!importing.setup.data_dir().exists(), "and no store is made for it");
    let from = "postgres://user:hunter2@localhost/users";
    let (status, said) = importing.setup.run(&["import", "users", "--from", from]).await.unwrap();
    assert!(!status.success() && said.contains("--password-file"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    let elsewhere = embedded().set("MF_USERS_GRPC_URL", "users:8184");
    let (good, said) = Importing::new(elsewhere, &empty).run(&[]).await;
    assert!(!good && said.contains("MF_USERS_GRPC_URL"), "{said}");
}
