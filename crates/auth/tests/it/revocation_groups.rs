//! Roles in groups are remembered like any other right: what is changed on one replica is true on the other when
//! the call returns, whether it takes access away or gives it.

use std::time::Duration;

use auth_grpc::proto::AuthorizeReq;
use auth_testkit::Server;
use reqwest::Method;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::groups::{Scene, scene};
use crate::world::{eventually, postgres, sibling};

/// Two replicas, an org, and a chain of groups in it.
struct Pair {
    scene: Scene,
    there: Server,
    setup: auth_testkit::Setup,
    chain: Vec<String>,
    mallory: String,
}

impl Pair {
    /// In which mallory is a guest: a viewer of the org.
    async fn start() -> Self {
        let setup = postgres().await;
        let scene = scene("postgres", setup.clone()).await;
        let there = setup.start().await.unwrap();
        let chain = scene.chain(&["first", "second", "third", "fourth"]).await;
        let mallory = scene.id(&scene.mallory).await;
        let pair = Self { scene, there, setup, chain, mallory };
        pair.join().await;
        pair
    }

    async fn change(&self, method: Method, path: &str, body: Value) {
        let said = self.scene.send(method.clone(), path, &self.scene.ada, body).await;
        let status = said.status();
        assert!(status.is_success(), "{method} {path}: {status} {}", said.text().await.unwrap());
    }

    async fn join(&self) {
        let body =
            json!({ "org_memberships": [{ "email": "mallory@example.com", "role": "viewer" }] });
        let path = format!("/orgs/{}/memberships", self.scene.org);
        self.change(Method::POST, &path, body).await;
    }

    async fn give(&self, group: &str, role: &str) {
        let path = format!("/groups/{group}/roles/{}", self.mallory);
        self.change(Method::PUT, &path, json!({ "role": role })).await;
    }

    async fn take(&self, group: &str) {
        let path = format!("/groups/{group}/roles/{}", self.mallory);
        self.change(Method::DELETE, &path, json!({})).await;
    }

    async fn relocate(&self, group: &str, parent: Option<&str>) {
        let path = format!("/groups/{group}/parent");
        self.change(Method::PUT, &path, json!({ "parent_id": parent })).await;
    }

    async fn ask(&self, server: &Server, group: &str, action: &str) -> Result<(), Status> {
        let asked = AuthorizeReq {
            token: self.scene.mallory.clone(),
            object: group.into(),
            subject: "group".into(),
            action: action.into(),
        };
        sibling(server).await.authorize(asked).await.map(drop)
    }

    /// What both say at once of the last of the chain; and it is from memory from then on.
    async fn both(&self, group: &str, action: &str, allowed: bool) {
        for turn in 0..2 {
            for (name, server) in [("here", &self.scene.server), ("there", &self.there)] {
                match self.ask(server, group, action).await {
                    Ok(()) => assert!(allowed, "{name}, turn {turn}: still may {action}"),
                    Err(status) => {
                        assert_eq!(status.code(), Code::PermissionDenied, "{name}: {status:?}");
                        assert!(!allowed, "{name}, turn {turn}: may not yet {action}");
                    }
                }
            }
        }
    }

    /// Until each of them answers from memory.
    async fn warm(&self) {
        for server in [&self.scene.server, &self.there] {
            eventually("the memory is trusted", Duration::from_secs(10), async || {
                let before = hits(server).await;
                let _ = self.ask(server, &self.chain[3], "viewer").await;
                hits(server).await > before
            })
            .await;
        }
    }
}

async fn hits(server: &Server) -> u64 {
    let metrics = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let line =
        metrics.lines().find_map(|line| line.strip_prefix("auth_memory_hits_total ")?.parse().ok());
    line.unwrap_or(0)
}

