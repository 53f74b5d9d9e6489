//! `auth keys`: the life of signing keys, from the one that signs next to the one nobody needs any more.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use auth_domain::model::SigningKeyId;
use auth_domain::ops::signing_keys::{CountKeysMade, WithdrawSigningKey};
use auth_domain::ports::{Clock, Store};
use auth_domain::{Caller, Timestamp};
use auth_jwt::{Algorithm, RingKey};
use auth_sqlite::{OpenError, SqliteStore};
use serde_json::{Value, json};

use super::{app, note, said, tell};
use crate::clock::SystemClock;
use crate::config::{Config, KeyAlgorithm, Keys, StoreKind, Tokens};
use crate::signing_keys::{Contents, KeyDirectory, LOOK, Phase, SHORTEST_NOTICE};
use crate::wiring::Unwatched;
use crate::{secrets, wiring};

/// How much longer a key is kept than the last token it can have signed lives: a replica may have read of the next
/// key late, by a clock that is slow.
const LATE: Duration = Duration::from_mins(1);
/// A service has read what is in its directory when this has passed.
const READ_BY: Duration = LOOK.saturating_mul(2);

/// Runs the command to its end.
pub(crate) async fn run(config: &Config, command: &Keys) -> Result<ExitCode, String> {
    let Some(path) = &config.tokens.signing_keys else {
        return Err(
            "MF_AUTH_SIGNING_KEYS is not set: it names the directory of signing keys".into()
        );
    };
    let directory = KeyDirectory::at(path);
    match command {
        Keys::List { json } => list(&directory, &config.tokens, *json),
        Keys::Rotate { algorithm, after, json } => rotate(&directory, *algorithm, *after, *json),
        Keys::Retire { key, force, json } => {
            retire(config, &directory, *key, *force).await?;
            tell(*json, &json!({ "kid": key.to_string(), "state": "retired" }), || {
                format!("{key} is retired")
            })
        }
        Keys::Revoke { key, json } => {
            revoke(config, &directory, *key).await?;
            tell(*json, &json!({ "kid": key.to_string(), "state": "revoked" }), || {
                format!("{key} is revoked: no replica accepts what it signed")
            })
        }
    }
    .map(|()| ExitCode::SUCCESS)
}

fn list(directory: &KeyDirectory, tokens: &Tokens, as_json: bool) -> Result<(), String> {
    let contents = directory.read()?;
    let mut rows = Vec::new();
    for (one, phase) in contents.phases(SystemClock.now()) {
        rows.push(json!({
            "kid": one.key.id().to_string(),
            "alg": one.key.algorithm().name(),
            "state": phase.name(),
            "signs_from": Timestamp::from_seconds(one.signs_from).to_string(),
            "needed_until": needed_until(&contents, one, tokens).map(|end| end.to_string()),
        }));
    }
    let withdrawn = contents.withdrawn.iter();
    rows.extend(withdrawn.map(|key| json!({ "kid": key.to_string(), "state": "revoked" })));
    tell(as_json, &json!({ "keys": rows }), || {
        let cell = |row: &Value, name: &str| row[name].as_str().unwrap_or("-").to_owned();
        let mut lines = vec![line(["KID", "ALG", "STATE", "SIGNS FROM", "NEEDED UNTIL"])];
        lines.extend(rows.iter().map(|row| {
            let names = ["kid", "alg", "state", "signs_from", "needed_until"];
            let cells = names.map(|name| cell(row, name));
            line(cells.each_ref().map(String::as_str))
        }));
        lines.join("\n")
    })
}

fn line([kid, alg, state, from, until]: [&str; 5]) -> String {
    format!("{kid:<43}  {alg:<5}  {state:<9}  {from:<20}  {until}")
}

/// When another key begins to sign: this one has signed what was made before that.
fn succeeded_at(contents: &Contents, one: &RingKey) -> Option<Timestamp> {
    let later = contents.keys.iter().find(|other| other.signs_from > one.signs_from);
    later.map(|other| Timestamp::from_seconds(other.signs_from))
}

/// Until when login, recovery and access tokens may need it, once it is known which key comes next. API keys are counted.
fn needed_until(contents: &Contents, one: &RingKey, tokens: &Tokens) -> Option<Timestamp> {
    let longest = tokens.login_token_duration.max(tokens.recovery_token_duration);
    let longest = longest.max(tokens.access_token_duration);
    succeeded_at(contents, one).map(|end| end.plus(longest).plus(LATE))
}

