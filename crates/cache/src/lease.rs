//! Until when a replica may trust its memory.
//!
//! A replica renews its row in the registry several times a lease. Each renewal says what the replica has
//! applied and gives the newest revision. The argument, with T the moment a write at revision R is committed:
//!
//! * A renewal whose statement begins after T is told R or more, and extends the trust only once all of that
//!   is applied ([`Renewals::answered`] gives the revision that [`Lease::extend`] has to wait for).
//! * A renewal whose statement began before T was sent before T, and the trust it gives ends at most one lease
//!   after it was *sent*. So one lease after T no replica trusts a memory without R, whatever the registry says,
//!   whatever becomes of messages, and whether or not the database answers. Nobody's wall clock is involved.
//! * A writer who wants to be done earlier looks at the registry after T. Whoever it must not miss there has a row
//!   that can be seen: a renewal extends the trust only to a lease after the renewal *before* it was sent. That
//!   one's row was committed before this one was sent. So if a replica trusts a memory without R, the writer sees
//!   its row, and sees that it has not applied R. A replica that has just registered, or whose row was removed
//!   because it seemed dead, has no renewal before, and trusts nothing until the next.
//!
//! All clocks here are monotonic ones of the process that reads them. A replica leaves the last twentieth of a
//! lease unused ([`margin`]) and a writer waits for all but half of that ([`outlived`]): that clocks run at the
//! same speed to within one part in forty is all that is asked of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A moment on the monotonic clock of this process, in microseconds since it started.
pub type Micros = u64;

/// How much of a lease a replica leaves unused.
#[must_use]
pub fn margin(lease: Duration) -> Duration {
    lease.div_f64(20.0)
}

/// After how long a writer may take it that nobody trusts by an earlier lease of this length.
#[must_use]
pub fn outlived(lease: Duration) -> Duration {
    lease.saturating_sub(margin(lease).div_f64(2.0))
}

/// Until when the memory is trusted. Written by whoever renews, read by every request.
#[derive(Debug, Default)]
pub struct Lease {
    until: AtomicU64,
    /// Until when it is used although it is not trusted.
    grace: AtomicU64,
}

impl Lease {
    /// Whether the memory is current, for a question that was asked before `now`.
    pub fn is_valid(&self, now: Micros) -> bool {
        now < self.until.load(Ordering::SeqCst)
    }

    /// Whether the operator wants it to be used all the same.
    pub fn is_in_grace(&self, now: Micros) -> bool {
        now < self.grace.load(Ordering::SeqCst)
    }

    /// Trusts the memory until then, and has it used for a while longer if nobody comes to say more.
    pub fn extend(&self, until: Micros, grace: Micros) {
        self.until.fetch_max(until, Ordering::SeqCst);
        if grace > 0 {
            self.grace.store(until.saturating_add(grace), Ordering::SeqCst);
        }
    }

    /// Somebody answered: what comes now is known or asked for.
    pub fn end_grace(&self) {
        self.grace.store(0, Ordering::SeqCst);
    }

    /// Trusts nothing any more.
    pub fn end(&self) {
        self.until.store(0, Ordering::SeqCst);
        self.end_grace();
    }

    /// How long it is still valid, in microseconds.
    pub fn left(&self, now: Micros) -> Micros {
        self.until.load(Ordering::SeqCst).saturating_sub(now)
    }
}

/// The course of renewals: whoever renews has one.
#[derive(Debug)]
pub struct Renewals {
    lease: Micros,
    margin: Micros,
    /// When the newest renewal whose row is committed was sent.
    visible: Option<Micros>,
    lost: bool,
}

/// What a renewal allows, once it is earned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earned {
    /// What has to be applied first.
    pub revision: i64,
    /// Until when the memory may then be trusted.
    pub until: Micros,
}

impl Renewals {
    /// Leases of this length, of which so much is left unused.
    #[must_use]
    pub const fn new(lease: Micros, margin: Micros) -> Self {
        Self { lease, margin, visible: None, lost: false }
    }

    /// The row is there, by a statement that was sent then.
    pub const fn registered(&mut self, sent: Micros) {
        self.visible = Some(sent);
    }

    /// A renewal that was sent then has found the row, and was told this revision.
    pub fn answered(&mut self, sent: Micros, revision: i64) -> Option<Earned> {
        if self.lost {
            return None;
        }
        let visible = self.visible.replace(sent)?;
        let until = visible.saturating_add(self.lease).saturating_sub(self.margin);
        Some(Earned { revision, until })
    }

    /// The store has gone back to an earlier revision. What is remembered has stamps of a history that is
    /// gone and will be told apart from nothing: it is not trusted again.
    pub const fn lost(&mut self) {
        self.lost = true;
    }

    /// Whether that happened.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        self.lost
    }

    /// A renewal has found no row: others took this replica for dead.
    pub const fn evicted(&mut self) {
        self.visible = None;
    }
}
