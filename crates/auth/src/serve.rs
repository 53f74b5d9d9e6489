//! The accept loop, one for all listeners: who gets in, and how all of it ends.
//!
//! [`connection`] serves one connection, [`answer`] its requests, [`activity`] knows whether it is busy, [`workers`] are the threads
//! that serve calls, [`peers`] counts connections by address, [`tls`] makes them private and [`certificate`] reads
//! who is who.

mod activity;
mod answer;
mod certificate;
mod connection;
mod peers;
#[cfg(test)]
mod tests;
mod tls;
mod workers;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connection::Manners;
pub(crate) use self::connection::{Kind, Limits};
use self::peers::{Peers, Place};
pub(crate) use self::tls::{Handshakes, Secured};
pub(crate) use self::workers::Workers;

/// How many connections the system holds for us until we accept them.
const BACKLOG: u32 = 1024;
/// How long to wait when the system has no more files or memory for connections.
const EXHAUSTED: Duration = Duration::from_millis(50);
/// How long to look for connections that were made before the port is closed.
const LAST_CALL: Duration = Duration::from_millis(10);

/// Opens a port. Without a host: on every address of this machine, IPv6 and IPv4.
pub(crate) fn bind(host: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    match host {
        Some(host) => listen(SocketAddr::new(host, port)),
        None => listen((Ipv6Addr::UNSPECIFIED, port).into()).or_else(|error| {
            // A machine without IPv6; a taken port is taken for both.
            match error.kind() {
                io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
                _ => listen((Ipv4Addr::UNSPECIFIED, port).into()),
            }
        }),
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    socket.set_reuseaddr(true)?;
    // Connections inherit both.
    socket.set_keepalive(true)?;
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// How listeners and their connections learn that it is time to end, and how others wait for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drain {
    /// No new connections; those that are open finish what they do.
    stop: CancellationToken,
    /// Not even that.
    cut: CancellationToken,
    connections: TaskTracker,
    /// How many requests were under way when it was cut.
    lost: Arc<AtomicU64>,
}

impl Drain {
    /// Starts the end.
    pub(crate) fn begin(&self) {
        self.stop.cancel();
        self.connections.close();
    }

    /// Waits for the end, but no longer than this. Gives how many requests were cut off.
    pub(crate) async fn end(&self, most: Duration) -> u64 {
        if timeout(most, self.connections.wait()).await.is_err() {
            self.cut.cancel();
            self.connections.wait().await;
        }
        self.lost.load(Ordering::Relaxed)
    }
}

/// A port, and what is served on it.
pub(crate) struct Listener {
    tcp: TcpListener,
    door: Door,
}

/// Who comes in, and what they are served.
struct Door {
    name: &'static str,
    tls: Option<Handshakes>,
    router: Router,
    manners: Arc<Manners>,
    room: Arc<Semaphore>,
    peers: Peers,
    workers: Option<Workers>,
}

impl Listener {
    /// Serves the router on the port. The name, one of a few, goes to logs and metrics.
    pub(crate) fn new(
        name: &'static str,
        tcp: TcpListener,
        tls: Option<Handshakes>,
        router: Router,
        limits: Limits,
    ) -> Self {
        let room = usize::try_from(limits.connections).unwrap_or(Semaphore::MAX_PERMITS);
        let door = Door {
            name,
            tls,
            router,
            room: Arc::new(Semaphore::new(room)),
            peers: Peers::new(limits.connections_per_peer),
            manners: Arc::new(Manners::new(name, limits)),
            workers: None,
        };
        Self { tcp, door }
    }

    /// Serves its connections on threads of their own.
    pub(crate) fn on(self, workers: Workers) -> Self {
        Self { door: Door { workers: Some(workers), ..self.door }, ..self }
    }

    /// Accepts until told to stop. Nothing that goes wrong with a connection ends it.
    pub(crate) async fn run(self, drain: Drain) {
        // Holds `end` back until the last connection is accepted.
        let _running = drain.connections.token();
        let Self { tcp: port, door } = self;
        loop {
            let accepted = tokio::select! {
                biased;
                () = drain.stop.cancelled() => break,
                accepted = port.accept() => accepted,
            };
            match accepted {
                Ok((tcp, peer)) => door.admit(tcp, peer, &drain),
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, listener = door.name, "cannot accept connections");
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
        // Whoever connected before the port is closed is served, too.
        let waiting = async {
            while let Ok(Ok((tcp, peer))) = timeout(LAST_CALL, port.accept()).await {
                door.admit(tcp, peer, &drain);
            }
        };
        let _ = timeout(LAST_CALL.saturating_mul(10), waiting).await;
        // Others may have gone on connecting all that time. What the system holds of them would be reset with the port,
        // so it is asked itself, and not whoever watches it for us and may not have looked yet.
        let Ok(port) = port.into_std() else { return };
        for (tcp, peer) in held(|| port.accept()) {
            let tcp = tcp.set_nonblocking(true).and_then(|()| TcpStream::from_std(tcp));
            let _ = tcp.map(|tcp| door.admit(tcp, peer, &drain));
        }
    }
}

impl Door {
    /// Serves the connection in a task of its own, if there is room for it.
    fn admit(&self, tcp: TcpStream, peer: SocketAddr, drain: &Drain) {
        // An IPv4 peer of an IPv6 socket is an IPv4 peer.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let Some(place) = self.place(peer) else { return };
        let tls = self.tls.as_ref().map(Handshakes::acceptor);
        let router = self.router.clone();
        let (manners, drain) = (Arc::clone(&self.manners), drain.clone());
        // From here on, so that nobody takes a connection for ended whose thread has not begun with it.
        let open = drain.connections.token();
        let served = move |tcp| async move {
            let _held = (place, open);
            connection::serve(tcp, peer, tls, router, &manners, &drain).await;
        };
        let begun = if let Some(workers) = &self.workers {
            workers.serve(tcp, served)
        } else {
            tokio::spawn(served(tcp));
            Ok(())
        };
        if let Err(error) = begun {
            tracing::warn!(%error, listener = self.name, "cannot serve a connection");
        }
    }

    fn place(&self, peer: SocketAddr) -> Option<(OwnedSemaphorePermit, Place)> {
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            auth_telemetry::refused(self.name, "connections");
            return None;
        };
        let Some(place) = self.peers.admit(peer.ip()) else {
            auth_telemetry::refused(self.name, "connections_per_peer");
            return None;
        };
        Some((room, place))
    }
}

/// What the system holds at this moment, and no more: whoever goes on connecting must not keep the port open.
fn held<T>(mut accept: impl FnMut() -> io::Result<T>) -> impl Iterator<Item = T> {
    let asked = (0..BACKLOG).map(move |_| accept());
    asked
        .take_while(|held| held.as_ref().err().is_none_or(is_about_one_connection))
        .filter_map(Result::ok)
}

/// Whether accepting failed because the one who wanted in has gone again.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
