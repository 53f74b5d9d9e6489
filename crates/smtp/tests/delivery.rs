//! Delivery to a real SMTP server.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use std::time::{Duration, Instant};

use auth_domain::Timestamp;
use auth_domain::model::{Letter, MailId};
use auth_domain::ports::{Mailer, Undelivered};
use auth_smtp::{BadConfig, SmtpConfig, SmtpMailer, Tls};
use auth_testkit::{Manner, Smtp, SmtpSetup};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use uuid::Uuid;

fn letter() -> Letter {
    Letter {
        id: MailId::new(Uuid::from_u128(7)),
        to: "bob@example.org".parse().unwrap(),
        at: Timestamp::from_seconds(784_887_151),
        subject: "You're invited".to_owned(),
        text: "Hello Bob\n.\n..two\nend\n".to_owned(),
        html: "<p>Hello <b>Böb</b></p>".to_owned(),
    }
}

fn config(server: &Smtp) -> SmtpConfig {
    SmtpConfig {
        host: "localhost".to_owned(),
        port: server.port(),
        tls: Tls::Auto,
        authorities: Some(server.authority()),
        user: "root".to_owned(),
        password: None,
        from_address: "keyward@example.com".to_owned(),
        from_name: Some("Keyward".to_owned()),
    }
}

