//! The real binary, as its operator would start it.

mod output;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use self::output::{Addresses, Output};
use crate::leaks;

/// How long a start or a stop may take before a test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

/// The e-mail address of the account that [`Setup`] has bootstrapped.
pub const ADMIN_EMAIL: &str = "admin@example.com";
/// Its password.
pub const ADMIN_PASSWORD: &str = "correct-horse-battery";
/// The signing secret that [`Setup`] configures.
pub const SECRET: &str = "a signing secret made up for tests only";

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Setup {
    binary: PathBuf,
    settings: Vec<(String, String)>,
    data: Arc<TempDir>,
    watched: bool,
}

impl Setup {
    /// The binary at this path (`env!("CARGO_BIN_EXE_auth")`) on the embedded store in a directory
    /// of its own, on ports the system picks, with an admin account and without rate limits.
    pub fn new(binary: impl Into<PathBuf>) -> Result<Self> {
        let data = Arc::new(tempfile::tempdir()?);
        let watched = leaks::everywhere();
        let setup = Self { binary: binary.into(), settings: Vec::new(), data, watched };
        let directory = setup.data_dir().display().to_string();
        Ok(setup
            .set("MF_AUTH_HTTP_PORT", "0")
            .set("MF_AUTH_GRPC_PORT", "0")
            .set("MF_AUTH_OPS_PORT", "0")
            .set("MF_AUTH_HTTP_HOST", "127.0.0.1")
            .set("MF_AUTH_GRPC_HOST", "127.0.0.1")
            .set("MF_AUTH_LOG_FORMAT", "json")
            .set("MF_AUTH_RATE_LIMITS", "off")
            // With patience for a busy machine.
            .set("MF_AUTH_QUEUE_WAIT", "5s")
            .set("MF_AUTH_DATA_DIR", directory)
            .set("MF_AUTH_SECRET", SECRET)
            .set("MF_USERS_ADMIN_EMAIL", ADMIN_EMAIL)
            .set("MF_USERS_ADMIN_PASSWORD", ADMIN_PASSWORD))
    }

    /// With this setting, or with another value for it.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self = self.unset(name);
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// Without this setting.
    #[must_use]
    pub fn unset(mut self, name: &str) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self
    }

    /// Logging at level `trace` unless another is set, and failing the test when a secret or an address shows in what
    /// it prints.
    #[must_use]
    pub const fn watched(mut self) -> Self {
        self.watched = true;
        self
    }

    /// The same with another binary.
    #[must_use]
    pub fn binary(mut self, binary: impl Into<PathBuf>) -> Self {
        self.binary = binary.into();
        self
    }

    /// On this database instead of the embedded store.
    #[must_use]
    pub fn on(self, database: &crate::Database) -> Self {
        self.unset("MF_AUTH_DATA_DIR")
            .set("MF_AUTH_DB_HOST", &database.host)
            .set("MF_AUTH_DB_PORT", database.port.to_string())
            .set("MF_AUTH_DB_USER", &database.user)
            .set("MF_AUTH_DB_PASS", &database.password)
            .set("MF_AUTH_DB", &database.name)
    }

    /// Where the embedded store is.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.data.path().join("data")
    }

    /// Starts it and waits until it serves.
    pub async fn start(&self) -> Result<Server> {
        let mut child = self.command(&[]).spawn().context("starting the binary")?;
        let mut output = Output::default();
        let (found, mut addresses) = watch::channel(None);
        let stdout = child.stdout.take().context("its output")?.into_owned_fd()?;
        let stderr = child.stderr.take().context("its errors")?.into_owned_fd()?;
        output.collect(stdout, Some(found));
        output.collect(stderr, None);
        let listening = timeout(PATIENCE, addresses.wait_for(Option::is_some)).await;
        let Ok(Ok(listening)) = listening.map(|found| found.map(|found| *found)) else {
            let _ = child.kill().await;
            bail!("it did not start: {}", output.text());
        };
        let Some(at) = listening else { bail!("no addresses") };
        let Addresses { http, grpc, ops, users_http, users_grpc } = at;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()?;
        let (data, watched) = (Arc::clone(&self.data), self.watched);
        Ok(Server { child, output, data, watched, http, grpc, ops, users_http, users_grpc, client })
    }

    /// Runs it to its end, for starts that must fail and for subcommands.
    pub async fn run(&self, arguments: &[&str]) -> Result<(ExitStatus, String)> {
        let mut command = self.command(arguments);
        let ended = timeout(PATIENCE, command.output()).await.context("it goes on")??;
        let mut text = String::from_utf8_lossy(&ended.stdout).into_owned();
        let log = String::from_utf8_lossy(&ended.stderr);
        if self.watched && arguments.is_empty() {
            leaks::search(&text);
            leaks::search(&log);
        } else if self.watched {
            // Beside its log, of which each line is an object, a command speaks to whoever runs it.
            let logged = log.lines().filter(|line| line.starts_with('{'));
            leaks::search(&logged.collect::<Vec<_>>().join("\n"));
        }
        text.push_str(&log);
        Ok((ended.status, text))
    }

    /// Starts it with something to read from standard input.
    pub fn spawn(&self, arguments: &[&str], stdin: Stdio) -> Result<Child> {
        self.command(arguments).stdin(stdin).spawn().context("starting the binary")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).env_clear();
        if self.watched {
            self.settings.iter().for_each(|(name, value)| leaks::keep_setting(name, value));
            command.env("MF_AUTH_LOG_LEVEL", "trace");
        }
        command
            .envs(self.settings.iter().cloned())
            .current_dir(self.data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    output: Output,
    /// Kept, because the directory goes with the last who holds it.
    data: Arc<TempDir>,
    watched: bool,
    /// Where HTTP is served.
    pub http: SocketAddr,
    /// Where gRPC is served.
    pub grpc: SocketAddr,
    /// Where probes and metrics are served.
    pub ops: SocketAddr,
    /// Where the users contract is served over HTTP, if on a port of its own.
    pub users_http: Option<SocketAddr>,
    /// Where the users contract is served over gRPC, if on a port of its own.
    pub users_grpc: Option<SocketAddr>,
    /// A client that follows no redirects.
    pub client: reqwest::Client,
}

