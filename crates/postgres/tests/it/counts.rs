//! Members are counted whoever writes them, and nobody is in anybody's way for it.

use auth_domain::model::{Direction, OrgId, OrgRole, Page};
use auth_domain::ports::Memberships;
use auth_postgres::PgStore;
use auth_testkit::Database;
use sqlx::{AssertSqlSafe, Connection, PgConnection, query_scalar, raw_sql};
use uuid::Uuid;

use crate::schema::ORIGINAL;
use crate::world::{config, database, store};

/// What the original does for each new member: a statement of its own, in a transaction with others.
fn join(org: u32, member: u32, role: &str) -> String {
    format!(
        "INSERT INTO org_memberships (org_id, member_id, role, created_at, updated_at) \
         VALUES ('{}', '{}', '{role}', now(), now())",
        id(org),
        id(member)
    )
}

fn id(number: u32) -> Uuid {
    Uuid::from_u128(number.into())
}

fn found(orgs: std::ops::RangeInclusive<u32>) -> String {
    format!(
        "INSERT INTO orgs (id, owner_id, name, description, created_at, updated_at) \
         SELECT lpad(to_hex(number), 32, '0')::uuid, '{}', 'acme', '', now(), now() \
         FROM generate_series({}, {}) AS number",
        id(1),
        orgs.start(),
        orgs.end()
    )
}

async fn run(db: &mut PgConnection, statement: &str) {
    raw_sql(AssertSqlSafe(statement)).execute(db).await.unwrap();
}

/// Every sum of counts that differs from a count, and every count of orgs that have no members.
async fn wrong(db: &mut PgConnection) -> Vec<String> {
    query_scalar(
        "SELECT concat_ws(' ', org_id, role, summed, counted) FROM \
         (SELECT org_id, role, sum(members) AS summed FROM keyward_member_counts \
          GROUP BY org_id, role) AS sums FULL JOIN \
         (SELECT org_id, role::text, count(*) AS counted FROM org_memberships \
          GROUP BY org_id, role) AS counts USING (org_id, role) \
         WHERE coalesce(summed, 0) <> coalesce(counted, 0)",
    )
    .fetch_all(db)
    .await
    .unwrap()
}

async fn rows(db: &mut PgConnection) -> i64 {
    query_scalar("SELECT count(*) FROM keyward_member_counts").fetch_one(db).await.unwrap()
}

async fn total(store: &PgStore, org: u32, role: Option<OrgRole>) -> u64 {
    let page = Page::new(0, 1, (), Direction::Ascending).unwrap();
    store.memberships(OrgId::new(id(org)), role, page).await.unwrap().total
}

async fn world() -> (Database, PgStore, PgConnection) {
    let database = database().await;
    let store = store(&database).await;
    let db = database.connect().await.unwrap();
    (database, store, db)
}

