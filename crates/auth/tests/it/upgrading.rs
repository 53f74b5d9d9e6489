//! From one release to the next: what a migration may do, one that was killed, and two releases on one schema.
//! What becomes of a PostgreSQL database whose migration is cut off anywhere is in the tests of its store.

mod expanding;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use auth_testkit::{Server, Setup};
use tokio::time::sleep;

use crate::faults::load::{Load, Size, Target};
use crate::faults::table::{rounds, span};
use crate::world::{embedded, postgres};

/// A script that starts the binary so that the kernel kills it at the first write beyond so many half kilobytes
/// of any file.
fn killed_beyond(dir: &Path, halves: usize) -> PathBuf {
    let script = dir.join(format!("killed-{halves}"));
    let text = format!(
        "#!/bin/sh\nulimit -c 0; ulimit -f {halves}\nexec {} \"$@\"\n",
        env!("CARGO_BIN_EXE_auth")
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

/// The migrations that are still to be done, as `auth migrate --check` prints them.
async fn pending(setup: &Setup) -> String {
    let (_, said) = setup.run(&["migrate", "--check"]).await.unwrap();
    said
}

#[tokio::test]
async fn r34_migrating_the_embedded_store_is_killed_at_any_write_and_gone_on_with() {
    let scripts = tempfile::tempdir().unwrap();
    let whole = embedded();
    assert!(whole.run(&["migrate"]).await.unwrap().0.success());
    let done = pending(&whole).await;
    let (mut seen, mut last) = (BTreeSet::new(), None);
    // A page of the log is four kilobytes and a little.
    for halves in (0..).step_by(if rounds(0, 1) == 0 { 73 } else { 8 }) {
        let setup = embedded();
        let dying = Setup::new(killed_beyond(scripts.path(), halves)).unwrap();
        let dying = dying.set("MF_AUTH_DATA_DIR", setup.data_dir().display().to_string());
        let (status, said) = dying.run(&["migrate"]).await.unwrap();
        if status.success() {
            break;
        }
        assert!(!said.contains("panicked"), "{said}");
        seen.insert(pending(&setup).await);
        let (status, said) = setup.run(&["migrate"]).await.unwrap();
        assert!(status.success(), "killed beyond {halves}: {said}");
        assert_eq!(pending(&setup).await, done, "killed beyond {halves}");
        last = Some(setup);
    }
    last.unwrap().start().await.unwrap().admin().await.unwrap();
    assert!(seen.len() > 2, "it was killed at {} places only: {seen:?}", seen.len());
}

/// The binary of the release before: `KEYWARD_PREVIOUS`, which `make test-upgrade` builds; or else this one, which
/// shows that the test itself works.
pub fn previous() -> PathBuf {
    let path = std::env::var_os("KEYWARD_PREVIOUS");
    path.map_or_else(|| env!("CARGO_BIN_EXE_auth").into(), PathBuf::from)
}

/// Replicas of the release before serve an empty database; this release joins them, migrates the schema under load,
/// and they serve it together; then one after another is replaced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r35_the_previous_release_and_this_one_serve_one_schema_together() {
    let setup = postgres().await;
    let before = setup.clone().binary(previous());
    let mut old: Vec<Server> = vec![before.start().await.unwrap(), before.start().await.unwrap()];
    let load = Load::begin(&old[0], old.iter().map(Target::of).collect(), Size::USUAL).await;
    load.count_from_here();
    let began = Instant::now();
    let mut new = Vec::new();
    let mixed = span(Duration::from_millis(800), Duration::from_secs(20));
    loop {
        new.push(setup.start().await.unwrap());
        load.aim(old.iter().chain(&new).map(Target::of).collect());
        sleep(mixed).await;
        let Some(leaving) = old.pop() else { break };
        // As a balancer does: first nobody is sent there any more.
        load.aim(old.iter().chain(&new).map(Target::of).collect());
        sleep(Duration::from_millis(200)).await;
        assert!(leaving.stop().await.unwrap().success());
    }
    let row = load.row("the previous release and this one on one schema", began, Instant::now());
    // A migration may keep a write waiting for longer than it waits.
    assert!(row.requests > row.failed * 10, "{} of {} failed", row.failed, row.requests);
    row.print();
    load.end(&new[0]).await;
}
