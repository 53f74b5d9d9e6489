//! The schema: the original's, which is taken as it is or made like it, and ours beside it.

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqlSafeStr, query_scalar, raw_sql};

use crate::open::Problem;

/// Our own migration ledger. The original refuses to start when it finds foreign rows in its own.
const LEDGER: &str = "keyward_migrations";
/// What the original's ledger holds at v0.33, in order, and what later versions of it add without
/// touching what we use.
const ORIGINAL: [&str; 6] = ["auth_1", "auth_2", "auth_3", "auth_4", "auth_5", "auth_6"];
/// How many of these we need.
const NEEDED: usize = 4;

/// A file of statements of ours: its version, the number it begins with, and its name.
macro_rules! statements {
    ($version:literal, $number:literal, $name:literal) => {
        (
            $version,
            $name,
            include_str!(concat!("../../../migrations/postgres/", $number, "_", $name, ".sql")),
        )
    };
}
/// The indexes we add to tables that may be large by then: those of the original, and of our own.
const INDEXES: [(i64, &str, &str); 8] = [
    statements!(2, "0002", "keyward_org_memberships_org_id_member_id"),
    statements!(3, "0003", "keyward_org_invites_org_id_state"),
    statements!(4, "0004", "keyward_org_invites_inviter_id"),
    statements!(5, "0005", "keyward_dormant_org_invites_platform_invite_id"),
    statements!(6, "0006", "keyward_keys_issuer_id"),
    statements!(10, "0010", "keyward_org_invites_invitee_id"),
    statements!(15, "0015", "keyward_org_memberships_org_id_role_member_id"),
    statements!(80, "0080", "keyward_accounts_bcrypt"),
];

/// Tables of our own beyond the first, and what they need.
const TABLES: [(i64, &str, &str); 16] = [
    statements!(7, "0007", "keyward_sinks"),
    statements!(8, "0008", "keyward_mails"),
    statements!(9, "0009", "keyward_member_counts"),
    statements!(11, "0011", "keyward_instance"),
    statements!(20, "0020", "keyward_groups"),
    statements!(30, "0030", "keyward_cutoffs"),
    statements!(31, "0031", "keyward_replicas"),
    statements!(32, "0032", "keyward_foreign_writes"),
    statements!(35, "0035", "keyward_withdrawn_keys"),
    statements!(40, "0040", "keyward_audit"),
    statements!(50, "0050", "keyward_accounts_foreign_writes"),
    statements!(51, "0051", "keyward_tickets"),
    statements!(60, "0060", "keyward_sessions"),
    statements!(70, "0070", "keyward_tickets_beside_others"),
    statements!(71, "0071", "keyward_platform_invites"),
    statements!(100, "0100", "keyward_accounts_email_verified_at"),
];

/// The first of ours.
const FIRST: (i64, &str, &str) = statements!(1, "0001", "keyward");

/// What [`prepare`] would run, by version and name.
pub(crate) async fn pending(db: &mut PgConnection) -> Result<Vec<(i64, &'static str)>, Problem> {
    let mut pending = Vec::new();
    if check(db).await? == Found::Nothing {
        pending.push((0, "original"));
    }
    let mut done: Vec<i64> = Vec::new();
    if exists(db, LEDGER).await? {
        let all = "SELECT version FROM keyward_migrations WHERE success ORDER BY version";
        done = query_scalar(all).fetch_all(&mut *db).await?;
    }
    let known: Vec<_> = [FIRST].into_iter().chain(INDEXES).chain(TABLES).collect();
    if let Some(newer) =
        done.iter().find(|version| !known.iter().any(|(known, ..)| known == *version))
    {
        return Err(Problem::Newer(*newer));
    }
    for (version, name, _) in known {
        if !done.contains(&version) || is_unfinished(db, name).await? {
            pending.push((version, name));
        }
    }
    pending.sort_unstable();
    Ok(pending)
}

