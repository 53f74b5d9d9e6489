//! `/orgs`.

use auth_domain::model::OrgRole;
use http::StatusCode;
use serde_json::{Value, json};

use crate::org_lists::{list, names};
use crate::support::{Answer, Person, World};

const UNKNOWN: &str = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";
const FORBIDDEN: &str = "failed to perform authorization over the entity";

async fn create(world: &World, person: &Person, body: &str) -> Answer {
    world.post("/orgs").bearer(&person.token).body(body).send().await
}

async fn view(world: &World, person: &Person, id: &str) -> Answer {
    world.get(&format!("/orgs/{id}")).bearer(&person.token).send().await
}

/// An org with somebody in every role, and somebody outside.
struct Acme {
    world: World,
    id: String,
    owner: Person,
    admin: Person,
    editor: Person,
    viewer: Person,
    stranger: Person,
}

impl Acme {
    async fn new() -> Self {
        let world = World::new().await;
        let owner = world.person("owner").await;
        let id = world.org(&owner, &json!({ "name": "Acme" })).await;
        let admin = world.person("admin").await;
        let editor = world.person("editor").await;
        let viewer = world.person("viewer").await;
        world.join(&id, &admin, OrgRole::Admin).await;
        world.join(&id, &editor, OrgRole::Editor).await;
        world.join(&id, &viewer, OrgRole::Viewer).await;
        let stranger = world.person("stranger").await;
        Self { world, id, owner, admin, editor, viewer, stranger }
    }

    async fn update(&self, person: &Person, id: &str) -> Answer {
        let call = self.world.put(&format!("/orgs/{id}")).bearer(&person.token);
        call.body(r#"{"name":"Renamed"}"#).send().await
    }

    async fn remove(&self, person: &Person, id: &str) -> Answer {
        self.world.delete(&format!("/orgs/{id}")).bearer(&person.token).send().await
    }
}

#[tokio::test]
async fn r17_whoever_founds_an_org_owns_it() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let answer = create(&world, &ada, r#"{"name":"A"}"#).await;
    answer.assert_empty(201);
    let id = answer.header("location").strip_prefix("/orgs/").unwrap().to_owned();
    assert_eq!(answer.header("content-type"), "application/json");
    let org = view(&world, &ada, &id).await.json();
    assert_eq!(org["owner_id"], ada.id.to_string().as_str());
    let gone = world.delete(&format!("/orgs/{id}")).bearer(&ada.token).send().await;
    gone.assert_empty(204);
}

#[tokio::test]
async fn r18_r19_names_and_descriptions_have_limits() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let long = "é".repeat(255);
    let name = "invalid name size";
    let malformed = "malformed entity specification";
    for (body, text) in [
        (json!({}), name),
        (json!({ "name": "" }), name),
        (json!({ "name": null }), name),
        (json!({ "name": long }), name),
        (json!({ "name": "a\nb" }), malformed),
        (json!({ "name": "gpj.\u{202e}exe" }), malformed),
        (json!({ "name": "\u{200b} " }), malformed),
        (json!({ "name": "a", "description": "x".repeat(1025) }), malformed),
        (json!({ "name": "a", "metadata": [] }), malformed),
        (json!({ "name": "a", "metadata": "x" }), malformed),
        (json!({ "name": "a", "metadata": { "x": "y".repeat(16 * 1024) } }), malformed),
        (json!({ "name": 7 }), malformed),
    ] {
        let answer = create(&world, &ada, &body.to_string()).await;
        assert_eq!(answer.refusal(), (400, text.to_owned()), "{body}");
    }
    let most = json!({ "name": "é".repeat(254), "description": "é".repeat(1024) });
    create(&world, &ada, &most.to_string()).await.assert_empty(201);
}

#[tokio::test]
async fn d43_s68_go23_text_that_no_store_holds_is_refused() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    for body in [
        r#"{"name":"a\u0000b"}"#,
        r#"{"name":"a","description":"\u0000"}"#,
        r#"{"name":"a","metadata":{"x":"\u0000"}}"#,
        r#"{"name":"a","metadata":{"\u0000":1}}"#,
        r#"{"name":"a","metadata":{"x":["\ud800"]}}"#,
    ] {
        let answer = create(&world, &ada, body).await;
        answer.assert_refused(400, "malformed entity specification");
    }
    list(&world, &ada, "?name=%00").await.assert_refused(400, "invalid query parameters");
}

#[tokio::test]
async fn r20_other_bodies_are_refused() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    for body in ["", "[]", "1", "\"x\"", "{", "{}x"] {
        let answer = create(&world, &ada, body).await;
        assert_eq!(answer.refusal(), (400, "malformed entity specification".to_owned()), "{body}");
    }
    create(&world, &ada, "null").await.assert_refused(400, "invalid name size");
}

