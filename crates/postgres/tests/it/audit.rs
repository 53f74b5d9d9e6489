//! The audit trail against whoever can write to the database.

use std::sync::Arc;

use auth_contract::AnyStore;
use auth_contract::audit::{sound, verdict};
use auth_contract::tampering::{MANY, scene, tampering};
use auth_domain::audit::{Digest, Trail, hex};

use crate::world::{database, store};

/// Without the guards, which whoever owns the tables can do.
const FREE: &str = "ALTER TABLE keyward_audit DISABLE TRIGGER USER; \
                    ALTER TABLE keyward_audit_heads DISABLE TRIGGER USER;";

#[tokio::test]
async fn s95_whatever_is_tampered_with_is_found() {
    for number in 0..MANY {
        let database = database().await;
        let store: AnyStore = Arc::new(store(&database).await);
        scene(&store).await;
        let bytes = |digest: &Digest| format!("'\\x{}'::bytea", hex(digest));
        let done = tampering(&store, number, bytes).await;
        database.execute(&format!("{FREE}{}", done.statements)).await.unwrap();
        let found = verdict(&store, Trail::Changes).await.findings;
        assert_eq!(found, done.findings, "{}", done.what);
    }
}

#[tokio::test]
async fn s95_records_are_only_appended() {
    let database = database().await;
    let store: AnyStore = Arc::new(store(&database).await);
    scene(&store).await;
    for statement in [
        "UPDATE keyward_audit SET actor = 'x' WHERE place = 2",
        "DELETE FROM keyward_audit WHERE place = 1",
        "DELETE FROM keyward_audit",
        "TRUNCATE keyward_audit",
        "UPDATE keyward_audit_heads SET place = 4 WHERE trail = 'changes'",
        "UPDATE keyward_audit_heads SET first = 0 WHERE trail = 'changes'",
        "DELETE FROM keyward_audit_heads",
        "TRUNCATE keyward_audit_heads",
    ] {
        let refused = database.execute(statement).await.unwrap_err();
        assert!(format!("{refused:?}").contains("append-only"), "{statement}: {refused:?}");
    }
    assert_eq!(sound(&store, Trail::Changes).await.records, 5);
}
