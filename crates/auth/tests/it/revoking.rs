//! Taking an API key back (RFC 7009) where a weak secret of the past still verifies, on both stores.

use auth_testkit::Server;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::Value;
use tonic::Code;

use crate::migrating::original::sign;
use crate::world::{code, identify, make_key, stores};

/// The original's default: whoever reads its source has it.
const WEAK: &str = "secret";

async fn revoke(server: &Server, token: &str) {
    let form = server.client.post(server.url("/revoke"));
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    let answer = form.body(format!("token={token}")).send().await.unwrap();
    assert_eq!(answer.status(), 200, "RFC 7009: nothing is told of what it was");
}

#[tokio::test]
async fn s15_s21_nobody_takes_a_key_back_by_its_id_alone() {
    for (store, setup) in stores().await {
        let server = setup.set("MF_AUTH_VERIFY_SECRETS", WEAK).start().await.unwrap();
        let login = server.user("ada@example.com").await.unwrap();
        let user = identify(&server, &login).await.unwrap();
        let root = server.admin().await.unwrap();
        let set = async |to: &str| {
            let path = format!("/users/{user}/{to}");
            let answer = server.send(Method::POST, &path, Some(&root), None).await.unwrap();
            assert_eq!(answer.status(), 204, "{store}");
        };
        let (_, key) = make_key(&server, &login).await;
        let claims = URL_SAFE_NO_PAD.decode(key.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        let genuine = sign(WEAK, &claims.to_string());
        identify(&server, &genuine).await.unwrap();

        // Of these anybody can make as many as they like, with ids they have seen somewhere.
        let mut other_time = claims.clone();
        other_time["iat"] = (claims["iat"].as_i64().unwrap() - 5).into();
        let mut other_end = claims.clone();
        other_end["exp"] = (claims["iat"].as_i64().unwrap() + 3600).into();
        let mut other_name = claims.clone();
        other_name["sub"] = "eve@example.com".into();
        for status in ["enable", "disable"] {
            set(status).await;
            for forged in [&other_time, &other_end, &other_name] {
                revoke(&server, &sign(WEAK, &forged.to_string())).await;
            }
        }
        set("enable").await;
        assert_eq!(identify(&server, &key).await.unwrap(), user, "{store}: it is still there");

        set("disable").await;
        revoke(&server, &genuine).await;
        set("enable").await;
        for gone in [&key, &genuine] {
            assert_eq!(code(identify(&server, gone).await), Code::Unauthenticated, "{store}");
        }
    }
}
