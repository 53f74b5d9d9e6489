//! The protocol in simulation: replicas with the real memory, lease and verdict; a store, wake-ups that get
//! lost, statements that take their time, replicas that stop and go on, one clock for each. Every step is drawn
//! from a seed, and after every step every answer any replica would give is checked.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use auth_cache::confirm::{Waited, verdict};
use auth_cache::lease::{Earned, margin};
use auth_cache::memory::Ticket;
use auth_cache::{Answer, Limits, Memory, Question, Recalled, Renewals};
use auth_domain::fact::Record;
use auth_domain::ports::Laggard;
use auth_domain::{Id, Timestamp};
use uuid::Uuid;

const LEASE: u64 = 1_000;
const SUBJECTS: u64 = 3;
const STEPS: u32 = 400;

/// What is left out of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Without {
    Nothing,
    Wait,
    Stamp,
    Lease,
}

/// Numbers from a seed (xorshift).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

/// What a key's fact is: it changes with each write.
fn question(subject: u64) -> Question {
    Question::CutOff(Id::new(Uuid::from_u128(u128::from(subject) + 1)))
}

#[derive(Clone, Copy)]
struct Row {
    applied: i64,
    renewals: i64,
}

#[derive(Default)]
struct Store {
    /// What is true of each subject: the revision that changed it last.
    facts: BTreeMap<u64, i64>,
    log: Vec<(i64, u64)>,
    revision: i64,
    registry: BTreeMap<usize, Row>,
}

/// A statement on its way: it takes its snapshot at one step, commits at another and is answered at a third.
enum Statement {
    Renew { sent: u64, applied: i64, seen: Option<i64>, committed: bool, found: bool },
    Register { sent: u64, seen: Option<i64>, committed: bool },
    Log { after: i64, seen: Option<Vec<(i64, u64)>>, earned: Option<Earned> },
    Fill { subject: u64, ticket: Ticket, seen: Option<i64> },
}

struct Writer {
    revision: i64,
    subject: u64,
    began: u64,
    first: Option<(u64, Vec<(usize, i64)>)>,
}

struct Replica {
    memory: Memory,
    renewals: Renewals,
    registered: bool,
    /// Its clock is this far from the others': only differences may matter.
    skew: u64,
    paused: bool,
    statements: VecDeque<Statement>,
    renewing: bool,
    writers: Vec<Writer>,
}

struct World {
    dice: Dice,
    without: Without,
    now: u64,
    store: Store,
    replicas: Vec<Replica>,
    /// The newest acknowledged write of each subject.
    acknowledged: BTreeMap<u64, i64>,
    evictions: Vec<(u64, Vec<(usize, i64)>)>,
    answers: u64,
}

fn record(revision: i64, subject: u64) -> Record {
    let id = Uuid::from_u128(u128::from(subject) + 1).to_string();
    Record {
        revision,
        ordinal: 0,
        kind: "session.cutoff".into(),
        subject: Some(id.clone()),
        object: id,
        actor: "test".into(),
        payload: serde_json::Value::Null,
        occurred_at: Timestamp::from_seconds(0),
    }
}

