//! What is read of a mail server's answers, whatever is in them.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use auth_domain::Timestamp;
use auth_domain::model::{Letter, MailId};
use auth_domain::ports::{Mailer, Undelivered};
use auth_fuzz::Fuzz;
use auth_smtp::{SmtpConfig, SmtpMailer, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use uuid::Uuid;

/// What the server says on its next connection, all at once; it has heard everything when nobody says more.
type Script = Arc<Mutex<Vec<u8>>>;

async fn server(script: Script) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let says = script.lock().unwrap().clone();
            tokio::spawn(async move {
                // Whoever has heard enough closes.
                let _ = client.write_all(&says).await;
                let _ = client.shutdown().await;
                let _ = client.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    address
}

/// Whatever a server says, a mail is delivered, tried again or given up; and what is logged of it is one
/// printable line, with nothing in it that the server chose but a number.
#[test]
fn fuzz_answers_of_a_mail_server() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let script = Script::default();
    let port = runtime.block_on(server(Arc::clone(&script))).port();
    let mailers: HashMap<u8, SmtpMailer> =
        [(b'P', Tls::None), (b'O', Tls::Auto), (b'S', Tls::StartTls)]
            .map(|(letter, tls)| {
                let mailer = SmtpMailer::new(&SmtpConfig {
                    host: "127.0.0.1".to_owned(),
                    port,
                    tls,
                    authorities: None,
                    user: "root".to_owned(),
                    password: None,
                    from_address: "keyward@example.com".to_owned(),
                    from_name: None,
                });
                (letter, mailer.unwrap())
            })
            .into();
    let letter = Letter {
        id: MailId::new(Uuid::from_u128(7)),
        to: "bob@example.org".parse().unwrap(),
        at: Timestamp::from_seconds(784_887_151),
        subject: "You're invited".to_owned(),
        text: "Hello\n".to_owned(),
        html: "<p>Hello</p>".to_owned(),
    };
    // The first byte says what is used: plain text, TLS if it is offered, TLS.
    Fuzz::new("smtp/answer", include_str!("../corpus/answer.txt")).run(|input| {
        let (first, says) = input.split_first()?;
        let mailer = mailers.get(first)?;
        *script.lock().unwrap() = says.to_vec();
        let (problem, cause) = match runtime.block_on(mailer.send(&letter)) {
            Ok(()) => {
                assert!(*first != b'S', "not in clear");
                return Some(("", String::new()));
            }
            Err(
                Undelivered::Later { problem, cause, .. } | Undelivered::Never { problem, cause },
            ) => (problem, cause.to_string()),
        };
        assert!(cause.len() < 300, "{cause}");
        assert!(!cause.chars().any(char::is_control), "{cause:?}");
        Some((problem, cause.chars().filter(|c| !c.is_ascii_digit()).collect()))
    });
}
