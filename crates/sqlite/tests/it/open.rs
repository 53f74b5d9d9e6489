//! The data directory: what is made, what is refused, and that a refusal damages nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use auth_contract::sample::audit;
use auth_domain::Timestamp;
use auth_domain::change::{Change, Commit};
use auth_domain::model::{PlatformRole, UserId};
use auth_domain::ports::{ChangeLog, Replicas, Standings, Store};
use auth_sqlite::{OpenError, SqliteStore};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::tempdir;
use uuid::Uuid;

fn user() -> UserId {
    UserId::new(Uuid::from_u128(7))
}

async fn write(store: &SqliteStore) {
    let changes = vec![Change::PutPlatformRole { user: user(), role: PlatformRole::Root }];
    let at = Timestamp::from_seconds(1);
    store
        .commit(Commit { actor: "system".into(), at, guards: vec![], changes, audit: audit() })
        .await
        .unwrap();
}

/// One line, and it names the path.
fn assert_clear(error: &OpenError, path: &Path) {
    let line = error.to_string();
    assert!(!line.contains('\n') && line.contains(path.to_str().unwrap()), "{line}");
}

async fn execute(file: &Path, statement: &'static str) {
    let mut db = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    sqlx::query(statement).execute(&mut db).await.unwrap();
}

#[tokio::test]
async fn a_missing_directory_is_made_for_its_owner_only() {
    let parent = tempdir().unwrap();
    let dir = parent.path().join("a/b");
    let _store = SqliteStore::open(&dir).await.unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("keyward.db")), 0o600);
}

/// The files of the directory, by name: how long, and when they were written last.
fn files(dir: &Path) -> BTreeMap<OsString, (u64, SystemTime)> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let about = entry.metadata().unwrap();
            (entry.file_name(), (about.len(), about.modified().unwrap()))
        })
        .collect()
}

#[tokio::test]
async fn a_replica_with_nothing_to_do_writes_nothing() {
    let dir = tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    write(&store).await;
    let (replica, lease) = (Uuid::from_u128(1), Duration::from_secs(1));
    store.register(replica, lease).await.unwrap();
    store.renew(replica, lease, 1).await.unwrap();
    let before = files(dir.path());
    for _ in 0..20 {
        assert_eq!(store.renew(replica, lease, 1).await.unwrap(), Some(1));
    }
    assert_eq!(files(dir.path()), before);
    write(&store).await;
    assert_ne!(files(dir.path()), before, "a write can be seen like this");
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let dir = tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    write(&store).await;
    drop(store);
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let standing = store.standing(user(), None).await.unwrap();
    assert_eq!(standing.platform, Some(PlatformRole::Root));
    assert_eq!(store.revision().await.unwrap(), 1);
}

#[tokio::test]
async fn acknowledged_writes_are_synced_and_survive() {
    let dir = tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    write(&store).await;
    // A copy of the files as they are on disk now is what a crash would leave.
    let copy = tempdir().unwrap();
    for file in ["keyward.db", "keyward.db-wal"] {
        std::fs::copy(dir.path().join(file), copy.path().join(file)).unwrap();
    }
    let recovered = SqliteStore::open(copy.path()).await.unwrap();
    assert_eq!(recovered.revision().await.unwrap(), 1);
}

#[tokio::test]
async fn a_directory_in_use_is_refused_and_its_user_unharmed() {
    let dir = tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let error = SqliteStore::open(dir.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error:?}");
    assert_clear(&error, dir.path());
    write(&store).await;
    assert_eq!(store.revision().await.unwrap(), 1);
}

#[tokio::test]
async fn a_file_in_place_of_the_directory_is_refused() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = SqliteStore::open(&path).await.unwrap_err();
        assert!(matches!(error, OpenError::NotADirectory(_)), "{error:?}");
        assert_clear(&error, &path);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_refused() {
    // Nobody, root included, can make files here.
    let path = Path::new("/proc");
    let error = SqliteStore::open(path).await.unwrap_err();
    assert!(matches!(error, OpenError::Unwritable { .. }), "{error:?}");
    assert_clear(&error, path);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_kept() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("keyward.db");
    let text = "not a database, but somebody may want it back".repeat(100);
    std::fs::write(&file, &text).unwrap();
    let error = SqliteStore::open(dir.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::Unusable { .. }), "{error:?}");
    assert_clear(&error, &file);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_kept() {
    let dir = tempdir().unwrap();
    drop(SqliteStore::open(dir.path()).await.unwrap());
    let file = dir.path().join("keyward.db");
    execute(
        &file,
        "INSERT INTO keyward_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'from the future', TRUE, x'00', 0)",
    )
    .await;
    let error = SqliteStore::open(dir.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { version: 9999, .. }), "{error:?}");
    assert_clear(&error, &file);
    let error = SqliteStore::pending(dir.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { version: 9999, .. }), "{error:?}");
    execute(&file, "DELETE FROM keyward_migrations WHERE version = 9999").await;
    assert!(SqliteStore::open(dir.path()).await.is_ok());
}

#[tokio::test]
async fn two_stores_in_memory_are_two_stores() {
    let one = SqliteStore::in_memory().await.unwrap();
    let other = SqliteStore::in_memory().await.unwrap();
    write(&one).await;
    assert_eq!((one.revision().await.unwrap(), other.revision().await.unwrap()), (1, 0));
}

#[test]
fn a_store_opens_on_any_thread() {
    fn any_thread<T: Send>(_: &T) {}
    any_thread(&SqliteStore::open(Path::new("data")));
    any_thread(&SqliteStore::in_memory());
}
