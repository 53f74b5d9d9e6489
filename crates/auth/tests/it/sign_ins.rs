//! Sessions with refresh tokens over the real binary, on both stores and on several replicas.

use auth_testkit::{ADMIN_PASSWORD, Server};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tonic::Code;

use crate::world::{authorize, code, found, get, identify, make_key, postgres, stores};

const ADA: &str = "ada@example.com";

async fn send(
    server: &Server,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<Value>,
) -> Response {
    server.send(method, path, token, body.as_ref()).await.unwrap()
}

/// What somebody gets who signs in; the account is there.
pub async fn begin(server: &Server, email: &str) -> Value {
    let body = json!({ "email": email, "password": ADMIN_PASSWORD });
    let answer = send(server, Method::POST, "/sessions", None, Some(body)).await;
    assert_eq!(answer.status(), 201);
    answer.json().await.unwrap()
}

async fn refresh(server: &Server, token: &str) -> Result<Value, u16> {
    let body = json!({ "refresh_token": token });
    let answer = send(server, Method::POST, "/sessions/refresh", None, Some(body)).await;
    match answer.status().as_u16() {
        200 => Ok(answer.json().await.unwrap()),
        other => Err(other),
    }
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap()
}

fn access(answer: &Value) -> &str {
    text(answer, "access_token")
}

#[tokio::test]
async fn an_access_token_is_taken_wherever_a_login_token_is() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let login = server.user(ADA).await.unwrap();
        let session = begin(&server, ADA).await;
        let token = access(&session);
        assert_eq!(
            identify(&server, token).await.unwrap(),
            identify(&server, &login).await.unwrap(),
            "{store}"
        );
        let org = found(&server, token, "acme").await;
        authorize(&server, token, &org, "owner").await.unwrap();
        let (_, key) = make_key(&server, token).await;
        identify(&server, &key).await.unwrap();
        assert_eq!(get(&server, "/users/profile", token).await.status(), 200, "{store}");
        let refreshed = refresh(&server, text(&session, "refresh_token")).await.unwrap();
        let listed: Value =
            get(&server, "/sessions", access(&refreshed)).await.json().await.unwrap();
        assert_eq!(listed["sessions"][0]["current"], true, "{store}: {listed}");
        assert_eq!(listed["sessions"][0]["address"], "127.0.0.1", "{store}: {listed}");
        let output = server.output();
        for secret in [text(&session, "refresh_token"), token, ADA] {
            assert!(!output.contains(secret), "{store}: fw17: {output}");
        }
    }
}

/// Both replicas answer from memory when it is ended on one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fw13_gw11_a_session_that_is_ended_is_refused_by_every_replica() {
    let setup = postgres().await;
    let servers = [setup.start().await.unwrap(), setup.start().await.unwrap()];
    servers[0].user(ADA).await.unwrap();
    for round in 0..8 {
        let (here, there) = (&servers[round % 2], &servers[(round + 1) % 2]);
        let (session, other) = (begin(here, ADA).await, begin(there, ADA).await);
        for server in &servers {
            for _ in 0..2 {
                identify(server, access(&session)).await.unwrap();
                identify(server, access(&other)).await.unwrap();
            }
        }
        if round < 4 {
            let path = format!("/sessions/{}", text(&session, "session_id"));
            let ended = send(there, Method::DELETE, &path, Some(access(&other)), None).await;
            assert_eq!(ended.status(), 204);
        } else {
            // By a refresh token that comes again, on either replica.
            let first = text(&session, "refresh_token");
            let second = refresh(here, first).await.unwrap();
            refresh(there, text(&second, "refresh_token")).await.unwrap();
            assert_eq!(refresh(here, first).await, Err(401), "gw12");
        }
        for server in &servers {
            assert_eq!(code(identify(server, access(&session)).await), Code::Unauthenticated);
            identify(server, access(&other)).await.unwrap();
        }
        assert_eq!(refresh(there, text(&session, "refresh_token")).await, Err(401));
    }
}

#[tokio::test]
async fn fw13_fpw6_a_password_that_is_changed_and_an_account_that_is_disabled_end_them_all() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let login = server.user(ADA).await.unwrap();
        let user = identify(&server, &login).await.unwrap();
        let admin = server.admin().await.unwrap();
        let one = begin(&server, ADA).await;
        identify(&server, access(&one)).await.unwrap();
        let disable = format!("/users/{user}/disable");
        let done = send(&server, Method::POST, &disable, Some(&admin), None).await;
        assert!(done.status().is_success(), "{store}");
        assert_eq!(code(identify(&server, access(&one)).await), Code::Unauthenticated, "{store}");
        assert_eq!(refresh(&server, text(&one, "refresh_token")).await, Err(401), "{store}");
        let enable = format!("/users/{user}/enable");
        let done = send(&server, Method::POST, &enable, Some(&admin), None).await;
        assert!(done.status().is_success(), "{store}");
        assert_eq!(refresh(&server, text(&one, "refresh_token")).await, Err(401), "{store}");

        let two = begin(&server, ADA).await;
        identify(&server, access(&two)).await.unwrap();
        let body = json!({ "password": "another long one", "old_password": ADMIN_PASSWORD });
        let changed =
            send(&server, Method::PATCH, "/password", Some(access(&two)), Some(body)).await;
        assert!(changed.status().is_success(), "{store}: {}", changed.status());
        assert_eq!(code(identify(&server, access(&two)).await), Code::Unauthenticated, "{store}");
        assert_eq!(refresh(&server, text(&two, "refresh_token")).await, Err(401), "{store}");
    }
}

