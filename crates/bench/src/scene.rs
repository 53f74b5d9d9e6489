//! The world the calls are made in: a server, an org, a member with a login token and an API key, and the
//! same of somebody who belongs to a hundred thousand orgs.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use auth_grpc::proto;
use auth_testkit::{Database, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::load::Call;

const IDENTIFY: &str = "/protomfx.AuthService/Identify";
const AUTHORIZE: &str = "/protomfx.AuthService/Authorize";

/// How deep the group lies that is asked about: as deep as any may.
const DEPTH: usize = 32;

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

/// Somebody who calls, with both kinds of token.
#[derive(Clone, Debug)]
pub struct Caller {
    /// A login token.
    pub login: String,
    /// An API key's.
    pub key: String,
}

impl Caller {
    /// Makes the account and the key.
    pub async fn new(server: &Server, email: &str) -> Result<Self> {
        let login = server.user(email).await?;
        let key = issue(server, &login).await?.value;
        Ok(Self { login, key })
    }
}

/// An API key as it is answered once.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Its id.
    pub id: String,
    /// The token.
    pub value: String,
}

/// Makes an API key.
pub async fn issue(server: &Server, login: &str) -> Result<Issued> {
    let made = post(server, "/keys", login, &json!({ "type": 2 })).await?;
    let text = |name| made.get(name).and_then(Value::as_str).map(str::to_owned).context("no key");
    Ok(Issued { id: text("id")?, value: text("value")? })
}

/// Founds an org and gives its id.
async fn found(server: &Server, login: &str) -> Result<String> {
    let made = post(server, "/orgs", login, &json!({ "name": "acme" })).await?;
    made.get("id").and_then(Value::as_str).map(str::to_owned).context("no org")
}

/// Makes something and gives what is answered; for what has an address of its own, that has its id as `id`.
async fn post(server: &Server, path: &str, login: &str, body: &Value) -> Result<Value> {
    let made = server.send(Method::POST, path, Some(login), Some(body)).await?;
    ensure!(made.status().is_success(), "{path}: {}", made.text().await?);
    let location = made.headers().get("location").map(|at| at.to_str().map(str::to_owned));
    let text = made.text().await?;
    let mut made: Value = if text.is_empty() { json!({}) } else { serde_json::from_str(&text)? };
    let id = location.transpose()?.and_then(|at| Some(at.rsplit_once('/')?.1.to_owned()));
    if let (Some(id), Some(made)) = (id, made.as_object_mut()) {
        made.entry("id").or_insert(id.into());
    }
    Ok(made)
}

/// A server with something in it.
pub struct Scene {
    /// The server.
    pub server: Server,
    database: Option<u32>,
    ada: Caller,
    org: String,
    group: String,
}

impl Scene {
    /// Starts the server and fills it. `database` is the process id of its PostgreSQL.
    pub async fn build(setup: Setup, database: Option<u32>) -> Result<Self> {
        let server = setup.start().await?;
        let ada = Caller::new(&server, "ada@example.com").await?;
        let org = found(&server, &ada.login).await?;
        let mut group: Option<String> = None;
        for level in 1..=DEPTH {
            let body =
                json!({ "name": format!("level {level}"), "org_id": org, "parent_id": group });
            let made = post(&server, "/groups", &ada.login, &body).await?;
            group = made.get("id").and_then(Value::as_str).map(str::to_owned);
        }
        let group = group.context("no group")?;
        Ok(Self { server, database, ada, org, group })
    }

    /// The processes that answer.
    pub fn pids(&self) -> Result<Vec<u32>> {
        Ok(std::iter::once(self.server.pid()?).chain(self.database).collect())
    }

    /// `Identify` of a login token.
    pub fn identify_login(&self) -> Call {
        self.identify("Identify, login token", &self.ada.login)
    }

    /// `Identify` of an API key.
    pub fn identify_key(&self) -> Call {
        self.identify("Identify, API key", &self.ada.key)
    }

    /// The login token.
    pub fn login(&self) -> &str {
        &self.ada.login
    }

    /// The API key's token.
    pub fn key(&self) -> &str {
        &self.ada.key
    }

    /// `Identify` of this token.
    pub fn identify(&self, name: &'static str, token: &str) -> Call {
        let body = Call::framed(&proto::Token { value: token.to_owned() }).unwrap_or_default();
        let address = self.server.grpc;
        Call { name, operation: "identify", address, path: IDENTIFY, body, count: 100_000 }
    }

    /// `Authorize` of a member by login token.
    pub fn authorize_org(&self) -> Call {
        self.authorize("Authorize, org role", &self.ada.login, "org", &self.org, "viewer")
    }

    /// `Authorize` of the platform's first admin.
    pub async fn authorize_platform(&self) -> Result<Call> {
        let admin = self.server.admin().await?;
        Ok(self.authorize("Authorize, platform role", &admin, "root", "", ""))
    }

