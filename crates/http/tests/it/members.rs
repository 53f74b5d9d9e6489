//! `/orgs/{id}/memberships`, `/orgs/{id}/members`, leaving an org and giving it away.

use auth_domain::Rules;
use auth_domain::model::{OrgRole, PlatformRole};
use auth_http::Options;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Answer, Person, World};

const UNKNOWN: &str = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";
const FORBIDDEN: &str = "failed to perform authorization over the entity";
const MALFORMED: &str = "malformed entity specification";

/// An org with somebody in every role, somebody outside, and people to add.
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
        Self::by(Rules::default()).await
    }

    async fn by(rules: Rules) -> Self {
        let world = World::with(Options { accounts: true, ..Options::default() }, rules).await;
        let owner = world.account("owner").await;
        let id = world.org(&owner, &json!({ "name": "Acme" })).await;
        let (admin, editor) = (world.account("admin").await, world.account("editor").await);
        let viewer = world.account("viewer").await;
        world.join(&id, &admin, OrgRole::Admin).await;
        world.join(&id, &editor, OrgRole::Editor).await;
        world.join(&id, &viewer, OrgRole::Viewer).await;
        let stranger = world.account("stranger").await;
        Self { world, id, owner, admin, editor, viewer, stranger }
    }

    fn path(&self, rest: &str) -> String {
        format!("/orgs/{}{rest}", self.id)
    }

    async fn add(&self, by: &Person, grants: Value) -> Answer {
        let body = json!({ "org_memberships": grants }).to_string();
        self.world.post(&self.path("/memberships")).bearer(&by.token).body(&body).send().await
    }

    async fn update(&self, by: &Person, grants: Value) -> Answer {
        let body = json!({ "org_memberships": grants }).to_string();
        self.world.put(&self.path("/memberships")).bearer(&by.token).body(&body).send().await
    }

    async fn remove(&self, by: &Person, ids: Value) -> Answer {
        let body = json!({ "member_ids": ids }).to_string();
        self.world.patch(&self.path("/memberships")).bearer(&by.token).body(&body).send().await
    }

    async fn list(&self, by: &Person, query: &str) -> Answer {
        let path = self.path(&format!("/memberships{query}"));
        self.world.get(&path).bearer(&by.token).send().await
    }

    async fn view(&self, by: &Person, member: &str) -> Answer {
        let path = self.path(&format!("/members/{member}"));
        self.world.get(&path).bearer(&by.token).send().await
    }

    async fn leave(&self, by: &Person) -> Answer {
        self.world.post(&self.path("/leave")).bearer(&by.token).send().await
    }

    async fn transfer(&self, token: &str, to: &str) -> Answer {
        let body = json!({ "member_id": to }).to_string();
        self.world.put(&self.path("/owner")).bearer(token).body(&body).send().await
    }

    /// What they are, in the eyes of the owner.
    async fn role(&self, person: &Person) -> Option<String> {
        let answer = self.view(&self.owner, &person.id.to_string()).await;
        answer.json()["role"].as_str().map(str::to_owned)
    }
}

fn grant(person: &Person, role: &str) -> Value {
    json!({ "email": person.email, "role": role })
}

fn emails(answer: &Answer) -> Vec<String> {
    let page = answer.json();
    let shown = |member: &Value| member["email"].as_str().unwrap().to_owned();
    page["org_memberships"].as_array().unwrap().iter().map(shown).collect()
}

#[tokio::test]
async fn r38_r39_a_member_is_added_once() {
    let acme = Acme::new().await;
    acme.add(&acme.owner, json!([grant(&acme.stranger, "editor")])).await.assert_empty(200);
    assert_eq!(acme.role(&acme.stranger).await.unwrap(), "editor");
    let again = acme.add(&acme.admin, json!([grant(&acme.stranger, "viewer")])).await;
    again.assert_refused(409, "org membership already exists");
    let twice = acme.world.account("twice").await;
    let both = json!([grant(&twice, "viewer"), grant(&twice, "editor")]);
    acme.add(&acme.owner, both).await.assert_refused(409, "org membership already exists");
    assert_eq!(acme.role(&twice).await, None);
    assert_eq!(acme.role(&acme.stranger).await.unwrap(), "editor");
}

