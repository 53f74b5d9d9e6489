//! Publishes what happened to a Redis stream, as Mainflux `auth` does, wakes replicas, and counts for all of them.
//!
//! Read [`RedisStream`] first, then `event`, which says what an entry looks like, and `address`, which
//! understands where Redis is. [`RedisWakeups`] tells replicas of commits; [`RedisCounts`] has the rate limits
//! that replicas share.

mod address;
mod counts;
mod event;
mod spans;
mod wakeups;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::error::{Error, Result};
use auth_domain::fact::Record;
use auth_domain::ports::Publisher;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline};
use secrecy::SecretString;
use tokio::sync::Mutex;
use tracing::Instrument;

pub use counts::{DECIDE, PAUSE, PREFIX, RedisCounts, Verdict};
pub use wakeups::RedisWakeups;

/// The stream that the original's consumers read.
pub const STREAM: &str = "mainflux.auth";

/// How long Redis may take to accept a connection, TLS and sign-in included.
pub const CONNECT: Duration = Duration::from_secs(1);
/// How long Redis may take to answer. Nobody waits for it, so it is ample: an answer that comes too
/// late is an event that is told twice.
pub const ANSWER: Duration = Duration::from_secs(1);

/// Where the stream is.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// `host:port`, or a `redis://` or `rediss://` URL.
    pub address: SecretString,
    /// The password, unless the URL has one.
    pub password: Option<SecretString>,
    /// The number of the database, unless the URL has one.
    pub database: u32,
    /// About how many entries the stream keeps.
    pub max_len: u32,
}

/// The address is not one of Redis.
#[derive(Debug, thiserror::Error)]
#[error("is neither host:port nor redis://[:password@]host:port[/number]")]
pub struct BadAddress;

/// A Redis stream. It connects when there is something to say, and anew after every failure.
pub struct RedisStream {
    client: Client,
    max_len: u32,
    /// One for all: whoever publishes does so in order, and so one at a time.
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl RedisStream {
    /// The stream in this place; nothing is connected yet.
    pub fn new(config: &StreamConfig) -> Result<Self, BadAddress> {
        let client = Client::open(address::parse(config)?).map_err(|_| BadAddress)?;
        Ok(Self { client, max_len: config.max_len, connection: Mutex::new(None) })
    }

    async fn connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// All entries in one transaction of Redis: a part of them, refused for want of memory, say, would
    /// be told after what comes later.
    fn entries(&self, records: &[Record]) -> Pipeline {
        let mut transaction = redis::pipe();
        transaction.atomic();
        for record in records {
            transaction.cmd("XADD").arg(STREAM).arg("MAXLEN").arg("~").arg(self.max_len).arg("*");
            for (name, value) in event::fields(record) {
                transaction.arg(name).arg(value);
            }
        }
        transaction
    }
}

#[async_trait]
impl Publisher for RedisStream {
    async fn publish(&self, records: &[Record]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let span = spans::command("XADD", records.len());
        let published = self.add(records).instrument(span.clone()).await;
        spans::end(&span, published.is_ok());
        published
    }
}

impl RedisStream {
    async fn add(&self, records: &[Record]) -> Result<()> {
        let mut kept = self.connection.lock().await;
        // Kept again only if all went well: a connection that failed may still answer, to the wrong
        // question.
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.connect().await.map_err(Error::unavailable)?,
        };
        let ids: Vec<String> =
            self.entries(records).query_async(&mut connection).await.map_err(Error::unavailable)?;
        if ids.len() != records.len() {
            return Err(Error::unavailable("Redis did not add every entry"));
        }
        *kept = Some(connection);
        Ok(())
    }
}

impl fmt::Debug for RedisStream {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStream").field("max_len", &self.max_len).finish_non_exhaustive()
    }
}
