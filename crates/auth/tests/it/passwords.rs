//! Forgotten and changed passwords over the real binary, with a real mail server.

use auth_testkit::{Received, Server, Smtp};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tonic::Code;

use crate::mail::scene::{SOON, mailing, received};
use crate::world::{code, embedded, eventually, identify, make_key, postgres, sibling, stores};

const ADA: &str = "ada@example.com";
const OLD: &str = auth_testkit::ADMIN_PASSWORD;
const NEW: &str = "another long one";

async fn send(
    server: &Server,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Value,
) -> Response {
    server.send(method, path, token, Some(&body)).await.unwrap()
}

async fn refused(answer: Response, status: u16, error: &str) {
    assert_eq!(answer.status(), status);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"], error, "{body}");
}

async fn request(server: &Server, email: &str) -> Response {
    let body = json!({ "email": email, "redirect_path": "/reset" });
    send(server, Method::POST, "/password/reset-request", None, body).await
}

async fn reset(server: &Server, token: &str, password: &str) -> Response {
    let body = json!({ "token": token, "password": password, "confirm_password": password });
    send(server, Method::PUT, "/password/reset", None, body).await
}

/// What the link in both parts of the mail has as its token.
fn token(mail: &Received) -> String {
    let link = "https://front.example/app/reset?token=";
    let part = |kind: &str| {
        let text = mail.part(kind).unwrap();
        let (_, rest) = text.split_once(link).unwrap();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
        rest[..end.unwrap()].to_owned()
    };
    assert_eq!(part("text/plain"), part("text/html"));
    part("text/plain")
}

#[tokio::test]
async fn u17_u18_go47_go48_fw17_pw7_a_forgotten_password_is_set_by_mail() {
    for (store, setup) in stores().await {
        let smtp = Smtp::start().await.unwrap();
        let server = mailing(setup, &smtp).start().await.unwrap();
        let login = server.user(ADA).await.unwrap();
        let (_, key) = make_key(&server, &login).await;
        let mut answers = Vec::new();
        for email in [ADA, "nobody@example.com", "no address"] {
            let answer = request(&server, email).await;
            assert_eq!(answer.status(), 201, "{store} {email}");
            answers.push(answer.text().await.unwrap());
        }
        assert_eq!(answers[0], "{\"msg\":\"Email with reset link is sent\"}\n");
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        for (body, error) in [
            (json!({ "redirect_path": "/reset" }), "missing email"),
            (json!({ "email": ADA }), "missing redirect path"),
            (json!({ "email": ADA, "redirect_path": "@evil/x" }), "malformed entity specification"),
        ] {
            let answer = send(&server, Method::POST, "/password/reset-request", None, body).await;
            refused(answer, 400, error).await;
        }

        let mails = received(&smtp, 1).await;
        assert_eq!(mails[0].to, [ADA], "{store}");
        assert_eq!(mails[0].header("Subject").unwrap(), "Set a new password");
        let mailed = token(&mails[0]);
        let no = "failed to perform authentication over the entity";
        let issue = auth_grpc::proto::IssueReq {
            id: identify(&server, &login).await.unwrap(),
            email: ADA.to_owned(),
            r#type: 1,
        };
        let recovery = sibling(&server).await.issue(issue).await.unwrap().into_inner().value;
        for other in [&login, &key, &recovery, "x"] {
            refused(reset(&server, other, NEW).await, 401, no).await;
        }
        for (password, confirm, error) in [
            ("", "", "missing password"),
            (NEW, "", "missing conf password"),
            (NEW, "other", "invalid reset password"),
            ("Password1", "Password1", "password does not meet the requirements"),
            (ADA, ADA, "password does not meet the requirements"),
        ] {
            let body =
                json!({ "token": mailed, "password": password, "confirm_password": confirm });
            let answer = send(&server, Method::PUT, "/password/reset", None, body).await;
            refused(answer, 400, error).await;
        }
        refused(reset(&server, "", NEW).await, 401, "missing or invalid bearer user token").await;

        let done = reset(&server, &mailed, NEW).await;
        assert_eq!((done.status().as_u16(), done.text().await.unwrap()), (201, "{}\n".to_owned()));
        refused(reset(&server, &mailed, "yet another one").await, 401, no).await;
        assert_eq!(code(identify(&server, &login).await), Code::Unauthenticated, "{store}");
        identify(&server, &key).await.unwrap();
        assert!(server.login(ADA, OLD).await.is_err(), "{store}");
        server.login(ADA, NEW).await.unwrap();
        assert_eq!(smtp.received().len(), 1, "{store}: nobody else is written to");
        let output = server.output();
        for secret in [&*mailed, NEW, ADA] {
            assert!(!output.contains(secret), "{store}: fw17, go52, pw7: {output}");
        }
    }
}

