//! How many connections each address has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts connections by address. Asked when one is opened or closed, never in between.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    most: Option<u32>,
    open: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

impl Peers {
    /// At most this many for each address, if there is a limit.
    pub(super) fn new(most: Option<u32>) -> Self {
        Self { most, open: Arc::default() }
    }

    /// A place for one more, if the address may have it; taken until it is dropped.
    pub(super) fn admit(&self, peer: IpAddr) -> Option<Place> {
        let Some(most) = self.most else { return Some(Place(None)) };
        let mut open = self.lock();
        let count = open.entry(peer).or_insert(0);
        if *count >= most {
            return None;
        }
        *count = count.saturating_add(1);
        drop(open);
        Some(Place(Some((self.clone(), peer))))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place among those of its address.
#[derive(Debug)]
pub(super) struct Place(Option<(Peers, IpAddr)>);

impl Drop for Place {
    fn drop(&mut self) {
        let Some((peers, peer)) = &self.0 else { return };
        if let Entry::Occupied(mut count) = peers.lock().entry(*peer) {
            if *count.get() > 1 {
                *count.get_mut() = count.get().saturating_sub(1);
            } else {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_places_and_nothing_is_left_behind() {
        let peers = Peers::new(Some(2));
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = peers.admit(one).unwrap();
        let second = peers.admit(one).unwrap();
        assert!(peers.admit(one).is_none());
        let third = peers.admit(other).unwrap();
        drop(first);
        let fourth = peers.admit(one).unwrap();
        drop((second, third, fourth));
        assert!(peers.lock().is_empty());
    }
}
