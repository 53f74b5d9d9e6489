//! Migrating, cut off after any of its statements: whoever starts next goes on, and ends where an uninterrupted
//! one does.

use auth_postgres::PgStore;
use auth_testkit::{Database, Postgres, Proxy};

use crate::schema::{CATALOGUE, INDEXES, ORIGINAL, OURS, read};
use crate::world::{config, database};

/// Every so many statements, or after each of them with `KEYWARD_FAULTS`, as `make test-faults` has it.
fn stride() -> usize {
    if std::env::var_os("KEYWARD_FAULTS").is_some() { 1 } else { 17 }
}

/// All there is, ours included, and what the ledger says of it.
async fn everything(database: &Database) -> [String; 4] {
    const LEDGER: &str = "SELECT string_agg(concat_ws(' ', version, description, success, \
        encode(checksum, 'hex')), E'\\n' ORDER BY version) FROM keyward_migrations";
    [
        read(database, CATALOGUE).await,
        read(database, INDEXES).await,
        read(database, OURS).await,
        read(database, LEDGER).await,
    ]
}

async fn cut_off_anywhere(before: Option<&str>) {
    let prepared = async || {
        let database = database().await;
        if let Some(statements) = before {
            database.execute(statements).await.unwrap();
        }
        database
    };
    let whole = prepared().await;
    PgStore::connect(&config(&whole)).await.unwrap();
    let whole = everything(&whole).await;

    let server = Postgres::shared().await.unwrap();
    let proxy = Proxy::to(server.address()).await.unwrap();
    let mut cuts = 0;
    // The first statements are those of connecting.
    for words in (4..).step_by(stride()) {
        let database = prepared().await;
        proxy.cut_after(words);
        let ended = PgStore::connect(&config(&database.at(proxy.address()))).await;
        if !proxy.forgive() {
            ended.unwrap();
            break;
        }
        if ended.is_ok() {
            // It was done when it was cut off: connections say something in the background, too.
            assert_eq!(everything(&database).await, whole, "after {words}: it did not notice");
            break;
        }
        cuts += 1;
        PgStore::connect(&config(&database))
            .await
            .unwrap_or_else(|error| panic!("{words}: {error}"));
        assert_eq!(everything(&database).await, whole, "cut off after {words}");
    }
    assert!(cuts >= 100 / stride(), "only {cuts} cuts");
}

#[tokio::test(flavor = "multi_thread")]
async fn r34_migrating_an_empty_database_is_cut_off_anywhere_and_gone_on_with() {
    cut_off_anywhere(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r34_taking_over_the_original_is_cut_off_anywhere_and_gone_on_with() {
    cut_off_anywhere(Some(ORIGINAL)).await;
}
