//! Begins no more than can be done (`docs/adr/0015-overload.md`).
//!
//! So many operations are under way at a time as find a connection to the store at once; of the others a bounded number
//! wait, in order and briefly, and the rest are told at once to come back. So what was begun is done in time, however
//! much more is asked for. Checks are not asked to wait, and what takes long begins only while nothing waits. Whoever
//! signs in has a place if their password can be hashed, and looks at nothing otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::ports::{Admission, Admitted, Priority};
use auth_domain::{Error, Result};
use auth_telemetry::WorkNumbers;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::config::{Config, StoreKind};
use crate::passwords;

/// How much is under way with the embedded store, and at most with the other: a queue in the store is no better than
/// one here.
const UNDER_WAY: u32 = 24;

/// Admits.
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    most: usize,
    waiting: AtomicUsize,
    queue: usize,
    patience: Duration,
    /// One for each password that is hashed or waits for it. Nobody waits here: there is a queue behind it already.
    passwords: Arc<Semaphore>,
}

impl Gate {
    /// As the settings say.
    pub(crate) fn new(config: &Config) -> Self {
        let overload = &config.overload;
        let most = overload.concurrency.unwrap_or_else(|| match config.store_kind() {
            StoreKind::Embedded => UNDER_WAY,
            // What is left over is for checks that are not in memory.
            StoreKind::Postgres => {
                config.db.pool.saturating_sub(config.db.pool.div_ceil(4)).clamp(1, UNDER_WAY)
            }
        });
        Self::with_room(most, overload.queue, overload.queue_wait)
    }

    fn with_room(most: u32, queue: u32, patience: Duration) -> Self {
        let number = |number: u32| usize::try_from(number).unwrap_or(Semaphore::MAX_PERMITS);
        let most = number(most).min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(most)),
            most,
            waiting: AtomicUsize::new(0),
            queue: number(queue),
            patience,
            passwords: Arc::new(Semaphore::new(passwords::room())),
        }
    }

    /// How much is under way, and waits.
    pub(crate) fn numbers(&self) -> WorkNumbers {
        WorkNumbers {
            under_way: self.most.saturating_sub(self.places.available_permits()),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    async fn wait(&self) -> Result<Admitted> {
        let place = Arc::clone(&self.places);
        if let Ok(place) = Arc::clone(&place).try_acquire_owned() {
            return Ok(Box::new(place));
        }
        let Some(_waiting) = Waiting::begin(&self.waiting, self.queue) else {
            auth_telemetry::shed("management", "queue");
            return Err(busy());
        };
        if let Ok(Ok(place)) = timeout(self.patience, place.acquire_owned()).await {
            return Ok(Box::new(place));
        }
        auth_telemetry::shed("management", "wait");
        Err(busy())
    }
}

#[async_trait]
impl Admission for Gate {
    async fn admit(&self, priority: Priority) -> Result<Admitted> {
        match priority {
            Priority::Management => self.wait().await,
            Priority::Password => {
                let Ok(place) = Arc::clone(&self.passwords).try_acquire_owned() else {
                    auth_telemetry::shed("password", "queue");
                    return Err(busy());
                };
                Ok(Box::new(place))
            }
            Priority::Bulk if self.refuses(priority) => Err(busy()),
            // Checks are asked for nothing, and what takes long has turns of its own.
            Priority::Check | Priority::Bulk => Ok(Box::new(())),
        }
    }

    fn refuses(&self, priority: Priority) -> bool {
        let taken = || self.places.available_permits() == 0;
        let queued = || self.waiting.load(Ordering::Relaxed) >= self.queue;
        let (refuses, name, reason) = match priority {
            Priority::Check => return false,
            Priority::Password => (self.passwords.available_permits() == 0, "password", "queue"),
            Priority::Management => (taken() && queued(), "management", "queue"),
            Priority::Bulk => (taken(), "bulk", "busy"),
        };
        if refuses {
            auth_telemetry::shed(name, reason);
        }
        refuses
    }
}

fn busy() -> Error {
    Error::unavailable("more is asked for than can be done")
}

/// One of those who wait, also if it gives up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let more = |now: usize| now.checked_add(1).filter(|more| *more <= most);
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    async fn is_shed(gate: &Gate, priority: Priority) -> bool {
        let asked = timeout(LONG, gate.admit(priority)).await.unwrap();
        asked.err().is_some_and(|error| matches!(error, Error::Unavailable(_)))
    }

    #[tokio::test]
    async fn r14_what_is_beyond_the_queue_is_shed_at_once_and_who_waits_is_next() {
        let gate = Arc::new(Gate::with_room(2, 1, LONG));
        let first = gate.admit(Priority::Management).await.unwrap();
        let second = gate.admit(Priority::Management).await.unwrap();
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.admit(Priority::Management).await }
        });
        while gate.numbers().waiting == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(gate.numbers(), WorkNumbers { under_way: 2, waiting: 1 });
        assert!(is_shed(&gate, Priority::Management).await);
        assert!(gate.refuses(Priority::Management));
        drop(first);
        let third = timeout(LONG, waiting).await.unwrap().unwrap().unwrap();
        assert_eq!(gate.numbers(), WorkNumbers { under_way: 2, waiting: 0 });
        drop((second, third));
        assert_eq!(gate.numbers(), WorkNumbers { under_way: 0, waiting: 0 });
    }

    #[tokio::test]
    async fn r14_nobody_waits_for_long_and_who_gives_up_leaves_no_place_taken() {
        let gate = Gate::with_room(1, 1, Duration::from_millis(20));
        let held = gate.admit(Priority::Management).await.unwrap();
        assert!(is_shed(&gate, Priority::Management).await, "it waited too long");
        let gone = timeout(Duration::from_millis(1), gate.admit(Priority::Management)).await;
        assert!(gone.is_err());
        assert_eq!(gate.numbers(), WorkNumbers { under_way: 1, waiting: 0 });
        drop(held);
        drop(gate.admit(Priority::Management).await.unwrap());
    }

    #[tokio::test]
    async fn r15_checks_always_begin_and_what_is_long_only_beside_others() {
        let gate = Gate::with_room(1, 0, LONG);
        drop(gate.admit(Priority::Bulk).await.unwrap());
        let held = gate.admit(Priority::Management).await.unwrap();
        drop(gate.admit(Priority::Check).await.unwrap());
        drop(gate.admit(Priority::Password).await.unwrap());
        assert!(!gate.refuses(Priority::Check) && !gate.refuses(Priority::Password));
        assert!(is_shed(&gate, Priority::Bulk).await);
        drop(held);
        let long = gate.admit(Priority::Bulk).await.unwrap();
        // Which is in nobody's way.
        drop(gate.admit(Priority::Management).await.unwrap());
        drop(long);
    }

    #[tokio::test]
    async fn r14_who_signs_in_looks_at_nothing_before_their_password_can_be_hashed() {
        let gate = Gate::with_room(1, 0, LONG);
        let mut held = Vec::new();
        for _ in 0..passwords::room() {
            held.push(gate.admit(Priority::Password).await.unwrap());
        }
        assert!(is_shed(&gate, Priority::Password).await);
        assert!(gate.refuses(Priority::Password));
        // Which is in nobody's way but theirs.
        drop(gate.admit(Priority::Management).await.unwrap());
        held.pop();
        assert!(!gate.refuses(Priority::Password));
        drop(gate.admit(Priority::Password).await.unwrap());
    }
}
