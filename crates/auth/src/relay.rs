//! From the change log to the event stream: at least once and in order, whatever stops on the way
//! (`docs/adr/0006-the-relay.md`).
//!
//! Every replica has a relay; the one that holds the sink publishes, and the others look now and then
//! whether it still does. Nothing here is on the way of a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use auth_domain::audit::Origin;
use auth_domain::fact::Backlog;
use auth_domain::ports::{Clock, Ids, Observer, Publisher, Source};
use auth_domain::{App, Error};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::clock::{RandomIds, SystemClock};

/// How long the sink is held, and so how long the others wait for a holder that died.
const HOLD: Duration = Duration::from_secs(5);
/// How long it must still be held for a batch to be sent: longer than sending may take.
const MARGIN: Duration = Duration::from_millis(2_500);
/// How many records are sent at once.
const BATCH: u32 = 256;
/// How often to look when nobody says that there is something.
const POLL: Duration = Duration::from_secs(1);
/// How long to wait after the first failure, and at most after later ones.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long the last turn may take when the process ends, and giving the sink back.
const LAST: Duration = Duration::from_secs(2);
/// How long the end of the process waits for all of that, and for a turn that is under way.
const END: Duration = Duration::from_secs(3);

/// Passes the change log on to one sink.
pub(crate) struct Relay {
    app: App,
    publisher: Arc<dyn Publisher>,
    sink: &'static str,
    /// Another one for each process.
    holder: Uuid,
    committed: Arc<Notify>,
    status: Status,
}

/// Whether what is outside can be reached. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status(Arc<AtomicBool>);

impl Status {
    /// Whether the last try failed.
    pub(crate) fn is_down(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Gives what it was before.
    pub(crate) fn set_down(&self, down: bool) -> bool {
        self.0.swap(down, Ordering::Relaxed)
    }
}

/// What went wrong in a turn.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the store: {0}")]
    Store(#[source] Error),
    #[error("the stream: {0}")]
    Stream(#[source] Error),
    #[error("the relay panicked")]
    Panic,
}

impl Failure {
    /// What is away, as the metric has it.
    const fn away(&self) -> &'static str {
        match self {
            Self::Store(_) => "store",
            Self::Stream(_) => "stream",
            Self::Panic => "relay",
        }
    }
}

/// How a turn ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// There was nothing to do, or it was done here.
    Ours,
    /// Another replica is at it, which says nothing of what this one can reach.
    Elsewhere,
}

/// A relay at work.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Publishes what is left, if that is quickly done, and ends.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if !matches!(timeout(END, self.task).await, Ok(Ok(()))) {
            tracing::warn!("the relay did not end in time; it goes on at the next start");
        }
    }
}

impl Relay {
    /// From this service's change log to this publisher, which the sink is named after.
    pub(crate) fn new(
        app: App,
        sink: &'static str,
        publisher: Arc<dyn Publisher>,
        committed: Arc<Notify>,
    ) -> Self {
        let status = Status::default();
        Self { app, publisher, sink, holder: RandomIds.next(), committed, status }
    }

    /// Whether it gets anywhere.
    pub(crate) fn status(&self) -> Status {
        self.status.clone()
    }

    /// Begins.
    pub(crate) fn start(self) -> Running {
        let stop = CancellationToken::new();
        let task = tokio::spawn(Arc::new(self).run(stop.clone()));
        Running { stop, task }
    }

