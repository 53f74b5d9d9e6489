//! Databases and stores.

use std::time::Duration;

use auth_postgres::{PgConfig, PgStore};
use auth_testkit::{Database, Postgres};

/// An empty database of the shared server.
pub async fn database() -> Database {
    Postgres::shared().await.unwrap().database().await.unwrap()
}

/// How to reach it, with patience for a busy machine.
pub fn config(database: &Database) -> PgConfig {
    PgConfig {
        pool_max: 8,
        acquire_timeout: Duration::from_secs(5),
        ..PgConfig::new(
            &database.host,
            database.port,
            &database.user,
            database.password.clone().into(),
            &database.name,
        )
    }
}

/// A store on it.
pub async fn store(database: &Database) -> PgStore {
    PgStore::connect(&config(database)).await.unwrap()
}
