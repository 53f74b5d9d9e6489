//! `/orgs/{id}/invites`, `/invites` and `/users/{id}/invites`.
//!
//! The store judges by its own clock whether an invite's time is over, so these tests take place a hundred
//! years ahead: what is over here is so by the clock of the service.

use auth_domain::model::{KeyKind, OrgRole, PlatformRole};
use auth_domain::ops::dormant_invites::CreateDormantInvite;
use auth_domain::{Caller, Rules};
use auth_http::Options;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Answer, CENTURY, Person, World};

const UNKNOWN: &str = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";
const FORBIDDEN: &str = "failed to perform authorization over the entity";
const MALFORMED: &str = "malformed entity specification";
const SETTLED: &str = "invalid invite state";
const WEEK: i64 = 168 * 3600;

/// An org with somebody in every role, somebody outside, and somebody to invite.
struct Acme {
    world: World,
    id: String,
    owner: Person,
    admin: Person,
    editor: Person,
    viewer: Person,
    stranger: Person,
    ada: Person,
}

impl Acme {
    async fn new() -> Self {
        Self::by(Rules::default()).await
    }

    async fn by(rules: Rules) -> Self {
        let world = World::with(Options { accounts: true, ..Options::default() }, rules).await;
        world.clock.advance(CENTURY);
        let owner = world.account("owner").await;
        let id = world.org(&owner, &json!({ "name": "Acme" })).await;
        let (admin, editor) = (world.account("admin").await, world.account("editor").await);
        let viewer = world.account("viewer").await;
        world.join(&id, &admin, OrgRole::Admin).await;
        world.join(&id, &editor, OrgRole::Editor).await;
        world.join(&id, &viewer, OrgRole::Viewer).await;
        let (stranger, ada) = (world.account("stranger").await, world.account("ada").await);
        Self { world, id, owner, admin, editor, viewer, stranger, ada }
    }

    async fn post(&self, by: &Person, body: &Value) -> Answer {
        let path = format!("/orgs/{}/invites", self.id);
        self.world.post(&path).bearer(&by.token).body(&body.to_string()).send().await
    }

    /// Somebody's invite of Ada, by its path.
    async fn invite(&self, by: &Person, role: &str) -> String {
        let answer = self.post(by, &body(&self.ada, role)).await;
        answer.assert_empty(201);
        answer.header("location").to_owned()
    }

    async fn answer(&self, by: &Person, path: &str, answer: &str) -> Answer {
        self.world.post(&format!("{path}/{answer}")).bearer(&by.token).send().await
    }

    async fn get(&self, by: &Person, path: &str) -> Answer {
        self.world.get(path).bearer(&by.token).send().await
    }

    async fn revoke(&self, by: &Person, path: &str) -> Answer {
        self.world.delete(path).bearer(&by.token).send().await
    }

    async fn page(&self, by: &Person, path: &str) -> Value {
        let answer = self.get(by, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path} {}", answer.text());
        answer.json()
    }

    fn list(&self, query: &str) -> String {
        format!("/orgs/{}/invites{query}", self.id)
    }
}

fn body(to: &Person, role: &str) -> Value {
    json!({ "email": to.email, "role": role, "redirect_path": "/v" })
}

