//! Hearing of commits, by notifications of the server.
//!
//! A hint and nothing more: what is told while the connection is down is lost.

use std::fmt;

use auth_domain::error::Result;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::Mutex;

use crate::PgConfig;
use crate::failure::failure;
use crate::log::CHANNEL;

/// A connection that listens, made when somebody wants to hear.
pub(crate) struct Wakeups {
    options: PgConnectOptions,
    listener: Mutex<Option<PgListener>>,
}

impl Wakeups {
    pub(crate) fn new(config: &PgConfig) -> Self {
        Self { options: config.options(), listener: Mutex::new(None) }
    }

    /// Waits for the next one. Losing the connection counts as one: something may have been missed.
    pub(crate) async fn next(&self) -> Result<()> {
        let mut kept = self.listener.lock().await;
        let mut listener = match kept.take() {
            Some(listener) => listener,
            None => self.listen().await.map_err(failure)?,
        };
        listener.try_recv().await.map_err(failure)?;
        *kept = Some(listener);
        Ok(())
    }

    async fn listen(&self) -> sqlx::Result<PgListener> {
        // Its own, because a pool takes connections back that have been used for a while.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }
}

impl fmt::Debug for Wakeups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wakeups").finish_non_exhaustive()
    }
}
