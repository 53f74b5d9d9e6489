//! more than can be done is refused at once, checks are answered meanwhile, and afterwards it is as before.

use std::time::{Duration, Instant};

use auth_grpc::proto::{AssignRoleReq, IssueReq, OrgId};
use auth_testkit::Server;
use reqwest::StatusCode;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::Code;

use crate::users::{Manner, Users, email, id};
use crate::world::{authorize, code, embedded, eventually, found, get, identify, sibling};

const SOON: Duration = Duration::from_secs(30);
/// Longer than it may take to refuse something, on a machine that is busy with other tests.
const AT_ONCE: Duration = Duration::from_secs(5);

async fn shed(server: &Server, priority: &str, reason: &str) -> u64 {
    let metrics = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let series = format!("auth_shed_total{{priority=\"{priority}\",reason=\"{reason}\"}} ");
    let value = metrics.lines().find_map(|line| line.strip_prefix(&series));
    value.unwrap().parse().unwrap()
}

#[tokio::test]
async fn r14_r15_what_cannot_be_done_is_refused_at_once_and_checks_are_answered() {
    let users = Users::start(2).await;
    let setup = embedded()
        .set("MF_USERS_GRPC_URL", users.address.to_string())
        .unset("MF_USERS_ADMIN_EMAIL")
        .unset("MF_USERS_ADMIN_PASSWORD")
        .set("MF_AUTH_GRPC_TIMEOUT", "1m")
        .set("MF_AUTH_CONCURRENCY", "2")
        .set("MF_AUTH_QUEUE", "1")
        .set("MF_AUTH_QUEUE_WAIT", "1m");
    let server = setup.start().await.unwrap();
    let mut siblings = sibling(&server).await;
    let issue = IssueReq { id: id(1), email: email(1), r#type: 0 };
    let login = siblings.issue(issue).await.unwrap().into_inner().value;
    siblings.assign_role(AssignRoleReq { id: id(1), role: "root".into() }).await.unwrap();
    let org = found(&server, &login, "acme").await;
    let members = format!("/orgs/{org}/memberships");

    // Two that are held up by somebody else, and one that waits for them.
    users.behave(Manner::Waits);
    let mut held = JoinSet::new();
    for _ in 0..3 {
        let request = server.client.get(server.url(&members)).bearer_auth(&login);
        held.spawn(async move {
            loop {
                let status = request.try_clone().unwrap().send().await.unwrap().status();
                // The request below may have come first.
                if status != StatusCode::SERVICE_UNAVAILABLE {
                    return status;
                }
            }
        });
    }
    eventually("there is no more room", SOON, async || {
        // Where there is, it waits there itself until it gives up.
        let asked = timeout(Duration::from_millis(300), get(&server, "/orgs", &login)).await;
        asked.is_ok_and(|answer| answer.status() == StatusCode::SERVICE_UNAVAILABLE)
    })
    .await;

    let begun = Instant::now();
    for _ in 0..20 {
        let answer = get(&server, "/orgs", &login).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()["retry-after"], "1");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "unavailable", "{problem}");
        let asked = OrgId { value: org.clone() };
        assert_eq!(code(siblings.get_owner_id_by_org_id(asked).await), Code::Unavailable);
        identify(&server, &login).await.unwrap();
        authorize(&server, &login, &org, "owner").await.unwrap();
    }
    assert_eq!(get(&server, "/backup", &login).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    assert!(shed(&server, "management", "queue").await >= 40);
    assert_eq!(shed(&server, "bulk", "busy").await, 1);
    // It is no failure of ours, and no line each.
    assert!(!server.output().contains("more is asked for"), "{}", server.output());

    users.behave(Manner::Well);
    while let Some(status) = timeout(SOON, held.join_next()).await.unwrap() {
        assert_eq!(status.unwrap(), StatusCode::OK);
    }
    for path in ["/orgs", &members, "/backup"] {
        assert_eq!(get(&server, path, &login).await.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn r14_who_waits_is_not_kept_waiting() {
    let users = Users::start(1).await;
    let setup = embedded()
        .set("MF_USERS_GRPC_URL", users.address.to_string())
        .unset("MF_USERS_ADMIN_EMAIL")
        .unset("MF_USERS_ADMIN_PASSWORD")
        .set("MF_AUTH_GRPC_TIMEOUT", "1m")
        .set("MF_AUTH_CONCURRENCY", "1")
        .set("MF_AUTH_QUEUE_WAIT", "50ms");
    let server = setup.start().await.unwrap();
    let issue = IssueReq { id: id(1), email: email(1), r#type: 0 };
    let login = sibling(&server).await.issue(issue).await.unwrap().into_inner().value;
    let org = found(&server, &login, "acme").await;
    users.behave(Manner::Waits);
    let held = server.client.get(server.url(&format!("/orgs/{org}/memberships")));
    let held = tokio::spawn(held.bearer_auth(&login).send());
    eventually("it is under way", SOON, async || users.calls() > 0).await;
    let answer = timeout(AT_ONCE, get(&server, "/orgs", &login)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(shed(&server, "management", "wait").await, 1);
    users.behave(Manner::Well);
    assert_eq!(held.await.unwrap().unwrap().status(), StatusCode::OK);
    assert_eq!(get(&server, "/orgs", &login).await.status(), StatusCode::OK);
}
