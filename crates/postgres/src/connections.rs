//! The pool: bounded, with deadlines, and quick to drop what is broken.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use auth_domain::error::{Error, Result};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgPoolOptions, PgRow};
use sqlx::query::QueryAs;
use sqlx::{FromRow, PgConnection, PgPool, Postgres};
use tokio::time::timeout;
use tracing::Instrument;

use crate::failure::{failure, is_disconnection};
use crate::{PgConfig, spans};

/// How long a read may take, waiting and a second try included.
pub(crate) const READ: Duration = Duration::from_secs(2);
/// How long a commit may take, repetitions included.
pub(crate) const WRITE: Duration = Duration::from_secs(5);
/// How long a statement waits for a lock: a little more than the second after which the server looks for
/// deadlocks, so that a deadlock is told apart, and repeated.
const LOCK: Duration = Duration::from_millis(1_200);
/// How long a connection is used: a server or address that was replaced is left behind by then.
const LIFE: Duration = Duration::from_mins(30);

/// Connections to the database. No request ever holds two.
#[derive(Debug)]
pub(crate) struct Connections {
    pool: PgPool,
    distrust: Arc<Distrust>,
}

/// When one connection turns out to be cut, those made before are taken to be cut too.
#[derive(Debug)]
struct Distrust {
    started: Instant,
    /// Microseconds after `started`.
    before: AtomicU64,
}

impl Distrust {
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn rise(&self) {
        self.before.fetch_max(self.now(), Ordering::Relaxed);
    }

    fn trusts(&self, age: Duration) -> bool {
        let age = u64::try_from(age.as_micros()).unwrap_or(u64::MAX);
        self.now().saturating_sub(age) >= self.before.load(Ordering::Relaxed)
    }
}

impl Connections {
    /// A pool that connects when somebody asks.
    pub(crate) fn new(config: &PgConfig) -> Self {
        let distrust = Distrust { started: Instant::now(), before: AtomicU64::new(0) };
        let distrust = Arc::new(distrust);
        let judge = Arc::clone(&distrust);
        let pool = PgPoolOptions::new()
            .max_connections(config.pool_max)
            .acquire_timeout(config.acquire_timeout)
            .max_lifetime(LIFE)
            // A round trip for every use; `attempt` finds out without one.
            .test_before_acquire(false)
            .before_acquire(move |_, connection| {
                let trusted = judge.trusts(connection.age);
                Box::pin(async move { Ok(trusted) })
            })
            .after_connect(|connection, _| Box::pin(set_up(connection)))
            .connect_lazy_with(config.options());
        Self { pool, distrust }
    }

    /// The rows of a statement. The statement is made again for a second try, which happens once and
    /// only if the connection was cut: after the server was restarted, that says nothing about the
    /// server.
    pub(crate) async fn all<'q, T>(&self, statement: impl Fn() -> Select<'q, T>) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let span = spans::select(&statement);
        let tries = async {
            match self.attempt(statement()).await {
                Err(cut) if is_disconnection(&cut) => self.attempt(statement()).await,
                other => other,
            }
        };
        let rows = match timeout(READ, tries).instrument(span.clone()).await {
            Ok(rows) => rows.map_err(failure),
            Err(_) => Err(Error::unavailable("the database did not answer in time")),
        };
        spans::end(&span, rows)
    }

    /// The row of a statement that gives at most one.
    pub(crate) async fn optional<'q, T>(
        &self,
        statement: impl Fn() -> Select<'q, T>,
    ) -> Result<Option<T>>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        Ok(self.all(statement).await?.pop())
    }

    /// The row of a statement that always gives one.
    pub(crate) async fn one<'q, T>(&self, statement: impl Fn() -> Select<'q, T>) -> Result<T>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        self.optional(statement).await?.ok_or_else(|| failure(sqlx::Error::RowNotFound))
    }

    async fn attempt<T>(&self, statement: Select<'_, T>) -> sqlx::Result<Vec<T>>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let mut lease = self.lease().await?;
        let rows = statement.fetch_all(&mut *lease).await;
        lease.finish(rows.as_ref().is_err_and(is_disconnection));
        rows
    }

    /// A connection for one transaction.
    pub(crate) async fn lease(&self) -> sqlx::Result<Lease> {
        let connection = self.pool.acquire().await?;
        Ok(Lease { connection, distrust: Arc::clone(&self.distrust), finished: false })
    }
}

/// A statement that reads.
pub(crate) type Select<'q, T> = QueryAs<'q, Postgres, T, PgArguments>;

/// A connection in use. Unless it is [finished](Lease::finish), it is closed: whoever used it was
/// interrupted, and it may never answer.
pub(crate) struct Lease {
    connection: PoolConnection<Postgres>,
    distrust: Arc<Distrust>,
    finished: bool,
}

impl Lease {
    /// Gives the connection back; or drops it, and those made before it, if it turned out to be cut.
    pub(crate) fn finish(mut self, cut: bool) {
        self.finished = !cut;
        if cut {
            self.distrust.rise();
        }
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.finished {
            self.connection.close_on_drop();
        }
    }
}

/// Bounds what its statements may take, and refuses what only reads, in one round trip. Not by options of the start-up
/// packet, which a pooler does not take.
async fn set_up(connection: &mut PgConnection) -> sqlx::Result<()> {
    let statement = "SELECT current_setting('transaction_read_only')::boolean, \
         set_config('statement_timeout', $1, false), \
         set_config('lock_timeout', $2, false), \
         set_config('idle_in_transaction_session_timeout', $3, false)";
    let (read_only, ..): (bool, String, String, String) = sqlx::query_as(statement)
        .bind(READ.as_millis().to_string())
        .bind(LOCK.as_millis().to_string())
        // A client that stops in the middle of a commit must not keep its locks.
        .bind(WRITE.as_millis().to_string())
        .fetch_one(connection)
        .await?;
    if read_only { Err(only_reads()) } else { Ok(()) }
}

/// A standby, or a server demoted to one, answers reads with what was true a while ago.
pub(crate) async fn refuse_read_only(connection: &mut PgConnection) -> sqlx::Result<()> {
    let read_only: bool =
        sqlx::query_scalar("SELECT current_setting('transaction_read_only')::boolean")
            .fetch_one(connection)
            .await?;
    if read_only { Err(only_reads()) } else { Ok(()) }
}

fn only_reads() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::other("the server is read-only: a standby, or set so"))
}
