use auth_domain::change::Change;
use auth_domain::model::PlatformRole;
use serde_json::json;

use super::{Later, Request, Row, at};
use crate::docs::permissions::scene::Scene;

pub const ROWS: &[Row] = &[
    Row::new("GET /platform-roles", "a platform role, with a login token", |_| {
        at("/platform-roles").now()
    }),
    Row::new("PUT /platform-roles/{user_id}", ROOT, |scene| grant(scene, "admin"))
        .of("giving `admin`"),
    Row::new("PUT /platform-roles/{user_id}", ROOT, |scene| grant(scene, "root"))
        .of("giving `root`"),
    Row::new("DELETE /platform-roles/{user_id}", ROOT, |scene| {
        Box::pin(async {
            let (user, role) = (scene.newcomer.id, PlatformRole::Admin);
            scene.commit(vec![Change::PutPlatformRole { user, role }]).await;
            at(format!("/platform-roles/{user}"))
        })
    }),
    Row::new("POST /explain", "a platform role, with a login token", |scene| {
        at("/explain")
            .with(json!({
                "user_id": scene.member.id.to_string(), "subject": "org",
                "object": scene.org.to_string(), "action": "viewer",
            }))
            .now()
    }),
];

const ROOT: &str = "root, with a login token";

fn grant<'a>(scene: &Scene, role: &str) -> Later<'a, Request> {
    at(format!("/platform-roles/{}", scene.newcomer.id)).with(json!({ "role": role })).now()
}
