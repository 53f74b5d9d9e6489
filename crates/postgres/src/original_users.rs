//! Reading the users of a Mainflux v0.33 users service, which is another database than ours.
//!
//! Nothing is written there, and nothing of what stands there is believed.

use async_trait::async_trait;
use auth_domain::error::{Error, Result};
use auth_domain::model::UserId;
use auth_domain::user_import::{ForeignUser, ForeignUsers, LeftBehind};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

/// The migrations that make the tables we read; later ones of the original are fine.
const NEEDED: [&str; 3] = ["users_1", "users_2", "users_3"];
/// How many users are read at a time.
const PART: i64 = 1_000;

/// Why a users database cannot be read. Prints as one line without secrets.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// It cannot be reached, or refuses us.
    #[error("the users database cannot be read: {0}")]
    Unreachable(#[source] sqlx::Error),
    /// It is another database.
    #[error(
        "the database is not one of the users service of Mainflux v0.33: its ledger, gorp_migrations, lacks {0}"
    )]
    Another(&'static str),
}

/// A users database, as it is at one moment.
pub struct OriginalUsers {
    connection: PgConnection,
    after: Option<Uuid>,
}

type UserRow = (Uuid, String, Option<String>, Option<String>, String);

impl OriginalUsers {
    /// Connects by a URL of libpq's kind, with a password that is not in it, and sees to it that nothing it reads
    /// changes meanwhile.
    pub async fn open(url: &str, password: Option<&SecretString>) -> Result<Self, UsersError> {
        let options: PgConnectOptions = url.parse().map_err(UsersError::Unreachable)?;
        let options = options
            .application_name("keyward")
            .disable_statement_logging()
            .options([("default_transaction_read_only", "on")]);
        let options = match password {
            Some(password) => options.password(password.expose_secret()),
            None => options,
        };
        let mut connection =
            PgConnection::connect_with(&options).await.map_err(UsersError::Unreachable)?;
        let done = ledger(&mut connection).await.map_err(UsersError::Unreachable)?;
        if let Some(missing) = NEEDED.iter().find(|id| !done.iter().any(|done| done == *id)) {
            return Err(UsersError::Another(missing));
        }
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        query(begin).execute(&mut connection).await.map_err(UsersError::Unreachable)?;
        Ok(Self { connection, after: None })
    }
}

/// The migrations that were run, none if nobody kept a ledger.
async fn ledger(db: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    let exists: bool = query_scalar("SELECT to_regclass('gorp_migrations') IS NOT NULL")
        .fetch_one(&mut *db)
        .await?;
    if !exists {
        return Ok(Vec::new());
    }
    query_scalar("SELECT id::text FROM gorp_migrations").fetch_all(db).await
}

fn failure(error: sqlx::Error) -> Error {
    Error::unavailable(UsersError::Unreachable(error))
}

#[async_trait]
impl ForeignUsers for OriginalUsers {
    async fn read(&mut self) -> Result<Vec<ForeignUser>> {
        // No more of a value than tells that it is too long.
        let rows: Vec<UserRow> = query_as(
            "SELECT id, left(email::text, 1000), left(password::text, 1000), \
             CASE WHEN metadata IS NULL THEN '{}' \
             WHEN octet_length(metadata::text) <= 4194304 THEN metadata::text END, status::text \
             FROM users WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2",
        )
        .bind(self.after)
        .bind(PART)
        .fetch_all(&mut self.connection)
        .await
        .map_err(failure)?;
        self.after = rows.last().map_or(self.after, |(id, ..)| Some(*id));
        let user = |(id, email, password, metadata, status): UserRow| ForeignUser {
            id: UserId::new(id),
            email,
            password,
            metadata: metadata.and_then(|text| serde_json::from_str(&text).ok()),
            status,
        };
        Ok(rows.into_iter().map(user).collect())
    }

    async fn rewind(&mut self) -> Result<()> {
        self.after = None;
        Ok(())
    }

    async fn left_behind(&mut self) -> Result<LeftBehind> {
        let (verifications, platform_invites): (i64, i64) = query_as(
            "SELECT (SELECT count(*) FROM verifications WHERE expires_at > now()), \
             (SELECT count(*) FROM platform_invites WHERE state = 'pending' AND expires_at > now())",
        )
        .fetch_one(&mut self.connection)
        .await
        .map_err(failure)?;
        Ok(LeftBehind {
            verifications: verifications.try_into().unwrap_or_default(),
            platform_invites: platform_invites.try_into().unwrap_or_default(),
        })
    }
}
