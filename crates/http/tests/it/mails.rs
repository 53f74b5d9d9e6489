//! `/mails`.

use std::time::Duration;

use auth_domain::Timestamp;
use auth_domain::change::{Change, Commit};
use auth_domain::model::{Mail, MailId, Message, PlatformRole, Verdict};
use serde_json::json;
use uuid::Uuid;

use crate::support::{NOW, World, audit};

const FORBIDDEN: &str = "failed to perform authorization over the entity";
const INVITE: &str = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";

pub const fn mail_id(number: u128) -> MailId {
    MailId::new(Uuid::from_u128(number))
}

/// Mails about an invite, with these numbers; the first of them is dead.
pub async fn queued(world: &World, numbers: std::ops::RangeInclusive<u128>) {
    let at = Timestamp::from_seconds(NOW);
    for number in numbers.clone() {
        let message = Message::OrgInvite {
            invite: INVITE.parse().unwrap(),
            path: "/invites".parse().unwrap(),
        };
        let expires_at = Timestamp::from_seconds(32_000_000_000);
        let mail = Mail { id: mail_id(number), message, created_at: at, expires_at };
        let changes = vec![Change::QueueMail(mail)];
        let commit =
            Commit { actor: "test".to_owned(), at, guards: Vec::new(), changes, audit: audit() };
        world.store().commit(commit).await.unwrap();
    }
    let holder = Uuid::from_u128(1);
    world.store().claim_mails(holder, Duration::from_mins(1), 1).await.unwrap();
    let dead = Verdict::Dead { problem: "recipient" };
    world.store().settle_mail(mail_id(*numbers.start()), holder, dead).await.unwrap();
}

#[tokio::test]
async fn r41_what_waits_and_what_died_is_listed_without_an_address() {
    let world = World::new().await;
    let admin = world.holder("admin", PlatformRole::Admin).await;
    queued(&world, 1..=3).await;
    let answer = world.get("/mails?limit=2").bearer(&admin.token).send().await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(answer.members(), ["limit", "offset", "total", "mails"]);
    let mails = answer.json();
    assert_eq!((&mails["total"], mails["mails"].as_array().unwrap().len()), (&json!(3), 2));
    let (dead, waiting) = (&mails["mails"][0], &mails["mails"][1]);
    assert_eq!(dead["id"], mail_id(1).to_string());
    assert_eq!((&dead["kind"], &dead["invite_id"]), (&json!("org_invite"), &json!(INVITE)));
    assert_eq!((&dead["state"], &dead["problem"]), (&json!("dead"), &json!("recipient")));
    assert_eq!((&dead["attempts"], &waiting["attempts"]), (&json!(1), &json!(0)));
    assert_eq!((&waiting["state"], waiting.get("problem")), (&json!("queued"), None));
    assert_eq!(waiting["created_at"], "2023-11-14T22:13:20Z");
    assert!(!answer.text().contains('@') && !answer.text().contains("/invites"));
    for (query, total) in [("?state=queued", 2), ("?state=dead", 1), ("?state=", 3)] {
        let answer = world.get(&format!("/mails{query}")).bearer(&admin.token).send().await;
        assert_eq!(answer.json()["total"], total, "{query}");
    }
    for query in ["?state=sent", "?state=dead&state=dead"] {
        let answer = world.get(&format!("/mails{query}")).bearer(&admin.token).send().await;
        answer.assert_refused(400, "invalid query parameters");
    }
}

#[tokio::test]
async fn r41_a_dead_mail_is_retried() {
    let world = World::new().await;
    let admin = world.holder("admin", PlatformRole::Admin).await;
    queued(&world, 1..=1).await;
    let retry = |id: &str| world.post(&format!("/mails/{id}/retry")).bearer(&admin.token);
    retry(&mail_id(1).to_string()).send().await.assert_empty(204);
    let answer = world.get("/mails?state=queued").bearer(&admin.token).send().await;
    assert_eq!(answer.json()["total"], 1);
    for unknown in [INVITE, "zz"] {
        retry(unknown).send().await.assert_refused(404, "entity not found");
    }
    retry("").send().await.assert_refused(400, "missing mail id");
}

#[tokio::test]
async fn mails_are_nobody_elses_business() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let root = world.root().await;
    let (_, key) = world.api_key(&root).await;
    queued(&world, 1..=1).await;
    let path = format!("/mails/{}/retry", mail_id(1));
    for token in [&ada.token, &key] {
        world.get("/mails").bearer(token).send().await.assert_refused(403, FORBIDDEN);
        world.post(&path).bearer(token).send().await.assert_refused(403, FORBIDDEN);
    }
    world.get("/mails").send().await.assert_refused(401, "missing or invalid bearer user token");
    let answer = world.get("/mails?state=dead").bearer(&root.token).send().await;
    assert_eq!(answer.json()["total"], 1, "it was not retried");
}
