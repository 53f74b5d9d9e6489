//! The world the calls are made in: a server, an org, a member with a login token and an API key.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use auth_grpc::proto;
use auth_testkit::{Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::load::Call;

const IDENTIFY: &str = "/protomfx.AuthService/Identify";
const AUTHORIZE: &str = "/protomfx.AuthService/Authorize";

/// The bare server.
pub struct Bare {
    child: Child,
    address: SocketAddr,
}

impl Bare {
    /// Starts it.
    pub async fn start(binary: &Path) -> Result<Self> {
        let mut child = Command::new(binary)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("its output")?;
        let line = BufReader::new(stdout).lines().next_line().await?.context("no address")?;
        Ok(Self { child, address: line.parse()? })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// An `Identify` with a token as long as real ones are.
    pub fn call(&self) -> Result<Call> {
        let body = Call::framed(&proto::Token { value: "x".repeat(360) })?;
        let (name, operation) = ("bare", "");
        Ok(Call { name, operation, address: self.address, path: IDENTIFY, body, count: 100_000 })
    }
}

/// A server with something in it.
pub struct Scene {
    /// The server.
    pub server: Server,
    database: Option<u32>,
    login: String,
    key: String,
    org: String,
}

impl Scene {
    /// Starts the server and fills it. `database` is the process id of its PostgreSQL.
    pub async fn build(setup: Setup, database: Option<u32>) -> Result<Self> {
        let server = setup.start().await?;
        let login = server.user("ada@example.com").await?;
        let body = json!({ "name": "acme" });
        let founded = server.send(Method::POST, "/orgs", Some(&login), Some(&body)).await?;
        let location = founded.headers().get("location").context("no org")?.to_str()?;
        let org = location.trim_start_matches("/orgs/").to_owned();
        let body = json!({ "type": 2 });
        let made = server.send(Method::POST, "/keys", Some(&login), Some(&body)).await?;
        let made: Value = made.json().await?;
        let key = made.get("value").and_then(Value::as_str).context("no key")?.to_owned();
        Ok(Self { server, database, login, key, org })
    }

    /// The processes that answer.
    pub fn pids(&self) -> Result<Vec<u32>> {
        Ok(std::iter::once(self.server.pid()?).chain(self.database).collect())
    }

    /// `Identify` of a login token.
    pub fn identify_login(&self) -> Call {
        self.identify("Identify, login token", &self.login, 100_000)
    }

    /// `Identify` of an API key.
    pub fn identify_key(&self) -> Call {
        self.identify("Identify, API key", &self.key, 40_000)
    }

    fn identify(&self, name: &'static str, token: &str, count: u64) -> Call {
        let body = Call::framed(&proto::Token { value: token.to_owned() }).unwrap_or_default();
        let address = self.server.grpc;
        Call { name, operation: "identify", address, path: IDENTIFY, body, count }
    }

    /// `Authorize` of a member by login token.
    pub fn authorize(&self) -> Call {
        let asked = proto::AuthorizeReq {
            token: self.login.clone(),
            object: self.org.clone(),
            subject: "org".into(),
            action: "viewer".into(),
        };
        let body = Call::framed(&asked).unwrap_or_default();
        let (name, operation) = ("Authorize, org role", "authorize");
        let address = self.server.grpc;
        Call { name, operation, address, path: AUTHORIZE, body, count: 40_000 }
    }

    /// How many of these calls the server says it answered with a yes, since it started.
    pub async fn answered(&self, call: &Call) -> Result<u64> {
        let metrics = self.server.client.get(self.server.ops_url("/metrics")).send().await?;
        let metrics = metrics.text().await?;
        let wanted = [format!("operation=\"{}\"", call.operation), "outcome=\"ok\"".to_owned()];
        Ok(metrics
            .lines()
            .filter(|line| line.starts_with("auth_operations_total{"))
            .filter(|line| wanted.iter().all(|label| line.contains(label)))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .map(|count| count as u64)
            .sum())
    }
}

/// Waits until the server says it is ready.
pub async fn ready(server: &Server) -> Result<()> {
    for _ in 0..1000 {
        let answer = server.client.get(server.ops_url("/readyz")).send().await?;
        if answer.status().is_success() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bail!("it never got ready")
}
