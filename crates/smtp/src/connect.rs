//! The way to a connection that is as safe as it has to be.
//!
//! What comes before TLS is said here and not by the library, which would go on with what the server
//! said too early: somebody on the way could then answer in its place.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use auth_domain::ports::Undelivered;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::stream::Stream;
use crate::{BadConfig, CONNECT, Phase, STEP, Security, down, step};

/// The most bytes an answer before TLS may have.
const ANSWER: u64 = 16 * 1024;

/// Where to connect to, and how.
pub(crate) struct Server {
    host: String,
    port: u16,
    security: Security,
    tls: TlsConnector,
    name: ServerName<'static>,
    /// Who we say that we are.
    hello: String,
}

impl Server {
    pub(crate) fn new(
        host: &str,
        port: u16,
        security: Security,
        authorities: Option<&Path>,
        hello: String,
    ) -> Result<Self, BadConfig> {
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| BadConfig::Host(host.to_owned()))?;
        let config = ClientConfig::builder()
            .with_root_certificates(roots(authorities)?)
            .with_no_client_auth();
        let tls = TlsConnector::from(Arc::new(config));
        Ok(Self { host: host.to_owned(), port, security, tls, name, hello })
    }

    /// A connection over which commands may be sent, the server's greeting heard.
    pub(crate) async fn connect(&self) -> Result<AsyncSmtpConnection, Undelivered> {
        let tcp = self.reach().await?;
        let stream = match self.security {
            Security::None => Stream::plain(tcp),
            Security::Implicit => Stream::secure(self.handshake(tcp).await?),
            Security::StartTls | Security::IfOffered => match self.upgrade(tcp).await? {
                Some(secure) => secure,
                // Anew, because not every server listens to a second EHLO.
                None => Stream::plain(self.reach().await?),
            },
        };
        let hello = ClientId::Domain(self.hello.clone());
        let connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello);
        step(STEP, Phase::Greeting, connection).await
    }

    async fn reach(&self) -> Result<TcpStream, Undelivered> {
        match timeout(CONNECT, TcpStream::connect((&*self.host, self.port))).await {
            Ok(Ok(tcp)) => {
                let _ = tcp.set_nodelay(true);
                Ok(tcp)
            }
            Ok(Err(error)) => Err(down("connect", error)),
            Err(_) => Err(down("connect", "not in time")),
        }
    }

    async fn handshake(&self, tcp: TcpStream) -> Result<TlsStream<TcpStream>, Undelivered> {
        match timeout(STEP, self.tls.connect(self.name.clone(), tcp)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(down("tls", error)),
            Err(_) => Err(down("timeout", "no TLS in time")),
        }
    }

    /// STARTTLS, if the server offers it; nothing if it does not and need not.
    async fn upgrade(&self, tcp: TcpStream) -> Result<Option<Stream>, Undelivered> {
        let mut server = BufReader::new(tcp);
        converse(&mut server, None).await?;
        let can = converse(&mut server, Some(&format!("EHLO {}\r\n", self.hello))).await?;
        let offered = can.iter().any(|word| word.eq_ignore_ascii_case("STARTTLS"));
        if !offered {
            return match self.security {
                Security::IfOffered => {
                    // A goodbye that nobody has to hear.
                    let _ = timeout(STEP, server.write_all(b"QUIT\r\n")).await;
                    Ok(None)
                }
                _ => Err(down("tls", "the server does not offer STARTTLS")),
            };
        }
        converse(&mut server, Some("STARTTLS\r\n")).await?;
        if !server.buffer().is_empty() {
            return Err(down("tls", "something was said before TLS began"));
        }
        let secure = self.handshake(server.into_inner()).await?;
        Ok(Some(Stream::secure(secure).greeted()))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, security, .. } = self;
        write!(f, "{host}:{port} {security:?}")
    }
}

/// Says something, if there is something to say, and gives the lines of the answer without their codes.
async fn converse(
    server: &mut BufReader<TcpStream>,
    command: Option<&str>,
) -> Result<Vec<String>, Undelivered> {
    let talk = async {
        if let Some(command) = command {
            server.write_all(command.as_bytes()).await?;
        }
        let mut lines = Vec::new();
        let mut answer = server.take(ANSWER);
        loop {
            let mut line = Vec::new();
            answer.read_until(b'\n', &mut line).await?;
            let line = String::from_utf8_lossy(&line);
            let (code, rest) = line.split_at_checked(3).unwrap_or_default();
            // Whatever is not a good answer is none.
            if !code.starts_with('2') || !line.ends_with('\n') {
                let code = code.escape_default();
                return Err(std::io::Error::other(format!("the server answered {code}")));
            }
            lines.push(rest.get(1..).unwrap_or_default().trim().to_owned());
            if !rest.starts_with('-') {
                return Ok(lines);
            }
        }
    };
    match timeout(STEP, talk).await {
        Ok(Ok(lines)) => Ok(lines),
        Ok(Err(error)) => Err(down("greeting", error)),
        Err(_) => Err(down("timeout", "no answer in time: greeting")),
    }
}

/// Whose certificates are believed.
fn roots(file: Option<&Path>) -> Result<RootCertStore, BadConfig> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        // Those that cannot be read are not trusted, which shows when one would be needed.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let bad = |problem: String| BadConfig::Authorities { file: file.to_owned(), problem };
    let found: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| bad(error.to_string()))?;
    if found.is_empty() {
        return Err(bad("it holds no certificate".to_owned()));
    }
    for authority in found {
        roots.add(authority).map_err(|error| bad(error.to_string()))?;
    }
    Ok(roots)
}
