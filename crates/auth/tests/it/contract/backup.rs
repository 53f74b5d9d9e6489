//! Rows 51 to 55: backup and restore, of one org's members and of everything.

use serde_json::{Value, json};

use super::{
    ADMIN, EDITOR, Fleet, NEWCOMER, NOTHING, OWNER, PLATFORM, STRANGER, VIEWER, has_members,
};
use crate::users::{email, id};

const FORBIDDEN: &str = "failed to perform authorization over the entity";
const NOT_FOUND: &str = "entity not found";

impl Fleet {
    async fn total(&self) -> u64 {
        let page = self.get("count", &self.in_org("memberships")).by(OWNER).await.shows(200).await;
        page["total"].as_u64().unwrap()
    }
}

/// One member's row of a backup file.
fn row(org: &str, number: u32, role: &str) -> Value {
    let at = "2026-01-02T03:04:05.678Z";
    json!({
        "member_id": id(number), "org_id": org, "email": email(number), "role": role,
        "created_at": at, "updated_at": at,
    })
}

#[tokio::test]
async fn r51_to_r53_the_members_of_one_org_are_saved_and_brought_back() {
    for fleet in Fleet::both().await {
        let backup = fleet.in_org("memberships/backup");
        let restore = fleet.in_org("memberships/restore");
        let file = fleet.get("51", &backup).by(OWNER).await.gives(200).await;
        assert_eq!(file.headers()["content-type"], "application/octet-stream");
        let disposition =
            format!("attachment; filename=\"org-memberships-backup-{}.json\"", fleet.org);
        assert_eq!(file.headers()["content-disposition"], disposition.as_str());
        let text = file.text().await.unwrap();
        assert!(text.starts_with("[\n  {\n    \"") && text.ends_with("\n]"), "{text}");
        let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(rows.len(), 4);
        let names = ["member_id", "org_id", "email", "role", "created_at", "updated_at"];
        assert!(rows.iter().all(|row| has_members(row, &names)), "{text}");
        for by in [ADMIN, EDITOR, VIEWER] {
            fleet.get("51", &backup).by(by).await.refused(403, FORBIDDEN).await;
        }
        fleet.get("51", &backup).by(STRANGER).await.refused(404, NOT_FOUND).await;
        fleet.get("51", &backup).by(PLATFORM).await.gives(200).await;

        let put =
            async |case, by: u32, rows: Value| fleet.post(case, &restore).by(by).await.file(&rows);
        let other = fleet.found(STRANGER, "theirs").await;
        for rows in [
            json!([row(&other, OWNER, "owner")]),
            json!([row(&other, OWNER, "viewer")]),
            json!([row(&fleet.org, 8, "viewer"), row(&other, OWNER, "viewer")]),
            json!([row(&fleet.org, 8, "owner")]),
            json!([row(&fleet.org, 8, "boss")]),
            json!([row("zz", 8, "viewer")]),
            json!([]),
            json!({}),
        ] {
            put("52, D-01, GO-1, S-35", OWNER, rows).await.gives(400).await;
        }
        assert_eq!(fleet.total().await, 4, "nothing was written");
        let theirs = fleet.get("52", &format!("/orgs/{other}/memberships")).by(STRANGER).await;
        assert_eq!(theirs.shows(200).await["total"], 1);
        let as_json = fleet.post("53", &restore).by(OWNER).await;
        let as_json = as_json.json(&json!([row(&fleet.org, 8, "viewer")]));
        as_json.refused(415, "unsupported content type").await;
        for by in [ADMIN, EDITOR, VIEWER] {
            let rows = json!([row(&fleet.org, 8, "viewer")]);
            put("52", by, rows).await.refused(403, FORBIDDEN).await;
        }
        let rows = json!([row(&fleet.org, 8, "editor"), row(&fleet.org, 9, "viewer")]);
        put("52", OWNER, rows.clone()).await.gives_nothing(201).await;
        assert_eq!(fleet.total().await, 6);
        put("52", OWNER, rows).await.refused(409, "org membership already exists").await;
        let half = json!([row(&fleet.org, 10, "viewer"), row(&fleet.org, 9, "viewer")]);
        put("52", OWNER, half).await.refused(409, "org membership already exists").await;
        assert_eq!(fleet.total().await, 6, "all or nothing");
    }
}

