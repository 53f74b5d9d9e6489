//! The two stores agree on everything that can be done to them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use auth_contract::AnyStore;
use auth_contract::arbitrary::{Question, histories, look, questions};
use auth_contract::sample::{apply, given, org, org_id, outcome};
use auth_contract::trees::{self, Tree};
use auth_domain::change::{Change, Commit};
use auth_sqlite::SqliteStore;
use auth_testkit::Database;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use crate::world::{database, store};

/// How long histories are made up for; shrinking one that fails comes on top.
const BUDGET: Duration = Duration::from_secs(15);
/// No more than these.
const CASES: u32 = 200;

/// Emptied instead of made anew for every history, which takes longer than the history; not as somebody else's
/// writes, which advance the revision.
pub const EMPTY: &str = "SELECT set_config('keyward.writer', 'yes', TRUE); DELETE FROM users_roles; DELETE FROM keys; DELETE FROM orgs; \
    DELETE FROM keyward_group_members; DELETE FROM keyward_group_roles; DELETE FROM keyward_groups; \
    DELETE FROM keyward_group_scopes; DELETE FROM keyward_accounts; DELETE FROM keyward_tickets; DELETE FROM keyward_sessions; DELETE FROM keyward_platform_invites; DELETE FROM keyward_cutoffs; \
    DELETE FROM keyward_withdrawn_keys; \
    DELETE FROM keyward_changes; \
    UPDATE keyward_revision SET value = 0";

struct Pair {
    database: Database,
    postgres: AnyStore,
}

impl Pair {
    async fn new() -> Self {
        let database = database().await;
        let postgres: AnyStore = Arc::new(store(&database).await);
        Self { database, postgres }
    }

    /// Gives the same history to both; says where they differ.
    async fn compare(&self, history: &[Commit], question: &Question) -> Result<(), String> {
        self.database.execute(EMPTY).await.unwrap();
        let sqlite: AnyStore = Arc::new(SqliteStore::in_memory().await.unwrap());
        for (place, commit) in history.iter().enumerate() {
            let ours = outcome(&sqlite.commit(commit.clone()).await);
            let theirs = outcome(&self.postgres.commit(commit.clone()).await);
            if ours != theirs {
                return Err(format!("commit {place}: SQLite {ours}, PostgreSQL {theirs}"));
            }
        }
        let ours = look(&sqlite, question).await;
        let theirs = look(&self.postgres, question).await;
        if ours == theirs {
            Ok(())
        } else {
            Err(format!("SQLite {ours:#?}\nPostgreSQL {theirs:#?}"))
        }
    }
}

/// Plays the same history of groups on both, and on a plain tree; says where they differ.
async fn plant(pair: &Pair, history: &[Change]) -> Result<(), String> {
    pair.database.execute(EMPTY).await.unwrap();
    let sqlite: AnyStore = Arc::new(SqliteStore::in_memory().await.unwrap());
    let orgs = vec![Change::InsertOrg(org(1, "one")), Change::InsertOrg(org(2, "two"))];
    let mut tree = Tree::new(vec![org_id(1), org_id(2)]);
    for store in [&sqlite, &pair.postgres] {
        given(store, orgs.clone()).await;
    }
    for (place, change) in history.iter().enumerate() {
        let expected = tree.apply(change);
        for (name, store) in [("SQLite", &sqlite), ("PostgreSQL", &pair.postgres)] {
            let found = outcome(&apply(store, vec![change.clone()]).await);
            if found != expected {
                return Err(format!("change {place}: {name} {found}, the tree {expected}"));
            }
        }
    }
    for (name, store) in [("SQLite", &sqlite), ("PostgreSQL", &pair.postgres)] {
        let (found, expected) = (trees::look(store).await, tree.look());
        if found != expected {
            return Err(format!("{name} {found:#?}\nthe tree {expected:#?}"));
        }
    }
    Ok(())
}

#[test]
fn s45_both_stores_keep_trees_as_a_plain_tree_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pair = runtime.block_on(Pair::new());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed());
    let config = Config { failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let started = Instant::now();
    for case in 0..CASES {
        if started.elapsed() > BUDGET {
            println!("{case} histories in {BUDGET:?}");
            break;
        }
        let tree = trees::histories().new_tree(&mut runner).unwrap();
        let result = runner.run_one(tree, |history| {
            runtime
                .block_on(plant(&pair, &history))
                .map_err(proptest::test_runner::TestCaseError::fail)
        });
        if let Err(TestError::Fail(difference, history)) = result {
            panic!("{difference}\nafter {history:#?}");
        }
        result.unwrap();
    }
}

/// A run can be repeated with the seed it prints: `AGREEMENT_SEED=… cargo test the_stores_agree`.
fn seed() -> [u8; 32] {
    let given = std::env::vars_os().find(|(name, _)| name == "AGREEMENT_SEED");
    let number: u64 = match given {
        Some((_, text)) => text.to_str().unwrap().parse().unwrap(),
        None => std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), ()),
    };
    println!("AGREEMENT_SEED={number}");
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    seed
}

#[test]
fn the_stores_agree() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pair = runtime.block_on(Pair::new());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed());
    let config = Config { failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let strategy = (histories(), questions());
    let started = Instant::now();
    for case in 0..CASES {
        if started.elapsed() > BUDGET {
            println!("{case} histories in {BUDGET:?}");
            break;
        }
        let tree = strategy.new_tree(&mut runner).unwrap();
        let result = runner.run_one(tree, |(history, question)| {
            runtime
                .block_on(pair.compare(&history, &question))
                .map_err(proptest::test_runner::TestCaseError::fail)
        });
        if let Err(TestError::Fail(difference, (history, question))) = result {
            panic!("{difference}\nafter {history:#?}\nasked {question:?}");
        }
        result.unwrap();
    }
}

#[test]
fn histories_do_something() {
    let mut runner = TestRunner::deterministic();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut done, mut refused) = (0, 0);
    for _ in 0..20 {
        let history = histories().new_tree(&mut runner).unwrap().current();
        runtime.block_on(async {
            let store = SqliteStore::in_memory().await.unwrap();
            for commit in history {
                match outcome(&auth_domain::ports::Store::commit(&store, commit).await) {
                    "ok" => done += 1,
                    _ => refused += 1,
                }
            }
        });
    }
    // A comparison of refusals only, or of successes only, would prove little.
    assert!(done > 50 && refused > 50, "{done} done, {refused} refused");
}