#[tokio::test]
async fn r20_whatever_the_original_writes_is_counted() {
    let (_database, store, mut db) = world().await;
    for statement in [
        found(1..=3),
        format!("BEGIN; {}; {}; COMMIT", join(1, 11, "owner"), join(1, 12, "viewer")),
        format!("BEGIN; {}; {}; ROLLBACK", join(1, 13, "viewer"), join(2, 13, "viewer")),
        "INSERT INTO org_memberships (org_id, member_id, role) \
         SELECT orgs.id, gen_random_uuid(), role FROM orgs, generate_series(1, 50), \
         unnest('{viewer,editor,boss}'::text[]) AS role"
            .to_owned(),
        // Like what it does when a role is changed, and one that does not exist.
        "UPDATE org_memberships SET role = 'admin', updated_at = now() WHERE role = 'editor'"
            .into(),
        "UPDATE org_memberships SET updated_at = now()".into(),
        format!("UPDATE org_memberships SET org_id = '{}' WHERE org_id = '{}'", id(3), id(2)),
        format!(
            "INSERT INTO org_memberships SELECT * FROM org_memberships \
             ON CONFLICT (member_id, org_id) DO UPDATE SET role = 'chief' \
             WHERE excluded.role = 'boss' AND excluded.org_id = '{}'",
            id(1)
        ),
        format!("DELETE FROM org_memberships WHERE org_id = '{}' AND role = 'viewer'", id(1)),
        // Memberships go with their orgs.
        format!("DELETE FROM orgs WHERE id IN ('{}', '{}')", id(2), id(3)),
    ] {
        run(&mut db, &statement).await;
        assert_eq!(wrong(&mut db).await, [""; 0], "{statement}");
    }
    // Of 50 admins, 50 with an odd role and the owner.
    assert_eq!(total(&store, 1, None).await, 51);
    assert_eq!(total(&store, 1, Some(OrgRole::Admin)).await, 50);
    assert_eq!(total(&store, 3, None).await, 0);
    let left: Vec<String> = query_scalar(
        "SELECT concat_ws(' ', right(org_id::text, 1), role, members) FROM keyward_member_counts \
         ORDER BY 1",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    assert_eq!(
        left,
        ["1 admin 50", "1 chief 50", "1 owner 1"],
        "merged, and of no org that is gone"
    );
    run(&mut db, "TRUNCATE orgs CASCADE").await;
    assert_eq!((wrong(&mut db).await, rows(&mut db).await), (vec![], 0));
}

#[tokio::test]
async fn r20_members_of_a_database_of_the_original_are_counted_when_it_is_taken_over() {
    let database = database().await;
    database.execute(ORIGINAL).await.unwrap();
    database.execute(&found(1..=20)).await.unwrap();
    let many = "INSERT INTO org_memberships (org_id, member_id, role) \
        SELECT id, gen_random_uuid(), 'viewer' FROM orgs, generate_series(1, 500)";
    database.execute(many).await.unwrap();
    let store = PgStore::connect(&config(&database)).await.unwrap();
    let mut db = database.connect().await.unwrap();
    assert_eq!(wrong(&mut db).await, [""; 0]);
    assert_eq!(total(&store, 7, None).await, 500);
}

#[tokio::test]
async fn counting_makes_nobody_wait() {
    let (database, store, mut one) = world().await;
    let mut other = database.connect().await.unwrap();
    run(&mut one, &found(1..=2)).await;
    run(&mut one, &format!("{}; {}", join(1, 11, "viewer"), join(2, 11, "admin"))).await;
    // Who waited here would wait for ever: both orders, both orgs, two roles.
    for (number, (db, orgs)) in (20..).zip([(&mut one, [1, 2]), (&mut other, [2, 1])]) {
        run(db, "SET lock_timeout = '1s'; BEGIN").await;
        for org in orgs {
            run(db, &join(org, number, "viewer")).await;
            run(db, &join(org, number + 10, "editor")).await;
        }
    }
    run(&mut one, "UPDATE org_memberships SET role = 'editor' WHERE role = 'admin'").await;
    run(&mut one, "COMMIT").await;
    run(&mut other, "COMMIT").await;
    assert_eq!(wrong(&mut one).await, [""; 0]);
    for org in [1, 2] {
        assert_eq!(total(&store, org, None).await, 5);
        assert_eq!(total(&store, org, Some(OrgRole::Viewer)).await, if org == 1 { 3 } else { 2 });
    }
    // What the two could not merge, the next ones do.
    for number in 40..50 {
        run(&mut one, &join(1, number, "viewer")).await;
    }
    let of_one: i64 = query_scalar("SELECT count(*) FROM keyward_member_counts WHERE org_id = $1")
        .bind(id(1))
        .fetch_one(&mut one)
        .await
        .unwrap();
    assert_eq!(of_one, 2);
}

#[tokio::test]
async fn counting_fails_nobody_at_a_stricter_level() {
    let (database, _store, mut one) = world().await;
    let mut other = database.connect().await.unwrap();
    run(&mut one, &format!("{}; {}", found(1..=1), join(1, 11, "viewer"))).await;
    // The counts alone: what others write advances the revision, which two of them at such a level cannot both.
    run(&mut one, "SET keyward.writer = 'yes'").await;
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        run(&mut one, &format!("BEGIN ISOLATION LEVEL {level}; SELECT 1 FROM orgs")).await;
        run(&mut other, &join(1, level.len().try_into().unwrap(), "viewer")).await;
        run(&mut one, &join(1, 100 + u32::try_from(level.len()).unwrap(), "viewer")).await;
        run(&mut one, "COMMIT").await;
    }
    assert_eq!(wrong(&mut one).await, [""; 0]);
}

