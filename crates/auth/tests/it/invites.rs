//! Invites, with a users service that misbehaves, and with rate limits.

use std::time::{Duration, Instant};

use auth_grpc::proto::{ActivateOrgInviteReq, CreateDormantOrgInviteReq, IssueReq};
use auth_testkit::{Server, Setup};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tonic::Code;

use crate::users::{Manner, Users, email, id};
use crate::world::{embedded, eventually, found, get, sibling, stores};

const PLATFORM_INVITE: &str = "0192d3f0-5555-7abc-8def-000000000000";

/// A server whose people are known to this service, and an org of person 1.
async fn fleet(setup: Setup, users: &Users) -> (Server, String, String) {
    let setup = setup
        .set("MF_USERS_GRPC_URL", users.address.to_string())
        .unset("MF_USERS_ADMIN_EMAIL")
        .unset("MF_USERS_ADMIN_PASSWORD");
    let server = setup.start().await.unwrap();
    let owner = login(&server, 1).await;
    let org = found(&server, &owner, "acme").await;
    (server, owner, org)
}

async fn login(server: &Server, number: u32) -> String {
    let issue = IssueReq { id: id(number), email: email(number), r#type: 0 };
    sibling(server).await.issue(issue).await.unwrap().into_inner().value
}

async fn invite(server: &Server, org: &str, token: &str, to: u32) -> Response {
    let body = json!({ "email": email(to), "role": "viewer", "redirect_path": "/v" });
    let path = format!("/orgs/{org}/invites");
    server.send(Method::POST, &path, Some(token), Some(&body)).await.unwrap()
}

async fn invited(server: &Server, org: &str, token: &str, to: u32) -> String {
    let made = invite(server, org, token, to).await;
    assert_eq!(made.status(), 201);
    made.headers()["location"].to_str().unwrap().to_owned()
}

async fn accept(server: &Server, path: &str, token: &str) -> Response {
    let path = format!("{path}/accept");
    server.send(Method::POST, &path, Some(token), None).await.unwrap()
}

#[tokio::test]
async fn s84_d08_d34_go27_whatever_the_users_service_says_invites_are_shown() {
    for (store, setup) in stores().await {
        let users = Users::start(8).await;
        let (server, owner, org) = fleet(setup, &users).await;
        let mut paths = Vec::new();
        for number in 2..=7 {
            paths.push(invited(&server, &org, &owner, number).await);
        }
        let two = login(&server, 2).await;
        let lists = [
            (format!("/orgs/{org}/invites"), &owner, 6),
            (format!("/users/{}/invites/sent", id(1)), &owner, 6),
            (format!("/users/{}/invites/received", id(2)), &two, 1),
        ];
        users.calls();
        for manner in [
            Manner::Well,
            Manner::Empty,
            Manner::Short,
            Manner::Reversed,
            Manner::Twice,
            Manner::WithStrangers,
            Manner::KnowsNobody,
        ] {
            users.behave(manner);
            for (list, token, total) in &lists {
                let answer = get(&server, list, token).await;
                assert_eq!(answer.status(), 200, "{store} {manner:?} {list}");
                let page: Value = answer.json().await.unwrap();
                assert_eq!(page["total"], *total, "{store} {manner:?}");
                assert_eq!(users.calls(), 1, "{store} {manner:?}: one call a page");
                for invite in page["invites"].as_array().unwrap() {
                    for person in ["invitee", "inviter"] {
                        let address = invite[format!("{person}_email")].as_str().unwrap();
                        let number: u32 =
                            invite[format!("{person}_id")].as_str().unwrap()[24..].parse().unwrap();
                        let right = address.is_empty() && manner != Manner::Well
                            || address == email(number);
                        assert!(right, "{store} {manner:?} {invite}");
                    }
                }
            }
            let answer = get(&server, &paths[0], &two).await;
            assert_eq!((answer.status().as_u16(), users.calls()), (200, 1), "{store} {manner:?}");
        }
        // Somebody it does not name is nobody to invite, and nobody whose invite counts.
        for manner in [Manner::Empty, Manner::KnowsNobody] {
            users.behave(manner);
            assert_eq!(invite(&server, &org, &owner, 8).await.status(), 404, "{store} {manner:?}");
            let refused = accept(&server, &paths[0], &two).await;
            assert_eq!(refused.status(), 403, "{store} {manner:?}");
            let problem: Value = refused.json().await.unwrap();
            assert_eq!(problem["code"], "invite_void", "{store} {manner:?}");
        }
        users.behave(Manner::WithStrangers);
        assert_eq!(accept(&server, &paths[0], &two).await.status(), 201, "{store}");
    }
}

#[tokio::test]
async fn r48_without_the_users_service_what_needs_it_says_so_in_time_and_nothing_is_half_done() {
    let users = Users::start(4).await;
    let (server, owner, org) = fleet(embedded(), &users).await;
    let path = invited(&server, &org, &owner, 2).await;
    let two = login(&server, 2).await;
    let dormant = CreateDormantOrgInviteReq {
        token: owner.clone(),
        org_id: org.clone(),
        invitee_role: "viewer".into(),
        platform_invite_id: PLATFORM_INVITE.into(),
    };
    sibling(&server).await.create_dormant_org_invite(dormant).await.unwrap();
    let activate = || ActivateOrgInviteReq {
        platform_invite_id: PLATFORM_INVITE.into(),
        user_id: id(3),
        redirect_path: "/v".into(),
    };
    for manner in [Manner::Fails, Manner::Hangs] {
        users.behave(manner);
        let begun = Instant::now();
        for answer in [
            get(&server, &path, &two).await,
            get(&server, &format!("/orgs/{org}/invites"), &owner).await,
            invite(&server, &org, &owner, 3).await,
            accept(&server, &path, &two).await,
        ] {
            assert_eq!(answer.status(), 503, "{manner:?}");
            assert!(answer.headers().contains_key("retry-after"));
            let body = answer.text().await.unwrap();
            for secret in ["127.0.0.1", "internal:", "5432", "transport", "tcp"] {
                assert!(!body.contains(secret), "{manner:?} {body}");
            }
        }
        let refused = sibling(&server).await.activate_org_invite(activate()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{manner:?}");
        assert!(begun.elapsed() < Duration::from_secs(15), "{manner:?}");
    }
    // Revoking needs nobody's address.
    users.behave(Manner::Well);
    eventually("it is asked again", Duration::from_secs(30), async || {
        get(&server, &path, &two).await.status() == 200
    })
    .await;
    let other = invited(&server, &org, &owner, 4).await;
    users.behave(Manner::Hangs);
    let revoked = server.send(Method::DELETE, &other, Some(&owner), None).await.unwrap();
    assert_eq!(revoked.status(), 204);
    users.behave(Manner::Well);
    let shown: Value = get(&server, &path, &two).await.json().await.unwrap();
    assert_eq!(shown["state"], "pending");
    assert_eq!(accept(&server, &path, &two).await.status(), 201);
    sibling(&server).await.activate_org_invite(activate()).await.unwrap();
}

#[tokio::test]
async fn s55_d32_inviting_is_limited_unless_limits_are_off() {
    let users = Users::start(9).await;
    let setup = embedded()
        .set("MF_AUTH_RATE_LIMITS", "on")
        .set("MF_AUTH_INVITES_PER_INVITER", "3")
        .set("MF_AUTH_INVITES_PER_INVITEE", "1");
    let (server, owner, org) = fleet(setup, &users).await;
    let path = invited(&server, &org, &owner, 2).await;
    let revoked = server.send(Method::DELETE, &path, Some(&owner), None).await.unwrap();
    assert_eq!(revoked.status(), 204);
    let second = invite(&server, &org, &owner, 2).await;
    assert_eq!(second.status(), 429, "somebody gets one a day");
    let wait: u32 = second.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((80_000..=86_400).contains(&wait), "{wait}");
    assert_eq!(invite(&server, &org, &owner, 99).await.status(), 404);
    let fourth = invite(&server, &org, &owner, 3).await;
    assert_eq!(fourth.status(), 429, "tries that failed count");
    let wait: u32 = fourth.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1_000..=1_200).contains(&wait), "{wait}");
    let metrics = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for reason in ["invites_sent", "invites_received"] {
        assert!(metrics.contains(&format!("reason=\"{reason}\"")), "{reason}");
    }
}

#[tokio::test]
async fn s59_links_lead_only_below_the_configured_paths() {
    let users = Users::start(4).await;
    let setup = embedded().set("MF_AUTH_REDIRECT_PATHS", "/app,/v/invites");
    let (server, owner, org) = fleet(setup, &users).await;
    for (path, status) in [("/", 400), ("/v", 400), ("/application", 400), ("/app/x", 201)] {
        let body = json!({ "email": email(2), "role": "viewer", "redirect_path": path });
        let list = format!("/orgs/{org}/invites");
        let answer = server.send(Method::POST, &list, Some(&owner), Some(&body)).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
    let (ended, line) =
        embedded().set("MF_AUTH_REDIRECT_PATHS", "//evil.example").run(&[]).await.unwrap();
    assert!(!ended.success() && line.contains("MF_AUTH_REDIRECT_PATHS"), "{line}");
}