    /// `Authorize` in a group that lies as deep as any may.
    pub fn authorize_group(&self) -> Call {
        self.authorize(
            "Authorize, group at depth 32",
            &self.ada.login,
            "group",
            &self.group,
            "editor",
        )
    }

    fn authorize(
        &self,
        name: &'static str,
        token: &str,
        subject: &str,
        object: &str,
        action: &str,
    ) -> Call {
        let asked = proto::AuthorizeReq {
            token: token.to_owned(),
            object: object.to_owned(),
            subject: subject.to_owned(),
            action: action.to_owned(),
        };
        let body = Call::framed(&asked).unwrap_or_default();
        let address = self.server.grpc;
        Call { name, operation: "authorize", address, path: AUTHORIZE, body, count: 100_000 }
    }

    /// How many of these calls the server says it answered with a yes, since it started.
    pub async fn answered(&self, call: &Call) -> Result<u64> {
        counted(
            &self.server,
            "auth_operations_total",
            &[("operation", call.operation), ("outcome", "ok")],
        )
        .await
        .map(|count| count as u64)
    }
}

/// The sum of a server's metric over what has these labels.
pub async fn counted(server: &Server, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
    let metrics = server.client.get(server.ops_url("/metrics")).send().await?.text().await?;
    let wanted: Vec<_> =
        labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    Ok(metrics
        .lines()
        .filter(|line| line.split(['{', ' ']).next() == Some(name))
        .filter(|line| wanted.iter().all(|label| line.contains(label)))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum())
}

/// Somebody who belongs to as many orgs, and an org that has as many members, of which they are one: each call
/// with few and with many.
pub struct Scale {
    /// What is compared: the name, with few, with many.
    pub pairs: Vec<(&'static str, Call, Call)>,
}

impl Scale {
    /// Puts ten and a hundred thousand memberships of each kind into the database.
    pub async fn build(scene: &Scene, database: &Database) -> Result<Self> {
        let few = Belonging::build(scene, database, "few", FEW).await?;
        let many = Belonging::build(scene, database, "many", MANY).await?;
        database.execute("VACUUM ANALYZE").await?;
        let pairs = few.calls(scene).into_iter().zip(many.calls(scene));
        Ok(Self { pairs: pairs.map(|(few, many)| (few.name, few, many)).collect() })
    }
}

/// Two people with so many orgs each, one of whom has a platform role, and an org of the other's with so many members.
struct Belonging {
    member: Caller,
    admin: Caller,
    org: String,
    group: String,
}

impl Belonging {
    async fn build(scene: &Scene, database: &Database, name: &str, count: u32) -> Result<Self> {
        let server = &scene.server;
        let member = Caller::new(server, &format!("{name}@example.com")).await?;
        let admin = Caller::new(server, &format!("{name}.admin@example.com")).await?;
        let org = found(server, &member.login).await?;
        let group = json!({ "name": "acme", "org_id": org });
        let made = post(server, "/groups", &member.login, &group).await?;
        let group = made.get("id").and_then(Value::as_str).context("no group")?.to_owned();
        // As many more members there, and as many more orgs elsewhere.
        database
            .execute(&format!(
                "INSERT INTO orgs (id, owner_id, name, description, created_at, updated_at) \
                 SELECT gen_random_uuid(), id, '{name} ' || i, '', now(), now() \
                 FROM keyward_accounts, generate_series(2, {count}) i WHERE email LIKE '{name}%'; \
                 INSERT INTO org_memberships (member_id, org_id, role, created_at, updated_at) \
                 SELECT owner_id, id, 'owner', now(), now() FROM orgs WHERE name LIKE '{name} %'; \
                 INSERT INTO org_memberships (member_id, org_id, role, created_at, updated_at) \
                 SELECT gen_random_uuid(), '{org}', 'viewer', now(), now() \
                 FROM generate_series(2, {count}); \
                 INSERT INTO users_roles (user_id, role) \
                 SELECT id, 'admin' FROM keyward_accounts WHERE email LIKE '{name}.admin%'"
            ))
            .await?;
        Ok(Self { member, admin, org, group })
    }

    /// What has a bar.
    fn calls(&self, scene: &Scene) -> [Call; 5] {
        let member = &self.member.login;
        [
            scene.identify("Identify, login token", member),
            scene.identify("Identify, API key", &self.member.key),
            scene.authorize("Authorize, org role", member, "org", &self.org, "viewer"),
            scene.authorize("Authorize, platform role", &self.admin.login, "root", "", ""),
            scene.authorize("Authorize, group", member, "group", &self.group, "editor"),
        ]
    }
}

const FEW: u32 = 10;
const MANY: u32 = 100_000;

/// Waits until the server says it is ready.
pub async fn ready(server: &Server) -> Result<()> {
    for _ in 0..1000 {
        let answer = server.client.get(server.ops_url("/readyz")).send().await?;
        if answer.status().is_success() {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    anyhow::bail!("it never got ready")
}
