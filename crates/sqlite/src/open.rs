//! Getting at the database: the data directory, its lock, the connections, the schema.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlSafeStr, SqlitePool, query_scalar};

use crate::SqliteStore;

/// Holds everything.
const DATABASE: &str = "keyward.db";
/// What was written and is not in there yet, while a process uses it or after one that died.
const LOG: &str = "keyward.db-wal";
/// Locked by the process that uses the directory.
const LOCK: &str = "keyward.lock";
/// Connections that read: more than cores gains nothing.
const READERS: u32 = 4;
/// How long a write waits for the one before it, and a read for a free connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// The migration ledger.
const LEDGER: &str = "keyward_migrations";
/// Version, name and statements.
const MIGRATIONS: [(i64, &str, &str); 15] = [
    (1, "initial", include_str!("../../../migrations/sqlite/0001_initial.sql")),
    (2, "sinks", include_str!("../../../migrations/sqlite/0002_sinks.sql")),
    (3, "invites", include_str!("../../../migrations/sqlite/0003_invites.sql")),
    (4, "member_counts", include_str!("../../../migrations/sqlite/0004_member_counts.sql")),
    (6, "instance", include_str!("../../../migrations/sqlite/0006_instance.sql")),
    (20, "groups", include_str!("../../../migrations/sqlite/0020_groups.sql")),
    (30, "cutoffs", include_str!("../../../migrations/sqlite/0030_cutoffs.sql")),
    (35, "signing_keys", include_str!("../../../migrations/sqlite/0035_signing_keys.sql")),
    (40, "audit", include_str!("../../../migrations/sqlite/0040_audit.sql")),
    (51, "tickets", include_str!("../../../migrations/sqlite/0051_tickets.sql")),
    (60, "sessions", include_str!("../../../migrations/sqlite/0060_sessions.sql")),
    (
        70,
        "tickets_beside_others",
        include_str!("../../../migrations/sqlite/0070_tickets_beside_others.sql"),
    ),
    (71, "platform_invites", include_str!("../../../migrations/sqlite/0071_platform_invites.sql")),
    (80, "accounts_bcrypt", include_str!("../../../migrations/sqlite/0080_accounts_bcrypt.sql")),
    (
        100,
        "accounts_email_verified_at",
        include_str!("../../../migrations/sqlite/0100_accounts_email_verified_at.sql"),
    ),
];

/// Why the embedded store cannot be used. Prints as one line; nothing was damaged.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path names something else.
    #[error("data directory {} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// The directory, or a file in it, is missing and cannot be made, or cannot be written.
    #[error("data directory {} cannot be written: {cause}", .path.display())]
    Unwritable {
        /// Which directory.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// Another process uses the directory.
    #[error("data directory {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// A newer version of this program has changed the schema.
    #[error("{database} has schema version {version}, made by a newer version of this program")]
    Newer {
        /// Which database.
        database: String,
        /// The schema version it has and we do not know.
        version: i64,
    },
    /// The file is damaged, or not a database of ours.
    #[error("{database} cannot be used: {cause}")]
    Unusable {
        /// Which database.
        database: String,
        /// What SQLite says.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl SqliteStore {
    /// Opens the store in this directory, which is made if it is missing, and brings its schema up to
    /// date. The directory stays locked against other processes until the store is dropped.
    pub async fn open(dir: &Path) -> Result<Self, OpenError> {
        let unwritable = |cause| OpenError::Unwritable { path: dir.to_owned(), cause };
        make_directory(dir)?;
        let lock = lock(dir)?;
        let file = dir.join(DATABASE);
        // Made here, and for its owner only: password hashes live in it. SQLite gives its other files
        // the same mode.
        private().open(&file).map_err(unwritable)?;
        let options = options()
            .filename(&file)
            .journal_mode(SqliteJournalMode::Wal)
            // An acknowledged write survives a power cut.
            .synchronous(SqliteSynchronous::Full);
        let database = file.display().to_string();
        let writer = pool(options.clone(), 1, &database).await?;
        migrate(&writer, &database).await?;
        let readers = pool(options, READERS, &database).await?;
        Ok(Self { readers, writer, replicas: Arc::default(), _lock: Some(lock) })
    }

    /// Whether there is a store in this directory. Nothing is made, locked or read.
    #[must_use]
    pub fn is_in(dir: &Path) -> bool {
        dir.join(DATABASE).exists()
    }

    /// The migrations that [`SqliteStore::open`] would run on this directory, by version and name. Nothing is made,
    /// locked or changed, so another process may be using it.
    pub async fn pending(dir: &Path) -> Result<Vec<(i64, &'static str)>, OpenError> {
        let file = dir.join(DATABASE);
        if !file.exists() {
            // Only whether it could be one.
            return match dir.metadata() {
                Ok(found) if !found.is_dir() => Err(OpenError::NotADirectory(dir.to_owned())),
                _ => Ok(MIGRATIONS.iter().map(|(version, name, _)| (*version, *name)).collect()),
            };
        }
        let database = file.display().to_string();
        let unusable = |cause: sqlx::Error| OpenError::Unusable {
            database: database.clone(),
            cause: cause.into(),
        };
        // Without a write-ahead log nobody is using it, and reading it as if nobody could leaves no log behind.
        let unused = !dir.join(LOG).exists();
        let options = options().filename(&file).read_only(true).immutable(unused);
        let mut db = options.connect().await.map_err(unusable)?;
        let begun: bool =
            query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = $1)")
                .bind(LEDGER)
                .fetch_one(&mut db)
                .await
                .map_err(unusable)?;
        let mut done: Vec<i64> = Vec::new();
        if begun {
            let all = "SELECT version FROM keyward_migrations WHERE success ORDER BY version";
            done = query_scalar(all).fetch_all(&mut db).await.map_err(unusable)?;
        }
        db.close().await.map_err(unusable)?;
        let known = |version: &i64| MIGRATIONS.iter().any(|(known, ..)| known == version);
        if let Some(version) = done.iter().copied().find(|version| !known(version)) {
            return Err(OpenError::Newer { database, version });
        }
        let open = MIGRATIONS.iter().filter(|(version, ..)| !done.contains(version));
        Ok(open.map(|(version, name, _)| (*version, *name)).collect())
    }

    /// An empty store in memory; it is gone when it is dropped.
    pub async fn in_memory() -> Result<Self, OpenError> {
        let database = "the database in memory";
        let only = in_memory(database).await?;
        migrate(&only, database).await?;
        Ok(Self { readers: only.clone(), writer: only, replicas: Arc::default(), _lock: None })
    }
}

