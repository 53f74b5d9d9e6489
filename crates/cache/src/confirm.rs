//! When a write may be acknowledged.

use std::time::Duration;

use auth_domain::ports::{Confirmation, Laggard};

use crate::lease::outlived;

/// What is known of the other replicas, some time after a commit.
#[derive(Clone, Copy, Debug)]
pub struct Waited<'a> {
    /// Those that have not applied it, if the registry could be asked after the commit.
    pub laggards: Option<&'a [Laggard]>,
    /// How long ago the commit was known, by the monotonic clock.
    pub for_: Duration,
    /// The lease of this replica.
    pub lease: Duration,
    /// Whether replicas go on for a while without the database.
    pub grace: bool,
}

/// Whether the write may be acknowledged, and how; nothing means to wait.
///
/// `lease` says why both are sound: nobody lags who trusts their memory and is not seen to lag; and after a
/// lease nobody who lags trusts their memory. The longest lease counts, also while an operator changes it; if
/// that cannot be found out, or cut-off replicas go on without a lease, the answer says so.
#[must_use]
pub fn verdict(waited: &Waited<'_>) -> Option<Confirmation> {
    let Some(laggards) = waited.laggards else {
        return (waited.for_ >= outlived(waited.lease)).then_some(Confirmation::Pending);
    };
    let Some(longest) = laggards.iter().map(|laggard| laggard.lease).max() else {
        return Some(Confirmation::Everywhere);
    };
    if waited.for_ < outlived(longest.max(waited.lease)) {
        return None;
    }
    Some(if waited.grace { Confirmation::Pending } else { Confirmation::Everywhere })
}