fn ids(page: &Value) -> Vec<String> {
    let invites = page["invites"].as_array().unwrap();
    invites.iter().map(|invite| format!("/invites/{}", invite["id"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn r56_an_invite_is_made_and_says_where_it_is() {
    let acme = Acme::new().await;
    for role in ["viewer", "editor", "admin"] {
        let path = acme.invite(&acme.admin, role).await;
        let shown = acme.get(&acme.ada, &path).await.json();
        assert_eq!((&shown["invitee_role"], &shown["state"]), (&json!(role), &json!("pending")));
        acme.answer(&acme.ada, &path, "decline").await.assert_empty(204);
    }
    let other_case = json!({ "email": " ADA@Example.COM", "role": "viewer", "redirect_path": "/" });
    acme.post(&acme.owner, &other_case).await.assert_empty(201);
}

#[tokio::test]
async fn r57_twice_a_member_or_nobody() {
    let acme = Acme::new().await;
    acme.invite(&acme.admin, "viewer").await;
    for by in [&acme.admin, &acme.owner] {
        let again = acme.post(by, &body(&acme.ada, "editor")).await;
        again.assert_refused(409, "entity already exists");
    }
    let member = acme.post(&acme.admin, &body(&acme.viewer, "editor")).await;
    member.assert_refused(409, "org membership already exists");
    let nobody = json!({ "email": "nobody@example.com", "role": "viewer", "redirect_path": "/v" });
    acme.post(&acme.admin, &nobody).await.assert_refused(404, "entity not found");
    for (by, status, text) in [
        (&acme.editor, 403, FORBIDDEN),
        (&acme.viewer, 403, FORBIDDEN),
        (&acme.stranger, 404, "entity not found"),
    ] {
        acme.post(by, &nobody).await.assert_refused(status, text);
    }
}

#[tokio::test]
async fn r58_s62_what_cannot_be_an_invite() {
    let acme = Acme::new().await;
    for (body, text) in [
        (json!({}), "missing redirect path"),
        (json!({ "redirect_path": "/v", "role": "boss" }), "missing email"),
        (json!({ "redirect_path": "/v", "email": "ada@example.com" }), "invalid role"),
        (json!({ "redirect_path": "/v", "email": "x@y.io", "role": "boss" }), "invalid role"),
        (json!({ "redirect_path": "/v", "email": "x@y.io", "role": "Viewer" }), "invalid role"),
        (json!({ "redirect_path": "/v", "email": "x@y.io", "role": "owner" }), MALFORMED),
        (json!({ "redirect_path": "/v", "email": "x", "role": "viewer" }), MALFORMED),
        (json!({ "redirect_path": "/v", "email": "a@b.io,c@d.io", "role": "viewer" }), MALFORMED),
        (json!({ "redirect_path": "/v", "email": "Ada <a@b.io>", "role": "viewer" }), MALFORMED),
        (json!({ "redirect_path": "/v", "email": ["a@b.io"], "role": "viewer" }), MALFORMED),
        (json!({ "redirect_path": "/v", "email": { "a": 1 }, "role": "viewer" }), MALFORMED),
        (json!({ "redirect_path": 1, "email": "a@b.io", "role": "viewer" }), MALFORMED),
        (json!([]), MALFORMED),
    ] {
        acme.post(&acme.owner, &body).await.assert_refused(400, text);
    }
    // The body comes before the token, the token before the fields.
    let path = acme.list("");
    let call = || acme.world.post(&path);
    call().body("{").send().await.assert_refused(400, MALFORMED);
    call().body("{}").send().await.assert_refused(401, "missing or invalid bearer user token");
    let nowhere =
        acme.world.post("/orgs//invites").bearer(&acme.owner.token).body("{}").send().await;
    nowhere.assert_refused(400, "missing org id");
    let plain = call().bearer(&acme.owner.token).raw("{}".into()).send().await;
    plain.assert_refused(415, "unsupported content type");
}

#[tokio::test]
async fn r59_s59_d31_a_link_leads_nowhere_else() {
    let allowed = Rules { redirect_prefixes: vec!["/app".parse().unwrap()], ..Rules::default() };
    let acme = Acme::by(allowed).await;
    for path in [
        "@evil.example/x",
        ".evil.example",
        "//evil.example",
        "/\\evil.example",
        "/app/../../x",
        "/app?next=//evil.example",
        "/app#x",
        "/app%2f..%2fx",
        "https://evil.example/app",
        "/v",
        "/application",
        "/app\r\nBcc: x",
    ] {
        let body = json!({ "email": acme.ada.email, "role": "viewer", "redirect_path": path });
        acme.post(&acme.owner, &body).await.assert_refused(400, MALFORMED);
    }
    let body = json!({ "email": acme.ada.email, "role": "viewer", "redirect_path": "/app/x" });
    acme.post(&acme.owner, &body).await.assert_empty(201);
}

#[tokio::test]
async fn s55_d32_probing_and_flooding_end_early() {
    let acme = Acme::new().await;
    let nobody = json!({ "email": "nobody@example.com", "role": "viewer", "redirect_path": "/v" });
    for _ in 0..60 {
        acme.post(&acme.owner, &nobody).await.assert_refused(404, "entity not found");
    }
    let refused = acme.post(&acme.owner, &nobody).await;
    refused.assert_refused(429, "too many requests");
    assert_eq!(refused.header("retry-after"), "2");
    for _ in 0..5 {
        let path = acme.invite(&acme.admin, "viewer").await;
        acme.answer(&acme.ada, &path, "decline").await.assert_empty(204);
    }
    let sixth = acme.post(&acme.admin, &body(&acme.ada, "viewer")).await;
    sixth.assert_refused(429, "too many requests");
}

#[tokio::test]
async fn r60_d33_go17_an_invite_is_shown_after_the_token_and_to_the_right_people() {
    let acme = Acme::new().await;
    let root = acme.world.root().await;
    let path = acme.invite(&acme.admin, "editor").await;
    for by in [&acme.ada, &acme.admin, &acme.owner, &root] {
        let answer = acme.get(by, &path).await;
        let expected = [
            "id",
            "invitee_id",
            "invitee_email",
            "inviter_id",
            "inviter_email",
            "org_id",
            "org_name",
            "invitee_role",
            "created_at",
            "expires_at",
            "state",
        ];
        assert_eq!(answer.members(), expected);
        let shown = answer.json();
        assert_eq!(shown["invitee_id"], acme.ada.id.to_string());
        assert_eq!(shown["invitee_email"], "ada@example.com");
        assert_eq!(shown["inviter_id"], acme.admin.id.to_string());
        assert_eq!(shown["inviter_email"], "admin@example.com");
        assert_eq!((&shown["org_id"], &shown["org_name"]), (&json!(acme.id), &json!("Acme")));
        assert_eq!(shown["created_at"], "2123-10-21T22:13:20Z");
        assert_eq!(shown["expires_at"], "2123-10-28T22:13:20Z");
    }
    for by in [&acme.editor, &acme.viewer, &acme.stranger] {
        acme.get(by, &path).await.assert_refused(403, FORBIDDEN);
    }
    let unknown = format!("/invites/{UNKNOWN}");
    for by in [&acme.stranger, &root] {
        acme.get(by, &unknown).await.assert_refused(404, "entity not found");
        acme.get(by, "/invites/zz").await.assert_refused(404, "entity not found");
    }
    let recovery = acme.world.token(acme.ada.id, &acme.ada.email, KeyKind::Recovery).await;
    for path in [&path, &unknown, &"/invites/zz".to_owned()] {
        for answer in [
            acme.world.get(path).bearer("garbage").send().await,
            acme.world.delete(path).bearer("garbage").send().await,
            acme.world.post(&format!("{path}/accept")).bearer("garbage").send().await,
        ] {
            answer.assert_refused(401, "failed to validate token");
        }
        let answer = acme.world.get(path).bearer(&recovery).send().await;
        answer.assert_refused(401, "failed to perform authentication over the entity");
        let answer = acme.world.get(path).send().await;
        answer.assert_refused(401, "missing or invalid bearer user token");
    }
    acme.get(&acme.ada, "/invites/").await.assert_refused(400, "missing invite ID");
}

#[tokio::test]
async fn r61_s57_the_invitee_accepts_once() {
    let acme = Acme::new().await;
    let path = acme.invite(&acme.admin, "editor").await;
    acme.answer(&acme.ada, &path, "accept").await.assert_empty(201);
    let member = format!("/orgs/{}/members/{}", acme.id, acme.ada.id);
    assert_eq!(acme.get(&acme.ada, &member).await.json()["role"], "editor");
    assert_eq!(acme.get(&acme.ada, &path).await.json()["state"], "accepted");
    for answer in ["accept", "decline"] {
        let again = acme.answer(&acme.ada, &path, answer).await;
        again.assert_refused(403, SETTLED);
        assert_eq!(again.json()["code"], "invite_settled");
    }
}

#[tokio::test]
async fn r61_an_api_key_accepts_for_its_owner() {
    let acme = Acme::new().await;
    let path = acme.invite(&acme.admin, "viewer").await;
    let (_, key) = acme.world.api_key(&acme.ada).await;
    let accept = format!("{path}/accept");
    acme.world.post(&accept).bearer(&key).send().await.assert_empty(201);
}

#[tokio::test]
async fn r62_s50_nobody_else_answers() {
    let acme = Acme::new().await;
    let root = acme.world.root().await;
    let path = acme.invite(&acme.admin, "editor").await;
    for by in [&acme.owner, &acme.admin, &acme.viewer, &acme.stranger, &root] {
        for answer in ["accept", "decline"] {
            acme.answer(by, &path, answer).await.assert_refused(403, FORBIDDEN);
        }
    }
    assert_eq!(acme.get(&acme.ada, &path).await.json()["state"], "pending");
    let unknown = format!("/invites/{UNKNOWN}");
    acme.answer(&acme.ada, &unknown, "accept").await.assert_refused(404, "entity not found");
}

#[tokio::test]
async fn r63_any_other_answer_is_refused_before_the_token() {
    let acme = Acme::new().await;
    let path = acme.invite(&acme.admin, "editor").await;
    for answer in ["foo", "", "Accept", "accept%20", "accepted", "%ff"] {
        for call in [
            acme.world.post(&format!("{path}/{answer}")),
            acme.world.post(&format!("{path}/{answer}")).bearer(&acme.ada.token),
            acme.world.post(&format!("/invites/zz/{answer}")).bearer("garbage"),
        ] {
            call.send().await.assert_refused(400, "invalid invite response action");
        }
    }
    let get = acme.world.get(&format!("{path}/accept")).bearer(&acme.ada.token).send().await;
    assert_eq!(get.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn r64_d28_an_invite_expires() {
    let acme = Acme::new().await;
    let path = acme.invite(&acme.admin, "editor").await;
    acme.world.clock.advance(WEEK);
    let token =
        async |person: &Person| acme.world.token(person.id, &person.email, KeyKind::Login).await;
    let (ada, admin) = (token(&acme.ada).await, token(&acme.admin).await);
    for answer in ["accept", "decline"] {
        let refused = acme.world.post(&format!("{path}/{answer}")).bearer(&ada).send().await;
        refused.assert_refused(403, "invite expired");
        assert_eq!(refused.json()["code"], "invite_expired");
    }
    let revoked = acme.world.delete(&path).bearer(&admin).send().await;
    revoked.assert_refused(403, "invite expired");
    let listed = acme.world.get(&acme.list("")).bearer(&admin).send().await.json();
    assert_eq!(listed["invites"][0]["state"], "expired");
    for (state, total) in [("pending", 0), ("expired", 1)] {
        let path = acme.list(&format!("?state={state}"));
        let listed = acme.world.get(&path).bearer(&admin).send().await.json();
        assert_eq!((&listed["total"], &listed["state"]), (&json!(total), &json!(state)));
    }
}

#[tokio::test]
async fn r65_s53_go19_whoever_may_invite_revokes() {
    let acme = Acme::new().await;
    let root = acme.world.root().await;
    for by in [&acme.admin, &acme.owner, &root] {
        let path = acme.invite(&acme.admin, "viewer").await;
        for other in [&acme.viewer, &acme.editor, &acme.stranger, &acme.ada] {
            acme.revoke(other, &path).await.assert_refused(403, FORBIDDEN);
        }
        acme.revoke(by, &path).await.assert_empty(204);
        acme.revoke(by, &path).await.assert_refused(403, SETTLED);
        acme.answer(&acme.ada, &path, "accept").await.assert_refused(403, SETTLED);
        assert_eq!(acme.get(&acme.ada, &path).await.json()["state"], "revoked");
    }
    let unknown = acme.revoke(&acme.ada, &format!("/invites/{UNKNOWN}")).await;
    unknown.assert_refused(404, "entity not found");
    acme.revoke(&acme.ada, "/invites/").await.assert_refused(400, "missing invite ID");
}

#[tokio::test]
async fn d29_s52_an_inviter_who_may_not_any_more() {
    let acme = Acme::new().await;
    let path = acme.invite(&acme.admin, "viewer").await;
    let demoted = json!({ "org_memberships": [{ "email": acme.admin.email, "role": "editor" }] });
    let memberships = format!("/orgs/{}/memberships", acme.id);
    let call = acme.world.put(&memberships).bearer(&acme.owner.token);
    call.body(&demoted.to_string()).send().await.assert_empty(200);
    let refused = acme.answer(&acme.ada, &path, "accept").await;
    refused.assert_refused(403, SETTLED);
    assert_eq!(refused.json()["code"], "invite_void");
    acme.answer(&acme.ada, &path, "decline").await.assert_empty(204);
}

#[tokio::test]
async fn d30_a_member_who_accepts_is_told_and_the_invite_is_used_up() {
    let acme = Acme::new().await;
    let path = acme.invite(&acme.admin, "admin").await;
    acme.world.join(&acme.id, &acme.ada, OrgRole::Viewer).await;
    let told = acme.answer(&acme.ada, &path, "accept").await;
    told.assert_refused(409, "org membership already exists");
    assert_eq!(acme.get(&acme.ada, &path).await.json()["state"], "accepted");
    let member = format!("/orgs/{}/members/{}", acme.id, acme.ada.id);
    assert_eq!(acme.get(&acme.ada, &member).await.json()["role"], "viewer");
}

#[tokio::test]
async fn r67_everybody_lists_their_own() {
    let acme = Acme::new().await;
    let root = acme.world.root().await;
    let path = acme.invite(&acme.admin, "viewer").await;
    for (whose, side, total) in [
        (&acme.ada, "received", 1),
        (&acme.ada, "sent", 0),
        (&acme.admin, "sent", 1),
        (&acme.admin, "received", 0),
    ] {
        let list = format!("/users/{}/invites/{side}?state=pending", whose.id);
        for by in [whose, &root] {
            let answer = acme.get(by, &list).await;
            let expected =
                ["limit", "offset", "total", "order", "direction", "dir", "state", "invites"];
            assert_eq!(answer.members(), expected);
            let page = answer.json();
            assert_eq!(page["total"], total, "{side}");
            assert_eq!(ids(&page), vec![path.clone(); total]);
        }
        for by in [&acme.owner, &acme.stranger] {
            acme.get(by, &list).await.assert_refused(403, FORBIDDEN);
        }
    }
    for odd in ["zz", UNKNOWN] {
        let list = format!("/users/{odd}/invites/received");
        acme.get(&acme.ada, &list).await.assert_refused(403, FORBIDDEN);
        if odd == UNKNOWN {
            assert_eq!(acme.page(&root, &list).await["total"], 0);
        } else {
            for side in ["received", "sent"] {
                let list = format!("/users/{odd}/invites/{side}");
                acme.get(&root, &list).await.assert_refused(404, "entity not found");
            }
        }
        acme.world
            .get(&list)
            .bearer("x")
            .send()
            .await
            .assert_refused(401, "failed to validate token");
    }
    for (by, status, text) in [
        (&acme.viewer, 403, FORBIDDEN),
        (&acme.editor, 403, FORBIDDEN),
        (&acme.stranger, 404, "entity not found"),
        (&acme.ada, 404, "entity not found"),
    ] {
        acme.get(by, &acme.list("")).await.assert_refused(status, text);
    }
    for by in [&acme.admin, &acme.owner, &root] {
        assert_eq!(ids(&acme.page(by, &acme.list("")).await), std::slice::from_ref(&path));
    }
    for odd in [UNKNOWN, "zz"] {
        let list = format!("/orgs/{odd}/invites");
        acme.get(&root, &list).await.assert_refused(404, "entity not found");
    }
}

#[tokio::test]
async fn d41_lists_are_paged_filtered_and_ordered() {
    let acme = Acme::new().await;
    let mut paths = Vec::new();
    for number in 0..4 {
        let to = acme.world.account(&format!("guest{number}")).await;
        let answer = acme.post(&acme.owner, &body(&to, "viewer")).await;
        paths.push(answer.header("location").to_owned());
        acme.world.clock.advance(1);
    }
    let newest_first: Vec<_> = paths.iter().rev().cloned().collect();
    for (query, expected) in [
        ("", &newest_first[..]),
        ("?dir=asc", &paths[..]),
        ("?order=created_at&dir=asc&limit=2&offset=1", &paths[1..3]),
        ("?order=state&limit=3", &newest_first[..3]),
        ("?order=invitee_id&dir=asc", &paths[..]),
        ("?order=inviter_id", &newest_first[..]),
        ("?order=org_id&offset=9", &[]),
        ("?state=pending&dir=asc", &paths[..]),
        ("?state=accepted", &[]),
        ("?state=boss", &[]),
        ("?name=x&email=y&payload=z&dir=asc", &paths[..]),
    ] {
        let page = acme.page(&acme.owner, &acme.list(query)).await;
        assert_eq!(ids(&page), expected, "{query}");
        let total = if query.contains("accepted") || query.contains("boss") { 0 } else { 4 };
        assert_eq!(page["total"], total, "{query}");
        assert_eq!(page["direction"], page["dir"], "{query}");
    }
    for (query, text) in [
        ("?order=name", "invalid list order provided"),
        ("?dir=up", "invalid list direction provided"),
        ("?limit=201", "invalid limit size"),
        ("?limit=0", "invalid query parameters"),
        ("?state=a&state=b", "invalid query parameters"),
    ] {
        for path in [acme.list(query), format!("/users/{}/invites/sent{query}", acme.owner.id)] {
            acme.get(&acme.owner, &path).await.assert_refused(400, text);
        }
    }
}

#[tokio::test]
async fn r68_d09_go27_dormant_invites_are_hidden_and_missing_people_harm_nobody() {
    let acme = Acme::new().await;
    let operation = CreateDormantInvite {
        org: acme.id.parse().unwrap(),
        role: OrgRole::Viewer,
        platform_invite: UNKNOWN.parse().unwrap(),
    };
    let token = auth_domain::model::Token::new(acme.admin.token.clone());
    acme.world.app.execute(Caller::Bearer(token), operation).await.unwrap();
    let path = acme.invite(&acme.admin, "viewer").await;
    // Somebody whom the directory knows no more makes the invite, and somebody else gets it.
    let ghost = acme.world.person("ghost").await;
    acme.world.join(&acme.id, &ghost, OrgRole::Admin).await;
    let to = acme.world.account("guest").await;
    let by_ghost = acme.post(&ghost, &body(&to, "viewer")).await.header("location").to_owned();
    let sent = format!("/users/{}/invites/sent", acme.admin.id);
    assert_eq!(ids(&acme.page(&acme.admin, &sent).await), std::slice::from_ref(&path));
    let page = acme.page(&acme.owner, &acme.list("?dir=asc")).await;
    assert_eq!(page["total"], 2);
    let mut listed = ids(&page);
    listed.sort_unstable();
    let mut expected = [path, by_ghost.clone()];
    expected.sort_unstable();
    assert_eq!(listed, expected);
    let shown = acme.get(&to, &by_ghost).await.json();
    assert_eq!((&shown["inviter_email"], &shown["invitee_email"]), (&json!(""), &json!(to.email)));
    let refused = acme.answer(&to, &by_ghost, "accept").await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["code"].clone()),
        (403, json!("invite_void"))
    );
}

#[tokio::test]
async fn platform_roles_invite_where_they_do_not_belong() {
    let acme = Acme::new().await;
    let boss = acme.world.account("boss").await;
    let role = PlatformRole::Admin;
    let assign = auth_domain::ops::roles::AssignRole { user: boss.id, role };
    acme.world.app.execute(Caller::System, assign).await.unwrap();
    let path = acme.invite(&boss, "admin").await;
    acme.answer(&acme.ada, &path, "accept").await.assert_empty(201);
}