/// A service asks by the token that it shows over gRPC, and whoever holds a token takes it back everywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc_7662_rfc_7009_tokens_are_asked_about_and_taken_back_on_every_replica() {
    const SHOWN: &str = "what the service of things shows over gRPC";
    let setup = postgres().await.set("MF_AUTH_GRPC_TOKENS", format!("things={SHOWN}"));
    let servers = [setup.start().await.unwrap(), setup.start().await.unwrap()];
    let login = servers[0].user(ADA).await.unwrap();
    let form = async |server: &Server, path: &str, token: &str, by: Option<&str>| {
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let request = server.client.post(server.url(path)).header(kind.0, kind.1);
        let mut request = request.body(format!("token={token}"));
        if let Some(by) = by {
            request = request.bearer_auth(by);
        }
        request.send().await.unwrap()
    };
    let active = async |token: &str| {
        let mut said = Vec::new();
        for server in &servers {
            let answer = form(server, "/introspect", token, Some(SHOWN)).await;
            assert_eq!(answer.status(), 200);
            let document: Value = answer.json().await.unwrap();
            if document["active"] == false {
                assert_eq!(document, json!({ "active": false }));
            }
            said.push(document["active"] == true);
        }
        assert_eq!(said[0], said[1]);
        said[0]
    };
    let (_, key) = make_key(&servers[0], &login).await;
    let (one, two) = (begin(&servers[0], ADA).await, begin(&servers[1], ADA).await);
    for token in [&login, &key, access(&one), text(&two, "refresh_token")] {
        assert!(active(token).await);
    }
    for token in [&*key, access(&one), text(&two, "refresh_token")] {
        assert_eq!(form(&servers[0], "/revoke", token, None).await.status(), 200);
        assert!(!active(token).await);
    }
    for session in [&one, &two] {
        assert!(!active(access(session)).await && !active(text(session, "refresh_token")).await);
        for server in &servers {
            assert_eq!(code(identify(server, access(session)).await), Code::Unauthenticated);
        }
    }
    assert_eq!(form(&servers[0], "/revoke", "nothing", None).await.status(), 200);
    assert_eq!(form(&servers[0], "/revoke", &login, None).await.status(), 400);
    assert_eq!(form(&servers[0], "/introspect", &login, Some(&login)).await.status(), 403);
    assert_eq!(form(&servers[0], "/introspect", &login, None).await.status(), 401);
    identify(&servers[1], &login).await.unwrap();

    // A key that was found stays taken back when its owner, disabled at that moment, is enabled again.
    let (_, found) = make_key(&servers[0], &login).await;
    let (root, id) =
        (servers[0].admin().await.unwrap(), identify(&servers[0], &login).await.unwrap());
    let set = async |to: &str| {
        let path = format!("/users/{id}/{to}");
        let answer = servers[1].send(Method::POST, &path, Some(&root), None).await.unwrap();
        assert_eq!(answer.status(), 204);
    };
    set("disable").await;
    assert_eq!(form(&servers[0], "/revoke", &found, None).await.status(), 200);
    set("enable").await;
    for server in &servers {
        assert_eq!(code(identify(server, &found).await), Code::Unauthenticated);
    }
}

/// However many tabs ask at once, on whichever replica, they go on with one chain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gw12_tabs_on_two_replicas_that_refresh_at_once_share_one_chain() {
    let setup = postgres().await;
    let servers = [setup.start().await.unwrap(), setup.start().await.unwrap()];
    servers[0].user(ADA).await.unwrap();
    let mut token = text(&begin(&servers[0], ADA).await, "refresh_token").to_owned();
    for _ in 0..8 {
        let (one, two) = tokio::join!(refresh(&servers[0], &token), refresh(&servers[1], &token));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one["refresh_token"], two["refresh_token"]);
        for server in &servers {
            identify(server, access(&one)).await.unwrap();
            identify(server, access(&two)).await.unwrap();
        }
        text(&two, "refresh_token").clone_into(&mut token);
    }
}
