//! Slows down guessing of passwords: counts failed sign-ins by where they come from.
//!
//! A try is counted before it is known how it ends, and taken back if it was no guess: so many at
//! once are no way around the limit. Each count is a bucket that every failure fills by one and time
//! empties (the generic cell rate algorithm). Strangers cannot lock anybody out: what counts against
//! an account counts only against the address that guesses.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use auth_domain::{Error, Result, ports};

/// The most addresses, and the most accounts, that are remembered. Half a minute of failures from
/// as many addresses would be needed to be forgotten sooner than by time.
const MOST: usize = 50_000;

/// How many failures, in what time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota {
    pub(crate) failures: u32,
    pub(crate) within: Duration,
}

/// Failed sign-ins of the last minutes.
#[derive(Debug)]
pub(crate) struct FailedSignIns {
    by_address: Buckets<Option<Network>>,
    /// Accounts are remembered as hashes, with a key of this process: nothing here names anybody.
    by_account: Buckets<(Option<Network>, u64)>,
    hasher: RandomState,
}

impl FailedSignIns {
    /// Nobody has failed yet.
    pub(crate) fn new(per_address: Quota, per_account: Quota) -> Self {
        Self {
            by_address: Buckets::new(per_address),
            by_account: Buckets::new(per_account),
            hasher: RandomState::new(),
        }
    }

    fn enter_at(&self, now: Instant, from: Option<IpAddr>, account: &str) -> Result<()> {
        let from = from.map(Network::of);
        let account = (from, self.hasher.hash_one(account));
        let entered = self.by_address.fill(from, now).and_then(|()| {
            self.by_account.fill(account, now).inspect_err(|_| self.by_address.take_back(&from))
        });
        entered.map_err(|wait| {
            auth_telemetry::refused("http", "sign_ins");
            Error::RateLimited(wait)
        })
    }

    fn take_back_from(&self, from: Option<IpAddr>, account: &str) {
        let from = from.map(Network::of);
        self.by_address.take_back(&from);
        self.by_account.take_back(&(from, self.hasher.hash_one(account)));
    }
}

impl ports::Throttle for FailedSignIns {
    fn enter(&self, from: Option<IpAddr>, account: &str) -> Result<()> {
        self.enter_at(Instant::now(), from, account)
    }

    fn take_back(&self, from: Option<IpAddr>, account: &str) {
        self.take_back_from(from, account);
    }
}

/// Nothing is ever refused.
#[derive(Debug)]
pub(crate) struct Unlimited;

impl ports::Throttle for Unlimited {
    fn enter(&self, _: Option<IpAddr>, _: &str) -> Result<()> {
        Ok(())
    }

    fn take_back(&self, _: Option<IpAddr>, _: &str) {}
}

/// Who counts as one: an IPv4 address, or the /64 network that one IPv6 subscriber has for
/// themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Network {
    V4(u32),
    V6([u16; 4]),
}

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

/// One bucket for each key, as the moment when it will be empty.
#[derive(Debug)]
struct Buckets<K> {
    /// How long one failure takes to run out.
    each: Duration,
    /// How much of that fits.
    room: Duration,
    empty_at: Mutex<HashMap<K, Instant>>,
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    fn new(quota: Quota) -> Self {
        let each = quota.within.checked_div(quota.failures).unwrap_or(quota.within);
        Self { each, room: quota.within, empty_at: Mutex::default() }
    }

    /// Adds one, or says how long it is until one more fits: one step, whatever runs beside it.
    fn fill(&self, key: K, now: Instant) -> Result<(), Duration> {
        let mut empty_at = self.lock();
        if empty_at.len() >= MOST && !empty_at.contains_key(&key) {
            forget(&mut empty_at, now);
        }
        let bucket = empty_at.entry(key).or_insert(now);
        let level = bucket.saturating_duration_since(now);
        let wait = level.saturating_add(self.each).saturating_sub(self.room);
        if !wait.is_zero() {
            return Err(wait);
        }
        if let Some(filled) = (*bucket).max(now).checked_add(self.each) {
            *bucket = filled;
        }
        Ok(())
    }

