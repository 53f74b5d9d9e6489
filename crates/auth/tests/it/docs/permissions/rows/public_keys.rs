use super::{Row, at};

pub const ROWS: &[Row] =
    &[Row::new("GET /.well-known/jwks.json", "anybody", |_| at("/.well-known/jwks.json").now())];
