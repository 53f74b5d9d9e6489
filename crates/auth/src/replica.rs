//! This process as one replica among others: it keeps its memory up to date, says so, and sees to it that
//! what is written here is known everywhere (`docs/adr/0011-checks-from-memory.md`).
//!
//! Nothing here is on the way of a check; a write passes through [`Confirm::confirm`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use auth_cache::confirm::{Waited, verdict};
use auth_cache::lease::{margin, outlived};
use auth_cache::memory::{Switch, switched_off};
use auth_cache::{Memory, Micros, Renewals};
use auth_domain::ports::{Confirm, Confirmation, Ids, Laggard, Store};
use auth_domain::{Error, Result};
use auth_redis::RedisWakeups;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::clock::RandomIds;

/// How many records are read at once.
const BATCH: u32 = 500;
/// Somebody who is further behind forgets everything instead of reading about it.
const FAR: i64 = 10_000;
/// How long to wait before asking a store again that failed, or for wake-ups where none can be heard.
const PAUSE: Duration = Duration::from_millis(100);
const DEAF: Duration = Duration::from_secs(1);
/// How long to wait before looking again whether the others know, at first and at most.
const FIRST_LOOK: Duration = Duration::from_millis(2);
const LONGEST_LOOK: Duration = Duration::from_millis(20);
/// How long the last look may take, when a lease is over.
const LAST_LOOK: Duration = Duration::from_millis(50);
/// How long leaving the registry may take.
const LEAVE: Duration = Duration::from_secs(1);

/// How a replica keeps up, the same for all of them but for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How long it is trusted without a word.
    pub(crate) lease: Duration,
    /// How often it renews.
    pub(crate) renewal: Duration,
    /// How long it goes on without the store after that.
    pub(crate) grace: Duration,
}

/// Tells other replicas that there is something to read, and hears them.
#[async_trait]
pub(crate) trait Wake: Send + Sync {
    /// Says it. Nobody waits for it, and it may be lost.
    async fn tell(&self);

    /// Waits until somebody says it. Fails when nothing can be heard for now.
    async fn woken(&self) -> Result<()>;
}

#[async_trait]
impl Wake for RedisWakeups {
    async fn tell(&self) {
        if let Err(error) = Self::tell(self).await {
            tracing::debug!(?error, "other replicas are not woken by Redis");
        }
    }

    async fn woken(&self) -> Result<()> {
        Self::woken(self).await
    }
}

/// This replica.
pub(crate) struct Replica {
    id: Uuid,
    store: Arc<dyn Store>,
    memory: Arc<Memory>,
    pace: Pace,
    started: Instant,
    wake: Option<Arc<dyn Wake>>,
    /// There may be something to read.
    look: Notify,
    /// There may be something to tell.
    told: Notify,
    /// Whoever reads the log has it: records are applied in order.
    reading: Mutex<()>,
}

/// A replica at work.
pub(crate) struct Running {
    replica: Arc<Replica>,
    stop: CancellationToken,
    renewing: JoinHandle<()>,
}

impl Running {
    /// Answers nothing from memory any more, and leaves the registry, so that no write waits for it.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        let _ = self.renewing.await;
        self.replica.memory.lease.end();
        if !matches!(timeout(LEAVE, self.replica.store.leave(self.replica.id)).await, Ok(Ok(()))) {
            tracing::debug!("this replica is still in the registry; the next write removes it");
        }
    }
}