    /// Removes one that was added.
    fn take_back(&self, key: &K) {
        if let Some(bucket) = self.lock().get_mut(key)
            && let Some(emptier) = bucket.checked_sub(self.each)
        {
            *bucket = emptier;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Instant>> {
        self.empty_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room: empty buckets go, and if that is not enough, the half that is emptiest.
fn forget<K>(empty_at: &mut HashMap<K, Instant>, now: Instant) {
    empty_at.retain(|_, end| *end > now);
    if empty_at.len() < MOST.div_euclid(2) {
        return;
    }
    let mut ends: Vec<Instant> = empty_at.values().copied().collect();
    let middle = ends.len().div_euclid(2);
    let (_, median, _) = ends.select_nth_unstable(middle);
    let median = *median;
    empty_at.retain(|_, end| *end > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn failed_sign_ins() -> FailedSignIns {
        FailedSignIns::new(
            Quota { failures: 20, within: MINUTE },
            Quota { failures: 10, within: Duration::from_mins(10) },
        )
    }

    fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    /// How many failures it takes until no more are let through.
    fn failures_until_refused(
        throttle: &FailedSignIns,
        now: Instant,
        from: Option<IpAddr>,
        account: impl Fn(u32) -> String,
    ) -> u32 {
        let tries = (0..1000).take_while(|n| throttle.enter_at(now, from, &account(*n)).is_ok());
        u32::try_from(tries.count()).unwrap()
    }

    #[test]
    fn guessing_at_one_account_stops_after_ten_failures() {
        let (throttle, now) = (failed_sign_ins(), Instant::now());
        let here = address("192.0.2.1");
        assert_eq!(failures_until_refused(&throttle, now, here, |_| "ada".into()), 10);
        let refused = throttle.enter_at(now, here, "ada").unwrap_err();
        assert!(matches!(refused, Error::RateLimited(wait) if wait == MINUTE), "{refused:?}");
        assert!(throttle.enter_at(now + MINUTE, here, "ada").is_ok(), "one more each minute");
    }

    #[test]
    fn guessing_at_many_accounts_stops_after_twenty_failures() {
        let (throttle, now) = (failed_sign_ins(), Instant::now());
        let here = address("192.0.2.1");
        assert_eq!(failures_until_refused(&throttle, now, here, |n| n.to_string()), 20);
        assert!(throttle.enter_at(now + MINUTE / 20, here, "somebody").is_ok());
    }

    #[test]
    fn s86_many_tries_at_once_are_no_way_around_it() {
        let (throttle, now) = (failed_sign_ins(), Instant::now());
        let here = address("192.0.2.1");
        let entered = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..64)
                .map(|_| scope.spawn(|| throttle.enter_at(now, here, "ada").is_ok()))
                .collect();
            tries.into_iter().map(|one| one.join().unwrap()).filter(|free| *free).count()
        });
        assert_eq!(entered, 10);
    }

    #[test]
    fn signing_in_rightly_uses_nothing_up() {
        let (throttle, now) = (failed_sign_ins(), Instant::now());
        let here = address("192.0.2.1");
        for _ in 0..100 {
            throttle.enter_at(now, here, "ada").unwrap();
            throttle.take_back_from(here, "ada");
        }
        assert_eq!(failures_until_refused(&throttle, now, here, |_| "ada".into()), 10);
    }

    #[test]
    fn s87_nobody_is_locked_out_by_somebody_elses_guesses() {
        let (throttle, now) = (failed_sign_ins(), Instant::now());
        failures_until_refused(&throttle, now, address("192.0.2.1"), |_| "ada".into());
        assert!(throttle.enter_at(now, address("192.0.2.2"), "ada").is_ok());
    }

    #[test]
    fn a_network_counts_as_one_and_an_unknown_address_counts() {
        let (throttle, now) = (failed_sign_ins(), Instant::now());
        failures_until_refused(&throttle, now, address("2001:db8::1"), |_| "ada".into());
        assert!(throttle.enter_at(now, address("2001:db8::2"), "ada").is_err());
        assert!(throttle.enter_at(now, address("2001:db8:0:1::1"), "ada").is_ok());
        failures_until_refused(&throttle, now, address("::ffff:192.0.2.1"), |_| "ada".into());
        assert!(throttle.enter_at(now, address("192.0.2.1"), "ada").is_err());
        assert_eq!(failures_until_refused(&throttle, now, None, |_| "ada".into()), 10);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_worst_is_remembered_longest() {
        let (throttle, now) = (failed_sign_ins(), Instant::now());
        let guesser = address("192.0.2.1");
        failures_until_refused(&throttle, now, guesser, |_| "ada".into());
        for n in 0..120_000_u32 {
            throttle.enter_at(now, Some(IpAddr::V4(n.into())), "ada").unwrap();
        }
        assert!(throttle.by_address.lock().len() <= MOST);
        assert!(throttle.by_account.lock().len() <= MOST);
        assert!(throttle.enter_at(now, guesser, "ada").is_err());
    }

    #[test]
    fn off_is_off() {
        use auth_domain::ports::Throttle;
        let throttle = Unlimited;
        for _ in 0..100 {
            assert!(throttle.enter(address("192.0.2.1"), "ada").is_ok());
        }
    }
}
