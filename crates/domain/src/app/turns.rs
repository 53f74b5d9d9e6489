//! Turns at long work.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// What is long work, of which little is done at a time so that checks never wait for it. What anybody
/// may do who has an org has turns of its own: it must not keep the operator from a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Reading all there is.
    Backup,
    /// Bringing it back.
    Restore,
    /// Reading all members of an org.
    MemberBackup,
    /// Bringing those back.
    MemberRestore,
}

/// How much long work is under way.
#[derive(Debug, Default)]
pub(super) struct Turns {
    backups: AtomicUsize,
    restores: AtomicUsize,
    member_backups: AtomicUsize,
    member_restores: AtomicUsize,
}

impl Turns {
    /// Reads that go on at the same time, and restores, which hold up whoever writes.
    const BACKUPS: usize = 2;
    const RESTORES: usize = 1;

    const fn of(&self, work: Work) -> (&AtomicUsize, usize) {
        match work {
            Work::Backup => (&self.backups, Self::BACKUPS),
            Work::Restore => (&self.restores, Self::RESTORES),
            Work::MemberBackup => (&self.member_backups, Self::BACKUPS),
            Work::MemberRestore => (&self.member_restores, Self::RESTORES),
        }
    }

    /// A turn at this work. Fails with `Unavailable` while others have all there are.
    pub(super) fn take(self: &Arc<Self>, work: Work) -> Result<Turn> {
        let (taken, most) = self.of(work);
        let take = |under_way: usize| under_way.checked_add(1).filter(|more| *more <= most);
        match taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, take) {
            Ok(_) => Ok(Turn { turns: Arc::clone(self), work }),
            Err(_) => Err(Error::unavailable("others are taking or restoring backups")),
        }
    }
}

/// Somebody's turn to do long work, over when it is dropped.
pub struct Turn {
    turns: Arc<Turns>,
    work: Work,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.of(self.work).0.fetch_sub(1, Ordering::AcqRel);
    }
}