#[tokio::test]
async fn a_role_that_is_given_or_taken_above_counts_everywhere_at_once() {
    let pair = Pair::start().await;
    let [first, second, _, last] = pair.chain.clone().try_into().unwrap();
    pair.warm().await;
    pair.both(&last, "editor", false).await;
    for round in 0..10 {
        let above = if round % 2 == 0 { &first } else { &second };
        pair.give(above, "editor").await;
        pair.both(&last, "editor", true).await;
        pair.both(&last, "admin", false).await;
        pair.give(above, "admin").await;
        pair.both(&last, "admin", true).await;
        pair.give(above, "viewer").await;
        pair.both(&last, "editor", false).await;
        pair.give(above, "editor").await;
        pair.both(&last, "editor", true).await;
        pair.take(above).await;
        pair.both(&last, "editor", false).await;
    }
}

#[tokio::test]
async fn what_is_moved_out_of_reach_or_into_it_is_known_everywhere_at_once() {
    let pair = Pair::start().await;
    let [first, second, _, last] = pair.chain.clone().try_into().unwrap();
    let body = json!({ "name": "elsewhere", "org_id": pair.scene.org });
    let elsewhere = pair.scene.make(&pair.scene.ada, body).await;
    pair.give(&first, "editor").await;
    pair.warm().await;
    for _ in 0..10 {
        pair.both(&last, "editor", true).await;
        pair.relocate(&second, Some(&elsewhere)).await;
        pair.both(&last, "editor", false).await;
        pair.relocate(&second, Some(&first)).await;
        pair.both(&last, "editor", true).await;
        pair.relocate(&second, None).await;
        pair.both(&last, "editor", false).await;
        // What lies above the group they have a role in may go where it likes.
        pair.relocate(&first, Some(&elsewhere)).await;
        pair.relocate(&second, Some(&first)).await;
        pair.both(&last, "editor", true).await;
        pair.relocate(&first, None).await;
    }
}

#[tokio::test]
async fn who_is_no_member_any_more_has_no_role_anywhere_and_none_after_coming_back() {
    let pair = Pair::start().await;
    let [first, .., last] = pair.chain.as_slice() else { panic!() };
    pair.warm().await;
    let remove = async || {
        let path = format!("/orgs/{}/memberships", pair.scene.org);
        pair.change(Method::PATCH, &path, json!({ "member_ids": [pair.mallory] })).await;
    };
    for _ in 0..5 {
        pair.give(first, "editor").await;
        pair.both(last, "editor", true).await;
        remove().await;
        pair.both(last, "viewer", false).await;
        pair.join().await;
        pair.both(last, "viewer", true).await;
        pair.both(last, "editor", false).await;
        // What the org gives.
        let body =
            json!({ "org_memberships": [{ "email": "mallory@example.com", "role": "admin" }] });
        let path = format!("/orgs/{}/memberships", pair.scene.org);
        pair.change(Method::PUT, &path, body).await;
        pair.both(last, "admin", true).await;
        remove().await;
        pair.both(last, "viewer", false).await;
        pair.join().await;
    }
}

/// No group can be made with the id of one that is gone; only a restore brings it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_with_what_lies_above_is_gone_at_once_and_what_is_restored_there() {
    let pair = Pair::start().await;
    let [first, second, third, last] = pair.chain.clone().try_into().unwrap();
    pair.give(&first, "editor").await;
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("all.json");
    let path = file.to_str().unwrap();
    let (status, said) = pair.setup.run(&["backup", "--output", path]).await.unwrap();
    assert!(status.success(), "{said}");
    pair.warm().await;
    for gone in [&second, &last, &third, &first] {
        pair.both(&last, "editor", true).await;
        let delete = format!("/groups/{gone}?subtree=true");
        pair.change(Method::DELETE, &delete, json!({})).await;
        pair.both(&last, "viewer", false).await;
        let restore = ["restore", "--input", path, "--revive"];
        let (status, said) = pair.setup.run(&restore).await.unwrap();
        assert!(status.success(), "{said}");
        pair.both(&last, "editor", true).await;
    }
    let org = format!("/orgs/{}", pair.scene.org);
    pair.change(Method::DELETE, &org, json!({})).await;
    pair.both(&last, "viewer", false).await;
}