#[tokio::test]
async fn u15_u16_gw15_go59_passwords_are_changed() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let login = server.user(ADA).await.unwrap();
        let root = server.admin().await.unwrap();
        let change = async |token: Option<&str>, body: Value| {
            send(&server, Method::PATCH, "/password", token, body).await
        };
        let own = |old: &str| json!({ "password": NEW, "old_password": old });
        assert_eq!(change(None, own(OLD)).await.status(), 401, "{store}");
        refused(change(Some(&login), own("wrong")).await, 400, "invalid current password").await;
        let by_what = json!({ "password": NEW });
        refused(change(Some(&login), by_what).await, 400, "missing password").await;
        let none = json!({ "old_password": OLD });
        let weak = "password does not meet the requirements";
        refused(change(Some(&login), none).await, 400, weak).await;
        let both = json!({ "password": NEW, "old_password": OLD, "email": ADA });
        let no = "failed to perform authentication over the entity";
        refused(change(Some(&login), both).await, 401, no).await;
        let done = change(Some(&login), own(OLD)).await;
        assert_eq!((done.status().as_u16(), done.text().await.unwrap()), (201, "{}\n".to_owned()));
        assert_eq!(code(identify(&server, &login).await), Code::Unauthenticated, "{store}");
        let login = server.login(ADA, NEW).await.unwrap();

        let other = |email: &str| json!({ "password": "set by somebody", "email": email });
        assert_eq!(change(Some(&login), other(ADA)).await.status(), 403, "{store}");
        let nobody = change(Some(&root), other("nobody@example.com")).await;
        refused(nobody, 404, "entity not found").await;
        assert_eq!(change(Some(&root), other(ADA)).await.status(), 201, "{store}");
        assert_eq!(code(identify(&server, &login).await), Code::Unauthenticated, "{store}");
        server.login(ADA, "set by somebody").await.unwrap();
    }
}

/// The part of the rule that is the same for everybody comes before the token, as in the original.
#[tokio::test]
async fn w2_w3_what_is_wrong_with_a_password_is_said_in_the_order_of_the_original() {
    let server = embedded().start().await.unwrap();
    let login = server.user(ADA).await.unwrap();
    let weak = (400, "password does not meet the requirements");
    let no = (401, "failed to perform authentication over the entity");
    let missing = (400, "missing password");
    for (token, password, confirm, (status, error)) in [
        ("", "", "", missing),
        ("", "short", "", weak),
        ("x", "Password1", "other", weak),
        ("", NEW, "", (400, "missing conf password")),
        ("", NEW, "other", (401, "missing or invalid bearer user token")),
        ("x", NEW, "other", (400, "invalid reset password")),
        ("x", NEW, NEW, no),
        (&"x".repeat(5000), NEW, "other", (400, "invalid reset password")),
        (&"x".repeat(5000), NEW, NEW, no),
    ] {
        let body = json!({ "token": token, "password": password, "confirm_password": confirm });
        let answer = send(&server, Method::PUT, "/password/reset", None, body.clone()).await;
        println!("{body}");
        refused(answer, status, error).await;
    }
    let bearer = (401, "missing or invalid bearer user token");
    for (token, password, old, email, (status, error)) in [
        (None, "", "", "", bearer),
        (None, "short", OLD, "", bearer),
        (Some("x"), "", "", "", missing),
        (Some("x"), "short", "", "", missing),
        (Some("x"), "", OLD, "", weak),
        (Some("x"), "", "", ADA, weak),
        (Some("x"), "short", OLD, ADA, weak),
        (Some("x"), "Password1", "", ADA, weak),
        (Some("x"), NEW, OLD, "", (401, "failed to validate token")),
        (Some(&*login), "short", OLD, ADA, weak),
        (Some(&*login), NEW, OLD, ADA, no),
        (Some(&*login), NEW, "wrong", "", (400, "invalid current password")),
        (Some(&*login), ADA, "wrong", "", weak),
    ] {
        let body = json!({ "password": password, "old_password": old, "email": email });
        println!("{body}");
        let answer = send(&server, Method::PATCH, "/password", token, body).await;
        refused(answer, status, error).await;
    }
}

