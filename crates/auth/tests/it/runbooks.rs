//! The runbooks, typed as an operator would on the machines of two replicas: the real binary, a real PostgreSQL and
//! its standby. And every other command that a document shows: one that no test types is found here.

mod machine;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use auth_testkit::{Database, Postgres, Proxy, workspace};
use tokio::process::Command;

use self::machine::Machine;
use crate::docs::links::pages;
use crate::shell::blocks;
use crate::upgrading::previous;
use crate::world::{embedded, eventually, found};

const PAGE: &str = "docs/runbooks.md";
const PATIENCE: Duration = Duration::from_secs(30);

/// Every kind of block with commands, by its page; each is typed by the test that asks for it.
const TYPED: &[(&str, &str)] = &[
    ("README.md", "conversation"),
    ("README.md", "make"),
    ("docs/migrating-from-mainflux.md", "migration"),
    ("docs/migrating-from-mainflux.md", "removal"),
    ("docs/migrating-from-mainflux.md", "users"),
    ("docs/migrating-from-mainflux.md", "users-back"),
    ("docs/migrating-from-mainflux.md", "weak-secret"),
    ("docs/operations.md", "audit"),
    ("docs/operations.md", "explain"),
    (PAGE, "failover"),
    (PAGE, "go-back"),
    (PAGE, "go-back-later"),
    (PAGE, "restore"),
    (PAGE, "restore-after"),
    (PAGE, "revoke"),
    (PAGE, "revoke-key"),
    (PAGE, "rotate"),
    (PAGE, "settings"),
    (PAGE, "upgrade"),
];

fn typed<const N: usize>(kind: &str) -> [String; N] {
    let found = blocks(PAGE, kind);
    found.try_into().unwrap_or_else(|found: Vec<_>| panic!("{} blocks of {kind}", found.len()))
}

async fn database() -> Database {
    Postgres::shared().await.unwrap().database().await.unwrap()
}

#[tokio::test]
async fn a_key_is_rotated_and_the_old_one_retired() {
    let mut machine = Machine::on(&database().await).await;
    machine.key_of_year(2024).await;
    let old = machine.signing_key().await;
    machine.key_of_year(2025).await;
    let before = machine.signing_key().await;
    assert_ne!(old, before);
    machine.start().await;
    let login = machine.admin().await;

    let [make, look, retire, check] = typed("rotate");
    // A test does not wait for ten minutes.
    assert!(make.contains("--after 10m"));
    machine.shell.run(&make.replace("--after 10m", "--after 3s")).await;
    eventually("the new key signs", PATIENCE, async || machine.signing_key().await != before).await;
    let new = machine.signing_key().await;
    let listed = machine.shell.run(&look).await;
    let is = |kid: &str, state: &str| {
        listed.lines().any(|line| line.starts_with(kid) && line.contains(state))
    };
    assert!(is(&new, "signing") && is(&before, "verifying") && is(&old, "verifying"), "{listed}");
    // The one that has signed until just now is still needed.
    let refused = machine.shell.run(&format!("! auth keys retire {before}")).await;
    assert!(refused.contains("--force ends them now"), "{refused}");
    machine.shell.run(&format!("OLD_KID={old}\n{retire}")).await;
    eventually("it is published no more", PATIENCE, async || {
        let seen = machine.shell.run(&check).await;
        assert!(seen.contains("auth_signing_keys{phase=\"signing\"} 1"), "{seen}");
        assert!(seen.contains(&new) && seen.contains(&before), "{seen}");
        !seen.contains(&old)
    })
    .await;
    assert_eq!(machine.status("/orgs", &login).await, 200, "a token of the key before");
}

