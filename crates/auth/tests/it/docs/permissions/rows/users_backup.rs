use serde_json::json;

use super::{Row, at};

pub const ROWS: &[Row] = &[
    Row::new("GET /backup", ROOT, |_| at("/backup").on_users_port().now()),
    Row::new("GET /backup", ROOT, |_| at("/backup?passwords=true").on_users_port().now())
        .of("with password hashes"),
    Row::new("POST /restore", ROOT, |scene| {
        let user = json!({
            "id": "0192d3f0-1111-7abc-8def-000000000099",
            "email": "new@example.com",
            "status": "enabled",
        });
        let caller = &scene.caller;
        let admin = json!({
            "id": caller.id.to_string(),
            "email": caller.email,
            "status": "enabled",
        });
        at("/restore").on_users_port().with(json!({ "users": [user], "admin": admin })).now()
    }),
];

const ROOT: &str = "root, with a login token";
