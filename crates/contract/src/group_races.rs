//! What must hold of trees when several writers meet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use auth_domain::change::{Change, Commit, Guard};
use auth_domain::model::{GroupId, GroupRole, MAX_DEPTH, OrgRole};
use auth_domain::policy;
use tokio::task::JoinSet;

use crate::AnyStore;
use crate::memberships::acme;
use crate::races::at_once;
use crate::sample::{
    commit, given, grant, group, group_id, guarded, membership, moment, org_id, outcome, own_group,
    user,
};
use crate::trees::{all, look};

fn moved(id: u32, parent: Option<u32>) -> Change {
    Change::MoveGroup { id: group_id(id), parent: parent.map(group_id), at: moment(50) }
}

/// S-45, R-26: two subtrees that are moved into one another; one at most arrives.
pub async fn s45_two_moves_never_make_a_cycle(store: AnyStore) {
    acme(&store).await;
    let groups = [group(1, None), group(2, None), group(3, Some(1)), group(4, Some(2))];
    given(&store, groups.map(Change::InsertGroup).into()).await;
    for round in 0..60 {
        let moves = vec![commit(vec![moved(1, Some(4))]), commit(vec![moved(2, Some(3))])];
        let mut outcomes = at_once(&store, moves).await;
        outcomes.sort_unstable();
        assert_eq!(outcomes, ["group_cycle", "ok"], "round {round}");
        assert_eq!(
            all(&store).await.len(),
            4,
            "round {round}: one cut off is not found from the roots"
        );
        given(&store, vec![moved(1, None), moved(2, None)]).await;
    }
}

/// S-45: whatever several writers do to a forest, it stays one: no cycle, no orphan, no name twice, no
/// tree too deep.
pub async fn s45_a_forest_stays_a_forest_whoever_races(store: AnyStore) {
    const WRITERS: u32 = 4;
    const EACH: u32 = 60;
    acme(&store).await;
    // Each tree is eleven levels deep, so that three fit into one another and four do not.
    for tree in 0..4_u32 {
        let chain = (0..11).map(|level| {
            let id = tree * 100 + level + 1;
            group(id, (level > 0).then(|| id - 1))
        });
        given(&store, chain.map(Change::InsertGroup).collect()).await;
    }
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            let mut done = 0;
            for turn in 0..EACH {
                // Small primes make the writers go different ways through the same few places.
                let (one, other) = ((writer + turn * 7) % 4, (writer * 3 + turn * 5) % 4);
                let level = (turn * 13 + writer) % 11;
                let change = match turn % 4 {
                    0 => moved(one * 100 + 1, Some(other * 100 + 1 + level)),
                    1 => moved(one * 100 + 1 + level, None),
                    2 => Change::InsertGroup(group(5000 + turn / 4, Some(other * 100 + 11))),
                    _ => Change::RemoveGroup { id: group_id(5000 + turn / 4 - 1), subtree: true },
                };
                let result = store.commit(commit(vec![change.clone()])).await;
                let known = ["ok", "group_cycle", "too_deep", "already_exists", "not_found"];
                assert!(known.contains(&outcome(&result)), "{change:?}: {result:?}");
                done += u32::from(result.is_ok());
            }
            done
        });
    }
    let mut done = 0;
    while let Some(finished) = writers.join_next().await {
        done += finished.unwrap();
    }
    assert!(done > EACH / 2, "{done} changes did something");
    let seen = look(&store).await;
    assert_eq!(seen.iter().filter(|(path, ..)| number(path) < 5000).count(), 44, "none was lost");
    let mut names: Vec<_> =
        seen.iter().map(|(path, name, _)| (path.len(), path.iter().rev().nth(1), name)).collect();
    assert!(seen.iter().all(|(path, ..)| path.len() <= MAX_DEPTH));
    names.sort();
    let before = names.len();
    names.dedup();
    assert_eq!(names.len(), before, "a name twice among siblings");
}

