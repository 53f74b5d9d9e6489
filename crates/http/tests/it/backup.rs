//! Backups and what is restored, as clients see them.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use auth_domain::Rules;
use auth_domain::model::OrgRole;
use auth_http::{Limits, Options};
use axum::body::{Body, Bytes, to_bytes};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http_body::Frame;
use serde_json::{Value, json};
use tokio::time::{Instant, Interval, interval, sleep, timeout};

use crate::limits::{Frames, Then};
use crate::support::{Answer, Call, Person, World};

const FILE: &str = "application/octet-stream";

impl World {
    fn restore(&self, who: &Person, query: &str, body: &str) -> Call {
        self.post(&format!("/restore{query}")).bearer(&who.token).body(body)
    }

    fn file(&self, who: &Person, org: &str, query: &str, body: &str) -> Call {
        self.file_of(who, org, query, Body::from(body.to_owned()))
    }

    fn file_of(&self, who: &Person, org: &str, query: &str, body: Body) -> Call {
        self.post(&format!("/orgs/{org}/memberships/restore{query}"))
            .bearer(&who.token)
            .header(CONTENT_TYPE, FILE)
            .raw(body)
    }

    /// With an org of theirs, of more members than wait for a client that does not read.
    async fn crowd(&self, owner: &Person) -> String {
        let org = self.org(owner, &json!({ "name": "Crowd" })).await;
        let members = (1..=4_000_u128).map(|n| uuid::Uuid::from_u128(n).to_string());
        let rows: Vec<Value> = members.map(|member| row(&org, &member, "viewer")).collect();
        self.file(owner, &org, "", &Value::from(rows).to_string()).send().await.assert_empty(201);
        org
    }
}

/// A body that never ends, a blank at a time.
struct Drips(Interval);

impl http_body::Body for Drips {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_tick(cx).map(|_| Some(Ok(Frame::data(Bytes::from_static(b" ")))))
    }
}

/// Waits until it is so.
async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "not in time: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// A document that restores an org.
fn one_org(owner: &Person) -> String {
    let id = "01932f70-2b10-7d4f-a6e8-9c1b3d5f7a20";
    json!({ "orgs": [{ "id": id, "name": "Acme", "owner_id": owner.id.to_string() }] }).to_string()
}

/// What is left to read of an answer, and whether it came to its end.
async fn rest(answer: Response) -> Result<usize, ()> {
    let body = timeout(Duration::from_secs(10), to_bytes(answer.into_body(), usize::MAX)).await;
    body.unwrap().map(|bytes| bytes.len()).map_err(drop)
}

fn row(org: &str, member: &str, role: &str) -> Value {
    json!({ "org_id": org, "member_id": member, "role": role })
}

async fn backup(world: &World, who: &Person) -> Answer {
    world.get("/backup").bearer(&who.token).send().await
}

const NOBODY: &str = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";

#[tokio::test]
async fn case_51_a_file_of_the_members_is_the_originals_to_the_letter() {
    let world = World::new().await;
    let ada = world.account("ada").await;
    let org = world.org(&ada, &json!({ "name": "Acme" })).await;
    let ghost = world.person("ghost").await;
    world.join(&org, &ghost, OrgRole::Viewer).await;
    let answer =
        world.get(&format!("/orgs/{org}/memberships/backup")).bearer(&ada.token).send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), FILE);
    let name = format!("attachment; filename=\"org-memberships-backup-{org}.json\"");
    assert_eq!(answer.header("content-disposition"), name);
    let rows = answer.json();
    let emails: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["email"].clone()).collect();
    assert_eq!(emails.len(), 2);
    assert!(emails.contains(&json!("ada@example.com")) && emails.contains(&json!("")));
    let moment = rows[0]["created_at"].as_str().unwrap();
    let member = |place: usize| rows[place]["member_id"].as_str().unwrap();
    let text = |place: usize, email: &str, role: &str| {
        format!(
            "  {{\n    \"member_id\": \"{}\",\n    \"org_id\": \"{org}\",\n    \"email\": \"{email}\",\n    \
             \"role\": \"{role}\",\n    \"created_at\": \"{moment}\",\n    \"updated_at\": \"{moment}\"\n  }}",
            member(place)
        )
    };
    let (first, second) = if emails[0] == "" {
        (text(0, "", "viewer"), text(1, "ada@example.com", "owner"))
    } else {
        (text(0, "ada@example.com", "owner"), text(1, "", "viewer"))
    };
    assert_eq!(answer.text(), format!("[\n{first},\n{second}\n]"));
}

