//! Secrets and addresses do not show, at any level of logging.

use auth_testkit::{ADMIN_PASSWORD, SECRET};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::json;

use crate::world::{authorize, embedded, found, identify, make_key};

const MALLORY: &str = "0192d3f0-6666-7abc-8def-000000000666";

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
