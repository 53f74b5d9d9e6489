//! `/keys`.

use auth_domain::model::{KeyKind, PlatformRole};
use auth_domain::{Rules, Timestamp};
use auth_http::Options;
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::support::{NOW, World};

const NOBODY: &str = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";

async fn issue(world: &World, token: &str, body: &str) -> crate::support::Answer {
    world.post("/keys").bearer(token).body(body).send().await
}

#[tokio::test]
async fn r1_an_api_key_without_an_end() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let answer = issue(&world, &ada.token, r#"{"type":2}"#).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.members(), ["id", "value", "issued_at"]);
    let key = answer.json();
    assert!(key["id"].as_str().unwrap().parse::<auth_domain::model::KeyId>().is_ok());
    assert_eq!(key["value"].as_str().unwrap().split('.').count(), 3);
    assert_eq!(key["issued_at"], "2023-11-14T22:13:20Z");
    assert!(answer.text().ends_with("}\n"));
}

#[tokio::test]
async fn r2_an_api_key_with_an_end() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let answer = issue(&world, &ada.token, r#"{"type":2,"duration":3600}"#).await;
    assert_eq!(answer.members(), ["id", "value", "issued_at", "expires_at"]);
    let end = Timestamp::from_seconds(NOW + 3600).to_string();
    assert_eq!(answer.json()["expires_at"], end.as_str());
    let value = answer.json()["value"].as_str().unwrap().to_owned();

    assert_eq!(world.get("/orgs").bearer(&value).send().await.status, StatusCode::OK);
    world.clock.advance(3601);
    let late = world.get("/orgs").bearer(&value).send().await;
    late.assert_refused(401, "use of expired API key");
}

