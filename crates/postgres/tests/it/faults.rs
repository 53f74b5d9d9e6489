//! The server away, hanging, demoted or crowded: an answer in time, the right one, and back to normal
//! by itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth_contract::AnyStore;
use auth_contract::sample::{
    apply, commit, edit, given, guarded, key, key_id, membership, moment, org, org_id, outcome,
    page, user,
};
use auth_domain::change::{Change, Guard};
use auth_domain::error::{Error, Result, Unauthenticated};
use auth_domain::model::{Direction, Key, OrgOrder, OrgQuery, OrgRole};
use auth_postgres::{PgConfig, PgStore, REGISTRY_CONNECTIONS};
use auth_testkit::{Database, Postgres};
use sqlx::{Executor, query_scalar};
use tokio::task::JoinSet;

use crate::world::{config, database, store};

/// What a read may take, and a commit, with something to spare on a busy machine.
const READ: Duration = Duration::from_secs(3);
const WRITE: Duration = Duration::from_secs(7);
/// How long coming back may take.
const RECOVERY: Duration = Duration::from_secs(5);

async fn any(database: &Database) -> AnyStore {
    Arc::new(store(database).await)
}

fn is_unavailable<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Unavailable(_)))
}

/// Every kind of question and a write: none is answered, and none takes too long.
async fn nothing_is_answered(store: &AnyStore) {
    let list = page(0, 10, OrgOrder::Id, Direction::Ascending);
    let all = OrgQuery::default();
    let questions = async {
        tokio::join!(
            async { is_unavailable(&store.ping().await) },
            async { is_unavailable(&store.key(user(1), key_id(1)).await) },
            async { is_unavailable(&store.standing(user(1), Some(org_id(1))).await) },
            async { is_unavailable(&store.org(org_id(1)).await) },
            async { is_unavailable(&store.orgs(&all, list).await) },
            async { is_unavailable(&store.account(user(1)).await) },
            async { is_unavailable(&store.records(0, 10).await) },
        )
    };
    let unavailable = tokio::time::timeout(READ, questions).await.unwrap();
    assert_eq!(unavailable, (true, true, true, true, true, true, true));
    let changes = vec![Change::InsertOrg(org(99, "lost"))];
    let written = tokio::time::timeout(WRITE, apply(store, changes)).await.unwrap();
    assert!(is_unavailable(&written));
}

async fn recovers(store: &AnyStore) {
    eventually(async || store.ping().await.is_ok()).await;
    given(store, vec![Change::InsertOrg(org(50, "after"))]).await;
}

/// Asks again until the answer is yes.
async fn eventually(ask: impl AsyncFn() -> bool) {
    let asking = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(RECOVERY, asking).await.unwrap();
}

