//! Secrets and addresses do not show, at any level of logging: servers that are watched fail their test when one does.
//! `make test-leaks` watches those of every test.

use auth_testkit::{
    ADMIN_EMAIL, ADMIN_PASSWORD, Received, Redis, SECRET, Server, Smtp, SmtpSetup, keep_secret,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::importing::{CHEAP, original, row};
use crate::mail::scene::{mailing, received};
use crate::sign_ins::begin;
use crate::world::{authorize, embedded, found, identify, make_key, postgres, sibling};

const MALLORY: &str = "0192d3f0-6666-7abc-8def-000000000666";
const ADA: &str = "ada.lovelace@example.com";

#[tokio::test]
async fn s91_s92_no_secret_and_no_address_is_logged_even_at_trace_level() {
    let server = embedded().watched().start().await.unwrap();
    let login = server.user(ADA).await.unwrap();
    server.admin().await.unwrap();
    let org = found(&server, &login, "acme").await;
    let (_, key) = make_key(&server, &login).await;
    identify(&server, &login).await.unwrap();
    authorize(&server, &key, &org, "viewer").await.unwrap();
    let wrong = "a-password-that-is-wrong";
    keep_secret("a wrong password", wrong);
    server.login(ADA, wrong).await.unwrap_err();
    let taken = json!({ "user": { "email": ADA, "password": wrong }, "redirect_path": "/" });
    server.send(Method::POST, "/register", None, Some(&taken)).await.unwrap();
    let forged = format!("{}.{}", login.rsplit_once('.').unwrap().0, "A".repeat(43));
    server.send(Method::GET, "/orgs", Some(&forged), None).await.unwrap();
    for _ in 0..3 {
        server
            .client
            .get(server.url(&format!("/orgs?token={key}")))
            .bearer_auth(&key)
            .send()
            .await
            .unwrap();
    }
    let output = server.output();
    assert!(output.contains("\"level\":\"trace\"") || output.contains("\"level\":\"debug\""));
    assert!(output.contains("create_org"), "there is something to look through");
}

async fn post(server: &Server, path: &str, token: Option<&str>, body: Value) -> Response {
    let answer = server.send(Method::POST, path, token, Some(&body)).await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer
}

/// What the link in the newest of so many mails ends with, after this.
async fn mailed(smtp: &Smtp, count: usize, after: &str) -> String {
    let mail: Received = received(smtp, count).await.pop().unwrap();
    let text = mail.part("text/plain").unwrap();
    let (_, rest) = text.split_once(after).unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

/// What it does with a database, Redis, a mail server and siblings, of all of which it knows secrets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s91_s92_nor_is_any_of_what_others_are_told_and_tell() {
    const SHOWN: &str = "what the service of users shows over gRPC";
    const MAILER: &str = "a password of a mail server";
    const REDIS: &str = "a-password-of-redis";
    let account = Some(("mailer".to_owned(), MAILER.to_owned()));
    let smtp = Smtp::with(SmtpSetup { starttls: true, account, ..SmtpSetup::default() });
    let smtp = smtp.await.unwrap();
    let redis = Redis::with(&["--requirepass", REDIS]).await.unwrap();
    let setup = mailing(postgres().await, &smtp)
        .watched()
        .set("MF_EMAIL_USERNAME", "mailer")
        .set("MF_EMAIL_PASSWORD", MAILER)
        .set("MF_AUTH_ES_URL", format!("redis://{}", redis.address()))
        .set("MF_AUTH_ES_PASS", REDIS)
        .set("MF_REQUIRE_EMAIL_VERIFICATION", "true")
        .set("MF_AUTH_GRPC_TOKENS", format!("users={SHOWN}"));
    let server = setup.start().await.unwrap();
    let root = server.admin().await.unwrap();

    let user = json!({ "email": ADA, "password": ADMIN_PASSWORD });
    for _ in 0..2 {
        post(&server, "/register", None, json!({ "user": user, "redirect_path": "/" })).await;
    }
    let link = mailed(&smtp, 2, "?token=").await;
    let path = format!("/register/verify?token={link}");
    for status in [201, 401] {
        let answer = server.send(Method::POST, &path, None, None).await.unwrap();
        assert_eq!(answer.status(), status);
    }
    let login = server.login(ADA, ADMIN_PASSWORD).await.unwrap();
    let session = begin(&server, ADA).await;
    let refresh = json!({ "refresh_token": session["refresh_token"] });
    let next: Value = post(&server, "/sessions/refresh", None, refresh).await.json().await.unwrap();
    for token in [&session["access_token"], &next["refresh_token"]] {
        for path in ["/introspect", "/revoke"] {
            let form = server.client.post(server.url(path)).bearer_auth(SHOWN);
            let form = form.header("content-type", "application/x-www-form-urlencoded");
            let answer = form.body(format!("token={}", token.as_str().unwrap())).send().await;
            assert_eq!(answer.unwrap().status(), 200);
        }
    }

    let reset = json!({ "email": ADA, "redirect_path": "/reset" });
    post(&server, "/password/reset-request", None, reset).await;
    let (link, new) = (mailed(&smtp, 3, "?token=").await, "another long one, of leaks");
    let reset = json!({ "token": link, "password": new, "confirm_password": new });
    let answer = server.send(Method::PUT, "/password/reset", None, Some(&reset)).await.unwrap();
    assert_eq!(answer.status(), 201);
    identify(&server, &login).await.unwrap_err();
    let login = server.login(ADA, new).await.unwrap();

    let org = found(&server, &login, "acme").await;
    let invited = json!({ "email": "grace@example.com", "redirect_path": "/join" });
    post(&server, "/platform-invites", Some(&root), invited).await;
    let path = format!("/register/invite/{}", mailed(&smtp, 4, "/join/").await);
    let user = json!({ "email": "grace@example.com", "password": new });
    post(&server, &path, None, json!({ "user": user, "redirect_path": "/" })).await;
    let invited = json!({ "email": "grace@example.com", "role": "viewer", "redirect_path": "/i" });
    post(&server, &format!("/orgs/{org}/invites"), Some(&login), invited).await;
    received(&smtp, 5).await;

    let (_, key) = make_key(&server, &login).await;
    let id = identify(&server, &key).await.unwrap();
    let mut issue =
        tonic::Request::new(auth_grpc::proto::IssueReq { id, email: ADA.to_owned(), r#type: 0 });
    issue.metadata_mut().insert("authorization", format!("Bearer {SHOWN}").parse().unwrap());
    let issued = sibling(&server).await.issue(issue).await.unwrap().into_inner().value;
    identify(&server, &issued).await.unwrap();
    server.stop().await.unwrap();

    // And the commands.
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("all.json");
    let told = ["--with-password-hashes", "--output", file.to_str().unwrap()];
    let said = setup.run(&["backup", told[0], told[1], told[2]]).await.unwrap();
    assert!(said.0.success(), "{}", said.1);
    let other = embedded().watched();
    let said = other.run(&["restore", "--input", file.to_str().unwrap()]).await.unwrap();
    assert!(said.0.success(), "{}", said.1);
    let rest = "'{}', 'enabled'";
    let users = [row(1, "carol@example.com", CHEAP, rest), row(2, ADA, CHEAP, rest)];
    let users = original(&users).await;
    let password = files.path().join("password");
    std::fs::write(&password, &users.password).unwrap();
    let from = format!("postgres://{}@{}:{}/{}", users.user, users.host, users.port, users.name);
    let told = ["--from", &from, "--password-file", password.to_str().unwrap()];
    other.run(&["import", "users", told[0], told[1], told[2], told[3]]).await.unwrap();
    let server = other.start().await.unwrap();
    server.login(ADMIN_EMAIL, ADMIN_PASSWORD).await.unwrap();
    identify(&server, &key).await.unwrap();
}

#[tokio::test]
async fn d74_d84_a_bad_credential_makes_no_noise_and_nothing_of_it_is_believed() {
    let setup = embedded().set("MF_AUTH_LOG_LEVEL", "trace").set("MF_AUTH_SECRET", SECRET);
    let server = setup.start().await.unwrap();
    let login = server.user("ada.lovelace@example.com").await.unwrap();
    let before = server.output().len();
    // What it says is known to whoever made it, and only its signature is wrong.
    let claims = format!(
        "{{\"exp\":9999999999,\"iat\":1,\"iss\":\"mainflux.auth\",\"sub\":\"mallory@evil.example\",\
         \"issuer_id\":\"{MALLORY}\",\"type\":0}}"
    );
    let (header, rest) = login.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let forged = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims));
    for token in [None, Some(forged.as_str()), Some("x.y.z")] {
        let answer = server.send(Method::GET, "/orgs", token, None).await.unwrap();
        assert_eq!(answer.status(), 401);
        identify(&server, token.unwrap_or_default()).await.unwrap_err();
    }
    let output = server.output();
    let lines: Vec<_> = output[before..].lines().collect();
    assert!(lines.iter().any(|line| line.contains("invalid_token")), "they are in the log");
    for line in lines {
        assert!(
            !line.contains("\"level\":\"error\"") && !line.contains("\"level\":\"warn\""),
            "{line}"
        );
        assert!(!line.contains("evil.example") && !line.contains(MALLORY), "{line}");
    }
}
