//! What has to be done now and then, whoever asks or does not.

use std::sync::Arc;
use std::time::Duration;

use auth_domain::audit::{TRIMMED, Trail};
use auth_domain::ops::audit::{NoteAttempts, TrimAudit};
use auth_domain::ops::changes::PurgeChanges;
use auth_domain::ops::keys::PurgeKeys;
use auth_domain::ops::mails::PurgeMails;
use auth_domain::ops::platform_invites::ExpirePlatformInvites;
use auth_domain::ops::sign_ins::PurgeSessions;
use auth_domain::ops::tickets::PurgeTickets;
use auth_domain::{Caller, Result};
use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::AuditTrail;
use crate::serve::Workers;
use crate::wiring::Service;

/// How often the rows of keys, tickets and sessions whose time is over are deleted, and platform invites noted as expired.
const PURGE: Duration = Duration::from_mins(10);
/// How often a part of the change log that is old enough is deleted.
const TRIM: Duration = Duration::from_mins(1);
/// How often mails that died long ago are deleted, and how long ago that is.
const BURY: Duration = Duration::from_hours(1);
const DEAD_KEEP: Duration = Duration::from_hours(30 * 24);
/// How often the audit trail gets the sign-ins and refusals that were counted: a flood of them, however large, is
/// about a hundred records each time.
const NOTE: Duration = Duration::from_mins(1);
/// How often a part of the audit trail that is old enough is deleted.
const TRIM_AUDIT: Duration = Duration::from_mins(10);
/// How many parts of it at the most: a million records each time, which is more than is written meanwhile.
const PARTS: u32 = 100;
/// How often measurements are summed up.
const UPKEEP: Duration = Duration::from_secs(5);

/// Starts all of it, with the change log kept for this long and the audit trail as these settings say; it goes on
/// until the process ends.
pub(crate) fn start(service: &Service, workers: &Workers, keep: Duration, audit: &AuditTrail) {
    let app = &service.app;
    // The outcome of an operation is logged where every one's is.
    let purging = app.clone();
    tokio::spawn(repeat("purge_keys", PURGE, move || {
        let app = purging.clone();
        async move { drop(app.execute(Caller::System, PurgeKeys).await) }
    }));
    let trimming = app.clone();
    tokio::spawn(repeat("purge_changes", TRIM, move || {
        let app = trimming.clone();
        async move { drop(app.execute(Caller::System, PurgeChanges { keep }).await) }
    }));
    let burying = app.clone();
    tokio::spawn(repeat("purge_mails", BURY, move || {
        let app = burying.clone();
        async move { drop(app.execute(Caller::System, PurgeMails { keep: DEAD_KEEP }).await) }
    }));
    let forgetting = app.clone();
    tokio::spawn(repeat("purge_tickets", PURGE, move || {
        let app = forgetting.clone();
        async move { drop(app.execute(Caller::System, PurgeTickets).await) }
    }));
    let closing = app.clone();
    tokio::spawn(repeat("purge_sessions", PURGE, move || {
        let app = closing.clone();
        async move { drop(app.execute(Caller::System, PurgeSessions).await) }
    }));
    let expiring = app.clone();
    tokio::spawn(repeat("expire_platform_invites", PURGE, move || {
        let app = expiring.clone();
        async move { drop(app.execute(Caller::System, ExpirePlatformInvites).await) }
    }));
    let noting = app.clone();
    tokio::spawn(repeat("note_attempts", NOTE, move || {
        let app = noting.clone();
        async move { drop(app.execute(Caller::System, NoteAttempts).await) }
    }));
    let kept = [
        audit.audit_keep.map(|keep| (Trail::Changes, keep)),
        Some((Trail::Attempts, audit.audit_attempts_keep)),
    ];
    for (trail, keep) in kept.into_iter().flatten() {
        let app = app.clone();
        tokio::spawn(repeat("trim_audit", TRIM_AUDIT, move || {
            let app = app.clone();
            async move {
                while_full(|| app.execute(Caller::System, TrimAudit { trail, keep })).await;
            }
        }));
    }
    let (metrics, gate) = (service.metrics.clone(), Arc::clone(&service.gate));
    let workers = workers.clone();
    tokio::spawn(repeat("metrics", UPKEEP, move || {
        let (metrics, gate, workers) = (metrics.clone(), Arc::clone(&gate), workers.clone());
        async move {
            let ours = Handle::current().metrics().num_alive_tasks();
            auth_telemetry::tasks(ours.saturating_add(workers.tasks()));
            auth_telemetry::work(gate.numbers());
            metrics.upkeep();
        }
    }));
}

/// Goes on with the next part as long as there may be more to delete, so that retention keeps up.
async fn while_full<W: Future<Output = Result<u64>>>(part: impl Fn() -> W) {
    for _ in 0..PARTS {
        if !part().await.is_ok_and(|gone| gone >= u64::from(TRIMMED)) {
            return;
        }
    }
}

/// Does the work once each period, the first time after one. A panic in it is logged by the panic
/// hook and ends that turn only.
async fn repeat<W: Future<Output = ()> + Send + 'static>(
    name: &'static str,
    period: Duration,
    work: impl Fn() -> W,
) {
    let mut turns = interval(period);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns.tick().await;
    loop {
        turns.tick().await;
        if tokio::spawn(work()).await.is_err() {
            tracing::error!(work = name, "did not finish; it is tried again next time");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use auth_domain::Error;
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn s95_retention_goes_on_while_there_may_be_more() {
        for (gone, parts) in [(vec![10_000, 10_000, 7], 3), (vec![0], 1), (vec![10_000; 200], 100)]
        {
            let asked = Cell::new(0);
            while_full(|| {
                let part = asked.replace(asked.get() + 1);
                let gone = gone.get(part).copied().ok_or_else(|| Error::internal("the test's own"));
                async move { gone }
            })
            .await;
            assert_eq!(asked.get(), parts);
        }
    }

    #[tokio::test]
    async fn s83_work_that_panics_is_tried_again() {
        let (told, mut turns) = mpsc::unbounded_channel();
        let work = tokio::spawn(repeat("test", Duration::from_millis(5), move || {
            let told = told.clone();
            async move {
                told.send(()).unwrap();
                panic!("the test's own");
            }
        }));
        for _ in 0..3 {
            timeout(Duration::from_secs(10), turns.recv()).await.unwrap().unwrap();
        }
        work.abort();
    }
}