#[tokio::test]
async fn case_52_d01_go1_a_row_of_another_org_is_400_and_changes_nothing() {
    let world = World::new().await;
    let (ada, eve) = (world.person("ada").await, world.person("eve").await);
    let theirs = world.org(&ada, &json!({ "name": "Theirs" })).await;
    let mine = world.org(&eve, &json!({ "name": "Mine" })).await;
    let me = eve.id.to_string();
    for rows in [
        json!([row(&theirs, &me, "owner")]),
        json!([row(&mine, NOBODY, "viewer"), row(&theirs, &me, "viewer")]),
    ] {
        let answer = world.file(&eve, &mine, "", &rows.to_string()).send().await;
        answer.assert_refused(400, "malformed entity specification");
    }
    let answer = world.get(&format!("/orgs/{theirs}")).bearer(&eve.token).send().await;
    assert_eq!(answer.status, 404);
    let path = format!("/orgs/{mine}/members/{NOBODY}");
    assert_eq!(world.get(&path).bearer(&eve.token).send().await.status, 404);
}

#[tokio::test]
async fn case_53_a_file_is_no_json_and_goes_where_it_belongs() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let org = world.org(&ada, &json!({ "name": "Acme" })).await;
    let path = format!("/orgs/{org}/memberships/restore");
    let answer = world.post(&path).bearer(&ada.token).body("[]").send().await;
    answer.assert_refused(415, "unsupported content type");
    let rows = json!([row(&org, NOBODY, "viewer")]).to_string();
    let dry = world.file(&ada, &org, "?dry_run=true", &rows).send().await;
    assert_eq!((dry.status.as_u16(), dry.json()), (200, json!({ "created": 1, "unchanged": 0 })));
    world.file(&ada, &org, "", &rows).send().await.assert_empty(201);
    let again = world.file(&ada, &org, "", &rows).send().await;
    again.assert_refused(409, "org membership already exists");
    let nothing = world.file(&ada, &org, "", "[]").send().await;
    nothing.assert_refused(400, "empty list provided");
    let more = world.file(&ada, &org, "", &format!("{rows} x")).send().await;
    more.assert_refused(400, "malformed entity specification");
    let (_, key) = world.api_key(&ada).await;
    let by_key = Person { token: key, email: String::new(), id: ada.id };
    assert_eq!(world.file(&by_key, &org, "", &rows).send().await.status, 401);
    let path = format!("/orgs/{org}/memberships/backup");
    assert_eq!(world.get(&path).bearer(&by_key.token).send().await.status, 200);
}

#[tokio::test]
async fn case_54_d50_a_backup_is_for_platform_roles_who_signed_in() {
    let world = World::new().await;
    let (root, ada) = (world.root().await, world.account("ada").await);
    let org = world.org(&ada, &json!({ "name": "Acme" })).await;
    world.get("/backup").send().await.assert_refused(401, "missing or invalid bearer user token");
    assert_eq!(backup(&world, &ada).await.status, 403);
    let (_, key) = world.api_key(&root).await;
    assert_eq!(world.get("/backup").bearer(&key).send().await.status, 403);
    let answer = backup(&world, &root).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    let document = answer.json();
    assert_eq!(document["orgs"][0]["id"], json!(org));
    assert_eq!(document["org_memberships"][0]["member_id"], json!(ada.id.to_string()));
    assert_eq!(document["accounts"][0]["email"], json!("ada@example.com"));
    assert!(!answer.text().contains("plain:"), "{}", answer.text());
    assert!(!answer.text().contains(&key), "{}", answer.text());
}

