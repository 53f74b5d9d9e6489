//! Opens the PostgreSQL store, and waits for a server that is on its way up.

use std::time::Duration;

use auth_postgres::{OpenError, PgConfig, PgStore};
use secrecy::SecretString;
use tokio::time::{Instant, sleep_until};

use crate::config::Db;

/// How long to wait after the first try, and at most after a later one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The original's default, for a database that nobody else reaches.
const DEFAULT_PASSWORD: &str = "mainflux";

/// The store, or one line that says why there is none.
pub(crate) async fn open(db: &Db) -> Result<PgStore, String> {
    let config = config(db);
    patiently(db, async || PgStore::connect(&config).await).await
}

/// The migrations that [`open`] would run, by version and name.
pub(crate) async fn pending(db: &Db) -> Result<Vec<(i64, &'static str)>, String> {
    let config = config(db);
    patiently(db, async || PgStore::pending(&config).await).await
}

/// What waiting may cure is waited for, as long as the operator allows; what somebody must cure is not.
async fn patiently<T>(
    db: &Db,
    attempt: impl AsyncFn() -> Result<T, OpenError>,
) -> Result<T, String> {
    let deadline = Instant::now().checked_add(db.wait);
    let mut pause = FIRST_PAUSE;
    loop {
        let problem = match attempt().await {
            Ok(done) => return Ok(done),
            Err(problem @ OpenError::Unreachable { .. }) => problem,
            Err(problem @ OpenError::Unusable { .. }) => return Err(problem.to_string()),
        };
        let again = Instant::now().checked_add(pause);
        match (again, deadline) {
            (Some(again), Some(deadline)) if again < deadline => {
                tracing::warn!(%problem, "trying again");
                sleep_until(again).await;
            }
            _ => return Err(problem.to_string()),
        }
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

fn config(db: &Db) -> PgConfig {
    PgConfig {
        host: db.host.clone(),
        port: db.port,
        user: db.user.clone(),
        password: db.password.clone().unwrap_or_else(|| SecretString::from(DEFAULT_PASSWORD)),
        database: db.database.clone(),
        ssl_mode: db.ssl_mode,
        ssl_cert: db.ssl_cert.clone(),
        ssl_key: db.ssl_key.clone(),
        ssl_root_cert: db.ssl_root_cert.clone(),
        pool_max: db.pool,
        acquire_timeout: db.acquire_timeout,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[tokio::test]
    async fn d57_a_database_that_is_not_there_is_waited_for_as_long_as_allowed() {
        let port = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port().to_string()
        };
        let variables = [
            ("MF_AUTH_DB_HOST", "127.0.0.1"),
            ("MF_AUTH_DB_PORT", port.as_str()),
            ("MF_AUTH_DB_PASS", "hunter2"),
            ("MF_AUTH_DB_WAIT", "400ms"),
        ];
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        let config = Config::read(&[], &variables.into_iter().collect()).unwrap();
        let started = std::time::Instant::now();
        let line = open(&config.db).await.unwrap_err();
        assert!(started.elapsed() >= FIRST_PAUSE * 3, "it tried again: {:?}", started.elapsed());
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        assert!(
            line.contains(&port) && !line.contains('\n') && !line.contains("hunter2"),
            "{line}"
        );
    }
}
