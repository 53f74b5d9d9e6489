//! Keys of pairs as an operator and clients see them: rotated while requests are answered, published, retired and
//! withdrawn.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use auth_testkit::{Server, Setup};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tonic::Code;

use crate::world::{code, embedded, eventually, identify, make_key, postgres, sibling, stores};

const PATIENCE: Duration = Duration::from_secs(30);

/// With a directory of its own, which is not there yet.
pub fn with_keys(setup: &Setup) -> (Setup, PathBuf) {
    let directory = setup.data_dir().parent().unwrap().join("keys");
    (setup.clone().set("MF_AUTH_SIGNING_KEYS", directory.to_str().unwrap()), directory)
}

/// What the command prints as JSON; it must succeed.
async fn keys(setup: &Setup, arguments: &[&str]) -> Value {
    let all = [&["keys"], arguments, &["--json"]].concat();
    let (status, said) = setup.run(&all).await.unwrap();
    assert!(status.success(), "{arguments:?}: {said}");
    // Log lines follow.
    let mut documents = serde_json::Deserializer::from_str(&said).into_iter();
    let document = documents.next().unwrap();
    assert!(document.is_ok(), "{said}");
    document.unwrap()
}

/// What the command says when it must fail.
async fn refused(setup: &Setup, arguments: &[&str]) -> String {
    let (status, said) = setup.run(&[&["keys"], arguments].concat()).await.unwrap();
    assert!(!status.success(), "{arguments:?}: {said}");
    let lines: Vec<_> = said.lines().filter(|line| line.starts_with("auth: ")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    lines[0].to_owned()
}

pub async fn rotate(setup: &Setup, algorithm: &str) -> String {
    let made = keys(setup, &["rotate", "--algorithm", algorithm, "--after", "3s"]).await;
    assert_eq!((&made["state"], &made["alg"]), (&json!("next"), &json!(algorithm)));
    made["kid"].as_str().unwrap().to_owned()
}

/// Makes a key that has signed from the beginning of this year on.
async fn signing(setup: &Setup, directory: &Path, algorithm: &str, year: u32) -> String {
    let key = rotate(setup, algorithm).await;
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    // The newest.
    let made = files.filter(|path| path.extension().is_some_and(|end| end == "pem")).max();
    fs::rename(made.unwrap(), directory.join(format!("{year}0101T000000Z.pem"))).unwrap();
    key
}

async fn states(setup: &Setup) -> Vec<(String, String)> {
    let listed = keys(setup, &["list"]).await;
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let rows = listed["keys"].as_array().unwrap();
    rows.iter().map(|row| (text(row, "kid"), text(row, "state"))).collect()
}

fn header(token: &str) -> Value {
    let header = token.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

fn kid(token: &str) -> String {
    header(token)["kid"].as_str().unwrap().to_owned()
}

async fn published(server: &Server) -> Vec<Value> {
    let answer = server.client.get(server.url("/.well-known/jwks.json")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut answer: Value = answer.json().await.unwrap();
    std::mem::take(answer["keys"].as_array_mut().unwrap())
}

async fn published_kids(server: &Server) -> Vec<String> {
    let kids = published(server).await;
    kids.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Waits until a token of the admin's is signed by this key, and gives it.
async fn signed_by(server: &Server, key: &str) -> String {
    let mut token = String::new();
    eventually("the key signs", PATIENCE, async || {
        token = server.admin().await.unwrap();
        kid(&token) == key
    })
    .await;
    token
}

/// Reads, as somebody else would, a token with nothing but what is published.
fn verified(token: &str, keys: &[Value]) -> bool {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let named = keys.iter().find(|key| key["kid"] == kid(token).as_str());
    let Some(key) = named else { return false };
    assert_eq!((&key["alg"], &key["use"]), (&header(token)["alg"], &json!("sig")));
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let signed = signed.as_bytes();
    match (key["kty"].as_str().unwrap(), key["crv"].as_str()) {
        ("OKP", Some("Ed25519")) => {
            UnparsedPublicKey::new(&ED25519, bytes("x")).verify(signed, &signature)
        }
        ("EC", Some("P-256")) => {
            let point = [vec![4], bytes("x"), bytes("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, &signature)
        }
        ("RSA", None) => RsaPublicKeyComponents { n: bytes("n"), e: bytes("e") }.verify(
            &RSA_PKCS1_2048_8192_SHA256,
            signed,
            &signature,
        ),
        other => unreachable!("{other:?}"),
    }
    .is_ok()
}

#[tokio::test]
async fn s17_keys_are_rotated_while_no_request_fails() {
    let (setup, _) = with_keys(&postgres().await);
    let first = rotate(&setup, "EdDSA").await;
    let here = Arc::new(setup.start().await.unwrap());
    let there = Arc::new(setup.start().await.unwrap());
    // Until its time has come, the secret signs.
    let by_secret = here.admin().await.unwrap();
    assert_eq!(header(&by_secret)["alg"], "HS256");
    assert_eq!(published_kids(&there).await, [first.as_str()], "it is published before it signs");
    let by_first = signed_by(&here, &first).await;

    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..4 {
        // What one replica signs is shown to the other at once.
        let (signer, verifier) = match n % 2 {
            0 => (Arc::clone(&here), Arc::clone(&there)),
            _ => (Arc::clone(&there), Arc::clone(&here)),
        };
        let old = [by_secret.clone(), by_first.clone()];
        let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
        clients.spawn(async move {
            let mut checks = sibling(&verifier).await;
            while !stop.load(Ordering::Relaxed) {
                let (_, key) = make_key(&signer, &old[n / 2]).await;
                for token in [&key, &old[0], &old[1]] {
                    let request = auth_grpc::proto::Token { value: token.clone() };
                    checks.identify(request).await.unwrap_or_else(|refusal| {
                        panic!("{refusal}: {}", header(token));
                    });
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    let second = rotate(&setup, "ES256").await;
    let next = refused(&setup, &["rotate"]).await;
    assert!(next.contains(&format!("the next key is there already: {second}")), "{next}");
    let by_second = signed_by(&there, &second).await;
    signed_by(&here, &second).await;
    let before = asked.load(Ordering::Relaxed);
    eventually("more is asked", PATIENCE, async || asked.load(Ordering::Relaxed) > before + 100)
        .await;
    stop.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    assert!(asked.load(Ordering::Relaxed) > 300);
    let (first, second) = ((first, "verifying".to_owned()), (second, "signing".to_owned()));
    assert_eq!(states(&setup).await, [first, second]);
    for token in [&by_secret, &by_first, &by_second] {
        identify(&here, token).await.unwrap();
    }
}

#[tokio::test]
async fn s17_what_is_published_is_enough_to_verify_a_token() {
    let (setup, directory) = with_keys(&embedded());
    fs::create_dir(&directory).unwrap();
    let server = setup.start().await.unwrap();
    let url = server.url("/.well-known/jwks.json");
    let answer = server.client.get(&url).send().await.unwrap();
    assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
    assert_eq!(answer.text().await.unwrap(), "{\"keys\":[]}\n", "the secret is never shown");

    let mut tokens = Vec::new();
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        let key =
            signing(&setup, &directory, algorithm, 2020 + u32::try_from(tokens.len()).unwrap())
                .await;
        tokens.push(signed_by(&server, &key).await);
    }
    let keys = published(&server).await;
    for token in &tokens {
        assert!(verified(token, &keys), "{}", header(token));
        let claims = token.split('.').nth(1).unwrap();
        let claims: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        assert_eq!(claims["aud"], "mainflux.auth", "s10");
        for claim in ["exp", "iat", "jti", "iss", "issuer_id"] {
            assert!(claims.get(claim).is_some(), "s11: {claim}");
        }
        identify(&server, token).await.unwrap();
        // The control: another signature is not verified by what is published.
        assert!(
            !verified(&format!("{}A", &token[..token.len() - 1]), &keys) || token.ends_with('A')
        );
    }
    let text = keys.iter().map(Value::to_string).collect::<String>();
    for private in ["\"d\"", "\"p\"", "\"k\"", "PRIVATE"] {
        assert!(!text.contains(private), "{private}");
    }

    let answer = server.client.get(&url).send().await.unwrap();
    let tag = answer.headers()["etag"].clone();
    let again = || server.client.get(&url).header("if-none-match", tag.clone());
    assert_eq!(again().send().await.unwrap().status(), StatusCode::NOT_MODIFIED);
    rotate(&setup, "EdDSA").await;
    eventually("it is published", PATIENCE, async || {
        again().send().await.unwrap().status() == StatusCode::OK
    })
    .await;
}

/// Another place with the same keys.
fn copied(directory: &Path) -> PathBuf {
    let copy = directory.with_extension("copy");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    copy
}

#[tokio::test]
async fn s17_a_revoked_key_is_dead_on_every_replica_when_the_command_returns() {
    let (setup, directory) = with_keys(&postgres().await);
    let old = signing(&setup, &directory, "EdDSA", 2020).await;
    let key = signing(&setup, &directory, "EdDSA", 2021).await;
    let here = setup.start().await.unwrap();
    // The second replica has a copy of the directory, which nobody brings up to date.
    let copy = copied(&directory);
    let there = setup.clone().set("MF_AUTH_SIGNING_KEYS", copy.to_str().unwrap());
    let there = there.start().await.unwrap();
    let login = signed_by(&here, &key).await;
    signed_by(&there, &key).await;
    let (_, api_key) = make_key(&there, &login).await;
    assert_eq!(kid(&api_key), key);
    for server in [&here, &there] {
        for token in [&login, &api_key] {
            identify(server, token).await.unwrap();
        }
    }

    keys(&setup, &["revoke", &key]).await;
    for server in [&here, &there] {
        for token in [&login, &api_key] {
            assert_eq!(code(identify(server, token).await), Code::Unauthenticated);
        }
        assert_eq!(published_kids(server).await, [old.as_str()]);
        // Nobody is given what is dead: the key before it signs again.
        let again = server.admin().await.unwrap();
        assert_eq!(kid(&again), old);
        identify(server, &again).await.unwrap();
    }
    assert!(copy.read_dir().unwrap().count() == 2, "nobody has touched the copy");
    let listed = states(&setup).await;
    assert_eq!(listed, [(old.clone(), "signing".into()), (key.clone(), "revoked".into())]);

    // Once more is no mistake, and a file that comes back brings nothing back.
    keys(&setup, &["revoke", &key]).await;
    for entry in fs::read_dir(&copy).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), directory.join(entry.file_name())).unwrap();
    }
    let late = setup.start().await.unwrap();
    for server in [&here, &there, &late] {
        assert_eq!(code(identify(server, &login).await), Code::Unauthenticated);
    }
    // Without any key left the secret signs.
    keys(&setup, &["revoke", &old]).await;
    for server in [&here, &there, &late] {
        let again = server.admin().await.unwrap();
        assert_eq!(header(&again)["alg"], "HS256");
        identify(server, &again).await.unwrap();
        assert_eq!(published(server).await, [] as [Value; 0]);
    }
}

#[tokio::test]
async fn s17_a_key_is_revoked_beside_the_one_process_of_the_embedded_store() {
    let (setup, directory) = with_keys(&embedded());
    let key = signing(&setup, &directory, "EdDSA", 2020).await;
    let server = setup.start().await.unwrap();
    let login = signed_by(&server, &key).await;
    keys(&setup, &["revoke", &key]).await;
    assert_eq!(code(identify(&server, &login).await), Code::Unauthenticated);
    let again = server.admin().await.unwrap();
    assert_eq!(header(&again)["alg"], "HS256");
    server.stop().await.unwrap();
    // The mark is in the directory, and what it says is in the store as well.
    fs::remove_file(directory.join(format!("{key}.revoked"))).unwrap();
    let server = setup.start().await.unwrap();
    assert_eq!(code(identify(&server, &login).await), Code::Unauthenticated);
}

#[tokio::test]
async fn s17_a_revocation_that_fails_in_one_place_is_done_in_the_others() {
    let (setup, directory) = with_keys(&postgres().await);
    let key = signing(&setup, &directory, "EdDSA", 2020).await;
    let server = setup.start().await.unwrap();
    let login = signed_by(&server, &key).await;
    // In the way of the mark, also for root.
    let in_the_way = directory.join(format!(".{key}.revoked.new"));
    fs::create_dir(&in_the_way).unwrap();
    let said = refused(&setup, &["revoke", &key]).await;
    assert!(said.contains(&format!("{key}.revoked cannot be written: ")), "{said}");
    assert_eq!(code(identify(&server, &login).await), Code::Unauthenticated);
    fs::remove_dir(&in_the_way).unwrap();
    keys(&setup, &["revoke", &key]).await;

    // With a grace, a replica that is cut off may answer from before.
    let setup = setup.set("MF_AUTH_OUTAGE_GRACE", "20s");
    let key = signing(&setup, &directory, "EdDSA", 2021).await;
    let other = setup.start().await.unwrap();
    other.signal("STOP").await.unwrap();
    for _ in 0..2 {
        let said = refused(&setup, &["revoke", &key]).await;
        assert!(said.contains("some replica may not know of it yet"), "{said}");
    }
    other.signal("CONT").await.unwrap();

    // No service has a store that is not there, and none is made.
    let (setup, directory) = with_keys(&embedded());
    let key = signing(&setup, &directory, "EdDSA", 2020).await;
    let said = refused(&setup, &["revoke", &key]).await;
    assert!(said.contains("there is no store in "), "{said}");
    assert!(directory.join(format!("{key}.revoked")).exists() && !setup.data_dir().exists());
}

#[tokio::test]
async fn s17_a_key_is_retired_when_no_token_needs_it() {
    for (store, setup) in stores().await {
        let (setup, directory) = with_keys(&setup);
        let clock = directory.with_extension("clock");
        let setup = setup.set("KEYWARD_TEST_CLOCK", clock.to_str().unwrap());
        let step = |hours: i64| fs::write(&clock, (hours * 3_600_000_000).to_string()).unwrap();
        step(-24);
        let first = rotate(&setup, "EdDSA").await;
        step(-23);
        let server = setup.start().await.unwrap();
        let login = signed_by(&server, &first).await;
        let (id, api_key) = make_key(&server, &login).await;
        let said = refused(&setup, &["retire", &first]).await;
        assert!(said.contains("only a key that signs no more"), "{store}: {said}");
        rotate(&setup, "EdDSA").await;
        step(-22);
        let said = refused(&setup, &["retire", &first]).await;
        assert!(said.contains(&format!("tokens signed by {first} live until")), "{store}: {said}");
        identify(&server, &login).await.unwrap();
        let revoke = format!("/keys/{id}");
        step(-12);
        assert_eq!(code(identify(&server, &login).await), Code::Unauthenticated, "it is over");
        if store == "embedded" {
            server.stop().await.unwrap();
        }
        let said = refused(&setup, &["retire", &first]).await;
        assert!(said.contains("1 API keys signed by"), "{store}: {said}");
        let server = setup.start().await.unwrap();
        identify(&server, &api_key).await.unwrap();
        let login = server.admin().await.unwrap();
        let revoked = server.send(Method::DELETE, &revoke, Some(&login), None).await.unwrap();
        assert_eq!(revoked.status(), 204);
        server.stop().await.unwrap();
        keys(&setup, &["retire", &first]).await;
        assert_eq!(states(&setup).await.len(), 1, "{store}");
        let said = refused(&setup, &["retire", &first]).await;
        assert!(said.contains("is not in the directory"), "{store}: {said}");
    }
}

#[tokio::test]
async fn s17_retiring_by_force_ends_tokens_soon() {
    let (setup, directory) = with_keys(&embedded());
    let first = signing(&setup, &directory, "EdDSA", 2020).await;
    let server = setup.start().await.unwrap();
    let login = signed_by(&server, &first).await;
    let second = signing(&setup, &directory, "EdDSA", 2021).await;
    signed_by(&server, &second).await;
    identify(&server, &login).await.unwrap();
    keys(&setup, &["retire", &first, "--force"]).await;
    eventually("it is refused", PATIENCE, async || identify(&server, &login).await.is_err()).await;
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The one key in there.
fn file_in(directory: &Path) -> PathBuf {
    let mut files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|end| end == "pem")).unwrap()
}

#[tokio::test]
async fn s19_a_directory_that_cannot_be_used_stops_the_start_in_one_line() {
    let (setup, directory) = with_keys(&embedded());
    let refuses = async |saying: &str| {
        let (status, said) = setup.run(&[]).await.unwrap();
        assert!(!status.success(), "{said}");
        let line = format!("auth: MF_AUTH_SIGNING_KEYS: {}", directory.display());
        assert!(said.lines().any(|it| it.starts_with(&line) && it.contains(saying)), "{said}");
        assert!(!said.contains("MC4C") && !said.contains("panicked"), "{said}");
        assert!(!setup.data_dir().join("keyward.db").exists(), "nothing was written");
    };
    refuses("cannot be read: ").await;
    fs::write(&directory, "").unwrap();
    refuses("cannot be read: ").await;
    fs::remove_file(&directory).unwrap();
    rotate(&setup, "EdDSA").await;
    let file = file_in(&directory);
    set_mode(&file, 0o644);
    refuses("can be read by others than its owner: chmod 600").await;
    set_mode(&file, 0o600);
    let odd = directory.join("key.pem");
    fs::rename(&file, &odd).unwrap();
    refuses("key.pem: must be called after the moment").await;
    fs::rename(&odd, &file).unwrap();
    let good = fs::read(&file).unwrap();
    fs::write(&file, &good[..good.len() / 2]).unwrap();
    refuses("holds no private key").await;
    fs::write(&file, &good).unwrap();
    let server = setup.start().await.unwrap();
    let output = server.output();
    assert!(!output.contains("PRIVATE") && !output.contains("MC4C"), "{output}");
}

async fn metric(server: &Server, name: &str) -> String {
    let numbers = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
    let numbers = numbers.text().await.unwrap();
    let line = numbers.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn s17_what_is_wrong_later_leaves_the_keys_of_before() {
    let (setup, directory) = with_keys(&embedded());
    let old = signing(&setup, &directory, "EdDSA", 2020).await;
    let key = signing(&setup, &directory, "EdDSA", 2021).await;
    let server = setup.start().await.unwrap();
    let login = signed_by(&server, &key).await;
    eventually("it is measured", PATIENCE, async || {
        metric(&server, "auth_signing_keys{phase=\"signing\"}").await == "1"
    })
    .await;
    assert_eq!(metric(&server, "auth_signing_keys_stale").await, "0");

    let half = directory.join("20190101T000000Z.pem");
    fs::write(&half, "-----BEGIN PRIVATE").unwrap();
    eventually("it is noticed", PATIENCE, async || {
        metric(&server, "auth_signing_keys_stale").await == "1"
    })
    .await;
    let said = "the signing keys of before stay in use: MF_AUTH_SIGNING_KEYS";
    assert!(server.output().contains(said), "{}", server.output());
    identify(&server, &login).await.unwrap();
    assert_eq!(kid(&server.admin().await.unwrap()), key);
    assert_eq!(server.output().matches(said).count(), 1, "it is said once");

    fs::remove_file(&half).unwrap();
    eventually("it is noticed", PATIENCE, async || {
        metric(&server, "auth_signing_keys_stale").await == "0"
    })
    .await;

    // Told to look, it looks, and goes on.
    let reads = |output: &str| output.matches("\"signing keys\"").count();
    let before = reads(&server.output());
    server.signal("HUP").await.unwrap();
    eventually("it has read them again", PATIENCE, async || {
        let output = server.output();
        output.contains("told to read files again") && reads(&output) > before
    })
    .await;
    identify(&server, &login).await.unwrap();

    // A file that is taken away takes its key away.
    fs::remove_file(directory.join("20210101T000000Z.pem")).unwrap();
    let began = Instant::now();
    eventually("it is refused", PATIENCE, async || identify(&server, &login).await.is_err()).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());

    // But for the last one: that is how a mount looks that is lost.
    let login = signed_by(&server, &old).await;
    fs::remove_file(file_in(&directory)).unwrap();
    eventually("it is noticed", PATIENCE, async || {
        metric(&server, "auth_signing_keys_stale").await == "1"
    })
    .await;
    identify(&server, &login).await.unwrap();
}

#[tokio::test]
async fn commands_say_what_is_wrong_in_one_line() {
    let (setup, _) = with_keys(&embedded());
    let without = embedded();
    assert!(refused(&without, &["list"]).await.contains("MF_AUTH_SIGNING_KEYS is not set"));
    assert!(refused(&setup, &["rotate", "--after", "2s"]).await.contains("at least 3s"));
    let unknown = "k".repeat(42) + "A";
    rotate(&setup, "EdDSA").await;
    assert!(refused(&setup, &["retire", &unknown]).await.contains("is not in the directory"));
    for wrong in ["../../etc/passwd", "short", &"l".repeat(43)] {
        let (status, said) = setup.run(&["keys", "revoke", wrong]).await.unwrap();
        assert!(!status.success() && said.contains("43 characters of base64url"), "{said}");
    }
    let (status, said) = setup.run(&["keys", "list"]).await.unwrap();
    assert!(status.success(), "{said}");
    assert!(said.starts_with("KID") && said.contains(" EdDSA  next  "), "{said}");
}
