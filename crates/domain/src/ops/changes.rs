//! Looking after the change log.

use std::time::Duration;

use crate::app::{Access, Cx, Operation};
use crate::change::Change;
use crate::error::Result;

/// Deletes some of the oldest records of the change log, if they are old enough and were passed on.
#[derive(Clone, Copy, Debug)]
pub struct PurgeChanges {
    /// How long records are kept.
    pub keep: Duration,
}

impl Operation for PurgeChanges {
    type Output = ();
    const NAME: &'static str = "purge_changes";
    /// Every minute, and nearly always there is nothing to tell.
    const HOT: bool = true;

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        cx.commit(vec![Change::PurgeRecords { older_than: cx.now.minus(self.keep) }]).await
    }
}