impl World {
    fn new(seed: u64, without: Without) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let count = 2 + dice.roll(3);
        let replicas = (0..count)
            .map(|_| Replica {
                memory: Memory::new(Limits { bytes: 1 << 14, stripes: 64 }),
                renewals: Renewals::new(
                    LEASE,
                    u64::try_from(margin(Duration::from_micros(LEASE)).as_micros()).unwrap(),
                ),
                registered: false,
                skew: dice.roll(1 << 40),
                paused: false,
                statements: VecDeque::new(),
                renewing: false,
                writers: Vec::new(),
            })
            .collect();
        Self {
            dice,
            without,
            now: 1,
            store: Store::default(),
            replicas,
            acknowledged: BTreeMap::new(),
            evictions: Vec::new(),
            answers: 0,
        }
    }

    /// Nobody is answered from before what was acknowledged.
    fn check(&mut self) -> Result<(), String> {
        for (place, replica) in self.replicas.iter().enumerate() {
            let now = self.now + replica.skew;
            if self.without == Without::Lease {
                replica.memory.lease.extend(u64::MAX, 0);
            }
            for subject in 0..SUBJECTS {
                if let Recalled::Current(answer) = replica.memory.recall(&question(subject), now) {
                    self.answers += 1;
                    let Answer::CutOff(told) = answer else { panic!("{answer:?}") };
                    let known = self.acknowledged.get(&subject).copied().unwrap_or(0);
                    if told < known {
                        return Err(format!(
                            "replica {place} says {told} of {subject}, and {known} was acknowledged"
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn step(&mut self) {
        // Mostly little time passes, and now and then more than a lease.
        self.now += match self.dice.roll(200) {
            0 => self.dice.roll(LEASE * 3 / 2),
            1..=10 => self.dice.roll(LEASE / 8),
            _ => self.dice.roll(4),
        };
        let place = self.dice.roll(self.replicas.len() as u64) as usize;
        let odds = if self.replicas[place].paused { 20 } else { 100 };
        if self.dice.roll(odds) == 0 {
            self.replicas[place].paused ^= true;
        }
        self.evict();
        if self.replicas[place].paused {
            // What it has sent already goes on without it, up to its answer.
            self.advance_in_store(place);
            return;
        }
        match self.dice.roll(20) {
            0 => self.write(place),
            1 | 2 => self.begin_fill(place),
            3 | 4 => self.begin_renewal(place),
            // A wake-up; the others are lost.
            5 => self.read_log(place, None),
            6 | 7 => self.poll_writers(place),
            _ => self.advance(place),
        }
    }

    fn evict(&mut self) {
        let now = self.now;
        let due: Vec<_> = self.evictions.extract_if(.., |(at, _)| *at <= now).collect();
        for (place, renewals) in due.into_iter().flat_map(|(_, rows)| rows) {
            if self.store.registry.get(&place).is_some_and(|row| row.renewals == renewals) {
                self.store.registry.remove(&place);
            }
        }
    }

    fn write(&mut self, place: usize) {
        let subject = self.dice.roll(SUBJECTS);
        self.store.revision += 1;
        let revision = self.store.revision;
        self.store.facts.insert(subject, revision);
        self.store.log.push((revision, subject));
        let began = self.now;
        self.replicas[place].writers.push(Writer { revision, subject, began, first: None });
        self.read_log(place, None);
    }

    fn poll_writers(&mut self, place: usize) {
        let mut writers = std::mem::take(&mut self.replicas[place].writers);
        writers.retain_mut(|writer| !self.poll(place, writer));
        self.replicas[place].writers.append(&mut writers);
    }

    /// Whether the write is acknowledged.
    fn poll(&mut self, place: usize, writer: &mut Writer) -> bool {
        let answered = self.dice.roll(8) > 0;
        let lease = Duration::from_micros(LEASE);
        let behind: Vec<(usize, i64)> = self
            .store
            .registry
            .iter()
            .filter(|(other, row)| **other != place && row.applied < writer.revision)
            .map(|(other, row)| (*other, row.renewals))
            .collect();
        let mut laggards: Vec<Laggard> = behind
            .iter()
            .map(|(_, renewals)| Laggard { replica: Uuid::nil(), renewals: *renewals, lease })
            .collect();
        if answered {
            writer.first.get_or_insert((self.now, behind));
        }
        if self.replicas[place].memory.applied() < writer.revision {
            laggards.push(Laggard { replica: Uuid::nil(), renewals: 0, lease });
        }
        let waited = Waited {
            laggards: answered.then_some(&laggards),
            for_: Duration::from_micros(self.now - writer.began),
            lease,
            grace: false,
        };
        let done = self.without == Without::Wait || verdict(&waited).is_some();
        if done {
            let newest = self.acknowledged.entry(writer.subject).or_default();
            *newest = (*newest).max(writer.revision);
            if let Some((_, rows)) = writer.first.take().filter(|_| !laggards.is_empty()) {
                self.evictions.push((self.now + LEASE, rows));
            }
        }
        done
    }

    fn begin_fill(&mut self, place: usize) {
        let subject = self.dice.roll(SUBJECTS);
        let replica = &mut self.replicas[place];
        let ticket = replica.memory.ticket();
        replica.statements.push_back(Statement::Fill { subject, ticket, seen: None });
    }

    fn begin_renewal(&mut self, place: usize) {
        let now = self.now;
        let replica = &mut self.replicas[place];
        if std::mem::replace(&mut replica.renewing, true) {
            return;
        }
        let sent = now + replica.skew;
        let applied = replica.memory.applied();
        replica.statements.push_back(if replica.registered {
            Statement::Renew { sent, applied, seen: None, committed: false, found: false }
        } else {
            Statement::Register { sent, seen: None, committed: false }
        });
    }

    fn read_log(&mut self, place: usize, earned: Option<Earned>) {
        let replica = &mut self.replicas[place];
        let after = replica.memory.applied();
        replica.statements.push_back(Statement::Log { after, seen: None, earned });
    }

    /// Moves a statement on by one stage, unless what is left is to hear its answer.
    fn advance_in_store(&mut self, place: usize) {
        let count = self.replicas[place].statements.len() as u64;
        if count == 0 {
            return;
        }
        let which = self.dice.roll(count) as usize;
        let mut statement = self.replicas[place].statements.remove(which).unwrap();
        self.execute(place, &mut statement);
        self.replicas[place].statements.insert(which, statement);
    }

    /// The next stage in the store. Whether there was one.
    fn execute(&mut self, place: usize, statement: &mut Statement) -> bool {
        let store = &mut self.store;
        match statement {
            Statement::Fill { subject, seen, .. } if seen.is_none() => {
                *seen = Some(store.facts.get(subject).copied().unwrap_or(0));
            }
            Statement::Log { after, seen, .. } if seen.is_none() => {
                let after = *after;
                let records = store.log.iter().filter(|(revision, _)| *revision > after);
                *seen = Some(records.copied().collect());
            }
            Statement::Renew { seen, .. } | Statement::Register { seen, .. } if seen.is_none() => {
                *seen = Some(store.revision);
            }
            Statement::Renew { applied, committed, found, .. } if !*committed => {
                *committed = true;
                if let Some(row) = store.registry.get_mut(&place) {
                    *found = true;
                    row.applied = row.applied.max(*applied);
                    row.renewals += 1;
                }
            }
            Statement::Register { seen: Some(revision), committed, .. } if !*committed => {
                *committed = true;
                let renewals = store.registry.get(&place).map_or(0, |row| row.renewals + 1);
                store.registry.insert(place, Row { applied: *revision, renewals });
            }
            _ => return false,
        }
        true
    }

    /// Moves one of the statements on by one stage, and hears its answer at last.
    fn advance(&mut self, place: usize) {
        let count = self.replicas[place].statements.len() as u64;
        if count == 0 {
            return;
        }
        let which = self.dice.roll(count) as usize;
        let mut statement = self.replicas[place].statements.remove(which).unwrap();
        if self.execute(place, &mut statement) {
            self.replicas[place].statements.insert(which, statement);
            return;
        }
        self.hear(place, statement);
    }

    fn hear(&mut self, place: usize, statement: Statement) {
        let without = self.without;
        let lost = self.dice.roll(10) == 0;
        let replica = &mut self.replicas[place];
        match statement {
            Statement::Register { .. } | Statement::Renew { .. } if lost => {
                replica.renewing = false;
            }
            Statement::Register { sent, seen, .. } => {
                replica.renewing = false;
                replica.registered = true;
                replica.renewals.registered(sent);
                if replica.memory.applied() == 0 {
                    replica.memory.skip_to(seen.unwrap());
                }
            }
            Statement::Renew { found: false, .. } => {
                replica.renewing = false;
                replica.registered = false;
                replica.renewals.evicted();
                replica.memory.lease.end();
            }
            Statement::Renew { sent, seen, .. } => {
                replica.renewing = false;
                let earned = replica.renewals.answered(sent, seen.unwrap());
                self.earn(place, earned);
            }
            Statement::Log { seen, earned, .. } => {
                let fresh: Vec<_> = seen
                    .unwrap()
                    .into_iter()
                    .filter(|(revision, _)| *revision > replica.memory.applied())
                    .map(|(revision, subject)| record(revision, subject))
                    .collect();
                replica.memory.apply(&fresh, true);
                if let Some(earned) = earned {
                    self.earn(place, Some(earned));
                }
            }
            Statement::Fill { subject, ticket, seen } => {
                let ticket =
                    if without == Without::Stamp { replica.memory.ticket() } else { ticket };
                replica.memory.remember(question(subject), ticket, Answer::CutOff(seen.unwrap()));
            }
        }
    }

    fn earn(&mut self, place: usize, earned: Option<Earned>) {
        let Some(earned) = earned else { return };
        if self.replicas[place].memory.applied() >= earned.revision {
            self.replicas[place].memory.lease.extend(earned.until, 0);
        } else {
            self.read_log(place, Some(earned));
        }
    }
}

/// Runs one schedule; gives how many answers from memory were checked.
fn run(seed: u64, without: Without) -> Result<u64, String> {
    let mut world = World::new(seed, without);
    for step in 0..STEPS {
        world.step();
        world.check().map_err(|problem| format!("seed {seed}, step {step}: {problem}"))?;
    }
    Ok(world.answers)
}

/// `KEYWARD_SIMULATION_SEEDS=200000` runs more of them, `KEYWARD_SIMULATION_SEED=7` one again.
#[test]
#[expect(clippy::disallowed_methods, reason = "how long the test takes is for whoever runs it")]
fn no_schedule_makes_a_replica_answer_from_before_an_acknowledged_write() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds = match number("KEYWARD_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..number("KEYWARD_SIMULATION_SEEDS").unwrap_or(2_000) + 1,
    };
    let count = seeds.end - seeds.start;
    let mut answers = 0;
    for seed in seeds {
        answers += run(seed, Without::Nothing).unwrap();
    }
    assert!(answers > count * 10, "memory is hardly ever used: {answers} answers in {count} runs");
}

#[test]
fn whatever_is_left_out_is_noticed() {
    for without in [Without::Wait, Without::Stamp, Without::Lease] {
        let found = (1..=5_000).find(|seed| run(*seed, without).is_err());
        assert!(found.is_some(), "nobody notices that {without:?} is left out");
    }
}
