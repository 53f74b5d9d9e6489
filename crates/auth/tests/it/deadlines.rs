//! the time a client gives a call holds for what is done for it, and a client that goes away ends that, too.

use std::time::Duration;

use auth_grpc::proto::OrgId;
use auth_testkit::{Database, Postgres, Server};
use tokio::time::timeout;
use tonic::Code;

use crate::world::{embedded, eventually, found, get, sibling};

const SOON: Duration = Duration::from_secs(5);

/// How many operations ended because nobody waited for them any more.
async fn cancelled(server: &Server) -> u64 {
    let metrics = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let lines = metrics.lines().filter(|line| {
        line.starts_with("auth_operations_total{") && line.contains("outcome=\"cancelled\"")
    });
    lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

/// Whether this is so of the database.
async fn is_so(database: &Database, condition: &str) -> bool {
    let asked = format!("DO $$ BEGIN IF NOT ({condition}) THEN RAISE 'no'; END IF; END $$");
    database.execute(&asked).await.is_ok()
}

#[tokio::test]
async fn r13_who_runs_out_of_time_or_goes_away_leaves_nothing_behind() {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let server = embedded().on(&database).start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let org = found(&server, &login, "acme").await;
    let mut siblings = sibling(&server).await;

    // Longer than all of the following takes.
    let locking = async {
        let hold = "BEGIN; LOCK TABLE orgs IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(8); COMMIT";
        database.execute(hold).await.unwrap();
    };
    let asking = async {
        eventually("the table is locked", SOON, async || {
            let held = "EXISTS (SELECT FROM pg_locks WHERE relation = 'orgs'::regclass AND granted \
                        AND mode = 'AccessExclusiveLock')";
            is_so(&database, held).await
        })
        .await;
        let mut request = tonic::Request::new(OrgId { value: org });
        request.set_timeout(Duration::from_millis(300));
        let late = siblings.get_owner_id_by_org_id(request).await.unwrap_err();
        assert!(matches!(late.code(), Code::DeadlineExceeded | Code::Cancelled), "{late}");
        eventually("its work has ended", SOON, async || cancelled(&server).await == 1).await;

        let left = timeout(Duration::from_millis(300), get(&server, "/orgs", &login)).await;
        assert!(left.is_err());
        eventually("its work has ended", SOON, async || cancelled(&server).await == 2).await;
        eventually("no statement is left", SOON, async || {
            let none = "NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
                        AND wait_event_type = 'Lock')";
            is_so(&database, none).await
        })
        .await;
        // All of that while the table was locked: nothing ended because it could go on.
        let held = "EXISTS (SELECT FROM pg_locks WHERE relation = 'orgs'::regclass AND granted \
                    AND mode = 'AccessExclusiveLock')";
        assert!(is_so(&database, held).await);
    };
    tokio::join!(locking, asking);
    assert_eq!(get(&server, "/orgs", &login).await.status(), 200);
}
