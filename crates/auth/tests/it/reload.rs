//! R-38, S-79: what is read again while the service runs, at SIGHUP and when a file changes, and that nobody's connection
//! is dropped for it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use auth_grpc::proto::OrgId;
use auth_testkit::Server;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use time::macros::datetime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Code;
use tonic::metadata::MetadataValue;

use crate::tls::{Authority, Pair, connect, issue, with_tls};
use crate::world::{code, embedded, eventually, get, sibling};

const SOON: Duration = Duration::from_secs(20);

/// A connection to the HTTP listener that stays open.
struct Kept(TlsStream<TcpStream>);

impl Kept {
    async fn open(server: &Server, authority: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let tcp = TcpStream::connect(server.http).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        Self(TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap())
    }

    /// What the server has shown.
    fn certificate(&self) -> &[u8] {
        &self.0.get_ref().1.peer_certificates().unwrap()[0]
    }

    /// Asks for something; panics unless it is answered.
    async fn ask(&mut self) {
        self.0.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut text = String::new();
        while !text.contains("\r\n\r\n") || !text.trim_end().ends_with('}') {
            let mut bytes = [0; 1024];
            let read = tokio::time::timeout(SOON, self.0.read(&mut bytes)).await.unwrap().unwrap();
            assert_ne!(read, 0, "closed after {text:?}");
            text.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
    }
}

fn der(pair: &Pair) -> Vec<u8> {
    CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap().to_vec()
}

/// The value of a metric's series, by the text before it.
async fn metric(server: &Server, series: &str) -> f64 {
    let metrics = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let value = metrics.lines().find_map(|line| line.strip_prefix(&format!("{series} ")));
    value.unwrap().parse().unwrap()
}

async fn is_stale(server: &Server, what: &str) -> bool {
    metric(server, &format!("auth_reload_stale{{what=\"{what}\"}}")).await > 0.0
}

/// Replaces what is in a file by a text as long as that, so that only whoever reads it sees the difference.
fn rewrite_unseen(file: &Path, text: &str) {
    let before = fs::metadata(file).unwrap();
    assert_eq!(before.len(), u64::try_from(text.len()).unwrap());
    fs::write(file, text).unwrap();
    let file = fs::File::options().write(true).open(file).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
}

/// Tells it to read again and waits until it has.
async fn told(server: &Server, what: &str) {
    let series = format!("auth_reload_timestamp_seconds{{what=\"{what}\"}}");
    let before = metric(server, &series).await;
    server.signal("HUP").await.unwrap();
    eventually("it has read again", SOON, async || metric(server, &series).await > before).await;
}

#[tokio::test]
async fn r38_s79_certificates_change_and_connections_stay() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().unwrap());
    let server = with_tls(&authority, &files).start().await.unwrap();
    let write = |name: &str, text: &str| fs::write(files.path().join(name), text).unwrap();
    let mut kept = Kept::open(&server, &authority).await;
    kept.ask().await;
    let users = authority.issue("users");
    let mut kept_calls = connect(&server, &authority, Some(&users)).await.unwrap();
    kept_calls.issue(issue()).await.unwrap();
    // What the library gives certificates that are told nothing else.
    let until = datetime!(4096-01-01 00:00 UTC).unix_timestamp();
    let expires = metric(&server, "auth_certificate_expiry_timestamp_seconds").await;
    assert_eq!(format!("{expires:.0}"), until.to_string());

    // Another pair.
    let second = authority.issue("localhost");
    write("server.pem", &second.certificate);
    write("server.key", &second.key);
    told(&server, "certificates").await;
    assert_eq!(Kept::open(&server, &authority).await.certificate(), der(&second));
    assert_ne!(kept.certificate(), der(&second));
    kept.ask().await;
    kept_calls.issue(issue()).await.unwrap();

    // A key that is not the certificate's.
    write("server.key", &users.key);
    server.signal("HUP").await.unwrap();
    eventually("it is refused", SOON, async || is_stale(&server, "certificates").await).await;
    let mut new = Kept::open(&server, &authority).await;
    assert_eq!(new.certificate(), der(&second));
    new.ask().await;
    kept.ask().await;
    eventually("and said", SOON, async || {
        server.output().contains("MF_AUTH_SERVER_CERT and MF_AUTH_SERVER_KEY: ")
    })
    .await;
    write("server.key", &second.key);
    // Nobody says so.
    eventually("it is good again", SOON, async || !is_stale(&server, "certificates").await).await;

    // Another authority for callers: who was let in by the one before is not let in again.
    let next = Authority::new();
    write("ca.pem", &next.pem);
    told(&server, "certificates").await;
    let refused = match connect(&server, &authority, Some(&users)).await {
        Err(_) => true,
        Ok(mut client) => client.issue(issue()).await.is_err(),
    };
    assert!(refused);
    let mut client = connect(&server, &authority, Some(&next.issue("users"))).await.unwrap();
    client.issue(issue()).await.unwrap();
    kept_calls.issue(issue()).await.unwrap();
    kept.ask().await;
    assert!(server.stop().await.unwrap().success());
}

