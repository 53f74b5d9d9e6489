//! The store on PostgreSQL keeps every promise.

use auth_postgres::PgStore;

use crate::world::{database, store};

async fn fresh() -> (PgStore, ()) {
    (store(&database().await).await, ())
}

auth_contract::store_contract!(fresh);