#[tokio::test]
async fn case_55_d24_a_document_of_the_original_is_restored_as_it_was_there() {
    let world = World::new().await;
    let (root, ada) = (world.root().await, world.person("ada").await);
    let empty = world.restore(&root, "", "{}").send().await;
    empty.assert_refused(400, "empty list provided");
    assert_eq!(world.restore(&ada, "", "{}").send().await.status, 403);
    let bare = world.post("/restore").bearer(&root.token).raw("{}".into()).send().await;
    bare.assert_refused(415, "unsupported content type");
    let document = json!({
        "orgs": [{ "id": NOBODY, "name": "Acme", "owner_id": ada.id.to_string() }],
        "org_memberships": [row(NOBODY, &ada.id.to_string(), "owner")],
    })
    .to_string();
    let dry = world.restore(&root, "?dry_run=true", &document).send().await;
    assert_eq!((dry.status.as_u16(), &dry.json()["orgs"]["created"]), (200, &json!(1)));
    world.restore(&root, "", &document).send().await.assert_empty(201);
    let again = world.restore(&root, "", &document).send().await;
    again.assert_refused(409, "entity already exists");
    let answer = world.get(&format!("/orgs/{NOBODY}")).bearer(&ada.token).send().await;
    assert_eq!(answer.status, 200);
    // Members of an org that is there already.
    let members = json!({ "org_memberships": [row(NOBODY, &ada.id.to_string(), "owner")] });
    let there = world.restore(&root, "", &members.to_string()).send().await;
    there.assert_refused(409, "org membership already exists");
}

#[tokio::test]
async fn a_backup_is_restored_as_it_was_written_and_in_no_other_way() {
    let world = World::new().await;
    let root = world.root().await;
    world.org(&root, &json!({ "name": "Acme" })).await;
    let document = backup(&world, &root).await.text().to_owned();
    let refused = world.restore(&root, "", &document).send().await;
    refused.assert_refused(409, "entity already exists");
    let report = world.restore(&root, "?existing=skip", &document).send().await;
    assert_eq!(report.status, 201, "{}", report.text());
    assert_eq!(
        report.json()["orgs"],
        json!({
            "created": 0, "unchanged": 1, "left_out": 0, "left_out_ids": []
        })
    );
    for changed in [
        document.replace("Acme", "Acne"),
        document.replace("\"version\":1", "\"version\":2"),
        serde_json::to_string(&serde_json::from_str::<Value>(&document).unwrap()).unwrap() + " ",
        document[..document.len() - 2].to_owned(),
    ] {
        let answer = world.restore(&root, "?existing=skip", &changed).send().await;
        answer.assert_refused(400, "malformed entity specification");
    }
    let changed = document.replace("Acme", "Acne");
    let answer = world.restore(&root, "?existing=skip", &changed).send().await;
    assert_eq!(answer.json()["code"], "backup_seal");
    for query in ["?existing=replace", "?revive=1", "?dry_run=yes", "?dry_run=true&dry_run=true"] {
        let answer = world.restore(&root, query, &document).send().await;
        answer.assert_refused(400, "invalid query parameters");
    }
}

#[tokio::test]
async fn s80_a_document_may_be_large_but_not_too_large_and_is_not_read_for_strangers() {
    let world = World::new().await;
    let (root, ada) = (world.root().await, world.person("ada").await);
    // More than any other body may have.
    let members: Vec<Value> = (1..5_000_u128)
        .map(|n| row(NOBODY, &uuid::Uuid::from_u128(n).to_string(), "viewer"))
        .collect();
    let document = json!({
        "orgs": [{ "id": NOBODY, "name": "Acme", "owner_id": ada.id.to_string() }],
        "org_memberships": members,
    })
    .to_string();
    assert!(document.len() > 256 * 1024);
    world.restore(&root, "", &document).send().await.assert_empty(201);
    let large = " ".repeat(32 * 1024 * 1024 + 1);
    let answer = world.restore(&root, "", &large).send().await;
    answer.assert_refused(413, "request body too large");
    // Who may not is told so, whatever they sent.
    assert_eq!(world.restore(&ada, "", &large).send().await.status, 403);
}