#[tokio::test]
async fn s79_a_certificate_that_is_swapped_by_a_link_is_noticed_without_a_signal() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().unwrap());
    let setup = with_tls(&authority, &files);
    // As Kubernetes mounts a secret: links to a link to a directory.
    let make = |name: &str, pair: &Pair| {
        let place = files.path().join(name);
        fs::create_dir(&place).unwrap();
        fs::write(place.join("server.pem"), &pair.certificate).unwrap();
        fs::write(place.join("server.key"), &pair.key).unwrap();
        let fresh = files.path().join("fresh");
        std::os::unix::fs::symlink(name, &fresh).unwrap();
        fs::rename(fresh, files.path().join("data")).unwrap();
    };
    make("first", &authority.issue("localhost"));
    for name in ["server.pem", "server.key"] {
        fs::remove_file(files.path().join(name)).unwrap();
        let there = Path::new("data").join(name);
        std::os::unix::fs::symlink(there, files.path().join(name)).unwrap();
    }
    let server = setup.start().await.unwrap();
    let mut kept = Kept::open(&server, &authority).await;
    let second = authority.issue("localhost");
    make("second", &second);
    eventually("it is noticed", SOON, async || {
        Kept::open(&server, &authority).await.certificate() == der(&second)
    })
    .await;
    kept.ask().await;
}

#[tokio::test]
async fn r38_the_log_level_changes_at_the_signal() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("level");
    fs::write(&file, "error\n").unwrap();
    let setup = embedded().set("MF_AUTH_LOG_LEVEL", "nonsense");
    let setup = setup.set("MF_AUTH_LOG_LEVEL_FILE", file.display().to_string());
    let (status, said) = setup.run(&["check-config"]).await.unwrap();
    assert!(!status.success() && said.contains("MF_AUTH_LOG_LEVEL=nonsense"), "{said}");
    let setup = setup.set("MF_AUTH_LOG_LEVEL", "info");
    let (status, said) = setup.run(&["check-config"]).await.unwrap();
    assert!(status.success(), "{said}");
    fs::write(&file, "info \n").unwrap();
    let server = setup.start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let ask = async |name: &str| {
        let request = server.client.get(server.url("/orgs")).bearer_auth(&login);
        assert_eq!(request.header("x-request-id", name).send().await.unwrap().status(), 200);
    };
    let logged = |level: &str, id: &str| {
        let output = server.output();
        let mut lines = output.lines().filter(|line| line.contains(id));
        lines.any(|line| line.contains(&format!("\"level\":\"{level}\"")))
    };
    // As long as the other, and as old: only the signal has it read.
    rewrite_unseen(&file, "debug\n");
    told(&server, "log_level").await;
    ask("talkative").await;
    eventually("more is logged", SOON, async || logged("debug", "talkative")).await;

    rewrite_unseen(&file, "error\n");
    told(&server, "log_level").await;
    ask("silent").await;
    rewrite_unseen(&file, "INFO \n");
    told(&server, "log_level").await;
    ask("ordinary").await;
    eventually("the usual is logged", SOON, async || logged("info", "ordinary")).await;
    assert!(!server.output().contains("silent"), "{}", server.output());
    assert!(!logged("debug", "ordinary"));

    // What is no level leaves it as it is, and is said.
    fs::write(&file, "loud\n").unwrap();
    server.signal("HUP").await.unwrap();
    eventually("it is refused", SOON, async || is_stale(&server, "log_level").await).await;
    ask("usual").await;
    eventually("the usual is logged", SOON, async || logged("info", "usual")).await;
    assert!(server.output().contains("MF_AUTH_LOG_LEVEL_FILE: "), "{}", server.output());
    // A start would fail.
    let (status, said) = setup.run(&["check-config"]).await.unwrap();
    assert!(!status.success() && said.contains("MF_AUTH_LOG_LEVEL_FILE: "), "{said}");
}

#[tokio::test]
async fn s76_a_service_token_that_is_taken_away_ends_with_the_next_call() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("tokens");
    let [first, second] =
        ["1", "2"].map(|end| format!("a token of thirty two bytes and more {end}"));
    fs::write(&file, format!("users={first}\n")).unwrap();
    let setup = embedded().set("MF_AUTH_GRPC_TOKENS_FILE", file.display().to_string());
    let server = setup.start().await.unwrap();
    let client = sibling(&server).await;
    let ask = async |token: &str| {
        let asked = OrgId { value: "0192d3f0-1111-7abc-8def-000000000002".into() };
        let mut request = tonic::Request::new(asked);
        let shown = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
        request.metadata_mut().insert("authorization", shown);
        code(client.clone().get_owner_id_by_org_id(request).await)
    };
    assert_eq!(ask(&first).await, Code::NotFound);
    assert_eq!(ask(&second).await, Code::Unauthenticated);
    fs::write(&file, format!("users={second}\n")).unwrap();
    told(&server, "service_tokens").await;
    assert_eq!(ask(&first).await, Code::Unauthenticated);
    assert_eq!(ask(&second).await, Code::NotFound);
    // A list without anybody takes nobody's away, and lets nobody in by where they are.
    fs::write(&file, "users=short\n").unwrap();
    server.signal("HUP").await.unwrap();
    eventually("it is refused", SOON, async || is_stale(&server, "service_tokens").await).await;
    assert_eq!(ask(&first).await, Code::Unauthenticated);
    assert_eq!(ask(&second).await, Code::NotFound);
    assert!(!server.output().contains("short"), "{}", server.output());
}

#[tokio::test]
async fn r38_the_signal_ends_nothing_where_there_is_nothing_to_read() {
    let server = embedded().start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    for round in 1..=3 {
        server.signal("HUP").await.unwrap();
        eventually("it is heard", SOON, async || {
            server.output().matches("told to read files again").count() == round
        })
        .await;
        assert_eq!(get(&server, "/orgs", &login).await.status(), 200);
    }
    assert!(server.stop().await.unwrap().success());
}
