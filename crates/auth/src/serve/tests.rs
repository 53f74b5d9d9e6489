//! Real sockets, odd clients, shortened patience.

mod answers;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use auth_grpc::PeerNames;
use axum::Extension;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::get;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;

use super::*;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);
const IDLE: Duration = Duration::from_millis(600);
/// More than the system holds for a client that does not read.
const FLOOD: usize = 64 << 20;

fn limits() -> Limits {
    Limits {
        connections: 100,
        connections_per_peer: None,
        head: SHORT,
        head_bytes: 16 * 1024,
        headers: 100,
        streams: 100,
        keepalive: PATIENCE,
        keepalive_timeout: PATIENCE,
        kind: Kind::Visitors { idle: IDLE },
    }
}

fn residents(age: Duration) -> Limits {
    Limits { kind: Kind::Residents { age, grace: PATIENCE }, ..limits() }
}

/// A listener, where it listens, and how to end it.
struct Open {
    at: SocketAddr,
    drain: Drain,
    /// A request to `/slow` has begun, or the answer of `/pause`.
    begun: Arc<Notify>,
    /// Lets it end.
    release: Arc<Notify>,
}

fn open(limits: Limits) -> Open {
    open_with(limits, None)
}

fn open_with(limits: Limits, tls: Option<Handshakes>) -> Open {
    let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (begun, release) = (Arc::clone(&begun), Arc::clone(&release));
        move || async move {
            begun.notify_one();
            release.notified().await;
            "done"
        }
    };
    let pause = {
        let (begun, release) = (Arc::clone(&begun), Arc::clone(&release));
        move || async move {
            let parts = futures_util::stream::once(async move {
                begun.notify_one();
                release.notified().await;
                Ok::<_, io::Error>("done")
            });
            Body::from_stream(parts)
        }
    };
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/slow", get(slow))
        .route("/pause", get(pause))
        .route("/trickle", get(|| async { answers::trickle() }))
        .route("/flood", get(|| async { Body::from(vec![b'x'; FLOOD]) }))
        .route(
            "/peer",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }),
        )
        .route(
            "/names",
            get(|names: Option<Extension<PeerNames>>| async move {
                names.map_or("nobody".to_owned(), |Extension(PeerNames(names))| names.join(","))
            }),
        );
    let tcp = bind(Some(Ipv4Addr::LOCALHOST.into()), 0).unwrap();
    let (at, drain) = (tcp.local_addr().unwrap(), Drain::default());
    tokio::spawn(Listener::new("test", tcp, tls, router, limits).run(drain.clone()));
    Open { at, drain, begun, release }
}

impl Open {
    async fn connect(&self) -> TcpStream {
        timeout(PATIENCE, TcpStream::connect(self.at)).await.unwrap().unwrap()
    }

    /// Connects and says this.
    async fn say(&self, text: &str) -> TcpStream {
        let mut tcp = self.connect().await;
        tcp.write_all(text.as_bytes()).await.unwrap();
        tcp
    }

    /// Waits until it has no connection. Whoever does not read does not hear of their end.
    async fn ends_all(&self, whose: &str) {
        let ended = async {
            // The listener itself is one.
            while self.drain.connections.len() > 1 {
                sleep(SHORT.div_f32(10.0)).await;
            }
        };
        timeout(PATIENCE, ended).await.expect(whose);
    }
}

