//! Events: what was committed is told to the stream, at least once and in order, and no request ever
//! waits for it.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use auth_testkit::{Redis, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{embedded, eventually, found, killed_while_founding, postgres, stores};

const STREAM: &str = "mainflux.auth";
/// Twice the longest pause of the relay.
const SOON: Duration = Duration::from_mins(1);

/// An entry of the stream, as a consumer reads it.
pub type Event = BTreeMap<String, String>;

fn telling(setup: Setup, redis: &Redis) -> Setup {
    setup.set("MF_AUTH_ES_URL", redis.address())
}

/// All entries, oldest first: an id, then names and values up to the next id.
pub async fn events(redis: &Redis) -> Vec<Event> {
    let words = redis.ask(&["XRANGE", STREAM, "-", "+"]).await.unwrap();
    let mut events: Vec<Event> = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        match events.last_mut() {
            Some(event) if !is_entry_id(&word) => {
                event.insert(word, words.next().unwrap());
            }
            _ => events.push(Event::new()),
        }
    }
    events
}

/// Milliseconds since 1970 and a count: names of fields never look like it.
fn is_entry_id(word: &str) -> bool {
    word.split_once('-')
        .is_some_and(|(millis, _)| millis.len() >= 13 && millis.parse::<u64>().is_ok())
}

/// Operation and id of those about orgs.
fn of_orgs(events: &[Event]) -> Vec<(&str, &str)> {
    let about = events.iter().filter(|event| event["operation"].starts_with("org."));
    about.map(|event| (&*event["operation"], &*event["id"])).collect()
}

/// The place of each event the first time it was told.
fn places(events: &[Event]) -> Vec<(i64, i32)> {
    let mut seen = HashSet::new();
    let ids = events.iter().map(|event| event["event_id"].clone());
    ids.filter(|id| seen.insert(id.clone()))
        .map(|id| {
            let (revision, ordinal) = id.split_once('-').unwrap();
            (revision.parse().unwrap(), ordinal.parse().unwrap())
        })
        .collect()
}

fn assert_in_order(events: &[Event]) {
    let places = places(events);
    assert!(places.is_sorted(), "out of order: {places:?}");
}

/// Waits until each of these is told.
pub async fn arrive(redis: &Redis, orgs: &[String]) -> Vec<Event> {
    let mut all = Vec::new();
    eventually("every org's event is there", SOON, async || {
        all = events(redis).await;
        let told: HashSet<&str> = of_orgs(&all).into_iter().map(|(_, id)| id).collect();
        orgs.iter().all(|org| told.contains(org.as_str()))
    })
    .await;
    all
}

async fn remove(server: &Server, token: &str, org: &str) {
    let path = format!("/orgs/{org}");
    let answer = server.send(Method::DELETE, &path, Some(token), None).await.unwrap();
    assert_eq!(answer.status(), 204);
}

/// How long the slowest of a few writes took.
async fn slowest(server: &Server, token: &str, orgs: &mut Vec<String>) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let begun = Instant::now();
        orgs.push(found(server, token, "acme").await);
        slowest = slowest.max(begun.elapsed());
    }
    slowest
}

#[tokio::test]
async fn invites_are_told_under_their_org_and_without_an_address() {
    for (store, setup) in stores().await {
        let redis = Redis::start().await.unwrap();
        let server = telling(setup, &redis).start().await.unwrap();
        let (ada, bob) = (
            server.user("ada@example.com").await.unwrap(),
            server.user("bob@example.com").await.unwrap(),
        );
        let org = found(&server, &ada, "acme").await;
        let mut ids = Vec::new();
        for (by, method, rest) in [
            (&bob, Method::POST, "/decline"),
            (&ada, Method::DELETE, ""),
            (&bob, Method::POST, "/accept"),
        ] {
            let body =
                json!({ "email": "bob@example.com", "role": "viewer", "redirect_path": "/v" });
            let path = format!("/orgs/{org}/invites");
            let made = server.send(Method::POST, &path, Some(&ada), Some(&body)).await.unwrap();
            let path = made.headers()["location"].to_str().unwrap().to_owned();
            let answer =
                server.send(method, &format!("{path}{rest}"), Some(by), None).await.unwrap();
            assert!(answer.status().is_success(), "{store} {rest}");
            ids.push(path.strip_prefix("/invites/").unwrap().to_owned());
        }
        remove(&server, &ada, &org).await;
        let mut all = Vec::new();
        eventually("the removal is told", SOON, async || {
            all = events(&redis).await;
            of_orgs(&all).contains(&("org.remove", &org))
        })
        .await;
        let told: Vec<_> = all
            .iter()
            .filter(|event| event["operation"].starts_with("invite."))
            .map(|event| (&*event["operation"], &*event["id"]))
            .collect();
        let expected = [
            ("invite.create", &*ids[0]),
            ("invite.decline", &*ids[0]),
            ("invite.create", &*ids[1]),
            ("invite.revoke", &*ids[1]),
            ("invite.create", &*ids[2]),
            ("invite.accept", &*ids[2]),
        ];
        assert_eq!(told, expected, "{store}");
        let bob = crate::world::identify(&server, &bob).await.unwrap();
        for event in all.iter().filter(|event| event["operation"].starts_with("invite.")) {
            assert_eq!((&event["evt_org_id"], &event["subject"]), (&org, &bob), "{store}");
        }
        let after = all.iter().position(|event| event["operation"] == "invite.accept").unwrap() + 1;
        assert_eq!(all[after]["operation"], "membership.create", "{store}");
        assert!(!format!("{all:?}").contains('@'), "{store}: no e-mail address: {all:?}");
    }
}

