use super::{Row, at};

pub const ROWS: &[Row] = &[
    Row::new("GET /audit", "a platform role, with a login token", |_| at("/audit").now()),
    Row::new("GET /orgs/{id}/audit", "admin", |scene| {
        at(format!("/orgs/{}/audit", scene.org)).now()
    }),
];
