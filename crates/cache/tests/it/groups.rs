//! What is remembered of groups, against a plain tree: random moves, grants and removals, with the facts that the
//! commit really writes, a log that is read late and answers that arrive late. An answer from memory has to be what
//! was true at the revision that is applied, or later.

use std::collections::{BTreeMap, BTreeSet};

use auth_cache::memory::Ticket;
use auth_cache::{Answer, Limits, Memory, Question, Recalled};
use auth_domain::change::Change;
use auth_domain::fact::{Fact, Record};
use auth_domain::model::{
    Group, GroupGrant, GroupId, GroupRole, GroupStanding, Membership, Metadata, Org, OrgId,
    OrgRole, PlatformRole, Step,
};
use auth_domain::{Id, Timestamp, policy};
use uuid::Uuid;

use crate::simulation::Dice;

const GROUPS: u64 = 8;
const USERS: u64 = 3;
const STEPS: u32 = 300;
const AT: Timestamp = Timestamp::from_seconds(0);

fn id<T>(number: u64) -> Id<T> {
    Id::new(Uuid::from_u128(u128::from(number) + 1))
}

fn group(number: u64) -> GroupId {
    GroupId::new(Uuid::from_u128(u128::from(number) + 1))
}

fn org() -> OrgId {
    id(9)
}

/// All that decides, kept as plainly as possible. Odd trees belong to the org, even ones to the first user; a group
/// stays in trees of its kind.
#[derive(Clone, Default)]
struct Truth {
    org: Option<u64>,
    members: BTreeMap<u64, OrgRole>,
    platform: BTreeSet<u64>,
    parents: BTreeMap<u64, Option<u64>>,
    roles: BTreeMap<(u64, u64), GroupRole>,
}

impl Truth {
    fn is_below(&self, group: u64, above: u64) -> bool {
        group == above
            || self
                .parents
                .get(&group)
                .copied()
                .flatten()
                .is_some_and(|up| self.is_below(up, above))
    }

    fn standing(&self, user: u64, asked: u64) -> Option<GroupStanding> {
        self.parents.get(&asked)?;
        let mut trail = Vec::new();
        let mut next = Some(asked);
        while let Some(step) = next {
            trail.insert(
                0,
                Step { group: group(step), role: self.roles.get(&(user, step)).copied() },
            );
            next = self.parents[&step];
        }
        let of_org = asked % 2 == 1;
        Some(GroupStanding {
            group: group(asked),
            owner: id(0),
            org: of_org.then(org),
            org_exists: of_org && self.org.is_some(),
            org_role: self.members.get(&user).copied().filter(|_| of_org),
            platform: self.platform.contains(&user).then_some(PlatformRole::Admin),
            trail,
        })
    }

    fn role(&self, user: u64, asked: u64) -> Option<GroupRole> {
        self.standing(user, asked).and_then(|standing| policy::group_role(id(user), &standing))
    }

    fn drop_groups(&mut self, gone: impl Fn(&Self, u64) -> bool) {
        let before = self.clone();
        self.parents.retain(|one, _| !gone(&before, *one));
        self.roles.retain(|(_, one), _| !gone(&before, *one));
    }