/// Brings the database to where this version needs it. The caller holds the lock.
pub(crate) async fn prepare(db: &mut PgConnection) -> Result<(), Problem> {
    // Building an index takes as long as it takes; waiting for a lock does not, because others queue
    // behind whoever waits.
    raw_sql("SET statement_timeout = 0; SET lock_timeout = '10s'; SET idle_session_timeout = 0")
        .execute(&mut *db)
        .await?;
    if check(db).await? == Found::Nothing {
        make_original(db).await?;
    }
    migrate(db).await
}

/// What is in a database that we can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// What the original left behind, or we made like it.
    Original,
    Nothing,
}

async fn check(db: &mut PgConnection) -> Result<Found, Problem> {
    if exists(db, "groups").await? {
        return Err(Problem::Groups);
    }
    if exists(db, "gorp_migrations").await? {
        check_original(db).await?;
        return Ok(Found::Original);
    }
    for table in
        ["users_roles", "keys", "orgs", "org_memberships", "member_relations", "org_invites"]
    {
        if exists(db, table).await? {
            return Err(Problem::Incomplete("it has tables and no ledger"));
        }
    }
    Ok(Found::Nothing)
}

async fn exists(db: &mut PgConnection, table: &str) -> sqlx::Result<bool> {
    query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table).fetch_one(db).await
}

async fn check_original(db: &mut PgConnection) -> Result<(), Problem> {
    let ids: Vec<String> = query_scalar("SELECT id FROM gorp_migrations ORDER BY id COLLATE \"C\"")
        .fetch_all(db)
        .await?;
    if let Some(unknown) = ids.iter().find(|id| !ORIGINAL.contains(&id.as_str())) {
        return Err(Problem::Unknown(unknown.clone()));
    }
    // Sorted, known and unique, so in step unless one is missing.
    let missing = ORIGINAL.iter().enumerate().find(|(place, id)| {
        ids.get(*place).map_or(*place < NEEDED, |found| found.as_str() != **id)
    });
    match missing {
        Some((_, id)) => Err(Problem::Incomplete(id)),
        None => Ok(()),
    }
}

/// An empty database: all of the original's schema at once, its ledger included, or nothing.
async fn make_original(db: &mut PgConnection) -> Result<(), Problem> {
    let mut tx = db.begin().await?;
    raw_sql(include_str!("../../../migrations/postgres/original.sql")).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

async fn migrate(db: &mut PgConnection) -> Result<(), Problem> {
    let mut migrations = Vec::new();
    for (version, name, statement) in INDEXES {
        drop_unfinished(db, name).await?;
        migrations.push(Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            statement.into_sql_str(),
            // It cannot run in a transaction.
            true,
        ));
    }
    for (version, name, statements) in [FIRST].into_iter().chain(TABLES) {
        let statements = statements.into_sql_str();
        migrations.push(Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            statements,
            false,
        ));
    }
    let mut migrator = Migrator::with_migrations(migrations);
    migrator.dangerous_set_table_name(LEDGER);
    // We hold a lock of our own; sqlx would wait for its in the server.
    migrator.set_locking(false);
    // Not `run`: its future cannot be sent to another thread, for want of a more general bound.
    match migrator.run_direct(None, db, false).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(version)) => Err(Problem::Newer(version)),
        Err(error) => Err(error.into()),
    }
}

/// An index whose building was interrupted is kept up and never used; `IF NOT EXISTS` would take it for
/// done.
async fn drop_unfinished(db: &mut PgConnection, index: &'static str) -> Result<(), Problem> {
    if is_unfinished(db, index).await? {
        // One of our own names, not anybody's input.
        let statement = AssertSqlSafe(format!("DROP INDEX CONCURRENTLY IF EXISTS {index}"));
        raw_sql(statement).execute(db).await?;
    }
    Ok(())
}

async fn is_unfinished(db: &mut PgConnection, index: &str) -> sqlx::Result<bool> {
    query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_index \
         WHERE indexrelid = to_regclass($1) AND NOT (indisvalid AND indisready))",
    )
    .bind(index)
    .fetch_one(&mut *db)
    .await
}
