//! `auth api-keys` and `auth sessions`: taking access from a user when nobody can sign in to do it over HTTP.
//!
//! The same operations as there, run by this process on the store that the settings name: recorded as the
//! operator's, and true on every replica when the command ends.

use std::process::ExitCode;
use std::sync::Arc;

use auth_domain::model::{Direction, Key, KeyId, KeyOrder, MAX_LIMIT, Page, Session, UserId};
use auth_domain::ops::By;
use auth_domain::ops::accounts::FindUser;
use auth_domain::ops::keys::{ListKeysOf, RevokeKeyOf};
use auth_domain::ops::sessions::{EndSessionsOf, RevokeKeysOf};
use auth_domain::ops::sign_ins::ListSessionsOf;
use auth_domain::{App, Caller, Entity, Error, Operation};
use serde_json::{Value, json};

use super::{pending, said, tell, watched};
use crate::config::{ApiKeys, Config, Sessions, Who};
use crate::wiring::Unwatched;

/// The service on the store, and whether every replica knows what it wrote.
struct Hand {
    app: App,
    watching: Arc<Unwatched>,
}

/// `auth api-keys`.
pub(crate) async fn api_keys(config: &Config, told: &ApiKeys) -> Result<ExitCode, String> {
    let hand = Hand::open(config).await?;
    match told {
        ApiKeys::List { of, json } => {
            let user = hand.find(of).await?;
            list(&hand.keys(user).await?, *json)
        }
        ApiKeys::Revoke { of, key: Some(key), json, .. } => {
            let user = hand.find(of).await?;
            hand.revoke(user, *key).await?;
            let document =
                json!({ "user": user.to_string(), "key": key.to_string(), "state": "revoked" });
            tell(*json, &document, || format!("{key} is revoked"))
        }
        ApiKeys::Revoke { of, key: None, json, .. } => {
            let user = hand.find(of).await?;
            let had = hand.keys(user).await?.len();
            hand.write(RevokeKeysOf { by: By::Operator, user }).await?;
            let document = json!({ "user": user.to_string(), "state": "revoked", "keys": had });
            tell(*json, &document, || match had {
                0 => format!("user {user} had no API keys: is that the user?"),
                _ => format!("user {user} has no API keys any more, of {had}"),
            })
        }
    }
    .map(|()| ExitCode::SUCCESS)
}

/// `auth sessions`.
pub(crate) async fn sessions(config: &Config, told: &Sessions) -> Result<ExitCode, String> {
    let hand = Hand::open(config).await?;
    let (of, json) = match told {
        Sessions::List { of, json } => {
            let user = hand.find(of).await?;
            list_sessions(&hand.sessions(user).await?, *json)?;
            return Ok(ExitCode::SUCCESS);
        }
        Sessions::End { of, json } => (of, json),
    };
    let user = hand.find(of).await?;
    match hand.run(EndSessionsOf { by: By::Operator, user }).await {
        Ok(()) => hand.known()?,
        Err(Error::NotFound(Entity::Account)) => return Err(format!("nobody has the id {user}")),
        Err(other) => return Err(said(&other)),
    }
    let document = json!({ "user": user.to_string(), "state": "ended" });
    tell(*json, &document, || format!("user {user} is logged out everywhere"))?;
    Ok(ExitCode::SUCCESS)
}

impl Hand {
    async fn open(config: &Config) -> Result<Self, String> {
        // A setting that was forgotten must not make a store and say that it is done.
        let missing = pending(config).await?;
        if let Some((version, name)) = missing.first() {
            return Err(format!(
                "what the settings name is no store of this version's service: it lacks the migration {version} \
                 ({name}). Nothing was done"
            ));
        }
        let (app, watching) = watched(config).await?;
        Ok(Self { app, watching })
    }

    async fn run<O: Operation>(&self, operation: O) -> Result<O::Output, Error> {
        self.app.execute(Caller::Operator, operation).await
    }

    /// Does it, and says so only if every replica knows.
    async fn write<O: Operation>(&self, operation: O) -> Result<(), String> {
        self.run(operation).await.map_err(|error| said(&error))?;
        self.known()
    }

    fn known(&self) -> Result<(), String> {
        if self.watching.is_unconfirmed() {
            return Err("it is in the store, and some replica may not know of it yet: it does once its lease \
                 (MF_AUTH_LEASE) ends"
                .into());
        }
        Ok(())
    }

