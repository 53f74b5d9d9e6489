use serde_json::json;

use super::{Row, at};

pub const ROWS: &[Row] = &[
    Row::new(
        "POST /orgs/{id}/memberships",
        "admin, unless the operator switched it off",
        |scene| {
            let grant = json!({ "email": scene.newcomer.email, "role": "editor" });
            at(format!("/orgs/{}/memberships", scene.org))
                .with(json!({ "org_memberships": [grant] }))
                .now()
        },
    ),
    Row::new("GET /orgs/{id}/memberships", "viewer", |scene| {
        at(format!("/orgs/{}/memberships", scene.org)).now()
    }),
    Row::new("PUT /orgs/{id}/memberships", "admin, of members other than the owner", |scene| {
        let grant = json!({ "email": scene.member.email, "role": "editor" });
        at(format!("/orgs/{}/memberships", scene.org))
            .with(json!({ "org_memberships": [grant] }))
            .now()
    }),
    Row::new("PATCH /orgs/{id}/memberships", "admin, of members other than the owner", |scene| {
        at(format!("/orgs/{}/memberships", scene.org))
            .with(json!({ "member_ids": [scene.member.id.to_string()] }))
            .now()
    }),
    Row::new("GET /orgs/{id}/members/{member_id}", "viewer", |scene| {
        at(format!("/orgs/{}/members/{}", scene.org, scene.member.id)).now()
    }),
    Row::new("POST /orgs/{id}/leave", "every member but the owner", |scene| {
        at(format!("/orgs/{}/leave", scene.org)).now()
    }),
    Row::new("PUT /orgs/{id}/owner", "owner, with a login token", |scene| {
        at(format!("/orgs/{}/owner", scene.org))
            .with(json!({ "member_id": scene.member.id.to_string() }))
            .now()
    }),
    Row::new("GET /orgs/{id}/memberships/backup", "owner", |scene| {
        at(format!("/orgs/{}/memberships/backup", scene.org)).now()
    }),
    Row::new(
        "POST /orgs/{id}/memberships/restore",
        "owner, with a login token, unless the operator switched it off",
        |scene| {
            let (org, member) = (scene.org.to_string(), scene.newcomer.id.to_string());
            let row = json!({ "org_id": org, "member_id": member, "role": "viewer" });
            at(format!("/orgs/{org}/memberships/restore")).file(json!([row])).now()
        },
    ),
];
