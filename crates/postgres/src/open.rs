//! Getting at the database: reaching it, and seeing that it is one we can use.

use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::{ConnectOptions, Connection, PgConnection, Row};
use tokio::time::{sleep, timeout};

use crate::connections::{Connections, refuse_read_only};
use crate::failure::is_outage;
use crate::wakeups::Wakeups;
use crate::{PgConfig, PgStore, schema};

/// How long a start waits for the server to take a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a start waits for another replica to finish preparing the schema.
const TURN: Duration = Duration::from_mins(1);
/// How often it asks whether it is its turn.
const ASK: Duration = Duration::from_millis(50);
/// How many connections there are for reading the change log and renewing leases, beside those for requests.
pub const REGISTRY_CONNECTIONS: u32 = 4;
/// The oldest major version we know to work.
const OLDEST: u32 = 15;
/// Who holds this advisory lock prepares the schema: "keyward" as a number.
const LOCK: i64 = 0x006b_6579_7761_7264;

/// Why the store cannot be used. Prints as one line, without secrets.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The server does not answer, is starting, is read-only or overloaded, or other replicas take
    /// long to prepare the schema: trying again may help.
    #[error("{place} cannot be used yet: {cause}")]
    Unreachable {
        /// Which database.
        place: String,
        /// What went wrong.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server refuses us, or the database is not one we can use: somebody must act.
    #[error("{place} cannot be used: {cause}")]
    Unusable {
        /// Which database.
        place: String,
        /// What is wrong with it.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl OpenError {
    /// Whether trying again may help.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// What is wrong with a database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0}")]
    Sql(#[from] sqlx::Error),
    #[error("{0}")]
    Migration(#[from] MigrateError),
    #[error("it did not answer within {} seconds", CONNECT.as_secs())]
    Silent,
    #[error("other replicas have been preparing its schema for {} seconds", TURN.as_secs())]
    Busy,
    #[error("it is version {0}, and {OLDEST} is the oldest that will do")]
    TooOld(u32),
    #[error(
        "it holds groups of Mainflux auth 0.13, which cannot be taken over; use another database"
    )]
    Groups,
    #[error(
        "its migration ledger is incomplete ({0}); start Mainflux auth v0.33.0 on it once, or use \
         another database"
    )]
    Incomplete(&'static str),
    #[error(
        "its migration ledger has {0:?}, which is not of Mainflux auth up to v0.42; use another \
         database"
    )]
    Unknown(String),
    #[error(
        "a pooler in front of it gives its sessions away between transactions; it must keep one for \
         each connection (PgBouncer: pool_mode = session)"
    )]
    SharedSessions,
    #[error("its schema has version {0}, made by a newer version of this program")]
    Newer(i64),
}

impl Problem {
    fn is_temporary(&self) -> bool {
        match self {
            Self::Silent | Self::Busy => true,
            Self::Sql(error)
            | Self::Migration(
                MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _),
            ) => is_outage(error),
            _ => false,
        }
    }

    fn at(self, config: &PgConfig) -> OpenError {
        let place = config.place();
        if self.is_temporary() {
            OpenError::Unreachable { place, cause: self.into() }
        } else {
            OpenError::Unusable { place, cause: self.into() }
        }
    }
}

impl PgStore {
    /// Connects, takes over a database of the original or makes one like it, and brings our part of the
    /// schema up to date. Any number of replicas may do so at once.
    pub async fn connect(config: &PgConfig) -> Result<Self, OpenError> {
        prepare(config).await.map_err(|problem| problem.at(config))?;
        let registry = PgConfig { pool_max: REGISTRY_CONNECTIONS, ..config.clone() };
        Ok(Self {
            database: Connections::new(config),
            registry: Connections::new(&registry),
            wakeups: Wakeups::new(config),
        })
    }

    /// The migrations that [`PgStore::connect`] would run, by version and name; 0 is the schema of the original, on an
    /// empty database. Nothing is changed and nobody waits: while another process migrates, it is what that one has
    /// still to do. An index that was left unfinished is among them.
    pub async fn pending(config: &PgConfig) -> Result<Vec<(i64, &'static str)>, OpenError> {
        look(config).await.map_err(|problem| problem.at(config))
    }
}

async fn reach(config: &PgConfig) -> Result<PgConnection, Problem> {
    let options = config.options();
    let connection = timeout(CONNECT, options.connect()).await.map_err(|_| Problem::Silent)??;
    let version = connection.server_version_num().unwrap_or_default() / 10_000;
    if version < OLDEST {
        return Err(Problem::TooOld(version));
    }
    Ok(connection)
}

async fn look(config: &PgConfig) -> Result<Vec<(i64, &'static str)>, Problem> {
    let mut connection = reach(config).await?;
    let pending = schema::pending(&mut connection).await?;
    connection.close().await?;
    Ok(pending)
}

/// Holds the lock and does the work on one connection: when it is lost, both end.
async fn prepare(config: &PgConfig) -> Result<(), Problem> {
    let mut connection = reach(config).await?;
    refuse_shared_sessions(&mut connection, config).await?;
    refuse_read_only(&mut connection).await?;
    wait_for_turn(&mut connection).await?;
    schema::prepare(&mut connection).await?;
    // Ends the session, and the lock with it.
    connection.close().await?;
    Ok(())
}

/// Statements that are prepared, settings of a session, advisory locks and notifications are lost, or become somebody
/// else's, behind a pooler that lends sessions for a transaction each. Two connections that are open at the same time
/// and have the same session are behind one; so this is asked before anything is left in a session.
async fn refuse_shared_sessions(
    connection: &mut PgConnection,
    config: &PgConfig,
) -> Result<(), Problem> {
    let session = session_of(connection).await?;
    let mut other = reach(config).await?;
    let others = session_of(&mut other).await?;
    other.close().await?;
    if session == others { Err(Problem::SharedSessions) } else { Ok(()) }
}

/// The process of the server that serves it now.
async fn session_of(connection: &mut PgConnection) -> Result<i32, Problem> {
    // Prepared by nobody.
    let row = sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(connection).await?;
    Ok(row.try_get(0)?)
}

/// Asks again and again instead of waiting in the server: who waits there holds a snapshot, and whoever
/// builds an index without blocking others waits for all snapshots to go.
async fn wait_for_turn(connection: &mut PgConnection) -> Result<(), Problem> {
    let asking = async {
        loop {
            let ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                .bind(LOCK)
                .fetch_one(&mut *connection)
                .await?;
            if ours {
                return Ok(());
            }
            sleep(ASK).await;
        }
    };
    timeout(TURN, asking).await.map_err(|_| Problem::Busy)?
}
