//! `/introspect` and `/revoke`.

use std::sync::Arc;

use auth_domain::audit::Trail;
use auth_domain::model::KeyKind;
use auth_domain::ops::audit::NoteAttempts;
use auth_domain::{Caller, Rules};
use auth_http::{Options, Service, Services};
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::support::{Answer, Person, World};

/// What a service shows.
const SERVICE: &str = "what a service shows";
/// What one shows that may not ask.
const UNLISTED: &str = "what another service shows";
const FORM: &str = "application/x-www-form-urlencoded";

#[derive(Debug)]
struct Two;

impl Services for Two {
    fn service(&self, token: &str) -> Option<Service> {
        let known = |name: &str, may_introspect| Service { name: name.into(), may_introspect };
        match token {
            SERVICE => Some(known("things", true)),
            UNLISTED => Some(known("certs", false)),
            _ => None,
        }
    }
}

async fn world() -> World {
    let services = Some(Arc::new(Two) as Arc<dyn Services>);
    World::with(Options { accounts: true, services, ..Options::default() }, Rules::default()).await
}

async fn ask(world: &World, caller: &str, form: &str) -> Answer {
    let call = world.post("/introspect").bearer(caller).header(CONTENT_TYPE, FORM);
    call.raw(form.to_owned().into()).send().await
}

