//! Rows 1 to 16: keys.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Fleet, NOTHING, OWNER, STRANGER, has_members, moment};

const MISSING: &str = "missing or invalid bearer user token";
const MALFORMED: &str = "malformed entity specification";

/// What a token says.
fn payload(token: &str) -> Value {
    let parts: Vec<_> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap()
}

#[tokio::test]
async fn r01_to_r11_keys_are_issued() {
    for fleet in Fleet::both().await {
        let issue = |row| fleet.post(row, "/keys");
        let key = issue("1").by(OWNER).await.json(&json!({ "type": 2 })).shows(201).await;
        assert!(has_members(&key, &["id", "value", "issued_at"]), "{key}");
        let claims = payload(key["value"].as_str().unwrap());
        assert_eq!(claims["jti"], key["id"]);
        assert_eq!((&claims["iss"], &claims["type"]), (&json!("mainflux.auth"), &json!(2)));
        assert_eq!(claims["issuer_id"], crate::users::id(OWNER));
        assert_eq!(claims["sub"], crate::users::email(OWNER));
        assert_eq!(claims.get("exp"), None);

        let body = json!({ "type": 2, "duration": 3600 });
        let key = issue("2").by(OWNER).await.json(&body).shows(201).await;
        let life = moment(&key["expires_at"]) - moment(&key["issued_at"]);
        assert_eq!(life.whole_seconds(), 3600);
        let claims = payload(key["value"].as_str().unwrap());
        assert_eq!(claims["exp"].as_i64(), claims["iat"].as_i64().map(|iat| iat + 3600));

        let refused = async |row, body: &str, status, error: &str| {
            issue(row).by(OWNER).await.text(body).refused(status, error).await;
        };
        refused("3", r#"{"type":3}"#, 400, "invalid api key type").await;
        refused("4", r#"{"type":-1}"#, 400, MALFORMED).await;
        refused("4", r#"{"type":2,"duration":1.5}"#, 400, MALFORMED).await;
        refused("5, D-17", r#"{"type":2,"duration":-5}"#, 400, MALFORMED).await;
        refused("5, D-17", r#"{"type":2,"duration":10000000000}"#, 400, MALFORMED).await;
        let body = json!({ "type": 0 });
        issue("6, GO-2").with("garbage").json(&body).refused(401, "failed to validate token").await;
        issue("6, GO-2").json(&body).refused(401, MISSING).await;
        refused("6, GO-2", r#"{"type":0}"#, 400, "invalid api key type").await;

        let made = issue("7").by(OWNER).await.json(&json!({ "type": 2 })).shows(201).await;
        let recovery = fleet.token(OWNER, 1).await;
        for token in [made["value"].as_str().unwrap(), &recovery] {
            let call = issue("7").with(token).json(&json!({ "type": 2 }));
            call.refused(401, "failed to issue new login key").await;
        }
        let login = fleet.token(OWNER, 0).await;
        for header in [format!("bearer {login}"), login.clone(), "Basic eDp5".to_owned()] {
            let call = issue("8").header("authorization", &header).json(&json!({ "type": 2 }));
            call.refused(401, MISSING).await;
        }
        issue("9").by(OWNER).await.refused(415, "unsupported content type").await;
        issue("10").text("{").refused(400, MALFORMED).await;
        // The original reads this; two readers of one document must not see different things.
        refused("11", r#"{"TYPE":2,"foo":1} trailing"#, 400, MALFORMED).await;
    }
}

#[tokio::test]
async fn r12_to_r16_keys_are_shown_and_revoked() {
    for fleet in Fleet::both().await {
        let made = fleet.post("12", "/keys").by(OWNER).await.json(&json!({ "type": 2 }));
        let made = made.shows(201).await;
        let (key, path) =
            (made["value"].as_str().unwrap(), format!("/keys/{}", made["id"].as_str().unwrap()));
        let shown = fleet.get("12", &path).by(OWNER).await.shows(200).await;
        let names = ["id", "issuer_id", "subject", "type", "issued_at"];
        assert!(has_members(&shown, &names), "{shown}");
        assert_eq!((&shown["type"], &shown["id"]), (&json!(2), &made["id"]));
        for odd in [NOTHING, "zz"] {
            let unknown = format!("/keys/{odd}");
            fleet.get("13", &unknown).by(OWNER).await.refused(404, "entity not found").await;
            fleet.delete("15", &unknown).by(OWNER).await.gives_nothing(204).await;
        }
        fleet.get("13", &path).by(STRANGER).await.refused(404, "entity not found").await;
        fleet.get("14", &path).with(key).refused(401, "failed to retrieve key data").await;
        fleet.get("16", "/orgs").with(key).gives(200).await;
        fleet.delete("16", &path).by(STRANGER).await.gives_nothing(204).await;
        fleet.get("16", "/orgs").with(key).gives(200).await;
        fleet.delete("16", &path).by(OWNER).await.gives_nothing(204).await;
        let text = "failed to perform authentication over the entity";
        fleet.get("16", "/orgs").with(key).refused(401, text).await;
    }
}