fn make_directory(dir: &Path) -> Result<(), OpenError> {
    match dir.metadata() {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(OpenError::NotADirectory(dir.to_owned())),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|cause| OpenError::Unwritable { path: dir.to_owned(), cause }),
        Err(refused) if refused.kind() == io::ErrorKind::NotADirectory => {
            Err(OpenError::NotADirectory(dir.to_owned()))
        }
        Err(cause) => Err(OpenError::Unwritable { path: dir.to_owned(), cause }),
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let unwritable = |cause| OpenError::Unwritable { path: dir.to_owned(), cause };
    let file = private().open(dir.join(LOCK)).map_err(unwritable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(dir.to_owned())),
        Err(TryLockError::Error(cause)) => Err(unwritable(cause)),
    }
}

/// Opens a file for writing and keeps what is in it; makes it for its owner only.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options
}

fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new().foreign_keys(true).busy_timeout(PATIENCE)
}

async fn pool(
    options: SqliteConnectOptions,
    size: u32,
    database: &str,
) -> Result<SqlitePool, OpenError> {
    // When the disk is full or fails, SQLite ends the transaction by itself. sqlx does not hear of it, counts one more
    // for ever, and begins none on that connection any more: another one takes its place.
    let fit = connections(size).before_acquire(|db, _| {
        let fit = !db.is_in_transaction();
        Box::pin(async move { Ok(fit) })
    });
    connect(fit, options, database).await
}

/// The one connection to a database in memory: it *is* the database, so it must never be replaced.
async fn in_memory(database: &str) -> Result<SqlitePool, OpenError> {
    connect(connections(1), options().in_memory(true), database).await
}

fn connections(size: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(size)
        .acquire_timeout(PATIENCE)
        // Nothing between us and a local file can drop a connection.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

async fn connect(
    connections: SqlitePoolOptions,
    options: SqliteConnectOptions,
    database: &str,
) -> Result<SqlitePool, OpenError> {
    connections
        .connect_with(options)
        .await
        .map_err(|cause| OpenError::Unusable { database: database.to_owned(), cause: cause.into() })
}

async fn migrate(writer: &SqlitePool, database: &str) -> Result<(), OpenError> {
    let migrations = MIGRATIONS.map(|(version, name, statements)| {
        let statements = statements.into_sql_str();
        Migration::new(version, name.into(), MigrationType::Simple, statements, false)
    });
    let mut migrator = Migrator::with_migrations(migrations.into());
    migrator.dangerous_set_table_name(LEDGER);
    let database = || database.to_owned();
    match migrator.run(writer).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(version)) => {
            Err(OpenError::Newer { database: database(), version })
        }
        Err(cause) => Err(OpenError::Unusable { database: database(), cause: cause.into() }),
    }
}