#[tokio::test]
async fn go54_u6_u8_one_rule_wherever_a_password_is_set_and_none_at_a_sign_in() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let root = server.admin().await.unwrap();
        let login = server.user(ADA).await.unwrap();
        let weak = "password does not meet the requirements";
        let long = "x".repeat(73);
        for password in ["short", "PASSWORD1", "new.person", &long] {
            let user = json!({ "email": "new.person@example.com", "password": password });
            let body = json!({ "user": user, "redirect_path": "/v" });
            refused(send(&server, Method::POST, "/register", None, body).await, 400, weak).await;
            refused(send(&server, Method::POST, "/users", Some(&root), user).await, 400, weak)
                .await;
        }
        for password in ["short", "PASSWORD1", &long] {
            let body = json!({ "password": password, "old_password": OLD });
            let answer = send(&server, Method::PATCH, "/password", Some(&login), body).await;
            refused(answer, 400, weak).await;
            let credentials = json!({ "email": ADA, "password": password });
            let answer = send(&server, Method::POST, "/tokens", None, credentials).await;
            assert_eq!(answer.status(), 401, "{store}: a sign-in has no rule");
        }
        for (number, password) in [
            "\u{e4}\u{f6}\u{fc}\u{e4}\u{f6}\u{fc}\u{e4}\u{f6}",
            &"x".repeat(72),
            "with some blanks",
        ]
        .into_iter()
        .enumerate()
        {
            let email = format!("fine{number}@example.com");
            let user = json!({ "email": email, "password": password });
            let made = send(&server, Method::POST, "/users", Some(&root), user).await;
            assert_eq!(made.status(), 201, "{store} {password}");
            server.login(&email, password).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_originals_rule_is_kept_where_it_is_set() {
    let server = embedded().set("MF_USERS_PASS_REGEX", r"^\S{4,}$").start().await.unwrap();
    let root = server.admin().await.unwrap();
    for (password, status) in [("x9-k", 201), ("with some blanks", 400), ("password1", 400)] {
        let user = json!({ "email": "new@example.com", "password": password });
        let made = send(&server, Method::POST, "/users", Some(&root), user).await;
        assert_eq!(made.status(), status, "{password}");
    }
}

/// Whoever asks the other replica, and whoever reads the database, has nothing by it.
#[tokio::test]
async fn fw8_fpw4_a_link_works_on_any_replica_and_is_in_no_table() {
    let smtp = Smtp::start().await.unwrap();
    let database = auth_testkit::Postgres::shared().await.unwrap().database().await.unwrap();
    let setup = mailing(embedded().on(&database).set("MF_AUTH_DB_ACQUIRE_TIMEOUT", "5s"), &smtp);
    let (here, there) = (setup.start().await.unwrap(), setup.start().await.unwrap());
    here.user(ADA).await.unwrap();
    assert_eq!(request(&here, ADA).await.status(), 201);
    let mailed = token(&received(&smtp, 1).await[0]);
    // Fails if the text is anywhere in the database.
    let absent = async |text: &str| {
        let statement = format!(
            "DO $$ BEGIN \
             IF position('{text}' IN database_to_xml(TRUE, FALSE, '')::text) > 0 \
             THEN RAISE EXCEPTION 'it is there'; END IF; END $$"
        );
        database.execute(&statement).await
    };
    assert!(absent("password_reset").await.is_err(), "the ticket is there");
    absent(&mailed).await.unwrap();
    let answers = tokio::join!(
        reset(&here, &mailed, "one of two"),
        reset(&there, &mailed, "the other of two"),
        reset(&there, &mailed, "or a third one"),
    );
    let mut statuses = [answers.0, answers.1, answers.2].map(|answer| answer.status().as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 401, 401]);
}

/// Those that are not looked at any more are not answered otherwise.
#[tokio::test]
async fn go49_who_asks_too_often_is_told_and_who_is_asked_about_is_not_flooded() {
    let smtp = Smtp::start().await.unwrap();
    let setup = mailing(postgres().await, &smtp);
    let server = setup.set("MF_AUTH_RATE_LIMITS", "on").start().await.unwrap();
    server.user(ADA).await.unwrap();
    for _ in 0..6 {
        assert_eq!(request(&server, ADA).await.status(), 201);
    }
    let mut told = 201;
    for number in 0..30 {
        told = request(&server, &format!("u{number}@example.com")).await.status().as_u16();
        if told != 201 {
            break;
        }
    }
    assert_eq!(told, 429);
    eventually("a mail arrives", SOON, async || !smtp.received().is_empty()).await;
    assert!(smtp.received().len() <= 3, "no more than three of six");
}
