//! SIGTERM drains: no accepted request fails.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use auth_grpc::proto::Token;
use auth_grpc::proto::auth_service_client::AuthServiceClient;
use tonic::transport::Endpoint;
use tonic::{Code, Status};

use crate::world::{eventually, found, stores};

#[tokio::test]
async fn d52_go35_r31_a_stop_under_load_fails_no_accepted_request() {
    for (store, setup) in stores().await {
        let mut server = setup.start().await.unwrap();
        let login = server.user("ada@example.com").await.unwrap();
        let org = found(&server, &login, "acme").await;
        let answered = Arc::new(AtomicU64::new(0));
        let clients: Vec<_> = (0..8)
            .map(|number| {
                let (url, login) = (server.url(&format!("/orgs/{org}")), login.clone());
                let (grpc, answered) = (server.grpc_url(), Arc::clone(&answered));
                tokio::spawn(async move {
                    if number % 2 == 0 {
                        http_until_refused(&url, &login, &answered).await
                    } else {
                        grpc_until_refused(&grpc, &login, &answered).await
                    }
                })
            })
            .collect();
        eventually("there is load", Duration::from_secs(20), async || {
            answered.load(Ordering::Relaxed) > 200
        })
        .await;
        server.signal("TERM").await.unwrap();
        let status = server.ended().await.unwrap();
        for client in clients {
            client.await.unwrap().unwrap_or_else(|failure| panic!("{store}: {failure}"));
        }
        assert!(status.success(), "{store}: {status} {}", server.output());
    }
}

/// Asks over a kept connection until new connections are refused. Any other failure is one.
async fn http_until_refused(url: &str, login: &str, answered: &AtomicU64) -> Result<(), String> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    loop {
        match client.get(url).bearer_auth(login).send().await {
            Ok(answer) if answer.status() == 200 => {
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => return Err(format!("{}: {:?}", answer.status(), answer.text().await)),
            Err(refused) if refused.is_connect() => return Ok(()),
            Err(other) => return Err(format!("{other:?}")),
        }
    }
}

async fn grpc_until_refused(url: &str, login: &str, answered: &AtomicU64) -> Result<(), String> {
    loop {
        // A connection that got its GOAWAY is left; the next one is refused.
        let endpoint = Endpoint::from_shared(url.to_owned()).unwrap();
        let Ok(channel) = endpoint.connect().await else { return Ok(()) };
        let mut client = AuthServiceClient::new(channel);
        loop {
            match client.identify(Token { value: login.to_owned() }).await {
                Ok(_) => {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                // What tonic says when it may not start another call on this connection.
                Err(status) if status.code() == Code::Unavailable => break,
                Err(status) if was_not_sent(&status) => break,
                Err(status) => return Err(format!("{status:?}")),
            }
        }
    }
}

/// Whether the call never left the client: it was waiting to be sent when the connection was given up. One that
/// the server had is answered, or fails with what became of its stream.
fn was_not_sent(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        let canceled = error.downcast_ref::<hyper::Error>().filter(|error| error.is_canceled());
        if let Some(why) = canceled.and_then(Error::source) {
            return why.to_string() == "connection closed";
        }
        cause = error.source();
    }
    false
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let (_, setup) = stores().await.into_iter().next().unwrap();
    let mut server = setup.start().await.unwrap();
    server.signal("INT").await.unwrap();
    let status = server.ended().await.unwrap();
    assert!(status.success(), "{status}");
}
