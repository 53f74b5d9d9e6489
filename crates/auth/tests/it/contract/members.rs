//! Rows 38 to 50: memberships.

use serde_json::{Value, json};

use super::{
    ADMIN, EDITOR, Fleet, NEWCOMER, NOTHING, OWNER, PLATFORM, STRANGER, VIEWER, has_members, moment,
};
use crate::users::{email, id};

const FORBIDDEN: &str = "failed to perform authorization over the entity";
const MALFORMED: &str = "malformed entity specification";
const NOT_FOUND: &str = "entity not found";

fn grants(people: &[(u32, &str)]) -> Value {
    let grant = |(number, role): &(u32, &str)| json!({ "email": email(*number), "role": role });
    json!({ "org_memberships": people.iter().map(grant).collect::<Vec<_>>() })
}

#[tokio::test]
async fn r38_to_r43_members_are_added() {
    for fleet in Fleet::both().await {
        let path = fleet.in_org("memberships");
        let add = async |row, by: u32, body: &Value| fleet.post(row, &path).by(by).await.json(body);
        let total = async || {
            let page = fleet.get("count", &path).by(OWNER).await.shows(200).await;
            page["total"].as_u64().unwrap()
        };
        let newcomer = grants(&[(NEWCOMER, "editor")]);
        add("38", OWNER, &newcomer).await.gives_nothing(200).await;
        add("39", OWNER, &newcomer).await.refused(409, "org membership already exists").await;
        add("40", OWNER, &grants(&[(8, "owner")])).await.refused(400, MALFORMED).await;
        add("40", OWNER, &grants(&[(8, "boss")])).await.refused(400, "invalid role").await;
        let before = total().await;
        let body = json!({ "org_memberships": [{ "email": email(8) }, { "email": "x@y.zz" }] });
        add("41", OWNER, &body).await.refused(404, NOT_FOUND).await;
        assert_eq!(total().await, before, "nobody was added");
        let body = json!({ "org_memberships": [{ "email": email(8) }] });
        add("40", ADMIN, &body).await.gives_nothing(200).await;
        let shown = fleet.in_org(&format!("members/{}", id(8)));
        let shown = fleet.get("40", &shown).by(OWNER).await.shows(200).await;
        assert_eq!(shown["role"], "viewer", "a missing role means viewer");
        let twice = grants(&[(9, "viewer"), (9, "viewer")]);
        add("39", OWNER, &twice).await.refused(409, "org membership already exists").await;
        let none = json!({ "org_memberships": [] });
        add("42", OWNER, &none).await.refused(400, "empty list provided").await;
        let another = grants(&[(9, "viewer")]);
        for by in [EDITOR, VIEWER] {
            add("43", by, &another).await.refused(403, FORBIDDEN).await;
        }
        add("43", STRANGER, &another).await.refused(404, NOT_FOUND).await;
        let nowhere = format!("/orgs/{NOTHING}/memberships");
        let call = fleet.post("D-45", &nowhere).by(PLATFORM).await.json(&another);
        call.refused(404, NOT_FOUND).await;
    }
}

#[tokio::test]
async fn r44_to_r46_members_change_and_go() {
    for fleet in Fleet::both().await {
        let path = fleet.in_org("memberships");
        let change = async |row, people: &[(u32, &str)]| {
            fleet.put(row, &path).by(ADMIN).await.json(&grants(people))
        };
        change("44", &[(OWNER, "viewer")]).await.refused(403, FORBIDDEN).await;
        let some = [(EDITOR, "viewer"), (STRANGER, "viewer")];
        change("45, D-23", &some).await.refused(404, NOT_FOUND).await;
        let editor = fleet.in_org(&format!("members/{}", id(EDITOR)));
        let shown = fleet.get("45", &editor).by(VIEWER).await.shows(200).await;
        assert_eq!(shown["role"], "editor", "no partial change");
        change("45", &[(EDITOR, "admin"), (EDITOR, "viewer")]).await.gives_nothing(200).await;

        let remove = async |row, ids: Value| {
            fleet.patch(row, &path).by(ADMIN).await.json(&json!({ "member_ids": ids }))
        };
        remove("46", json!([id(OWNER)])).await.refused(403, FORBIDDEN).await;
        remove("46", json!([id(EDITOR), id(STRANGER)])).await.refused(404, NOT_FOUND).await;
        remove("46", json!(["zz"])).await.refused(404, NOT_FOUND).await;
        remove("46", json!([])).await.refused(400, "empty list provided").await;
        fleet.get("46", &editor).by(VIEWER).await.shows(200).await;
        remove("46", json!([id(EDITOR), id(EDITOR)])).await.gives_nothing(204).await;
        fleet.get("46", &editor).by(VIEWER).await.refused(404, NOT_FOUND).await;
        fleet.get("46", &path).by(EDITOR).await.refused(404, NOT_FOUND).await;
    }
}

#[tokio::test]
async fn r47_to_r50_members_are_shown() {
    for fleet in Fleet::both().await {
        let list = fleet.in_org("memberships?order=email&dir=asc");
        let page = fleet.get("47", &list).by(VIEWER).await.shows(200).await;
        let listed = page["org_memberships"].as_array().unwrap();
        let emails: Vec<_> =
            listed.iter().map(|member| member["email"].as_str().unwrap()).collect();
        assert_eq!(emails, [email(OWNER), email(ADMIN), email(EDITOR), email(VIEWER)]);
        let names = ["member_id", "org_id", "email", "role", "created_at", "updated_at"];
        assert!(has_members(&listed[0], &names), "{page}");
        for (name, value) in [("limit", 10), ("offset", 0), ("total", 4)] {
            assert_eq!(page[name], value, "{page}");
        }
        assert_eq!((&page["order"], &page["dir"]), (&json!("email"), &json!("asc")));
        for query in ["order=name", "order=foo", "dir=up"] {
            let path = fleet.in_org(&format!("memberships?{query}"));
            fleet.get("D-41", &path).by(VIEWER).await.gives(400).await;
        }

        let view = fleet.in_org(&format!("members/{}", id(ADMIN)));
        let shown = fleet.get("48, D-47", &view).by(VIEWER).await.shows(200).await;
        assert_eq!(shown["member_id"], id(ADMIN));
        assert_eq!((&shown["email"], &shown["role"]), (&json!(email(ADMIN)), &json!("admin")));
        assert_eq!(shown["org_id"], fleet.org.as_str());
        assert!(moment(&shown["created_at"]).year() > 2000, "{shown}");

        fleet.users.calls();
        for odd in ["zz", "%27", "x%27%20OR%20%271%27=%271"] {
            let path = fleet.in_org(&format!("members/{odd}"));
            fleet.get("49, D-05, GO-22", &path).by(OWNER).await.refused(404, NOT_FOUND).await;
        }
        assert_eq!(fleet.users.calls(), 0, "the users service was not asked");
        let nobody = fleet.in_org("members/");
        fleet.get("49", &nobody).by(OWNER).await.refused(400, "missing member id").await;
        fleet.users.disable(ADMIN);
        let shown = fleet.get("50, D-08, GO-27", &view).by(OWNER).await.shows(200).await;
        assert_eq!((&shown["email"], &shown["role"]), (&json!(""), &json!("admin")));
    }
}
