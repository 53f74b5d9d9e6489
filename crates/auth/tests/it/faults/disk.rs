//! The disk is full: whoever writes is told to come again, whoever reads is answered, and nothing is damaged.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use auth_testkit::{Postgres, Setup};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tempfile::TempDir;
use tokio::time::sleep;

use super::load::{Load, Size, Target, on};
use super::table::span;

const SHORT: Duration = Duration::from_millis(1_500);
const LONG: Duration = Duration::from_secs(20);

/// A script that starts the binary so that a file that may not grow is an error of the write, and not the end of
/// the process.
fn limited(dir: &Path) -> PathBuf {
    let script = dir.join("limited");
    let text = format!("#!/bin/sh\ntrap '' XFSZ\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_auth"));
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

/// No file of the embedded store may grow any more: what a full disk is, without the right to mount one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_a_full_disk_under_the_embedded_store() {
    let scripts = tempfile::tempdir().unwrap();
    let setup = Setup::new(limited(scripts.path())).unwrap();
    let server = setup.start().await.unwrap();
    let load = Load::begin(&server, vec![Target::of(&server)], Size::USUAL).await;
    let pid = Pid::from_raw(i32::try_from(server.pid().unwrap()).unwrap());
    let unlimited = getrlimit(Resource::Fsize);
    let size = |name: &str| setup.data_dir().join(name).metadata().map_or(0, |file| file.len());
    load.count_from_here();
    let began = Instant::now();
    let full = size("keyward.db").max(size("keyward.db-wal"));
    prlimit(pid, Resource::Fsize, Rlimit { current: Some(full), ..unlimited }).unwrap();
    sleep(span(SHORT, LONG)).await;
    prlimit(pid, Resource::Fsize, unlimited).unwrap();
    let ended = Instant::now();
    load.recovers(ended).await;
    let (asked, failed) = load.counts();
    assert!(failed > 0, "nobody noticed");
    assert!(asked > failed * 2, "{failed} of {asked} failed: not only writes");
    load.row("the disk full, embedded", began, ended).print();
    // A start after that finds nothing damaged.
    assert!(server.stop().await.unwrap().success());
    let server = setup.start().await.unwrap();
    load.aim(vec![Target::of(&server)]);
    load.end(&server).await;
}

/// A small file system in memory, which goes when this is dropped or the process dies.
struct SmallDisk {
    dir: TempDir,
    keeper: Child,
}

impl SmallDisk {
    /// Nothing if this process may not mount one.
    fn mount(size: &str) -> Option<Self> {
        const SCRIPT: &str = "mount -t tmpfs -o \"mode=777,size=$2\" tmpfs \"$1\" || exit 1; \
                              echo mounted; read -r _; umount -l \"$1\"";
        let dir = tempfile::tempdir().unwrap();
        let mut keeper = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "keeper"])
            .arg(dir.path())
            .arg(size)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let stdout = keeper.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut said).unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        (said == "mounted\n").then_some(Self { dir, keeper })
    }

    /// Writes until there is no room left; gives what is to be removed.
    fn fill(&self) -> PathBuf {
        let filler = self.dir.path().join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// PostgreSQL itself ends when there is no room for its log; whoever gives it room starts it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_a_full_disk_under_postgresql() {
    let Some(disk) = SmallDisk::mount("200m") else {
        println!("| the disk full, PostgreSQL | not run: this user may not mount a small disk |");
        return;
    };
    let settings = "-c synchronous_commit=on -c min_wal_size=32MB -c max_wal_size=64MB";
    let mut postgres = Postgres::start_in(disk.dir.path(), settings).await.unwrap();
    let database = postgres.database().await.unwrap();
    let server = on(&database).start().await.unwrap();
    let load = Load::begin(&server, vec![Target::of(&server)], Size::USUAL).await;

    load.count_from_here();
    let began = Instant::now();
    let filler = disk.fill();
    // Tables cannot grow; then the log has no room either.
    sleep(span(SHORT, LONG)).await;
    for _ in 0..100 {
        let next = "SELECT pg_switch_wal(); CREATE TABLE IF NOT EXISTS x (); DROP TABLE x";
        if database.execute(next).await.is_err() {
            break;
        }
    }
    sleep(SHORT).await;
    std::fs::remove_file(filler).unwrap();
    if database.connect().await.is_err() {
        let _ = postgres.crash().await;
        postgres.start_again().await.unwrap();
    }
    let ended = Instant::now();
    load.recovers(ended).await;
    assert!(load.counts().1 > 0, "nobody noticed");
    load.row("the disk full, PostgreSQL", began, ended).print();
    load.end(&server).await;
}
