//! The embedded store keeps every promise, in memory and in a file.

use auth_sqlite::SqliteStore;

mod in_memory {
    use super::SqliteStore;

    async fn fresh() -> (SqliteStore, ()) {
        (SqliteStore::in_memory().await.unwrap(), ())
    }

    auth_contract::store_contract!(fresh);
}

mod in_a_file {
    use tempfile::TempDir;

    use super::SqliteStore;

    async fn fresh() -> (SqliteStore, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        (SqliteStore::open(dir.path()).await.unwrap(), dir)
    }

    auth_contract::store_contract!(fresh);
}