#[tokio::test]
async fn r40_s37_owner_is_not_a_role_to_give() {
    let acme = Acme::new().await;
    let root = acme.world.root().await;
    for by in [&acme.owner, &acme.admin, &root] {
        let owner = json!([grant(&acme.stranger, "owner")]);
        acme.add(by, owner).await.assert_refused(400, MALFORMED);
        let owner = json!([grant(&acme.viewer, "owner")]);
        acme.update(by, owner).await.assert_refused(400, MALFORMED);
        let boss = json!([grant(&acme.stranger, "boss")]);
        acme.add(by, boss.clone()).await.assert_refused(400, "invalid role");
        acme.update(by, boss).await.assert_refused(400, "invalid role");
    }
    // Which the original says while it reads the body, before it asks who is there.
    for (role, status, text) in
        [("owner", 400, MALFORMED), ("boss", 401, "missing or invalid bearer user token")]
    {
        let body = json!({ "org_memberships": [grant(&acme.stranger, role)] }).to_string();
        let path = acme.path("/memberships");
        for call in [acme.world.post(&path), acme.world.put(&path)] {
            call.body(&body).send().await.assert_refused(status, text);
        }
    }
    acme.add(&acme.owner, json!([{ "email": acme.stranger.email }])).await.assert_empty(200);
    assert_eq!(acme.role(&acme.stranger).await.unwrap(), "viewer");
}

#[tokio::test]
async fn s35_the_org_in_the_path_is_the_one_that_is_written() {
    let acme = Acme::new().await;
    let other = acme.world.org(&acme.stranger, &json!({ "name": "Other" })).await;
    let before = acme.world.get(&format!("/orgs/{other}/memberships")).bearer(&acme.stranger.token);
    let before = before.send().await.json();
    let joining = acme.world.account("joining").await;
    let mut grant = grant(&joining, "admin");
    for name in ["org_id", "org", "id", "member_id"] {
        grant[name] = json!(other);
    }
    let body = json!({ "org_memberships": [grant], "org_id": other });
    for call in [
        acme.world.post(&format!("/orgs/{}/memberships", acme.id)),
        acme.world.put(&format!("/orgs/{}/memberships", acme.id)),
    ] {
        call.bearer(&acme.owner.token).body(&body.to_string()).send().await.assert_empty(200);
    }
    assert_eq!(acme.role(&joining).await.unwrap(), "admin");
    for body in [
        json!({ "member_ids": [acme.stranger.id.to_string()], "org_id": other }),
        json!({ "member_ids": [acme.viewer.id.to_string(), acme.stranger.id.to_string()] }),
    ] {
        let call = acme.world.patch(&format!("/orgs/{}/memberships", acme.id));
        let answer = call.bearer(&acme.owner.token).body(&body.to_string()).send().await;
        answer.assert_refused(404, "entity not found");
    }
    let after = acme.world.get(&format!("/orgs/{other}/memberships")).bearer(&acme.stranger.token);
    assert_eq!(after.send().await.json(), before);
    assert_eq!(acme.role(&acme.viewer).await.unwrap(), "viewer");
}

#[tokio::test]
async fn r41_s39_an_unknown_address_adds_nobody() {
    let acme = Acme::new().await;
    let good = grant(&acme.stranger, "viewer");
    for odd in ["nobody@example.com", "nobody", "@", "a b@example.com", "x'--@example.com"] {
        let bad = json!({ "email": odd });
        for grants in [json!([bad, good]), json!([good, bad]), json!([bad])] {
            acme.add(&acme.owner, grants).await.assert_refused(404, "entity not found");
        }
    }
    assert_eq!(acme.role(&acme.stranger).await, None);
    acme.add(&acme.owner, json!([{ "email": "" }])).await.assert_refused(400, "missing email");
}

