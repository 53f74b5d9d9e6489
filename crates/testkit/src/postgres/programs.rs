//! The programs of PostgreSQL, where they are and how they are run.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;
use tokio::time::timeout;

/// How long anything the server is asked for may take before a test gives up.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// The oldest major version that will do.
const OLDEST: u32 = 15;

/// The installed programs, and the user to run them as.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    dir: PathBuf,
    /// PostgreSQL refuses to run as root.
    pub(super) run_as: Option<(u32, u32)>,
}

impl Programs {
    pub(super) fn find() -> Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
        if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
            places.extend(versions.flatten().map(|version| version.path().join("bin")));
        }
        let newest = places
            .into_iter()
            .filter(|place| place.join("initdb").is_file() && place.join("postgres").is_file())
            .filter_map(|place| Some((major_version(&place)?, place)))
            .max();
        match newest {
            Some((version, dir)) if version >= OLDEST => Ok(Self { dir, run_as: other_user()? }),
            Some((version, dir)) => bail!(
                "the tests need PostgreSQL {OLDEST} or later; {} has {version}",
                dir.display()
            ),
            None => bail!(
                "the tests need PostgreSQL {OLDEST} or later (package postgresql): its programs are \
                 neither in PATH nor in /usr/lib/postgresql"
            ),
        }
    }

    pub(super) fn command(&self, program: &str, dir: &Path) -> Command {
        self.prepare(std::process::Command::new(self.dir.join(program)), dir).into()
    }

    /// A program of the system, run as the server is.
    pub(super) fn system(&self, program: &str, dir: &Path) -> Command {
        self.prepare(std::process::Command::new(program), dir).into()
    }

    fn prepare(&self, mut command: std::process::Command, dir: &Path) -> std::process::Command {
        // Nothing of the caller's PG... settings.
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8").current_dir(dir);
        command.stdin(Stdio::null());
        if let Some((uid, gid)) = self.run_as {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Starts a process that sees this one's end, whichever it is, as the end of its input, and then
    /// stops the server and removes its directory.
    pub(super) fn keep(&self, dir: &Path) -> Result<Child> {
        const SCRIPT: &str = "read -r _; \
            kill -CONT \"$(head -n 1 \"$1/data/postmaster.pid\")\"; \
            \"$2\" -D \"$1/data\" -s -m immediate stop; \
            cd /; rm -rf \"$1\"";
        let mut keeper = self.prepare(std::process::Command::new("/bin/sh"), dir);
        keeper.arg("-c").arg(SCRIPT).arg("keeper").arg(dir).arg(self.dir.join("pg_ctl"));
        // In a group of its own, so that an interrupt at the terminal does not end it first.
        keeper.process_group(0);
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        keeper.spawn().context("starting the keeper of the test database")
    }
}

fn major_version(place: &Path) -> Option<u32> {
    let output =
        std::process::Command::new(place.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    // "postgres (PostgreSQL) 15.3 (Debian 15.3-0)", "postgres (PostgreSQL) 17beta1"
    let version = text.split(") ").nth(1)?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Whom to become: nobody else, unless this is root.
fn other_user() -> Result<Option<(u32, u32)>> {
    if fs::metadata("/proc/self").or_else(|_| fs::metadata("/dev/null"))?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = |wanted: &str| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            (name == wanted).then_some((uid, gid))
        })
    };
    let found = ids("postgres").or_else(|| ids("nobody"));
    Ok(Some(found.context("PostgreSQL refuses to run as root, and there is no user nobody")?))
}

pub(super) async fn succeed(mut command: Command) -> Result<()> {
    let output = timeout(PATIENCE, command.kill_on_drop(true).output()).await??;
    ensure!(
        output.status.success(),
        "{}: {}",
        command.as_std().get_program().display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

pub(super) async fn signal(name: &str, pids: &[u32]) -> Result<()> {
    if pids.is_empty() {
        return Ok(());
    }
    let mut kill = Command::new("/bin/sh");
    kill.args(["-c", "kill \"$@\" 2>/dev/null || true", "kill", name]);
    kill.args(pids.iter().map(u32::to_string));
    succeed(kill).await
}

pub(super) fn children(parent: u32) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // "pid (name) state ppid ...", and the name may hold anything.
        let child_of = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1));
        if child_of.and_then(|text| text.parse().ok()) == Some(parent) {
            found.push(pid);
        }
    }
    Ok(found)
}
