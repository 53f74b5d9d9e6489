//! Bodies that are larger than others, which an operation reads when it knows who is asking.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::backup::Source;
use auth_domain::{Error, Result};
use axum::body::Body;
use bytes::Bytes;
use tokio::time::timeout;

use crate::limits::{self, Limits};
use crate::problem::{Problem, Transport};

/// How much of it an operation gets at a time.
const PART: usize = 64 * 1024;

/// A body on its way in. It is held whole before the first of it is given out, so that nothing waits for the
/// client once work has begun.
pub(crate) struct Upload {
    body: Option<Body>,
    limits: Limits,
    within: Duration,
    held: Bytes,
    at: usize,
    reason: Reason,
}

/// Why a body could not be read, for whoever answers.
#[derive(Clone, Default)]
pub(crate) struct Reason(Arc<Mutex<Option<Transport>>>);

impl Reason {
    /// The problem to answer with.
    pub(crate) fn or(&self, error: Error) -> Problem {
        let reason = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        reason.map_or_else(|| error.into(), Problem::from)
    }
}

impl Upload {
    /// The body, all of which must come within this time, and where to look when it could not be read.
    pub(crate) fn new(body: Body, limits: &Limits, within: Duration) -> (Self, Reason) {
        let reason = Reason::default();
        let (limits, held) = (limits.clone(), Bytes::new());
        (Self { body: Some(body), limits, within, held, at: 0, reason: reason.clone() }, reason)
    }
}

#[async_trait]
impl Source for Upload {
    async fn read(&mut self) -> Result<Option<Vec<u8>>> {
        if let Some(body) = self.body.take() {
            let Limits { restore_bytes, body_idle, .. } = self.limits;
            let read = limits::read_up_to(body, restore_bytes, body_idle);
            match timeout(self.within, read).await.unwrap_or(Err(Some(Transport::BodyIdle))) {
                Ok(bytes) => self.held = bytes,
                Err(reason) => {
                    *self.reason.0.lock().unwrap_or_else(PoisonError::into_inner) = reason;
                    return Err(Error::malformed("body", "could not be read to its end"));
                }
            }
        }
        let end = self.at.saturating_add(PART).min(self.held.len());
        let part = self.held.get(self.at..end).unwrap_or_default();
        self.at = end;
        Ok((!part.is_empty()).then(|| part.to_vec()))
    }

    fn rewinds(&self) -> bool {
        true
    }

    async fn rewind(&mut self) -> Result<()> {
        self.at = 0;
        Ok(())
    }
}
