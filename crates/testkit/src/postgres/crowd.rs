//! Others who use the server, too many of them.

use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::PgConnection;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::Database;
use super::programs::PATIENCE;

/// How often it is refused in a row until it is sure that there are no connections left.
const REFUSALS: u32 = 20;

/// Whoever has taken every connection the server has; they are given back when it is dropped.
#[derive(Debug)]
pub struct Crowd(JoinHandle<()>);

impl Database {
    /// Throws the service out of this database's server, and takes every connection there is before it is back.
    pub async fn crowd(&self) -> Result<Crowd> {
        let (full, is_full) = oneshot::channel();
        let crowd = Crowd(tokio::spawn(fill(self.clone(), full)));
        timeout(PATIENCE, is_full).await?.context("the crowd is gone")?;
        Ok(crowd)
    }
}

async fn fill(database: Database, full: oneshot::Sender<()>) {
    const OTHERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                          WHERE application_name = 'keyward'";
    let mut full = Some(full);
    let mut crowd: Vec<PgConnection> = Vec::new();
    let mut refusals = 0_u32;
    loop {
        if let Ok(connection) = database.connect().await {
            crowd.push(connection);
            refusals = 0;
            continue;
        }
        refusals = refusals.saturating_add(1);
        if refusals > REFUSALS {
            if let Some(full) = full.take() {
                let _ = full.send(());
            }
            sleep(Duration::from_millis(5)).await;
        } else if let Some(first) = crowd.first_mut() {
            let _ = sqlx::query(OTHERS).execute(first).await;
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.0.abort();
    }
}
