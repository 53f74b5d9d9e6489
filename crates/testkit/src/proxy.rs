//! The network between two programs, as bad as a test wants it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::port::Port;

/// What becomes of what is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// It arrives.
    #[default]
    Fine,
    /// It arrives so much later, in each direction.
    Slow(Duration),
    /// It does not arrive until things get better, and nobody is told: no connection is closed or refused.
    Silent,
    /// Connections are closed, and so is whatever connects.
    Cut,
}

#[derive(Clone, Copy, Debug)]
struct State {
    target: SocketAddr,
    network: Network,
    /// Connections of an earlier one are closed.
    generation: u64,
}

/// Listens on a port of its own and passes on what it hears, in both directions, to a server that may be
/// replaced by another one.
#[derive(Debug)]
pub struct Proxy {
    port: Port,
    state: Arc<watch::Sender<State>>,
    /// How often clients may still say something; nothing is counted while it is `i64::MAX`.
    words: Arc<AtomicI64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Leads to this server.
    pub async fn to(target: SocketAddr) -> Result<Self> {
        Self::start(target, false).await
    }

    /// Leads to this PostgreSQL server, without TLS, and keeps its notifications from whoever listens to them.
    pub async fn without_notifications(target: SocketAddr) -> Result<Self> {
        Self::start(target, true).await
    }

    async fn start(target: SocketAddr, deaf: bool) -> Result<Self> {
        let port = Port::take()?;
        let listener = TcpListener::bind(port.address()).await?;
        let network = Network::default();
        let state = Arc::new(watch::Sender::new(State { target, network, generation: 0 }));
        let words = Arc::new(AtomicI64::new(i64::MAX));
        let (watched, counted) = (Arc::clone(&state), Arc::clone(&words));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, watched.subscribe(), Arc::clone(&counted), deaf));
            }
        });
        Ok(Self { port, state, words, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// From now on the network is like this.
    pub fn become_(&self, network: Network) {
        self.state.send_modify(|state| {
            state.network = network;
            if network == Network::Cut {
                state.generation = state.generation.wrapping_add(1);
            }
        });
    }

    /// From now on it leads there; connections to where it led before are closed.
    pub fn lead_to(&self, target: SocketAddr) {
        self.state.send_modify(|state| {
            state.target = target;
            state.generation = state.generation.wrapping_add(1);
        });
    }

    /// The same for connections to come; those that are open go on as they are.
    pub fn lead_new_to(&self, target: SocketAddr) {
        self.state.send_modify(|state| state.target = target);
    }

    /// Lets clients say something so often, all of them together, and cuts them off when one says more: a client
    /// that waits for each answer is cut off at its next statement.
    pub fn cut_after(&self, words: u32) {
        self.words.store(words.into(), Ordering::SeqCst);
    }

    /// Takes [`Proxy::cut_after`] back. Gives whether it had cut somebody off.
    #[must_use]
    pub fn forgive(&self) -> bool {
        self.words.swap(i64::MAX, Ordering::SeqCst) < 0
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.become_(Network::Cut);
    }
}

/// One connection, to its end.
async fn pass(client: TcpStream, state: watch::Receiver<State>, words: Arc<AtomicI64>, deaf: bool) {
    let State { generation, .. } = *state.borrow();
    let mut watching = state.clone();
    let passing = async {
        let target = calm(&mut state.clone()).await?.target;
        let server = TcpStream::connect(target).await.ok()?;
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::select! {
            () = carry(from_client, to_server, state.clone(), Some(words), None) => {}
            () = carry(from_server, to_client, state, None, deaf.then(Vec::new)) => {}
        }
        Some(())
    };
    // Whoever is dropped is closed.
    tokio::select! {
        _ = passing => {}
        _ = watching.wait_for(|now| now.generation != generation || now.network == Network::Cut) => {}
    }
}

/// Waits until something can arrive.
async fn calm(state: &mut watch::Receiver<State>) -> Option<State> {
    let now = state.wait_for(|now| now.network != Network::Silent).await.ok()?;
    Some(*now)
}

/// One direction, to its end. Of somebody who is deaf it has what is no whole message yet.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    words: Option<Arc<AtomicI64>>,
    mut deaf: Option<Vec<u8>>,
) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let Some(now) = calm(&mut state).await else { return };
        if let Network::Slow(delay) = now.network {
            sleep(delay).await;
        }
        let said = |words: &Arc<AtomicI64>| {
            let counted = words.load(Ordering::SeqCst) != i64::MAX;
            counted && words.fetch_sub(1, Ordering::SeqCst) <= 0
        };
        if words.as_ref().is_some_and(said) {
            return;
        }
        let Some(heard) = bytes.get(..count) else { return };
        let kept = deaf.as_mut().map(|begun| without_notifications(begun, heard));
        if to.write_all(kept.as_deref().unwrap_or(heard)).await.is_err() {
            return;
        }
    }
}

/// The whole messages of PostgreSQL's protocol that have come by now, but for notifications. Each has its type, a byte,
/// and its length, without the type, in four.
fn without_notifications(begun: &mut Vec<u8>, heard: &[u8]) -> Vec<u8> {
    const NOTIFICATION: u8 = b'A';
    begun.extend_from_slice(heard);
    let mut kept = Vec::new();
    while let Some((&[kind, a, b, c, d], _)) = begun.split_first_chunk() {
        let length = u32::from_be_bytes([a, b, c, d]);
        let whole = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(1);
        if begun.len() < whole {
            break;
        }
        let message: Vec<u8> = begun.drain(..whole).collect();
        if kind != NOTIFICATION {
            kept.extend(message);
        }
    }
    kept
}
