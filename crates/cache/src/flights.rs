//! Callers who miss the same thing share a read.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::memory::Question;

/// The reads under way.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<Question, watch::Receiver<()>>>);

/// What a caller does.
pub(crate) enum Turn<'a> {
    /// Read, and drop this when it is remembered. Whoever stops half way drops it too.
    Lead(Flight<'a>),
    /// Wait until this closes, and look again.
    Follow(watch::Receiver<()>),
}

/// A read under way. Its end, whichever it is, lets the followers go on.
pub(crate) struct Flight<'a> {
    flights: &'a Flights,
    question: Question,
    _open: watch::Sender<()>,
}

impl Flights {
    pub(crate) fn join(&self, question: Question) -> Turn<'_> {
        match self.lock().entry(question) {
            Entry::Occupied(flight) => Turn::Follow(flight.get().clone()),
            Entry::Vacant(place) => {
                let (open, closes) = watch::channel(());
                place.insert(closes);
                Turn::Lead(Flight { flights: self, question, _open: open })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Question, watch::Receiver<()>>> {
        // Nothing in here can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.question);
    }
}
