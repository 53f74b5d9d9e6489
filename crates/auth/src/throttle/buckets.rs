//! Counting per key: each count is a bucket that every attempt fills by one and time empties (the generic
//! cell rate algorithm).

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The most keys that are remembered of a kind. Half a minute of attempts under as many keys would be
/// needed to be forgotten sooner than by time.
pub(super) const MOST: usize = 50_000;

/// How many attempts, in what time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota {
    pub(crate) attempts: u32,
    pub(crate) within: Duration,
}

/// One bucket for each key, as the moment when it will be empty.
#[derive(Debug)]
pub(super) struct Buckets<K> {
    /// How long one attempt takes to run out.
    each: Duration,
    /// How much of that fits.
    room: Duration,
    empty_at: Mutex<HashMap<K, Instant>>,
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    pub(super) fn new(quota: Quota) -> Self {
        let each = quota.within.checked_div(quota.attempts).unwrap_or(quota.within);
        Self { each, room: quota.within, empty_at: Mutex::default() }
    }

    /// Adds one, or says how long it is until one more fits: one step, whatever runs beside it.
    pub(super) fn fill(&self, key: K, now: Instant) -> Result<(), Duration> {
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
    pub(super) fn take_back(&self, key: &K) {
        if let Some(bucket) = self.lock().get_mut(key)
            && let Some(emptier) = bucket.checked_sub(self.each)
        {
            *bucket = emptier;
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<K, Instant>> {
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