#[tokio::test]
async fn what_is_in_wrong_hands_is_revoked() {
    let mut machine = Machine::on(&database().await).await;
    machine.key_of_year(2025).await;
    machine.start().await;
    let (admin, ada) = (machine.admin().await, machine.user("ada@example.com").await);
    let ((one, first), (_, second)) = (machine.make_key(&ada).await, machine.make_key(&ada).await);
    let ((_, bobs), user) = (machine.make_key(&admin).await, machine.id_of(&ada).await);
    for token in [&ada, &first, &second] {
        assert_eq!(machine.status("/orgs", token).await, 200);
    }

    let [take, disable, check] = typed("revoke");
    let seen = machine.shell.run(&format!("KEY={one}\n{take}")).await;
    assert!(seen.contains(&format!("{one} is revoked")), "{seen}");
    assert!(seen.contains("no API keys any more, of 1"), "{seen}");
    assert!(seen.contains("logged out everywhere"), "{seen}");
    for token in [&ada, &first, &second] {
        assert_eq!(machine.status("/orgs", token).await, 401);
    }
    let seen = machine.shell.run(&format!("ADMIN={admin}; USER_ID={user}\n{disable}")).await;
    assert_eq!(seen, "204");
    assert_eq!(machine.login("ada@example.com").await, None);
    let seen = machine.shell.run(&format!("STOLEN={second}\n{check}")).await;
    assert!(seen.starts_with("401\n") && seen.contains("\"key.revoke\""), "{seen}");

    assert_eq!(machine.status("/orgs", &bobs).await, 200);
    let kid = machine.signing_key().await;
    let [withdraw] = typed("revoke-key");
    machine.shell.run(&format!("KID={kid}\n{withdraw}")).await;
    for token in [&admin, &bobs] {
        assert_eq!(machine.status("/orgs", token).await, 401);
    }
    let again = machine.admin().await;
    assert_eq!(machine.status("/orgs", &again).await, 200);
}

#[tokio::test]
async fn a_lost_database_is_restored_from_a_backup() {
    let mut machine = Machine::on(&database().await).await;
    machine.start().await;
    let (_, key) = machine.make_key(&machine.admin().await).await;
    machine.found(&key, "acme").await;
    let [save] = typed("restore");
    machine.shell.run(&save).await;
    machine.stop().await;

    machine.move_to(&database().await).await;
    let [restore, check] = typed("restore-after");
    let seen = machine.shell.run(&restore).await;
    assert!(seen.contains("\"dry_run\": true") && seen.contains("\"dry_run\": false"), "{seen}");
    let seen = machine.shell.run(&format!("KEY_OF_BEFORE={key}\n{check}")).await;
    assert!(seen.contains("\"name\":\"acme\"") && !seen.contains("WRONG"), "{seen}");
    machine.admin().await;
}

