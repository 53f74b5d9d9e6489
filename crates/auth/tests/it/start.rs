//! Starting: with what is wrong it does not start, in one clear line; with what is odd it warns.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use auth_testkit::{ADMIN_EMAIL, ADMIN_PASSWORD, SECRET, Setup};

use crate::world::{embedded, found, postgres, stores};

/// It ends with a failure and one line that says this; nothing was served.
async fn refuses(setup: &Setup, saying: &[&str]) {
    let (status, output) = setup.run(&[]).await.unwrap();
    assert!(!status.success(), "it started: {output}");
    for part in saying {
        assert!(output.contains(part), "no {part:?} in: {output}");
    }
    assert!(!output.contains("panicked"), "{output}");
    assert!(!output.contains("\"http\":\"127"), "a socket was opened: {output}");
}

#[tokio::test]
async fn d03_go3_s14_a_bad_secret_stops_the_start() {
    let thirty_one = "0123456789abcdef0123456789abcde";
    for secret in
        ["auth", "secret", "mainflux", "short", thirty_one, "secretsecretsecretsecretsecretsecret"]
    {
        refuses(&embedded().set("MF_AUTH_SECRET", secret), &["MF_AUTH_SECRET"]).await;
    }
    let without = postgres().await.unset("MF_AUTH_SECRET");
    refuses(&without, &["MF_AUTH_SECRET"]).await;
    refuses(&without.set("MF_AUTH_SECRET", ""), &["MF_AUTH_SECRET"]).await;
}

#[tokio::test]
async fn on_a_laptop_a_secret_is_made_and_kept() {
    let setup = embedded().unset("MF_AUTH_SECRET");
    let server = setup.start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    server.stop().await.unwrap();
    let file = setup.data_dir().join("secret");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let secret = std::fs::read_to_string(&file).unwrap();
    let server = setup.start().await.unwrap();
    found(&server, &login, "the token is still good").await;
    assert!(!server.output().contains(secret.trim()));
}

#[tokio::test]
async fn on_a_laptop_the_admins_password_is_printed_once() {
    let setup = embedded().unset("MF_USERS_ADMIN_EMAIL").unset("MF_USERS_ADMIN_PASSWORD");
    let server = setup.start().await.unwrap();
    let printed = server.output();
    let password = printed_password(&printed).unwrap_or_else(|| panic!("no password in {printed}"));
    let token = server.login("admin@keyward.local", &password).await.unwrap();
    found(&server, &token, "acme").await;
    server.stop().await.unwrap();
    let server = setup.start().await.unwrap();
    assert!(!server.output().contains(&password), "{}", server.output());
    server.login("admin@keyward.local", &password).await.unwrap();
}

/// The word after the last `password` on a line that has one.
pub fn printed_password(output: &str) -> Option<String> {
    let line = output.lines().find(|line| line.contains("password") && !line.starts_with('{'))?;
    line.split_whitespace().last().map(str::to_owned)
}

#[tokio::test]
async fn a_first_start_that_fails_costs_nobody_the_admins_password() {
    let setup = embedded().unset("MF_USERS_ADMIN_EMAIL").unset("MF_USERS_ADMIN_PASSWORD");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for name in ["MF_AUTH_HTTP_PORT", "MF_AUTH_GRPC_PORT", "MF_AUTH_OPS_PORT"] {
        refuses(&setup.clone().set(name, port.clone()), &[name]).await;
        assert!(!setup.data_dir().join("keyward.db").exists(), "{name}");
    }
    let server = setup.start().await.unwrap();
    let password = printed_password(&server.output()).expect("the password is printed");
    server.login("admin@keyward.local", &password).await.unwrap();
}