#[tokio::test]
async fn c88_org_events_are_told_in_commit_order_with_the_fields_of_the_original() {
    for (store, setup) in stores().await {
        let redis = Redis::start().await.unwrap();
        let server = telling(setup, &redis).start().await.unwrap();
        let login = server.user("ada@example.com").await.unwrap();
        let (one, two) = (found(&server, &login, "one").await, found(&server, &login, "two").await);
        remove(&server, &login, &one).await;
        let three = found(&server, &login, "three").await;
        // The relay is woken by the commit and not by its clock.
        let begun = Instant::now();
        let all = arrive(&redis, std::slice::from_ref(&three)).await;
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        let expected = [
            ("org.create", &*one),
            ("org.create", &*two),
            ("org.remove", &*one),
            ("org.create", &*three),
        ];
        assert_eq!(of_orgs(&all), expected, "{store}");
        assert_eq!(places(&all).len(), all.len(), "{store}: nothing is told twice");
        assert_in_order(&all);
        let removed = all.iter().find(|event| event["operation"] == "org.remove").unwrap();
        assert_eq!((&removed["evt_org_id"], &*removed["evt_group_id"]), (&one, ""));
        assert!(removed["occurred_at"].ends_with('Z') && removed["occurred_at"].contains('T'));
        assert_eq!(removed["jwt_identity_user_id"].len(), 36);
        assert!(!format!("{all:?}").contains('@'), "no e-mail address: {all:?}");
        // More kinds, beside.
        assert!(all.iter().any(|event| event["operation"] == "membership.create"));
        assert!(server.stop().await.unwrap().success());
    }
}

#[tokio::test]
async fn consumers_of_the_original_read_them() {
    let redis = Redis::start().await.unwrap();
    let create = ["XGROUP", "CREATE", STREAM, "things", "$", "MKSTREAM"];
    assert_eq!(redis.ask(&create).await.unwrap(), ["OK"]);
    let server = telling(embedded(), &redis).start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let org = found(&server, &login, "acme").await;
    remove(&server, &login, &org).await;
    let read = ["XREADGROUP", "GROUP", "things", "things", "COUNT", "100", "STREAMS", STREAM, ">"];
    let mut words = Vec::new();
    eventually("the group reads the removal", SOON, async || {
        words.extend(redis.ask(&read).await.unwrap());
        words.windows(4).any(|four| four == ["operation", "org.remove", "id", &org])
    })
    .await;
}

#[tokio::test]
async fn d51_go33_r23_events_wait_for_a_redis_that_is_away_and_writes_do_not() {
    for (store, setup) in stores().await {
        let mut redis = Redis::start().await.unwrap();
        let server = telling(setup, &redis).start().await.unwrap();
        let login = server.user("ada@example.com").await.unwrap();
        let mut orgs = Vec::new();
        let with = slowest(&server, &login, &mut orgs).await;
        arrive(&redis, &orgs).await;

        redis.stop();
        orgs.clear();
        let without = slowest(&server, &login, &mut orgs).await;
        assert!(without < with * 10 + Duration::from_millis(500), "{store}: {without:?} {with:?}");
        eventually("it is said that Redis is away", SOON, async || {
            let answer = server.client.get(server.ops_url("/readyz")).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{store}: it can decide all the same");
            let document: Value = answer.json().await.unwrap();
            document["dependencies"]["events"]["status"] == "down"
        })
        .await;
        let metrics = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
        let metrics = metrics.text().await.unwrap();
        assert!(metrics.contains("auth_events_failures_total{away=\"stream\"}"), "{metrics}");

        // Restarted empty: what was told before is gone with it, what was not is told.
        redis.start_again().await.unwrap();
        let all = arrive(&redis, &orgs).await;
        let told: Vec<_> = of_orgs(&all).into_iter().map(|(_, id)| id.to_owned()).collect();
        assert_eq!(told, orgs, "{store}: all of them, in order, and none of before");
    }
}

#[tokio::test]
async fn r10_a_frozen_redis_costs_requests_nothing() {
    let redis = Redis::start().await.unwrap();
    let server = telling(embedded(), &redis).start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let mut orgs = Vec::new();
    let with = slowest(&server, &login, &mut orgs).await;
    redis.freeze().await.unwrap();
    let frozen = slowest(&server, &login, &mut orgs).await;
    assert!(frozen < with * 10 + Duration::from_millis(500), "{frozen:?} {with:?}");
    eventually("the relay has given up once", SOON, async || {
        server.output().contains("events are not published")
    })
    .await;
    redis.thaw().await.unwrap();
    let all = arrive(&redis, &orgs).await;
    assert_in_order(&all);
}

