//! Whose address counts when proxies are in front of HTTP: what clients make up is never believed.

use auth_testkit::{Server, Setup};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{embedded, get};

const HEADER: &str = "x-forwarded-for";

/// With two guesses from one address, whatever else is limited.
fn strict() -> Setup {
    embedded()
        .set("MF_AUTH_RATE_LIMITS", "on")
        .set("MF_AUTH_LOGIN_FAILURES_PER_ADDRESS", "2")
        .set("MF_AUTH_LOGIN_FAILURES_PER_ACCOUNT", "1000")
}

/// Guesses at an account of its own with these lines of the header, and gives the answer.
async fn guess(server: &Server, lines: &[&str]) -> StatusCode {
    let body = json!({ "email": "nobody@example.com", "password": "a wrong password" });
    let request = server.client.post(server.url("/tokens")).json(&body);
    let request = lines.iter().fold(request, |request, line| request.header(HEADER, *line));
    request.send().await.unwrap().status()
}

/// How many guesses get an answer to the password, of four.
async fn guesses(server: &Server, lines: &[&str]) -> usize {
    let mut answered = 0;
    for _ in 0..4 {
        let status = guess(server, lines).await;
        let known = [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS];
        assert!(known.contains(&status), "{status}");
        answered += usize::from(status == StatusCode::UNAUTHORIZED);
    }
    answered
}

#[tokio::test]
async fn s86_a_header_from_nobody_who_is_trusted_is_ignored_and_worth_a_warning() {
    for setup in [strict(), strict().set("MF_AUTH_TRUSTED_PROXIES", "10.0.0.0/8,2001:db8::/32")] {
        let server = setup.start().await.unwrap();
        assert_eq!(guesses(&server, &["198.51.100.1"]).await, 2);
        for other in ["198.51.100.2", "10.0.0.1", "junk", ""] {
            assert_eq!(guesses(&server, &[other]).await, 0, "{other}: it is still 127.0.0.1");
        }
        assert_eq!(guesses(&server, &[]).await, 0);
        let lines = server.output();
        let warnings = lines.lines().filter(|line| line.contains("MF_AUTH_TRUSTED_PROXIES"));
        assert_eq!(warnings.count(), 1, "once: {lines}");
        assert!(!lines.contains("198.51.100"), "{lines}");
    }
}

