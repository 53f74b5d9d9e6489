//! Whose schema it is: the original's stays the original's, whoever was there first.

use std::sync::Arc;

use auth_domain::ports::{ChangeLog, Store};
use auth_postgres::{OpenError, PgStore};
use auth_testkit::Database;
use sqlx::query_scalar;
use tokio::task::JoinSet;

use crate::world::{config, database};

/// What v0.33 leaves behind.
pub const ORIGINAL: &str = include_str!("../mainflux_v033.sql");

/// A line for everything there is.
macro_rules! everything {
    () => {
        "
    SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
        SELECT concat_ws(' ', 'column', table_name, column_name, ordinal_position, column_default,
            is_nullable, data_type, character_maximum_length, datetime_precision) AS line,
            table_name AS name
        FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL
        SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid)),
            conrelid::regclass::text
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
            AND contype <> 't' -- a trigger, see below
        UNION ALL
        SELECT concat_ws(' ', 'index', tablename, indexdef), indexname
        FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL
        SELECT concat_ws(' ', relkind, relname, relpersistence, reloptions), relname
        FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL
        SELECT concat_ws(' ', 'trigger', tgrelid::regclass, pg_get_triggerdef(oid)), tgname
        FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL
        SELECT concat_ws(' ', 'function', proname, prosrc), proname
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    ) AS everything"
    };
}

/// Everything that the catalogue says of everything in the database except what is ours, as text.
pub const CATALOGUE: &str = concat!(everything!(), " WHERE name NOT LIKE 'keyward%'");
/// The same of what is ours.
pub const OURS: &str = concat!(everything!(), " WHERE name LIKE 'keyward%'");

/// Every row of the original's tables, with the place it is stored at, and its ledger.
const ROWS: &str = "
    SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
        SELECT concat('users_roles ', ctid, t.*) AS line FROM users_roles AS t
        UNION ALL SELECT concat('keys ', ctid, t.*) FROM keys AS t
        UNION ALL SELECT concat('orgs ', ctid, t.*) FROM orgs AS t
        UNION ALL SELECT concat('org_memberships ', ctid, t.*) FROM org_memberships AS t
        UNION ALL SELECT concat('org_invites ', ctid, t.*) FROM org_invites AS t
        UNION ALL SELECT concat('dormant_org_invites ', ctid, t.*) FROM dormant_org_invites AS t
        UNION ALL SELECT concat('gorp_migrations ', ctid, t.*) FROM gorp_migrations AS t
    ) AS everything";

/// Our indexes on the original's tables, as far as they are whole: each is built on its own and can be
/// interrupted.
pub const INDEXES: &str = "
    SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text)
    FROM pg_index WHERE indisvalid AND indisready AND indrelid::regclass::text NOT LIKE 'keyward%'
    AND indexrelid::regclass::text LIKE 'keyward%'";

/// The files of statements of ours, by version and name.
fn statements() -> Vec<(i64, String)> {
    let folder = auth_testkit::workspace().join("migrations/postgres");
    let names = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    let ours = names.filter_map(|name| {
        let (version, name) = name.strip_suffix(".sql")?.split_once('_')?;
        Some((version.parse().ok()?, name.to_owned()))
    });
    let mut ours: Vec<_> = ours.collect();
    ours.sort_unstable();
    ours
}

/// What [`INDEXES`] gives when all of them are there: each has a file of its own.
fn all_indexes() -> String {
    let tables = ["keys_", "orgs_", "org_memberships_", "org_invites_", "dormant_org_invites_"];
    let is_index = |name: &str| {
        name.strip_prefix("keyward_")
            .is_some_and(|rest| tables.iter().any(|it| rest.starts_with(it)))
    };
    let mut names: Vec<_> =
        statements().into_iter().map(|(_, name)| name).filter(|name| is_index(name)).collect();
    names.sort_unstable();
    assert!(names.len() >= 6, "{names:?}");
    names.join(" ")
}

pub async fn read(database: &Database, question: &'static str) -> String {
    let mut connection = database.connect().await.unwrap();
    let answer: Option<String> = query_scalar(question).fetch_one(&mut connection).await.unwrap();
    answer.unwrap_or_default()
}

