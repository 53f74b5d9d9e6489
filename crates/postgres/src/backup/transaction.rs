//! A transaction that lives as long as somebody holds it. Dropping it closes its connection, which undoes it.

use std::time::Duration;

use auth_domain::error::{Error, Result};
use sqlx::PgConnection;
use tokio::time::timeout;

use crate::connections::{Connections, Lease};
use crate::failure::failure;

/// How long one statement may take. What is written or read at a time is bounded, so this is for a server
/// that is gone, or busy beyond measure.
const STATEMENT: Duration = Duration::from_mins(1);

/// Begins a transaction that sees what was there when it began, and nothing later. Whoever reads it may take a
/// while with each part.
pub(super) const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL statement_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = '120s'";
/// Begins a transaction that writes, and writes the change log, too.
pub(super) const WRITE: &str = "BEGIN; SET LOCAL statement_timeout = '60s'; \
    SET LOCAL lock_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '120s'; \
    SET LOCAL keyward.writer = 'yes'";

/// A transaction.
pub(super) struct Held {
    lease: Lease,
    /// Whether a statement failed, after which committing would do nothing and not say so.
    failed: bool,
}

impl Held {
    pub(super) async fn begin(database: &Connections, how: &'static str) -> Result<Self> {
        let lease = database.lease().await.map_err(failure)?;
        let mut held = Self { lease, failed: false };
        held.run(async |db| {
            sqlx::raw_sql(how).execute(db).await.map_err(failure)?;
            Ok(())
        })
        .await?;
        Ok(held)
    }

    /// Does something in the transaction.
    pub(super) async fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T>,
    ) -> Result<T> {
        if self.failed {
            return Err(Error::internal("a transaction that failed is used again"));
        }
        self.failed = true;
        let done = timeout(STATEMENT, work(&mut self.lease)).await;
        let done =
            done.unwrap_or_else(|_| Err(Error::unavailable("the database did not answer")))?;
        self.failed = false;
        Ok(done)
    }

    /// Ends the transaction and gives the connection back.
    pub(super) async fn commit(mut self) -> Result<()> {
        self.run(async |db| {
            sqlx::raw_sql("COMMIT").execute(db).await.map_err(failure)?;
            Ok(())
        })
        .await?;
        self.lease.finish(false);
        Ok(())
    }
}