fn number(path: &[GroupId]) -> u128 {
    path.last().unwrap().uuid().as_u128() & 0xffff_ffff
}

/// one of them is made, the others are told.
pub async fn one_of_many_siblings_gets_the_name(store: AnyStore) {
    acme(&store).await;
    given(&store, vec![Change::InsertGroup(group(1, None))]).await;
    for (parent, own) in [(Some(1), false), (None, false), (None, true)] {
        let twin = |id: u32| {
            let made = if own { own_group(id, parent) } else { group(id, parent) };
            commit(vec![Change::InsertGroup(auth_domain::model::Group {
                name: "twin".parse().unwrap(),
                ..made
            })])
        };
        let first = 10 + 20 * u32::from(own) + 40 * u32::from(parent.is_none());
        let outcomes = at_once(&store, (first..first + 6).map(twin).collect()).await;
        assert_eq!(outcomes.iter().filter(|word| **word == "ok").count(), 1, "{outcomes:?}");
        assert!(
            outcomes.iter().all(|word| ["ok", "already_exists"].contains(word)),
            "{outcomes:?}"
        );
    }
}

/// Nothing is put into what goes: neither a subgroup nor a member nor a role is left without its group.
pub async fn nothing_enters_a_group_that_goes(store: AnyStore) {
    acme(&store).await;
    for round in 0..30 {
        let id = 100 + round;
        given(&store, vec![Change::InsertGroup(group(id, None))]).await;
        let assigned = Change::AssignMembers {
            group: group_id(id),
            kind: auth_domain::model::EntityType::stored("things".into()),
            members: vec![auth_domain::model::EntityId::stored("t".into())],
            at: moment(1),
        };
        let outcomes = at_once(
            &store,
            vec![
                commit(vec![Change::RemoveGroup { id: group_id(id), subtree: false }]),
                commit(vec![Change::InsertGroup(group(1000 + round, Some(id)))]),
                commit(vec![assigned]),
                commit(vec![Change::PutGroupRole(grant(id, user(2), GroupRole::Viewer))]),
            ],
        )
        .await;
        let gone = outcomes[0] == "ok";
        assert!(gone || outcomes[0] == "group_not_empty", "round {round}: {outcomes:?}");
        let entered = &outcomes[1..3];
        assert!(
            entered.iter().all(|word| *word == if gone { "not_found" } else { "ok" })
                || !gone && entered.contains(&"ok"),
            "round {round}: {outcomes:?}"
        );
        assert_eq!(store.groups(&[group_id(id)]).await.unwrap().is_empty(), gone, "round {round}");
    }
}

/// S-40: a role that was taken, a group that was moved away, a member who left: whoever acts on it
/// afterwards is refused, whoever was first is not.
pub async fn s40_nothing_is_written_with_a_group_role_after_it_is_lost(store: AnyStore) {
    acme(&store).await;
    given(
        &store,
        vec![Change::InsertGroup(own_group(1, None)), Change::InsertGroup(own_group(2, None))],
    )
    .await;
    given(&store, vec![Change::InsertGroup(own_group(3, Some(1)))]).await;
    for round in 0..40_u32 {
        given(&store, vec![Change::PutGroupRole(grant(1, user(9), GroupRole::Admin))]).await;
        let guard = Guard::InGroup { user: user(9), group: group_id(3), needed: GroupRole::Admin };
        let made = own_group(1000 + round, Some(3));
        let act = guarded(vec![guard], vec![Change::InsertGroup(made)]);
        let lose = match round % 2 {
            0 => Change::RemoveGroupRole { group: group_id(1), user: user(9) },
            _ => moved(3, Some(2)),
        };
        let before = store.revision().await.unwrap();
        let outcomes = at_once(&store, vec![act, commit(vec![lose])]).await;
        assert_eq!(outcomes[1], "ok", "round {round}");
        let records = store.records(before, 10).await.unwrap();
        let kinds: Vec<_> = records.iter().map(|record| record.kind.as_str()).collect();
        if outcomes[0] == "ok" {
            assert_eq!(kinds[0], "group.create", "round {round}: not after it was lost");
        } else {
            assert_eq!((outcomes[0], kinds.len()), ("not_found", 1), "round {round}");
        }
        given(&store, vec![moved(3, Some(1))]).await;
    }
}