/// A script that starts the binary and tells it to stop so many milliseconds after it has made the
/// database.
fn interrupted(directory: &Path, database: &Path, millis: u32) -> PathBuf {
    let (binary, database) = (env!("CARGO_BIN_EXE_auth"), database.display());
    let script = directory.join(format!("interrupted-{millis}"));
    let text = format!(
        "#!/bin/sh\n{binary} &\nuntil [ -e {database} ]; do :; done\n\
         /bin/sleep 0.{millis:03}\nkill -TERM $!\nwait $!\n"
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

#[tokio::test]
async fn a_first_start_that_is_interrupted_costs_nobody_the_admins_password() {
    let scripts = tempfile::tempdir().unwrap();
    for millis in [0, 20, 40, 60, 80, 120] {
        let setup = embedded().unset("MF_USERS_ADMIN_EMAIL").unset("MF_USERS_ADMIN_PASSWORD");
        let database = setup.data_dir().join("keyward.db");
        let script = interrupted(scripts.path(), &database, millis);
        let first = Setup::new(script).unwrap();
        let first = first.unset("MF_USERS_ADMIN_EMAIL").unset("MF_USERS_ADMIN_PASSWORD");
        let first = first.set("MF_AUTH_DATA_DIR", setup.data_dir().display().to_string());
        let (_, printed) = first.run(&[]).await.unwrap();
        let server = setup.start().await.unwrap();
        let password = printed_password(&printed).or_else(|| printed_password(&server.output()));
        let password = password.unwrap_or_else(|| panic!("none after {millis} ms: {printed}"));
        server.login("admin@keyward.local", &password).await.unwrap();
    }
}

#[tokio::test]
async fn an_address_of_the_first_account_that_is_none_is_refused_before_anything_is_written() {
    let setup = embedded().set("MF_USERS_ADMIN_EMAIL", "admin@localhost");
    refuses(&setup, &["MF_USERS_ADMIN_EMAIL=admin@localhost: "]).await;
    assert!(!setup.data_dir().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go41_a_password_that_everybody_tries_opens_no_first_account_and_stops_nothing_else() {
    for (store, setup) in stores().await {
        let weak = setup.clone().set("MF_USERS_ADMIN_PASSWORD", "12345678");
        refuses(&weak, &["MF_USERS_ADMIN_PASSWORD: is too short"]).await;
        let (code, said) = weak.run(&["check-config"]).await.unwrap();
        let warned = said.contains("warning: MF_USERS_ADMIN_PASSWORD: is too short");
        assert!(code.success() && warned, "{store}: {said}");
        setup.start().await.unwrap().stop().await.unwrap();
        // The account is there now, so nobody looks at the password.
        let (code, said) = weak.run(&["backup"]).await.unwrap();
        assert!(code.success() && said.contains(ADMIN_EMAIL), "{store}: {said}");
        let server = weak.start().await.unwrap();
        server.login(ADMIN_EMAIL, ADMIN_PASSWORD).await.unwrap();
        server.login(ADMIN_EMAIL, "12345678").await.unwrap_err();
        assert!(!server.output().contains("MF_USERS_ADMIN_PASSWORD"), "{}", server.output());
    }
}

#[tokio::test]
async fn whatever_a_path_holds_the_reason_is_one_line() {
    let setup = embedded().set("MF_AUTH_DATA_DIR", "/proc/two\nlines\u{1b}[31m");
    let (status, output) = setup.run(&[]).await.unwrap();
    assert!(!status.success());
    let last = output.lines().last().unwrap_or_default();
    assert!(last.starts_with("auth: ") && last.contains("two\\nlines\\u{1b}"), "{output:?}");
}

#[tokio::test]
async fn contradictions_stop_the_start_in_one_clear_line() {
    for (name, value) in [
        ("MF_AUTH_SERVER_CERT", "/nowhere/cert.pem"),
        ("MF_AUTH_SERVER_KEY", "/nowhere/key.pem"),
        ("MF_USERS_SERVER_CERT", "/nowhere/cert.pem"),
        ("MF_USERS_SERVER_KEY", "/nowhere/key.pem"),
        ("MF_AUTH_GRPC_CLIENT_CA", "/nowhere/ca.pem"),
        ("MF_AUTH_LOGIN_TOKEN_DURATION", "ten hours"),
        ("MF_AUTH_HTTP_PORT", "99999"),
        ("MF_AUTH_STORE", "mysql"),
        ("MF_AUTH_LOG_LEVEL", "loud"),
        ("MF_AUTH_GRPC_TRUST", "everybody"),
        ("MF_AUTH_GRPC_TOKENS", "users=short"),
        ("MF_USERS_PASS_REGEX", "("),
        ("MF_USERS_ADMIN_EMAIL", "not an address"),
        ("MF_AUTH_ES_DB", "zero"),
        ("MF_AUTH_ES_URL", "redis://localhost:6379/zero"),
        ("MF_AUTH_CHANGES_KEEP", "59m"),
        ("MF_USERS_CLIENT_TLS", "perhaps"),
        ("MF_HOST", "example.com"),
        ("MF_HOST", "https://user@example.com"),
        ("MF_HOST", "https://example.com/?next="),
        ("MF_EMAIL_HOST", "mail.example.com"),
        ("MF_EMAIL_PORT", "smtp"),
        ("MF_AUTH_EMAIL_TLS", "perhaps"),
        ("MF_EMAIL_FROM_NAME", "two\nlines"),
    ] {
        refuses(&embedded().set(name, value), &[name]).await;
    }
}

#[tokio::test]
async fn mail_settings_that_cannot_work_stop_the_start() {
    let mailing = embedded()
        .set("MF_EMAIL_HOST", "mail.example.com")
        .set("MF_EMAIL_FROM_ADDRESS", "keyward@example.com");
    for (name, value) in [
        ("MF_EMAIL_HOST", "mail example com"),
        ("MF_EMAIL_FROM_ADDRESS", "Keyward <keyward@example.com>"),
        ("MF_EMAIL_FROM_ADDRESS", "a@example.com,b@example.com"),
        ("MF_AUTH_EMAIL_CA_CERTS", "/nowhere/ca.pem"),
    ] {
        refuses(&mailing.clone().set(name, value), &[name]).await;
    }
    let in_clear =
        mailing.set("MF_AUTH_EMAIL_TLS", "none").set("MF_EMAIL_PASSWORD", "hunter2-for-mail");
    refuses(&in_clear, &["MF_AUTH_EMAIL_TLS", "over TLS"]).await;
    let (_, output) = in_clear.run(&[]).await.unwrap();
    assert!(!output.contains("hunter2"), "{output}");
    // Without a mail server nothing of it matters.
    embedded().set("MF_AUTH_EMAIL_CA_CERTS", "/nowhere/ca.pem").start().await.unwrap();
}

#[tokio::test]
async fn s20_an_unknown_setting_is_named_in_a_warning() {
    let server = embedded().set("MF_AUTH_HTPP_PORT", "1").start().await.unwrap();
    assert!(server.output().contains("MF_AUTH_HTPP_PORT"), "{}", server.output());
}

#[tokio::test]
async fn s19_a_password_never_shows_however_the_start_fails() {
    let password = "pass word'with\\oddities";
    let setup =
        postgres().await.set("MF_AUTH_DB_PASS", password).set("MF_AUTH_DB", "no such database");
    let (status, output) = setup.set("MF_AUTH_DB_WAIT", "1s").run(&[]).await.unwrap();
    assert!(!status.success(), "{output}");
    assert!(!output.contains("with\\oddities") && !output.contains(SECRET), "{output}");
}

#[tokio::test]
async fn a_data_directory_that_is_missing_is_made_and_a_bad_one_is_named() {
    let setup = embedded();
    let deep = setup.data_dir().join("a/b");
    let there = setup.clone().set("MF_AUTH_DATA_DIR", deep.display().to_string());
    there.start().await.unwrap().stop().await.unwrap();
    assert!(deep.join("keyward.db").exists());

    std::fs::write(setup.data_dir().join("file"), "x").unwrap();
    let file = setup.data_dir().join("file").display().to_string();
    refuses(&setup.clone().set("MF_AUTH_DATA_DIR", file.clone()), &[&file]).await;
    refuses(&setup.set("MF_AUTH_DATA_DIR", "/proc/nowhere"), &["/proc/nowhere"]).await;
}

#[tokio::test]
async fn a_data_directory_has_one_process() {
    let setup = embedded();
    let server = setup.start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    refuses(&setup, &[&setup.data_dir().display().to_string(), "another"]).await;
    found(&server, &login, "undisturbed").await;
}

#[tokio::test]
async fn d53_a_port_that_is_taken_is_a_failure() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for name in ["MF_AUTH_HTTP_PORT", "MF_AUTH_GRPC_PORT", "MF_AUTH_OPS_PORT"] {
        refuses(&embedded().set(name, port.clone()), &[&port]).await;
    }
}
