//! Reading the audit trail, verifying it and keeping it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::app::{Access, Cx, Operation};
use crate::audit::verify::{Finding, Verdict, Verifier};
use crate::audit::{ACKNOWLEDGED, AuditQuery, AuditRecord, Digest, Entry, Trail};
use crate::error::{Error, Result};
use crate::model::{Action, Name, OrgId, PlatformRole};
use crate::ops::paging::{Paged, PartAsked};
use crate::ports::Class;

/// How many records are read at a time.
pub const READ: u32 = 1_000;
/// How often a trail that is trimmed meanwhile is verified from its new beginning.
const AGAIN: u32 = 3;

/// Lists records of the whole platform, newest first.
#[derive(Debug)]
pub struct ListAudit {
    /// Which.
    pub query: AuditQuery,
    /// Which part of them.
    pub part: PartAsked,
}

impl Operation for ListAudit {
    type Output = Paged<AuditRecord>;
    const NAME: &'static str = "list_audit";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Paged<AuditRecord>> {
        list(cx, "audit", &self.query, &self.part).await
    }
}

/// Lists records of what happened in an org, newest first.
#[derive(Debug)]
pub struct ListOrgAudit {
    /// Which org.
    pub org: OrgId,
    /// Which of its records; of no other org, whatever it says.
    pub query: AuditQuery,
    /// Which part of them.
    pub part: PartAsked,
}

impl Operation for ListOrgAudit {
    type Output = Paged<AuditRecord>;
    const NAME: &'static str = "list_org_audit";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::InOrg(self.org, Action::Admin)
    }

    /// Where people are is for those who operate the platform.
    async fn run(self, cx: &mut Cx<'_>) -> Result<Paged<AuditRecord>> {
        let query = AuditQuery { org: Some(self.org), ..self.query };
        let mut page = list(cx, &format!("audit {}", self.org), &query, &self.part).await?;
        for record in &mut page.items {
            record.entry.peer = None;
        }
        Ok(page)
    }
}

/// A cursor is for one trail.
async fn list(
    cx: &Cx<'_>,
    list: &str,
    query: &AuditQuery,
    asked: &PartAsked,
) -> Result<Paged<AuditRecord>> {
    let list = format!("{list} {}", query.trail);
    let place = |bytes: &[u8]| bytes.try_into().ok().map(i64::from_be_bytes);
    let part = asked.part(cx, &list, place)?;
    let found = cx.store().audit(query, &part).await?;
    Ok(asked.paged(cx, &list, (found, 0), |last| last.place.to_be_bytes().to_vec()))
}

/// Reads records in their order, for the operator.
#[derive(Debug)]
pub struct ReadAudit {
    /// Of which trail.
    pub trail: Trail,
    /// After which place.
    pub after: i64,
}

impl Operation for ReadAudit {
    type Output = Vec<AuditRecord>;
    const NAME: &'static str = "read_audit";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Vec<AuditRecord>> {
        cx.store().audit_after(self.trail, self.after, READ).await
    }
}

/// Says whether a trail is as it was written.
#[derive(Debug)]
pub struct VerifyAudit {
    /// Which.
    pub trail: Trail,
    /// A record that must be there with this digest, from an earlier verdict.
    pub expected: Option<(i64, Digest)>,
    /// How many records were read so far, for whoever waits.
    pub read: Arc<AtomicU64>,
}

impl Operation for VerifyAudit {
    type Output = Verdict;
    const NAME: &'static str = "verify_audit";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Verdict> {
        let mut verdict = self.walk(cx).await?;
        for _ in 1..AGAIN {
            let behind = cx.store().audit_after(self.trail, verdict.end.0, 1).await?;
            let now = cx.store().audit_head(self.trail).await?;
            if now.first == verdict.first {
                // A record comes with its head, which was read later.
                let extra = behind.iter().map(|record| record.place);
                let extra = extra.filter(|place| *place > now.place).map(Finding::Extra);
                verdict.findings.extend(extra);
                break;
            }
            // Somebody trimmed it under our eyes.
            verdict = self.walk(cx).await?;
        }
        Ok(verdict)
    }
}

impl VerifyAudit {
    async fn walk(&self, cx: &Cx<'_>) -> Result<Verdict> {
        let head = cx.store().audit_head(self.trail).await?;
        let end = head.place;
        let mut verifier = Verifier::new(cx.notary(), head, self.expected);
        self.read.store(0, Ordering::Relaxed);
        // From the very beginning: what is before the first that is kept should not be there.
        let mut after = i64::MIN;
        while after < end {
            let records = cx.store().audit_after(self.trail, after, READ).await?;
            let Some(last) = records.last() else { break };
            after = last.place;
            for record in &records {
                verifier.read(record);
                self.read.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(verifier.finish())
    }
}

/// Writes the attempts that were counted.
#[derive(Debug)]
pub struct NoteAttempts;

impl Operation for NoteAttempts {
    type Output = ();
    const NAME: &'static str = "note_attempts";
    // Now and then, mostly for nothing.
    const HOT: bool = true;

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let entries = cx.attempts();
        if entries.is_empty() {
            return Ok(());
        }
        let noted = cx.store().note(Trail::Attempts, entries.clone(), cx.notary()).await;
        if noted.is_err() {
            cx.put_back_attempts(entries);
        }
        noted
    }
}

/// Explains a record that says that the end before it was not as the service had left it, in a record of its own: from
/// then on the trail counts as sound again, and tells of both.
#[derive(Debug)]
pub struct AcknowledgeAudit {
    /// In which trail.
    pub trail: Trail,
    /// Where that record is.
    pub place: i64,
    /// Why it is nothing to worry about: 1 to 254 characters, none of them a control character.
    pub reason: Name,
}

impl Operation for AcknowledgeAudit {
    type Output = ();
    const NAME: &'static str = "acknowledge_audit";

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let Self { trail, place, reason } = self;
        let verdict = VerifyAudit { trail, expected: None, read: Arc::default() }.run(cx).await?;
        if !verdict.findings.contains(&Finding::FoundUnsealed(place)) {
            return Err(Error::malformed(
                "place",
                "is not that of a record that found the end unsealed and waits to be explained",
            ));
        }
        let details = json!({ "reason": reason.as_str() });
        let mut entry = Entry::own(Self::NAME, ACKNOWLEDGED, cx.now, &details);
        entry.actor = cx.actor.to_string();
        entry.object = place.to_string();
        cx.store().note(trail, vec![entry], cx.notary()).await
    }
}

/// Deletes the oldest records of a trail, if they are old enough.
#[derive(Debug)]
pub struct TrimAudit {
    /// Of which trail.
    pub trail: Trail,
    /// How long they are kept.
    pub keep: Duration,
}

impl Operation for TrimAudit {
    type Output = u64;
    const NAME: &'static str = "trim_audit";

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<u64> {
        let older_than = cx.now.minus(self.keep);
        cx.store().trim(self.trail, older_than, cx.now, cx.notary()).await
    }
}
