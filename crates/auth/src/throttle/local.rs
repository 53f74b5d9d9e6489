//! What this process has counted by itself.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use auth_domain::quota::{Count, Quota};

use super::Full;

/// The most buckets that are remembered of a quota: some megabytes for each.
pub(super) const MOST: usize = 50_000;

/// Buckets in memory, by what fits into them: those of one quota never push out those of another.
///
/// One lock for all: several buckets are filled together or not at all, which takes less than a microsecond.
#[derive(Debug)]
pub(super) struct Local {
    began: Instant,
    /// For each bucket that is not empty the moment when it will be, in microseconds since the beginning.
    buckets: Mutex<HashMap<Quota, HashMap<u128, u64>>>,
}

impl Default for Local {
    fn default() -> Self {
        Self { began: Instant::now(), buckets: Mutex::default() }
    }
}

impl Local {
    /// Adds one to each of these, or to none.
    pub(super) fn fill(&self, counts: &[Count]) -> Result<(), Full> {
        self.fill_at(self.now(), counts)
    }

    pub(super) fn fill_at(&self, now: u64, counts: &[Count]) -> Result<(), Full> {
        let mut buckets = self.lock();
        let mut filled = Vec::with_capacity(counts.len());
        let mut longest: Option<Full> = None;
        for (place, Count { bucket, quota }) in counts.iter().enumerate() {
            let empty_at = buckets.get(quota).and_then(|known| known.get(bucket)).copied();
            match quota.fill(empty_at.unwrap_or(now), now) {
                Ok(empty_at) => filled.push((*quota, *bucket, empty_at)),
                Err(wait) if longest.as_ref().is_none_or(|full| full.wait < wait) => {
                    longest = Some(Full { place, wait });
                }
                Err(_) => {}
            }
        }
        if let Some(full) = longest {
            return Err(full);
        }
        for (quota, bucket, empty_at) in filled {
            let known = buckets.entry(quota).or_default();
            if known.len() >= MOST && !known.contains_key(&bucket) {
                forget(known, now);
            }
            known.insert(bucket, empty_at);
        }
        Ok(())
    }

    /// Removes one from each.
    pub(super) fn take_back(&self, counts: &[Count]) {
        self.take_back_at(self.now(), counts);
    }

    pub(super) fn take_back_at(&self, now: u64, counts: &[Count]) {
        let mut buckets = self.lock();
        for Count { bucket, quota } in counts {
            let Some(known) = buckets.get_mut(quota) else { continue };
            let Some(empty_at) = known.get(bucket).copied() else { continue };
            match quota.take_back(empty_at, now) {
                Some(empty_at) => known.insert(*bucket, empty_at),
                None => known.remove(bucket),
            };
        }
    }

    /// Begins at one: nothing is empty before.
    fn now(&self) -> u64 {
        let micros = self.began.elapsed().as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Quota, HashMap<u128, u64>>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many buckets of this quota are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self, quota: Quota) -> usize {
        self.lock().get(&quota).map_or(0, HashMap::len)
    }
}

/// Makes room: empty buckets go, and if that is not enough, the half that is emptiest.
fn forget(known: &mut HashMap<u128, u64>, now: u64) {
    known.retain(|_, empty_at| *empty_at > now);
    if known.len() < MOST.div_euclid(2) {
        return;
    }
    let mut ends: Vec<u64> = known.values().copied().collect();
    let middle = ends.len().div_euclid(2);
    let (_, median, _) = ends.select_nth_unstable(middle);
    let median = *median;
    known.retain(|_, empty_at| *empty_at > median);
}
