//! A second server that follows the first.

use std::fs;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{sleep, timeout};

use super::programs::{PATIENCE, succeed};
use super::{PASSWORD, Postgres, USER};

/// Where a server keeps what it was told to set.
const SETTINGS: &str = "postgresql.auto.conf";

impl Postgres {
    /// Starts a hot standby of this server, which is stopped for that and started again. From then on a commit here is
    /// answered when the standby has it on its disk (`synchronous_commit = on`), so that whoever was answered loses
    /// nothing by a failover.
    pub async fn standby(&mut self) -> Result<Self> {
        let mut standby = Self::empty(&std::env::temp_dir(), &self.settings)?;
        self.stop().await?;
        let mut copy = self.programs.system("cp", &standby.dir);
        copy.arg("-R").arg(self.data()).arg(standby.data());
        succeed(copy).await?;
        self.start_again().await?;
        let follows = format!(
            "primary_conninfo = 'host=127.0.0.1 port={} user={USER} password=''{PASSWORD}'''\n",
            self.port.number()
        );
        let mut settings = fs::File::options().append(true).open(standby.data().join(SETTINGS))?;
        settings.write_all(follows.as_bytes())?;
        fs::write(standby.data().join("standby.signal"), "")?;
        standby.begin().await?;
        let here = self.named("postgres");
        here.execute("ALTER SYSTEM SET synchronous_standby_names = '*'").await?;
        here.execute("SELECT pg_reload_conf()").await?;
        let synchronous = "SELECT 1 / count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        until(async || here.execute(synchronous).await.is_ok()).await?;
        Ok(standby)
    }

    /// Makes a standby a server of its own, which takes writes when this returns.
    pub async fn promote(&self) -> Result<()> {
        self.pg_ctl(&["promote", "-w"]).await
    }
}

async fn until(ask: impl AsyncFn() -> bool) -> Result<()> {
    let asking = async {
        while !ask().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, asking).await.context("the standby does not follow")
}