#[tokio::test]
async fn s86_behind_a_trusted_proxy_whom_it_names_counts_and_what_clients_made_up_does_not() {
    let server = strict().set("MF_AUTH_TRUSTED_PROXIES", "127.0.0.1").start().await.unwrap();
    assert_eq!(guesses(&server, &["198.51.100.1"]).await, 2);
    // The proxy added the right end; all else came from the client.
    let long = format!("{}198.51.100.1", "10.0.0.1, ".repeat(1_000));
    for same in [
        &["127.0.0.1, 198.51.100.1"][..],
        &["203.0.113.9", "198.51.100.1"],
        &["junk", "", "198.51.100.1"],
        &["198.51.100.1:4711"],
        &["::ffff:198.51.100.1"],
        &["[::ffff:198.51.100.1]:443"],
        &[long.as_str()],
    ] {
        assert_eq!(guesses(&server, same).await, 0, "{same:?}");
    }
    assert_eq!(guesses(&server, &["198.51.100.1, 198.51.100.2"]).await, 2);
    // More of it than one proxy can have written: the one before it is not believed.
    assert_eq!(guesses(&server, &["198.51.100.77, 127.0.0.1"]).await, 2);
    assert_eq!(guesses(&server, &["198.51.100.78, 127.0.0.1"]).await, 0);
    // One IPv6 network is one client.
    assert_eq!(guesses(&server, &["2001:db8::1"]).await, 2);
    assert_eq!(guesses(&server, &["[2001:db8::2]:80"]).await, 0);
    // Whoever cannot be understood counts, as one with all others like that.
    assert_eq!(guesses(&server, &["unknown"]).await, 2);
    for junk in [&[][..], &[""], &["198.51.100.9,"], &["198.51.100.9", ""], &["for=198.51.100.9"]] {
        assert_eq!(guesses(&server, junk).await, 0, "{junk:?}");
    }
    assert_eq!(guesses(&server, &["198.51.100.3"]).await, 2, "the rest goes on");
    assert!(!server.output().contains("MF_AUTH_TRUSTED_PROXIES"), "no warning");

    // What is larger than any head may be is refused as ever.
    let huge = "198.51.100.1, ".repeat(3_000);
    assert_eq!(guess(&server, &[&huge]).await, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[tokio::test]
async fn s86_two_proxies_are_looked_through_and_a_third_is_not() {
    let server = strict()
        .set("MF_AUTH_TRUSTED_PROXIES", "127.0.0.0/8,203.0.113.0/24")
        .set("MF_AUTH_TRUSTED_PROXY_HOPS", "2")
        .start()
        .await
        .unwrap();
    assert_eq!(guesses(&server, &["198.51.100.1, 203.0.113.1"]).await, 2);
    assert_eq!(guesses(&server, &["192.0.2.1, 198.51.100.1, 203.0.113.2"]).await, 0);
    assert_eq!(guesses(&server, &["198.51.100.1"]).await, 0, "past the outer one");
    assert_eq!(guesses(&server, &["192.0.2.1, 203.0.113.9, 203.0.113.1"]).await, 2);
    assert_eq!(guesses(&server, &["192.0.2.2, 203.0.113.9, 203.0.113.1"]).await, 0);
}

#[tokio::test]
async fn the_audit_trail_has_the_clients_address_and_grpc_trusts_nobody_by_a_header() {
    let setup = embedded()
        .set("MF_AUTH_TRUSTED_PROXIES", "127.0.0.1")
        .set("MF_AUTH_GRPC_TOKENS", "users=a token of the users service that is long enough");
    let server = setup.start().await.unwrap();
    let admin = server.admin().await.unwrap();
    for (name, lines) in [("acme", &["10.9.9.9, 198.51.100.7"][..]), ("unknown", &["nonsense"])] {
        let request = server.client.request(Method::POST, server.url("/orgs"));
        let request = request.bearer_auth(&admin).json(&json!({ "name": name }));
        let request = lines.iter().fold(request, |request, line| request.header(HEADER, *line));
        assert_eq!(request.send().await.unwrap().status(), StatusCode::CREATED);
    }
    let trail: Value = get(&server, "/audit?trail=changes", &admin).await.json().await.unwrap();
    let records = trail["records"].as_array().unwrap();
    let peers: Vec<_> = records
        .iter()
        .filter(|record| record["operation"] == "create_org" && record["action"] == "org.create")
        .map(|record| record.get("peer").and_then(Value::as_str))
        .collect();
    assert_eq!(peers, [None, Some("198.51.100.7")], "{trail}");

    let mut request = tonic::Request::new(auth_grpc::proto::RetrieveRoleReq {
        id: "0192d3f0-1111-7abc-8def-000000000001".into(),
    });
    request.metadata_mut().insert(HEADER, "127.0.0.1".parse().unwrap());
    let refused = crate::world::sibling(&server).await.retrieve_role(request).await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::Unauthenticated);
}

#[tokio::test]
async fn settings_that_make_no_sense_stop_the_start() {
    for (name, value, problem) in [
        ("MF_AUTH_TRUSTED_PROXIES", "10.0.0.1/8", "is not an address or a network"),
        ("MF_AUTH_TRUSTED_PROXIES", "proxy.example", "is not an address or a network"),
        ("MF_AUTH_TRUSTED_PROXIES", "10.0.0.0/8,", "is not an address or a network"),
        ("MF_AUTH_TRUSTED_PROXY_HOPS", "0", "at least 1"),
        ("MF_AUTH_TRUSTED_PROXY_HOPS", "2", "MF_AUTH_TRUSTED_PROXIES is not"),
        ("MF_AUTH_RATE_READS", "account=0/1m", "at least 1"),
        ("MF_AUTH_RATE_WRITES", "somebody=5/1m", "address, account, token and org"),
        ("MF_AUTH_RATE_SIGN_INS", "account=5/1m", "can only name"),
        ("MF_AUTH_RATE_CHECKS", "address=5/1m", "can only name"),
    ] {
        let (ended, line) = embedded().set(name, value).run(&[]).await.unwrap();
        assert!(!ended.success() && line.contains(name) && line.contains(problem), "{line}");
    }
}
