use serde_json::json;

use super::{Row, at};
use crate::docs::permissions::scene::PASSWORD;

pub const ROWS: &[Row] = &[
    Row::new("POST /register", "anybody, unless the operator closed it", |_| {
        let user = json!({ "email": "new@example.com", "password": PASSWORD });
        at("/register").with(json!({ "user": user, "redirect_path": "/welcome" })).now()
    }),
    Row::new("POST /tokens", "anybody with the right password", |scene| {
        at("/tokens").with(json!({ "email": scene.caller.email, "password": PASSWORD })).now()
    }),
    Row::new("GET /users/profile", "whoever is signed in, for themselves", |_| {
        at("/users/profile").now()
    }),
];
