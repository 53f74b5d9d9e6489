use auth_domain::change::Change;
use auth_domain::model::UserId;
use serde_json::json;

use super::{Later, Request, Row, at};
use crate::docs::permissions::scene::Scene;

pub const ROWS: &[Row] = &[
    Row::new("POST /orgs/{id}/invites", "admin; nobody offers `owner`", |scene| {
        at(format!("/orgs/{}/invites", scene.org))
            .with(json!({ "email": scene.newcomer.email, "role": "admin", "redirect_path": "/" }))
            .now()
    }),
    Row::new("GET /orgs/{id}/invites", "admin", |scene| {
        at(format!("/orgs/{}/invites", scene.org)).now()
    }),
    Row::new("GET /invites/{id}", "the invitee, the inviter, and admin", |scene| {
        between_others(scene, "")
    })
    .of("between others"),
    Row::new("GET /invites/{id}", "the invitee, the inviter, and admin", |scene| {
        to_caller(scene, "")
    })
    .of("to the caller"),
    Row::new("DELETE /invites/{id}", "the inviter, and admin", |scene| between_others(scene, ""))
        .of("between others"),
    Row::new("POST /invites/{id}/accept", "the invitee", |scene| to_caller(scene, "/accept"))
        .of("to the caller"),
    Row::new("POST /invites/{id}/decline", "the invitee", |scene| to_caller(scene, "/decline"))
        .of("to the caller"),
    Row::new("GET /users/{id}/invites/received", OWN, |scene| of_user(scene.caller.id, "received"))
        .of("of the caller"),
    Row::new("GET /users/{id}/invites/received", OWN, |scene| {
        of_user(scene.newcomer.id, "received")
    })
    .of("of somebody else"),
    Row::new("GET /users/{id}/invites/sent", OWN, |scene| of_user(scene.caller.id, "sent"))
        .of("of the caller"),
    Row::new("GET /users/{id}/invites/sent", OWN, |scene| of_user(scene.newcomer.id, "sent"))
        .of("of somebody else"),
];

const OWN: &str = "whoever is signed in: their own; a platform role: everybody's";

fn of_user<'a>(user: UserId, side: &str) -> Later<'a, Request> {
    at(format!("/users/{user}/invites/{side}")).now()
}

/// An invite to the org, by a member to somebody who belongs to none.
fn between_others<'a>(scene: &'a Scene, rest: &'static str) -> Later<'a, Request> {
    Box::pin(async move {
        let invite = scene.invite(scene.org, Some(scene.newcomer.id));
        let path = format!("/invites/{}{rest}", invite.id);
        scene.commit(vec![Change::InsertInvite(invite)]).await;
        at(path)
    })
}

/// An invite of whoever asks to another org.
fn to_caller<'a>(scene: &'a Scene, rest: &'static str) -> Later<'a, Request> {
    Box::pin(async move {
        let invite = scene.invite(scene.other_org().await, Some(scene.caller.id));
        let path = format!("/invites/{}{rest}", invite.id);
        scene.commit(vec![Change::InsertInvite(invite)]).await;
        at(path)
    })
}
