//! What happens on a connection: what came, what went, and which requests are under way.
//!
//! Only the connection itself writes these numbers, so counting costs next to nothing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The numbers of one connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    read: AtomicU64,
    written: AtomicU64,
    given: AtomicU64,
    started: AtomicU64,
    finished: AtomicU64,
    http2: AtomicBool,
    closing: AtomicBool,
}

/// The numbers at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Bytes that came in.
    pub(super) read: u64,
    /// Bytes that went out.
    pub(super) written: u64,
    /// Parts of answers that were handed over to be sent.
    pub(super) given: u64,
    /// How often work on a request began.
    pub(super) started: u64,
    /// How often it ended, or paused until the client has taken what there is.
    pub(super) finished: u64,
    /// Whether they came over HTTP/2; unknown, and so false, before the first.
    pub(super) http2: bool,
}

impl Seen {
    /// Requests that are worked on.
    pub(super) const fn busy(&self) -> u64 {
        self.started.saturating_sub(self.finished)
    }
}

impl Activity {
    pub(super) fn seen(&self) -> Seen {
        // `finished` first: a request that ends in between is then busy rather than forgotten.
        let finished = self.finished.load(Ordering::Acquire);
        Seen {
            read: self.read.load(Ordering::Relaxed),
            written: self.written.load(Ordering::Relaxed),
            given: self.given.load(Ordering::Relaxed),
            started: self.started.load(Ordering::Relaxed),
            finished,
            http2: self.http2.load(Ordering::Relaxed),
        }
    }

    /// A request began; it ends when the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>, http2: bool) -> Busy {
        if http2 && !self.http2.load(Ordering::Relaxed) {
            self.http2.store(true, Ordering::Relaxed);
        }
        self.started.fetch_add(1, Ordering::Relaxed);
        Busy { activity: Arc::clone(self), at_work: true }
    }

    /// From now on answers ask the client to close the connection.
    pub(super) fn close_soon(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Whether they do.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }
}

/// A request that is under way: it is our turn, or the client's to take what we have.
#[derive(Debug)]
pub(super) struct Busy {
    activity: Arc<Activity>,
    at_work: bool,
}

impl Busy {
    pub(super) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// It is our turn.
    pub(super) fn work(&mut self) {
        if !self.at_work {
            self.at_work = true;
            self.activity.started.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It is the client's turn.
    pub(super) fn rest(&mut self) {
        if self.at_work {
            self.at_work = false;
            self.activity.finished.fetch_add(1, Ordering::Release);
        }
    }

    /// The same, with another part of the answer.
    pub(super) fn give(&mut self) {
        self.activity.given.fetch_add(1, Ordering::Relaxed);
        self.rest();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.rest();
    }
}

/// A connection whose bytes are counted.
#[derive(Debug)]
pub(super) struct Counted<S> {
    inner: S,
    activity: Arc<Activity>,
}

impl<S> Counted<S> {
    pub(super) const fn new(inner: S, activity: Arc<Activity>) -> Self {
        Self { inner, activity }
    }

    fn wrote(&self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = outcome {
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            self.activity.written.fetch_add(bytes, Ordering::Relaxed);
        }
        outcome
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.inner).poll_read(cx, buf);
        let bytes = buf.filled().len().saturating_sub(before);
        if bytes > 0 {
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            self.activity.read.fetch_add(bytes, Ordering::Relaxed);
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.wrote(outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.wrote(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
