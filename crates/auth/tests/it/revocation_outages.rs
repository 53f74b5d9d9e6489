//! What becomes of answers from memory, and of revocations, while PostgreSQL or Redis is away, under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use auth_grpc::proto::auth_service_client::AuthServiceClient;
use auth_grpc::proto::{AuthorizeReq, Token};
use auth_testkit::{Postgres, Proxy, Redis, Server};
use reqwest::Method;
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};
use tonic::Code;
use tonic::transport::Channel;

use crate::world::{code, embedded, eventually, found, identify, make_key, postgres};

/// Somebody asked then, and was told this.
#[derive(Clone, Copy)]
struct Told {
    asked: Instant,
    answered: Instant,
    code: Code,
}

/// Asks over one connection, again and again, until told to stop.
async fn client(
    mut siblings: AuthServiceClient<Channel>,
    (login, key, org): (String, String, String),
    heard: Arc<Mutex<Vec<Told>>>,
    stop: Arc<AtomicBool>,
) {
    for turn in 0_usize.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let asked = Instant::now();
        let said = if turn % 2 == 0 {
            siblings.identify(Token { value: key.clone() }).await.map(drop)
        } else {
            let request = AuthorizeReq {
                token: login.clone(),
                object: org.clone(),
                subject: "org".into(),
                action: "owner".into(),
            };
            siblings.authorize(request).await.map(drop)
        };
        let code = said.map_or_else(|status| status.code(), |()| Code::Ok);
        heard.lock().await.push(Told { asked, answered: Instant::now(), code });
        // Many clients, each with a pause: the test shares its machine with the servers.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_stops_under_load_is_outlived_by_the_lease_only_and_is_back_within_5_s() {
    let mut database = Postgres::start().await.unwrap();
    let setup = embedded().on(&database.database().await.unwrap());
    let servers = [setup.start().await.unwrap(), setup.start().await.unwrap()];
    let login = servers[0].user("ada@example.com").await.unwrap();
    let org = found(&servers[0], &login, "acme").await;
    let (_, key) = make_key(&servers[0], &login).await;
    let (heard, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let mut clients = JoinSet::new();
    for number in 0..12 {
        let url = servers[number % 2].grpc_url();
        let siblings = AuthServiceClient::connect(url).await.unwrap();
        let (heard, stop) = (Arc::clone(&heard), Arc::clone(&stop));
        clients.spawn(client(siblings, (login.clone(), key.clone(), org.clone()), heard, stop));
    }
    eventually("there is load, from memory", Duration::from_secs(20), async || {
        let mut least = u64::MAX;
        for server in &servers {
            least = least.min(hits(server).await);
        }
        least > 100
    })
    .await;
    assert!(heard.lock().await.drain(..).all(|told| told.code == Code::Ok), "before it stops");

    let stopping = Instant::now();
    database.stop().await.unwrap();
    let stopped = Instant::now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let starting = Instant::now();
    database.start_again().await.unwrap();
    let started = Instant::now();
    eventually("everybody is answered again", Duration::from_secs(5), async || {
        let last = started.elapsed().min(Duration::from_millis(200));
        let heard = heard.lock().await;
        let lately = heard.iter().filter(|told| told.answered.elapsed() < last);
        lately.clone().count() > 20 && lately.clone().all(|told| told.code == Code::Ok)
    })
    .await;
    let back = started.elapsed();
    stop.store(true, Ordering::SeqCst);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }

    let heard = heard.lock().await;
    let (mut warm, mut unavailable) = (0, 0);
    let mut latest = Duration::ZERO;
    for told in heard.iter() {
        let Told { asked, answered, code } = *told;
        assert!(matches!(code, Code::Ok | Code::Unavailable), "{code}");
        assert!(answered.duration_since(asked) < Duration::from_secs(10), "it hung");
        if code == Code::Unavailable {
            assert!(asked > stopping || answered > stopping, "nothing was away");
            unavailable += 1;
        } else if asked >= stopped && answered < starting {
            warm += 1;
            latest = latest.max(asked.duration_since(stopped));
        }
    }
    println!(
        "{warm} warm answers, the last {latest:?} after; {unavailable} refusals; back {back:?}"
    );
    assert!(warm > 0, "nothing was answered from memory");
    assert!(latest < Duration::from_millis(950), "answered from memory after the lease");
    assert!(unavailable > 20, "who asks then is told");
    for server in &servers {
        identify(server, &key).await.unwrap();
    }
}

