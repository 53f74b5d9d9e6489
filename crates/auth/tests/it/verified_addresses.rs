//! Invites to an address that somebody signed up with, over the real binary, with a real mail server.

use auth_testkit::{Received, Server, Smtp};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::mail::scene::{Scene, mailing, received};
use crate::world::{embedded, get, stores};

const BOB: &str = "bob@example.com";

/// What the link in both parts of the mail has as its token.
fn token(mail: &Received, path: &str) -> String {
    let link = format!("https://front.example/app{path}?token=");
    let part = |kind: &str| {
        let text = mail.part(kind).unwrap();
        let (_, rest) = text.split_once(&link).unwrap_or_else(|| panic!("{text}"));
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
        rest[..end.unwrap()].to_owned()
    };
    assert_eq!(part("text/plain"), part("text/html"));
    part("text/plain")
}

async fn refused(answer: Response, status: u16, code: &str, error: &str) {
    assert_eq!(answer.status(), status);
    let body: Value = answer.json().await.unwrap();
    assert_eq!((&body["code"], &body["error"]), (&json!(code), &json!(error)), "{body}");
}

/// By the secret in the body, where nothing on the way writes it down.
async fn verify(server: &Server, token: &str) -> Response {
    let body = json!({ "token": token });
    server.send(Method::POST, "/register/verify", None, Some(&body)).await.unwrap()
}

async fn accept(scene: &Scene, invite: &str, query: &str) -> Response {
    scene.post(&format!("/invites/{invite}/accept{query}"), &scene.bob, None).await
}

#[tokio::test]
async fn s50_an_account_that_anybody_opened_joins_no_org_until_its_mail_was_read() {
    for (store, setup) in stores().await {
        let smtp = Smtp::start().await.unwrap();
        let setup = mailing(setup, &smtp).set("MF_AUTH_REDIRECT_PATHS", "/confirm,/invites");
        let scene = Scene::new(&setup, "Acme").await;
        let invite = scene.invite(BOB).await;
        // Two that wait are sent in either order.
        received(&smtp, 1).await;
        let unverified = "e-mail address not verified";
        refused(accept(&scene, &invite, "").await, 403, "email_unverified", unverified).await;
        let mail = received(&smtp, 2).await.pop().unwrap();
        assert_eq!(mail.to, [BOB], "{store}");
        assert_eq!(mail.header("Subject").unwrap(), "Confirm your address", "{store}");
        let mailed = token(&mail, "/confirm");
        let members = format!("/orgs/{}/memberships", scene.org);
        let before = get(&scene.server, &members, &scene.ada).await.text().await.unwrap();
        assert!(!before.contains(BOB), "{store}: {before}");

        let astray = accept(&scene, &invite, "?redirect_path=/elsewhere").await;
        assert_eq!(astray.status(), 400, "{store}");
        let elsewhere = accept(&scene, &invite, "?redirect_path=/invites/x").await;
        refused(elsewhere, 403, "email_unverified", unverified).await;
        let other = token(&received(&smtp, 3).await[2], "/invites/x");

        let cut = &mailed[..mailed.len() - 1];
        assert_eq!(verify(&scene.server, cut).await.status(), 401, "{store}");
        let proved = verify(&scene.server, &mailed).await;
        assert_eq!(proved.status(), 201, "{store}");
        let profile: Value =
            get(&scene.server, "/users/profile", &scene.bob).await.json().await.unwrap();
        let place = format!("/users/{}", profile["id"].as_str().unwrap());
        assert_eq!(proved.headers()["location"], place, "{store}");
        assert_eq!(proved.text().await.unwrap(), "", "{store}");
        for used in [&mailed, &other] {
            assert_eq!(verify(&scene.server, used).await.status(), 401, "{store}: once");
        }
        assert_eq!(accept(&scene, &invite, "").await.status(), 201, "{store}");
        let after = get(&scene.server, &members, &scene.ada).await.text().await.unwrap();
        assert!(after.contains(BOB), "{store}: {after}");
        let output = scene.server.output();
        for secret in [&*mailed, BOB] {
            assert!(!output.contains(secret), "{store}: {output}");
        }
        assert!(!output.contains("nobody proves their address"), "{store}: {output}");
    }
}

/// A new password that came by mail proves the address as well.
#[tokio::test]
async fn s50_whoever_set_a_forgotten_password_has_read_the_mail() {
    let smtp = Smtp::start().await.unwrap();
    let mut scene = Scene::new(&mailing(embedded(), &smtp), "Acme").await;
    let body = json!({ "email": BOB, "redirect_path": "/reset" });
    let asked = scene.post("/password/reset-request", "", Some(&body)).await;
    assert_eq!(asked.status(), 201);
    let token = token(&received(&smtp, 1).await[0], "/reset");
    let password = "another long one";
    let body = json!({ "token": token, "password": password, "confirm_password": password });
    let reset = scene.server.send(Method::PUT, "/password/reset", None, Some(&body)).await;
    assert_eq!(reset.unwrap().status(), 201);
    scene.bob = scene.server.login(BOB, password).await.unwrap();
    let invite = scene.invite(BOB).await;
    assert_eq!(accept(&scene, &invite, "").await.status(), 201);
}

/// Without a mail server nothing can be proved: it is as in the original, and the start says so.
#[tokio::test]
async fn s50_without_mail_whoever_has_the_address_accepts_and_the_start_warns() {
    let database = auth_testkit::Postgres::shared().await.unwrap().database().await.unwrap();
    let setup = embedded().on(&database);
    let scene = Scene::new(&setup, "Acme").await;
    let invite = scene.invite(BOB).await;
    assert_eq!(accept(&scene, &invite, "").await.status(), 201);
    let warning = "nobody proves their address";
    assert_eq!(scene.server.output().matches(warning).count(), 1, "{}", scene.server.output());
    let closed = setup.set("MF_USERS_SELF_REGISTER_ENABLED", "false").start().await.unwrap();
    assert!(!closed.output().contains(warning), "{}", closed.output());
}

/// Whoever comes late is told so, in the query as in the body.
#[tokio::test]
async fn u3_a_link_whose_time_is_over_says_so() {
    let smtp = Smtp::start().await.unwrap();
    let database = auth_testkit::Postgres::shared().await.unwrap().database().await.unwrap();
    let setup = mailing(embedded().on(&database), &smtp);
    let setup = setup.set("MF_REQUIRE_EMAIL_VERIFICATION", "true");
    let server = setup.start().await.unwrap();
    let user = json!({ "email": BOB, "password": "a long enough one" });
    let body = json!({ "user": user, "redirect_path": "/verify" });
    let asked = server.send(Method::POST, "/register", None, Some(&body)).await.unwrap();
    assert_eq!(asked.status(), 201);
    let mailed = token(&received(&smtp, 1).await[0], "/verify");
    let late = "UPDATE keyward_tickets SET expires_at = clock_timestamp() - interval '1 second'";
    database.execute(late).await.unwrap();
    let text = "e-mail verification token expired";
    refused(verify(&server, &mailed).await, 400, "verification_expired", text).await;
    let path = format!("/register/verify?token={mailed}");
    let query = server.client.post(server.url(&path)).body("{").send().await.unwrap();
    refused(query, 400, "verification_expired", text).await;
}
