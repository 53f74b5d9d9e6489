//! Opens the PostgreSQL store.

use auth_sqlite::SqliteStore;

use crate::config::Db;

/// Fails: this build has no PostgreSQL store.
pub(crate) async fn open(_db: &Db) -> Result<SqliteStore, String> {
    Err("this build has no PostgreSQL store; use MF_AUTH_STORE=embedded".to_owned())
}