#[tokio::test]
async fn r42_a_list_has_something_in_it_and_not_too_much() {
    let acme = Acme::new().await;
    let many: Vec<_> = (0..201).map(|n| json!({ "email": format!("u{n}@example.com") })).collect();
    for (grants, text) in [
        (json!([]), "empty list provided"),
        (Value::Null, "empty list provided"),
        (json!(many), MALFORMED),
        (json!({}), MALFORMED),
        (json!(["x"]), MALFORMED),
        (json!([{ "email": 1 }]), MALFORMED),
    ] {
        acme.add(&acme.owner, grants.clone()).await.assert_refused(400, text);
        acme.update(&acme.owner, grants).await.assert_refused(400, text);
    }
    acme.remove(&acme.owner, json!([])).await.assert_refused(400, "empty list provided");
    acme.remove(&acme.owner, json!(vec![UNKNOWN; 201])).await.assert_refused(400, MALFORMED);
    acme.remove(&acme.owner, json!([""])).await.assert_refused(400, "missing member id");
}

#[tokio::test]
async fn r43_s37_members_are_for_admins_to_change() {
    let acme = Acme::new().await;
    let new = acme.world.account("new").await;
    let viewer = json!([acme.viewer.id.to_string()]);
    for (by, status, text) in [
        (&acme.editor, 403, FORBIDDEN),
        (&acme.viewer, 403, FORBIDDEN),
        (&acme.stranger, 404, "entity not found"),
    ] {
        acme.add(by, json!([grant(&new, "viewer")])).await.assert_refused(status, text);
        acme.update(by, json!([grant(&acme.viewer, "editor")])).await.assert_refused(status, text);
        acme.remove(by, viewer.clone()).await.assert_refused(status, text);
    }
    for role in ["viewer", "editor", "admin"] {
        acme.update(&acme.admin, json!([grant(&acme.viewer, role)])).await.assert_empty(200);
        assert_eq!(acme.role(&acme.viewer).await.unwrap(), role);
    }
}

#[tokio::test]
async fn r44_r45_d23_changes_are_all_or_nothing() {
    let acme = Acme::new().await;
    let root = acme.world.root().await;
    for by in [&acme.owner, &acme.admin, &root] {
        let with_owner = json!([grant(&acme.viewer, "admin"), grant(&acme.owner, "viewer")]);
        acme.update(by, with_owner).await.assert_refused(403, FORBIDDEN);
        let with_stranger = json!([grant(&acme.viewer, "admin"), grant(&acme.stranger, "viewer")]);
        acme.update(by, with_stranger).await.assert_refused(404, "entity not found");
    }
    assert_eq!(acme.role(&acme.viewer).await.unwrap(), "viewer");
    let twice = json!([grant(&acme.viewer, "admin"), grant(&acme.viewer, "editor")]);
    acme.update(&acme.admin, twice).await.assert_empty(200);
    assert_eq!(acme.role(&acme.viewer).await.unwrap(), "editor", "the last counts");
}

#[tokio::test]
async fn r46_removals_are_all_or_nothing() {
    let acme = Acme::new().await;
    let id = |person: &Person| person.id.to_string();
    let (viewer, editor) = (id(&acme.viewer), id(&acme.editor));
    for by in [&acme.owner, &acme.admin] {
        let with_owner = json!([viewer, id(&acme.owner)]);
        acme.remove(by, with_owner).await.assert_refused(403, FORBIDDEN);
        for nobody in [UNKNOWN, "zz", "'"] {
            let ids = json!([viewer, nobody]);
            acme.remove(by, ids).await.assert_refused(404, "entity not found");
        }
    }
    assert_eq!(acme.role(&acme.viewer).await.unwrap(), "viewer");
    acme.remove(&acme.admin, json!([viewer, editor, viewer])).await.assert_empty(204);
    assert_eq!((acme.role(&acme.viewer).await, acme.role(&acme.editor).await), (None, None));
    acme.list(&acme.viewer, "").await.assert_refused(404, "entity not found");
}

