//! Hearing of commits, by Redis' publish and subscribe. A hint and nothing more: what a message says is not
//! even looked at, and whoever hears nothing only learns a little later.

use std::fmt;
use std::time::Duration;

use auth_domain::error::{Error, Result};
use futures_util::StreamExt;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, Client};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use crate::{ANSWER, BadAddress, CONNECT, StreamConfig, address, spans};

/// Where replicas tell each other that there is something to read.
pub const CHANNEL: &str = "keyward.changes";
/// The shortest time between two wake-ups, so that a flood of messages is not one of statements.
const BREATH: Duration = Duration::from_millis(5);

/// Two connections, made when they are needed and anew after every failure.
pub struct RedisWakeups {
    client: Client,
    telling: Mutex<Option<MultiplexedConnection>>,
    hearing: Mutex<Option<PubSub>>,
}

impl RedisWakeups {
    /// Over the Redis server of the stream; nothing is connected yet.
    pub fn new(config: &StreamConfig) -> Result<Self, BadAddress> {
        let client = Client::open(address::parse(config)?).map_err(|_| BadAddress)?;
        Ok(Self { client, telling: Mutex::new(None), hearing: Mutex::new(None) })
    }

    /// Says that there is something to read.
    pub async fn tell(&self) -> Result<()> {
        let span = spans::command("PUBLISH", 1);
        let told = self.publish().instrument(span.clone()).await;
        spans::end(&span, told.is_ok());
        told
    }

    async fn publish(&self) -> Result<()> {
        let mut kept = self.telling.lock().await;
        let mut connection = if let Some(connection) = kept.take() {
            connection
        } else {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT))
                .set_response_timeout(Some(ANSWER));
            let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
            connecting.await.map_err(Error::unavailable)?
        };
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(CHANNEL).arg("");
        let _: i64 = publish.query_async(&mut connection).await.map_err(Error::unavailable)?;
        *kept = Some(connection);
        Ok(())
    }

    /// Waits until somebody says so.
    pub async fn woken(&self) -> Result<()> {
        let mut kept = self.hearing.lock().await;
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => timeout(CONNECT, self.subscribe()).await.map_err(Error::unavailable)??,
        };
        let heard = connection.on_message().next().await;
        heard.ok_or_else(|| Error::unavailable("Redis has closed the connection"))?;
        *kept = Some(connection);
        sleep(BREATH).await;
        Ok(())
    }

    async fn subscribe(&self) -> Result<PubSub> {
        let mut connection = self.client.get_async_pubsub().await.map_err(Error::unavailable)?;
        connection.subscribe(CHANNEL).await.map_err(Error::unavailable)?;
        Ok(connection)
    }
}

impl fmt::Debug for RedisWakeups {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisWakeups").finish_non_exhaustive()
    }
}
