//! Accounts that are opened by the link in a mail, over the real binary, with a real mail server. The numbers of the
//! cases are those of the users contract.

use auth_testkit::{Received, Server, Setup, Smtp};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::mail::scene::{SOON, mailing, received};
use crate::world::{embedded, eventually, postgres, stores};

const ADA: &str = "ada@example.com";
const FIRST: &str = "the first long one";
const SECOND: &str = "the second long one";

fn proving(setup: Setup, smtp: &Smtp) -> Setup {
    mailing(setup, smtp).set("MF_REQUIRE_EMAIL_VERIFICATION", "true")
}

async fn register(server: &Server, email: &str, password: &str) -> Response {
    let user = json!({ "email": email, "password": password, "metadata": { "lang": "en" } });
    let body = json!({ "user": user, "redirect_path": "/verify" });
    server.send(Method::POST, "/register", None, Some(&body)).await.unwrap()
}

async fn verify(server: &Server, token: &str) -> Response {
    let path = format!("/register/verify?token={token}");
    server.send(Method::POST, &path, None, None).await.unwrap()
}

async fn refused(answer: Response, status: u16, error: &str) {
    assert_eq!(answer.status(), status);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"], error, "{body}");
}

/// What the link in both parts of the mail has as its token.
fn token(mail: &Received) -> String {
    let link = "https://front.example/app/verify?token=";
    let part = |kind: &str| {
        let text = mail.part(kind).unwrap();
        let (_, rest) = text.split_once(link).unwrap();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
        rest[..end.unwrap()].to_owned()
    };
    assert_eq!(part("text/plain"), part("text/html"));
    part("text/plain")
}

const NO: &str = "failed to perform authentication over the entity";

#[tokio::test]
async fn u3_u4_fw17_gw2_gw17_pw7_an_account_is_opened_by_the_link_in_a_mail() {
    for (store, setup) in stores().await {
        let smtp = Smtp::start().await.unwrap();
        let server = proving(setup, &smtp).start().await.unwrap();
        let answer = register(&server, ADA, FIRST).await;
        assert_eq!(answer.status(), 201, "{store}");
        assert!(answer.headers().get("location").is_none(), "{store}");
        assert_eq!(answer.text().await.unwrap(), "", "{store}");
        let mails = received(&smtp, 1).await;
        assert_eq!(mails[0].to, [ADA], "{store}");
        assert_eq!(mails[0].header("Subject").unwrap(), "Open your account");
        let mailed = token(&mails[0]);
        assert!(server.login(ADA, FIRST).await.is_err(), "{store}: nothing is proved yet");

        let missing = server.send(Method::POST, "/register/verify", None, None).await.unwrap();
        refused(missing, 400, "missing e-mail verification token").await;
        let none = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";
        let long = "x".repeat(5000);
        for unknown in [none, "zz", "%C3%A4", &mailed[..60], &long] {
            refused(verify(&server, unknown).await, 401, NO).await;
        }
        let opened = verify(&server, &mailed).await;
        assert_eq!(opened.status(), 201, "{store}");
        let place = opened.headers()["location"].to_str().unwrap().to_owned();
        assert_eq!(opened.text().await.unwrap(), "", "{store}");
        let login = server.login(ADA, FIRST).await.unwrap();
        let own = server.send(Method::GET, "/users/profile", Some(&login), None).await.unwrap();
        let own: Value = own.json().await.unwrap();
        assert_eq!(place, format!("/users/{}", own["id"].as_str().unwrap()), "{store}");
        assert_eq!(own["metadata"], json!({ "lang": "en" }), "{store}: go61");
        refused(verify(&server, &mailed).await, 401, NO).await;
        let output = server.output();
        for secret in [&*mailed, FIRST, ADA] {
            assert!(!output.contains(secret), "{store}: fw17, go52, pw7: {output}");
        }
    }
}

/// Whoever asks learns nothing; whoever reads the mail learns how it is.
#[tokio::test]
async fn go48_gw13_pw9_known_and_unknown_addresses_are_answered_alike() {
    for (store, setup) in stores().await {
        let smtp = Smtp::start().await.unwrap();
        let server = proving(setup, &smtp).start().await.unwrap();
        let root = server.admin().await.unwrap();
        let body = json!({ "email": ADA, "password": FIRST });
        let opened = server.send(Method::POST, "/users", Some(&root), Some(&body)).await.unwrap();
        assert_eq!(opened.status(), 201);
        let mut answers = Vec::new();
        for (place, email) in [ADA, "nobody@example.com"].into_iter().enumerate() {
            let answer = register(&server, email, SECOND).await;
            let mut headers = answer.headers().clone();
            for changing in ["x-request-id", "date"] {
                headers.remove(changing);
            }
            answers.push((answer.status(), headers, answer.text().await.unwrap()));
            let mail = received(&smtp, place + 1).await.pop().unwrap();
            assert_eq!(mail.to, [email], "{store}");
            let subject = ["You have an account already", "Open your account"][place];
            assert_eq!(mail.header("Subject").unwrap(), subject, "{store}");
        }
        assert_eq!(answers[0], answers[1], "{store}");
        assert_eq!(answers[0].0, 201, "{store}");
        server.login(ADA, FIRST).await.unwrap();
        assert!(server.login(ADA, SECOND).await.is_err(), "{store}");
    }
}

/// Neither the first nor the second wins: whoever reads the mails does.
#[tokio::test]
async fn go53_each_link_is_for_the_password_it_was_asked_for_with() {
    for (store, setup) in stores().await {
        let smtp = Smtp::start().await.unwrap();
        let server = proving(setup, &smtp).start().await.unwrap();
        assert_eq!(register(&server, ADA, FIRST).await.status(), 201);
        let first = token(&received(&smtp, 1).await[0]);
        assert_eq!(register(&server, "ADA@example.com", SECOND).await.status(), 201);
        let second = token(&received(&smtp, 2).await[1]);
        let answers = tokio::join!(verify(&server, &first), verify(&server, &first));
        let mut statuses = [answers.0, answers.1].map(|answer| answer.status().as_u16());
        statuses.sort_unstable();
        assert_eq!(statuses[0], 201, "{store}: {statuses:?}");
        assert!([401, 409].contains(&statuses[1]), "{store}: {statuses:?}");
        server.login(ADA, FIRST).await.unwrap();
        assert!(server.login(ADA, SECOND).await.is_err(), "{store}");
        refused(verify(&server, &second).await, 401, NO).await;
    }
}

#[tokio::test]
async fn go49_a_mailbox_is_not_flooded_by_sign_ups() {
    let smtp = Smtp::start().await.unwrap();
    let setup = proving(postgres().await, &smtp).set("MF_AUTH_RATE_LIMITS", "on");
    let server = setup.start().await.unwrap();
    for number in 0..5 {
        let answer = register(&server, ADA, &format!("long password {number}")).await;
        assert_eq!(answer.status(), 201);
    }
    eventually("a mail arrives", SOON, async || !smtp.received().is_empty()).await;
    assert!(smtp.received().len() <= 3, "no more than three of five");
    verify(&server, &token(&smtp.received()[0])).await.error_for_status().unwrap();
}

/// Without a mail server nobody can prove anything, so nobody opens an account themselves, as the start says.
#[tokio::test]
async fn without_mail_registration_is_closed_where_addresses_are_to_be_proved() {
    let server = embedded().set("MF_REQUIRE_EMAIL_VERIFICATION", "true").start().await.unwrap();
    refused(register(&server, ADA, FIRST).await, 403, "self register disabled").await;
}