    /// One change that is possible, if the dice found one.
    fn change(&mut self, dice: &mut Dice) -> Option<Change> {
        let (user, one, other) = (dice.roll(USERS), dice.roll(GROUPS), dice.roll(GROUPS));
        let below = (one % 2 == other % 2 && one != other).then_some(other);
        let parent = below.filter(|up| self.parents.contains_key(up) && !self.is_below(*up, one));
        let exists = self.parents.contains_key(&one);
        let of_org = one % 2 == 1;
        let role = GroupRole::ALL[dice.roll(3) as usize];
        let org_role = [OrgRole::Viewer, OrgRole::Editor, OrgRole::Admin][dice.roll(3) as usize];
        let membership = self.members.get(&user).copied();
        match dice.roll(12) {
            0 | 1 if !exists && (!of_org || self.org.is_some()) => {
                self.parents.insert(one, parent);
                Some(Change::InsertGroup(Group {
                    id: group(one),
                    owner: id(0),
                    org: of_org.then(org),
                    parent: parent.map(group),
                    name: "group".parse().unwrap(),
                    description: "".parse().unwrap(),
                    metadata: Metadata::default(),
                    created_at: AT,
                    updated_at: AT,
                }))
            }
            2 | 3 if exists => {
                self.parents.insert(one, parent);
                Some(Change::MoveGroup { id: group(one), parent: parent.map(group), at: AT })
            }
            4 if exists => {
                self.drop_groups(|before, any| before.is_below(any, one));
                Some(Change::RemoveGroup { id: group(one), subtree: true })
            }
            5 | 6 if exists && (!of_org || membership.is_some()) => {
                self.roles.insert((user, one), role);
                let (group, user) = (group(one), id(user));
                let grant = GroupGrant { group, user, role, created_at: AT, updated_at: AT };
                Some(Change::PutGroupRole(grant))
            }
            7 if self.roles.remove(&(user, one)).is_some() => {
                Some(Change::RemoveGroupRole { group: group(one), user: id(user) })
            }
            8 if self.org.is_some() && membership.is_none() => {
                self.members.insert(user, org_role);
                let (org, member, role) = (org(), id(user), org_role);
                let joined = Membership { org, member, role, created_at: AT, updated_at: AT };
                Some(Change::InsertMembership(joined))
            }
            9 if membership.is_some_and(|role| role != OrgRole::Owner) => {
                if dice.roll(2) == 0 {
                    self.members.insert(user, org_role);
                    let (org, member) = (org(), id(user));
                    return Some(Change::UpdateMembership { org, member, role: org_role, at: AT });
                }
                self.members.remove(&user);
                self.roles.retain(|(who, one), _| *who != user || one % 2 == 0);
                Some(Change::RemoveMembership { org: org(), member: id(user) })
            }
            10 => match (self.org, membership) {
                (None, _) => {
                    // Founding one adds its owner as a member, with a record of its own; here it is one change.
                    (self.org, self.members) =
                        (Some(user), BTreeMap::from([(user, OrgRole::Owner)]));
                    Some(Change::InsertOrg(Org {
                        id: org(),
                        owner: id(user),
                        name: "org".parse().unwrap(),
                        description: "".parse().unwrap(),
                        metadata: Metadata::default(),
                        created_at: AT,
                        updated_at: AT,
                    }))
                }
                (Some(owner), Some(_)) if owner != user => {
                    self.org = Some(user);
                    self.members.insert(owner, OrgRole::Admin);
                    self.members.insert(user, OrgRole::Owner);
                    let (from, to) = (id(owner), id(user));
                    Some(Change::TransferOrg { org: org(), from, to, at: AT })
                }
                (Some(_), _) if dice.roll(3) == 0 => {
                    (self.org, self.members) = (None, BTreeMap::new());
                    self.drop_groups(|_, any| any % 2 == 1);
                    Some(Change::RemoveOrg(org()))
                }
                _ => None,
            },
            11 if self.platform.remove(&user) => {
                Some(Change::RemovePlatformRole { user: id(user) })
            }
            11 if dice.roll(3) == 0 => {
                self.platform.insert(user);
                Some(Change::PutPlatformRole { user: id(user), role: PlatformRole::Admin })
            }
            _ => None,
        }
    }
}

fn records(revision: i64, change: &Change) -> Vec<Record> {
    let record = |(ordinal, fact): (usize, Fact)| Record {
        revision,
        ordinal: i32::try_from(ordinal).unwrap(),
        kind: fact.kind.to_owned(),
        subject: fact.subject,
        object: fact.object,
        actor: "test".into(),
        payload: fact.payload,
        occurred_at: AT,
    };
    Fact::of(change).into_iter().enumerate().map(record).collect()
}

