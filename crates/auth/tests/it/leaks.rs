//! Secrets and addresses do not show, at any level of logging.

use auth_testkit::{ADMIN_PASSWORD, SECRET};
use reqwest::Method;
use serde_json::json;

use crate::world::{authorize, embedded, found, identify, make_key};

#[tokio::test]
async fn s91_no_secret_is_logged_even_at_trace_level() {
    let server = embedded().set("MF_AUTH_LOG_LEVEL", "trace").start().await.unwrap();
    let login = server.user("ada.lovelace@example.com").await.unwrap();
    let admin = server.admin().await.unwrap();
    let org = found(&server, &login, "acme").await;
    let (_, key) = make_key(&server, &login).await;
    identify(&server, &login).await.unwrap();
    authorize(&server, &key, &org, "viewer").await.unwrap();
    let wrong = "a-password-that-is-wrong";
    server.login("ada.lovelace@example.com", wrong).await.unwrap_err();
    let taken = json!({ "user": { "email": "ada.lovelace@example.com", "password": wrong }, "redirect_path": "/" });
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
    assert!(output.contains("create_org"), "there is something to look through");
    for (what, secret) in
        [("signing secret", SECRET), ("password", ADMIN_PASSWORD), ("wrong password", wrong)]
    {
        assert!(!output.contains(secret), "the {what} is in the log");
    }
    for (what, token) in [
        ("login token", &login),
        ("admin's token", &admin),
        ("API key", &key),
        ("forged token", &forged),
    ] {
        // The header is the same for all of ours and tells nothing.
        for part in token.split('.').skip(1) {
            assert!(!output.contains(part), "a part of the {what} is in the log");
        }
    }
    for address in ["ada.lovelace", "admin@example.com"] {
        let lines: Vec<_> = output.lines().filter(|line| line.contains(address)).collect();
        assert!(lines.is_empty(), "{lines:?}");
    }
}
