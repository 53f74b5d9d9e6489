//! The fixture does to PostgreSQL what it says.

use std::time::Duration;

use auth_testkit::Postgres;
use sqlx::Connection;
use tokio::time::timeout;

async fn one(connection: &mut sqlx::PgConnection) -> sqlx::Result<i32> {
    sqlx::query_scalar("SELECT 1").fetch_one(connection).await
}

#[tokio::test]
async fn databases_are_apart_and_survive_a_restart() {
    let mut server = Postgres::start().await.unwrap();
    let (first, second) = (server.database().await.unwrap(), server.database().await.unwrap());
    first.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await.unwrap();
    assert!(second.execute("SELECT * FROM t").await.is_err());
    let mut open = first.connect().await.unwrap();

    server.stop().await.unwrap();
    assert!(one(&mut open).await.is_err());
    assert!(first.connect().await.is_err());

    server.start_again().await.unwrap();
    first.execute("SELECT 1 / count(*) FROM t").await.unwrap();
}

#[tokio::test]
async fn a_frozen_server_answers_after_it_is_thawed() {
    const MOMENT: Duration = Duration::from_millis(300);
    let server = Postgres::start().await.unwrap();
    let mut open = server.database().await.unwrap().connect().await.unwrap();
    server.freeze().await.unwrap();
    {
        let mut asked = std::pin::pin!(one(&mut open));
        assert!(timeout(MOMENT, &mut asked).await.is_err());
        server.thaw().await.unwrap();
        assert_eq!(asked.await.unwrap(), 1);
    }
    open.ping().await.unwrap();
}

#[tokio::test]
async fn a_dropped_server_is_gone() {
    let server = Postgres::start().await.unwrap();
    let database = server.database().await.unwrap();
    drop(server);
    assert!(database.connect().await.is_err());
}
