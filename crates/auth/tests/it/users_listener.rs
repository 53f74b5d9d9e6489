//! The contract of the original's users service on ports of its own, by the real binary.

use std::net::SocketAddr;
use std::time::Duration;

use auth_grpc::proto::users_service_client::UsersServiceClient;
use auth_grpc::proto::{Token, UsersByIDsReq};
use auth_testkit::{Server, Setup};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

use crate::tls::{Authority, with_tls};
use crate::world::{code, embedded, eventually, identify, stores};

/// With both ports, wherever there is room.
pub fn with_ports(setup: Setup) -> Setup {
    setup.set("MF_USERS_HTTP_PORT", "0").set("MF_USERS_GRPC_PORT", "0")
}

pub async fn ask(
    server: &Server,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<Value>,
) -> Response {
    let url = format!("http://{}{path}", server.users_http.unwrap());
    let request = server.client.request(method, url);
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    request.send().await.unwrap()
}

fn grpc(server: &Server) -> Channel {
    let address = format!("http://{}", server.users_grpc.unwrap());
    Channel::from_shared(address).unwrap().connect_lazy()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u1_u7_u9_people_are_served_on_both_ports_alike() {
    for (store, setup) in stores().await {
        let server = with_ports(setup).start().await.unwrap();
        let health: Value =
            ask(&server, Method::GET, "/health", None, None).await.json().await.unwrap();
        assert_eq!(health["description"], "users service", "{store}");
        let main: Value =
            server.client.get(server.url("/health")).send().await.unwrap().json().await.unwrap();
        assert_eq!(main["description"], "auth service", "{store}");

        let user = json!({ "email": "ada@example.com", "password": "a-long-password" });
        let body = json!({ "user": user, "redirect_path": "/v" });
        let made = ask(&server, Method::POST, "/register", None, Some(body.clone())).await;
        assert_eq!(
            (made.status().as_u16(), made.headers().get("location")),
            (201, None),
            "{store}"
        );
        let again = ask(&server, Method::POST, "/register", None, Some(body)).await;
        assert_eq!(again.status(), 409, "{store}");
        let login = ask(&server, Method::POST, "/tokens", None, Some(user)).await;
        assert_eq!(login.status(), 201, "{store}");
        let login: Value = login.json().await.unwrap();
        let token = login["token"].as_str().unwrap().to_owned();
        let id = identify(&server, &token).await.unwrap();
        let profile = ask(&server, Method::GET, "/users/profile", Some(&token), None).await;
        assert_eq!(profile.json::<Value>().await.unwrap()["id"], id, "{store}");

        let asked = UsersByIDsReq { ids: vec![id.clone()], page_metadata: None };
        let found = UsersServiceClient::new(grpc(&server)).get_users_by_i_ds(asked).await.unwrap();
        let found = found.into_inner().users;
        assert_eq!((found.len(), &found[0].id), (1, &id), "{store}");
        server.stop().await.unwrap();
    }
}

#[tokio::test]
async fn every_users_route_is_there_and_none_of_the_others() {
    let server = with_ports(embedded()).start().await.unwrap();
    let users: Vec<_> =
        auth_http::users_routes().map(|route| (&route.method, route.path)).collect();
    assert!(users.len() > 12, "{users:?}");
    for (method, path) in &users {
        let answer = ask(&server, (*method).clone(), path, None, None).await;
        assert_ne!(answer.status(), 404, "{method} {path}");
        assert_ne!(answer.status(), 405, "{method} {path}");
    }
    let mut others = 0;
    for route in auth_http::routes(true) {
        if users.iter().any(|(_, path)| *path == route.path) {
            continue;
        }
        // A path of theirs may have the same shape, such as `/users/{id}`.
        let answer = ask(&server, route.method.clone(), route.path, None, None).await;
        let status = answer.status().as_u16();
        assert!([404, 405].contains(&status), "{} {}: {status}", route.method, route.path);
        others += 1;
    }
    assert!(others > 50, "{others}");
}

#[tokio::test]
async fn the_second_grpc_port_has_the_users_service_and_nothing_else() {
    let server = with_ports(embedded()).start().await.unwrap();
    let mut auth = auth_grpc::proto::auth_service_client::AuthServiceClient::new(grpc(&server));
    let refused = auth.identify(Token { value: "x".into() }).await;
    assert_eq!(code(refused), Code::Unimplemented);
    // An empty list is answered by the operation.
    let asked = UsersByIDsReq { ids: Vec::new(), page_metadata: None };
    let refused = UsersServiceClient::new(grpc(&server)).get_users_by_i_ds(asked).await;
    assert_eq!(code(refused), Code::InvalidArgument);
}

#[tokio::test]
async fn s80_limits_are_those_of_the_first_ports() {
    let setup = with_ports(embedded())
        .set("MF_AUTH_HTTP_MAX_BODY", "4KiB")
        .set("MF_AUTH_RATE_LIMITS", "on")
        .set("MF_AUTH_RATE_SIGN_INS", "address=2/1m");
    let server = setup.start().await.unwrap();
    let large = json!({ "email": "x".repeat(5_000), "password": "x" });
    let answer = ask(&server, Method::POST, "/tokens", None, Some(large)).await;
    assert_eq!(answer.status(), 413);
    // Whoever is refused on one port is refused on the other: there is one count.
    let body = json!({ "email": "nobody@example.com", "password": "x" });
    let mut answers = Vec::new();
    for _ in 0..2 {
        answers
            .push(ask(&server, Method::POST, "/tokens", None, Some(body.clone())).await.status());
        let main = server.send(Method::POST, "/tokens", None, Some(&body)).await.unwrap();
        answers.push(main.status());
    }
    assert_eq!(
        answers.iter().map(reqwest::StatusCode::as_u16).collect::<Vec<_>>(),
        [401, 401, 429, 429]
    );
    let metrics = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let line = "auth_operations_total{operation=\"login\",outcome=\"rate_limited\"} 2";
    assert!(metrics.contains(line), "{metrics}");
}

/// Whether HTTP on this port is answered with a certificate of this authority.
async fn is_served(at: SocketAddr, authority: &Authority) -> bool {
    let client = reqwest::Client::builder()
        .add_root_certificate(reqwest::Certificate::from_pem(authority.pem.as_bytes()).unwrap())
        .resolve("localhost", at)
        .build()
        .unwrap();
    let answer = client.get(format!("https://localhost:{}/health", at.port())).send().await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

/// What the gRPC port says to somebody without a certificate who trusts this authority.
async fn asked(server: &Server, authority: &Authority) -> Code {
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&authority.pem))
        .domain_name("localhost");
    let address = format!("https://{}", server.users_grpc.unwrap());
    let channel = Channel::from_shared(address).unwrap().tls_config(tls).unwrap().connect().await;
    let asked = UsersByIDsReq { ids: Vec::new(), page_metadata: None };
    code(UsersServiceClient::new(channel.unwrap()).get_users_by_i_ds(asked).await)
}