async fn refused(database: &Database, part: &str) {
    let before = read(database, CATALOGUE).await;
    let error = PgStore::connect(&config(database)).await.unwrap_err();
    let line = error.to_string();
    assert!(!error.is_temporary(), "{line}");
    assert!(line.contains(part) && line.contains(&database.name), "{line}");
    assert!(!line.contains('\n') && !line.contains(&database.password), "{line}");
    assert_eq!(read(database, CATALOGUE).await, before, "nothing was changed");
    assert_eq!(read(database, "SELECT to_regclass('keyward_accounts')::text").await, "");
}

#[tokio::test]
async fn a_fresh_database_gets_exactly_the_schema_of_the_original() {
    let (ours, theirs) = (database().await, database().await);
    theirs.execute(ORIGINAL).await.unwrap();
    PgStore::connect(&config(&ours)).await.unwrap();
    assert_eq!(read(&ours, CATALOGUE).await, read(&theirs, CATALOGUE).await);
    let ids =
        "SELECT string_agg(id, ' ' ORDER BY id) FROM gorp_migrations WHERE applied_at <= now()";
    assert_eq!(read(&ours, ids).await, "auth_1 auth_2 auth_3 auth_4");
    assert_eq!(read(&ours, INDEXES).await, all_indexes());
}

#[tokio::test]
async fn d73_r36_a_database_of_the_original_is_taken_over_as_it_is() {
    let database = database().await;
    database.execute(ORIGINAL).await.unwrap();
    let before = (read(&database, CATALOGUE).await, read(&database, ROWS).await);
    for _ in 0..2 {
        PgStore::connect(&config(&database)).await.unwrap();
        let after = (read(&database, CATALOGUE).await, read(&database, ROWS).await);
        assert_eq!(after, before);
        assert_eq!(read(&database, INDEXES).await, all_indexes());
    }
}

#[tokio::test]
async fn what_later_versions_of_the_original_add_is_no_obstacle() {
    for ids in ["('auth_5')", "('auth_5'), ('auth_6')"] {
        let database = database().await;
        database.execute(ORIGINAL).await.unwrap();
        let later = format!(
            "INSERT INTO gorp_migrations (id) VALUES {ids}; CREATE TABLE org_invites_groups \
             (org_invite_id uuid NOT NULL REFERENCES org_invites (id) ON DELETE CASCADE, \
             group_id uuid NOT NULL, group_role varchar NOT NULL, \
             PRIMARY KEY (org_invite_id, group_id))"
        );
        database.execute(&later).await.unwrap();
        PgStore::connect(&config(&database)).await.unwrap();
    }
}

#[tokio::test]
async fn groups_of_the_old_kind_are_refused() {
    let database = database().await;
    let old = "CREATE TABLE gorp_migrations (id text PRIMARY KEY, applied_at timestamptz); \
        INSERT INTO gorp_migrations VALUES ('auth_1', now()); CREATE TABLE groups (id varchar(254))";
    database.execute(old).await.unwrap();
    refused(&database, "0.13").await;
}

#[tokio::test]
async fn an_incomplete_ledger_is_refused() {
    for (change, part) in [
        ("DELETE FROM gorp_migrations WHERE id = 'auth_4'", "auth_4"),
        ("DELETE FROM gorp_migrations WHERE id = 'auth_2'", "auth_2"),
        ("DELETE FROM gorp_migrations", "auth_1"),
        ("INSERT INTO gorp_migrations VALUES ('auth_6')", "auth_5"),
        ("DROP TABLE gorp_migrations", "no ledger"),
    ] {
        let database = database().await;
        database.execute(ORIGINAL).await.unwrap();
        database.execute(change).await.unwrap();
        refused(&database, part).await;
    }
}

#[tokio::test]
async fn a_ledger_of_somebody_else_is_refused() {
    for id in ["auth_7", "auth_10", "users_1", "AUTH_1"] {
        let database = database().await;
        database.execute(ORIGINAL).await.unwrap();
        let change = format!("INSERT INTO gorp_migrations VALUES ('{id}', now())");
        database.execute(&change).await.unwrap();
        refused(&database, id).await;
    }
}