/// One replica is told of the new primary, the address of the other's leads there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r4_a_standby_takes_over_and_replicas_follow() {
    let mut primary = Postgres::start_with("-c synchronous_commit=on").await.unwrap();
    let lost = primary.database().await.unwrap();
    let standby = primary.standby().await.unwrap();
    let proxy = Proxy::to(primary.address()).await.unwrap();
    let mut told = Machine::on(&lost).await;
    let mut led = Machine::on(&lost.at(proxy.address())).await;
    told.start().await;
    led.start().await;
    let (_, key) = told.make_key(&told.admin().await).await;
    told.found(&key, "acme").await;

    primary.crash().await.unwrap();
    let at = standby.address();
    let [promote, follow, check] = typed("failover");
    let ports = format!("STANDBY_HOST={}; STANDBY_PORT={}", at.ip(), at.port());
    let seen = told.shell.run(&format!("{ports}\n{promote}")).await;
    assert!(seen.starts_with("t|0/") && seen.ends_with("\nt"), "{seen}");
    proxy.lead_to(at);
    told.shell.run(&follow).await;
    let seen = told.shell.run(&check).await;
    assert!(seen.starts_with("f\n"), "{seen}");
    for machine in [&told, &led] {
        eventually("what was answered is there", PATIENCE, async || {
            machine.names(&key).await.is_some_and(|names| names.contains("\"acme\""))
        })
        .await;
        machine.found(&key, "founded since").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r35_the_previous_release_is_upgraded_and_gone_back_to_by_the_runbooks() {
    let database = database().await;
    let mut one = Machine::on(&database).await;
    one.install("bin/auth", &previous());
    one.install("new/auth", Path::new(env!("CARGO_BIN_EXE_auth")));
    one.start().await;
    let mut two = Machine::beside(&one).await;
    two.install("bin/auth", &previous());
    two.start().await;
    let (_, key) = one.make_key(&one.admin().await).await;
    one.found(&key, "before").await;

    let [ask, replace, check] = typed("upgrade");
    one.shell.run(&ask).await;
    one.shell.run(&replace).await;
    let seen = one.shell.run(&check).await;
    assert!(seen.contains("auth_build_info{") && seen.contains("up to date"), "{seen}");
    one.found(&key, "since").await;
    let both = |names: &str| names.contains("\"before\"") && names.contains("\"since\"");
    assert!(both(&two.names(&key).await.unwrap()), "both releases work on one schema");

    let [stop] = typed("go-back");
    one.shell.run(&stop).await;
    assert!(both(&two.names(&key).await.unwrap()), "the old one goes on");
    two.stop().await;

    let [bring, check] = typed("go-back-later");
    one.shell.run(&bring).await;
    let seen = one.shell.run(&check).await;
    assert!(seen.contains("auth_build_info{"), "{seen}");
    let names = one.names(&key).await.unwrap();
    assert!(names.contains("\"before\"") && !names.contains("\"since\""), "{names}");
}

#[tokio::test]
async fn the_trail_is_verified_and_read_as_the_manual_says() {
    let mut machine = Machine::on(&database().await).await;
    machine.start().await;
    let login = machine.admin().await;
    machine.found(&login, "acme").await;
    let ends = machine.shell.run("auth audit verify").await;
    let end = ends.lines().find_map(|line| line.split_once("the end is ")).unwrap().1;
    let [block] = blocks("docs/operations.md", "audit").try_into().unwrap();
    let seen = machine.shell.run(&format!("END={end}\n{block}")).await;
    assert!(seen.contains("org.create") && !seen.contains("WRONG"), "{seen}");
}

#[tokio::test]
async fn who_may_is_explained_as_the_manual_says() {
    let server = embedded().start().await.unwrap();
    let (admin, ada) =
        (server.admin().await.unwrap(), server.user("ada@example.com").await.unwrap());
    let org = found(&server, &admin, "acme").await;
    let user = crate::world::identify(&server, &ada).await.unwrap();
    let [block] = blocks("docs/operations.md", "explain").try_into().unwrap();
    let script = block.replace("localhost:8180", &server.http.to_string());
    let run = Command::new("sh")
        .args(["-euc", &script])
        .envs([("ADMIN", &admin), ("USER_ID", &user), ("ORG", &org)])
        .output();
    let output = run.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("\"allowed\":false,\"reason\":\"not_a_member\""), "{said}");
}

/// What needs a network or a quarter of an hour is at least there.
#[tokio::test]
async fn the_first_commands_are_targets_of_the_makefile() {
    let [block] = blocks("README.md", "make").try_into().unwrap();
    for line in block.lines() {
        let target = line.split('#').next().unwrap().trim().strip_prefix("make ").unwrap();
        let mut make = Command::new("make");
        make.args(["--dry-run", target]).current_dir(workspace());
        assert!(make.output().await.unwrap().status.success(), "make {target}");
    }
}

#[test]
fn every_command_of_a_document_is_typed_by_a_test() {
    let mut shown = BTreeSet::new();
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        let page = path.strip_prefix(workspace()).unwrap().to_str().unwrap().to_owned();
        // Every other fence ends a block.
        let fences = text.lines().map(str::trim_start).filter(|line| line.starts_with("```"));
        for fence in fences.step_by(2) {
            let words = fence.trim_start_matches('`');
            let kind = words.strip_prefix("sh ").unwrap_or_else(|| {
                assert!(["text", "sql"].contains(&words), "{page}: no test types {fence}");
                ""
            });
            if !kind.is_empty() {
                shown.insert((page.clone(), kind.to_owned()));
            }
        }
    }
    let typed = TYPED.iter().map(|(page, kind)| ((*page).to_owned(), (*kind).to_owned()));
    assert_eq!(shown, typed.collect(), "on the left what is shown, on the right what is typed");
}