impl Server {
    /// The URL of a path on the public listener.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    /// The URL of a path on the ops listener.
    #[must_use]
    pub fn ops_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.ops)
    }

    /// The address gRPC clients connect to.
    #[must_use]
    pub fn grpc_url(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// Asks for a path with a bearer token and, if there is one, a JSON body.
    pub async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<reqwest::Response> {
        let mut request = self.client.request(method, self.url(path));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        if !self.watched {
            return Ok(request.send().await?);
        }
        if let Some(token) = token {
            leaks::keep_secret("a token", token);
        }
        if let Some(body) = body {
            leaks::keep_body(body);
        }
        seen(request.send().await?).await
    }

    /// Signs in and gives the token.
    pub async fn login(&self, email: &str, password: &str) -> Result<String> {
        let body = serde_json::json!({ "email": email, "password": password });
        let answer = self.send(reqwest::Method::POST, "/tokens", None, Some(&body)).await?;
        let status = answer.status();
        let answer: Value = answer.json().await?;
        let token = answer.get("token").and_then(Value::as_str);
        token.map(str::to_owned).with_context(|| format!("{status}: {answer}"))
    }

    /// The token of the bootstrapped admin.
    pub async fn admin(&self) -> Result<String> {
        self.login(ADMIN_EMAIL, ADMIN_PASSWORD).await
    }

    /// Opens an account and gives its token.
    pub async fn user(&self, email: &str) -> Result<String> {
        let body = serde_json::json!({
            "user": { "email": email, "password": ADMIN_PASSWORD }, "redirect_path": "/welcome"
        });
        let answer = self.send(reqwest::Method::POST, "/register", None, Some(&body)).await?;
        if answer.status() != reqwest::StatusCode::CREATED {
            bail!("{}: {}", answer.status(), answer.text().await?);
        }
        self.login(email, ADMIN_PASSWORD).await
    }

    /// All it has printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// Its process id.
    pub fn pid(&self) -> Result<u32> {
        self.child.id().context("it has ended")
    }

    /// Sends it a signal by name, such as `TERM`.
    pub async fn signal(&self, name: &str) -> Result<()> {
        crate::signal(name, self.pid()?).await
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        Ok(timeout(PATIENCE, self.child.wait()).await.context("it goes on")??)
    }

    /// Stops it as a supervisor would and waits until it has ended.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        self.signal("TERM").await?;
        self.ended().await
    }

    /// Ends it without any warning.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.watched {
            return;
        }
        // What it printed last is still to be read.
        let _ = self.child.start_kill();
        self.output.end();
        leaks::keep_keys(&self.data.path().join("data"));
        leaks::search(&self.output.text());
    }
}

/// The same answer, of which the secrets are known from now on.
async fn seen(answer: reqwest::Response) -> Result<reqwest::Response> {
    let kind = answer.headers().get("content-type");
    let is_json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    // One that is long has no length beforehand, and is for the test to read as slowly as it likes.
    if !is_json || answer.content_length().is_none() {
        return Ok(answer);
    }
    let (status, version, headers) = (answer.status(), answer.version(), answer.headers().clone());
    let body = answer.bytes().await?;
    serde_json::from_slice(&body).iter().for_each(leaks::keep_body);
    let mut again = http::Response::new(body);
    (*again.status_mut(), *again.version_mut(), *again.headers_mut()) = (status, version, headers);
    Ok(again.into())
}

/// The directory of the workspace, for tests that read its documents.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
