//! Rate limits: one process, and three that count together through Redis, whatever becomes of Redis.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use auth_grpc::proto::ViewOrgReq;
use auth_testkit::{Redis, Server, Setup};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tonic::Code;

use crate::world::{
    embedded, eventually, found, get, identify, make_key, metric, postgres, sibling,
};

const SOON: Duration = Duration::from_secs(20);

/// With limits so wide that only those that a test sets refuse anything.
fn limited(setup: Setup) -> Setup {
    setup
        .set("MF_AUTH_RATE_LIMITS", "on")
        .set("MF_AUTH_LOGIN_FAILURES_PER_ADDRESS", "1000")
        .set("MF_AUTH_LOGIN_FAILURES_PER_ACCOUNT", "1000")
}

async fn refused(server: &Server, transport: &str, reason: &str) -> f64 {
    let series = format!("auth_refused_total{{transport=\"{transport}\",reason=\"{reason}\"}}");
    metric(server, &series).await
}

/// How many of so many answers are not 429, which says when to come back.
async fn through(answers: impl IntoIterator<Item = Response>) -> usize {
    let mut through = 0;
    for answer in answers {
        if answer.status() != StatusCode::TOO_MANY_REQUESTS {
            through += 1;
            continue;
        }
        let wait: u32 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=3_600).contains(&wait), "{wait}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "rate_limited", "{problem}");
    }
    through
}

/// Asks one after the other.
async fn reads(server: &Server, times: usize, token: &str) -> usize {
    let mut answers = Vec::new();
    for _ in 0..times {
        answers.push(get(server, "/orgs", token).await);
    }
    through(answers).await
}

#[tokio::test]
async fn s86_calls_are_limited_by_account_token_org_and_class() {
    let setup = limited(embedded())
        .set("MF_AUTH_RATE_READS", "account=6/1h,token=4/1h,org=3/1h")
        .set("MF_AUTH_RATE_WRITES", "account=5/1h");
    let server = setup.start().await.unwrap();
    let ada = server.user("ada@example.com").await.unwrap();
    let bob = server.user("bob@example.com").await.unwrap();
    let org = found(&server, &ada, "acme").await;
    let (_, key) = make_key(&server, &ada).await;
    assert_eq!(reads(&server, 6, &key).await, 4, "by token");
    assert_eq!(reads(&server, 6, &ada).await, 2, "by account: two were left of six");
    assert_eq!(reads(&server, 8, &bob).await, 6, "nobody else's");
    found(&server, &ada, "still writes").await;
    // An org is used up by those who belong to it, and by nobody else.
    let path = format!("/orgs/{org}");
    let strangers = server.user("carl@example.com").await.unwrap();
    for _ in 0..5 {
        assert_eq!(get(&server, &path, &strangers).await.status(), 404);
    }
    let dora = server.user("dora@example.com").await.unwrap();
    let own = format!("/orgs/{}", found(&server, &dora, "dora's").await);
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(get(&server, &own, &dora).await.status().as_u16());
    }
    assert_eq!(seen, [200, 200, 200, 429], "by org: three of her six");
    assert!(refused(&server, "http", "reads_by_org").await >= 1.0);
    assert!(refused(&server, "http", "reads_by_token").await >= 2.0);
    assert!(refused(&server, "http", "reads_by_account").await >= 4.0);
    // The log says who it was.
    let id = identify(&server, &ada).await.unwrap();
    let who = format!("\"actor\":\"user:{id}");
    let limited = |line: &&str| line.contains(r#""outcome":"rate_limited""#) && line.contains(&who);
    eventually("the lines are written", SOON, async || {
        server.output().lines().filter(limited).count() == 6
    })
    .await;
    // Checks go on, whatever is used up.
    for _ in 0..20 {
        identify(&server, &key).await.unwrap();
    }
}

