//! Which revision last changed what.
//!
//! Every thing that can change falls on one of a fixed number of stripes by a hash of its id, and a
//! stripe holds the highest revision that changed anything that falls on it. So reading a record of the
//! change log takes one step, nothing is searched for and nothing removed; and since a stripe never goes
//! back, what was read from the store before a change can never count as current after it, however late
//! it arrives. Two things on one stripe cost a needless read and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use auth_domain::fact::Touched;
use auth_domain::model::SigningKeyId;

/// How many stripes there are: half a megabyte, and with a thousand changes between two uses of an entry
/// one needless read in sixty.
pub const STRIPES: usize = 65_536;

/// The stripes of one memory.
#[derive(Debug)]
pub struct Stripes {
    changed: Box<[AtomicI64]>,
    /// Whatever is older than this revision is forgotten.
    floor: AtomicI64,
}

impl Stripes {
    /// So many of them, at least one.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let changed = (0..count.max(1)).map(|_| AtomicI64::new(0)).collect();
        Self { changed, floor: AtomicI64::new(0) }
    }

    /// Notes that this changed at this revision.
    pub fn raise(&self, touched: &Touched, revision: i64) {
        let stripe = match touched {
            Touched::Nothing => return,
            Touched::Everything => &self.floor,
            one => match self.changed.get(self.place(one)) {
                Some(stripe) => stripe,
                None => &self.floor,
            },
        };
        stripe.fetch_max(revision, Ordering::SeqCst);
    }

    /// Whether nothing of this has changed after the revision: neither these things nor what falls on these
    /// stripes, as [`Stripes::of`] gave them.
    pub fn unchanged_since(&self, revision: i64, things: &[Touched], stripes: &[u32]) -> bool {
        let until = |stripe: &AtomicI64| stripe.load(Ordering::SeqCst) <= revision;
        let at = |place: usize| self.changed.get(place).is_some_and(until);
        until(&self.floor)
            && things.iter().all(|one| at(self.place(one)))
            && stripes.iter().all(|stripe| usize::try_from(*stripe).is_ok_and(at))
    }

    /// The stripes these things fall on, for whoever depends on more than can be named at each question.
    pub fn of(&self, things: impl Iterator<Item = Touched>) -> Arc<[u32]> {
        // A place that no number can name would be one that is never unchanged.
        things.map(|one| u32::try_from(self.place(&one)).unwrap_or(u32::MAX)).collect()
    }

    /// Where a thing falls.
    fn place(&self, thing: &Touched) -> usize {
        let (kind, hash) = match thing {
            // Neither is asked for.
            Touched::Nothing | Touched::Everything => (0, 0),
            Touched::Key(id) => (1, fold(id.uuid().as_u128())),
            Touched::CutOff(user) => (2, fold(user.uuid().as_u128())),
            Touched::PlatformRole(user) => (3, fold(user.uuid().as_u128())),
            Touched::Org(org) => (4, fold(org.uuid().as_u128())),
            Touched::Member(user, org) => {
                (5, fold_two(user.uuid().as_u128(), org.uuid().as_u128()))
            }
            Touched::Group(id) => (6, fold(id.uuid().as_u128())),
            Touched::GroupRoles(user) => (7, fold(user.uuid().as_u128())),
            Touched::Session(id) => (9, fold(id.uuid().as_u128())),
            // Half of a digest is as good as all of it.
            Touched::SigningKey(key) => (8, fold(first_half(key))),
        };
        // The upper bits of a product depend on all bits of its factors.
        let mixed = (hash ^ kind).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let upper = usize::try_from(mixed >> 40).unwrap_or(0);
        upper.checked_rem(self.changed.len()).unwrap_or(0)
    }
}

fn first_half(key: &SigningKeyId) -> u128 {
    key.bytes().first_chunk().copied().map_or(0, u128::from_be_bytes)
}

/// Both halves of an id in one.
#[expect(clippy::cast_possible_truncation, reason = "the other half is folded in")]
const fn fold(id: u128) -> u64 {
    (id >> 64) as u64 ^ (id as u64).rotate_left(32)
}

/// Two ids in one, in this order.
const fn fold_two(first: u128, second: u128) -> u64 {
    fold(first).wrapping_mul(0xd6e8_feb8_6659_fd93) ^ fold(second)
}