#[tokio::test]
async fn s76_they_are_served_with_the_same_certificate() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().unwrap());
    let server = with_ports(with_tls(&authority, &files)).start().await.unwrap();
    assert!(is_served(server.users_http.unwrap(), &authority).await);
    // Nobody is known who shows no certificate.
    assert_eq!(asked(&server, &authority).await, Code::Unauthenticated);
}

#[tokio::test]
async fn s76_a_certificate_of_the_users_service_is_theirs_and_read_again() {
    let (first, files) = (Authority::new(), tempfile::tempdir().unwrap());
    let users = Authority::new();
    let write = |authority: &Authority| {
        let pair = authority.issue("localhost");
        let write = |name: &str, text: &str| {
            let path = files.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        (write("users.pem", &pair.certificate), write("users.key", &pair.key))
    };
    let (cert, key) = write(&users);
    // With TLS on the first ports and without: theirs are never open in clear text.
    for setup in [with_tls(&first, &files), embedded()] {
        let setup =
            with_ports(setup).set("MF_USERS_SERVER_CERT", &cert).set("MF_USERS_SERVER_KEY", &key);
        let server = setup.start().await.unwrap();
        let at = server.users_http.unwrap();
        assert!(is_served(at, &users).await && !is_served(at, &first).await);
        assert!(!is_served(server.http, &users).await);
        assert!(server.client.get(format!("http://{at}/health")).send().await.is_err());
        assert_ne!(asked(&server, &users).await, Code::Unavailable);
        let next = Authority::new();
        write(&next);
        server.signal("HUP").await.unwrap();
        eventually("the new one is shown", Duration::from_secs(20), async || {
            is_served(at, &next).await
        })
        .await;
        assert!(!is_served(at, &users).await);
        write(&users);
    }
}

#[tokio::test]
async fn r31_a_stop_finishes_what_was_accepted_there_and_closes_the_ports() {
    let server = with_ports(embedded()).set("MF_AUTH_LOG_LEVEL", "info").start().await.unwrap();
    let (http, client) = (server.users_http.unwrap(), server.client.clone());
    // Opening an account takes a while, because its password is hashed.
    let user = json!({ "email": "ada@example.com", "password": "a-long-password" });
    let body = json!({ "user": user, "redirect_path": "/v" });
    let request = client.post(format!("http://{http}/register")).json(&body);
    let under_way = tokio::spawn(request.send());
    eventually("it has arrived or is answered", Duration::from_secs(20), async || {
        let metrics = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
        let metrics = metrics.text().await.unwrap();
        under_way.is_finished() || !metrics.contains("auth_work_under_way 0")
    })
    .await;
    let ended = server.stop().await.unwrap();
    assert!(ended.success(), "{ended:?}");
    assert_eq!(under_way.await.unwrap().unwrap().status(), 201);
    assert!(std::net::TcpStream::connect(http).is_err());
}

#[tokio::test]
async fn without_the_settings_or_the_accounts_there_are_no_such_ports() {
    let server = embedded().start().await.unwrap();
    assert_eq!((server.users_http, server.users_grpc), (None, None));
    let elsewhere = with_ports(embedded())
        .set("MF_USERS_GRPC_URL", "127.0.0.1:1")
        .unset("MF_USERS_ADMIN_EMAIL")
        .unset("MF_USERS_ADMIN_PASSWORD");
    let server = elsewhere.start().await.unwrap();
    assert_eq!((server.users_http, server.users_grpc), (None, None));
    assert!(server.output().contains("MF_USERS_HTTP_PORT has no effect"), "{}", server.output());
}