/// Everything until the other side closes; a reset is an end as well.
async fn rest(mut tcp: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, tcp.read_to_end(&mut bytes)).await.expect("it is not closed");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer with a body of this text, on a connection that stays open.
async fn answer(tcp: &mut TcpStream, body: &str) -> String {
    let mut text = String::new();
    let reading = async {
        while !text.ends_with(body) {
            let mut bytes = [0; 1024];
            let read = tcp.read(&mut bytes).await.unwrap();
            assert_ne!(read, 0, "closed after {text:?}");
            text.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
    text
}

const HELLO: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn s81_a_head_that_does_not_come_ends_the_connection_in_time() {
    let server = open(limits());
    for said in ["", "GET / HTTP/1.1\r\nHost: x\r\n", "PRI * HTTP/2.0\r\n"] {
        let started = Instant::now();
        let text = rest(server.say(said).await).await;
        assert_eq!(text, "", "{said:?}");
        assert!(started.elapsed() >= SHORT, "{said:?}");
        assert!(started.elapsed() < PATIENCE / 2, "{said:?}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn s81_a_head_that_comes_in_drops_ends_the_connection_in_time() {
    let server = open(limits());
    let mut tcp = server.say(HELLO).await;
    answer(&mut tcp, "hello").await;
    // The second request on the same connection.
    let (reader, mut writer) = tcp.into_split();
    let dripping = tokio::spawn(async move {
        for byte in HELLO.bytes().cycle().filter(|byte| *byte != b'\n') {
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
            sleep(SHORT.div_f32(10.0)).await;
        }
    });
    assert_eq!(rest(reader).await, "");
    timeout(PATIENCE, dripping).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_silent_connection_is_kept_for_a_while_and_then_closed() {
    let server = open(limits());
    let mut tcp = server.say(HELLO).await;
    answer(&mut tcp, "hello").await;
    // Longer than a head may take, shorter than idling may.
    sleep(SHORT + SHORT / 2).await;
    tcp.write_all(HELLO.as_bytes()).await.unwrap();
    answer(&mut tcp, "hello").await;
    assert_eq!(rest(tcp).await, "");
}

#[tokio::test]
async fn a_request_may_take_longer_than_idling() {
    let server = open(limits());
    let mut tcp = server.say("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    timeout(PATIENCE, server.begun.notified()).await.unwrap();
    sleep(SHORT * 5).await;
    server.release.notify_one();
    answer(&mut tcp, "done").await;
}

#[tokio::test]
async fn s80_a_head_far_beyond_what_the_router_refuses_is_431() {
    let server = open(limits());
    let many = "h: x\r\n".repeat(201);
    let large = format!("large: {}\r\n", "x".repeat(65 * 1024));
    for headers in [many, large] {
        let text = rest(server.say(&format!("GET / HTTP/1.1\r\n{headers}\r\n")).await).await;
        assert!(text.starts_with("HTTP/1.1 431 "), "{text}");
    }
    let fine = "h: x\r\n".repeat(199);
    let mut tcp = server.say(&format!("GET / HTTP/1.1\r\n{fine}\r\n")).await;
    assert!(answer(&mut tcp, "hello").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_others_are_served() {
    let server = open(Limits { connections: 2, head: PATIENCE, ..limits() });
    let mut first = server.say(HELLO).await;
    answer(&mut first, "hello").await;
    let mut second = server.say(HELLO).await;
    answer(&mut second, "hello").await;
    assert_eq!(rest(server.connect().await).await, "");
    first.write_all(HELLO.as_bytes()).await.unwrap();
    answer(&mut first, "hello").await;
    drop(second);
    // The place is free as soon as the server has noticed.
    let place_again = async {
        loop {
            let mut third = server.connect().await;
            let _ = third
                .write_all(HELLO.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes())
                .await;
            if rest(third).await.ends_with("hello") {
                return;
            }
        }
    };
    timeout(PATIENCE, place_again).await.unwrap();
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_no_more() {
    let server = open(Limits { connections_per_peer: Some(1), ..limits() });
    let mut first = server.say(HELLO).await;
    answer(&mut first, "hello").await;
    assert_eq!(rest(server.connect().await).await, "");
}

#[tokio::test]
async fn handlers_know_the_peer() {
    let server = open(limits());
    let mut tcp = server.say("GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let local = tcp.local_addr().unwrap();
    answer(&mut tcp, &local.to_string()).await;
}

#[tokio::test]
async fn r31_what_was_accepted_is_answered_before_the_end() {
    let server = open(limits());
    let mut kept = server.say(HELLO).await;
    answer(&mut kept, "hello").await;
    let tcp = server.say("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    timeout(PATIENCE, server.begun.notified()).await.unwrap();

    server.drain.begin();
    let ending = tokio::spawn({
        let drain = server.drain.clone();
        async move { drain.end(PATIENCE).await }
    });
    // A request that crosses the stop is answered, and told to go elsewhere for the next.
    kept.write_all(HELLO.as_bytes()).await.unwrap();
    let text = rest(kept).await.to_ascii_lowercase();
    assert!(text.ends_with("hello") && text.contains("connection: close"), "{text}");
    // The port closes while the slow request is still under way.
    let refused = async { while TcpStream::connect(server.at).await.is_ok() {} };
    timeout(PATIENCE, refused).await.unwrap();
    assert!(!ending.is_finished());

    server.release.notify_one();
    let text = rest(tcp).await;
    assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with("done"), "{text}");
    assert_eq!(timeout(PATIENCE, ending).await.unwrap().unwrap(), 0, "nothing was cut off");
}

/// However many they are, and however late we come to look: they are what the system holds for us when the port is
/// closed, and it would reset them.
#[tokio::test]
async fn r31_nobody_who_is_connected_is_forgotten_when_the_port_is_closed() {
    use std::io::{Read, Write};
    let server = open(Limits { connections: 1_000, ..limits() });
    sleep(SHORT).await;
    server.drain.begin();
    // Nothing else runs meanwhile, and the last call is over when it does again.
    let mut clients: Vec<_> =
        (0..500).map(|_| std::net::TcpStream::connect(server.at).unwrap()).collect();
    for client in &mut clients {
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    }
    std::thread::sleep(LAST_CALL * 11);
    let reading = tokio::task::spawn_blocking(move || {
        let is_answered = |mut client: std::net::TcpStream| {
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).is_ok() && answer.ends_with("hello")
        };
        clients.into_iter().map(is_answered).filter(|answered| !answered).count()
    });
    assert_eq!(timeout(PATIENCE, reading).await.unwrap().unwrap(), 0, "are not answered");
    assert_eq!(server.drain.end(PATIENCE).await, 0);
}

#[tokio::test]
async fn what_takes_too_long_is_cut_off_and_counted() {
    let server = open(limits());
    let tcp = server.say("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    timeout(PATIENCE, server.begun.notified()).await.unwrap();
    server.drain.begin();
    let lost = timeout(PATIENCE, server.drain.end(Duration::from_secs(1))).await.unwrap();
    assert_eq!(lost, 1);
    assert_eq!(rest(tcp).await, "");
}

/// Of whoever goes on connecting.
#[test]
fn the_last_look_at_a_port_has_an_end() {
    let most = BACKLOG as usize;
    assert_eq!(held(|| Ok(())).take(most.saturating_add(1)).count(), most);
    let mut found = [Ok(1), Err(io::ErrorKind::ConnectionAborted), Ok(2)].into_iter();
    let next = || found.next().unwrap_or(Err(io::ErrorKind::WouldBlock)).map_err(io::Error::from);
    assert_eq!(held(next).collect::<Vec<_>>(), [1, 2]);
}

/// A client that speaks HTTP/2 over plain TCP, and the task that ends with its connection.
async fn http2(
    server: &Open,
) -> (
    hyper::client::conn::http2::SendRequest<axum::body::Body>,
    tokio::task::JoinHandle<hyper::Result<()>>,
) {
    http2_with_window(server, 64 * 1024).await
}

/// The same, which takes so many bytes of an answer unasked.
async fn http2_with_window(
    server: &Open,
    window: u32,
) -> (
    hyper::client::conn::http2::SendRequest<axum::body::Body>,
    tokio::task::JoinHandle<hyper::Result<()>>,
) {
    let io = hyper_util::rt::TokioIo::new(server.connect().await);
    let mut builder =
        hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
    builder.initial_stream_window_size(window);
    let (client, connection) = builder.handshake(io).await.unwrap();
    (client, tokio::spawn(connection))
}

fn to(path: &str) -> http::Request<axum::body::Body> {
    http::Request::get(format!("http://x{path}")).body(axum::body::Body::empty()).unwrap()
}

#[tokio::test]
async fn residents_are_sent_away_when_they_are_old_and_may_finish() {
    let server = open(residents(3 * SHORT));
    let (mut client, connection) = http2(&server).await;
    assert_eq!(client.send_request(to("/")).await.unwrap().status(), 200);
    let slow = tokio::spawn(client.send_request(to("/slow")));
    timeout(PATIENCE, server.begun.notified()).await.unwrap();
    let gone = async {
        while client.send_request(to("/")).await.is_ok() {
            sleep(SHORT.div_f32(10.0)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("no GOAWAY came");
    server.release.notify_one();
    assert_eq!(timeout(PATIENCE, slow).await.unwrap().unwrap().unwrap().status(), 200);
    drop(client);
    timeout(PATIENCE, connection).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn residents_may_be_silent_but_not_from_the_start() {
    let server = open(residents(PATIENCE));
    // The server says what HTTP/2 servers say first, and leaves.
    assert!(rest(server.connect().await).await.len() < 64);
    let (mut client, _connection) = http2(&server).await;
    sleep(SHORT * 5).await;
    assert_eq!(client.send_request(to("/")).await.unwrap().status(), 200);
    // HTTP/1 is not spoken here; what comes back are HTTP/2 frames, if anything.
    assert!(!rest(server.say(HELLO).await).await.contains("HTTP/1.1 200"));
}

#[tokio::test]
async fn r31_an_http2_client_is_told_to_go_and_loses_nothing() {
    let server = open(residents(PATIENCE));
    let (mut client, _connection) = http2(&server).await;
    let slow = tokio::spawn(client.send_request(to("/slow")));
    timeout(PATIENCE, server.begun.notified()).await.unwrap();
    server.drain.begin();
    let drain = server.drain.clone();
    let ending = tokio::spawn(async move { drain.end(PATIENCE).await });
    sleep(SHORT).await;
    server.release.notify_one();
    assert_eq!(timeout(PATIENCE, slow).await.unwrap().unwrap().unwrap().status(), 200);
    assert_eq!(timeout(PATIENCE, ending).await.unwrap().unwrap(), 0);
}

/// A private authority, a server with its certificate, and what it takes to be a client.
struct Fleet {
    authority: CertifiedIssuer<'static, KeyPair>,
    files: tempfile::TempDir,
}

impl Fleet {
    fn new() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        Self { authority, files: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, text: &str) -> std::path::PathBuf {
        let file = self.files.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    /// What the server answers handshakes with.
    fn secured(&self) -> Secured {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let ca = self.file("ca.pem", &self.authority.pem());
        let cert = self.file("cert.pem", &certificate.pem());
        let key = self.file("key.pem", &key.serialize_pem());
        Secured::from_files(tls::Files {
            settings: ("CERT", "KEY"),
            cert,
            key,
            client_ca: Some(ca),
        })
        .unwrap()
    }

    /// A client that trusts the authority and shows a certificate with this name, made by it or by
    /// somebody else.
    fn client(&self, name: Option<(&str, &Self)>) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let config = match name {
            None => builder.with_no_client_auth(),
            Some((name, by)) => {
                let key = KeyPair::generate().unwrap();
                let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
                let certificate = params.signed_by(&key, &by.authority).unwrap();
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                builder.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
            }
        };
        TlsConnector::from(Arc::new(config))
    }
}

/// What the server calls this client.
async fn called(server: &Open, client: TlsConnector) -> String {
    let name = ServerName::try_from("localhost").unwrap();
    let Ok(mut tls) = client.connect(name, server.connect().await).await else {
        return "refused".to_owned();
    };
    let request = "GET /names HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let _ = tls.write_all(request.as_bytes()).await;
    let text = rest(tls).await;
    text.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn s76_a_client_is_called_by_its_certificate_if_the_authority_made_it() {
    let (fleet, others) = (Fleet::new(), Fleet::new());
    let server = open_with(limits(), Some(fleet.secured().grpc()));
    assert_eq!(
        called(&server, fleet.client(Some(("users.internal", &fleet)))).await,
        "users.internal"
    );
    assert_eq!(called(&server, fleet.client(None)).await, "nobody");
    let stranger = called(&server, fleet.client(Some(("users.internal", &others)))).await;
    assert!(stranger.is_empty() || stranger == "refused", "{stranger}");
}

#[tokio::test]
async fn s79_an_authority_that_is_taken_away_is_asked_for_anew_even_by_whoever_resumes() {
    let (fleet, others) = (Fleet::new(), Fleet::new());
    let secured = fleet.secured();
    let server = open_with(limits(), Some(secured.grpc()));
    // One connector remembers its sessions from connection to connection.
    let users = fleet.client(Some(("users.internal", &fleet)));
    for _ in 0..2 {
        assert_eq!(called(&server, users.clone()).await, "users.internal");
    }
    fleet.file("ca.pem", &others.authority.pem());
    secured.load_again().unwrap();
    let before = called(&server, users.clone()).await;
    assert!(before.is_empty() || before == "refused", "{before}");
    let new = fleet.client(Some(("users.internal", &others)));
    assert_eq!(called(&server, new).await, "users.internal");
    // What cannot be used changes nothing.
    fleet.file("ca.pem", "nothing");
    assert!(secured.load_again().unwrap_err().starts_with("MF_AUTH_GRPC_CLIENT_CA: "));
    let new = fleet.client(Some(("users.internal", &others)));
    assert_eq!(called(&server, new).await, "users.internal");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_ends_the_connection_in_time() {
    let fleet = Fleet::new();
    let server = open_with(limits(), Some(fleet.secured().http()));
    let started = Instant::now();
    assert_eq!(rest(server.connect().await).await, "");
    assert!(started.elapsed() < PATIENCE / 2);
    // Plain HTTP on a port with TLS is not answered.
    assert!(!rest(server.say(HELLO).await).await.contains("hello"));
}

#[tokio::test]
async fn without_a_host_both_families_are_served() {
    let tcp = bind(None, 0).unwrap();
    let port = tcp.local_addr().unwrap().port();
    let connecting = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
    timeout(PATIENCE, connecting).await.unwrap().unwrap();
    let taken = bind(None, port).unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
}
