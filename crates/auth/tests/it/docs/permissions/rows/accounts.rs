use auth_domain::change::Change;
use auth_domain::model::{Grant, Metadata, PasswordHash, PlatformRole, Registration};
use serde_json::json;

use super::{Row, at};
use crate::docs::permissions::scene::PASSWORD;

pub const ROWS: &[Row] = &[
    Row::new("POST /register", "anybody, unless the operator closed it", |_| {
        let user = json!({ "email": "new@example.com", "password": PASSWORD });
        at("/register").with(json!({ "user": user, "redirect_path": "/welcome" })).now()
    }),
    Row::new("POST /register/verify", "anybody with the token of a mail", |scene| {
        Box::pin(async {
            let registration = Registration {
                email: "new@example.com".parse().unwrap(),
                password: PasswordHash::unusable(),
                metadata: Metadata::default(),
            };
            let token = scene.ticket(Grant::Registration(Box::new(registration))).await;
            at(format!("/register/verify?token={token}"))
        })
    }),
    Row::new("POST /tokens", "anybody with the right password", |scene| {
        at("/tokens").with(json!({ "email": scene.caller.email, "password": PASSWORD })).now()
    }),
    Row::new("POST /users", PLATFORM, |_| {
        at("/users").with(json!({ "email": "new@example.com", "password": PASSWORD })).now()
    }),
    Row::new("GET /users", PLATFORM, |_| at("/users").now()),
    Row::new("POST /users/search", PLATFORM, |_| at("/users/search").with(json!({})).now()),
    Row::new("PUT /users", "whoever is signed in, for themselves", |_| {
        at("/users").with(json!({ "metadata": { "a": 1 } })).now()
    }),
    Row::new("GET /users/{id}", "whoever is signed in", |scene| {
        at(format!("/users/{}", scene.caller.id)).now()
    })
    .of("for oneself"),
    Row::new("GET /users/{id}", PLATFORM, |scene| at(format!("/users/{}", scene.member.id)).now())
        .of("for somebody else"),
    Row::new("POST /users/{id}/enable", PLATFORM, |scene| {
        at(format!("/users/{}/enable", scene.member.id)).now()
    }),
    Row::new("POST /users/{id}/disable", PLATFORM, |scene| {
        at(format!("/users/{}/disable", scene.member.id)).now()
    }),
    Row::new("POST /users/{id}/disable", "root, with a login token", |scene| {
        Box::pin(async {
            let (user, role) = (scene.newcomer.id, PlatformRole::Root);
            scene.commit(vec![Change::PutPlatformRole { user, role }]).await;
            at(format!("/users/{user}/disable"))
        })
    })
    .of("of a root"),
    Row::new("POST /password/reset-request", "anybody", |scene| {
        let body = json!({ "email": scene.member.email, "redirect_path": "/reset" });
        at("/password/reset-request").with(body).now()
    }),
    Row::new("PUT /password/reset", "anybody with the token of a mail", |scene| {
        Box::pin(async {
            let token = scene.ticket(Grant::PasswordReset(scene.member.id)).await;
            let body =
                json!({ "token": token, "password": "another1", "confirm_password": "another1" });
            at("/password/reset").with(body)
        })
    }),
    Row::new("PATCH /password", "whoever has a login token, for themselves", |_| {
        at("/password").with(json!({ "password": "another1", "old_password": PASSWORD })).now()
    })
    .of("one's own"),
    Row::new("PATCH /password", PLATFORM, |scene| {
        at("/password").with(json!({ "password": "another1", "email": scene.member.email })).now()
    })
    .of("somebody else's"),
    Row::new("GET /users/profile", "whoever is signed in, for themselves", |_| {
        at("/users/profile").now()
    }),
];

const PLATFORM: &str = "a platform role, with a login token";