#[tokio::test]
async fn s86_grpc_tells_when_to_come_back_and_services_themselves_are_not_limited() {
    let setup = limited(embedded())
        .set("MF_AUTH_RATE_READS", "address=1/1h,org=2/1h")
        .set("MF_AUTH_RATE_CHECKS", "token=3/1h");
    let server = setup.start().await.unwrap();
    let ada = server.user("ada@example.com").await.unwrap();
    let org = found(&server, &ada, "acme").await;
    let mut auth = sibling(&server).await;
    let mut view =
        async || auth.view_org(ViewOrgReq { token: ada.clone(), org_id: org.clone() }).await;
    view().await.unwrap();
    view().await.unwrap();
    let status = view().await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "by org; not by the address of a service");
    assert_eq!(status.metadata().get("code").unwrap(), "rate_limited");
    let wait: u64 =
        status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap().parse().unwrap();
    assert!((1..=1_800_000).contains(&wait), "{wait}");
    assert!(refused(&server, "grpc", "reads_by_org").await >= 1.0);
    let (_, key) = make_key(&server, &ada).await;
    for _ in 0..3 {
        identify(&server, &key).await.unwrap();
    }
    assert_eq!(identify(&server, &key).await.unwrap_err().code(), Code::ResourceExhausted);
    identify(&server, &ada).await.unwrap();
    let owner = auth_grpc::proto::OrgId { value: org.clone() };
    for _ in 0..5 {
        sibling(&server).await.get_owner_id_by_org_id(owner.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn s87_whoever_floods_an_address_with_bad_tokens_keeps_nobody_out_who_has_a_good_one() {
    let setup = limited(embedded()).set("MF_AUTH_RATE_READS", "address=5/1h");
    let server = setup.start().await.unwrap();
    let ada = server.user("ada@example.com").await.unwrap();
    assert_eq!(reads(&server, 20, "x.y.z").await, 5);
    assert_eq!(reads(&server, 8, &ada).await, 5, "and they have a limit of their own");
}

#[tokio::test]
async fn every_limit_is_off_when_limits_are_off() {
    let setup = embedded()
        .set("MF_AUTH_RATE_LIMITS", "off")
        .set("MF_AUTH_RATE_READS", "account=1/1h")
        .set("MF_AUTH_RATE_SIGN_INS", "address=1/1h")
        .set("MF_AUTH_LOGIN_FAILURES_PER_ADDRESS", "1");
    let server = setup.start().await.unwrap();
    let ada = server.user("ada@example.com").await.unwrap();
    assert_eq!(reads(&server, 5, &ada).await, 5);
    for _ in 0..3 {
        let body = json!({ "email": "ada@example.com", "password": "wrong-password" });
        let answer = server.send(Method::POST, "/tokens", None, Some(&body)).await.unwrap();
        assert_eq!(answer.status(), 401);
    }
    // Ends of sessions wait for the clock instead: at most a second each, once there are many.
    let id = identify(&server, &ada).await.unwrap();
    let path = format!("/users/{id}/sessions");
    let admin = server.admin().await.unwrap();
    let begun = Instant::now();
    for n in 0..34 {
        let answer = server.send(Method::DELETE, &path, Some(&admin), None).await.unwrap();
        assert_eq!(answer.status(), 204, "{n}");
    }
    assert!(begun.elapsed() > Duration::from_secs(1), "{:?}", begun.elapsed());
    let again = server.login("ada@example.com", auth_testkit::ADMIN_PASSWORD).await.unwrap();
    assert_eq!(identify(&server, &again).await.unwrap(), id, "who signs in now is in");
}

/// Three replicas on one database and one Redis.
struct Fleet {
    replicas: [Server; 3],
    redis: Redis,
}

impl Fleet {
    async fn start(limits: &[(&str, &str)]) -> Self {
        let redis = Redis::start().await.unwrap();
        let setup = limited(postgres().await).set("MF_AUTH_ES_URL", redis.address());
        let setup = limits.iter().fold(setup, |setup, (name, value)| setup.set(name, *value));
        let (one, two, three) = tokio::join!(setup.start(), setup.start(), setup.start());
        let fleet = Self { replicas: [one.unwrap(), two.unwrap(), three.unwrap()], redis };
        fleet.count_together(true).await;
        fleet
    }

    /// Waits until all of them do, or none does.
    async fn count_together(&self, together: bool) {
        let wanted = if together { 1.0 } else { 0.0 };
        eventually("all count together, or none", SOON, async || {
            for replica in &self.replicas {
                if (metric(replica, "auth_rate_limits_shared").await - wanted).abs() > 0.1 {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// How many attempts found nobody to count with.
    async fn alone(&self) -> f64 {
        let mut alone = 0.0;
        for replica in &self.replicas {
            alone += metric(replica, "auth_rate_limits_alone_total").await;
        }
        alone
    }

    /// Asks all of them at once, and gives how many came through.
    async fn burst(&self, times: usize, token: &str) -> usize {
        let mut asking = Vec::new();
        for turn in 0..times {
            let replica = &self.replicas[turn % 3];
            let request = replica.client.get(replica.url("/orgs")).bearer_auth(token);
            asking.push(tokio::spawn(async move { request.send().await.unwrap() }));
        }
        let mut answers = Vec::new();
        for answer in asking {
            answers.push(answer.await.unwrap());
        }
        through(answers).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s86_a_burst_over_three_replicas_lets_through_the_limit_and_no_more() {
    let fleet = Fleet::start(&[
        ("MF_AUTH_RATE_READS", "account=20/1h"),
        ("MF_AUTH_LOGIN_FAILURES_PER_ACCOUNT", "4"),
    ])
    .await;
    let [one, two, three] = &fleet.replicas;
    let ada = one.user("ada@example.com").await.unwrap();
    assert_eq!(fleet.burst(90, &ada).await, 20);
    // Guesses count together, too, and what was right is taken back everywhere.
    for replica in [one, two, three, one, two, three] {
        replica.login("ada@example.com", auth_testkit::ADMIN_PASSWORD).await.unwrap();
    }
    let guess = json!({ "email": "ada@example.com", "password": "wrong-password" });
    let mut seen = Vec::new();
    for replica in [one, two, three, one, two, three] {
        let answer = replica.send(Method::POST, "/tokens", None, Some(&guess)).await.unwrap();
        seen.push(answer.status().as_u16());
    }
    assert_eq!(seen, [401, 401, 401, 401, 429, 429]);
    assert!(fleet.alone().await.abs() < 0.1, "all of it was counted together");

    // Nothing there names anybody, and nothing stays for ever.
    let keys = fleet.redis.ask(&["KEYS", "*"]).await.unwrap();
    let ours: BTreeSet<&String> = keys.iter().filter(|key| key.contains("limits")).collect();
    assert!(ours.len() >= 3, "{keys:?}");
    for key in ours {
        let digits = key.strip_prefix("{keyward.limits}").unwrap();
        assert!(digits.len() == 32 && digits.bytes().all(|c| c.is_ascii_hexdigit()), "{key}");
        let left: i64 = fleet.redis.ask(&["PTTL", key]).await.unwrap()[0].parse().unwrap();
        assert!(left > 0, "{key} {left}");
    }

    // What was refused there was not counted by the replicas either: they have room for as much again.
    fleet.redis.flush().await.unwrap();
    assert_eq!(fleet.burst(90, &ada).await, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_without_redis_every_replica_counts_alone_and_refuses_still() {
    let mut fleet = Fleet::start(&[("MF_AUTH_RATE_READS", "account=6/1h")]).await;
    let one = &fleet.replicas[0];
    let mut people = Vec::new();
    for name in ["ada", "bob", "carl", "dora"] {
        people.push(one.user(&format!("{name}@example.com")).await.unwrap());
    }
    // Half of it, by the first replica.
    assert_eq!(reads(one, 3, &people[0]).await, 3);

    fleet.redis.freeze().await.unwrap();
    let begun = Instant::now();
    assert_eq!(reads(one, 10, &people[0]).await, 3, "it had counted as well: no more than six");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    fleet.count_together(false).await;
    let begun = Instant::now();
    for replica in &fleet.replicas {
        assert_eq!(reads(replica, 10, &people[1]).await, 6, "never without a limit");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "nobody waits: {:?}", begun.elapsed());
    assert!(fleet.alone().await > 17.0);

    // Killed, and there again with nothing in it.
    fleet.redis.stop();
    assert_eq!(reads(&fleet.replicas[1], 10, &people[2]).await, 6);
    fleet.redis.start_again().await.unwrap();
    fleet.count_together(true).await;
    assert_eq!(reads(&fleet.replicas[1], 10, &people[2]).await, 0, "this one remembers");
    assert_eq!(fleet.burst(30, &people[3]).await, 6, "together again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r11_garbage_in_redis_neither_locks_out_nor_exempts() {
    let fleet = Fleet::start(&[("MF_AUTH_RATE_READS", "account=6/1h")]).await;
    let ada = fleet.replicas[0].user("ada@example.com").await.unwrap();
    assert_eq!(reads(&fleet.replicas[0], 1, &ada).await, 1);
    let keys = fleet.redis.ask(&["KEYS", "{keyward.limits}*"]).await.unwrap();
    assert!(!keys.is_empty());
    let fresh = |turn: usize| &fleet.replicas[1 + turn % 2];
    for (turn, garbage) in ["garbage", "9000000000000000", "-1"].iter().enumerate() {
        for key in &keys {
            fleet.redis.ask(&["SET", key, garbage]).await.unwrap();
        }
        // Each of the two has counted none or two of hers before, and lets six through by itself.
        let through = reads(fresh(turn), 2, &ada).await;
        assert_eq!(through, 2, "{garbage}: not locked out");
    }
    for key in &keys {
        fleet.redis.ask(&["DEL", key]).await.unwrap();
        fleet.redis.ask(&["LPUSH", key, "1"]).await.unwrap();
    }
    assert_eq!(reads(fresh(0), 10, &ada).await, 2, "what it counted by itself holds");
    assert!(fleet.alone().await.abs() < 0.1, "Redis was asked all the time");
}
