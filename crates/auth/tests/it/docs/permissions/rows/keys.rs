use serde_json::json;

use super::{Row, at};

pub const ROWS: &[Row] = &[
    Row::new("POST /keys", OWNER, |_| at("/keys").with(json!({ "type": 2 })).now()),
    Row::new("GET /keys", OWNER, |_| at("/keys").now()),
    Row::new("GET /keys/{id}", OWNER, |scene| {
        Box::pin(async { at(format!("/keys/{}", scene.key(&scene.caller).await.0)) })
    }),
    Row::new("DELETE /keys/{id}", OWNER, |scene| {
        Box::pin(async { at(format!("/keys/{}", scene.key(&scene.caller).await.0)) })
    }),
];

const OWNER: &str = "whoever has a login token, for their own keys";