/// Fills the pool with connections.
async fn warm_up(store: &AnyStore) {
    let mut tasks = JoinSet::new();
    for _ in 0..32 {
        let store = store.clone();
        tasks.spawn(async move { store.ping().await });
    }
    while let Some(answered) = tasks.join_next().await {
        answered.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_a_stopped_server_is_unavailable_and_comes_back() {
    let mut server = Postgres::start().await.unwrap();
    let store = any(&server.database().await.unwrap()).await;
    given(&store, vec![Change::InsertOrg(org(1, "before"))]).await;
    warm_up(&store).await;
    server.stop().await.unwrap();
    nothing_is_answered(&store).await;
    server.start_again().await.unwrap();
    recovers(&store).await;
    assert!(store.org(org_id(1)).await.unwrap().is_some());
    assert!(store.org(org_id(99)).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_nobody_notices_a_restart_between_two_calls() {
    let mut server = Postgres::start().await.unwrap();
    let store = any(&server.database().await.unwrap()).await;
    for round in 1..=2 {
        warm_up(&store).await;
        server.stop().await.unwrap();
        server.start_again().await.unwrap();
        // Every connection in the pool is cut now; the first call may be of either kind.
        if round == 1 {
            given(&store, vec![Change::InsertOrg(org(1, "first"))]).await;
        }
        warm_up(&store).await;
        given(&store, vec![Change::InsertOrg(org(10 + round, "next"))]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_a_frozen_server_is_unavailable_in_time() {
    let server = Postgres::start().await.unwrap();
    let store = any(&server.database().await.unwrap()).await;
    warm_up(&store).await;
    server.freeze().await.unwrap();
    nothing_is_answered(&store).await;
    server.thaw().await.unwrap();
    recovers(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_a_locked_table_stops_only_those_who_need_it() {
    let database = database().await;
    let store = any(&database).await;
    let mut other = database.connect().await.unwrap();
    other.execute("BEGIN; LOCK TABLE users_roles IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let begun = Instant::now();
    let (standing, key) =
        tokio::join!(store.standing(user(1), None), store.key(user(1), key_id(1)));
    assert!(is_unavailable(&standing));
    assert_eq!(key.unwrap(), None);
    assert!(begun.elapsed() < READ);
    other.execute("ROLLBACK").await.unwrap();
    assert!(store.standing(user(1), None).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn d65_go31_r3_the_pool_is_never_exceeded_and_nobody_starves() {
    const POOL: u32 = 3;
    let database = database().await;
    let config =
        PgConfig { pool_max: POOL, acquire_timeout: Duration::from_secs(20), ..config(&database) };
    let store: AnyStore = Arc::new(PgStore::connect(&config).await.unwrap());
    let owner = membership(org_id(1), user(1), OrgRole::Owner);
    given(&store, vec![Change::InsertOrg(org(1, "acme")), Change::InsertMembership(owner)]).await;
    let mut tasks = JoinSet::new();
    for number in 0..60 {
        let store = store.clone();
        tasks.spawn(async move {
            let joined = membership(org_id(1), user(100 + number), OrgRole::Viewer);
            store.commit(commit(vec![Change::InsertMembership(joined)])).await?;
            store.standing(user(1), Some(org_id(1))).await?;
            store.records(0, 100).await.map(drop)
        });
    }
    let mut watch = database.connect().await.unwrap();
    let mut most = 0;
    while !tasks.is_empty() {
        let sessions: i64 = query_scalar(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name = 'keyward'",
        )
        .fetch_one(&mut watch)
        .await
        .unwrap();
        most = most.max(sessions);
        while let Some(done) = tasks.try_join_next() {
            done.unwrap().unwrap();
        }
    }
    // Requests have their own; the change log is read beside them.
    assert!((1..=i64::from(POOL + REGISTRY_CONNECTIONS)).contains(&most), "{most} sessions");
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_connections_to_a_demoted_server_are_dropped() {
    let server = Postgres::start().await.unwrap();
    let database = server.database().await.unwrap();
    let store = any(&database).await;
    warm_up(&store).await;
    let before = sessions(&database).await;
    assert!(!before.is_empty());

    demote(&database, "on").await;
    let refused = apply(&store, vec![Change::InsertOrg(org(1, "lost"))]).await;
    assert!(is_unavailable(&refused));
    // Nor is a read answered: it could be out of date.
    assert!(is_unavailable(&store.ping().await));

    demote(&database, "off").await;
    recovers(&store).await;
    assert!(store.org(org_id(1)).await.unwrap().is_none());
    warm_up(&store).await;
    let after = sessions(&database).await;
    assert!(before.is_disjoint(&after), "{before:?} {after:?}");
}

async fn sessions(database: &Database) -> BTreeSet<i32> {
    let mut connection = database.connect().await.unwrap();
    let pids: Vec<i32> = query_scalar(
        "SELECT pid FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = 'keyward'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    pids.into_iter().collect()
}

/// Makes the whole server read-only, sessions that are open included, or writable again.
async fn demote(database: &Database, value: &'static str) {
    let mut connection = database.connect().await.unwrap();
    let statement = match value {
        "on" => "ALTER SYSTEM SET default_transaction_read_only = on",
        _ => "ALTER SYSTEM RESET default_transaction_read_only",
    };
    connection.execute(statement).await.unwrap();
    connection.execute("SELECT pg_reload_conf()").await.unwrap();
    eventually(async || {
        let mut connection = database.connect().await.unwrap();
        let now: String = query_scalar("SHOW default_transaction_read_only")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        now == value
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_a_commit_that_loses_a_deadlock_is_repeated() {
    let database = database().await;
    let store = any(&database).await;
    given(&store, vec![Change::InsertOrg(org(1, "a")), Change::InsertOrg(org(2, "b"))]).await;
    let mut other = database.connect().await.unwrap();
    // Whoever looks for deadlocks first is the one to give up: not this one.
    other
        .execute("SET deadlock_timeout = '1min'; SET keyward.writer = 'yes'; BEGIN")
        .await
        .unwrap();
    other.execute("UPDATE orgs SET description = 'other' WHERE name = 'b'").await.unwrap();
    let ours = tokio::spawn({
        let store = store.clone();
        let rename = |number| Change::UpdateOrg(edit(org_id(number), "renamed"));
        let changes = vec![rename(1), rename(2)];
        async move { apply(&store, changes).await }
    });
    somebody_waits(&database).await;
    other.execute("UPDATE orgs SET description = 'other' WHERE name = 'a'").await.unwrap();
    other.execute("COMMIT").await.unwrap();
    assert_eq!(outcome(&ours.await.unwrap()), "ok");
    for number in [1, 2] {
        let renamed = store.org(org_id(number)).await.unwrap().unwrap();
        assert_eq!((renamed.name.as_str(), renamed.description.as_str()), ("renamed", ""));
    }
    assert_eq!(store.revision().await.unwrap(), 2);
}

/// Until somebody in this database waits for a lock.
async fn somebody_waits(database: &Database) {
    eventually(async || {
        let mut connection = database.connect().await.unwrap();
        query_scalar(
            "SELECT count(*) > 0 FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d59_r22_a_caller_who_hangs_up_leaves_nothing_half_done() {
    let database = database().await;
    let config =
        PgConfig { pool_max: 1, acquire_timeout: Duration::from_secs(5), ..config(&database) };
    let store: AnyStore = Arc::new(PgStore::connect(&config).await.unwrap());
    let mut other = database.connect().await.unwrap();
    other.execute("BEGIN; LOCK TABLE org_memberships IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let owner = membership(org_id(1), user(1), OrgRole::Owner);
    let founding = tokio::spawn({
        let store = store.clone();
        let changes = vec![Change::InsertOrg(org(1, "acme")), Change::InsertMembership(owner)];
        async move { apply(&store, changes).await }
    });
    // The first change is written and the second waits.
    somebody_waits(&database).await;
    founding.abort();
    assert!(founding.await.unwrap_err().is_cancelled());
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(store.org(org_id(1)).await.unwrap(), None);
    given(&store, vec![Change::InsertOrg(org(1, "acme"))]).await;
    assert_eq!(store.revision().await.unwrap(), 1);
}

#[tokio::test]
async fn text_that_postgresql_cannot_hold_is_the_callers_mistake() {
    let store = any(&database().await).await;
    let odd = Key { subject: "a\0b".into(), ..key(1, user(1)) };
    let error = apply(&store, vec![Change::InsertKey(odd)]).await.unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
}

#[test]
fn a_store_opens_on_any_thread() {
    fn any_thread<T: Send>(_: &T) {}
    let config = PgConfig::new("localhost", 5432, "auth", String::new().into(), "auth");
    any_thread(&PgStore::connect(&config));
}

/// A write that is under way when its session is ended, and comes after that, does not happen: else whoever
/// logged out everywhere and looked at what there is would find it there later.
#[tokio::test(flavor = "multi_thread")]
async fn s26_a_write_that_is_overtaken_by_the_end_of_its_session_is_undone() {
    let database = database().await;
    let store = any(&database).await;
    given(&store, vec![Change::InsertOrg(org(1, "acme"))]).await;
    let issued_at = moment(0).seconds();
    let session = Guard::SessionLives { user: user(1), issued_at };
    let joining = membership(org_id(1), user(1), OrgRole::Viewer);
    let mut holder = database.connect().await.unwrap();
    holder.execute("BEGIN; SELECT 1 FROM orgs FOR UPDATE").await.unwrap();
    let writer = Arc::clone(&store);
    let write = tokio::spawn(async move {
        writer.commit(guarded(vec![session], vec![Change::InsertMembership(joining)])).await
    });
    let mut watch = database.connect().await.unwrap();
    let waiting = async || {
        query_scalar::<_, i64>(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND application_name = 'keyward' AND wait_event_type = 'Lock'",
        )
        .fetch_one(&mut watch)
        .await
        .unwrap()
    };
    until(waiting).await;
    given(&store, vec![Change::EndSessions { user: user(1), until: moment(1) }]).await;
    holder.execute("COMMIT").await.unwrap();
    let refused = write.await.unwrap().unwrap_err();
    assert!(matches!(refused, Error::Unauthenticated(Unauthenticated::NotHonoured)), "{refused:?}");
    assert_eq!(store.membership(org_id(1), user(1)).await.unwrap(), None);
}

/// Asks again until something waits.
async fn until(mut waiting: impl AsyncFnMut() -> i64) {
    let asking = async {
        while waiting().await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(READ, asking).await.unwrap();
}