async fn hits(server: &Server) -> u64 {
    let metrics = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let line =
        metrics.lines().find_map(|line| line.strip_prefix("auth_memory_hits_total ")?.parse().ok());
    line.unwrap_or(0)
}

/// Makes keys and revokes them on one replica, and asks the other; gives how long the slowest revocation took.
async fn revocations(servers: &[Server; 2], login: &str, rounds: usize, what: &str) -> Duration {
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let (id, key) = make_key(&servers[round % 2], login).await;
        for server in servers {
            identify(server, &key).await.unwrap();
        }
        let begun = Instant::now();
        let path = format!("/keys/{id}");
        let revoked = servers[0].send(Method::DELETE, &path, Some(login), None).await.unwrap();
        assert_eq!(revoked.status(), 204, "{what}");
        slowest = slowest.max(begun.elapsed());
        for server in servers {
            assert_eq!(code(identify(server, &key).await), Code::Unauthenticated, "{what}");
        }
    }
    slowest
}

/// Whatever Redis does, revocations are true when they are answered, and are answered within a lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r9_to_r12_whatever_becomes_of_redis_revocations_stay_within_their_bounds() {
    // A lease beyond what a busy machine takes, so that waiting for one would be seen.
    let lease = Duration::from_secs(5);
    let mut redis = Redis::start().await.unwrap();
    let setup = postgres().await.set("MF_AUTH_LEASE", "5s").set("MF_AUTH_ES_URL", redis.address());
    redis.stop();
    let servers = [setup.start().await.unwrap(), setup.start().await.unwrap()];
    let login = servers[0].user("ada@example.com").await.unwrap();
    let mut slowest = Vec::new();
    let mut measure = async |what: &'static str| {
        let took = revocations(&servers, &login, 15, what).await;
        slowest.push((what, took));
    };
    measure("absent from the start").await;
    redis.start_again().await.unwrap();
    measure("there").await;
    redis.freeze().await.unwrap();
    measure("frozen").await;
    redis.thaw().await.unwrap();
    measure("thawed").await;
    redis.stop();
    measure("stopped").await;
    redis.start_again().await.unwrap();
    redis.flush().await.unwrap();
    measure("back, and empty").await;
    let redis = Arc::new(redis);
    let poisoning = poison(&redis);
    measure("poisoned").await;
    poisoning.abort();
    println!("slowest: {slowest:?}");
    for (what, took) in slowest {
        assert!(took < lease, "{what}: {took:?}");
    }
    for server in &servers {
        assert!(server.output().lines().all(|line| !line.contains("panicked")));
    }
}

/// With Redis alone to wake them, whose messages come past a database that tells nobody anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_wakes_replicas_that_hear_nothing_from_postgresql() {
    let postgres = Postgres::start().await.unwrap();
    let proxy = Proxy::without_notifications(postgres.address()).await.unwrap();
    let mut redis = Redis::start().await.unwrap();
    let database = postgres.database().await.unwrap().at(proxy.address());
    let setup = embedded().on(&database).set("MF_AUTH_ES_URL", redis.address());
    // Whoever is not woken looks by themselves, after so long.
    let setup = setup.set("MF_AUTH_LEASE", "9s").set("MF_AUTH_LEASE_RENEWAL", "3s");
    let servers = [setup.start().await.unwrap(), setup.start().await.unwrap()];
    let login = servers[0].user("ada@example.com").await.unwrap();
    let woken = revocations(&servers, &login, 10, "woken by Redis").await;
    redis.stop();
    let alone = revocations(&servers, &login, 3, "woken by nobody").await;
    let between = Duration::from_secs(2);
    assert!(woken < between && between < alone, "{woken:?}, and {alone:?} without");
}

/// Floods the channel of wake-ups with what was never meant for it.
fn poison(redis: &Arc<Redis>) -> JoinHandle<()> {
    let redis = Arc::clone(redis);
    tokio::spawn(async move {
        let long = "x".repeat(100_000);
        loop {
            for garbage in ["", "-1", "9223372036854775808", "\u{0}\r\n*1\r\n$4\r\nQUIT\r\n", &long]
            {
                redis.ask(&["PUBLISH", "keyward.changes", garbage]).await.unwrap();
            }
        }
    })
}
