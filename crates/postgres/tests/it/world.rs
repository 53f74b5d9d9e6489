//! Databases and stores.

use auth_postgres::{PgConfig, PgStore};
use auth_testkit::{Database, Postgres};

/// An empty database of the shared server.
pub async fn database() -> Database {
    Postgres::shared().await.unwrap().database().await.unwrap()
}

/// How to reach it.
pub fn config(database: &Database) -> PgConfig {
    PgConfig::new(
        &database.host,
        database.port,
        &database.user,
        database.password.clone().into(),
        &database.name,
    )
}

/// A store on it, patient enough for a busy machine.
pub async fn store(database: &Database) -> PgStore {
    let patient = std::time::Duration::from_secs(2);
    let config = PgConfig { acquire_timeout: patient, pool_max: 8, ..config(database) };
    PgStore::connect(&config).await.unwrap()
}
