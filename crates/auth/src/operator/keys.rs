//! `auth keys`: the life of signing keys, from the one that signs next to the one nobody needs any more.

use std::process::ExitCode;
use std::time::Duration;

use auth_domain::model::SigningKeyId;
use auth_domain::ops::signing_keys::{CountKeysMade, WithdrawSigningKey};
use auth_domain::ports::Clock;
use auth_domain::{Caller, Timestamp};
use auth_jwt::{Algorithm, RingKey};
use serde_json::{Value, json};

use super::{app, note, print, said};
use crate::clock::SystemClock;
use crate::config::{Config, KeyAlgorithm, Keys, StoreKind, Tokens};
use crate::signing_keys::{Contents, KeyDirectory, LOOK, Phase, SHORTEST_NOTICE};

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

/// Says what came of it on standard output.
fn tell(as_json: bool, document: &Value, words: impl FnOnce() -> String) -> Result<(), String> {
    let text = if as_json { format!("{document:#}") } else { words() };
    print(&text).map(drop)
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

/// Until when login and recovery tokens may need it, once it is known which key comes next. API keys are counted.
fn needed_until(contents: &Contents, one: &RingKey, tokens: &Tokens) -> Option<Timestamp> {
    let longest = tokens.login_token_duration.max(tokens.recovery_token_duration);
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
/// mark, which every service reads that has this directory; the store, which says it to all others; the file.
async fn revoke(
    config: &Config,
    directory: &KeyDirectory,
    key: SigningKeyId,
) -> Result<(), String> {
    directory.withdraw(key)?;
    let stored = match app(config).await {
        Ok(app) => {
            let withdraw = WithdrawSigningKey { key };
            app.execute(Caller::Operator, withdraw).await.map_err(|error| said(&error))
        }
        Err(problem) => Err(problem),
    };
    let removed = match directory.place_of(key) {
        Ok(Some(signs_from)) => directory.remove(signs_from),
        Ok(None) => Ok(()),
        Err(problem) => Err(problem),
    };
    match (&stored, config.store_kind()) {
        (Ok(()), _) => {}
        // Whoever serves has the store, and reads the mark.
        (Err(_), StoreKind::Embedded) => {
            note("the service has the store: it reads the directory within 2 s");
            tokio::time::sleep(READ_BY).await;
        }
        (Err(problem), StoreKind::Postgres) => {
            return Err(format!(
                "{key} is withdrawn in this directory, and services that read another are not told: \
                 {problem}; do it again"
            ));
        }
    }
    removed
}
