//! A private PostgreSQL server.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::port::Port;

/// How long anything the server is asked for may take before a test gives up.
const PATIENCE: Duration = Duration::from_mins(1);
/// The oldest major version that will do.
const OLDEST: u32 = 15;
const USER: &str = "keyward";
/// With blanks, because passwords may have them.
const PASSWORD: &str = "a password with blanks";

/// A PostgreSQL server of this test process's own, on a free port of the loopback interface. It is
/// fast and forgetful: nothing is synced to disk. It goes when it is dropped or the process dies,
/// however it dies, and its directory with it.
#[derive(Debug)]
pub struct Postgres {
    programs: Programs,
    dir: PathBuf,
    port: Port,
    settings: String,
    databases: AtomicU32,
    keeper: Child,
}

/// An empty database of a [`Postgres`], and how to reach it.
#[derive(Clone, Debug)]
pub struct Database {
    /// The server's address.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// A role that may do everything.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The database.
    pub name: String,
}

impl Database {
    /// A connection to it.
    pub async fn connect(&self) -> Result<PgConnection> {
        let options = PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .password(&self.password)
            .database(&self.name);
        timeout(PATIENCE, options.connect()).await?.context("connecting to the test database")
    }

    /// Runs these statements in it.
    pub async fn execute(&self, statements: &str) -> Result<()> {
        let mut connection = self.connect().await?;
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await?;
        Ok(())
    }
}

impl Postgres {
    /// Starts a server of one's own: for tests that stop it or freeze it.
    pub async fn start() -> Result<Self> {
        Self::start_with("").await
    }

    /// The same with more settings, as the server's command line takes them.
    pub async fn start_with(settings: &str) -> Result<Self> {
        let programs = Programs::find()?;
        let dir = tempfile::Builder::new().prefix("keyward-postgres-").tempdir()?.keep();
        if let Some((uid, gid)) = programs.run_as {
            chown(&dir, Some(uid), Some(gid))?;
        }
        // From here on the keeper cleans up.
        let keeper = programs.keep(&dir)?;
        let mut server = Self {
            programs,
            dir,
            port: Port::take()?,
            settings: settings.to_owned(),
            databases: AtomicU32::new(0),
            keeper,
        };
        server.init().await?;
        if let Err(problem) = server.start_again().await {
            let log = fs::read_to_string(server.log()).unwrap_or_default();
            bail!("PostgreSQL does not start: {problem:#}\n{log}");
        }
        Ok(server)
    }

    /// The server that all tests of this process share, each in a database of its own.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// A fresh, empty database.
    pub async fn database(&self) -> Result<Database> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let database = |name: &str| Database {
            host: "127.0.0.1".into(),
            port: self.port.number(),
            user: USER.into(),
            password: PASSWORD.into(),
            name: name.into(),
        };
        database("postgres").execute(&format!("CREATE DATABASE {name}")).await?;
        Ok(database(&name))
    }

    /// Stops it: whoever is connected is thrown out, and nobody can connect.
    pub async fn stop(&mut self) -> Result<()> {
        self.pg_ctl(&["stop", "-m", "fast"]).await
    }

    /// Starts it where it was stopped: same port, same data.
    pub async fn start_again(&mut self) -> Result<()> {
        let settings = format!(
            "-p {} -k '{}' -c listen_addresses=127.0.0.1 -c max_connections=200 -c fsync=off \
             -c full_page_writes=off -c synchronous_commit=off -c shared_buffers=32MB {}",
            self.port.number(),
            self.dir.display(),
            self.settings
        );
        let log = self.log().display().to_string();
        self.pg_ctl(&["start", "-w", "-l", &log, "-o", &settings]).await
    }

    /// Freezes every process of it: connections stay open and nothing is answered.
    pub async fn freeze(&self) -> Result<()> {
        // The parent first, so that it has no more children afterwards.
        let parent = self.pid()?;
        signal("-STOP", &[parent]).await?;
        signal("-STOP", &children(parent)?).await
    }

    /// Lets a frozen server go on.
    pub async fn thaw(&self) -> Result<()> {
        let parent = self.pid()?;
        signal("-CONT", &children(parent)?).await?;
        signal("-CONT", &[parent]).await
    }

    async fn init(&self) -> Result<()> {
        let password = self.dir.join("password");
        fs::write(&password, PASSWORD)?;
        let mut initdb = self.programs.command("initdb", &self.dir);
        initdb.args(["--no-sync", "-E", "UTF8", "--locale", "C.UTF-8", "-A", "password"]);
        initdb.args(["-U", USER]).arg("--pwfile").arg(&password).arg("-D").arg(self.data());
        succeed(initdb).await
    }

    async fn pg_ctl(&self, arguments: &[&str]) -> Result<()> {
        let mut pg_ctl = self.programs.command("pg_ctl", &self.dir);
        pg_ctl.arg("-D").arg(self.data()).arg("-s").args(arguments);
        // The server inherits these, and would keep a pipe open for ever.
        pg_ctl.stdout(Stdio::null()).stderr(Stdio::null());
        succeed(pg_ctl).await
    }

    /// What the server writes its log to.
    pub fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// The process id of its main process, the parent of all others.
    pub fn pid(&self) -> Result<u32> {
        let file = fs::read_to_string(self.data().join("postmaster.pid"))?;
        let pid = file.lines().next().context("an empty pid file")?;
        Ok(pid.parse()?)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Closing its input tells the keeper to clean up.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The installed programs, and the user to run them as.
#[derive(Debug)]
struct Programs {
    dir: PathBuf,
    /// PostgreSQL refuses to run as root.
    run_as: Option<(u32, u32)>,
}

impl Programs {
    fn find() -> Result<Self> {
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

    fn command(&self, program: &str, dir: &Path) -> Command {
        self.prepare(std::process::Command::new(self.dir.join(program)), dir).into()
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
    fn keep(&self, dir: &Path) -> Result<Child> {
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

async fn succeed(mut command: Command) -> Result<()> {
    let output = timeout(PATIENCE, command.kill_on_drop(true).output()).await??;
    ensure!(
        output.status.success(),
        "{}: {}",
        command.as_std().get_program().display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

async fn signal(name: &str, pids: &[u32]) -> Result<()> {
    if pids.is_empty() {
        return Ok(());
    }
    let mut kill = Command::new("/bin/sh");
    kill.args(["-c", "kill \"$@\" 2>/dev/null || true", "kill", name]);
    kill.args(pids.iter().map(u32::to_string));
    succeed(kill).await
}

fn children(parent: u32) -> Result<Vec<u32>> {
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