fn rotate(
    directory: &KeyDirectory,
    algorithm: KeyAlgorithm,
    after: Duration,
    as_json: bool,
) -> Result<(), String> {
    if after < SHORTEST_NOTICE {
        return Err(
            "--after: must be at least 3s, so that every replica knows the key before it signs"
                .into(),
        );
    }
    directory.make()?;
    let now = SystemClock.now();
    let contents = directory.read()?;
    if let Some((one, _)) = contents.phases(now).find(|(_, phase)| *phase == Phase::Next) {
        let from = Timestamp::from_seconds(one.signs_from);
        return Err(format!("the next key is there already: {} signs from {from}", one.key.id()));
    }
    let algorithm = match algorithm {
        KeyAlgorithm::EdDsa => Algorithm::EdDsa,
        KeyAlgorithm::Es256 => Algorithm::Es256,
        KeyAlgorithm::Rs256 => Algorithm::Rs256,
    };
    // A whole second, and not before the time is over.
    let from = Timestamp::from_seconds(now.plus(after).seconds().saturating_add(1));
    let key = directory.add(algorithm, from)?;
    let document = json!({
        "kid": key.to_string(),
        "alg": algorithm.name(),
        "state": Phase::Next.name(),
        "signs_from": from.to_string(),
    });
    tell(as_json, &document, || format!("{key} ({}) signs from {from}", algorithm.name()))
}

async fn retire(
    config: &Config,
    directory: &KeyDirectory,
    key: SigningKeyId,
    force: bool,
) -> Result<(), String> {
    let contents = directory.read()?;
    let now = SystemClock.now();
    let found = contents.phases(now).find(|(one, _)| one.key.id() == key);
    let (one, phase) = found.ok_or_else(|| format!("{key} is not in the directory"))?;
    let (Phase::Verifying, Some(end)) = (phase, succeeded_at(&contents, one)) else {
        return Err(format!(
            "{key} is {}: only a key that signs no more can be retired",
            phase.name()
        ));
    };
    if !force {
        let until = needed_until(&contents, one, &config.tokens);
        if let Some(until) = until.filter(|until| now < *until) {
            return Err(format!(
                "tokens signed by {key} live until {until}; --force ends them now"
            ));
        }
        let from = Timestamp::from_seconds(one.signs_from);
        let made = CountKeysMade { from, before: end.plus(LATE) };
        let app = app(config).await?;
        let keys = app.execute(Caller::Operator, made).await.map_err(|error| said(&error))?;
        if keys > 0 {
            return Err(format!(
                "{keys} API keys signed by {key} still count; --force ends them now"
            ));
        }
    }
    directory.remove(one.signs_from)
}

/// Three places, so that whatever fails halfway leaves the key refused somewhere and the command can be repeated: the
/// mark, which every service reads that has this directory; the store, which says it to all others; the file. What
/// fails in one place keeps from none of the others, and is told at the end.
async fn revoke(
    config: &Config,
    directory: &KeyDirectory,
    key: SigningKeyId,
) -> Result<(), String> {
    let marked = directory.withdraw(key);
    let stored = match into_store(config, key).await {
        Ok(()) => Ok(()),
        Err(problem) if marked.is_ok() => Err(format!(
            "{key} is withdrawn in this directory, and services that read another are not told: \
             {problem}; do it again"
        )),
        Err(problem) => Err(problem),
    };
    let removed = directory.place_of(key).and_then(|place| match place {
        Some(signs_from) => directory.remove(signs_from),
        None => Ok(()),
    });
    let problems: Vec<String> =
        [marked, stored, removed].into_iter().filter_map(Result::err).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

/// Withdraws the key in the store, and waits until no replica answers from before. A store that a running service has
/// is left to that service, which reads the mark.
async fn into_store(config: &Config, key: SigningKeyId) -> Result<(), String> {
    let store: Arc<dyn Store> = match config.store_kind() {
        StoreKind::Embedded => {
            let data = &config.store.data_dir;
            // One that is made now would be nobody's: the service has another.
            if !SqliteStore::is_in(data) {
                return Err(format!("there is no store in {}", data.display()));
            }
            match SqliteStore::open(data).await {
                Ok(store) => Arc::new(store),
                Err(OpenError::InUse(_)) => {
                    note("the service has the store: it reads the directory within 2 s");
                    tokio::time::sleep(READ_BY).await;
                    return Ok(());
                }
                Err(problem) => return Err(problem.to_string()),
            }
        }
        StoreKind::Postgres => wiring::store(config).await?,
    };
    secrets::check(&config.tokens, config.store_kind())?;
    let watching = Arc::new(Unwatched::default());
    let app = wiring::operator(config, store, Arc::clone(&watching))?;
    let withdraw = WithdrawSigningKey { key };
    app.execute(Caller::Operator, withdraw).await.map_err(|error| said(&error))?;
    if watching.is_unconfirmed() {
        return Err("it is in the store, and some replica may not know of it yet".into());
    }
    Ok(())
}
