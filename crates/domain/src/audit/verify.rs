//! Whether a trail is as it was written.

use std::fmt;

use serde_json::Value;

use super::chain::{ACKNOWLEDGED, UNSEALED};
use super::{AuditRecord, Digest, Head, Notary, Trail};

/// How many findings are kept: a trail that is wrong everywhere is as wrong as one that is wrong so often.
const MOST: usize = 100;

/// Something that is not as it was written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// These records are missing, both included.
    Missing(i64, i64),
    /// This record is where none should be.
    Extra(i64),
    /// This record does not say what it said, or is not where it was.
    Edited(i64),
    /// The record after the last one that is kept is missing, and all after it up to this one.
    Cut(i64, i64),
    /// The last record is not the one that the trail ended with.
    OtherEnd(i64),
    /// The seal of the end is by none of our keys.
    Unsealed(i64),
    /// The service found the end of the trail, before this record, not as it had left it.
    FoundUnsealed(i64),
    /// The record that was expected here, by its digest, is not the one that is here.
    NotTheExpected(i64),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(from, to) if from == to => write!(f, "record {from} is missing"),
            Self::Missing(from, to) => write!(f, "records {from} to {to} are missing"),
            Self::Extra(place) => write!(f, "record {place} is outside of the trail"),
            Self::Edited(place) => {
                write!(f, "record {place} is not as it was written, or not in its place")
            }
            Self::Cut(last, place) => {
                write!(f, "the end is cut off: the last record is {last} and should be {place}")
            }
            Self::OtherEnd(place) => {
                write!(f, "record {place} is not the one that the trail ended with")
            }
            Self::Unsealed(place) => write!(
                f,
                "the end, record {place}, is sealed by none of the secrets: it was rewritten without \
                 them, or the one that sealed it is not in MF_AUTH_VERIFY_SECRETS"
            ),
            Self::FoundUnsealed(place) => write!(
                f,
                "record {place} says that the service found the end before it not as it had left it"
            ),
            Self::NotTheExpected(place) => {
                write!(f, "record {place} is not there with the digest that was expected")
            }
        }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Of which trail.
    pub trail: Trail,
    /// How many records were read.
    pub records: u64,
    /// The place of the first that is kept.
    pub first: i64,
    /// The place and digest of the last one: kept elsewhere, it shows later that nothing before it has changed.
    pub end: (i64, Digest),
    /// What is wrong, the first hundred.
    pub findings: Vec<Finding>,
    /// What was wrong once and the operator has explained, the first hundred.
    pub acknowledged: Vec<Acknowledged>,
}

/// A record that says that the end before it was not as the service had left it, and what the operator said to that
/// later. It has to be said in the trail, under its seal: whoever writes it without the key breaks the seal again, which
/// is a finding of its own that nobody has acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// The place of that record.
    pub place: i64,
    /// The place of the one that explains it.
    pub by: i64,
    /// Why, in the operator's words.
    pub reason: String,
}

impl fmt::Display for Acknowledged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, by, reason } = self;
        let found = Finding::FoundUnsealed(*place);
        write!(f, "{found}; record {by} acknowledges that: {reason:?}")
    }
}

/// Walks a trail, record by record.
pub struct Verifier<'a> {
    notary: &'a dyn Notary,
    head: Head,
    /// The record that must be there with this digest.
    expected: Option<(i64, Digest)>,
    records: u64,
    /// The last place that was read, and its digest; none after a gap.
    last: (i64, Option<Digest>),
    findings: Vec<Finding>,
    acknowledged: Vec<Acknowledged>,
}

impl<'a> Verifier<'a> {
    /// Begins with where the trail begins and ends; the record that must be there, if somebody kept its digest.
    #[must_use]
    pub fn new(notary: &'a dyn Notary, head: Head, expected: Option<(i64, Digest)>) -> Self {
        let last = (head.first.saturating_sub(1), Some(head.anchor));
        let (findings, acknowledged) = (Vec::new(), Vec::new());
        let mut this = Self { notary, head, expected, records: 0, last, findings, acknowledged };
        let (place, hash) = (this.last.0, this.head.anchor);
        this.compare(place, &hash);
        this
    }

    /// The next record, in the order of places. Those behind the end that was read first were written since.
    pub fn read(&mut self, record: &AuditRecord) {
        let (place, next) = (record.place, self.last.0.saturating_add(1));
        if place > self.head.place {
            return;
        }
        self.records = self.records.saturating_add(1);
        if place < next {
            return self.find(Finding::Extra(place));
        }
        let before = if place == next { self.last.1 } else { None };
        if place > next {
            self.find(Finding::Missing(next, place.saturating_sub(1)));
        }
        // After a gap nobody can tell what came before: the digest that is written is taken as it is.
        let hash = before.map(|before| record.entry.hash(self.notary, &before, place));
        if hash.is_some_and(|hash| hash != record.hash) {
            self.find(Finding::Edited(place));
        }
        if record.entry.action == UNSEALED {
            self.find(Finding::FoundUnsealed(place));
        }
        if record.entry.action == ACKNOWLEDGED {
            self.acknowledge(record);
        }
        self.compare(place, &record.hash);
        self.last = (place, Some(record.hash));
    }

    /// Only what came before, and nothing else that is wrong.
    fn acknowledge(&mut self, record: &AuditRecord) {
        let Ok(place) = record.entry.object.parse() else { return };
        let found = self.findings.iter().position(|it| *it == Finding::FoundUnsealed(place));
        let Some(found) = found.filter(|_| self.acknowledged.len() < MOST) else { return };
        self.findings.remove(found);
        let details: Value = serde_json::from_str(&record.entry.details).unwrap_or_default();
        let reason = details.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.acknowledged.push(Acknowledged { place, by: record.place, reason });
    }

    fn compare(&mut self, place: i64, hash: &Digest) {
        if let Some((expected, digest)) = self.expected
            && expected == place
        {
            self.expected = None;
            if digest != *hash {
                self.find(Finding::NotTheExpected(place));
            }
        }
    }

    /// What was found, once all records were read.
    #[must_use]
    pub fn finish(mut self) -> Verdict {
        let (last, hash) = self.last;
        if last < self.head.place {
            self.find(Finding::Cut(last, self.head.place));
        } else if hash.is_some_and(|hash| hash != self.head.hash) {
            self.find(Finding::OtherEnd(last));
        }
        if !self.head.is_sealed(self.notary) {
            self.find(Finding::Unsealed(self.head.place));
        }
        if let Some((place, _)) = self.expected {
            self.find(Finding::NotTheExpected(place));
        }
        let Self { head, records, findings, acknowledged, .. } = self;
        let Head { trail, first, place, hash, .. } = head;
        Verdict { trail, records, first, end: (place, hash), findings, acknowledged }
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < MOST {
            self.findings.push(finding);
        }
    }
}