#[tokio::test]
async fn r15_of_three_backups_at_once_the_third_is_told_to_wait() {
    let (_directory, world) = World::on_disk().await;
    let root = world.root().await;
    let open = || world.get("/backup").bearer(&root.token).open();
    let (one, two) = (open().await, open().await);
    assert!(one.status() == 200 && two.status() == 200);
    let third = backup(&world, &root).await;
    third.assert_refused(503, "temporarily unavailable");
    assert_eq!(third.header("retry-after"), "1");
    // Restores have a turn of their own.
    world.restore(&root, "", &one_org(&root)).send().await.assert_empty(201);
    // Whoever reads to the end makes room, and so does whoever goes.
    assert!(rest(one).await.is_ok());
    let one = open().await;
    assert_eq!(one.status(), 200);
    assert_eq!(backup(&world, &root).await.status, 503);
    drop(two);
    eventually("it is noticed that one went", async || backup(&world, &root).await.status == 200)
        .await;
}

#[tokio::test]
async fn s81_a_client_that_stops_reading_a_backup_is_cut_off() {
    let limits = Limits { body_idle: Duration::from_millis(100), ..Limits::default() };
    let world = World::with(Options { limits, ..Options::default() }, Rules::default()).await;
    let root = world.root().await;
    world.observer.seen();
    let answer = world.get("/backup").bearer(&root.token).open().await;
    assert_eq!(answer.status(), 200);
    eventually("it is given up", async || {
        world.observer.seen().contains(&("backup", "unavailable"))
    })
    .await;
    assert_eq!(rest(answer).await, Err(()), "what was cut off must not look whole");
}

#[tokio::test]
async fn r15_r49_what_owners_of_orgs_do_keeps_nobody_from_a_backup_of_everything() {
    let world = World::new().await;
    let (root, eve) = (world.root().await, world.person("eve").await);
    let org = world.crowd(&eve).await;
    // She reads none of two backups of her org, and never ends what she sends.
    let path = format!("/orgs/{org}/memberships/backup");
    let open = || world.get(&path).bearer(&eve.token).open();
    let (one, two) = (open().await, open().await);
    assert!(one.status() == 200 && two.status() == 200);
    assert_eq!(open().await.status(), 503, "hers are used up");
    let wanted = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&wanted);
    let body = Frames { wanted: counted, left: 1, size: 1, then: Then::Stalls, announced: None };
    let slow = tokio::spawn(world.file_of(&eve, &org, "", Body::new(body)).open());
    eventually("what she sends is read", async || wanted.load(Ordering::SeqCst) > 0).await;
    let second = world.file(&eve, &org, "", "[]").send().await;
    assert_eq!(second.status, 503, "hers is used up");

    assert_eq!(backup(&world, &root).await.status, 200);
    world.restore(&root, "", &one_org(&eve)).send().await.assert_empty(201);
    slow.abort();
}

#[tokio::test]
async fn s81_a_file_of_members_that_comes_in_drips_is_given_up() {
    let limits = Limits { request: Duration::from_millis(200), ..Limits::default() };
    let world = World::with(Options { limits, ..Options::default() }, Rules::default()).await;
    let eve = world.person("eve").await;
    let org = world.org(&eve, &json!({ "name": "Acme" })).await;
    // Each drip comes long before a pause would be too long.
    let drips = Body::new(Drips(interval(Duration::from_millis(20))));
    let answer = world.file_of(&eve, &org, "", drips).send().await;
    answer.assert_refused(408, "request body did not arrive in time");
    // And its turn is over.
    let rows = json!([row(&org, NOBODY, "viewer")]).to_string();
    world.file(&eve, &org, "", &rows).send().await.assert_empty(201);
}
