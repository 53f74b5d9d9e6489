//! What `docs/operations.md` says of a copy of the database that is brought back.

use std::collections::BTreeSet;

use auth_contract::audit::every_kind;
use auth_contract::sample::commit;
use auth_domain::fact::Fact;
use auth_domain::ports::Store;
use auth_testkit::workspace;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::world::{database, store};

/// What gives or tells something and takes nothing away: a copy that lacks it lets nobody in.
const GIVEN: [&str; 21] = [
    "account.create",
    "account.enable",
    "account.update",
    "account.verify_email",
    "backup.restore",
    "group.assign",
    "group.create",
    "group.update",
    "invite.accept",
    "invite.activate",
    "invite.create",
    "invite.restore",
    "key.issue",
    "mail.retry",
    "membership.create",
    "org.create",
    "org.update",
    "platform_invite.accept",
    "platform_invite.create",
    "users.export",
    "users.import",
];

/// The statement, and the kinds of records that it asks for.
fn documented() -> (String, BTreeSet<String>, BTreeSet<String>) {
    let manual = std::fs::read_to_string(workspace().join("docs/operations.md")).unwrap();
    let from = manual.find("SELECT kind, subject, object, payload FROM keyward_changes").unwrap();
    let statement = manual[from..].split(';').next().unwrap().to_owned();
    let quoted = |text: &str, mark: char| -> BTreeSet<String> {
        text.split(mark).skip(1).step_by(2).map(str::to_owned).collect()
    };
    let asked = quoted(&statement, '\'');
    // All there are, as consumers of events are told.
    let row = manual.lines().find(|line| line.starts_with("| `operation` | `org.create`")).unwrap();
    let all = quoted(row, '`').into_iter().filter(|word| word.contains('.')).collect();
    (statement, asked, all)
}

#[tokio::test]
async fn r40_the_statement_finds_everything_that_was_taken_away_since() {
    let (statement, asked, all) = documented();
    let given = GIVEN.map(str::to_owned).into();
    assert_eq!(asked.intersection(&given).count(), 0);
    assert_eq!(
        asked.union(&given).cloned().collect::<BTreeSet<_>>(),
        all,
        "every kind is one or the other"
    );

    let database = database().await;
    let store = store(&database).await;
    let mut expected = Vec::new();
    for change in every_kind() {
        let taken = Fact::of(&change).into_iter().filter(|fact| asked.contains(fact.kind));
        expected.extend(taken.map(|fact| (fact.kind.to_owned(), fact.subject, fact.object)));
        store.commit(commit(vec![change])).await.unwrap();
    }
    assert!(expected.len() > 10, "{expected:?}");
    let mut connection: PgConnection = database.connect().await.unwrap();
    let found: Vec<(String, Option<String>, String, serde_json::Value)> =
        sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(0_i64)
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let found: Vec<_> =
        found.into_iter().map(|(kind, subject, object, _)| (kind, subject, object)).collect();
    assert_eq!(found, expected);
    connection.close().await.unwrap();
}
