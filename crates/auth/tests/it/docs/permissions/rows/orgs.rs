use serde_json::json;

use super::{Row, at};

pub const ROWS: &[Row] = &[
    Row::new("POST /orgs", "whoever is signed in; they become its owner", |_| {
        at("/orgs").with(json!({ "name": "another" })).now()
    }),
    Row::new("GET /orgs", LISTED, |_| at("/orgs").now()),
    Row::new("PATCH /orgs", "owner, of every org named", |scene| {
        at("/orgs").with(json!({ "org_ids": [scene.org.to_string()] })).now()
    }),
    Row::new("POST /orgs/search", LISTED, |_| {
        at("/orgs/search").with(json!({ "name": "acme" })).now()
    }),
    Row::new("GET /orgs/{id}", "viewer", |scene| at(format!("/orgs/{}", scene.org)).now()),
    Row::new("PUT /orgs/{id}", "admin", |scene| {
        at(format!("/orgs/{}", scene.org)).with(json!({ "name": "renamed" })).now()
    }),
    Row::new("DELETE /orgs/{id}", "owner", |scene| at(format!("/orgs/{}", scene.org)).now()),
];

const LISTED: &str = "whoever is signed in: their own orgs; a platform role: all";
