//! What somebody who waits for long work is told meanwhile, on standard error.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::note;

/// How often they are told.
const EVERY: Duration = Duration::from_secs(2);

/// How far some work is.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<AtomicU64>);

impl Progress {
    /// That much more is done.
    pub(super) fn add(&self, more: usize) {
        self.0.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// It begins once more.
    pub(super) fn start_over(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// What is counted, for those who do the counting.
    pub(super) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.0)
    }

    /// Does the work, and says every two seconds how far it is, in these words.
    pub(super) async fn during<T>(
        &self,
        words: impl Fn(u64) -> String,
        work: impl Future<Output = T>,
    ) -> T {
        self.telling(EVERY, work, |count, took| {
            note(&format!("{}, after {} s", words(count), took.as_secs()));
        })
        .await
    }

    async fn telling<T>(
        &self,
        every: Duration,
        work: impl Future<Output = T>,
        tell: impl Fn(u64, Duration),
    ) -> T {
        let began = Instant::now();
        let mut work = pin!(work);
        let mut ticks = interval(every);
        ticks.reset();
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Whoever has the result hears no more of how far it is.
                biased;
                result = &mut work => return result,
                _ = ticks.tick() => tell(self.0.load(Ordering::Relaxed), began.elapsed()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;

    #[tokio::test]
    async fn who_waits_is_told_again_and_again_how_far_it_is() {
        let progress = Progress::default();
        let hour = Duration::from_hours(1);
        let quick = progress.telling(hour, async { "done" }, |_, _| panic!("it is done")).await;
        assert_eq!(quick, "done");

        let (tell, mut told) = watch::channel((0, 0));
        let every = Duration::from_millis(5);
        let work = async {
            progress.add(10);
            told.wait_for(|(times, count)| *times >= 2 && *count == 10).await.unwrap();
            progress.start_over();
            told.wait_for(|(_, count)| *count == 0).await.unwrap();
        };
        let telling = progress.telling(every, work, |count, took| {
            assert!(took >= every);
            tell.send_modify(|(times, last)| (*times, *last) = (*times + 1, count));
        });
        tokio::time::timeout(Duration::from_mins(1), telling).await.unwrap();
    }
}
