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
async fn d61_d54_go30_s24_r1_a_database_that_stopped() {
    let mut postgres = Postgres::start().await.unwrap();
    let database = postgres.database().await.unwrap();
    let server = embedded().on(&database).start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let org = found(&server, &login, "acme").await;
    let (id, key) = make_key(&server, &login).await;
    let revoke = async || {
        let path = format!("/keys/{id}");
        server.send(reqwest::Method::DELETE, &path, Some(&login), None).await.unwrap().status()
    };

    postgres.stop().await.unwrap();
    cannot_tell(&server, &login, &key, &org).await;
    assert_eq!(revoke().await, 503, "what was not stored is not confirmed");
    postgres.start_again().await.unwrap();
    eventually("it answers again", Duration::from_secs(5), async || {
        authorize(&server, &login, &org, "owner").await.is_ok()
            && identify(&server, &key).await.is_ok()
    })
    .await;
    assert_eq!(get(&server, &format!("/orgs/{org}"), &login).await.status(), 200);
    assert_eq!(revoke().await, 204);
    assert_eq!(code(identify(&server, &key).await), Code::Unauthenticated);
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

#[tokio::test]
async fn r32_a_database_that_is_busy_at_the_start_is_waited_for() {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let setup = embedded().on(&database);
    setup.start().await.unwrap().stop().await.unwrap();
    // The schema is there; what comes after it is not to be had for a while.
    let holding = database.clone();
    let hold =
        "BEGIN; LOCK TABLE keyward_accounts IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(8); COMMIT";
    let held = tokio::spawn(async move { holding.execute(hold).await });
    let is_free = "BEGIN; LOCK TABLE keyward_accounts IN ACCESS EXCLUSIVE MODE NOWAIT; COMMIT";
    eventually("it is held", DEADLINE, async || database.execute(is_free).await.is_err()).await;
    let server = setup.start().await.unwrap();
    held.await.unwrap().unwrap();
    let tries = server.output().matches("\"outcome\":\"unavailable\"").count();
    assert!(tries > 0, "it had to try again: {}", server.output());
    server.admin().await.unwrap();
}
