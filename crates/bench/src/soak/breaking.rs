//! Something is broken now and then.

use std::time::Duration;

use anyhow::Result;
use auth_testkit::{Network, Postgres, Proxy, Redis};
use tokio::time::{Instant, sleep};

/// How long it is broken.
const LASTS: Duration = Duration::from_secs(2);
/// How long after that calls may still fail.
const AFTER: Duration = Duration::from_secs(5);
/// How many faults there are in a soak.
const FAULTS: u32 = 8;

/// What was broken, and when.
#[derive(Debug, Default)]
pub struct Breaking(Vec<(&'static str, Instant, Instant)>);

impl Breaking {
    /// Breaks the next thing when it is time for it, and mends it.
    pub async fn now_and_then(
        &mut self,
        elapsed: Duration,
        of: Duration,
        postgres: &mut Postgres,
        redis: &Redis,
        network: &Proxy,
    ) -> Result<()> {
        let turn = u32::try_from(self.0.len())?;
        // The last one is over well before the end.
        if turn >= FAULTS || elapsed < of * (turn + 1) / (FAULTS + 1) {
            return Ok(());
        }
        let began = Instant::now();
        let what = match turn % 4 {
            0 => {
                postgres.stop().await?;
                sleep(LASTS).await;
                postgres.start_again().await?;
                "PostgreSQL restarted"
            }
            1 => {
                redis.freeze().await?;
                sleep(LASTS).await;
                redis.thaw().await?;
                "Redis frozen"
            }
            2 => {
                network.become_(Network::Silent);
                sleep(LASTS).await;
                network.become_(Network::Fine);
                "the network to PostgreSQL silent"
            }
            _ => {
                network.become_(Network::Cut);
                sleep(LASTS).await;
                network.become_(Network::Fine);
                "the network to PostgreSQL cut"
            }
        };
        self.0.push((what, began, Instant::now()));
        Ok(())
    }

    /// Whether something was broken while a call was made, or had been just before.
    pub fn excuses(&self, asked: Instant, answered: Instant) -> bool {
        self.0.iter().any(|(_, began, ended)| answered >= *began && asked <= *ended + AFTER)
    }

    /// What was broken, in words.
    pub fn summary(&self) -> String {
        let what: Vec<_> = self.0.iter().map(|(what, ..)| *what).collect();
        what.join(", ")
    }
}
