//! Revocation as clients see it, on several replicas; and what becomes of answers from memory when the database
//! goes.

use std::time::{Duration, Instant};

use auth_testkit::{Postgres, Server};
use reqwest::Method;
use tonic::Code;

use crate::world::{
    authorize, code, embedded, eventually, found, identify, make_key, postgres, stores,
};

async fn delete(server: &Server, path: &str, token: &str) -> u16 {
    server.send(Method::DELETE, path, Some(token), None).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn what_is_revoked_on_one_replica_is_refused_by_all() {
    let setup = postgres().await;
    let servers = [setup.start().await.unwrap(), setup.start().await.unwrap()];
    let login = servers[0].user("ada@example.com").await.unwrap();
    for round in 0..20 {
        let (id, key) = make_key(&servers[round % 2], &login).await;
        for server in &servers {
            identify(server, &key).await.unwrap();
        }
        assert_eq!(delete(&servers[0], &format!("/keys/{id}"), &login).await, 204);
        for server in &servers {
            assert_eq!(code(identify(server, &key).await), Code::Unauthenticated);
        }
    }
}

#[tokio::test]
async fn s26_logging_out_everywhere_ends_every_session_and_no_later_one() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let first = server.user("ada@example.com").await.unwrap();
        let second = server.login("ada@example.com", "password1").await.unwrap_or(first.clone());
        let (_, key) = make_key(&server, &first).await;
        assert_eq!(delete(&server, "/sessions", &first).await, 204, "{store}");
        for login in [&first, &second] {
            assert_eq!(code(identify(&server, login).await), Code::Unauthenticated, "{store}");
            assert_eq!(delete(&server, "/sessions", login).await, 401, "{store}");
        }
        identify(&server, &key).await.unwrap();

        // In the same second, most likely.
        let again = server.user("eve@example.com").await.unwrap();
        let eve = identify(&server, &again).await.unwrap();
        let root = server.admin().await.unwrap();
        for _ in 0..3 {
            let request = auth_grpc::proto::IssueReq {
                id: eve.clone(),
                email: "eve@example.com".into(),
                r#type: 0,
            };
            let mut siblings = crate::world::sibling(&server).await;
            let login = siblings.issue(request).await.unwrap().into_inner().value;
            identify(&server, &login).await.unwrap();
            assert_eq!(delete(&server, &format!("/users/{eve}/sessions"), &root).await, 204);
            assert_eq!(code(identify(&server, &login).await), Code::Unauthenticated, "{store}");
        }
    }
}

#[tokio::test]
async fn all_keys_of_a_user_go_at_once() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let login = server.user("ada@example.com").await.unwrap();
        let user = identify(&server, &login).await.unwrap();
        let root = server.admin().await.unwrap();
        for (path, token) in [("/keys".to_owned(), &login), (format!("/users/{user}/keys"), &root)]
        {
            let mut keys = Vec::new();
            for _ in 0..3 {
                keys.push(make_key(&server, &login).await.1);
            }
            assert_eq!(
                delete(&server, &path, &keys[0]).await,
                if path == "/keys" { 401 } else { 403 }
            );
            for _ in 0..2 {
                assert_eq!(delete(&server, &path, token).await, 204, "{store} {path}");
            }
            for key in &keys {
                assert_eq!(code(identify(&server, key).await), Code::Unauthenticated, "{store}");
            }
            identify(&server, &login).await.unwrap();
        }
        assert_eq!(delete(&server, &format!("/users/{user}/keys"), &login).await, 403, "{store}");
    }
}

/// Warm answers last as long as the lease and not longer; then it cannot tell, and recovers by itself.
#[tokio::test]
async fn a_database_that_stops_is_outlived_by_the_lease_only() {
    let mut database = Postgres::start().await.unwrap();
    let server = embedded().on(&database.database().await.unwrap()).start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let org = found(&server, &login, "acme").await;
    let (_, key) = make_key(&server, &login).await;
    eventually("the memory is trusted", Duration::from_secs(10), async || {
        let metrics = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
        let metrics = metrics.text().await.unwrap();
        authorize(&server, &login, &org, "owner").await.unwrap();
        identify(&server, &key).await.unwrap();
        metrics.lines().any(|line| {
            line.strip_prefix("auth_memory_hits_total ").is_some_and(|hits| hits != "0")
        })
    })
    .await;
    let stopping = Instant::now();
    database.stop().await.unwrap();
    let stopped = Instant::now();
    let mut warm = 0;
    let unavailable = loop {
        let asked = Instant::now();
        match authorize(&server, &login, &org, "owner").await {
            Ok(()) => {
                warm += 1;
                // Renewed last before the database was gone.
                let longest = Duration::from_millis(950);
                assert!(asked.duration_since(stopped) < longest, "still answered from memory");
            }
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                break asked;
            }
        }
    };
    assert!(unavailable.duration_since(stopping) < Duration::from_secs(5));
    println!("{warm} warm answers");
    assert_eq!(code(identify(&server, &key).await), Code::Unavailable);
    assert_eq!(code(identify(&server, &login).await), Code::Unavailable);
    database.start_again().await.unwrap();
    eventually("it answers again", Duration::from_secs(5), async || {
        authorize(&server, &login, &org, "owner").await.is_ok()
            && identify(&server, &key).await.is_ok()
    })
    .await;
}

/// One replica that is stopped costs a write one lease, once.
#[tokio::test]
async fn a_replica_that_is_stopped_costs_one_lease_once() {
    let setup = postgres().await;
    let (server, other) = (setup.start().await.unwrap(), setup.start().await.unwrap());
    let login = server.user("ada@example.com").await.unwrap();
    let mut keys = Vec::new();
    for _ in 0..2 {
        keys.push(make_key(&server, &login).await);
    }
    other.signal("STOP").await.unwrap();
    let begun = Instant::now();
    assert_eq!(delete(&server, &format!("/keys/{}", keys[0].0), &login).await, 204);
    let first = begun.elapsed();
    // It is put out of the registry a lease after it was seen.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let begun = Instant::now();
    assert_eq!(delete(&server, &format!("/keys/{}", keys[1].0), &login).await, 204);
    let second = begun.elapsed();
    other.signal("CONT").await.unwrap();
    for (_, key) in &keys {
        assert_eq!(code(identify(&other, key).await), Code::Unauthenticated);
    }
    assert!(first >= Duration::from_millis(400), "it waited only {first:?}");
    assert!(first < Duration::from_secs(4), "{first:?}");
    assert!(second < first.max(Duration::from_millis(900)), "{first:?}, then {second:?}");
}
