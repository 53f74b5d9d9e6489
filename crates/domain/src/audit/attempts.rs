//! Sign-ins and refusals: recorded without a change, and summed up, so that a flood of them fills no disk.
//!
//! They are counted in memory by who, from where, asked for what and how it went, up to [`MOST`] different ones at
//! a time, and written by [`crate::ops::audit::NoteAttempts`] now and then: nobody waits for the store. Those that
//! find no place are counted together.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::json;

use super::{Entry, Origin};
use crate::Timestamp;
use crate::model::{OrgId, UserId};

/// How many different attempts are told apart between two times they are written.
pub const MOST: usize = 100;

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// Who asked, as [`crate::Actor`] is written.
    pub actor: String,
    /// From where.
    pub peer: Option<IpAddr>,
    /// For what.
    pub operation: &'static str,
    /// `ok` or the code of the refusal.
    pub outcome: &'static str,
    /// As whom somebody tried to sign in, if there is such an account.
    pub subject: Option<UserId>,
    /// In which org it was refused, if to somebody who belongs to it.
    pub org: Option<OrgId>,
}

struct Count {
    times: i64,
    first: Timestamp,
    last: Timestamp,
    origin: Origin,
}

/// Attempts that are not written yet.
#[derive(Default)]
pub struct Attempts(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    told_apart: HashMap<Attempt, Count>,
    others: i64,
}

impl Attempts {
    /// Counts one.
    pub fn count(&self, attempt: Attempt, now: Timestamp, origin: Origin) {
        let mut counts = self.lock();
        let full = counts.told_apart.len() >= MOST;
        if let Some(count) = counts.told_apart.get_mut(&attempt) {
            count.times = count.times.saturating_add(1);
            count.last = now;
        } else if full {
            counts.others = counts.others.saturating_add(1);
        } else {
            counts.told_apart.insert(attempt, Count { times: 1, first: now, last: now, origin });
        }
    }

    /// What there is to write, which is forgotten here.
    #[must_use]
    pub fn take(&self, now: Timestamp) -> Vec<Entry> {
        let Counts { told_apart, others } = std::mem::take(&mut *self.lock());
        let mut entries: Vec<Entry> =
            told_apart.into_iter().map(|(attempt, count)| entry(attempt, count)).collect();
        entries.sort_by_key(|entry| entry.at);
        if others > 0 {
            let mut rest = Entry::own("audit", "refusal.others", now, &json!({}));
            rest.count = others;
            entries.push(rest);
        }
        entries
    }

    /// Counts those that could not be written with the others.
    pub fn lose(&self, times: i64) {
        let mut counts = self.lock();
        counts.others = counts.others.saturating_add(times);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The request id and trace are those of the first.
fn entry(attempt: Attempt, count: Count) -> Entry {
    let Attempt { actor, peer, operation, outcome, subject, org } = attempt;
    let details =
        if count.times > 1 { json!({ "until": count.last.to_string() }) } else { json!({}) };
    let object = org.map(|org| org.to_string());
    let action = if SIGN_INS.contains(&operation) { "sign_in" } else { "refusal" };
    Entry {
        at: count.first,
        actor,
        peer: peer.map(|peer| peer.to_string()),
        request: count.origin.request,
        trace: count.origin.trace,
        operation: operation.to_owned(),
        action: action.to_owned(),
        subject: subject.map(|user| user.to_string()),
        object: object.clone().unwrap_or_default(),
        org: object,
        outcome: outcome.to_owned(),
        count: count.times,
        details: details.to_string(),
    }
}

/// The operations by which people get tokens: recorded however they go.
pub const SIGN_INS: &[&str] = &["login", "issue_token"];

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(number: usize) -> Attempt {
        Attempt {
            actor: format!("user:{number}"),
            peer: None,
            operation: "grant_role",
            outcome: "forbidden",
            subject: None,
            org: None,
        }
    }

    #[test]
    fn s94_a_flood_takes_no_more_than_its_places() {
        let attempts = Attempts::default();
        let at = |second: i64| Timestamp::from_seconds(1_700_000_000 + second);
        for number in 0..1_000 {
            attempts.count(refused(number), at(0), Origin::default());
        }
        for _ in 0..50 {
            attempts.count(refused(1), at(9), Origin::default());
        }
        let entries = attempts.take(at(10));
        assert_eq!(entries.len(), MOST + 1);
        let repeated = entries.iter().find(|entry| entry.actor == "user:1").unwrap();
        assert_eq!(repeated.count, 51);
        assert!(repeated.details.contains(&at(9).to_string()), "{}", repeated.details);
        let others = entries.last().unwrap();
        assert_eq!((others.action.as_str(), others.count), ("refusal.others", 900));
        assert_eq!(attempts.take(at(11)), []);
        attempts.lose(7);
        assert_eq!(attempts.take(at(12))[0].count, 7, "what could not be written is counted");
    }
}
