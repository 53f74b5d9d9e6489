//! What is remembered, and the one place that decides what is a hit.

use std::fmt;
use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use auth_domain::Timestamp;
use auth_domain::fact::{Record, Touched};
use auth_domain::model::{
    GroupId, GroupRole, GroupStanding, KeyId, OrgId, SessionId, SigningKeyId, Standing, UserId,
};
use auth_domain::policy;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use crate::lease::{Lease, Micros};
use crate::stripes::{STRIPES, Stripes};

/// What can be asked. Each kind names all that its answer depends on, in [`Question::depends_on`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// Whether the user has this API key, and what is stored of it.
    Key(UserId, KeyId),
    /// Up to when the user's sessions are ended; for good, while their account is disabled.
    CutOff(UserId),
    /// Whether the user has this session, and their address.
    Session(UserId, SessionId),
    /// Whether a signing key was withdrawn.
    SigningKey(SigningKeyId),
    /// Where the user stands, on the platform and towards the org; the nil id is no org.
    Standing(UserId, OrgId),
    /// Who owns the org.
    Owner(OrgId),
    /// The greatest role of the user in the group.
    GroupRole(UserId, GroupId),
}

impl Question {
    /// Whatever changes the answer raises the stripe of one of these.
    const fn depends_on(self) -> [Touched; 3] {
        match self {
            Self::Key(user, key) => [Touched::Key(key), Touched::CutOff(user), Touched::Nothing],
            Self::CutOff(user) => [Touched::CutOff(user), Touched::Nothing, Touched::Nothing],
            Self::Session(user, session) => {
                [Touched::Session(session), Touched::CutOff(user), Touched::Nothing]
            }
            Self::SigningKey(key) => [Touched::SigningKey(key), Touched::Nothing, Touched::Nothing],
            Self::Standing(user, org) => {
                [Touched::PlatformRole(user), Touched::Org(org), Touched::Member(user, org)]
            }
            Self::Owner(org) => [Touched::Org(org), Touched::Nothing, Touched::Nothing],
            // And on all groups above, and the org: see `Answer::GroupRole`.
            Self::GroupRole(user, group) => {
                [Touched::Group(group), Touched::GroupRoles(user), Touched::PlatformRole(user)]
            }
        }
    }
}

/// What is remembered. Negative answers are answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There is no such key, session, org or cut-off.
    Absent,
    /// What is stored of a key, beside what was asked.
    Key {
        /// The owner's address when it was made.
        subject: Arc<str>,
        /// When it was made.
        issued_at: Timestamp,
        /// When it ends, if it does: looked at when it is used, so that nothing here expires.
        expires_at: Option<Timestamp>,
    },
    /// The session is there; the address of its user.
    Session(Arc<str>),
    /// The last whole second whose tokens are dead.
    CutOff(i64),
    /// Whether it was withdrawn.
    Withdrawn(bool),
    /// Where somebody stands.
    Standing(Standing),
    /// Who owns it.
    Owner(UserId),
    /// The greatest role in a group.
    GroupRole {
        /// None is no role, or no such group.
        role: Option<GroupRole>,
        /// What it depends on beside what the question names: the stripes of the groups above, of the org and
        /// of the user's place there.
        above: Arc<[u32]>,
    },
}

impl Answer {
    /// What it depends on beside what the question names.
    fn depends_on(&self) -> &[u32] {
        match self {
            Self::GroupRole { above, .. } => above,
            Self::Absent
            | Self::Key { .. }
            | Self::Session(_)
            | Self::CutOff(_)
            | Self::Withdrawn(_)
            | Self::Standing(_)
            | Self::Owner(_) => &[],
        }
    }
}

/// An answer, and what was known before the store was asked for it.
#[derive(Clone, Debug)]
struct Entry {
    ticket: Ticket,
    answer: Answer,
}

/// How much is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// About how many bytes entries take, their strings included.
    pub bytes: u64,
    /// On how many stripes changes fall.
    pub stripes: usize,
}

