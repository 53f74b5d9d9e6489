//! A pooler in front of the server that lends its one session for a transaction each.

use std::io;
use std::sync::Arc;

use auth_postgres::{OpenError, PgConfig, PgStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use crate::world::{config, database};

/// A message, or with no tag the one that begins a connection.
async fn message(from: &mut TcpStream, tag: bool) -> io::Result<Vec<u8>> {
    let mut whole = vec![0; if tag { 5 } else { 4 }];
    from.read_exact(&mut whole).await?;
    let (_, length) = whole.split_last_chunk::<4>().unwrap();
    let mut body = vec![0; usize::try_from(u32::from_be_bytes(*length)).unwrap() - 4];
    from.read_exact(&mut body).await?;
    whole.extend(body);
    Ok(whole)
}

/// Passes on what the server says until it has done what it was asked.
async fn answer(server: &mut TcpStream, client: &mut TcpStream) -> io::Result<Vec<u8>> {
    const READY: u8 = b'Z';
    const AUTHENTICATION: u8 = b'R';
    let mut said = Vec::new();
    loop {
        let one = message(server, true).await?;
        client.write_all(&one).await?;
        match one.as_slice() {
            // The ones that are answered: a password in one form or another.
            [AUTHENTICATION, _, _, _, _, 0, 0, 0, 3 | 5 | 10 | 11, ..] => {
                server.write_all(&message(client, true).await?).await?;
            }
            [AUTHENTICATION, _, _, _, _, 0, 0, 0, 12, ..] => {}
            _ => said.extend(&one),
        }
        if one.first() == Some(&READY) {
            return Ok(said);
        }
    }
}

/// Lends the session for each question.
async fn lend(server: Arc<Mutex<TcpStream>>, mut client: TcpStream) -> io::Result<()> {
    loop {
        let asked = message(&mut client, true).await?;
        if asked.first() == Some(&b'X') {
            return Ok(());
        }
        let mut server = server.lock().await;
        server.write_all(&asked).await?;
        if matches!(asked.first(), Some(b'Q' | b'S')) {
            answer(&mut server, &mut client).await?;
        }
    }
}

async fn pool(clients: TcpListener, server: (String, u16)) -> io::Result<()> {
    let (mut first, _) = clients.accept().await?;
    let mut server = TcpStream::connect(server).await?;
    server.write_all(&message(&mut first, false).await?).await?;
    let greeting = answer(&mut server, &mut first).await?;
    let server = Arc::new(Mutex::new(server));
    tokio::spawn(lend(Arc::clone(&server), first));
    loop {
        let (mut client, _) = clients.accept().await?;
        message(&mut client, false).await?;
        client.write_all(&greeting).await?;
        tokio::spawn(lend(Arc::clone(&server), client));
    }
}

#[tokio::test]
async fn r5_a_pooler_that_lends_sessions_for_a_transaction_is_refused_in_words() {
    let database = database().await;
    let direct = config(&database);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(pool(listener, (direct.host.clone(), direct.port)));
    let pooled = PgConfig { host: "127.0.0.1".into(), port, ..direct };
    let error = PgStore::connect(&pooled).await.unwrap_err();
    assert!(matches!(error, OpenError::Unusable { .. }), "{error}");
    assert!(error.to_string().contains("pool_mode = session"), "{error}");
}
