//! What this process has counted by itself.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{Counted, Full, Kind};

/// The most buckets that are remembered of a kind: some megabytes for each.
pub(super) const MOST: usize = 50_000;

/// Buckets in memory, by kind: those of one never push out those of another.
///
/// One lock for all: several buckets are filled together or not at all, which takes less than a microsecond.
#[derive(Debug)]
pub(super) struct Local {
    began: Instant,
    /// For each bucket that is not empty the moment when it will be, in microseconds since the beginning.
    buckets: Mutex<HashMap<Kind, HashMap<u128, u64>>>,
}

impl Default for Local {
    fn default() -> Self {
        Self { began: Instant::now(), buckets: Mutex::default() }
    }
}

impl Local {
    /// Adds one to each of these, or to none.
    pub(super) fn fill(&self, counted: &[Counted]) -> Result<(), Full> {
        self.fill_at(self.now(), counted)
    }

    pub(super) fn fill_at(&self, now: u64, counted: &[Counted]) -> Result<(), Full> {
        let mut buckets = self.lock();
        let mut filled = Vec::with_capacity(counted.len());
        let mut longest: Option<Full> = None;
        for (place, Counted { count, kind }) in counted.iter().enumerate() {
            let empty_at = buckets.get(kind).and_then(|known| known.get(&count.bucket)).copied();
            match count.quota.fill(empty_at.unwrap_or(now), now) {
                Ok(empty_at) => filled.push((*kind, count.bucket, empty_at)),
                Err(wait) if longest.as_ref().is_none_or(|full| full.wait < wait) => {
                    longest = Some(Full { place, wait });
                }
                Err(_) => {}
            }
        }
        if let Some(full) = longest {
            return Err(full);
        }
        for (kind, bucket, empty_at) in filled {
            let known = buckets.entry(kind).or_default();
            if known.len() >= MOST && !known.contains_key(&bucket) {
                forget(known, now);
            }
            known.insert(bucket, empty_at);
        }
        Ok(())
    }

    /// Removes one from each.
    pub(super) fn take_back(&self, counted: &[Counted]) {
        self.take_back_at(self.now(), counted);
    }

    pub(super) fn take_back_at(&self, now: u64, counted: &[Counted]) {
        let mut buckets = self.lock();
        for Counted { count, kind } in counted {
            let Some(known) = buckets.get_mut(kind) else { continue };
            let Some(empty_at) = known.get(&count.bucket).copied() else { continue };
            match count.quota.take_back(empty_at, now) {
                Some(empty_at) => known.insert(count.bucket, empty_at),
                None => known.remove(&count.bucket),
            };
        }
    }

    /// Begins at one: nothing is empty before.
    fn now(&self) -> u64 {
        let micros = self.began.elapsed().as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Kind, HashMap<u128, u64>>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many buckets are remembered of each kind.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> Vec<usize> {
        self.lock().values().map(HashMap::len).collect()
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