#[tokio::test]
async fn whoever_may_write_memberships_needs_no_right_on_the_counts() {
    let (database, _store, mut db) = world().await;
    run(&mut db, &found(1..=1)).await;
    let role = format!("writer_of_{}", database.name);
    let given = format!(
        "CREATE ROLE {role}; GRANT SELECT, INSERT, UPDATE, DELETE ON orgs, org_memberships TO {role}"
    );
    run(&mut db, &given).await;
    let mut tx = db.begin().await.unwrap();
    run(&mut tx, &format!("SET LOCAL ROLE {role}")).await;
    run(&mut tx, &join(1, 11, "viewer")).await;
    run(&mut tx, "UPDATE org_memberships SET role = 'admin'; DELETE FROM orgs").await;
    run(&mut tx, "RESET ROLE").await;
    assert_eq!(wrong(&mut tx).await, [""; 0]);
    tx.rollback().await.unwrap();
    run(&mut db, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn r36_the_original_writes_on_when_somebody_dropped_the_counts() {
    let (_database, _store, mut db) = world().await;
    run(&mut db, &format!("{}; DROP TABLE keyward_member_counts", found(1..=2))).await;
    run(&mut db, &join(1, 11, "viewer")).await;
    run(&mut db, "UPDATE org_memberships SET role = 'admin'; DELETE FROM orgs").await;
    run(&mut db, "TRUNCATE org_memberships").await;
}

#[tokio::test]
async fn what_was_written_past_the_triggers_is_counted_again_by_hand() {
    let (_database, _store, mut db) = world().await;
    run(&mut db, &found(1..=2)).await;
    let past = format!("SET session_replication_role = replica; {}", join(1, 11, "viewer"));
    run(&mut db, &past).await;
    assert_ne!(wrong(&mut db).await, [""; 0]);
    run(&mut db, "SELECT keyward_recount_members()").await;
    assert_eq!(wrong(&mut db).await, [""; 0]);
}

/// What a transaction of many statements costs each of them does not grow with their number.
#[tokio::test]
async fn many_statements_in_one_transaction_do_not_slow_each_other_down() {
    let (_database, _store, mut db) = world().await;
    run(&mut db, &found(1..=1)).await;
    let many = |number: u32| {
        format!(
            "DO $$ BEGIN FOR i IN 1..{number} LOOP INSERT INTO org_memberships \
             (org_id, member_id, role) VALUES ('{}', gen_random_uuid(), 'viewer'); \
             END LOOP; END $$",
            id(1)
        )
    };
    let mut visited = Vec::new();
    for number in [300, 3_000] {
        run(&mut db, "BEGIN").await;
        let before = buffers(&mut db).await;
        run(&mut db, &many(number)).await;
        visited.push((buffers(&mut db).await - before) / f64::from(number));
        run(&mut db, "COMMIT").await;
    }
    assert!(visited[1] < visited[0] * 3.0, "pages visited by each: {visited:?}");
    assert_eq!(wrong(&mut db).await, [""; 0]);
}

/// How often this transaction has looked at a page of the table of counts or its index.
async fn buffers(db: &mut PgConnection) -> f64 {
    let hits: i64 = query_scalar(
        "SELECT pg_stat_get_xact_blocks_fetched('keyward_member_counts'::regclass) \
         + pg_stat_get_xact_blocks_fetched('keyward_member_counts_org_id_written_by'::regclass)",
    )
    .fetch_one(db)
    .await
    .unwrap();
    f64::from(i32::try_from(hits).unwrap())
}
