//! One connection: from the handshake to its end.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::activity::{Activity, Counted, Seen};
use super::answer::Serving;
use super::{Drain, certificate};

/// What an HTTP/2 client says before anything else.
const PREFACE_BYTES: u64 = 24;
/// How long a connection that is silent stays open after the stop has begun, so that a request that
/// is on its way to us is still answered.
const LINGER: Duration = Duration::from_millis(500);
/// How long a connection on which nothing is under way may take to send what was answered.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);
/// How many streams a client may reset before we have looked at them (CVE-2023-44487), and how many
/// resets it may provoke from us (CVE-2025-8671).
const RESETS: usize = 20;
const PROVOKED_RESETS: usize = 256;
/// How many times larger than allowed a head may be and still be refused by the router, in words that
/// clients understand. What is larger yet is refused here without any.
const HEAD_ROOM: usize = 4;
/// How many bytes of bodies may be under way to us that nobody has read yet.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// How much one listener takes, and how slow its clients may be.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Connections in all.
    pub(crate) connections: u32,
    /// Connections from one address.
    pub(crate) connections_per_peer: Option<u32>,
    /// How long a TLS handshake may take, and the head of one request.
    pub(crate) head: Duration,
    /// The most bytes of that head.
    pub(crate) head_bytes: usize,
    /// The most headers in it.
    pub(crate) headers: usize,
    /// The most requests under way on one HTTP/2 connection.
    pub(crate) streams: u32,
    /// How long an HTTP/2 connection is silent before it is pinged.
    pub(crate) keepalive: Duration,
    /// How long the answer to that may take.
    pub(crate) keepalive_timeout: Duration,
    /// What clients of this listener are like.
    pub(crate) kind: Kind,
}

/// What clients of a listener are like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// They come and go: a connection without a request is closed after a while.
    Visitors {
        /// After how long.
        idle: Duration,
    },
    /// They speak HTTP/2 and stay: they are sent away once in a while, so that they find replicas
    /// that are new.
    Residents {
        /// After how long, give or take a tenth.
        age: Duration,
        /// How long what is under way may take then.
        grace: Duration,
    },
}

/// The same, ready for use.
pub(super) struct Manners {
    name: &'static str,
    limits: Limits,
    builder: auto::Builder<TokioExecutor>,
}

impl Manners {
    pub(super) fn new(name: &'static str, limits: Limits) -> Self {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        let room = limits.head_bytes.saturating_mul(HEAD_ROOM);
        builder
            .http1()
            .timer(TokioTimer::new())
            // Ours: hyper's also ends connections that wait for their next request.
            .header_read_timeout(None)
            .max_buf_size(room.max(8 * 1024))
            .max_headers(limits.headers.saturating_mul(2));
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(room).unwrap_or(u32::MAX))
            .max_concurrent_streams(limits.streams)
            .max_pending_accept_reset_streams(RESETS)
            .max_local_error_reset_streams(PROVOKED_RESETS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(limits.keepalive)
            .keep_alive_timeout(limits.keepalive_timeout);
        if matches!(limits.kind, Kind::Residents { .. }) {
            builder = builder.http2_only();
        }
        Self { name, limits, builder }
    }
}