#[tokio::test]
async fn r3_r4_r5_types_and_durations_out_of_range_are_refused() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let malformed = "malformed entity specification";
    for (body, text) in [
        (r#"{"type":3}"#, "invalid api key type"),
        (r#"{"type":4294967295}"#, "invalid api key type"),
        (r#"{"type":4294967296}"#, malformed),
        (r#"{"type":-1}"#, malformed),
        (r#"{"type":1.5}"#, malformed),
        (r#"{"type":"2"}"#, malformed),
        (r#"{"type":2,"duration":1.5}"#, malformed),
        (r#"{"type":2,"duration":"60"}"#, malformed),
        (r#"{"type":2,"duration":1e3}"#, malformed),
        (r#"{"type":2,"duration":-5}"#, malformed),
        (r#"{"type":2,"duration":10000000000}"#, malformed),
        (r#"{"type":2,"duration":9223372036854775807}"#, malformed),
        (r#"{"type":2,"duration":9223372036854775808}"#, malformed),
        (r#"{"type":2,"duration":-9223372036854775808}"#, malformed),
    ] {
        let answer = issue(&world, &ada.token, body).await;
        assert_eq!(answer.refusal(), (400, text.to_owned()), "{body}");
    }
    let century: i64 = 100 * 365 * 24 * 3600;
    let longest = issue(&world, &ada.token, &format!(r#"{{"type":2,"duration":{century}}}"#)).await;
    assert_eq!(longest.status, StatusCode::CREATED);
    let beyond = century + 1;
    let answer = issue(&world, &ada.token, &format!(r#"{{"type":2,"duration":{beyond}}}"#)).await;
    assert!(answer.json()["detail"].as_str().unwrap().contains("seconds"), "names the unit");
    assert_eq!(answer.json()["code"], "invalid_key_life");
}

/// Around every power of two of either sign: an end after the beginning, or a refusal.
#[tokio::test]
async fn d17_go10_s23_no_duration_makes_a_key_that_ended_before_it_began() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let powers = (0..63).map(|bits| 1_i64 << bits);
    let around = powers.flat_map(|power| [power.saturating_sub(1), power, power.saturating_add(1)]);
    for seconds in around.flat_map(|seconds| [seconds, seconds.saturating_neg()]) {
        let body = json!({ "type": 2, "duration": seconds }).to_string();
        let answer = issue(&world, &ada.token, &body).await;
        let granted = (0..=100 * 365 * 24 * 3600).contains(&seconds);
        assert_eq!(answer.status.as_u16(), if granted { 201 } else { 400 }, "{seconds}");
        if granted && seconds > 0 {
            let end = Timestamp::from_seconds(NOW.saturating_add(seconds)).to_string();
            assert_eq!(answer.json()["expires_at"], end.as_str(), "{seconds}");
        }
    }
}

#[tokio::test]
async fn d12_an_operator_can_demand_an_end() {
    let day = std::time::Duration::from_hours(24);
    let rules = Rules { max_key_life: Some(day), ..Rules::default() };
    let world = World::with(Options::default(), rules).await;
    let ada = world.person("ada").await;
    for (body, status) in [
        (r#"{"type":2}"#, 400),
        (r#"{"type":2,"duration":0}"#, 400),
        (r#"{"type":2,"duration":86401}"#, 400),
        (r#"{"type":2,"duration":86400}"#, 201),
    ] {
        assert_eq!(issue(&world, &ada.token, body).await.status.as_u16(), status, "{body}");
    }
}

#[tokio::test]
async fn s22_no_type_is_issued_on_a_credential_that_is_not_a_login() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let (_, key) = world.api_key(&ada).await;
    let recovery = world.token(ada.id, &ada.email, KeyKind::Recovery).await;
    for kind in 0..=2 {
        let body = json!({ "type": kind }).to_string();
        issue(&world, "x.y.z", &body).await.assert_refused(401, "failed to validate token");
        for token in [&key, &recovery] {
            let answer = issue(&world, token, &body).await;
            answer.assert_refused(401, "failed to issue new login key");
        }
        let none = world.post("/keys").body(&body).send().await;
        none.assert_refused(401, "missing or invalid bearer user token");
    }
}

#[tokio::test]
async fn d04_r6_go2_only_api_keys_are_issued_here() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    for body in [r#"{"type":0}"#, r#"{"type":1}"#, "{}", "null", r#"{"type":null}"#] {
        issue(&world, &ada.token, body).await.assert_refused(400, "invalid api key type");
    }
    issue(&world, "x", r#"{"type":0}"#).await.assert_refused(401, "failed to validate token");
}

#[tokio::test]
async fn r7_a_key_cannot_make_keys() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let (_, key) = world.api_key(&ada).await;
    let answer = issue(&world, &key, r#"{"type":2}"#).await;
    answer.assert_refused(401, "failed to issue new login key");
}

#[tokio::test]
async fn r8_only_the_exact_scheme_is_a_token() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    for header in [format!("bearer {}", ada.token), ada.token.clone(), "Basic YTpi".to_owned()] {
        let answer =
            world.post("/keys").header(AUTHORIZATION, &header).body(r#"{"type":2}"#).send().await;
        answer.assert_refused(401, "missing or invalid bearer user token");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    let blank = world.get("/keys").header(AUTHORIZATION, &format!("Bearer  {}", ada.token));
    blank.send().await.assert_refused(401, "failed to validate token");
}

#[tokio::test]
async fn r9_s72_a_body_needs_its_content_type() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let send = |content_type: &'static str| {
        let call = world.post("/keys").bearer(&ada.token).raw(r#"{"type":2}"#.into());
        if content_type.is_empty() { call } else { call.header(CONTENT_TYPE, content_type) }.send()
    };
    for odd in ["", "text/plain", "x-application/json-foo", "application/jsonp"] {
        send(odd).await.assert_refused(415, "unsupported content type");
    }
    for good in ["application/json; charset=utf-8", "Application/JSON"] {
        assert_eq!(send(good).await.status, StatusCode::CREATED, "{good}");
    }
}

#[tokio::test]
async fn r10_parsing_comes_before_the_token() {
    let world = World::new().await;
    let answer = world.post("/keys").body("{").send().await;
    answer.assert_refused(400, "malformed entity specification");
}

#[tokio::test]
async fn r11_lenient_json_is_refused() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    for body in [
        r#"{"TYPE":2}"#,
        r#"{"type":2} trailing"#,
        r#"{"type":2}{"type":2}"#,
        r#"{"type":2,"type":2}"#,
        r#"{"type":0,"Type":2}"#,
        r#"{"type":2,"x":{"y":1,"y":1}}"#,
    ] {
        let answer = issue(&world, &ada.token, body).await;
        assert_eq!(answer.refusal(), (400, "malformed entity specification".to_owned()), "{body}");
    }
    let unknown = issue(&world, &ada.token, r#"{"type":2,"foo":1}"#).await;
    assert_eq!(unknown.status, StatusCode::CREATED);
}

#[tokio::test]
async fn r12_the_owner_sees_their_key() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let (id, _) = world.api_key(&ada).await;
    let answer = world.get(&format!("/keys/{id}")).bearer(&ada.token).send().await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.members(), ["id", "issuer_id", "subject", "type", "issued_at"]);
    let key = answer.json();
    assert_eq!(key["id"], id.as_str());
    assert_eq!(key["issuer_id"], ada.id.to_string().as_str());
    assert_eq!(key["subject"], ada.email.as_str());
    assert_eq!(key["type"], 2);
    assert!(!answer.text().contains("value"));
}

#[tokio::test]
async fn r13_s43_foreign_unknown_and_odd_keys_look_the_same() {
    let world = World::new().await;
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let (id, _) = world.api_key(&ada).await;
    let root = world.root().await;
    let mut bodies = Vec::new();
    for other in [id.as_str(), NOBODY, "zz", "a%2Fb", "..", "%ff", "x;y", "%27%20or%201=1"] {
        for token in [&bob.token, &root.token] {
            let answer = world.get(&format!("/keys/{other}")).bearer(token).send().await;
            answer.assert_refused(404, "entity not found");
            bodies.push(answer.text().to_owned());
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[tokio::test]
async fn r14_a_key_does_not_see_keys() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let (id, key) = world.api_key(&ada).await;
    for path in [format!("/keys/{id}"), "/keys".to_owned()] {
        let answer = world.get(&path).bearer(&key).send().await;
        answer.assert_refused(401, "failed to retrieve key data");
    }
    let answer = world.delete(&format!("/keys/{id}")).bearer(&key).send().await;
    answer.assert_refused(401, "failed to remove key");
}

#[tokio::test]
async fn r15_revoking_what_is_not_there_is_fine() {
    let world = World::new().await;
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let (id, key) = world.api_key(&ada).await;
    for other in [NOBODY, "zz", "%ff", id.as_str()] {
        world.delete(&format!("/keys/{other}")).bearer(&bob.token).send().await.assert_empty(204);
    }
    let alive = world.get("/orgs").bearer(&key).send().await;
    assert_eq!(alive.status, StatusCode::OK, "nobody revokes another's key");
}

#[tokio::test]
async fn r16_a_revoked_key_is_no_key() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let (id, key) = world.api_key(&ada).await;
    assert_eq!(world.get("/orgs").bearer(&key).send().await.status, StatusCode::OK);
    world.delete(&format!("/keys/{id}")).bearer(&ada.token).send().await.assert_empty(204);
    let answer = world.get("/orgs").bearer(&key).send().await;
    answer.assert_refused(401, "failed to perform authentication over the entity");
}

#[tokio::test]
async fn s44_an_id_in_another_spelling_is_the_same_key() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let (id, _) = world.api_key(&ada).await;
    for spelling in
        [id.to_uppercase(), id.replace('-', ""), format!("%7B{id}%7D"), format!("urn:uuid:{id}")]
    {
        let answer = world.get(&format!("/keys/{spelling}")).bearer(&ada.token).send().await;
        assert_eq!(answer.json()["id"], id.as_str(), "{spelling}");
    }
}

#[tokio::test]
async fn a_path_that_ends_before_the_id_says_so() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    for call in [world.get("/keys/"), world.delete("/keys/")] {
        call.bearer(&ada.token).send().await.assert_refused(400, "missing key ID");
    }
    let nobody = world.get("/keys/").send().await;
    nobody.assert_refused(401, "missing or invalid bearer user token");
}

#[tokio::test]
async fn the_owner_lists_their_keys() {
    let world = World::new().await;
    let (ada, bob) = (world.person("ada").await, world.holder("bob", PlatformRole::Root).await);
    let mut mine = Vec::new();
    for _ in 0..3 {
        mine.push(world.api_key(&ada).await.0);
        world.clock.advance(1);
    }
    let list = |query: &str| world.get(&format!("/keys{query}")).bearer(&ada.token).send();
    let ids = |answer: &crate::support::Answer| -> Vec<String> {
        let keys = answer.json()["keys"].clone();
        keys.as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect()
    };

    let answer = list("?order=issued_at&dir=asc&limit=2").await;
    assert_eq!(answer.members(), ["limit", "offset", "total", "order", "dir", "keys"]);
    let page = answer.json();
    assert_eq!(
        (&page["limit"], &page["offset"], &page["total"]),
        (&Value::from(2), &Value::from(0), &Value::from(3))
    );
    assert_eq!((&page["order"], &page["dir"]), (&json!("issued_at"), &json!("asc")));
    assert_eq!(ids(&answer), mine[..2]);
    assert_eq!(page["keys"][0]["type"], 2);
    assert_eq!(ids(&list("?order=issued_at&dir=asc&offset=2").await), mine[2..]);

    let others = world.get("/keys").bearer(&bob.token).send().await;
    assert_eq!(others.json()["keys"], json!([]), "one's own and nobody else's");
    list("?order=subject").await.assert_refused(400, "invalid list order provided");
    list("?limit=201").await.assert_refused(400, "invalid limit size");
}
