//! Where people stand, many at once and with the rows behind it.

use std::sync::Arc;

use auth_domain::change::Change;
use auth_domain::model::{Evidence, GroupId, GroupRole, OrgId, OrgRole, PlatformRole};

use crate::AnyStore;
use crate::sample::{given, grant, group, group_id, membership, org, org_id, own_group, user};

/// Orgs 1 to 3 exist; user 2 is admin of 1 and viewer of 2, user 3 is root.
async fn peopled(store: &AnyStore) {
    given(
        store,
        vec![
            Change::InsertOrg(org(1, "one")),
            Change::InsertOrg(org(2, "two")),
            Change::InsertOrg(org(3, "three")),
            Change::InsertMembership(membership(org_id(1), user(2), OrgRole::Admin)),
            Change::InsertMembership(membership(org_id(2), user(2), OrgRole::Viewer)),
            Change::PutPlatformRole { user: user(3), role: PlatformRole::Root },
        ],
    )
    .await;
}

/// In the order asked, with repeats, and with what no org can have as its id.
pub async fn many_standings_are_what_each_is_alone(store: AnyStore) {
    peopled(&store).await;
    let asked: Vec<Option<OrgId>> =
        [Some(2), None, Some(1), Some(9), Some(2), Some(3), None].map(|it| it.map(org_id)).into();
    for user in [1, 2, 3, 4].map(user) {
        let together = store.standings(user, &asked).await.unwrap();
        let mut alone = Vec::new();
        for org in &asked {
            alone.push(store.standing(user, *org).await.unwrap());
        }
        assert_eq!(together, alone);
    }
}

/// Neither is an empty list, nor one of nothing but ids that no org has, nor a long one, a mistake.
pub async fn no_standings_are_none_and_two_hundred_are_two_hundred(store: AnyStore) {
    peopled(&store).await;
    assert_eq!(store.standings(user(3), &[]).await.unwrap(), []);
    let nowhere = store.standings(user(3), &[None, Some(org_id(9))]).await.unwrap();
    let seen: Vec<_> = nowhere.iter().map(|it| (it.platform, it.org_exists, it.org)).collect();
    assert_eq!(seen, [(Some(PlatformRole::Root), false, None); 2]);
    let many: Vec<_> = (1..=200).map(|number| Some(org_id(number))).collect();
    let found = store.standings(user(2), &many).await.unwrap();
    assert_eq!(found.len(), 200);
    assert_eq!(found.iter().filter(|it| it.org_exists).count(), 3);
    assert_eq!((found[0].org, found[1].org), (Some(OrgRole::Admin), Some(OrgRole::Viewer)));
}

/// A user who is always in exactly one of two orgs is never seen in both, nor in none.
pub async fn many_standings_are_from_one_snapshot(store: AnyStore) {
    peopled(&store).await;
    let (here, there) = (org_id(2), org_id(3));
    let writer = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let (mut from, mut to) = (here, there);
            for _ in 0..100 {
                let joins = membership(to, user(2), OrgRole::Viewer);
                let leaves = Change::RemoveMembership { org: from, member: user(2) };
                given(&store, vec![leaves, Change::InsertMembership(joins)]).await;
                (from, to) = (to, from);
            }
        }
    });
    let mut seen = [false; 2];
    while !writer.is_finished() {
        let both = store.standings(user(2), &[Some(here), Some(there)]).await.unwrap();
        let [first, second] = [0, 1].map(|place| both[place].org.is_some());
        assert_ne!(first, second);
        seen = [seen[0] || first, seen[1] || second];
    }
    writer.await.unwrap();
    assert_eq!(seen, [true, true], "it was looked at while it changed");
}

/// Towards orgs and groups asked together, with repeats, and with what is neither.
pub async fn joint_standings_are_what_each_is_alone(store: AnyStore) {
    peopled(&store).await;
    given(
        &store,
        vec![
            Change::InsertGroup(group(1, None)),
            Change::InsertGroup(group(2, Some(1))),
            Change::InsertGroup(own_group(3, None)),
            Change::PutGroupRole(grant(1, user(2), GroupRole::Editor)),
        ],
    )
    .await;
    let orgs: Vec<Option<OrgId>> =
        [Some(2), None, Some(1), Some(9)].map(|it| it.map(org_id)).into();
    let groups: Vec<GroupId> = [2, 3, 9, 1, 2].map(group_id).into();
    for user in [1, 2, 3, 4].map(user) {
        for (orgs, groups) in [
            (&orgs[..], &groups[..]),
            (&orgs[..], &[]),
            (&[], &groups[..]),
            (&[None], &groups[..1]),
        ] {
            let (in_orgs, mut in_groups) = store.joint_standings(user, orgs, groups).await.unwrap();
            assert_eq!(in_orgs, store.standings(user, orgs).await.unwrap());
            let mut alone = store.group_standings(user, groups).await.unwrap();
            for list in [&mut in_groups, &mut alone] {
                list.sort_by_key(|standing| standing.group);
            }
            assert_eq!(in_groups, alone);
        }
    }
}

/// A user who is always either viewer of an org or of a group, and never both, is never seen otherwise.
pub async fn joint_standings_are_from_one_snapshot(store: AnyStore) {
    peopled(&store).await;
    given(&store, vec![Change::InsertGroup(own_group(1, None))]).await;
    let writer = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            for _ in 0..50 {
                let joins = membership(org_id(3), user(2), OrgRole::Viewer);
                let loses = Change::RemoveGroupRole { group: group_id(1), user: user(2) };
                let given_role = Change::PutGroupRole(grant(1, user(2), GroupRole::Viewer));
                let leaves = Change::RemoveMembership { org: org_id(3), member: user(2) };
                given(&store, vec![given_role]).await;
                given(&store, vec![loses, Change::InsertMembership(joins)]).await;
                given(&store, vec![leaves]).await;
            }
        }
    });
    let mut seen = [false; 2];
    while !writer.is_finished() {
        let (org, group) = ([Some(org_id(3))], [group_id(1)]);
        let (in_orgs, in_groups) = store.joint_standings(user(2), &org, &group).await.unwrap();
        let (here, there) = (in_orgs[0].org.is_some(), in_groups[0].trail[0].role.is_some());
        assert!(!(here && there), "of two moments");
        seen = [seen[0] || here, seen[1] || there];
    }
    writer.await.unwrap();
    assert_eq!(seen, [true, true], "it was looked at while it changed");
}

/// The same rows as a standing, with their times.
pub async fn evidence_is_the_rows_behind_a_standing(store: AnyStore) {
    peopled(&store).await;
    for user in [1, 2, 3, 4].map(user) {
        for org in [None, Some(1), Some(2), Some(3), Some(9)].map(|it| it.map(org_id)) {
            let evidence = store.evidence(user, org).await.unwrap();
            assert_eq!(evidence.standing(), store.standing(user, org).await.unwrap());
            let stored = match org {
                Some(org) => store.membership(org, user).await.unwrap(),
                None => None,
            };
            assert_eq!(evidence.membership, stored);
        }
    }
    assert_eq!(
        store.evidence(user(2), Some(org_id(1))).await.unwrap(),
        Evidence {
            platform: None,
            org_exists: true,
            membership: Some(membership(org_id(1), user(2), OrgRole::Admin)),
        }
    );
}