/// Serves one connection until it ends or has to.
pub(super) async fn serve(
    tcp: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    manners: &Manners,
    drain: &Drain,
) {
    let activity = Arc::default();
    let mut serving = Serving {
        router,
        peer: ConnectInfo(peer),
        names: None,
        activity: Arc::clone(&activity),
        // Residents hold streams without an end, which must not hold up ours.
        to_the_end: matches!(manners.limits.kind, Kind::Visitors { .. }),
    };
    let Some(tls) = tls else {
        return converse(Counted::new(tcp, activity), serving, manners, drain).await;
    };
    match timeout(manners.limits.head, tls.accept(tcp)).await {
        Ok(Ok(tcp)) => {
            serving.names = certificate::peer_names(tcp.get_ref().1);
            converse(Counted::new(tcp, activity), serving, manners, drain).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, listener = manners.name, "no TLS handshake"),
        Err(_) => auth_telemetry::refused(manners.name, "handshake_timeout"),
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    io: Counted<S>,
    serving: Serving,
    manners: &Manners,
    drain: &Drain,
) {
    let activity = Arc::clone(&serving.activity);
    let mut connection = pin!(manners.builder.serve_connection(TokioIo::new(io), serving));
    // A child, because waiting for the parent itself would lock it at every wake-up.
    let (stop, cut) = (drain.stop.child_token(), drain.cut.child_token());
    let patience = tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        ending = outstayed(manners, &activity) => match ending {
            Ending::Now => return,
            Ending::Politely(grace) => grace,
        },
        () = stop.cancelled() => {
            activity.close_soon();
            let linger = async {
                // HTTP/2 says itself which requests it has not seen; HTTP/1 cannot.
                if !activity.seen().http2 {
                    sleep(LINGER).await;
                }
            };
            tokio::select! {
                biased;
                _ = connection.as_mut() => return,
                () = linger => Duration::MAX,
            }
        }
    };
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        _ = connection.as_mut() => {}
        () = silent(&activity) => {}
        () = wait(patience) => {}
        () = cut.cancelled() => {
            drain.lost.fetch_add(activity.seen().busy(), Ordering::Relaxed);
        }
    }
}

/// How a connection that has stayed too long ends.
enum Ending {
    /// It never said what it wants.
    Now,
    /// What is under way may finish, in this time.
    Politely(Duration),
}

/// Waits until the connection has to end by the rules of its listener.
async fn outstayed(manners: &Manners, activity: &Activity) -> Ending {
    let head = manners.limits.head;
    match manners.limits.kind {
        Kind::Residents { age, grace } => {
            sleep(head).await;
            if activity.seen().read < PREFACE_BYTES {
                auth_telemetry::refused(manners.name, "head_timeout");
                return Ending::Now;
            }
            wait(jittered(age).saturating_sub(head)).await;
            Ending::Politely(grace)
        }
        Kind::Visitors { idle } => {
            if idle_or_slow(head, idle, activity).await {
                auth_telemetry::refused(manners.name, "head_timeout");
                return Ending::Now;
            }
            Ending::Politely(LAST_WORDS)
        }
    }
}

/// Waits until no request was made and no part of an answer taken for `idle`, or a request has been on
/// its way for longer than `head`; says whether it was the latter. Looks at the numbers now and then, so that requests need not
/// touch a timer.
async fn idle_or_slow(head: Duration, idle: Duration, activity: &Activity) -> bool {
    let pause = head.min(idle).checked_div(4).unwrap_or(head);
    // From nothing: the first request may be answered before this is first run.
    let mut before = Seen::default();
    let mut quiet_since = Instant::now();
    // The first head is due from the start; later ones from their first byte.
    let mut head_since = Some(quiet_since);
    loop {
        sleep(pause).await;
        let seen = activity.seen();
        let now = Instant::now();
        let answered = seen.finished != before.finished || seen.given != before.given;
        // HTTP/2 also writes what is no answer, as pings.
        let taken = !seen.http2 && seen.written != before.written;
        if seen.busy() > 0 || answered || taken {
            (before, quiet_since, head_since) = (seen, now, None);
            continue;
        }
        // HTTP/2 reads more than requests, and has limits of its own for those.
        if head_since.is_none() && !seen.http2 && seen.read != before.read {
            head_since = Some(now);
        }
        if head_since.is_some_and(|since| now.duration_since(since) >= head) {
            return true;
        }
        if now.duration_since(quiet_since) >= idle {
            return false;
        }
    }
}

/// Waits until nothing is under way and nothing has gone out for a while: what is left are clients
/// that do not close, and streams without an end.
async fn silent(activity: &Activity) {
    let mut before = activity.seen();
    loop {
        sleep(LAST_WORDS).await;
        let seen = activity.seen();
        if seen.busy() == 0 && seen.written == before.written && seen.finished == before.finished {
            return;
        }
        before = seen;
    }
}

async fn wait(time: Duration) {
    match Instant::now().checked_add(time) {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// The time, give or take a tenth, so that clients that came together do not leave together.
fn jittered(time: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish().rem_euclid(201);
    let share = u32::try_from(random).unwrap_or(100).saturating_add(900);
    time.checked_div(1000).unwrap_or_default().saturating_mul(share)
}
