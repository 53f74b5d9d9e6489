use super::{Row, at};

pub const ROWS: &[Row] = &[Row::new("GET /health", "anybody", |_| at("/health").now())];