impl Replica {
    /// A replica on this store, whose memory's lease counts from `started`.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        memory: Arc<Memory>,
        pace: Pace,
        started: Instant,
        wake: Option<Arc<dyn Wake>>,
    ) -> Self {
        Self {
            id: RandomIds.next(),
            store,
            memory,
            pace,
            started,
            wake,
            look: Notify::new(),
            told: Notify::new(),
            reading: Mutex::new(()),
        }
    }

    /// Begins. Until it is registered and has renewed once, checks ask the store.
    pub(crate) fn start(self: Arc<Self>) -> Running {
        let stop = CancellationToken::new();
        let renewing = tokio::spawn(Arc::clone(&self).run(stop.clone()));
        let hearing = Arc::clone(&self);
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            loop {
                match hearing.store.woken().await {
                    Ok(()) => hearing.look.notify_one(),
                    Err(_) => sleep(DEAF).await,
                }
            }
        }));
        if let Some(wake) = self.wake.clone() {
            let (hearing, hears) = (Arc::clone(&self), Arc::clone(&wake));
            tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
                loop {
                    match hears.woken().await {
                        Ok(()) => hearing.look.notify_one(),
                        Err(_) => sleep(DEAF).await,
                    }
                }
            }));
            let telling = Arc::clone(&self);
            tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
                loop {
                    telling.told.notified().await;
                    wake.tell().await;
                }
            }));
        }
        Running { replica: self, stop, renewing }
    }

    fn micros(span: Duration) -> Micros {
        Micros::try_from(span.as_micros()).unwrap_or(Micros::MAX)
    }

    fn now(&self) -> Micros {
        Self::micros(self.started.elapsed())
    }

    async fn run(self: Arc<Self>, stop: CancellationToken) {
        let lease = Self::micros(self.pace.lease);
        let mut renewals = Renewals::new(lease, Self::micros(margin(self.pace.lease)));
        let mut registered = false;
        while !stop.is_cancelled() {
            let begun = Instant::now();
            let renewed = self.turn(&mut renewals, &mut registered).await;
            self.measure(renewed.as_ref().err());
            let pause = match renewed {
                // There is more to tell: others may wait for it.
                Ok(true) => continue,
                Ok(false) => self.pace.renewal.saturating_sub(begun.elapsed()),
                Err(_) => PAUSE.min(self.pace.renewal),
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.look.notified() => {
                    // What cannot be read now is read after the next renewal.
                    let _ = self.catch_up(None).await;
                }
                () = stop.cancelled() => {}
            }
        }
    }

    /// Renews, and reads what it is behind. Whether it should be done again at once.
    async fn turn(&self, renewals: &mut Renewals, registered: &mut bool) -> Result<bool> {
        if !*registered {
            let sent = self.now();
            let revision = self.within(self.store.register(self.id, self.pace.lease)).await?;
            renewals.registered(sent);
            *registered = true;
            if self.memory.applied() == 0 {
                self.memory.skip_to(revision);
            }
        }
        let (sent, applied) = (self.now(), self.memory.applied());
        let Some(revision) =
            self.within(self.store.renew(self.id, self.pace.lease, applied)).await?
        else {
            renewals.evicted();
            self.memory.lease.end();
            *registered = false;
            tracing::warn!("this replica was taken for dead; it registers again");
            return Ok(true);
        };
        self.memory.lease.end_grace();
        if revision < applied {
            // Restored from a backup, or failed over to a copy that was behind. What is remembered has
            // stamps of a history that is gone.
            self.memory.lease.end();
            if !renewals.is_lost() {
                tracing::error!(
                    revision,
                    applied,
                    "the database went back in time: checks ask it until this process is started again"
                );
            }
            renewals.lost();
            return Ok(false);
        }
        let earned = renewals.answered(sent, revision);
        if !self.memory.lease.is_valid(self.now()) && !renewals.is_lost() {
            // Out of touch for a lease: what answers now may be a copy that had not taken every commit, and
            // may have taken others since.
            let _turn = self.reading.lock().await;
            self.memory.forget(revision);
        }
        self.catch_up(Some(revision)).await?;
        if let Some(earned) = earned
            && self.memory.applied() >= earned.revision
        {
            self.memory.lease.extend(earned.until, Self::micros(self.pace.grace));
        }
        let unearned = earned.is_none() && !renewals.is_lost();
        Ok(unearned || self.memory.applied() > applied)
    }

    /// Reads the change log and applies it: to its end, or at least to this revision.
    async fn catch_up(&self, until: Option<i64>) -> Result<()> {
        let reached = |revision: i64| until.is_some_and(|until| revision >= until);
        let _turn = self.reading.lock().await;
        loop {
            let applied = self.memory.applied();
            if reached(applied) {
                return Ok(());
            }
            if let Some(until) = until.filter(|until| until.saturating_sub(applied) > FAR) {
                self.memory.skip_to(until);
                return Ok(());
            }
            let records = self.within(self.store.records(applied, BATCH)).await?;
            let complete = u32::try_from(records.len()).is_ok_and(|count| count < BATCH);
            let Some(last) = records.last() else {
                // Trimmed up to the very end.
                if let Some(until) = until {
                    self.memory.skip_to(until);
                }
                return Ok(());
            };
            if self.memory.apply(&records, complete) == applied {
                // More in one commit than is read at once.
                self.memory.skip_to(last.revision);
            }
            if complete && until.is_none() {
                return Ok(());
            }
        }
    }

    /// Nothing that has to do with a lease may take longer than one.
    async fn within<T>(&self, asked: impl Future<Output = Result<T>>) -> Result<T> {
        let late = |_| Error::unavailable("the store did not answer within a lease");
        timeout(self.pace.lease, asked).await.map_err(late)?
    }

    fn measure(&self, failure: Option<&Error>) {
        let memory = &self.memory;
        let (hits, misses) = memory.counts();
        auth_telemetry::memory(&auth_telemetry::MemoryNumbers {
            hits,
            misses,
            entries: memory.entries(),
            bytes: memory.bytes(),
            applied: memory.applied(),
            lease_left: Duration::from_micros(memory.lease.left(self.now())),
        });
        if let Some(error) = failure {
            auth_telemetry::not_renewed();
            tracing::debug!(?error, "the lease was not renewed");
        }
    }

    /// Waits until nobody answers from before the revision, as `auth_cache::confirm` decides.
    async fn wait(&self, revision: i64) -> Confirmation {
        let began = Instant::now();
        let mut first: Option<Vec<Laggard>> = None;
        let mut pause = FIRST_LOOK;
        // What is written here is to be known here first. Where it cannot be read, the lease decides.
        let _ = timeout(self.pace.lease, self.catch_up(Some(revision))).await;
        loop {
            let left = self.pace.lease.saturating_sub(began.elapsed()).max(LAST_LOOK);
            let asked = timeout(left, self.store.laggards(self.id, revision)).await;
            let mut laggards = asked.ok().and_then(Result::ok);
            if let Some(laggards) = &mut laggards {
                first.get_or_insert_with(|| laggards.clone());
                if self.memory.applied() < revision {
                    let lease = self.pace.lease;
                    laggards.push(Laggard { replica: self.id, renewals: 0, lease });
                }
            }
            let waited = Waited {
                laggards: laggards.as_deref(),
                for_: began.elapsed(),
                lease: self.pace.lease,
                grace: !self.pace.grace.is_zero(),
            };
            if let Some(confirmation) = verdict(&waited) {
                if let (Some(first), true) =
                    (first, laggards.is_none_or(|laggards| !laggards.is_empty()))
                {
                    self.evict_later(first);
                }
                return confirmation;
            }
            // Not past the moment when it is over whatever the others say.
            let end = outlived(self.pace.lease);
            let left = end.saturating_sub(began.elapsed()).max(FIRST_LOOK);
            sleep(pause.min(left)).await;
            pause = pause.saturating_mul(2).min(LONGEST_LOOK);
        }
    }

    /// Whoever has not renewed for a whole lease after they were first seen to lag is not waited for again; nor
    /// is it said any more that they may answer from before, so that is when any grace is over, too.
    fn evict_later(&self, laggards: Vec<Laggard>) {
        let store = Arc::clone(&self.store);
        let longest = laggards.iter().map(|laggard| laggard.lease).max().unwrap_or_default();
        let (lease, grace) = (self.pace.lease.max(longest), self.pace.grace);
        tokio::spawn(async move {
            sleep(lease.saturating_add(grace)).await;
            if let Err(error) = store.evict(&laggards).await {
                tracing::debug!(?error, "replicas that seem dead stay in the registry");
            }
        });
    }
}

#[async_trait]
impl Confirm for Replica {
    async fn confirm(&self, revision: i64) -> Confirmation {
        self.told.notify_one();
        if switched_off(Switch::Wait) {
            self.look.notify_one();
            return Confirmation::Everywhere;
        }
        let began = Instant::now();
        let confirmation = self.wait(revision).await;
        auth_telemetry::confirmed(confirmation == Confirmation::Everywhere, began.elapsed());
        confirmation
    }
}
