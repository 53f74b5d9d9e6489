use serde_json::json;

use super::{Row, at};
use crate::docs::permissions::scene::PASSWORD;

pub const ROWS: &[Row] = &[
    Row::new("DELETE /keys", THEMSELVES, |_| at("/keys").now()),
    Row::new("DELETE /sessions", THEMSELVES, |_| at("/sessions").now()),
    Row::new("POST /sessions", "anybody with the right password", |scene| {
        at("/sessions").with(json!({ "email": scene.caller.email, "password": PASSWORD })).now()
    }),
    Row::new("POST /sessions/refresh", "anybody with a refresh token", |scene| {
        Box::pin(async {
            let session = scene.session(&scene.member).await;
            let token = session.refresh.expose();
            at("/sessions/refresh").with(json!({ "refresh_token": token }))
        })
    }),
    Row::new("GET /sessions", THEMSELVES, |_| at("/sessions").now()),
    Row::new("DELETE /sessions/{id}", THEMSELVES, |scene| {
        Box::pin(async { at(format!("/sessions/{}", scene.session(&scene.caller).await.session)) })
    }),
    Row::new("GET /users/{id}/sessions", "a platform role, with a login token", |scene| {
        at(format!("/users/{}/sessions", scene.member.id)).now()
    }),
    Row::new(
        "POST /introspect",
        "a sibling service that may `Introspect`, with its token; a platform role, with a login token",
        |_| at("/introspect").form("token=x".to_owned()).now(),
    ),
    Row::new("POST /revoke", "anybody with the token", |scene| {
        Box::pin(async {
            let session = scene.session(&scene.member).await;
            at("/revoke").form(format!("token={}", session.refresh.expose()))
        })
    }),
    Row::new("DELETE /users/{id}/keys", PLATFORM, |scene| {
        at(format!("/users/{}/keys", scene.member.id)).now()
    })
    .of("of somebody else"),
    Row::new("DELETE /users/{id}/keys", PLATFORM, |scene| {
        at(format!("/users/{}/keys", scene.root.id)).now()
    })
    .of("of a root"),
    Row::new("DELETE /users/{id}/sessions", PLATFORM, |scene| {
        at(format!("/users/{}/sessions", scene.member.id)).now()
    })
    .of("of somebody else"),
    Row::new("DELETE /users/{id}/sessions", PLATFORM, |scene| {
        at(format!("/users/{}/sessions", scene.root.id)).now()
    })
    .of("of a root"),
];

const THEMSELVES: &str = "whoever has a login token, for themselves";
const PLATFORM: &str = "a platform role, with a login token; of a root: root";
