//! The audit trail against whoever has the file.

use std::path::Path;
use std::sync::Arc;

use auth_contract::AnyStore;
use auth_contract::audit::{sound, verdict};
use auth_contract::tampering::{MANY, scene, tampering};
use auth_domain::audit::{Trail, hex};
use auth_sqlite::SqliteStore;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, raw_sql};
use tempfile::tempdir;

const GUARDS: [&str; 4] = [
    "keyward_audit_update",
    "keyward_audit_delete",
    "keyward_audit_heads_back",
    "keyward_audit_heads_delete",
];

async fn execute(dir: &Path, statements: String) -> sqlx::Result<()> {
    let file = SqliteConnectOptions::new().filename(dir.join("keyward.db"));
    let mut db = file.connect().await?;
    raw_sql(AssertSqlSafe(statements)).execute(&mut db).await.map(drop)
}

#[tokio::test]
async fn s95_whatever_is_tampered_with_is_found() {
    for number in 0..MANY {
        let dir = tempdir().unwrap();
        let store: AnyStore = Arc::new(SqliteStore::open(dir.path()).await.unwrap());
        scene(&store).await;
        let done = tampering(&store, number, |digest| format!("x'{}'", hex(digest))).await;
        drop(store);
        let free = GUARDS.map(|guard| format!("DROP TRIGGER {guard};")).concat();
        execute(dir.path(), free + &done.statements).await.unwrap();
        let store: AnyStore = Arc::new(SqliteStore::open(dir.path()).await.unwrap());
        let found = verdict(&store, Trail::Changes).await.findings;
        assert_eq!(found, done.findings, "{}", done.what);
    }
}

#[tokio::test]
async fn s95_records_are_only_appended() {
    let dir = tempdir().unwrap();
    let store: AnyStore = Arc::new(SqliteStore::open(dir.path()).await.unwrap());
    scene(&store).await;
    for statement in [
        "UPDATE keyward_audit SET actor = 'x' WHERE place = 2",
        "DELETE FROM keyward_audit WHERE place = 1",
        "DELETE FROM keyward_audit",
        "UPDATE keyward_audit_heads SET place = 4 WHERE trail = 'changes'",
        "UPDATE keyward_audit_heads SET first = 0 WHERE trail = 'changes'",
        "DELETE FROM keyward_audit_heads",
    ] {
        let refused = execute(dir.path(), statement.to_owned()).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{statement}: {refused}");
    }
    assert_eq!(sound(&store, Trail::Changes).await.records, 5);
}