fn provider() {
    // Another test of this process may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

async fn send(config: &SmtpConfig) -> Result<(), Undelivered> {
    provider();
    SmtpMailer::new(config).unwrap().send(&letter()).await
}

/// The word for why it is tried again, and whether the server is to blame.
fn later(sent: Result<(), Undelivered>) -> (&'static str, bool) {
    match sent {
        Err(Undelivered::Later { problem, is_down, .. }) => (problem, is_down),
        other => panic!("{other:?}"),
    }
}

fn with_account() -> SmtpSetup {
    let account = Some(("root".to_owned(), "hunter2 é".to_owned()));
    SmtpSetup { starttls: true, account, ..SmtpSetup::default() }
}

#[tokio::test]
async fn a_letter_arrives_as_it_was_written() {
    let server = Smtp::start().await.unwrap();
    send(&config(&server)).await.unwrap();
    let received = server.received();
    assert_eq!(received.len(), 1);
    let mail = &received[0];
    assert_eq!(
        (&*mail.from, &*mail.to[0], mail.to.len()),
        ("keyward@example.com", "bob@example.org", 1)
    );
    assert_eq!(mail.header("From").unwrap(), "Keyward <keyward@example.com>");
    assert_eq!(mail.header("To").unwrap(), "bob@example.org");
    assert_eq!(mail.header("Subject").unwrap(), "You're invited");
    assert_eq!(mail.part("text/plain").unwrap().trim_end(), letter().text.trim_end());
    assert_eq!(mail.part("text/html").unwrap(), letter().html);
    assert!(!mail.tls && mail.user.is_none());
}

#[tokio::test]
async fn tls_is_used_as_soon_as_it_is_offered() {
    let setup = SmtpSetup { starttls: true, ..SmtpSetup::default() };
    let server = Smtp::with(setup).await.unwrap();
    send(&config(&server)).await.unwrap();
    let implicit = Smtp::with(SmtpSetup { implicit: true, ..SmtpSetup::default() }).await.unwrap();
    send(&SmtpConfig { tls: Tls::Implicit, ..config(&implicit) }).await.unwrap();
    assert!(server.received()[0].tls && implicit.received()[0].tls);
    assert_eq!(implicit.heard_in_clear(), [] as [&str; 0]);
    // Not by whoever is told not to.
    send(&SmtpConfig { tls: Tls::None, ..config(&server) }).await.unwrap();
    assert!(!server.received()[1].tls);
}

#[tokio::test]
async fn credentials_are_used_with_a_password_only_and_over_tls() {
    let server = Smtp::with(with_account()).await.unwrap();
    let password = Some("hunter2 é".into());
    send(&SmtpConfig { password, ..config(&server) }).await.unwrap();
    let mail = &server.received()[0];
    assert!(mail.tls);
    assert_eq!(mail.user.as_deref(), Some("root"));
    assert_eq!(later(send(&config(&server)).await), ("sign_in", true), "it asks for a password");
    let wrong = SmtpConfig { password: Some("hunter3".into()), ..config(&server) };
    assert_eq!(later(send(&wrong).await), ("sign_in", true), "an operator can put it right");
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn s63_without_starttls_neither_password_nor_mail_is_sent() {
    let server = Smtp::with(with_account()).await.unwrap();
    server.behave(Manner::NoStartTls);
    let config = SmtpConfig { password: Some("hunter2 é".into()), ..config(&server) };
    assert_eq!(later(send(&config).await), ("tls", true));
    let required = SmtpConfig { tls: Tls::StartTls, password: None, ..config };
    assert_eq!(later(send(&required).await), ("tls", true));
    for line in server.heard_in_clear() {
        assert!(line.starts_with("EHLO "), "{line}");
    }
    assert_eq!(server.received(), []);
}

#[tokio::test]
async fn s63_what_is_said_before_tls_begins_is_not_listened_to() {
    let server = Smtp::with(with_account()).await.unwrap();
    server.behave(Manner::Injects);
    let config = SmtpConfig { password: Some("hunter2 é".into()), ..config(&server) };
    assert_eq!(later(send(&config).await), ("tls", true));
    assert_eq!(server.received(), []);
}

#[tokio::test]
async fn s63_a_certificate_nobody_vouches_for_is_refused() {
    let server = Smtp::with(with_account()).await.unwrap();
    let password = Some("hunter2 é".into());
    let trusting_the_machine = SmtpConfig { password, authorities: None, ..config(&server) };
    assert_eq!(later(send(&trusting_the_machine).await), ("tls", true));
    let another = Smtp::start().await.unwrap();
    let of_another = SmtpConfig { authorities: Some(another.authority()), ..trusting_the_machine };
    assert_eq!(later(send(&of_another).await), ("tls", true));
    // Also where TLS is a gift: somebody on the way may have made the offer.
    let offered = SmtpConfig { password: None, ..of_another };
    assert_eq!(later(send(&offered).await), ("tls", true));
    assert_eq!(server.received(), []);
}

#[tokio::test]
async fn r41_each_refusal_is_told_apart() {
    let mut server = Smtp::start().await.unwrap();
    for (manner, problem) in
        [(Manner::RecipientLater, "recipient"), (Manner::MessageLater, "message")]
    {
        server.behave(manner);
        assert_eq!(later(send(&config(&server)).await), (problem, false), "{manner:?}");
    }
    for (manner, expected) in
        [(Manner::RecipientNever, "recipient"), (Manner::MessageNever, "message")]
    {
        server.behave(manner);
        match send(&config(&server)).await {
            Err(Undelivered::Never { problem, .. }) => assert_eq!(problem, expected),
            other => panic!("{manner:?} {other:?}"),
        }
    }
    server.behave(Manner::DropsAfterData);
    assert!(later(send(&config(&server)).await).1);
    server.behave(Manner::Fine);
    send(&config(&server)).await.unwrap();
    let received = server.received();
    assert_eq!(received.len(), 2, "the one that was not answered, and the one that was");
    let ids = received.iter().map(|mail| mail.header("Message-ID")).collect::<Vec<_>>();
    assert!(ids[0].is_some() && ids[0] == ids[1], "which a receiver can tell: {ids:?}");
    server.stop().await;
    assert_eq!(later(send(&config(&server)).await), ("connect", true));
}

#[tokio::test]
async fn r41_a_server_that_does_not_answer_is_given_up_on() {
    for manner in [Manner::Silent, Manner::TarPit] {
        let server = Smtp::start().await.unwrap();
        server.behave(manner);
        let begun = Instant::now();
        assert_eq!(later(send(&config(&server)).await), ("timeout", true), "{manner:?}");
        assert!(begun.elapsed() < auth_smtp::STEP + Duration::from_secs(10), "{manner:?}");
    }
}

#[tokio::test]
async fn an_error_names_nobody() {
    let server = Smtp::start().await.unwrap();
    for manner in [Manner::RecipientNever, Manner::RecipientLater, Manner::MessageNever] {
        server.behave(manner);
        let error = send(&config(&server)).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("example.org"), "{error:?}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    provider();
    let good = SmtpConfig {
        host: "mail.example.com".to_owned(),
        port: 25,
        tls: Tls::Auto,
        authorities: None,
        user: "root".to_owned(),
        password: Some("hunter2".into()),
        from_address: "keyward@example.com".to_owned(),
        from_name: None,
    };
    assert!(SmtpMailer::new(&good).is_ok());
    let in_clear = SmtpMailer::new(&SmtpConfig { tls: Tls::None, ..good.clone() });
    assert!(matches!(in_clear, Err(BadConfig::PasswordInClear)));
    let nowhere = SmtpMailer::new(&SmtpConfig { host: "a b".to_owned(), ..good.clone() });
    assert!(matches!(nowhere, Err(BadConfig::Host(_))));
    let missing = SmtpConfig { authorities: Some("/nowhere/ca.pem".into()), ..good.clone() };
    assert!(matches!(SmtpMailer::new(&missing), Err(BadConfig::Authorities { .. })));
    let nobody = SmtpMailer::new(&SmtpConfig { from_address: "nobody".to_owned(), ..good.clone() });
    assert!(matches!(nobody, Err(BadConfig::From(_))));
    assert!(!format!("{good:?}").contains("hunter2"));
}

#[tokio::test]
async fn r19_a_server_that_never_ends_a_line_is_given_up_and_not_held_in_memory() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let talking = tokio::spawn(async move {
        let (mut client, _) = server.accept().await.unwrap();
        let (mut said, more) = (0, vec![b'x'; 64 * 1024]);
        client.write_all(b"220 ").await.unwrap();
        while client.write_all(&more).await.is_ok() {
            said += more.len();
        }
        said
    });
    let config = SmtpConfig {
        host: "127.0.0.1".to_owned(),
        port,
        tls: Tls::None,
        authorities: None,
        user: String::new(),
        password: None,
        from_address: "keyward@example.com".to_owned(),
        from_name: None,
    };
    let begun = Instant::now();
    assert_eq!(later(send(&config).await), ("connection", true));
    assert!(begun.elapsed() < auth_smtp::STEP, "{:?}", begun.elapsed());
    // What the two sockets hold beside what was read.
    let said = talking.await.unwrap();
    assert!(said < 32 * 1024 * 1024, "{said} bytes");
}
