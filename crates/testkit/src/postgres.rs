//! A private PostgreSQL server.

mod crowd;
mod programs;
mod standby;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use tokio::sync::OnceCell;
use tokio::time::timeout;

pub use self::crowd::Crowd;
use self::programs::{PATIENCE, Programs, children, signal, succeed};
use crate::port::Port;

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
    /// The same one, reached by way of this address.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port(), ..self.clone() }
    }

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
        Self::start_in(&std::env::temp_dir(), settings).await
    }

    /// The same with its data below this directory, on a file system of the test's choice.
    pub async fn start_in(place: &Path, settings: &str) -> Result<Self> {
        let mut server = Self::empty(place, settings)?;
        server.init().await?;
        server.begin().await?;
        Ok(server)
    }

    /// One without data, which is not running.
    fn empty(place: &Path, settings: &str) -> Result<Self> {
        let programs = Programs::find()?;
        let dir = tempfile::Builder::new().prefix("keyward-postgres-").tempdir_in(place)?.keep();
        if let Some((uid, gid)) = programs.run_as {
            chown(&dir, Some(uid), Some(gid))?;
        }
        // From here on the keeper cleans up.
        let keeper = programs.keep(&dir)?;
        let (port, settings, databases) = (Port::take()?, settings.to_owned(), AtomicU32::new(0));
        Ok(Self { programs, dir, port, settings, databases, keeper })
    }

    async fn begin(&mut self) -> Result<()> {
        if let Err(problem) = self.start_again().await {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            bail!("PostgreSQL does not start: {problem:#}\n{log}");
        }
        Ok(())
    }

    /// The server that all tests of this process share, each in a database of its own.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// A fresh, empty database.
    pub async fn database(&self) -> Result<Database> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.named("postgres").execute(&format!("CREATE DATABASE {name}")).await?;
        Ok(self.named(&name))
    }

    fn named(&self, name: &str) -> Database {
        Database {
            host: "127.0.0.1".into(),
            port: self.port.number(),
            user: USER.into(),
            password: PASSWORD.into(),
            name: name.into(),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Ends all its processes at once, as if the machine had died: what was not yet written to its log is lost.
    pub async fn crash(&mut self) -> Result<()> {
        self.pg_ctl(&["stop", "-m", "immediate"]).await
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
