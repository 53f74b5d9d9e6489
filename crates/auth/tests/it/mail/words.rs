//! What a mail says, whatever anybody wrote.

use auth_testkit::Smtp;
use serde_json::json;

use super::scene::{Scene, link, mailing, received};
use crate::world::embedded;

#[tokio::test]
async fn s58_no_header_of_a_request_changes_where_a_link_leads() {
    let smtp = Smtp::start().await.unwrap();
    let scene = Scene::new(&mailing(embedded(), &smtp), "Acme").await;
    let body = json!({ "email": "bob@example.com", "role": "editor", "redirect_path": "/invites" });
    let url = scene.server.url(&format!("/orgs/{}/invites", scene.org));
    let mut request = scene.server.client.post(url).bearer_auth(&scene.ada).json(&body);
    for (name, value) in [
        ("host", "evil.example"),
        ("forwarded", "for=1.2.3.4;host=evil.example;proto=http"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-prefix", "/evil"),
        ("x-original-url", "https://evil.example/"),
        ("referer", "https://evil.example/"),
        ("origin", "https://evil.example"),
    ] {
        request = request.header(name, value);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let invite = answer.headers()["location"].to_str().unwrap().to_owned();
    let mail = received(&smtp, 1).await.remove(0);
    assert!(!mail.data.contains("evil"), "{}", mail.data);
    let link = link(invite.trim_start_matches("/invites/"));
    assert!(mail.part("text/html").unwrap().contains(&format!("href=\"{link}\"")));
}

#[tokio::test]
async fn s60_s61_whatever_an_org_is_called_the_mail_keeps_its_shape() {
    let smtp = Smtp::start().await.unwrap();
    let scene = Scene::new(&mailing(embedded(), &smtp), "plain").await;
    scene.invite("bob@example.com").await;
    let plain = received(&smtp, 1).await.remove(0);
    let names = [
        "Acme> RCPT TO:<eve@example.org> %0d%0aBcc: eve@example.org",
        "\u{2028}Bcc: eve@example.org\u{2029}x",
        "=?utf-8?q?=0d=0aBcc:_eve@example.org?=",
        "日本語 \u{200f}evil \"quoted\" 'single' \\ back",
        "<img src=x onerror=alert(1)>{{ link }}{% raw %}&amp;",
    ];
    for (place, name) in names.iter().enumerate() {
        let body = json!({ "name": name });
        let answer = scene.post("/orgs", &scene.ada, Some(&body)).await;
        assert_eq!(answer.status(), 201, "{name:?}");
        let org = answer.headers()["location"].to_str().unwrap().to_owned();
        let body = json!({ "email": "bob@example.com", "role": "viewer", "redirect_path": "/v" });
        let answer = scene.post(&format!("{org}/invites"), &scene.ada, Some(&body)).await;
        assert_eq!(answer.status(), 201);
        let mail = received(&smtp, place + 2).await.pop().unwrap();
        assert_eq!(mail.to, ["bob@example.com"], "{name:?}");
        assert_eq!(mail.headers(), plain.headers(), "{name:?}: {}", mail.data);
        let html = mail.part("text/html").unwrap();
        let tags = |html: &str| html.matches('<').count();
        assert_eq!(tags(&html), tags(&plain.part("text/html").unwrap()), "{html}");
        assert!(!html.contains("<img") && mail.header("Bcc").is_none());
    }
}

#[tokio::test]
async fn go36_d07_a_missing_or_broken_template_stops_nothing() {
    let smtp = Smtp::start().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("org_invite.txt"), "{% if %}").unwrap();
    for place in ["/nowhere/at/all", dir.path().to_str().unwrap()] {
        let setup = mailing(embedded(), &smtp)
            .set("MF_EMAIL_TEMPLATES_DIR", place)
            .set("MF_EMAIL_BASE_TEMPLATE", "base.tmpl");
        let scene = Scene::new(&setup, "Acme").await;
        let output = scene.server.output();
        assert!(output.contains("MF_EMAIL_TEMPLATES_DIR: "), "{output}");
        assert!(output.contains("MF_EMAIL_BASE_TEMPLATE has no effect"), "{output}");
        let before = smtp.received().len();
        let invite = scene.invite("bob@example.com").await;
        let mail = received(&smtp, before + 1).await.pop().unwrap();
        assert!(mail.part("text/plain").unwrap().contains(&link(&invite)));
    }
    let text = "Come to {{ org_name }}: {{ link }}";
    std::fs::write(dir.path().join("org_invite.txt"), text).unwrap();
    let place = dir.path().display().to_string();
    let setup = mailing(embedded(), &smtp).set("MF_EMAIL_TEMPLATES_DIR", place);
    let scene = Scene::new(&setup, "A & B").await;
    let invite = scene.invite("bob@example.com").await;
    let mail = received(&smtp, 3).await.pop().unwrap();
    let expected = format!("Come to A & B: {}\n", link(&invite));
    assert_eq!(mail.part("text/plain").unwrap().trim_end(), expected.trim_end());
    assert!(!scene.server.output().contains("MF_EMAIL_TEMPLATES_DIR: "));
}