/// S-41: whoever leaves has no role and no place in any group of the org afterwards, however close the
/// gift came.
pub async fn s41_nobody_keeps_a_group_of_an_org_they_have_left(store: AnyStore) {
    acme(&store).await;
    given(&store, vec![Change::InsertGroup(group(1, None))]).await;
    for round in 0..30 {
        let member = user(50 + round);
        let joined = membership(org_id(1), member, OrgRole::Viewer);
        given(&store, vec![Change::InsertMembership(joined)]).await;
        let assigned = Change::AssignMembers {
            group: group_id(1),
            kind: auth_domain::model::EntityType::stored("users".into()),
            members: vec![auth_domain::model::EntityId::of_user(member)],
            at: moment(1),
        };
        let leaving = Change::RemoveMembership { org: org_id(1), member };
        let outcomes = at_once(
            &store,
            vec![
                commit(vec![leaving]),
                commit(vec![Change::PutGroupRole(grant(1, member, GroupRole::Admin))]),
                commit(vec![assigned]),
            ],
        )
        .await;
        assert_eq!(outcomes[0], "ok", "round {round}");
        assert!(outcomes.iter().all(|word| ["ok", "not_found"].contains(word)), "{outcomes:?}");
        let standing = store.group_standings(member, &[group_id(1)]).await.unwrap().pop().unwrap();
        assert_eq!(standing.trail[0].role, None, "round {round}: {outcomes:?}");
        let left = crate::trees::members_of(&store, group_id(1)).await;
        assert_eq!(left, Vec::<String>::new(), "round {round}: {outcomes:?}");
    }
}

/// A check that runs while a tree is moved sees it before or after, never between.
pub async fn a_check_sees_a_tree_before_or_after_a_move(store: AnyStore) {
    // Somebody is a viewer of one tree and an admin of the other; a chain is moved to and fro.
    given(
        &store,
        vec![Change::InsertGroup(own_group(1, None)), Change::InsertGroup(own_group(2, None))],
    )
    .await;
    let chain = (10..20).map(|id| own_group(id, Some(if id == 10 { 1 } else { id - 1 })));
    given(&store, chain.map(Change::InsertGroup).collect()).await;
    given(
        &store,
        vec![
            Change::PutGroupRole(grant(1, user(9), GroupRole::Viewer)),
            Change::PutGroupRole(grant(2, user(9), GroupRole::Admin)),
        ],
    )
    .await;
    let done = Arc::new(AtomicBool::new(false));
    let mover = tokio::spawn({
        let (store, done) = (store.clone(), done.clone());
        async move {
            for round in 0..60 {
                let place: Commit = commit(vec![moved(10, Some(1 + (round + 1) % 2))]);
                store.commit(place).await.unwrap();
            }
            done.store(true, Ordering::SeqCst);
        }
    });
    let mut seen = [0_u32; 2];
    while !done.load(Ordering::SeqCst) {
        let standing =
            store.group_standings(user(9), &[group_id(19)]).await.unwrap().pop().unwrap();
        let first = number(&[standing.trail[0].group]);
        let expected = if first == 1 { GroupRole::Viewer } else { GroupRole::Admin };
        assert_eq!(policy::group_role(user(9), &standing), Some(expected));
        let trail: Vec<_> = standing.trail.iter().map(|step| step.group).collect();
        let chain = [group_id(u32::try_from(first).unwrap())].into_iter();
        assert_eq!(trail, chain.chain((10..20).map(group_id)).collect::<Vec<_>>());
        seen[usize::try_from(first - 1).unwrap()] += 1;
    }
    mover.await.unwrap();
    assert!(seen[0] + seen[1] > 0, "{seen:?}");
}
