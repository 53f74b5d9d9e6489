use serde_json::json;

use super::{Row, at};

pub const ROWS: &[Row] = &[
    Row::new("GET /backup", PLATFORM, |_| at("/backup").now()),
    Row::new("POST /restore", PLATFORM, |scene| {
        let row = json!({
            "org_id": scene.org.to_string(),
            "member_id": scene.newcomer.id.to_string(),
            "role": "viewer",
        });
        at("/restore").with(json!({ "org_memberships": [row] })).now()
    }),
];

const PLATFORM: &str = "a platform role, with a login token";
