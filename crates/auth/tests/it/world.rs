//! What the tests share: a server on either store, and clients for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use auth_grpc::proto::auth_service_client::AuthServiceClient;
use auth_grpc::proto::{AuthorizeReq, Token};
use auth_testkit::{Postgres, Server, Setup};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic::{Code, Status};

/// The binary on the embedded store.
pub fn embedded() -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_auth")).unwrap()
}

/// The binary on an empty database of the shared PostgreSQL, with patience for a busy machine.
pub async fn postgres() -> Setup {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    embedded().on(&database).set("MF_AUTH_DB_ACQUIRE_TIMEOUT", "5s")
}

/// Both.
pub async fn stores() -> [(&'static str, Setup); 2] {
    [("embedded", embedded()), ("postgres", postgres().await)]
}

/// A sibling service's connection.
pub async fn sibling(server: &Server) -> AuthServiceClient<Channel> {
    AuthServiceClient::connect(server.grpc_url()).await.unwrap()
}

/// Whose token it is.
pub async fn identify(server: &Server, token: &str) -> Result<String, Status> {
    let request = Token { value: token.to_owned() };
    Ok(sibling(server).await.identify(request).await?.into_inner().id)
}

/// Whether they may.
pub async fn authorize(
    server: &Server,
    token: &str,
    org: &str,
    action: &str,
) -> Result<(), Status> {
    let request = AuthorizeReq {
        token: token.to_owned(),
        object: org.to_owned(),
        subject: "org".to_owned(),
        action: action.to_owned(),
    };
    sibling(server).await.authorize(request).await.map(drop)
}

/// The code of a refusal.
pub fn code<T: std::fmt::Debug>(answer: Result<T, Status>) -> Code {
    answer.unwrap_err().code()
}

/// Founds an org and gives its id.
pub async fn found(server: &Server, token: &str, name: &str) -> String {
    let body = json!({ "name": name });
    let answer = server.send(Method::POST, "/orgs", Some(token), Some(&body)).await.unwrap();
    assert_eq!(answer.status(), 201);
    let location = answer.headers()["location"].to_str().unwrap();
    location.strip_prefix("/orgs/").unwrap().to_owned()
}

/// Makes an API key and gives its id and value.
pub async fn make_key(server: &Server, token: &str) -> (String, String) {
    let body = json!({ "type": 2 });
    let answer = server.send(Method::POST, "/keys", Some(token), Some(&body)).await.unwrap();
    assert_eq!(answer.status(), 201);
    let answer: Value = answer.json().await.unwrap();
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("id"), text("value"))
}

/// Asks for a path.
pub async fn get(server: &Server, path: &str, token: &str) -> Response {
    server.send(Method::GET, path, Some(token), None).await.unwrap()
}

/// Asks again and again until the answer is yes, with a deadline.
pub async fn eventually<F: AsyncFnMut() -> bool>(what: &str, within: Duration, mut ask: F) {
    let deadline = Instant::now() + within;
    while !ask().await {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Founds orgs from four clients at once until ten were answered, kills the server in the middle of it, and
/// gives every org whose founding was answered.
pub async fn killed_while_founding(server: Server, login: &str) -> Vec<String> {
    let answered = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (client, url) = (server.client.clone(), server.url("/orgs"));
            let (login, answered) = (login.to_owned(), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut founded = Vec::new();
                let body = json!({ "name": "acme" });
                // Until nobody answers any more.
                while let Ok(answer) =
                    client.post(&url).bearer_auth(&login).json(&body).send().await
                {
                    if answer.status() == StatusCode::CREATED {
                        let place = answer.headers()["location"].to_str().unwrap();
                        founded.push(place.trim_start_matches("/orgs/").to_owned());
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
                founded
            })
        })
        .collect();
    eventually("ten are answered", Duration::from_mins(1), async || {
        answered.load(Ordering::Relaxed) >= 10
    })
    .await;
    server.kill().await.unwrap();
    let mut founded = Vec::new();
    for writer in writers {
        founded.extend(writer.await.unwrap());
    }
    founded
}

/// What a replica says of this series on its ops listener; 0 if nothing.
pub async fn metric(server: &Server, series: &str) -> f64 {
    let answer = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
    let text = answer.text().await.unwrap();
    let series = format!("{series} ");
    text.lines().find_map(|line| line.strip_prefix(&*series)?.parse().ok()).unwrap_or(0.0)
}