    async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            // On its own, so that a panic ends this turn only; the panic hook logs it.
            let turn = tokio::spawn(Arc::clone(&self).turn(stop.clone())).await;
            match turn.unwrap_or(Err(Failure::Panic)) {
                Ok(turn) => {
                    if turn == Turn::Ours {
                        self.recovered();
                    }
                    pause = FIRST_PAUSE;
                    tokio::select! {
                        () = self.committed.notified() => {}
                        () = sleep(POLL) => {}
                        () = stop.cancelled() => {}
                    }
                }
                Err(failure) => {
                    self.failed(&failure, pause).await;
                    tokio::select! {
                        () = sleep(pause) => {}
                        () = stop.cancelled() => {}
                    }
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
            }
        }
        let last = timeout(LAST, Arc::clone(&self).turn(CancellationToken::new())).await;
        if !matches!(last, Ok(Ok(_))) {
            tracing::warn!("some events are left for the next start or another replica");
        }
        self.release().await;
    }

    fn recovered(&self) {
        if self.status.set_down(false) {
            tracing::info!("events are published again");
        }
    }

    async fn failed(&self, failure: &Failure, pause: Duration) {
        auth_telemetry::not_published(failure.away());
        self.status.set_down(true);
        let cause = std::error::Error::source(failure).and_then(std::error::Error::source);
        let cause = cause.map(ToString::to_string);
        let pause_ms = pause.as_millis();
        tracing::warn!(%failure, cause, pause_ms, "events are not published; trying again");
        // Another replica may reach the stream.
        self.release().await;
    }

    async fn release(&self) {
        let released = self.app.store().release_sink(self.sink, self.holder);
        if !matches!(timeout(LAST, released).await, Ok(Ok(()))) {
            tracing::debug!("the sink was not given back; it will be free in a while");
        }
    }

    /// Publishes everything there is, unless another replica does or this one is told to stop.
    async fn turn(self: Arc<Self>, stop: CancellationToken) -> Result<Turn, Failure> {
        let store = self.app.store();
        let backlog = store.backlog(self.sink).await.map_err(Failure::Store)?;
        measure(backlog);
        if backlog.records == 0 {
            return Ok(Turn::Ours);
        }
        while !stop.is_cancelled() {
            // Counted from before asking, so that it ends here no later than there.
            let held_since = Instant::now();
            let taken = store.take_sink(self.sink, self.holder, HOLD).await;
            let Some(place) = taken.map_err(Failure::Store)? else {
                return Ok(Turn::Elsewhere);
            };
            let records = store.records_after(place, BATCH).await.map_err(Failure::Store)?;
            let Some(last) = records.last() else {
                measure(Backlog { records: 0, since: None });
                break;
            };
            if held_since.elapsed() > HOLD.saturating_sub(MARGIN) {
                // This process was held up, and somebody else may have gone on before it is done.
                continue;
            }
            self.publisher.publish(&records).await.map_err(Failure::Stream)?;
            auth_telemetry::published(u64::try_from(records.len()).unwrap_or(u64::MAX));
            let noted = store.advance_sink(self.sink, self.holder, HOLD, last.place()).await;
            if !noted.map_err(Failure::Store)? {
                return Ok(Turn::Elsewhere);
            }
        }
        Ok(Turn::Ours)
    }
}

fn measure(backlog: Backlog) {
    let now = SystemClock.now().micros();
    let age = backlog.since.map_or(0, |since| now.saturating_sub(since.micros()));
    let age = Duration::from_micros(u64::try_from(age).unwrap_or(0));
    auth_telemetry::outbox(backlog.records, age);
}

/// Wakes the relay at every commit of this process and the postman at those that queue mail, and leaves
/// the rest to another observer.
pub(crate) struct Waking {
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) committed: Arc<Notify>,
    pub(crate) mail_queued: Arc<Notify>,
}

impl Observer for Waking {
    fn observe(&self, operation: &'static str, outcome: &'static str, took: Duration) {
        self.observer.observe(operation, outcome, took);
    }

    fn observe_own(&self, operation: &'static str, outcome: &'static str, took: Duration) {
        self.observer.observe_own(operation, outcome, took);
    }

    fn origin(&self) -> Origin {
        self.observer.origin()
    }

    fn source(&self) -> Source {
        self.observer.source()
    }

    fn committed(&self) {
        self.committed.notify_one();
    }

    fn mail_queued(&self) {
        self.mail_queued.notify_one();
    }

    fn unconfirmed(&self) {
        self.observer.unconfirmed();
    }

    fn graced(&self) {
        self.observer.graced();
    }
}