async fn said(world: &World, token: &str) -> Value {
    let answer = ask(world, SERVICE, &format!("token={token}&token_type_hint=whatever")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn revoke(world: &World, token: &str) -> Answer {
    let call = world.post("/revoke").header(CONTENT_TYPE, FORM);
    call.raw(format!("token={token}").into()).send().await
}

async fn begin(world: &World, person: &Person) -> (String, String, String) {
    let body = json!({ "email": person.email, "password": "password1" }).to_string();
    let answer = world.post("/sessions").body(&body).send().await.json();
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"), text("session_id"))
}

async fn next(world: &World, refresh: &str) -> String {
    let body = json!({ "refresh_token": refresh }).to_string();
    let answer = world.post("/sessions/refresh").body(&body).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["refresh_token"].as_str().unwrap().to_owned()
}

fn inactive() -> Value {
    json!({ "active": false })
}

#[tokio::test]
async fn a_good_token_says_whose_it_is() {
    let world = world().await;
    let ada = world.account("ada").await;
    let (key_id, key) = world.api_key(&ada).await;
    let (access, refresh, session) = begin(&world, &ada).await;
    for (token, kind) in
        [(&ada.token, "login"), (&key, "api_key"), (&access, "access"), (&refresh, "refresh")]
    {
        let said = said(&world, token).await;
        let told = (&said["active"], &said["kind"], &said["sub"], &said["username"]);
        let expected = (&json!(true), &json!(kind), &json!(ada.id.to_string()), &json!(ada.email));
        assert_eq!(told, expected);
        let bearer = if kind == "refresh" { Value::Null } else { json!("Bearer") };
        assert_eq!(said["token_type"], bearer);
        let of_session = ["access", "refresh"].contains(&kind);
        assert_eq!(said["sid"] == json!(session), of_session, "{said}");
        assert_eq!(said["jti"] == json!(key_id), kind == "api_key", "{said}");
        assert_eq!(said["exp"].is_i64(), kind != "api_key", "a key without an end: {said}");
        assert!(said["iat"].is_i64());
    }
}

#[tokio::test]
async fn rfc_7662_what_is_not_good_is_told_from_nothing() {
    let world = world().await;
    let ada = world.account("ada").await;
    let (access, first, _) = begin(&world, &ada).await;
    let second = next(&world, &first).await;
    let recovery = world.token(ada.id, &ada.email, KeyKind::Recovery).await;
    let (key_id, key) = world.api_key(&ada).await;
    world.delete(&format!("/keys/{key_id}")).bearer(&ada.token).send().await.assert_empty(204);
    let forged = format!("{}x", ada.token);
    for token in [&*first, &recovery, &key, &forged, "x", "rt_x", &"x".repeat(5_000)] {
        assert_eq!(said(&world, token).await, inactive(), "{token}");
    }
    // Asking about one that was used is no use of it.
    assert_eq!(said(&world, &second).await["active"], true);
    world.delete("/sessions").bearer(&ada.token).send().await.assert_empty(204);
    for token in [&second, &access, &ada.token] {
        assert_eq!(said(&world, token).await, inactive());
    }
    let ada = begin(&world, &ada).await;
    world.clock.advance(15 * 24 * 3600);
    for token in [&ada.0, &ada.1] {
        assert_eq!(said(&world, token).await, inactive(), "its time is over");
    }
}

#[tokio::test]
async fn only_services_and_the_platform_may_ask() {
    let world = world().await;
    let (ada, root) = (world.account("ada").await, world.root().await);
    let form = format!("token={}", ada.token);
    assert_eq!(ask(&world, &root.token, &form).await.json()["active"], true);
    assert_eq!(ask(&world, &ada.token, &form).await.status, 403, "not even about one's own");
    for nobody in ["another service", "x", &format!("{SERVICE}.")] {
        let answer = ask(&world, nobody, &form).await;
        answer.assert_refused(401, "failed to validate token");
    }
    let (_, key) = world.api_key(&root).await;
    assert_eq!(ask(&world, &key, &form).await.status, 403, "an API key of a root is no sign-in");
    let answer = world.get("/orgs").bearer(SERVICE).send().await;
    answer.assert_refused(401, "failed to validate token");
}

#[tokio::test]
async fn s76_s94_who_may_not_ask_is_refused_and_noted() {
    let world = world().await;
    let ada = world.account("ada").await;
    let form = format!("token={}", ada.token);
    for _ in 0..2 {
        assert_eq!(ask(&world, UNLISTED, &form).await.status, 403, "its name is not on the list");
    }
    assert_eq!(ask(&world, &ada.token, &form).await.status, 403);
    assert_eq!(ask(&world, "x.y.z", &form).await.status, 401);
    assert_eq!(said(&world, &ada.token).await["active"], true);
    world.app.execute(Caller::System, NoteAttempts).await.unwrap();
    let records = world.app.store().audit_after(Trail::Attempts, 0, 10).await.unwrap();
    let mut noted: Vec<_> = records
        .into_iter()
        .map(|record| record.entry)
        .filter(|it| it.operation == "introspect")
        .map(|it| (it.actor, it.outcome, it.count))
        .collect();
    noted.sort();
    let one = |actor: String, outcome: &str, count| (actor, outcome.to_owned(), count);
    assert_eq!(
        noted,
        [
            one("anonymous".to_owned(), "invalid_token", 1),
            one("service:certs".to_owned(), "forbidden", 2),
            one(format!("user:{}", ada.id), "forbidden", 1),
        ]
    );
}

#[tokio::test]
async fn a_form_has_one_token() {
    let world = world().await;
    for form in ["", "token=", "token", "token=a&token=b", "token=%zz", "other=a", "token=%00"] {
        let answer = ask(&world, SERVICE, form).await;
        answer.assert_refused(400, "invalid_request");
        assert_eq!(answer.json()["code"], "invalid_form");
        let call = world.post("/revoke").header(CONTENT_TYPE, FORM).raw(form.to_owned().into());
        call.send().await.assert_refused(400, "invalid_request");
    }
    for path in ["/introspect", "/revoke"] {
        let call = world.post(path).bearer(SERVICE).body(r#"{"token":"x"}"#);
        call.send().await.assert_refused(415, "unsupported content type");
        let long = world.post(path).bearer(SERVICE).header(CONTENT_TYPE, FORM);
        let long = long.raw(format!("token={}", "x".repeat(2 << 20)).into()).send().await;
        assert_eq!(long.status, 413, "{path}");
    }
}

#[tokio::test]
async fn rfc_7009_whoever_holds_a_token_takes_it_back() {
    let world = world().await;
    let ada = world.account("ada").await;
    let (_, key) = world.api_key(&ada).await;
    let (_, other_key) = world.api_key(&ada).await;
    let (access, refresh, _) = begin(&world, &ada).await;
    let (kept, ..) = begin(&world, &ada).await;
    revoke(&world, &key).await.assert_empty(200);
    assert_eq!(said(&world, &key).await, inactive());
    revoke(&world, &access).await.assert_empty(200);
    for token in [&access, &refresh] {
        assert_eq!(said(&world, token).await, inactive(), "its session is ended");
    }
    let (access, first, _) = begin(&world, &ada).await;
    let second = next(&world, &first).await;
    let third = next(&world, &second).await;
    revoke(&world, &first).await.assert_empty(200);
    for token in [&access, &second, &third] {
        assert_eq!(said(&world, token).await, inactive(), "by one that was used, as well");
    }
    for token in [&key, &access, &first, "x", "rt_x", &format!("{}x", ada.token)] {
        revoke(&world, token).await.assert_empty(200);
    }
    for token in [&kept, &other_key, &ada.token] {
        assert_eq!(said(&world, token).await["active"], true);
    }
    let answer = revoke(&world, &ada.token).await;
    answer.assert_refused(400, "unsupported_token_type");
    assert_eq!(said(&world, &ada.token).await["active"], true);
}