/// Runs one history. `left_out` is a kind of record that never arrives. Gives how many answers were checked.
fn run(seed: u64, left_out: Option<&str>) -> Result<u64, String> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let memory = Memory::new(Limits { bytes: 1 << 16, stripes: 4_096 });
    memory.lease.extend(u64::MAX, 0);
    let mut history = vec![Truth::default()];
    let mut log: Vec<Record> = Vec::new();
    let mut on_the_way: Vec<(Question, Ticket, Answer)> = Vec::new();
    let mut answers = 0;
    for step in 0..STEPS {
        match dice.roll(6) {
            0 | 1 => {
                let mut next = history.last().unwrap().clone();
                if let Some(change) = next.change(&mut dice) {
                    let revision = i64::try_from(history.len()).unwrap();
                    log.extend(records(revision, &change));
                    history.push(next);
                }
            }
            2 => {
                let applied = memory.applied();
                let mut fresh: Vec<Record> =
                    log.iter().filter(|record| record.revision > applied).cloned().collect();
                for record in &mut fresh {
                    if Some(record.kind.as_str()) == left_out {
                        record.kind = "org.update".into();
                    }
                }
                memory.apply(&fresh, true);
            }
            3 | 4 => {
                let (user, asked) = (dice.roll(USERS), dice.roll(GROUPS));
                let ticket = memory.ticket();
                let standing = history.last().unwrap().standing(user, asked);
                let answer = memory.group_role(id(user), standing.as_ref());
                on_the_way.push((Question::GroupRole(id(user), group(asked)), ticket, answer));
            }
            _ => {
                if !on_the_way.is_empty() {
                    let which = dice.roll(on_the_way.len() as u64) as usize;
                    let (question, ticket, answer) = on_the_way.swap_remove(which);
                    memory.remember(question, ticket, answer);
                }
            }
        }
        let since = usize::try_from(memory.applied()).unwrap();
        for (user, asked) in (0..USERS).flat_map(|user| (0..GROUPS).map(move |one| (user, one))) {
            let question = Question::GroupRole(id(user), group(asked));
            let Recalled::Current(Answer::GroupRole { role, .. }) = memory.recall(&question, 1)
            else {
                continue;
            };
            answers += 1;
            if history[since..].iter().all(|truth| truth.role(user, asked) != role) {
                return Err(format!(
                    "seed {seed}, step {step}: {role:?} for user {user} in group {asked}, which was not so \
                     since revision {since}"
                ));
            }
        }
    }
    Ok(answers)
}

/// `KEYWARD_SIMULATION_SEEDS` runs a tenth as many.
#[test]
#[expect(clippy::disallowed_methods, reason = "how long the test takes is for whoever runs it")]
fn no_role_in_a_group_is_remembered_beyond_what_it_follows_from() {
    let seeds = std::env::var("KEYWARD_SIMULATION_SEEDS").ok();
    let seeds = seeds.map_or(500, |text| text.parse::<u64>().unwrap() / 10);
    let answers: u64 = (1..=seeds).map(|seed| run(seed, None).unwrap()).sum();
    assert!(answers > seeds * 100, "hardly anything is remembered: {answers} in {seeds} histories");
}

/// Each kind of record is needed: without it, old answers are found. Not so founding an org: it has no groups yet.
#[test]
fn whatever_kind_of_record_is_left_out_is_noticed() {
    for kind in [
        "group.create",
        "group.move",
        "group.remove",
        "group_role.assign",
        "group_role.remove",
        "membership.create",
        "membership.update",
        "membership.remove",
        "org.remove",
        "org.transfer",
        "platform_role.assign",
        "platform_role.remove",
    ] {
        let found = (1..=2_000).any(|seed| run(seed, Some(kind)).is_err());
        assert!(found, "nobody notices that {kind} is left out");
    }
}
