//! Three replicas behind the balancer of `docker/compose.yml`, with its own configuration.

use std::net::{IpAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use auth_grpc::proto::Token;
use auth_grpc::proto::auth_service_client::AuthServiceClient;
use auth_testkit::{ADMIN_EMAIL, ADMIN_PASSWORD, Server, workspace};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::world::{eventually, postgres};

const SOON: Duration = Duration::from_secs(20);

/// nginx, on ports of its own; killed when dropped.
pub struct Balancer {
    _child: Child,
    _dir: TempDir,
    /// The URL of its HTTP port.
    pub http: String,
    /// The URL of its gRPC port.
    pub grpc: String,
    channel: Channel,
    client: Client,
}

/// Two ports that were free a moment ago.
fn free_ports() -> [u16; 2] {
    let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|port| port.local_addr().unwrap().port())
}

/// The configuration as it is in the container, but for the places: whatever is not replaced stays as it is.
fn configuration(replicas: &[Server; 3], ports: [u16; 2], dir: &Path) -> String {
    let mut text = std::fs::read_to_string(workspace().join("docker/nginx/nginx.conf")).unwrap();
    let mut replace = |from: &str, to: String| {
        assert!(text.contains(from), "no {from} in\n{text}");
        text = text.replace(from, &to);
    };
    for (n, replica) in (1..).zip(replicas) {
        replace(&format!("replica-{n}:8180"), replica.http.to_string());
        replace(&format!("replica-{n}:8181"), replica.grpc.to_string());
    }
    replace("listen 8180;", format!("listen 127.0.0.1:{};", ports[0]));
    replace("listen 8181 ", format!("listen 127.0.0.1:{} ", ports[1]));
    replace("/tmp/", format!("{}/", dir.display()));
    text
}

impl Balancer {
    pub async fn before(replicas: &[Server; 3]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ports = free_ports();
        let file = dir.path().join("nginx.conf");
        std::fs::write(&file, configuration(replicas, ports, dir.path())).unwrap();
        let mut path = std::env::var_os("PATH").unwrap_or_default();
        // Where Debian has it, and not every user's shell looks.
        path.push(":/usr/sbin");
        // One process, so that nothing outlives the test.
        let child = Command::new("nginx")
            .env("PATH", path)
            .args(["-e", "stderr", "-g", "daemon off; master_process off;", "-p"])
            .arg(dir.path())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("nginx is missing: run scripts/setup-tests");
        eventually("it listens", SOON, async || {
            tokio::net::TcpStream::connect(("127.0.0.1", ports[1])).await.is_ok()
        })
        .await;
        let [http, grpc] = ports.map(|port| format!("http://127.0.0.1:{port}"));
        let channel = Channel::from_shared(grpc.clone()).unwrap().connect().await.unwrap();
        Self { _child: child, _dir: dir, http, grpc, channel, client: Client::new() }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let request =
            self.client.request(method, format!("{}{path}", self.http)).bearer_auth(token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        (status, answer.json().await.unwrap_or_default())
    }

    async fn identify(&self, token: &str) -> Result<String, Status> {
        let mut auth = AuthServiceClient::new(self.channel.clone());
        Ok(auth.identify(Token { value: token.to_owned() }).await?.into_inner().id)
    }

    /// Everything is answered, whichever replica is asked.
    async fn answers(&self, token: &str, times: usize) {
        for time in 0..times {
            let (status, _) = self.ask(Method::GET, "/orgs", token, None).await;
            assert_eq!(status, StatusCode::OK, "{time}");
            let known = self.identify(token).await;
            assert!(known.is_ok(), "{time}: {known:?}");
        }
    }
}

/// How often a replica ran the operation.
async fn ran(replica: &Server, operation: &str) -> u64 {
    let answer = replica.client.get(replica.ops_url("/metrics")).send().await.unwrap();
    let metrics = answer.text().await.unwrap();
    let series = format!("auth_operations_total{{operation=\"{operation}\",outcome=\"ok\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&*series)?.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_behind_the_balancer_are_one_service() {
    // As in the compose file: the balancer says who asks.
    let setup = postgres().await.set("MF_AUTH_TRUSTED_PROXIES", "127.0.0.1");
    let (one, two, three) = tokio::join!(setup.start(), setup.start(), setup.start());
    let replicas = [one.unwrap(), two.unwrap(), three.unwrap()];
    let balancer = Balancer::before(&replicas).await;

    let sign_in = json!({ "email": ADMIN_EMAIL, "password": ADMIN_PASSWORD });
    let (_, signed_in) = balancer.ask(Method::POST, "/tokens", "", Some(sign_in)).await;
    let login = signed_in["token"].as_str().unwrap().to_owned();
    balancer.answers(&login, 30).await;
    for operation in ["list_orgs", "identify"] {
        for (n, replica) in (1..).zip(&replicas) {
            assert!(ran(replica, operation).await > 0, "replica {n} had no {operation}");
        }
    }

    // Somebody at another address, which they cannot make up.
    let elsewhere = Client::builder().local_address(IpAddr::from([127, 0, 0, 2])).build().unwrap();
    let request = elsewhere.post(format!("{}/orgs", balancer.http)).bearer_auth(&login);
    let request = request.header("x-forwarded-for", "203.0.113.1, 127.0.0.1");
    let founded = request.json(&json!({ "name": "acme" })).send().await.unwrap();
    assert_eq!(founded.status(), StatusCode::CREATED);
    let (_, trail) = balancer.ask(Method::GET, "/audit?limit=1", &login, None).await;
    let record = &trail["records"][0];
    assert_eq!(
        (&record["operation"], &record["peer"]),
        (&json!("create_org"), &json!("127.0.0.2"))
    );

    // What one of them revokes all of them refuse.
    let (status, made) =
        balancer.ask(Method::POST, "/keys", &login, Some(json!({ "type": 2 }))).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let key = made["value"].as_str().unwrap();
    for _ in 0..6 {
        balancer.identify(key).await.unwrap();
    }
    let path = format!("/keys/{}", made["id"].as_str().unwrap());
    let (status, _) = balancer.ask(Method::DELETE, &path, &login, None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    for _ in 0..6 {
        assert_eq!(balancer.identify(key).await.unwrap_err().code(), Code::Unauthenticated);
    }

    // One is stopped, one dies: nobody notices.
    let [one, two, three] = replicas;
    assert!(one.stop().await.unwrap().success());
    balancer.answers(&login, 15).await;
    two.kill().await.unwrap();
    balancer.answers(&login, 15).await;
    three.kill().await.unwrap();
    let (status, _) = balancer.ask(Method::GET, "/orgs", &login, None).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(balancer.identify(&login).await.unwrap_err().code(), Code::Unavailable);
}