impl Limits {
    /// This many bytes of entries, and the stripes that go well with any number of them.
    #[must_use]
    pub const fn bytes(bytes: u64) -> Self {
        Self { bytes, stripes: STRIPES }
    }
}

/// Counts what an entry takes, so that the cap is one of memory and not of entries.
#[derive(Clone, Copy, Debug)]
struct Weigh;

/// What an entry takes beside its string, measured (`docs/performance.md`).
const ENTRY_BYTES: u64 = 120;

impl Weighter<Question, Entry> for Weigh {
    fn weight(&self, _question: &Question, entry: &Entry) -> u64 {
        let more = match &entry.answer {
            Answer::Key { subject: text, .. } | Answer::Session(text) => text.len(),
            Answer::GroupRole { above, .. } => size_of_val(above.as_ref()),
            Answer::Absent
            | Answer::CutOff(_)
            | Answer::Withdrawn(_)
            | Answer::Standing(_)
            | Answer::Owner(_) => 0,
        };
        ENTRY_BYTES.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
    }
}

/// What came of looking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recalled {
    /// This is what the store says.
    Current(Answer),
    /// This is what it said when the lease ran out, which the operator wants to be used.
    Graced(Answer),
    /// Nothing current is remembered, and what is read now may be.
    Miss,
    /// Nothing here can be trusted now.
    Untrusted,
}

/// What this replica remembers.
pub struct Memory {
    entries: Cache<Question, Entry, Weigh, RandomState, DefaultLifecycle<Question, Entry>>,
    stripes: Stripes,
    applied: AtomicI64,
    /// How often everything was forgotten.
    age: AtomicU32,
    /// Until when it may be used.
    pub lease: Lease,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// Taken before the store is asked, and handed in with what it said.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    applied: i64,
    age: u32,
}

impl Memory {
    /// An empty memory that trusts nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        // The estimate only decides how many locks there are.
        let items = usize::try_from(limits.bytes / ENTRY_BYTES).unwrap_or(usize::MAX).max(64);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(items)
            .weight_capacity(limits.bytes.max(ENTRY_BYTES))
            .build();
        let entries = match options {
            Ok(options) => {
                Cache::with_options(options, Weigh, RandomState::new(), DefaultLifecycle::default())
            }
            // Both numbers are given, which is all it asks for.
            Err(_) => Cache::with(
                items,
                limits.bytes,
                Weigh,
                RandomState::new(),
                DefaultLifecycle::default(),
            ),
        };
        Self {
            entries,
            stripes: Stripes::new(limits.stripes),
            applied: AtomicI64::new(0),
            age: AtomicU32::new(0),
            lease: Lease::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// The revision up to which every record is applied.
    pub fn applied(&self) -> i64 {
        self.applied.load(Ordering::SeqCst)
    }

    /// Looks. The order is what makes it right: first whether the memory is trusted, then what it holds.
    /// A memory that is trusted now has applied every write acknowledged before now; so the stripes that are
    /// looked at afterwards hold all of those.
    pub fn recall(&self, question: &Question, now: Micros) -> Recalled {
        let valid = self.lease.is_valid(now);
        if !valid && !self.lease.is_in_grace(now) {
            return Recalled::Untrusted;
        }
        let current = self.entries.get(question).filter(|entry| {
            let (things, more) = (question.depends_on(), entry.answer.depends_on());
            entry.ticket.age == self.age.load(Ordering::SeqCst)
                && self.stripes.unchanged_since(entry.ticket.applied, &things, more)
        });
        match (current, valid) {
            (Some(entry), true) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                Recalled::Current(entry.answer)
            }
            (Some(entry), false) => Recalled::Graced(entry.answer),
            (None, true) => {
                self.misses.fetch_add(1, Ordering::Relaxed);
                Recalled::Miss
            }
            (None, false) => Recalled::Untrusted,
        }
    }

    /// To be taken before the store is asked.
    pub fn ticket(&self) -> Ticket {
        // In this order: a ticket of this age has a revision of this age, or a later one.
        let age = self.age.load(Ordering::SeqCst);
        Ticket { applied: self.applied(), age }
    }