#[tokio::test]
async fn a_flushed_or_trimmed_stream_is_gone_on_with() {
    let redis = Redis::start().await.unwrap();
    let setup = telling(embedded(), &redis).set("MF_AUTH_ES_STREAM_MAXLEN", "50");
    let server = setup.start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let first = found(&server, &login, "first").await;
    arrive(&redis, std::slice::from_ref(&first)).await;
    redis.flush().await.unwrap();
    let mut orgs = Vec::new();
    for _ in 0..200 {
        orgs.push(found(&server, &login, "acme").await);
    }
    let last = orgs.split_off(199);
    let all = arrive(&redis, &last).await;
    // Redis trims whole nodes, of a hundred entries each.
    assert!((50..=250).contains(&all.len()), "{} entries", all.len());
    assert_in_order(&all);
}

#[tokio::test]
async fn r23_every_answered_write_is_told_whatever_is_killed() {
    for (_, setup) in stores().await {
        let redis = Redis::start().await.unwrap();
        let setup = telling(setup, &redis);
        let mut answered: Vec<String> = Vec::new();
        let mut login = String::new();
        for round in 0..4 {
            let server = setup.start().await.unwrap();
            if round == 0 {
                login = server.user("ada@example.com").await.unwrap();
            }
            answered.extend(killed_while_founding(server, &login).await);
        }
        let server = setup.start().await.unwrap();
        let all = arrive(&redis, &answered).await;
        assert_in_order(&all);
        assert!(server.stop().await.unwrap().success());
    }
}

#[tokio::test]
async fn replicas_take_turns_and_nothing_is_told_out_of_order() {
    let redis = Redis::start().await.unwrap();
    let setup = telling(postgres().await, &redis);
    let (one, two) = (setup.start().await.unwrap(), setup.start().await.unwrap());
    let login = one.user("ada@example.com").await.unwrap();
    let mut orgs = Vec::new();
    for _ in 0..25 {
        orgs.push(found(&one, &login, "acme").await);
        orgs.push(found(&two, &login, "acme").await);
    }
    let all = arrive(&redis, &orgs).await;
    assert_eq!(places(&all).len(), all.len(), "nobody crashed, nothing is told twice");
    assert_in_order(&all);
    let told: Vec<_> = of_orgs(&all).into_iter().map(|(_, id)| id.to_owned()).collect();
    assert_eq!(told, orgs);
    // The other one goes on, whoever had the turn.
    one.kill().await.unwrap();
    let begun = Instant::now();
    let last = found(&two, &login, "last").await;
    let all = arrive(&redis, &[last]).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_in_order(&all);
}

#[tokio::test]
async fn a_replica_that_was_stopped_in_the_middle_does_not_mix_the_order_up() {
    let redis = Redis::start().await.unwrap();
    let setup = telling(postgres().await, &redis);
    let (one, two) = (setup.start().await.unwrap(), setup.start().await.unwrap());
    let login = two.user("ada@example.com").await.unwrap();
    let mut orgs = Vec::new();
    for round in 0..4 {
        // Both in turn, so that one of them was stopped while it had the sink.
        let stopped = if round % 2 == 0 { &one } else { &two };
        let going = if round % 2 == 0 { &two } else { &one };
        for _ in 0..10 {
            orgs.push(found(&one, &login, "acme").await);
            orgs.push(found(&two, &login, "acme").await);
        }
        stopped.signal("STOP").await.unwrap();
        for _ in 0..10 {
            orgs.push(found(going, &login, "acme").await);
        }
        arrive(&redis, &orgs).await;
        stopped.signal("CONT").await.unwrap();
    }
    assert_in_order(&arrive(&redis, &orgs).await);
}

#[tokio::test]
async fn what_was_written_before_events_were_switched_on_is_told_too() {
    let redis = Redis::with(&["--requirepass", "a password: @/%"]).await.unwrap();
    let setup = embedded();
    let server = setup.start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let org = found(&server, &login, "acme").await;
    server.stop().await.unwrap();
    let setup = setup
        .set("MF_AUTH_ES_URL", format!("redis://{}", redis.address()))
        .set("MF_AUTH_ES_PASS", "a password: @/%");
    let server = setup.start().await.unwrap();
    arrive(&redis, &[org]).await;
    assert!(!server.output().contains("a password"), "{}", server.output());
}

#[tokio::test]
async fn what_is_answered_right_before_the_end_is_told() {
    let redis = Redis::start().await.unwrap();
    let server = telling(embedded(), &redis).start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let org = found(&server, &login, "acme").await;
    assert!(server.stop().await.unwrap().success());
    let all = events(&redis).await;
    assert!(of_orgs(&all).contains(&("org.create", &org)), "{all:?}");
}
