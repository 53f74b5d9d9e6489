use auth_domain::change::Change;
use auth_domain::model::PlatformRole;
use serde_json::json;

use super::{Later, Request, Row, at};
use crate::docs::permissions::scene::{PASSWORD, Scene};

pub const ROWS: &[Row] = &[
    Row::new("POST /platform-invites", PLATFORM, |_| new("/platform-invites").now()),
    Row::new("GET /platform-invites", PLATFORM, |_| at("/platform-invites").now()),
    Row::new("GET /platform-invites/{id}", PLATFORM, of_one),
    Row::new("DELETE /platform-invites/{id}", PLATFORM, of_one),
    Row::new("POST /invites", PLATFORM, |_| new("/invites").on_users_port().now()),
    Row::new("GET /invites", PLATFORM, |_| at("/invites").on_users_port().now()),
    Row::new("POST /register/invite/{id}", "anybody with the invite, for its address", |scene| {
        Box::pin(async {
            let id = invited(scene).await;
            let user = json!({ "email": "new@example.com", "password": PASSWORD });
            at(format!("/register/invite/{id}"))
                .with(json!({ "user": user, "redirect_path": "/join" }))
        })
    }),
];

const PLATFORM: &str = "a platform role, with a login token";

fn new(path: &'static str) -> Request {
    at(path).with(json!({ "email": "new@example.com", "redirect_path": "/join" }))
}

fn of_one(scene: &Scene) -> Later<'_, Request> {
    Box::pin(async { at(format!("/platform-invites/{}", invited(scene).await)) })
}

/// An invite by somebody who may make them.
async fn invited(scene: &Scene) -> String {
    let invite = scene.platform_invite();
    let (id, user, role) = (invite.id.to_string(), invite.inviter, PlatformRole::Admin);
    let may = Change::PutPlatformRole { user, role };
    scene.commit(vec![may, Change::InsertPlatformInvite(invite)]).await;
    id
}
