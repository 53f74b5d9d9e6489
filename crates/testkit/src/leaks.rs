//! What no server may print, at any level: secrets and addresses.
//!
//! A server that is watched ([`Setup::watched`](crate::Setup::watched)) logs at level `trace`. When it is dropped, all that it has printed is searched
//! for every secret that this process has given, got or seen by then, and for whatever looks like one. With
//! `KEYWARD_TEST_LEAKS=1` every server is watched.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use regex::Regex;
use serde_json::Value;

/// A shorter one is a word that may be anywhere.
const SHORTEST: usize = 8;
/// Of something random this much at either end is enough to know it by, and so much is not told of it either.
const PART: usize = 16;

/// What is looked for, and what it is. Of all tests in this process, because none of their servers may print it.
static KNOWN: Mutex<BTreeMap<String, &'static str>> = Mutex::new(BTreeMap::new());

/// What gives itself away.
static SHAPES: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    let shapes = [
        // The header or the claims of a signed token: base64 of what begins with a brace and a quote.
        ("a signed token", r"eyJ[A-Za-z0-9_-]{20,}"),
        ("a refresh token", r"\brt_[A-Za-z0-9_-]{40,}"),
        ("what a mailed link ends with", r"\b[0-9a-f]{32}[A-Za-z0-9_-]{43}\b"),
        ("a password hash", r"\$(?:argon2|2[aby]\$)"),
        ("a private key", r"PRIVATE KEY"),
        ("an e-mail address", r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"),
    ];
    let compiled =
        shapes.into_iter().filter_map(|(what, shape)| Some((what, Regex::new(shape).ok()?)));
    compiled.collect()
});

/// Whether every server is watched.
pub(crate) fn everywhere() -> bool {
    std::env::var_os("KEYWARD_TEST_LEAKS").is_some_and(|told| told == "1")
}

fn known() -> MutexGuard<'static, BTreeMap<String, &'static str>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on no server may print this secret, whole or, if it is random, one of its ends.
pub fn keep_secret(what: &'static str, secret: &str) {
    let mut known = known();
    let mut keep = |text: &str| {
        if text.len() >= SHORTEST {
            known.insert(text.to_owned(), what);
        }
    };
    keep(secret);
    let is_random = |part: &str| {
        let of_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte);
        part.len() >= 2 * PART && part.bytes().all(of_base64)
    };
    // The header and the claims of a signed token begin like those of any other.
    let parts: Vec<&str> = secret.split('.').collect();
    let random = if let [header, _, signature] = parts[..]
        && header.starts_with("eyJ")
    {
        signature
    } else {
        secret
    };
    if is_random(random) {
        keep(random.get(..PART).unwrap_or_default());
        keep(random.get(random.len().saturating_sub(PART)..).unwrap_or_default());
    }
}

/// What a setting says, if that is for nobody to see.
pub(crate) fn keep_setting(name: &str, value: &str) {
    let of_secrets = ["PASS", "PASSWORD", "SECRET", "SECRETS", "TOKENS"];
    let (kind, value) = match name.strip_suffix("_FILE") {
        Some(kind) => (kind, fs::read_to_string(value).unwrap_or_default()),
        None => (name, value.to_owned()),
    };
    if of_secrets.iter().any(|suffix| kind.ends_with(suffix)) {
        keep_secret("a configured secret", value.trim());
        for one in value.split([',', '\n']) {
            keep_secret("a configured secret", one.trim());
            keep_secret(
                "a service token",
                one.split_once('=').map_or("", |(_, token)| token.trim()),
            );
        }
    }
    if kind == "MF_AUTH_SIGNING_KEYS" {
        keep_keys(Path::new(&value));
    }
    let in_url = value.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
    if let Some((_, password)) = in_url.and_then(|(credentials, _)| credentials.split_once(':')) {
        keep_secret("the password of a URL", password);
    }
}

/// What is in this directory of signing keys, or in a data directory.
pub(crate) fn keep_keys(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name() != "secret" && path.extension().is_none_or(|kind| kind != "pem") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap_or_default();
        for line in text.lines().filter(|line| !line.starts_with('-')) {
            keep_secret("a signing key", line.trim());
        }
    }
}

