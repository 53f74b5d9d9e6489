//! What a migration of PostgreSQL may do: only add. The release before goes on using the schema while this one is
//! rolled out, so nothing that it reads may go, and nothing that it writes may be refused (docs/operations.md,
//! "Upgrading"). The embedded store has one process at a time.

use std::collections::BTreeSet;

use auth_testkit::workspace;

/// What does more than add, and why that is no harm: the file, how the statement begins, the reason.
const EXCEPTIONS: [(&str, &str, &str); 6] = [
    (
        "0009_keyward_member_counts.sql",
        "CREATE TRIGGER ",
        "counts what was written beside it, whoever wrote it, and refuses nothing",
    ),
    (
        "0009_keyward_member_counts.sql",
        "SELECT keyward_recount_members()",
        "fills a table that the release before does not know",
    ),
    (
        "0032_keyward_foreign_writes.sql",
        "CREATE CONSTRAINT TRIGGER ",
        "raises the revision for writers who do not do it themselves, and refuses nothing",
    ),
    (
        "0050_keyward_accounts_foreign_writes.sql",
        "CREATE CONSTRAINT TRIGGER ",
        "raises the revision for writers who do not do it themselves, and refuses nothing",
    ),
    (
        "0070_keyward_tickets_beside_others.sql",
        "ALTER TABLE keyward_tickets DROP CONSTRAINT ",
        "no release has known the table, and rows are refused less",
    ),
    (
        "0070_keyward_tickets_beside_others.sql",
        "ALTER TABLE keyward_tickets ADD CONSTRAINT ",
        "no release has known the table, and it refuses nothing that the one before it took",
    ),
];

/// The files of migrations, and the statements of each on one line and without comments.
fn migrations() -> Vec<(String, Vec<String>)> {
    let folder = workspace().join("migrations/postgres");
    let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut all: Vec<_> = files
        .map(|file| {
            let text = std::fs::read_to_string(file.path()).unwrap();
            (file.file_name().into_string().unwrap(), statements(&text))
        })
        .collect();
    all.sort();
    all
}

/// Splits at semicolons that end a line and are in no `$$` body.
fn statements(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut statement = String::new();
    let mut in_body = false;
    for line in text.lines() {
        let line = line.split("--").next().unwrap_or_default().trim();
        statement.push_str(line);
        statement.push(' ');
        in_body ^= line.matches("$$").count() % 2 == 1;
        if line.ends_with(';') && !in_body {
            found.push(std::mem::take(&mut statement).trim().to_owned());
        }
    }
    assert!(statement.trim().is_empty(), "no semicolon after {statement:?}");
    found
}

/// The word after this one.
fn word_after<'a>(statement: &'a str, word: &str) -> Option<&'a str> {
    statement.split_once(word)?.1.split([' ', '(', ';']).find(|word| !word.is_empty())
}

/// What it does beyond adding, if anything. `ours` are the tables that the same file makes, which the release before
/// does not know.
fn beyond_adding(statement: &str, ours: &BTreeSet<&str>) -> Option<&'static str> {
    let on_ours = || word_after(statement, " ON ").is_some_and(|table| ours.contains(table));
    let begins = |words: &str| statement.starts_with(words);
    // Of this transaction, and of nobody's data.
    if begins("SET TRANSACTION ") {
        return None;
    }
    if begins("CREATE TABLE ") || begins("CREATE INDEX ") || begins("CREATE FUNCTION ") {
        return None;
    }
    if begins("CREATE UNIQUE INDEX ") {
        return (!on_ours()).then_some("refuses rows that were not refused before");
    }
    if begins("CREATE TRIGGER ") || begins("CREATE CONSTRAINT TRIGGER ") {
        return (!on_ours()).then_some("changes what a write does");
    }
    if begins("INSERT INTO ") {
        let table = word_after(statement, "INSERT INTO ").unwrap_or_default();
        return (!ours.contains(table)).then_some("writes what the release before reads");
    }
    if begins("ALTER TABLE ") && statement.contains(" ADD COLUMN ") {
        let demanded = statement.contains("NOT NULL") && !statement.contains("DEFAULT");
        return demanded.then_some("refuses rows that do not name the column");
    }
    Some("is not known to add only")
}

#[test]
fn r35_a_migration_only_adds() {
    let (mut used, mut problems) = (BTreeSet::new(), Vec::new());
    for (file, statements) in migrations() {
        // What the original makes, and we on an empty database, is before all releases.
        if file == "original.sql" {
            continue;
        }
        assert!(!statements.is_empty(), "{file} does nothing");
        let tables = statements.iter().filter(|it| it.starts_with("CREATE TABLE "));
        let ours: BTreeSet<_> = tables.filter_map(|it| word_after(it, "CREATE TABLE ")).collect();
        for statement in &statements {
            let Some(problem) = beyond_adding(statement, &ours) else { continue };
            let is_it = |(name, beginning, _): &(&str, &str, &str)| {
                *name == file && statement.starts_with(beginning)
            };
            if let Some(place) = EXCEPTIONS.iter().position(is_it) {
                used.insert(place);
            } else {
                problems.push(format!("{file}: {statement} {problem}"));
            }
        }
    }
    assert!(
        problems.is_empty(),
        "the release before uses this schema during a roll-out: expand now, contract a release later; or say in \
         EXCEPTIONS why it is no harm: {problems:#?}"
    );
    assert_eq!(used.len(), EXCEPTIONS.len(), "some exceptions are of nothing");
}

#[test]
fn what_does_more_than_add_is_told_apart() {
    let ours = BTreeSet::from(["keyward_new"]);
    for (statement, adds) in [
        ("CREATE TABLE keyward_new (a text);", true),
        ("CREATE INDEX keyward_i ON orgs (id);", true),
        ("CREATE UNIQUE INDEX keyward_i ON keyward_new (a);", true),
        ("CREATE UNIQUE INDEX keyward_i ON orgs (name);", false),
        ("ALTER TABLE orgs ADD COLUMN a text;", true),
        ("ALTER TABLE orgs ADD COLUMN a text NOT NULL DEFAULT '';", true),
        ("ALTER TABLE orgs ADD COLUMN a text NOT NULL;", false),
        ("ALTER TABLE orgs RENAME COLUMN name TO title;", false),
        ("ALTER TABLE orgs ALTER COLUMN name TYPE text;", false),
        ("ALTER TABLE orgs DROP COLUMN name;", false),
        ("DROP TABLE keyward_mails;", false),
        ("UPDATE orgs SET name = '';", false),
        ("INSERT INTO keyward_new (a) VALUES ('x');", true),
        ("INSERT INTO keyward_revision (value) VALUES (1);", false),
        ("CREATE TRIGGER keyward_t BEFORE UPDATE ON orgs EXECUTE FUNCTION keyward_f();", false),
    ] {
        assert_eq!(beyond_adding(statement, &ours).is_none(), adds, "{statement}");
    }
}