#[tokio::test]
async fn r34_a_newer_schema_of_ours_is_refused() {
    let database = database().await;
    PgStore::connect(&config(&database)).await.unwrap();
    let newer = "INSERT INTO keyward_migrations \
        (version, description, success, checksum, execution_time) VALUES (9999, 'x', true, '', 0)";
    database.execute(newer).await.unwrap();
    let error = PgStore::connect(&config(&database)).await.unwrap_err();
    assert!(!error.is_temporary() && error.to_string().contains("9999"), "{error}");
    // And back again: nothing was harmed.
    database.execute("DELETE FROM keyward_migrations WHERE version = 9999").await.unwrap();
    PgStore::connect(&config(&database)).await.unwrap();
}

async fn ten_replicas(database: &Database) {
    let database = Arc::new(database.clone());
    let mut replicas = JoinSet::new();
    for _ in 0..10 {
        let database = Arc::clone(&database);
        replicas.spawn(async move { PgStore::connect(&config(&database)).await });
    }
    while let Some(started) = replicas.join_next().await {
        let store = started.unwrap().unwrap();
        store.ping().await.unwrap();
        assert_eq!(store.revision().await.unwrap(), 0);
    }
    assert_eq!(read(&database, INDEXES).await, all_indexes());
    let applied = "SELECT string_agg(version::text, ' ' ORDER BY version) FROM keyward_migrations";
    let all: Vec<_> = statements().iter().map(|(version, _)| version.to_string()).collect();
    assert_eq!(read(&database, applied).await, all.join(" "));
}

#[tokio::test(flavor = "multi_thread")]
async fn r34_ten_replicas_start_on_an_empty_database() {
    ten_replicas(&database().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r34_ten_replicas_start_on_a_database_of_the_original() {
    let database = database().await;
    database.execute(ORIGINAL).await.unwrap();
    ten_replicas(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r34_ten_replicas_start_on_a_half_migrated_database() {
    let database = database().await;
    PgStore::connect(&config(&database)).await.unwrap();
    // One index was never begun, one was interrupted, and of one only the note is missing.
    let half = "DROP INDEX keyward_org_invites_inviter_id; DROP INDEX keyward_changes_removed; \
        UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'keyward_keys_issuer_id'::regclass; \
        DO $$ DECLARE name text; BEGIN \
        FOR name IN SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' \
        AND relname LIKE 'keyward%' AND relname NOT IN \
        ('keyward_migrations', 'keyward_accounts', 'keyward_revision', 'keyward_changes') \
        LOOP EXECUTE 'DROP TABLE ' || name || ' CASCADE'; END LOOP; \
        FOR name IN SELECT oid::regprocedure::text FROM pg_proc WHERE proname LIKE 'keyward%' \
        LOOP EXECUTE 'DROP FUNCTION ' || name || ' CASCADE'; END LOOP; END $$; \
        DELETE FROM keyward_migrations WHERE version >= 3";
    database.execute(half).await.unwrap();
    assert!(!read(&database, INDEXES).await.contains("keyward_keys_issuer_id"));
    ten_replicas(&database).await;
}

#[tokio::test]
async fn an_unreachable_server_may_come_back_and_a_wrong_password_does_not_change() {
    let database = database().await;
    let nobody_there = auth_postgres::PgConfig { port: 1, ..config(&database) };
    let error = PgStore::connect(&nobody_there).await.unwrap_err();
    assert!(error.is_temporary(), "{error}");

    let wrong =
        auth_postgres::PgConfig { password: "wrong".to_owned().into(), ..config(&database) };
    let error = PgStore::connect(&wrong).await.unwrap_err();
    assert!(matches!(error, OpenError::Unusable { .. }), "{error}");
    assert!(!error.to_string().contains("wrong"), "{error}");

    let missing = auth_postgres::PgConfig { database: "missing".into(), ..config(&database) };
    let error = PgStore::connect(&missing).await.unwrap_err();
    assert!(!error.is_temporary(), "{error}");
}

#[tokio::test]
async fn r4_a_read_only_server_is_waited_for() {
    let database = database().await;
    let name = &database.name;
    database
        .execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"))
        .await
        .unwrap();
    let error = PgStore::connect(&config(&database)).await.unwrap_err();
    assert!(error.is_temporary() && error.to_string().contains("read-only"), "{error}");
}
