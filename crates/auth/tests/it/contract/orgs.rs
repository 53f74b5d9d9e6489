//! Rows 17 to 37: orgs.

use serde_json::{Value, json};

use super::{
    ADMIN, EDITOR, Fleet, NEWCOMER, NOTHING, OWNER, PLATFORM, STRANGER, VIEWER, has_members,
    location,
};

const FORBIDDEN: &str = "failed to perform authorization over the entity";
const MALFORMED: &str = "malformed entity specification";
const NOT_FOUND: &str = "entity not found";

#[tokio::test]
async fn r17_to_r27_orgs_come_change_and_go() {
    for fleet in Fleet::both().await {
        let made = fleet.post("17", "/orgs").by(OWNER).await.json(&json!({ "name": "A" }));
        let made = made.gives(201).await;
        let path = location(&made).to_owned();
        assert_eq!(made.text().await.unwrap(), "");
        let shown = fleet.get("17", &path).by(OWNER).await.shows(200).await;
        let names = ["id", "name", "owner_id", "created_at", "updated_at"];
        assert!(has_members(&shown, &names), "{shown}");
        assert_eq!(shown["owner_id"], crate::users::id(OWNER));

        let long = "n".repeat(255);
        for name in ["", &long] {
            let call = fleet.post("18", "/orgs").by(OWNER).await.json(&json!({ "name": name }));
            call.refused(400, "invalid name size").await;
        }
        let body = json!({ "name": "A", "description": "d".repeat(1025) });
        fleet.post("19", "/orgs").by(OWNER).await.json(&body).refused(400, MALFORMED).await;
        for body in ["[]", ""] {
            fleet.post("20", "/orgs").by(OWNER).await.text(body).refused(400, MALFORMED).await;
        }

        let x = format!("/orgs/{}", fleet.org);
        fleet.get("21", &x).by(VIEWER).await.shows(200).await;
        for path in [x.as_str(), &format!("/orgs/{NOTHING}"), "/orgs/zz"] {
            fleet.get("22", path).by(STRANGER).await.refused(404, NOT_FOUND).await;
        }
        fleet.get("23", "/orgs/").by(OWNER).await.refused(400, "missing org id").await;
        let renamed = json!({ "name": "X renamed" });
        fleet.put("24", &x).by(ADMIN).await.json(&renamed).gives_nothing(200).await;
        fleet.put("24", &x).by(VIEWER).await.json(&renamed).refused(403, FORBIDDEN).await;
        fleet.put("24", &x).by(STRANGER).await.json(&renamed).refused(404, NOT_FOUND).await;
        let call = fleet.put("D-48, GO-25", &x).by(ADMIN).await.json(&json!({}));
        call.refused(400, "invalid name size").await;
        let nothing = format!("/orgs/{NOTHING}");
        let call = fleet.put("25, D-20", &nothing).by(PLATFORM).await.json(&renamed);
        call.refused(404, NOT_FOUND).await;
        fleet.delete("26", &x).by(ADMIN).await.refused(403, FORBIDDEN).await;
        fleet.delete("26", &x).by(OWNER).await.gives_nothing(204).await;
        fleet.delete("26", &x).by(OWNER).await.refused(404, NOT_FOUND).await;
        fleet.delete("27, D-19", &path).by(PLATFORM).await.gives_nothing(204).await;
    }
}

#[tokio::test]
async fn r28_r29_several_orgs_go_together_or_not_at_all() {
    for fleet in Fleet::both().await {
        let remove = |row, ids: Value| {
            let call = fleet.patch(row, "/orgs");
            async move { call.by(OWNER).await.json(&json!({ "org_ids": ids })) }
        };
        remove("28", json!([])).await.refused(400, "empty list provided").await;
        remove("28", json!([""])).await.refused(400, "missing org id").await;
        let other = fleet.found(OWNER, "other").await;
        let ids = json!([fleet.org, NOTHING, other]);
        remove("29, D-22, GO-14", ids).await.refused(404, NOT_FOUND).await;
        for org in [&fleet.org, &other] {
            fleet.get("29", &format!("/orgs/{org}")).by(OWNER).await.gives(200).await;
        }
        remove("29", json!([fleet.org, other, fleet.org])).await.gives_nothing(204).await;
    }
}

#[tokio::test]
async fn r30_to_r37_orgs_are_listed() {
    for fleet in Fleet::both().await {
        let alpha = json!({ "name": "Alpha", "metadata": { "a": 1, "b": { "c": "d" } } });
        fleet.post("30", "/orgs").by(NEWCOMER).await.json(&alpha).gives(201).await;
        fleet.found(NEWCOMER, "100%").await;
        let page = fleet.get("30", "/orgs").by(NEWCOMER).await.shows(200).await;
        for (name, value) in [
            ("limit", json!(10)),
            ("offset", json!(0)),
            ("total", json!(2)),
            ("order", json!("id")),
            ("direction", json!("desc")),
            ("dir", json!("desc")),
        ] {
            assert_eq!(page[name], value, "{page}");
        }
        assert_eq!(page["orgs"].as_array().unwrap().len(), 2);
        let empty = fleet.get("30", "/orgs").by(STRANGER).await.shows(200).await;
        assert_eq!(empty["orgs"], json!([]));

        let bad = async |row, query: &str, error: &str| {
            let path = format!("/orgs?{query}");
            fleet.get(row, &path).by(NEWCOMER).await.refused(400, error).await;
        };
        for query in ["limit=0", "limit=-1", "limit=x", "offset=-1", "limit=1,2", "limit=1&limit=2"]
        {
            bad("31", query, "invalid query parameters").await;
        }
        for query in ["offset=9223372036854775808", "name=a;b=c", "name=%zz"] {
            bad("D-39, D-42", query, "invalid query parameters").await;
        }
        bad("32", "limit=201", "invalid limit size").await;
        bad("33", "order=foo", "invalid list order provided").await;
        bad("33", "dir=ASC", "invalid list direction provided").await;
        let count = async |row, query: &str| {
            let path = format!("/orgs?{query}");
            fleet.get(row, &path).by(NEWCOMER).await.shows(200).await["total"].clone()
        };
        assert_eq!(count("34", "name=alp").await, 1);
        assert_eq!(count("D-40", "name=%25").await, 1, "a wildcard means itself");
        assert_eq!(count("D-40", "name=_").await, 0);
        assert_eq!(count("35", "metadata=%7B%22a%22:1%7D").await, 1);
        assert_eq!(count("35, D-39", "metadata=%7B%22a%22:1,%22b%22:%7B%7D%7D").await, 1);
        assert_eq!(count("35", "metadata=%7B%22a%22:2%7D").await, 0);
        bad("35, D-82", "metadata=x", "invalid query parameters").await;

        let search = || fleet.post("36", "/orgs/search");
        let page = search().by(NEWCOMER).await.shows(200).await;
        assert_eq!((&page["limit"], &page["total"]), (&json!(10), &json!(2)));
        let page = search().by(NEWCOMER).await.json(&json!({ "limit": 0 })).shows(200).await;
        assert_eq!(page["limit"], 10);
        let call = search().by(NEWCOMER).await.json(&json!({ "limit": 210 }));
        call.refused(400, "invalid limit size").await;
        let call = search().by(NEWCOMER).await.json(&json!({ "limit": "x" }));
        call.refused(400, MALFORMED).await;

        let all = fleet.get("37", "/orgs").by(PLATFORM).await.shows(200).await;
        assert_eq!(all["total"], 3);
        let own = fleet.get("37", "/orgs").by(EDITOR).await.shows(200).await;
        assert_eq!(own["total"], 1);
    }
}