#[tokio::test]
async fn r21_a_viewer_sees_the_org() {
    let world = World::new().await;
    let (ada, vera) = (world.person("ada").await, world.person("vera").await);
    let body =
        json!({ "name": "<A&B>", "description": "d", "metadata": { "b": 1.0, "a": [true] } });
    let id = world.org(&ada, &body).await;
    world.join(&id, &vera, OrgRole::Viewer).await;
    let answer = view(&world, &vera, &id).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.text(),
        format!(
            "{{\"id\":\"{id}\",\"name\":\"<A&B>\",\"owner_id\":\"{}\",\"description\":\"d\",\
             \"metadata\":{{\"a\":[true],\"b\":1}},\"created_at\":\"2023-11-14T22:13:20Z\",\
             \"updated_at\":\"2023-11-14T22:13:20Z\"}}\n",
            ada.id
        )
    );
    let bare = world.org(&ada, &json!({ "name": "bare", "metadata": {} })).await;
    assert_eq!(
        view(&world, &ada, &bare).await.members(),
        ["id", "name", "owner_id", "created_at", "updated_at"]
    );
}

#[tokio::test]
async fn r22_s43_a_foreign_org_looks_like_none() {
    let acme = Acme::new().await;
    let mut bodies = Vec::new();
    for id in [acme.id.as_str(), UNKNOWN, "zz", "a%2Fb", "..", "%ff", "x;y", "%2e%2e%2fkeys"] {
        let answer = view(&acme.world, &acme.stranger, id).await;
        answer.assert_refused(404, "entity not found");
        bodies.push(answer.text().to_owned());
        acme.update(&acme.stranger, id).await.assert_refused(404, "entity not found");
        acme.remove(&acme.stranger, id).await.assert_refused(404, "entity not found");
        let without = acme.world.get(&format!("/orgs/{id}")).send().await;
        without.assert_refused(401, "missing or invalid bearer user token");
        let bad = acme.world.get(&format!("/orgs/{id}")).bearer("x.y.z").send().await;
        bad.assert_refused(401, "failed to validate token");
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[tokio::test]
async fn r23_a_path_that_ends_before_the_id_says_so() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    for call in
        [world.get("/orgs/"), world.delete("/orgs/"), world.put("/orgs/").body(r#"{"name":"x"}"#)]
    {
        call.bearer(&ada.token).send().await.assert_refused(400, "missing org id");
    }
}

#[tokio::test]
async fn r24_admins_update_viewers_do_not() {
    let acme = Acme::new().await;
    acme.update(&acme.viewer, &acme.id).await.assert_refused(403, FORBIDDEN);
    acme.update(&acme.editor, &acme.id).await.assert_refused(403, FORBIDDEN);
    acme.update(&acme.stranger, &acme.id).await.assert_refused(404, "entity not found");
    assert_eq!(view(&acme.world, &acme.owner, &acme.id).await.json()["name"], "Acme");
    acme.world.clock.advance(60);
    acme.update(&acme.admin, &acme.id).await.assert_empty(200);
    let org = view(&acme.world, &acme.viewer, &acme.id).await.json();
    assert_eq!(org["name"], "Renamed");
    assert_eq!(org["updated_at"], "2023-11-14T22:14:20Z");
    assert_eq!(org["created_at"], "2023-11-14T22:13:20Z");
    assert_eq!(org["owner_id"], acme.owner.id.to_string().as_str());
}

#[tokio::test]
async fn r25_d20_updating_nothing_is_not_found_for_a_root_too() {
    let acme = Acme::new().await;
    let root = acme.world.root().await;
    for id in [UNKNOWN, "zz"] {
        acme.update(&root, id).await.assert_refused(404, "entity not found");
    }
}

#[tokio::test]
async fn r26_only_the_owner_deletes() {
    let acme = Acme::new().await;
    for person in [&acme.admin, &acme.editor, &acme.viewer] {
        acme.remove(person, &acme.id).await.assert_refused(403, FORBIDDEN);
    }
    acme.remove(&acme.owner, &acme.id).await.assert_empty(204);
    acme.remove(&acme.owner, &acme.id).await.assert_refused(404, "entity not found");
}

#[tokio::test]
async fn r27_d19_a_root_deletes_any_org() {
    let acme = Acme::new().await;
    let root = acme.world.root().await;
    acme.remove(&root, &acme.id).await.assert_empty(204);
    view(&acme.world, &acme.owner, &acme.id).await.assert_refused(404, "entity not found");
    acme.remove(&root, UNKNOWN).await.assert_refused(404, "entity not found");
}

#[tokio::test]
async fn r28_a_bulk_delete_needs_ids() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let too_many = json!({ "org_ids": vec![UNKNOWN; 201] }).to_string();
    let malformed = "malformed entity specification";
    for (body, text) in [
        (r#"{"org_ids":[]}"#, "empty list provided"),
        ("{}", "empty list provided"),
        (r#"{"org_ids":[""]}"#, "missing org id"),
        (r#"{"org_ids":"x"}"#, malformed),
        (r#"{"org_ids":[1]}"#, malformed),
        (too_many.as_str(), malformed),
    ] {
        let answer = world.patch("/orgs").bearer(&ada.token).body(body).send().await;
        assert_eq!(answer.refusal(), (400, text.to_owned()), "{body}");
    }
}

#[tokio::test]
async fn r29_s39_go14_a_bulk_delete_is_all_or_nothing() {
    let acme = Acme::new().await;
    let other = acme.world.org(&acme.owner, &json!({ "name": "Other" })).await;
    let foreign = acme.world.org(&acme.stranger, &json!({ "name": "Foreign" })).await;
    let remove = |ids: Vec<&str>| {
        let body = json!({ "org_ids": ids }).to_string();
        acme.world.patch("/orgs").bearer(&acme.owner.token).body(&body).send()
    };
    for bad in [UNKNOWN, foreign.as_str(), "zz"] {
        for ids in [vec![bad, &acme.id, &other], vec![&acme.id, bad, &other], vec![&other, bad]] {
            remove(ids).await.assert_refused(404, "entity not found");
        }
    }
    assert_eq!(
        names(&list(&acme.world, &acme.owner, "?order=name&dir=asc").await),
        ["Acme", "Other"]
    );
    remove(vec![&acme.id, &other, &acme.id]).await.assert_empty(204);
    assert!(names(&list(&acme.world, &acme.owner, "").await).is_empty());
}

#[tokio::test]
async fn s49_what_a_client_may_not_set_is_ignored() {
    let acme = Acme::new().await;
    let body = json!({
        "id": UNKNOWN, "name": "Mine", "owner_id": acme.owner.id.to_string(),
        "created_at": "2001-01-01T00:00:00Z", "updated_at": "x",
    });
    let id = acme.world.org(&acme.stranger, &body).await;
    assert_ne!(id, UNKNOWN);
    let org = view(&acme.world, &acme.stranger, &id).await.json();
    assert_eq!(org["owner_id"], acme.stranger.id.to_string().as_str());
    assert_eq!(org["created_at"], "2023-11-14T22:13:20Z");
    let call = acme.world.put(&format!("/orgs/{}", acme.id)).bearer(&acme.admin.token);
    let takeover = json!({ "name": "x", "owner_id": acme.admin.id.to_string() }).to_string();
    call.body(&takeover).send().await.assert_empty(200);
    let org = view(&acme.world, &acme.owner, &acme.id).await.json();
    assert_eq!(org["owner_id"], acme.owner.id.to_string().as_str());
}

#[tokio::test]
async fn d48_s74_go25_update_refuses_what_create_refuses() {
    let acme = Acme::new().await;
    for body in [
        json!({}),
        json!({ "name": "" }),
        json!({ "name": "x".repeat(255) }),
        json!({ "name": "a\u{7}" }),
        json!({ "name": "\u{2066}a" }),
        json!({ "name": "a", "description": "x".repeat(1025) }),
        json!({ "name": "a", "metadata": 1 }),
        json!({ "NAME": "a" }),
        Value::from(1),
    ] {
        let body = body.to_string();
        let call = acme.world.put(&format!("/orgs/{}", acme.id)).bearer(&acme.owner.token);
        let update = call.body(&body).send().await;
        let create = create(&acme.world, &acme.owner, &body).await;
        assert_eq!(update.refusal(), create.refusal(), "{body}");
        assert_eq!(update.text(), create.text(), "{body}");
        assert_eq!(update.status, StatusCode::BAD_REQUEST, "{body}");
    }
}

#[tokio::test]
async fn an_update_replaces_what_it_leaves_out() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let id =
        world.org(&ada, &json!({ "name": "a", "description": "d", "metadata": { "x": 1 } })).await;
    let call = world.put(&format!("/orgs/{id}")).bearer(&ada.token);
    call.body(r#"{"name":"b"}"#).send().await.assert_empty(200);
    let answer = view(&world, &ada, &id).await;
    assert_eq!(answer.members(), ["id", "name", "owner_id", "created_at", "updated_at"]);
}

#[tokio::test]
async fn an_api_key_acts_for_its_owner() {
    let acme = Acme::new().await;
    let (_, key) = acme.world.api_key(&acme.owner).await;
    let path = format!("/orgs/{}", acme.id);
    assert_eq!(acme.world.get(&path).bearer(&key).send().await.status, StatusCode::OK);
    acme.world.delete(&path).bearer(&key).send().await.assert_empty(204);
}
