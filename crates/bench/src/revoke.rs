//! How long a revocation takes until it is true on every replica.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use auth_grpc::proto;
use auth_grpc::proto::auth_service_client::AuthServiceClient;
use auth_testkit::{Postgres, Server, Setup};
use reqwest::{Method, StatusCode};
use tonic::Code;
use tonic::transport::Channel;

use crate::bars::Bars;
use crate::report::{at, median};
use crate::scene::{Issued, issue, ready};

/// How many keys are revoked with so many replicas.
const KEYS: usize = 300;
/// How often a replica is stopped.
const STOPS: usize = 7;
/// The lease that a service has unless it is told another.
const LEASE_MS: f64 = 1000.0;

/// Revokes keys that every replica has in memory, with one, two and three replicas, and with one of three stopped.
pub async fn measure(auth: &Path, bars: &mut Bars) -> Result<()> {
    println!(
        "## Revoking an API key\n\n| replicas | p50 ms | p99 ms | most ms |\n| --- | --- | --- | --- |"
    );
    let mut alone = f64::NAN;
    for replicas in 1..=3 {
        let fleet = Fleet::start(auth, replicas).await?;
        let mut times = Vec::new();
        for _ in 0..KEYS {
            let key = fleet.known_key().await?;
            times.push(fleet.revoke(&key).await?);
            fleet.refuses(&key, replicas).await?;
        }
        let (p50, p99, most) = (at(&mut times, 50), at(&mut times, 99), at(&mut times, 100));
        println!(
            "| {replicas} | {p50:.1} | {p99:.1} | {} |",
            times.last().map_or(most, |most| most.round())
        );
        if replicas == 1 {
            alone = p50;
        }
        if replicas == 3 {
            bars.at_most(
                "revoking, p99 with three replicas beyond the commit",
                p99 - alone,
                50.0,
                " ms",
            );
            let mut stopped = fleet.with_one_stopped().await?;
            let middle = median(&mut stopped);
            let most = stopped.last().copied().unwrap_or(f64::NAN);
            println!("| 3, one of them stopped | {middle:.0} | | {most:.0} |");
            bars.at_most(
                "revoking, with one of three stopped, beyond what it takes with all three",
                most - p50,
                LEASE_MS,
                " ms",
            );
        }
        fleet.stop().await?;
    }
    println!();
    Ok(())
}

/// Replicas on one database.
struct Fleet {
    servers: Vec<Server>,
    clients: Vec<AuthServiceClient<Channel>>,
    login: String,
    _postgres: Postgres,
}

impl Fleet {
    async fn start(auth: &Path, replicas: usize) -> Result<Self> {
        let postgres = Postgres::start().await?;
        let database = postgres.database().await?;
        let mut servers = Vec::new();
        let mut clients = Vec::new();
        for _ in 0..replicas {
            let server = Setup::new(auth)?.on(&database).start().await?;
            ready(&server).await?;
            clients.push(AuthServiceClient::connect(server.grpc_url()).await?);
            servers.push(server);
        }
        let login = servers.first().context("a replica")?.user("ada@example.com").await?;
        Ok(Self { servers, clients, login, _postgres: postgres })
    }

    async fn stop(self) -> Result<()> {
        for server in self.servers {
            server.stop().await?;
        }
        Ok(())
    }

    fn first(&self) -> Result<&Server> {
        self.servers.first().context("a replica")
    }

    /// A key that every replica has just been asked about.
    async fn known_key(&self) -> Result<Issued> {
        let key = issue(self.first()?, &self.login).await?;
        for client in &self.clients {
            client.clone().identify(proto::Token { value: key.value.clone() }).await?;
        }
        Ok(key)
    }

    /// Revokes it at the first replica; how long that took, in milliseconds.
    async fn revoke(&self, key: &Issued) -> Result<f64> {
        let path = format!("/keys/{}", key.id);
        let begun = Instant::now();
        let answer = self.first()?.send(Method::DELETE, &path, Some(&self.login), None).await?;
        let took = begun.elapsed().as_secs_f64() * 1000.0;
        // Anything else would say that it is not known to be true everywhere.
        ensure!(answer.status() == StatusCode::NO_CONTENT, "{}", answer.status());
        Ok(took)
    }

    /// The first replicas refuse it.
    async fn refuses(&self, key: &Issued, replicas: usize) -> Result<()> {
        for client in self.clients.iter().take(replicas) {
            let refused =
                client.clone().identify(proto::Token { value: key.value.clone() }).await.err();
            let code = refused.context("a revoked key was honoured")?.code();
            ensure!(code == Code::Unauthenticated, "{code:?}");
        }
        Ok(())
    }

    /// Stops the last replica for each revocation and lets it go on afterwards. It has to refuse the key as well.
    async fn with_one_stopped(&self) -> Result<Vec<f64>> {
        let last = self.servers.last().context("a replica")?;
        let mut times = Vec::new();
        for _ in 0..STOPS {
            self.registered(self.servers.len()).await?;
            let key = self.known_key().await?;
            last.signal("STOP").await?;
            let took = self.revoke(&key).await;
            let refused = self.refuses(&key, self.servers.len() - 1).await;
            last.signal("CONT").await?;
            times.push(took?);
            refused?;
            self.refuses(&key, self.servers.len()).await?;
        }
        Ok(times)
    }

    /// Waits until so many replicas hold a lease.
    async fn registered(&self, replicas: usize) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            let mut holding = 0;
            for server in &self.servers {
                let left = crate::scene::counted(server, "auth_replica_lease_seconds", &[]).await?;
                holding += usize::from(left > 0.0);
            }
            if holding == replicas {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("a replica does not come back")
    }
}