#[tokio::test]
async fn r54_r55_everything_is_saved_and_brought_back() {
    for fleet in Fleet::both().await {
        for by in [OWNER, STRANGER] {
            fleet.get("54", "/backup").by(by).await.refused(403, FORBIDDEN).await;
        }
        fleet.get("54", "/backup").refused(401, "missing or invalid bearer user token").await;
        let key = fleet.post("54", "/keys").by(PLATFORM).await.json(&json!({ "type": 2 }));
        let key = key.shows(201).await;
        let by_key = fleet.get("D-50", "/backup").with(key["value"].as_str().unwrap());
        let status = by_key.request.send().await.unwrap().status();
        assert!(status == 401 || status == 403, "{status}");
        let saved = fleet.get("54", "/backup").by(PLATFORM).await.shows(200).await;
        assert_eq!(saved["orgs"].as_array().unwrap().len(), 1);
        assert_eq!(saved["org_memberships"].as_array().unwrap().len(), 4);

        let restore =
            async |row, by: u32, body: &Value| fleet.post(row, "/restore").by(by).await.json(body);
        let empty = "empty list provided";
        restore("55", PLATFORM, &json!({})).await.refused(400, empty).await;
        let at = "2026-01-02T03:04:05Z";
        let org = |org: &str| {
            json!({
                "id": org, "name": "restored", "owner_id": id(NEWCOMER), "created_at": at,
                "updated_at": at,
            })
        };
        let member = |org: &str, number, role: &str| {
            json!({
                "member_id": id(number), "org_id": org, "role": role, "created_at": at,
                "updated_at": at,
            })
        };
        let here = json!({ "orgs": [org(&fleet.org)], "org_memberships": [] });
        restore("55", PLATFORM, &here).await.refused(409, "entity already exists").await;
        let fresh = "0192d3f0-8888-7abc-8def-000000000001";
        let whole = json!({
            "orgs": [org(fresh)],
            "org_memberships": [member(fresh, NEWCOMER, "owner"), member(fresh, 8, "editor")],
        });
        for by in [OWNER, STRANGER] {
            restore("55", by, &whole).await.refused(403, FORBIDDEN).await;
        }
        let mut half = whole.clone();
        half["orgs"].as_array_mut().unwrap().push(org(&fleet.org));
        restore("55, D-24", PLATFORM, &half).await.refused(409, "entity already exists").await;
        let path = format!("/orgs/{fresh}");
        fleet.get("55, D-24", &path).by(PLATFORM).await.refused(404, NOT_FOUND).await;
        let mut twice = whole.clone();
        twice["org_memberships"].as_array_mut().unwrap().push(member(fresh, 9, "owner"));
        restore("S-38, D-49", PLATFORM, &twice).await.gives(400).await;
        let mut odd = whole.clone();
        odd["org_memberships"][1]["role"] = json!("boss");
        restore("D-49", PLATFORM, &odd).await.gives(400).await;
        let mut old = whole.clone();
        old["orgs"][0]["created_at"] = json!("0001-01-01T00:00:00Z");
        restore("D-49", PLATFORM, &old).await.gives(400).await;
        let lost = json!({ "orgs": [], "org_memberships": [member(NOTHING, 8, "viewer")] });
        restore("55", PLATFORM, &lost).await.refused(404, NOT_FOUND).await;
        fleet.get("55", &path).by(PLATFORM).await.refused(404, NOT_FOUND).await;
        restore("55", PLATFORM, &whole).await.gives_nothing(201).await;
        let shown = fleet.get("55", &path).by(NEWCOMER).await.shows(200).await;
        assert_eq!((&shown["name"], &shown["created_at"]), (&json!("restored"), &json!(at)));
        let seen = fleet.get("55", &path).by(8).await.shows(200).await;
        assert_eq!(seen["owner_id"], id(NEWCOMER));
    }
}
