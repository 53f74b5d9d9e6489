//! The keys of pairs there are, each with the second from which it signs.
//!
//! The clock moves a key on, so that nobody has to write anything twice and replicas agree without being told: it is
//! *next* until its second has come, *signing* until that of another one has, and then only *verifies*.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use auth_domain::Timestamp;
use auth_domain::model::SigningKeyId;

use crate::pairs::SigningKey;

/// A signing key and when it begins to sign.
#[derive(Clone, Debug)]
pub struct RingKey {
    /// The key.
    pub key: Arc<SigningKey>,
    /// The first second in which it signs, since 1970.
    pub signs_from: i64,
}

/// The keys there are; they can be replaced while requests are answered. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct KeyRing(Arc<ArcSwap<Vec<RingKey>>>);

impl KeyRing {
    /// Replaces all of them at once. No two begin in the same second.
    pub fn replace(&self, mut keys: Vec<RingKey>) {
        keys.sort_by_key(|one| one.signs_from);
        self.0.store(Arc::new(keys));
    }

    /// Takes these out at once.
    pub fn take_out(&self, gone: &[SigningKeyId]) {
        let keys = self.keys();
        if keys.iter().any(|one| gone.contains(&one.key.id)) {
            let left = keys.iter().filter(|one| !gone.contains(&one.key.id));
            self.replace(left.cloned().collect());
        }
    }

    /// What there is now: one look for each request, so that it sees one moment.
    pub(crate) fn keys(&self) -> Guard<Arc<Vec<RingKey>>> {
        self.0.load()
    }
}

/// What signs at this moment, if it is none of those.
pub(crate) fn signer<'a>(
    keys: &'a [RingKey],
    now: Timestamp,
    without: &[SigningKeyId],
) -> Option<&'a SigningKey> {
    let has_begun =
        |one: &&RingKey| one.signs_from <= now.seconds() && !without.contains(&one.key.id);
    keys.iter().rfind(has_begun).map(|one| &*one.key)
}
