//! Members of orgs, with the accounts here and with the people known to a service elsewhere.

use std::time::{Duration, Instant};

use auth_grpc::proto::IssueReq;
use auth_testkit::{Network, Proxy, Server, Setup};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::users::{Manner, Users, email, id};
use crate::world::{eventually, found, get, identify, sibling, stores};

const SOON: Duration = Duration::from_secs(30);

async fn send(server: &Server, method: Method, path: &str, token: &str, body: Value) -> Response {
    server.send(method, path, Some(token), Some(&body)).await.unwrap()
}

async fn add(server: &Server, org: &str, token: &str, people: &[(&str, &str)]) -> u16 {
    let grants: Vec<_> =
        people.iter().map(|(email, role)| json!({ "email": email, "role": role })).collect();
    let path = format!("/orgs/{org}/memberships");
    let body = json!({ "org_memberships": grants });
    send(server, Method::POST, &path, token, body).await.status().as_u16()
}

async fn page(server: &Server, org: &str, token: &str, query: &str) -> Value {
    let answer = get(server, &format!("/orgs/{org}/memberships{query}"), token).await;
    assert_eq!(answer.status(), 200, "{query}");
    answer.json().await.unwrap()
}

fn emails(page: &Value) -> Vec<&str> {
    let members = page["org_memberships"].as_array().unwrap();
    members.iter().map(|member| member["email"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn members_come_change_and_go() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let ada = server.user("ada@example.com").await.unwrap();
        let bob = server.user("bob@example.com").await.unwrap();
        let eve = server.user("eve@example.com").await.unwrap();
        let org = found(&server, &ada, "acme").await;
        let people = [("bob@example.com", "admin"), ("EVE@example.com", "")];
        assert_eq!(add(&server, &org, &ada, &people).await, 200, "{store}");
        assert_eq!(add(&server, &org, &bob, &people[1..]).await, 409, "{store}");
        let listed = page(&server, &org, &eve, "?order=email&dir=asc").await;
        assert_eq!(emails(&listed), ["ada@example.com", "bob@example.com", "eve@example.com"]);

        let bob_id = identify(&server, &bob).await.unwrap();
        let owner = format!("/orgs/{org}/owner");
        let body = json!({ "member_id": bob_id });
        assert_eq!(send(&server, Method::PUT, &owner, &ada, body).await.status(), 204);
        let shown: Value = get(&server, &format!("/orgs/{org}"), &eve).await.json().await.unwrap();
        assert_eq!(shown["owner_id"], bob_id.as_str(), "{store}");
        let leave = format!("/orgs/{org}/leave");
        for (token, status) in [(&bob, 409), (&ada, 204), (&ada, 404), (&eve, 204)] {
            let left = server.send(Method::POST, &leave, Some(token), None).await.unwrap();
            assert_eq!(left.status(), status, "{store}");
        }
        assert_eq!(page(&server, &org, &bob, "").await["total"], 1);
    }
}

/// A server whose people are known to this service.
async fn fleet(setup: Setup, users: &Users) -> Server {
    fleet_at(setup, &users.address.to_string()).await
}

async fn fleet_at(setup: Setup, users: &str) -> Server {
    let setup = setup
        .set("MF_USERS_GRPC_URL", users)
        .unset("MF_USERS_ADMIN_EMAIL")
        .unset("MF_USERS_ADMIN_PASSWORD");
    setup.start().await.unwrap()
}

async fn login(server: &Server, number: u32) -> String {
    let issue = IssueReq { id: id(number), email: email(number), r#type: 0 };
    sibling(server).await.issue(issue).await.unwrap().into_inner().value
}

#[tokio::test]
async fn s84_d08_d34_people_elsewhere_are_shown_as_far_as_they_are_known() {
    for (store, setup) in stores().await {
        let users = Users::start(5).await;
        let server = fleet(setup, &users).await;
        let owner = login(&server, 1).await;
        let org = found(&server, &owner, "acme").await;
        let (two, three) = (email(2), email(3));
        let people = [(two.as_str(), "editor"), (three.as_str(), "viewer")];
        assert_eq!(add(&server, &org, &owner, &people).await, 200, "{store}");
        assert_eq!(add(&server, &org, &owner, &[("nobody@example.com", "viewer")]).await, 404);
        users.calls();

        let listed = page(&server, &org, &owner, "?dir=asc").await;
        assert_eq!(emails(&listed), [email(1), two.clone(), three.clone()], "{store}");
        assert_eq!(users.calls(), 1, "{store}: one call a page");
        let listed = page(&server, &org, &owner, "?order=email&email=USER").await;
        assert_eq!(emails(&listed), [three.clone(), two.clone(), email(1)], "{store}");
        assert_eq!(users.calls(), 1, "{store}: and one for a search");

        for manner in [
            Manner::Empty,
            Manner::Short,
            Manner::Reversed,
            Manner::Twice,
            Manner::WithStrangers,
            Manner::KnowsNobody,
        ] {
            users.behave(manner);
            for query in ["", "?order=email"] {
                let listed = page(&server, &org, &owner, query).await;
                assert_eq!((&listed["total"], emails(&listed).len()), (&json!(3), 3), "{manner:?}");
            }
            for number in 1..=3 {
                let path = format!("/orgs/{org}/members/{}", id(number));
                let answer = get(&server, &path, &owner).await;
                assert_eq!(answer.status(), 200, "{manner:?}");
                let shown: Value = answer.json().await.unwrap();
                let address = shown["email"].as_str().unwrap();
                assert!(address.is_empty() || address == email(number), "{manner:?} {shown}");
            }
            let nobody = matches!(manner, Manner::Empty | Manner::Short | Manner::KnowsNobody);
            let expected = if nobody { 404 } else { 409 };
            assert_eq!(add(&server, &org, &owner, &people).await, expected, "{manner:?}");
        }

        users.behave(Manner::Well);
        users.disable(3);
        let path = format!("/orgs/{org}/members/{}", id(3));
        let shown: Value = get(&server, &path, &owner).await.json().await.unwrap();
        assert_eq!((&shown["email"], &shown["role"]), (&json!(""), &json!("viewer")), "{store}");
        assert_eq!(page(&server, &org, &owner, "").await["total"], 3, "{store}");
    }
}

#[tokio::test]
async fn go22_r49_d05_odd_ids_never_reach_the_users_service() {
    let users = Users::start(3).await;
    let server = fleet(crate::world::embedded(), &users).await;
    let owner = login(&server, 1).await;
    let org = found(&server, &owner, "acme").await;
    for odd in ["zz", "'", "x'%20OR%20'1'='1", "%00", "%ff", &id(2), &id(777)] {
        let answer = get(&server, &format!("/orgs/{org}/members/{odd}"), &owner).await;
        assert_eq!(answer.status(), 404, "{odd}");
        let body = json!({ "member_ids": [odd] });
        let path = format!("/orgs/{org}/memberships");
        let removed = send(&server, Method::PATCH, &path, &owner, body).await;
        assert_eq!(removed.status(), 404, "{odd}");
    }
    for odd in ["x' OR 1=1--", "nobody", "a@b@c"] {
        assert_eq!(add(&server, &org, &owner, &[(odd, "viewer")]).await, 404, "{odd}");
    }
    assert_eq!(users.calls(), 0);
}

#[tokio::test]
async fn r73_r48_d58_without_the_users_service_what_needs_it_says_so_in_time() {
    let users = Users::start(3).await;
    let server = fleet(crate::world::embedded(), &users).await;
    let owner = login(&server, 1).await;
    let org = found(&server, &owner, "acme").await;
    let alone = fleet_at(crate::world::embedded(), "127.0.0.1:1").await;
    let lonely = login(&alone, 1).await;
    let lonely_org = found(&alone, &lonely, "acme").await;
    for manner in [Manner::Fails, Manner::Hangs] {
        users.behave(manner);
        for (server, token, org) in [(&server, &owner, &org), (&alone, &lonely, &lonely_org)] {
            for path in [
                format!("/orgs/{org}/memberships"),
                format!("/orgs/{org}/memberships?order=email"),
                format!("/orgs/{org}/members/{}", id(1)),
            ] {
                let begun = Instant::now();
                let answer = get(server, &path, token).await;
                assert!(begun.elapsed() < Duration::from_secs(5), "{path} {manner:?}");
                assert_eq!(answer.status(), 503, "{path} {manner:?}");
                let body = answer.text().await.unwrap();
                for secret in ["127.0.0.1", "internal:", "5432", "transport", "tcp", "error\":{"] {
                    assert!(!body.contains(secret), "{manner:?} {body}");
                }
            }
            assert_eq!(add(server, org, token, &[("user2@example.com", "viewer")]).await, 503);
            // What does not need it goes on.
            assert_eq!(get(server, &format!("/orgs/{org}"), token).await.status(), 200);
        }
    }
    users.behave(Manner::Well);
    let path = format!("/orgs/{org}/memberships");
    eventually("it is asked again", SOON, async || {
        get(&server, &path, &owner).await.status() == 200
    })
    .await;
    assert_eq!(page(&server, &org, &owner, "").await["total"], 1, "nobody was half added");
}

/// Whether the numbers say that it is not asked.
async fn is_not_asked(server: &Server) -> bool {
    let numbers = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
    let numbers = numbers.text().await.unwrap();
    let open =
        numbers.lines().find_map(|line| line.strip_prefix("auth_users_service_breaker_open "));
    open.unwrap() == "1"
}

#[tokio::test]
async fn r18_a_users_service_that_is_frozen_is_not_waited_for() {
    let users = Users::start(1).await;
    let network = Proxy::to(users.address).await.unwrap();
    let deadline = Duration::from_secs(2);
    let setup = crate::world::embedded().set("MF_AUTH_GRPC_TIMEOUT", "2s");
    let server = fleet_at(setup, &network.address().to_string()).await;
    let owner = login(&server, 1).await;
    let org = found(&server, &owner, "acme").await;
    let path = format!("/orgs/{org}/memberships");
    assert_eq!(get(&server, &path, &owner).await.status(), 200);
    assert!(!is_not_asked(&server).await);

    network.become_(Network::Silent);
    let ask = || get(&server, &path, &owner);
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    assert_eq!([one, two, three].map(|answer| answer.status().as_u16()), [503; 3]);
    assert!(is_not_asked(&server).await);
    users.calls();
    let mut waited = 0;
    for _ in 0..20 {
        let begun = Instant::now();
        assert_eq!(ask().await.status(), 503);
        waited += u32::from(begun.elapsed() >= deadline);
    }
    assert!(waited <= 1, "{waited} waited, and one was to find out");

    network.become_(Network::Fine);
    eventually("it is asked again", SOON, async || ask().await.status() == 200).await;
    assert!(!is_not_asked(&server).await);
}