#[tokio::test]
async fn r47_d41_lists_are_filtered_ordered_and_paged() {
    let acme = Acme::new().await;
    let answer = acme.list(&acme.viewer, "?order=email&dir=asc").await;
    assert_eq!(
        answer.members(),
        ["limit", "offset", "total", "order", "direction", "dir", "org_memberships"]
    );
    let page = answer.json();
    assert_eq!(
        (&page["total"], &page["dir"], &page["direction"]),
        (&json!(4), &json!("asc"), &json!("asc"))
    );
    let people =
        |names: &[&str]| names.iter().map(|name| format!("{name}@example.com")).collect::<Vec<_>>();
    for (query, expected) in [
        ("?order=email&dir=asc", vec!["admin", "editor", "owner", "viewer"]),
        ("?order=email", vec!["viewer", "owner", "editor", "admin"]),
        ("?order=email&dir=asc&offset=1&limit=2", vec!["editor", "owner"]),
        ("?email=ED", vec!["editor"]),
        ("?email=%25", vec![]),
        ("?email=e_it", vec![]),
        ("?role=admin", vec!["admin"]),
        ("?role=admin&order=email&email=x", vec!["admin"]),
        ("?dir=asc", vec!["owner", "admin", "editor", "viewer"]),
        ("", vec!["viewer", "editor", "admin", "owner"]),
    ] {
        assert_eq!(emails(&acme.list(&acme.viewer, query).await), people(&expected), "{query}");
    }
    let long = format!("?email={}", "x".repeat(255));
    for (query, text) in [
        ("?order=name", "invalid list order provided"),
        ("?order=role", "invalid list order provided"),
        ("?dir=up", "invalid list direction provided"),
        ("?limit=201", "invalid limit size"),
        ("?limit=0", "invalid query parameters"),
        ("?role=boss", "invalid role"),
        (long.as_str(), "invalid email size"),
    ] {
        acme.list(&acme.viewer, query).await.assert_refused(400, text);
    }
    acme.list(&acme.stranger, "").await.assert_refused(404, "entity not found");
}

#[tokio::test]
async fn r48_d47_a_member_is_shown_whole() {
    let acme = Acme::new().await;
    let answer = acme.view(&acme.viewer, &acme.admin.id.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.text(),
        format!(
            "{{\"member_id\":\"{}\",\"org_id\":\"{}\",\"email\":\"admin@example.com\",\
             \"role\":\"admin\",\"created_at\":\"2023-11-14T22:13:20Z\",\
             \"updated_at\":\"2023-11-14T22:13:20Z\"}}\n",
            acme.admin.id, acme.id
        )
    );
    let spelled = acme.admin.id.to_string().to_uppercase();
    assert_eq!(acme.view(&acme.viewer, &spelled).await.text(), answer.text(), "S-44");
}

#[tokio::test]
async fn r49_d44_an_odd_member_is_not_found() {
    let acme = Acme::new().await;
    let root = acme.world.root().await;
    for odd in [UNKNOWN, "zz", "'%20OR%201=1--", "%ff", "a%2Fb"] {
        for by in [&acme.owner, &acme.viewer, &root, &acme.stranger] {
            acme.view(by, odd).await.assert_refused(404, "entity not found");
        }
    }
    acme.view(&acme.owner, "").await.assert_refused(400, "missing member id");
}

#[tokio::test]
async fn r50_d08_go27_a_member_without_an_account_is_shown_without_an_address() {
    let acme = Acme::new().await;
    let ghost = acme.world.person("ghost").await;
    acme.world.join(&acme.id, &ghost, OrgRole::Viewer).await;
    let shown = acme.view(&acme.owner, &ghost.id.to_string()).await.json();
    assert_eq!((&shown["email"], &shown["role"]), (&json!(""), &json!("viewer")));
    for query in ["?dir=asc", "?order=email"] {
        let answer = acme.list(&acme.owner, query).await;
        assert_eq!(emails(&answer).last().unwrap(), "", "{query}");
        assert_eq!(answer.json()["total"], 5);
    }
}

