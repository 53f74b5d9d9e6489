//! How much of something is too much: the arithmetic behind every rate limit.
//!
//! A count is a bucket that every attempt fills by one and time empties (the generic cell rate algorithm). All
//! that is kept of one is the moment when it will be empty. Moments and spans are whole microseconds, so that
//! whoever counts elsewhere in the same way comes to the same result.

use std::time::Duration;

/// The longest time, in microseconds: 71 years. Moments and spans then have 52 bits together, which is as much as
/// others can count with.
const LONGEST: u64 = 1 << 51;

/// How many attempts, in what time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    attempts: u32,
    each: u64,
}

impl Quota {
    /// So many attempts within this time, at once or spread over it. More than one a microsecond is as much.
    #[must_use]
    pub fn new(attempts: u32, within: Duration) -> Self {
        let within = u64::try_from(within.as_micros()).unwrap_or(u64::MAX).min(LONGEST);
        let each = within.checked_div(attempts.into()).unwrap_or(within);
        Self { attempts, each: each.max(1) }
    }

    /// How long one attempt takes to run out, in microseconds.
    #[must_use]
    pub const fn each(self) -> u64 {
        self.each
    }

    /// How much fits, in microseconds.
    #[must_use]
    pub fn room(self) -> u64 {
        self.each.saturating_mul(self.attempts.into())
    }

    /// Adds one to a bucket that will be empty at this moment, and gives the moment when it then will be; or
    /// fails with how long it is until one more fits. Both moments are microseconds since any beginning.
    pub fn fill(self, empty_at: u64, now: u64) -> Result<u64, Duration> {
        let filled = self.sane(empty_at, now).saturating_add(self.each);
        match filled.saturating_sub(now).saturating_sub(self.room()) {
            0 => Ok(filled),
            wait => Err(Duration::from_micros(wait)),
        }
    }

    /// Removes one that was added, and gives the moment when the bucket then will be empty, if it is not.
    #[must_use]
    pub fn take_back(self, empty_at: u64, now: u64) -> Option<u64> {
        let emptier = self.sane(empty_at, now).checked_sub(self.each)?;
        (emptier > now).then_some(emptier)
    }

    /// A bucket that was empty before is empty now, and one that holds more than can be in it was not filled by
    /// us: it counts as empty, too.
    fn sane(self, empty_at: u64, now: u64) -> u64 {
        let latest = now.saturating_add(self.room());
        if (now..=latest).contains(&empty_at) { empty_at } else { now }
    }
}

/// One thing to count: what is added to which bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The bucket. It names nobody: see the `Pseudonyms` of whoever makes it.
    pub bucket: u128,
    /// How much fits.
    pub quota: Quota,
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may fail by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_burst_fits_and_then_one_at_a_time() {
        let quota = Quota::new(3, MINUTE);
        let each = quota.each();
        assert_eq!((each, quota.room()), (20_000_000, 60_000_000));
        let mut empty_at = 0;
        for _ in 0..3 {
            empty_at = quota.fill(empty_at, 1_000).unwrap();
        }
        assert_eq!(quota.fill(empty_at, 1_000), Err(Duration::from_micros(each)));
        assert_eq!(quota.fill(empty_at, 1_001), Err(Duration::from_micros(each - 1)));
        let next = quota.fill(empty_at, 1_000 + each).unwrap();
        assert!(quota.fill(next, 1_000 + each).is_err());
        let emptier = quota.take_back(next, 1_000 + each).unwrap();
        assert_eq!(quota.fill(emptier, 1_000 + each), Ok(next));
        assert_eq!(quota.take_back(1_000 + each, 1_000), None, "it was the last one");
    }

    #[test]
    fn r11_what_cannot_be_is_taken_for_empty() {
        let quota = Quota::new(2, MINUTE);
        let now = 1_000_000_000_000;
        for odd in [0, 1, now - 1, now + quota.room() + 1, u64::MAX] {
            assert_eq!(quota.fill(odd, now), Ok(now + quota.each()), "{odd}");
            assert_eq!(quota.take_back(odd, now), None);
        }
    }

    #[test]
    fn extremes_neither_panic_nor_let_everything_through() {
        for (attempts, within) in [
            (u32::MAX, Duration::from_nanos(1)),
            (1, Duration::MAX),
            (u32::MAX, Duration::MAX),
            (1, Duration::ZERO),
        ] {
            let quota = Quota::new(attempts, within);
            for now in [0, 1, u64::MAX] {
                let filled = quota.fill(now, now).unwrap();
                if attempts == 1 && filled > now {
                    assert!(quota.fill(filled, now).is_err(), "{quota:?}");
                }
            }
        }
    }

    proptest! {
        /// In no span of time do more come through than fit at once and run out in it.
        #[test]
        fn never_more_than_the_limit(
            attempts in 1_u32..20,
            within in 1_u64..100_000,
            steps in proptest::collection::vec(0_u64..5_000, 1..200),
        ) {
            let quota = Quota::new(attempts, Duration::from_micros(within * u64::from(attempts)));
            let (mut now, mut empty_at, mut through) = (1, 0, 0_u64);
            for step in steps {
                now += step;
                match quota.fill(empty_at, now) {
                    Ok(filled) => {
                        empty_at = filled;
                        through += 1;
                    }
                    Err(wait) => {
                        let wait = u64::try_from(wait.as_micros()).unwrap();
                        prop_assert!((1..=quota.each()).contains(&wait));
                        prop_assert!(quota.fill(empty_at, now + wait).is_ok());
                        prop_assert!(quota.fill(empty_at, now + wait - 1).is_err());
                    }
                }
                prop_assert!(through <= u64::from(attempts) + (now - 1) / quota.each());
            }
        }
    }
}
