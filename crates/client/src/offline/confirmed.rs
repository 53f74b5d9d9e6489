//! Which sessions auth said are alive, and when it was asked.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::Identity;

/// The most sessions that are remembered. When there are more, those that were asked about long ago go, and if none is,
/// all: it costs a question each.
const MOST: usize = 65_536;

/// A session, as one key signs for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Session {
    pub(super) sid: String,
    pub(super) kid: String,
}

#[derive(Default)]
pub(super) struct Confirmed(Mutex<HashMap<Session, (Identity, Instant)>>);

impl Confirmed {
    fn all(&self) -> MutexGuard<'_, HashMap<Session, (Identity, Instant)>> {
        // Every change of the map is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose it is, if auth was asked no longer ago than this.
    pub(super) fn get(&self, session: &Session, staleness: Duration) -> Option<Identity> {
        let all = self.all();
        let (identity, asked) = all.get(session)?;
        (asked.elapsed() < staleness).then(|| identity.clone())
    }

    pub(super) fn put(
        &self,
        session: Session,
        identity: Identity,
        asked: Instant,
        staleness: Duration,
    ) {
        let mut all = self.all();
        if all.len() >= MOST {
            all.retain(|_, (_, asked)| asked.elapsed() < staleness);
        }
        if all.len() >= MOST {
            all.clear();
        }
        // Two who asked at once: what the later question was answered counts longer.
        let newer = all.get(&session).is_none_or(|(_, before)| *before <= asked);
        if newer {
            all.insert(session, (identity, asked));
        }
    }

    pub(super) fn forget(&self, session: &Session) {
        self.all().remove(session);
    }
}
