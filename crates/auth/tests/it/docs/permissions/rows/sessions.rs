use super::{Row, at};

pub const ROWS: &[Row] = &[
    Row::new("DELETE /keys", THEMSELVES, |_| at("/keys").now()),
    Row::new("DELETE /sessions", THEMSELVES, |_| at("/sessions").now()),
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
