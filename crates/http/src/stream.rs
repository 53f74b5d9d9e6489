//! Answers that are written while the operation that makes them goes on.
//!
//! The operation runs in a task of its own, so that its deadlines hold while nobody reads what it has written.
//! When it fails after the answer has begun, the connection is cut: what has arrived must not look whole.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::backup::Sink;
use auth_domain::{Error, Result};
use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::Instrument;

use crate::limits::Limits;
use crate::problem::Problem;

/// How many parts wait for the client.
const WAITING: usize = 2;

/// Where an operation writes to.
pub(crate) struct Pipe {
    to: mpsc::Sender<Bytes>,
    idle: Duration,
}

#[async_trait]
impl Sink<Vec<u8>> for Pipe {
    async fn write(&mut self, part: Vec<u8>) -> Result<()> {
        if part.is_empty() {
            return Ok(());
        }
        match timeout(self.idle, self.to.send(part.into())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Error::unavailable("the client has gone")),
            Err(_) => Err(Error::unavailable("the client does not read")),
        }
    }
}

/// Runs what writes into the pipe. Gives the body once there is something in it, or the problem if it fails
/// before.
pub(crate) async fn written<T, W>(
    limits: &Limits,
    work: impl FnOnce(Pipe) -> W,
) -> Result<Body, Problem>
where
    W: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let (to, mut parts) = mpsc::channel(WAITING);
    let work = work(Pipe { to, idle: limits.body_idle });
    let most = limits.long_request;
    let work = async move {
        let done = timeout(most, work).await;
        done.unwrap_or_else(|_| Err(Error::unavailable("it took too long"))).map(drop)
    };
    let mut task = Task(tokio::spawn(work.in_current_span()));
    let first = parts.recv().await;
    if first.is_none() {
        // Nothing was written, so nothing was promised.
        (&mut task.0).await.map_err(Error::internal)??;
    }
    Ok(Body::new(Written { first, parts, task: Some(task) }))
}

/// A task that ends with whoever waits for it.
struct Task(JoinHandle<Result<()>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What was written.
struct Written {
    first: Option<Bytes>,
    parts: mpsc::Receiver<Bytes>,
    task: Option<Task>,
}

impl http_body::Body for Written {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        match self.parts.poll_recv(cx) {
            Poll::Ready(Some(part)) => return Poll::Ready(Some(Ok(Frame::data(part)))),
            Poll::Ready(None) => {}
            Poll::Pending => return Poll::Pending,
        }
        // All of it is only here if the operation says so.
        let Some(Task(handle)) = &mut self.task else { return Poll::Ready(None) };
        let Poll::Ready(ended) = Pin::new(handle).poll(cx) else { return Poll::Pending };
        self.task = None;
        match ended {
            Ok(Ok(())) => Poll::Ready(None),
            Ok(Err(error)) => Poll::Ready(Some(Err(error))),
            Err(panicked) => Poll::Ready(Some(Err(Error::internal(panicked)))),
        }
    }
}