    async fn find(&self, who: &Who) -> Result<UserId, String> {
        match who {
            Who::User(user) => Ok(*user),
            Who::Address(email) => {
                let email = email.clone();
                let shown = email.as_str().to_owned();
                self.run(FindUser { email }).await.map_err(|error| match error {
                    Error::NotFound(_) => format!("nobody has the address {shown}"),
                    other => said(&other),
                })
            }
        }
    }

    async fn keys(&self, user: UserId) -> Result<Vec<Key>, String> {
        let mut keys: Vec<Key> = Vec::new();
        loop {
            let offset = u64::try_from(keys.len()).unwrap_or(u64::MAX);
            let page = Page::new(offset, MAX_LIMIT, KeyOrder::Id, Direction::Ascending);
            let page = page.map_err(|error| said(&error))?;
            let part = self.run(ListKeysOf { user, page }).await.map_err(|error| said(&error))?;
            let is_last = part.items.is_empty();
            keys.extend(part.items);
            if is_last || u64::try_from(keys.len()).is_ok_and(|all| all >= part.total) {
                return Ok(keys);
            }
        }
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<Session>, String> {
        let mut sessions: Vec<Session> = Vec::new();
        loop {
            let offset = u64::try_from(sessions.len()).unwrap_or(u64::MAX);
            let page = Page::new(offset, MAX_LIMIT, (), Direction::Ascending);
            let page = page.map_err(|error| said(&error))?;
            let operation = ListSessionsOf { by: By::Operator, user, page };
            let part = self.run(operation).await.map_err(|error| match error {
                Error::NotFound(Entity::Account) => format!("nobody has the id {user}"),
                other => said(&other),
            })?;
            let is_last = part.items.is_empty();
            sessions.extend(part.items);
            if is_last || u64::try_from(sessions.len()).is_ok_and(|all| all >= part.total) {
                return Ok(sessions);
            }
        }
    }

    async fn revoke(&self, user: UserId, id: KeyId) -> Result<(), String> {
        match self.run(RevokeKeyOf { user, id }).await {
            Ok(()) => self.known(),
            Err(Error::NotFound(Entity::Key)) => {
                Err(format!("user {user} has no API key {id}: see auth api-keys list"))
            }
            Err(other) => Err(said(&other)),
        }
    }
}

fn list_sessions(sessions: &[Session], as_json: bool) -> Result<(), String> {
    let address = |session: &Session| session.address.map(|address| address.to_string());
    let rows: Vec<Value> = sessions
        .iter()
        .map(|session| {
            json!({
                "id": session.id.to_string(),
                "user_agent": session.device.as_str(),
                "address": address(session),
                "created_at": session.began_at.to_string(),
                "last_used_at": session.last_used_at.to_string(),
                "expires_at": session.expires_at.to_string(),
                "ends_at": session.ends_at.to_string(),
            })
        })
        .collect();
    tell(as_json, &json!({ "sessions": rows }), || {
        let line = |[id, began, used, address, device]: [&str; 5]| {
            format!("{id:<36}  {began:<27}  {used:<27}  {address:<15}  {device}")
        };
        let mut lines = vec![line(["ID", "BEGAN AT", "LAST USED AT", "ADDRESS", "DEVICE"])];
        lines.extend(sessions.iter().map(|session| {
            let (began, used) = (session.began_at.to_string(), session.last_used_at.to_string());
            let address = address(session).unwrap_or_else(|| "-".to_owned());
            let id = session.id.to_string();
            line([&id, &began, &used, &address, session.device.as_str()])
        }));
        lines.join("\n")
    })
}

fn list(keys: &[Key], as_json: bool) -> Result<(), String> {
    let rows: Vec<Value> = keys
        .iter()
        .map(|key| {
            json!({
                "id": key.id.to_string(),
                "issuer_id": key.issuer.to_string(),
                "subject": key.subject,
                "issued_at": key.issued_at.to_string(),
                "expires_at": key.expires_at.map(|end| end.to_string()),
            })
        })
        .collect();
    tell(as_json, &json!({ "keys": rows }), || {
        let mut lines = vec![line("ID", "ISSUED AT", "EXPIRES AT")];
        lines.extend(keys.iter().map(|key| {
            let until = key.expires_at.map_or_else(|| "-".to_owned(), |end| end.to_string());
            line(&key.id.to_string(), &key.issued_at.to_string(), &until)
        }));
        lines.join("\n")
    })
}

fn line(id: &str, issued: &str, until: &str) -> String {
    format!("{id:<36}  {issued:<27}  {until}")
}