#[tokio::test]
async fn d45_an_unknown_org_has_no_members_whoever_asks() {
    let mut acme = Acme::new().await;
    let root = acme.world.root().await;
    for odd in [UNKNOWN, "zz"] {
        odd.clone_into(&mut acme.id);
        let new = json!([grant(&acme.stranger, "viewer")]);
        let ids = json!([acme.viewer.id.to_string()]);
        for by in [&root, &acme.owner] {
            for answer in [
                acme.add(by, new.clone()).await,
                acme.update(by, new.clone()).await,
                acme.remove(by, ids.clone()).await,
                acme.list(by, "").await,
                acme.view(by, &acme.viewer.id.to_string()).await,
                acme.leave(by).await,
                acme.transfer(&by.token, &acme.viewer.id.to_string()).await,
            ] {
                answer.assert_refused(404, "entity not found");
            }
        }
    }
}

#[tokio::test]
async fn d66_members_leave_and_the_owner_stays() {
    let acme = Acme::new().await;
    for person in [&acme.viewer, &acme.admin] {
        acme.leave(person).await.assert_empty(204);
        assert_eq!(acme.role(person).await, None);
        acme.leave(person).await.assert_refused(404, "entity not found");
    }
    let stays = acme.leave(&acme.owner).await;
    assert_eq!((stays.status.as_u16(), &stays.json()["code"]), (409, &json!("owner_stays")));
    let root = acme.world.holder("root", PlatformRole::Root).await;
    acme.leave(&root).await.assert_refused(404, "entity not found");
    assert_eq!(acme.role(&acme.owner).await.unwrap(), "owner");
}

#[tokio::test]
async fn d66_d70_the_owner_gives_the_org_to_a_member() {
    let acme = Acme::new().await;
    let editor = acme.editor.id.to_string();
    acme.transfer(&acme.admin.token, &editor).await.assert_refused(403, FORBIDDEN);
    acme.transfer(&acme.stranger.token, &editor).await.assert_refused(404, "entity not found");
    let outside = acme.stranger.id.to_string();
    for nobody in [outside.as_str(), UNKNOWN, "zz"] {
        let answer = acme.transfer(&acme.owner.token, nobody).await;
        answer.assert_refused(404, "entity not found");
    }
    acme.transfer(&acme.owner.token, "").await.assert_refused(400, "missing member id");
    let (_, key) = acme.world.api_key(&acme.owner).await;
    let by_key = acme.transfer(&key, &editor).await;
    assert_eq!((by_key.status.as_u16(), &by_key.json()["code"]), (401, &json!("login_required")));

    acme.transfer(&acme.owner.token, &editor).await.assert_empty(204);
    assert_eq!(acme.role(&acme.editor).await.unwrap(), "owner");
    assert_eq!(acme.role(&acme.owner).await.unwrap(), "admin");
    let org = acme.world.get(&acme.path("")).bearer(&acme.owner.token).send().await.json();
    assert_eq!(org["owner_id"], editor.as_str());
    acme.transfer(&acme.owner.token, &editor).await.assert_refused(403, FORBIDDEN);
    acme.leave(&acme.owner).await.assert_empty(204);
    let root = acme.world.root().await;
    acme.transfer(&root.token, &acme.viewer.id.to_string()).await.assert_empty(204);
}

#[tokio::test]
async fn go18_adding_without_asking_can_be_switched_off() {
    let acme = Acme::by(Rules { direct_add: false, ..Rules::default() }).await;
    for email in [acme.stranger.email.as_str(), "nobody@example.com"] {
        let answer = acme.add(&acme.owner, json!([{ "email": email }])).await;
        answer.assert_refused(403, FORBIDDEN);
    }
    acme.update(&acme.owner, json!([grant(&acme.viewer, "admin")])).await.assert_empty(200);
}
