//! Sign-ins and refusals: recorded without a change, and summed up, so that a flood of them fills no disk.
//!
//! They are counted in memory by who, from where, asked for what and how it went, up to [`MOST`] different ones at
//! a time, and written by [`crate::ops::audit::NoteAttempts`] now and then: nobody waits for the store. Those that
//! find no place are counted together. Sign-ins have places of their own, the successful ones and the others, so that
//! whoever makes sure to be refused often hides none, and of what is refused one user has [`MOST_OF_ONE`].

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::json;

use super::{Entry, Origin};
use crate::Timestamp;
use crate::model::{OrgId, UserId};

/// How many different successful sign-ins are told apart between two times they are written, how many that failed, and
/// how many others.
pub const MOST: usize = 100;
/// How many different refusals of one user from one address are, whichever of their keys they use.
pub const MOST_OF_ONE: usize = 20;
/// How many records wait for a store that cannot be written to.
const MOST_UNWRITTEN: usize = 1_000;

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
    signed_in: HashMap<Attempt, Count>,
    guessed: HashMap<Attempt, Count>,
    refused: HashMap<Attempt, Count>,
    /// Successful sign-ins, and others, that found no place.
    other_sign_ins: i64,
    others: i64,
    /// What could not be written the last time.
    unwritten: Vec<Entry>,
}

impl Attempt {
    fn is_signed_in(&self) -> bool {
        self.outcome == "ok" && SIGN_INS.contains(&self.operation)
    }

    /// Whose places it takes. Whoever is anonymous is not one, least of all behind a proxy.
    fn is_of_the_same(&self, other: &Self) -> bool {
        let who = |actor: &str| actor.split('/').next().map(str::to_owned);
        self.actor != "anonymous"
            && self.peer == other.peer
            && who(&self.actor) == who(&other.actor)
    }
}

impl Attempts {
    /// Counts one.
    pub fn count(&self, attempt: Attempt, now: Timestamp, origin: Origin) {
        let mut counts = self.lock();
        let Counts { signed_in, guessed, refused, other_sign_ins, others, .. } = &mut *counts;
        let (told_apart, rest, own) = if attempt.is_signed_in() {
            (signed_in, other_sign_ins, MOST)
        } else if SIGN_INS.contains(&attempt.operation) {
            (guessed, others, MOST_OF_ONE)
        } else {
            (refused, others, MOST_OF_ONE)
        };
        if let Some(count) = told_apart.get_mut(&attempt) {
            count.times = count.times.saturating_add(1);
            count.last = now;
        } else if told_apart.len() >= MOST
            || told_apart.keys().filter(|other| attempt.is_of_the_same(other)).count() >= own
        {
            *rest = rest.saturating_add(1);
        } else {
            told_apart.insert(attempt, Count { times: 1, first: now, last: now, origin });
        }
    }

    /// What there is to write, which is forgotten here.
    #[must_use]
    pub fn take(&self, now: Timestamp) -> Vec<Entry> {
        let Counts { signed_in, guessed, refused, other_sign_ins, others, unwritten } =
            std::mem::take(&mut *self.lock());
        let mut entries = unwritten;
        let told_apart = signed_in.into_iter().chain(guessed).chain(refused);
        entries.extend(told_apart.map(|(attempt, count)| entry(attempt, count)));
        entries.sort_by_key(|entry| entry.at);
        for (action, times) in [(OTHER_SIGN_INS, other_sign_ins), (OTHERS, others)] {
            if times > 0 {
                let mut rest = Entry::own("audit", action, now, &json!({}));
                rest.count = times;
                entries.push(rest);
            }
        }
        entries
    }

    /// Keeps those that could not be written for the next time; those for which there is no room are counted
    /// with the others. A record whose write was not answered may so be written twice, and none is missing.
    pub fn put_back(&self, entries: Vec<Entry>) {
        let mut counts = self.lock();
        for entry in entries {
            if entry.action == OTHER_SIGN_INS {
                counts.other_sign_ins = counts.other_sign_ins.saturating_add(entry.count);
            } else if entry.action == OTHERS || counts.unwritten.len() >= MOST_UNWRITTEN {
                counts.others = counts.others.saturating_add(entry.count);
            } else {
                counts.unwritten.push(entry);
            }
        }
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

/// What it is called when sign-ins found no place, and when refusals did.
const OTHER_SIGN_INS: &str = "sign_in.others";
const OTHERS: &str = "refusal.others";

/// The operations by which people get tokens: recorded however they go.
pub const SIGN_INS: &[&str] = &["login", "issue_token", "begin_session"];

#[cfg(test)]
mod tests {
    use uuid::Uuid;

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
    }

    #[test]
    fn s94_refusals_hide_no_sign_in() {
        let attempts = Attempts::default();
        let now = Timestamp::from_seconds(1_700_000_000);
        for number in 0..1_000 {
            attempts.count(refused(number), now, Origin::default());
        }
        let operation = "login";
        let failed = Attempt { operation, outcome: "unauthenticated", ..refused(1_000) };
        attempts.count(failed.clone(), now, Origin::default());
        for number in 0..150 {
            let actor = format!("user:{number}");
            let signed_in = Attempt { actor, outcome: "ok", ..failed.clone() };
            attempts.count(signed_in, now, Origin::default());
        }
        let entries = attempts.take(now);
        let sign_ins = entries.iter().filter(|entry| entry.action == "sign_in");
        let (good, bad): (Vec<_>, Vec<_>) = sign_ins.partition(|entry| entry.outcome == "ok");
        assert_eq!((good.len(), bad.len()), (MOST, 1));
        let rest = entries.iter().filter(|entry| entry.action.ends_with(".others"));
        let rest: Vec<_> = rest.map(|entry| (entry.action.as_str(), entry.count)).collect();
        assert_eq!(rest, [("sign_in.others", 50), ("refusal.others", 900)]);
    }

    #[test]
    fn s94_one_user_takes_a_fifth_of_the_places_with_all_their_keys() {
        let attempts = Attempts::default();
        let now = Timestamp::from_seconds(1_700_000_000);
        for key in 0..50 {
            let actor = format!("user:1/key:{key}");
            attempts.count(Attempt { actor, ..refused(1) }, now, Origin::default());
        }
        attempts.count(refused(2), now, Origin::default());
        for subject in 0..30 {
            let (actor, subject) =
                ("anonymous".to_owned(), Some(UserId::new(Uuid::from_u128(subject))));
            attempts.count(Attempt { actor, subject, ..refused(3) }, now, Origin::default());
        }
        let entries = attempts.take(now);
        let of = |who: &str| entries.iter().filter(|entry| entry.actor.starts_with(who)).count();
        assert_eq!((of("user:1"), of("user:2"), of("anonymous")), (MOST_OF_ONE, 1, 30));
        assert_eq!(entries.last().unwrap().count, 30);
    }

    #[test]
    fn s94_what_could_not_be_written_waits_within_bounds() {
        let attempts = Attempts::default();
        let now = Timestamp::from_seconds(1_700_000_000);
        for round in 0..12 {
            for number in 0..MOST + 5 {
                attempts.count(refused(1_000 * round + number), now, Origin::default());
            }
            let entries = attempts.take(now);
            attempts.put_back(entries);
        }
        let entries = attempts.take(now);
        assert_eq!(entries.len(), MOST_UNWRITTEN + 1);
        assert_eq!(entries[0].action, "refusal");
        let others = entries.last().unwrap();
        assert_eq!((others.action.as_str(), others.count), ("refusal.others", 260));
        assert_eq!(attempts.take(now), []);
    }
}
