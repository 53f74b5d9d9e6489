//! Asking again: seldom enough that a server in trouble is not asked more, but less.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How often one call is tried at most.
pub(crate) const TRIES: u32 = 3;
/// The pause before the second try, half as much more or less.
const PAUSE: Duration = Duration::from_millis(20);

/// One retry, in what calls put aside.
const RETRY: u32 = 10;
/// The most that is put aside: ten retries.
const MOST: u32 = 100;

/// How many retries calls have earned: one for every ten calls, at once for the first, and never more
/// than ten in store, however long all went well. So retries add a tenth to the load at most.
#[derive(Debug)]
pub(crate) struct Budget(AtomicU32);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicU32::new(RETRY.saturating_sub(1)))
    }
}

impl Budget {
    /// A call is made.
    pub(crate) fn earn(&self) {
        let more = |saved: u32| Some(saved.saturating_add(1).min(MOST));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// A call is to be made again: whether it may.
    pub(crate) fn spend(&self) -> bool {
        let less = |saved: u32| saved.checked_sub(RETRY);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// How long to wait after this many tries: twice as long each time, and at random half as much more or
/// less, so that those whom one fault hit do not come back together.
pub(crate) fn pause(tries: u32) -> Duration {
    let middle =
        PAUSE.saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX));
    // A hasher's keys are the randomness that the standard library has.
    let random = RandomState::new().hash_one(0_u8) % 1_000;
    let micros = u64::try_from(middle.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(micros.saturating_mul(random.saturating_add(500)).saturating_div(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r16_retries_are_a_tenth_of_the_calls_whatever_happens() {
        let budget = Budget::default();
        let mut retries = 0;
        for calls in 1..=1_000_usize {
            budget.earn();
            retries +=
                std::iter::repeat_with(|| budget.spend()).take(50).filter(|spent| *spent).count();
            assert_eq!(retries, calls.div_ceil(10));
        }
    }

    #[test]
    fn r16_a_long_calm_saves_no_more_than_ten() {
        let budget = Budget::default();
        (0..100_000).for_each(|_| budget.earn());
        assert_eq!(
            std::iter::repeat_with(|| budget.spend()).take_while(|spent| *spent).count(),
            10
        );
    }

    #[test]
    fn pauses_grow_and_differ() {
        let pauses: Vec<_> = (0..100).map(|_| pause(1)).collect();
        assert!(pauses.iter().all(|it| (10_000..30_000).contains(&it.as_micros())), "{pauses:?}");
        assert!(pauses.iter().any(|it| *it != pauses[0]));
        assert!((20_000..60_000).contains(&pause(2).as_micros()));
    }
}
