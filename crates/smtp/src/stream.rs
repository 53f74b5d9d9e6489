//! A connection, with or without TLS, as the library wants it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The most bytes a server says over one connection. The library would wait for the end of a line however
/// long it is, and hold all of it.
const MOST: usize = 256 * 1024;

/// The library waits for a greeting, also where the server has greeted already.
const GREETING: &[u8] = b"220 again\r\n";

#[derive(Debug)]
pub(crate) struct Stream {
    wire: Wire,
    /// What is read before what the server says.
    before: &'static [u8],
    /// How many bytes the server may still say.
    left: usize,
}

#[derive(Debug)]
enum Wire {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(crate) const fn plain(tcp: TcpStream) -> Self {
        Self { wire: Wire::Plain(tcp), before: &[], left: MOST }
    }

    pub(crate) fn secure(tls: TlsStream<TcpStream>) -> Self {
        Self { wire: Wire::Secure(Box::new(tls)), before: &[], left: MOST }
    }

    /// The same, where the greeting has been heard.
    pub(crate) const fn greeted(mut self) -> Self {
        self.before = GREETING;
        self
    }
}

impl AsyncTokioStream for Stream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.wire {
            Wire::Plain(tcp) => tcp.peer_addr(),
            Wire::Secure(tls) => tls.get_ref().0.peer_addr(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.before.is_empty() {
            let fits = self.before.len().min(into.remaining());
            let (now, later) = self.before.split_at(fits);
            into.put_slice(now);
            self.before = later;
            return Poll::Ready(Ok(()));
        }
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other("the server says too much")));
        }
        let had = into.filled().len();
        let read = match &mut self.wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_read(cx, into),
            Wire::Secure(tls) => Pin::new(tls).poll_read(cx, into),
        };
        self.left = self.left.saturating_sub(into.filled().len().saturating_sub(had));
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Wire::Secure(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Wire::Secure(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Wire::Secure(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
