//! TLS with the original's variables, and client certificates for gRPC.

use auth_grpc::proto::auth_service_client::AuthServiceClient;
use auth_grpc::proto::{IssueReq, OrgId, Token};
use auth_testkit::{Redis, Server, Setup};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic::{Code, Status};

use crate::world::{code, embedded, eventually, found};

/// A private authority.
pub struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub fn issue(&self, name: &str) -> Pair {
        self.sign(&CertificateParams::new(vec![name.to_owned()]).unwrap())
    }

    /// One that was good until the beginning of a year.
    pub fn issue_until(&self, name: &str, year: i32) -> Pair {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }
}

/// A server with a certificate for `localhost`, and the files it reads.
pub fn with_tls(authority: &Authority, files: &tempfile::TempDir) -> Setup {
    let pair = authority.issue("localhost");
    let write = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    embedded()
        .set("MF_AUTH_SERVER_CERT", write("server.pem", &pair.certificate))
        .set("MF_AUTH_SERVER_KEY", write("server.key", &pair.key))
        .set("MF_AUTH_GRPC_CLIENT_CA", write("ca.pem", &authority.pem))
}

pub async fn connect(
    server: &Server,
    authority: &Authority,
    client: Option<&Pair>,
) -> Result<AuthServiceClient<Channel>, String> {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&authority.pem))
        .domain_name("localhost");
    if let Some(pair) = client {
        tls = tls.identity(Identity::from_pem(&pair.certificate, &pair.key));
    }
    let endpoint =
        Channel::from_shared(format!("https://{}", server.grpc)).unwrap().tls_config(tls).unwrap();
    let channel = endpoint.connect().await.map_err(|error| format!("{error:?}"))?;
    Ok(AuthServiceClient::new(channel))
}

pub fn issue() -> IssueReq {
    let id = "0192d3f0-1111-7abc-8def-000000000001".into();
    IssueReq { id, email: "fleet@example.com".into(), r#type: 0 }
}

#[tokio::test]
async fn s76_who_shows_which_certificate_may_call_what() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let files = tempfile::tempdir().unwrap();
    let server = with_tls(&authority, &files).start().await.unwrap();
    let asked = OrgId { value: "0192d3f0-1111-7abc-8def-000000000002".into() };

    let users = authority.issue("users");
    let mut client = connect(&server, &authority, Some(&users)).await.unwrap();
    let token = client.issue(issue()).await.unwrap().into_inner().value;
    assert_eq!(code(client.get_owner_id_by_org_id(asked.clone()).await), Code::NotFound);

    let things = authority.issue("things");
    let mut client = connect(&server, &authority, Some(&things)).await.unwrap();
    assert_eq!(code(client.issue(issue()).await), Code::PermissionDenied);
    assert_eq!(code(client.get_owner_id_by_org_id(asked.clone()).await), Code::NotFound);

    // Nobody's loopback address counts any more, but the open calls stay open.
    let mut client = connect(&server, &authority, None).await.unwrap();
    assert_eq!(code(client.issue(issue()).await), Code::Unauthenticated);
    client.identify(Token { value: token.clone() }).await.unwrap();

    // A certificate of somebody else's authority does not even connect.
    let foreign = stranger.issue("users");
    let answer: Result<(), String> = match connect(&server, &authority, Some(&foreign)).await {
        Err(refused) => Err(refused),
        Ok(mut client) => {
            client.issue(issue()).await.map(drop).map_err(|status: Status| status.to_string())
        }
    };
    assert!(answer.is_err());
}

#[tokio::test]
async fn both_listeners_speak_tls_and_nothing_else() {
    let authority = Authority::new();
    let files = tempfile::tempdir().unwrap();
    let server = with_tls(&authority, &files).start().await.unwrap();
    let root = reqwest::Certificate::from_pem(authority.pem.as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([root])
        .resolve("localhost", server.http)
        .build()
        .unwrap();
    let url = format!("https://localhost:{}/health", server.http.port());
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
    server.client.get(server.url("/health")).send().await.unwrap_err();
    AuthServiceClient::connect(server.grpc_url())
        .await
        .unwrap()
        .identify(Token::default())
        .await
        .unwrap_err();
}

#[tokio::test]
async fn events_reach_a_redis_behind_tls_that_proves_its_name_and_no_other() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().unwrap());
    let pair = authority.issue("localhost");
    let write = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (certificate, key) = (write("redis.pem", &pair.certificate), write("redis.key", &pair.key));
    let ca = write("ca.pem", &authority.pem);
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port().to_string()
    };
    let redis = Redis::with(
        &[
            ["--tls-port", &port],
            ["--tls-cert-file", &certificate],
            ["--tls-key-file", &key],
            ["--tls-ca-cert-file", &ca],
            ["--tls-auth-clients", "no"],
        ]
        .concat(),
    )
    .await
    .unwrap();
    let told = async || redis.ask(&["EXISTS", "mainflux.auth"]).await.unwrap() == ["1"];
    let setup = embedded().set("MF_AUTH_ES_URL", format!("rediss://localhost:{port}/0"));

    let server = setup.start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    found(&server, &login, "acme").await;
    let minute = std::time::Duration::from_mins(1);
    eventually("an unknown authority is refused", minute, async || {
        server.output().contains("events are not published")
    })
    .await;
    assert!(!told().await);
    server.stop().await.unwrap();

    // Where rustls looks for what the system trusts.
    let server = setup.set("SSL_CERT_FILE", ca).start().await.unwrap();
    eventually("the authority is known", minute, told).await;
    server.stop().await.unwrap();
}