/// What is secret in a body that is sent or was answered.
pub(crate) fn keep_body(body: &Value) {
    match body {
        Value::Array(items) => items.iter().for_each(keep_body),
        Value::Object(members) => {
            for (name, value) in members {
                match (what(name), value) {
                    (Some(what), Value::String(secret)) => keep_secret(what, secret),
                    _ => keep_body(value),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn what(member: &str) -> Option<&'static str> {
    match member {
        "password" | "old_password" | "confirm_password" => Some("a password"),
        "password_hash" => Some("a password hash"),
        "token" | "value" | "access_token" => Some("a token"),
        "refresh_token" => Some("a refresh token"),
        "email" => Some("an address"),
        _ => None,
    }
}

/// What proves that this mail was read, and who gets it.
pub(crate) fn keep_mail(to: &[String], parts: &[Option<String>]) {
    for address in to {
        keep_secret("an address", address);
    }
    let links = SHAPES.iter().filter(|(what, _)| what.contains("link"));
    for (what, shape) in links {
        for secret in parts.iter().flatten().flat_map(|part| shape.find_iter(part)) {
            // The first half is the ticket's id, which is no secret.
            keep_secret(what, secret.as_str().get(32..).unwrap_or_default());
        }
    }
}

/// Each line of this with something in it that nobody may print, and what that is. The line is not told whole.
pub(crate) fn leaks(printed: &str) -> Vec<String> {
    let known = known().clone();
    let mut found = Vec::new();
    for (number, line) in (1_usize..).zip(printed.lines()) {
        let shaped =
            SHAPES.iter().filter_map(|(what, shape)| Some((*what, shape.find(line)?.range())));
        let secrets = known.iter().filter_map(|(secret, what)| {
            let from = line.find(secret.as_str())?;
            Some((*what, from..from.saturating_add(secret.len())))
        });
        for (what, range) in shaped.chain(secrets) {
            let before = line.get(..range.start).unwrap_or_default();
            let after = line.get(range.end..).unwrap_or_default();
            found.push(format!("line {number}: {what}: {before}<here>{after}"));
        }
    }
    found
}

/// Fails the test if there is one, unless it fails already.
pub(crate) fn search(printed: &str) {
    let found = leaks(printed);
    if found.is_empty() {
        return;
    }
    let told = found.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    let told = format!("S-91, S-92: {} times, among them\n{told}", found.len());
    assert!(std::thread::panicking(), "{told}");
    eprintln!("{told}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDAwMDAwMDAsInR5cGUiOjB9.Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0Z2FycGx5d2Fs";

    #[test]
    fn s91_what_was_seen_is_found_whole_and_in_part() {
        keep_body(
            &json!({ "user": { "password": "a password of leaks" }, "list": [{ "token": TOKEN }] }),
        );
        keep_setting("MF_AUTH_ES_URL", "redis://:a-password-in-a-url@127.0.0.1:1");
        keep_setting(
            "MF_AUTH_GRPC_TOKENS",
            "users=the token that users show,things=another token of theirs",
        );
        let mail = "https://front.example/reset?token=0f3c2e4a5b6d4c7e8f90a1b2c3d4e5f6aB3-aB3_aB3-aB3_aB3-aB3_aB3-aB3_aB3-aB3_aB3 \n";
        keep_mail(&["ada@localhost".to_owned()], &[Some(mail.to_owned()), None]);
        for leak in [
            r#"{"message":"a password of leaks"}"#,
            "of it the end: d0Z2FycGx5d2Fs".replace("d0Z", "dWx0Z").as_str(),
            "of it the beginning: Zm9vYmFyYmF6cXV4",
            "a-password-in-a-url",
            "another token of theirs",
            "aB3-aB3_aB3-aB3_",
            "to ada@localhost",
        ] {
            assert_eq!(
                leaks(&format!("fine\n{leak}\nfine\n")).len(),
                1,
                "{leak}: {:?}",
                leaks(leak)
            );
            assert!(leaks(leak)[0].starts_with("line 1: "));
        }
        assert_eq!(
            leaks("fine, with eyJ and @ and rt_x and 0f3c2e4a5b6d4c7e8f90a1b2c3d4e5f6"),
            [""; 0]
        );
    }

    #[test]
    fn s91_s92_what_was_never_seen_gives_itself_away() {
        for leak in [
            "eyJhbGciOiJFZERTQSIsImtpZCI6IjEifQ",
            "rt_0123456789abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQ1",
            "0f3c2e4a5b6d4c7e8f90a1b2c3d4e5f7bB3-aB3_aB3-aB3_aB3-aB3_aB3-aB3_aB3-aB3_bB3",
            "$argon2id$v=19$m=19456",
            "$2a$10$N9qo8uLOickgx2ZMRZoMye",
            "-----BEGIN PRIVATE KEY-----",
            "Key (email)=(nobody.we+know@mail.example) already exists",
        ] {
            assert_eq!(leaks(leak).len(), 1, "{leak}: {:?}", leaks(leak));
        }
    }

    #[test]
    #[should_panic(expected = "line 2: a password hash: <here>2id$")]
    fn s91_a_leak_fails_the_test() {
        search("fine\n$argon2id$\n".replace("$argon2id$", "$argon22id$").as_str());
    }
}
