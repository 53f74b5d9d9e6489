//! PostgreSQL away: never a yes, never a "denied", never a hang, and back without a restart.

use std::time::{Duration, Instant};

use auth_testkit::{Postgres, Server};
use tonic::Code;

use crate::world::{authorize, code, embedded, eventually, found, get, identify, make_key};

/// The longest a call may take before it says that it cannot tell.
const DEADLINE: Duration = Duration::from_secs(10);

async fn cannot_tell(server: &Server, login: &str, key: &str, org: &str) {
    // What is in memory is answered for a lease.
    eventually("it cannot tell", Duration::from_secs(5), async || {
        identify(server, login).await.is_err()
    })
    .await;
    let begun = Instant::now();
    assert_eq!(code(identify(server, key).await), Code::Unavailable);
    assert_eq!(code(authorize(server, login, org, "viewer").await), Code::Unavailable);
    for path in ["/orgs", &format!("/orgs/{org}"), "/keys"] {
        let answer = get(server, path, login).await;
        assert_eq!(answer.status(), 503, "{path}");
        assert!(answer.headers().contains_key("retry-after"), "{path}");
    }
    let body = serde_json::json!({ "name": "x" });
    let write =
        server.send(reqwest::Method::POST, "/orgs", Some(login), Some(&body)).await.unwrap();
    assert_eq!(write.status(), 503);
    assert!(begun.elapsed() < DEADLINE * 6, "each of six calls has a deadline");
    // Nobody can tell whether the session was ended meanwhile.
    assert_eq!(code(identify(server, login).await), Code::Unavailable);
    let health = server.client.get(server.url("/health")).send().await.unwrap();
    assert_eq!(health.status(), 200);
    let live = server.client.get(server.ops_url("/livez")).send().await.unwrap();
    assert_eq!(live.status(), 200);
    let ready = server.client.get(server.ops_url("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 503);
}

#[tokio::test]
async fn r1_a_database_that_stopped() {
    let mut postgres = Postgres::start().await.unwrap();
    let database = postgres.database().await.unwrap();
    let server = embedded().on(&database).start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let org = found(&server, &login, "acme").await;
    let (_, key) = make_key(&server, &login).await;

    postgres.stop().await.unwrap();
    cannot_tell(&server, &login, &key, &org).await;
    postgres.start_again().await.unwrap();
    eventually("it answers again", Duration::from_secs(5), async || {
        authorize(&server, &login, &org, "owner").await.is_ok()
            && identify(&server, &key).await.is_ok()
    })
    .await;
    assert_eq!(get(&server, &format!("/orgs/{org}"), &login).await.status(), 200);
}

#[tokio::test]
async fn r2_a_database_that_hangs() {
    let postgres = Postgres::start().await.unwrap();
    let database = postgres.database().await.unwrap();
    let server = embedded().on(&database).start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let org = found(&server, &login, "acme").await;
    let (_, key) = make_key(&server, &login).await;

    postgres.freeze().await.unwrap();
    cannot_tell(&server, &login, &key, &org).await;
    postgres.thaw().await.unwrap();
    eventually("it answers again", Duration::from_secs(5), async || {
        authorize(&server, &login, &org, "owner").await.is_ok()
    })
    .await;
}