    /// The answer that follows from where a user stands towards a group, with all that it depends on: the groups
    /// above, and the org they belong to and the user's place in it.
    pub fn group_role(&self, user: UserId, standing: Option<&GroupStanding>) -> Answer {
        let role = standing.and_then(|place| policy::group_role(user, place));
        let above = self.stripes.of(standing.into_iter().flat_map(|place| {
            let groups = place.trail.iter().map(|step| Touched::Group(step.group));
            let org = place.org.into_iter();
            groups.chain(org.flat_map(move |org| [Touched::Org(org), Touched::Member(user, org)]))
        }));
        Answer::GroupRole { role, above }
    }

    /// Remembers what the store said after the ticket was taken. Nothing is compared here: if something has
    /// changed since, the stripe is above the stamp by then or will be, and the entry is never a hit.
    pub fn remember(&self, question: Question, ticket: Ticket, answer: Answer) {
        let ticket = if switched_off(Switch::Stamp) { self.ticket() } else { ticket };
        self.entries.insert(question, Entry { ticket, answer });
    }

    /// Applies records that follow one another and come after what is applied, oldest first. `complete` says
    /// that there are no more of the last one's revision. Gives the revision that is applied now.
    ///
    /// A revision that is missing, or the first record of one, has been trimmed from the log, so everything
    /// before is forgotten.
    pub fn apply(&self, records: &[Record], complete: bool) -> i64 {
        let mut reached = self.applied();
        for record in records {
            let first = record.revision > reached;
            if record.revision > reached.saturating_add(1) || (first && record.ordinal > 0) {
                self.stripes.raise(&Touched::Everything, record.revision);
            }
            let touched = Touched::by(&record.kind, record.subject.as_deref(), &record.object);
            self.stripes.raise(&touched, record.revision);
            reached = reached.max(record.revision);
        }
        if !complete {
            reached = reached.saturating_sub(1);
        }
        // Last: whoever sees it sees the stripes.
        self.applied.fetch_max(reached, Ordering::SeqCst).max(reached)
    }

    /// Forgets everything up to this revision instead of reading about it.
    pub fn skip_to(&self, revision: i64) {
        self.stripes.raise(&Touched::Everything, revision);
        self.applied.fetch_max(revision, Ordering::SeqCst);
    }

    /// Forgets everything that was read up to now, whatever is said to have been known then, and goes on from
    /// this revision, which is not below what is applied. For whoever was out of touch: the store may have lost
    /// commits meanwhile and taken others, and a revision does not say of which history it is.
    pub fn forget(&self, revision: i64) {
        self.skip_to(revision);
        self.age.fetch_add(1, Ordering::SeqCst);
        self.entries.clear();
    }

    /// How many entries it holds.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// What they weigh, in bytes.
    pub fn bytes(&self) -> u64 {
        self.entries.weight()
    }

    /// How often it had what was asked, and how often it had not, while it was trusted.
    pub fn counts(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries, lease, .. } = self;
        let applied = self.applied();
        f.debug_struct("Memory")
            .field("entries", &entries.len())
            .field("applied", &applied)
            .field("lease", lease)
            .finish_non_exhaustive()
    }
}

/// A part of the protocol that tests leave out, to see that they notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Waiting for the other replicas before a write is acknowledged.
    Wait,
    /// Stamping what is read with what was applied before.
    Stamp,
}

/// Whether a test has left that part out. There is no such thing in a release build.
#[must_use]
pub fn switched_off(switch: Switch) -> bool {
    #[cfg(debug_assertions)]
    #[expect(clippy::disallowed_methods, reason = "no setting: for tests, and in no release build")]
    {
        use std::sync::OnceLock;
        static OFF: OnceLock<Option<Switch>> = OnceLock::new();
        let off = OFF.get_or_init(|| match std::env::var("KEYWARD_TEST_WITHOUT").as_deref() {
            Ok("wait") => Some(Switch::Wait),
            Ok("stamp") => Some(Switch::Stamp),
            _ => None,
        });
        *off == Some(switch)
    }
    #[cfg(not(debug_assertions))]
    {
        let _ = switch;
        false
    }
}
