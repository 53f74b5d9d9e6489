//! Reading all there is, and bringing it back.

use auth_domain::Timestamp;
use auth_domain::backup::{DormantInvite, GroupRecord, Rows, Section};
use auth_domain::change::{Change, Commit, Guard};
use auth_domain::error::{Entity, Error};
use auth_domain::model::{
    EntityId, EntityType, GroupMember, GroupRole, Invite, InviteId, InviteState, OrgRole,
    PlatformInviteId, PlatformRole, RoleHolder, Settlement,
};
use auth_domain::ports::Store;

use crate::AnyStore;
use crate::sample::{
    account, apply, commit, given, grant, group, group_id, key, key_id, membership, moment, org,
    org_id, own_group, user,
};

/// All rows that a snapshot shows, as text, list by list.
pub(crate) async fn shown(store: &dyn Store) -> Vec<String> {
    let mut snapshot = store.snapshot().await.unwrap();
    let mut lists = Vec::new();
    for section in Section::ALL {
        let mut list = Vec::new();
        loop {
            let part = snapshot.part(section).await.unwrap();
            auth_domain::backup::format::rows(&part.rows, true, true, &mut list).unwrap();
            if !part.more {
                break;
            }
        }
        lists.push(String::from_utf8(list).unwrap());
    }
    lists
}

fn invite(number: u32, invitee: Option<u32>) -> Invite {
    Invite {
        id: InviteId::new(key_id(number).uuid()),
        org: org_id(1),
        inviter: user(1),
        invitee: invitee.map(user),
        role: OrgRole::Editor,
        state: InviteState::Pending,
        created_at: moment(1),
        expires_at: moment(2),
    }
}

fn dormant(number: u32) -> DormantInvite {
    let platform_invite = PlatformInviteId::new(user(number).uuid());
    DormantInvite { invite: invite(number, None).id, platform_invite }
}

fn assigned(group: u32, kind: &str, member: &str) -> GroupMember {
    GroupMember {
        group: group_id(group),
        kind: EntityType::stored(kind.into()),
        member: EntityId::stored(member.into()),
        created_at: moment(3),
    }
}

/// One list each. A group comes after the one above it, whatever their ids.
fn all() -> Vec<Rows> {
    vec![
        Rows::Orgs(vec![org(1, "one"), org(2, "TWO")]),
        Rows::Memberships(vec![
            membership(org_id(1), user(1), OrgRole::Owner),
            membership(org_id(1), user(2), OrgRole::Viewer),
            membership(org_id(2), user(1), OrgRole::Owner),
        ]),
        Rows::Invites(vec![invite(1, Some(3)), invite(2, None), invite(3, None)]),
        Rows::Dormant(vec![dormant(2), dormant(3)]),
        Rows::Keys(vec![key(1, user(1)), key(2, user(2))]),
        Rows::PlatformRoles(vec![RoleHolder { user: user(1), role: PlatformRole::Root }]),
        Rows::Accounts(vec![account(1, "One@example.com"), account(2, "two@example.com")]),
        Rows::Groups(vec![group(2, None), own_group(3, None), group(1, Some(2))]),
        Rows::GroupMembers(vec![
            assigned(1, "things", "A \"thing\""),
            assigned(1, "things", "a thing"),
            assigned(2, "users", &user(2).to_string()),
        ]),
        Rows::GroupRoles(vec![
            grant(1, user(2), GroupRole::Admin),
            grant(3, user(1), GroupRole::Viewer),
        ]),
    ]
}

/// What is inserted at once is what a snapshot shows, and what others read.
pub async fn what_is_brought_back_is_what_a_snapshot_shows(store: AnyStore) {
    let mut expected = Vec::new();
    for rows in all() {
        let mut text = Vec::new();
        auth_domain::backup::format::rows(&rows, true, true, &mut text).unwrap();
        expected.push(String::from_utf8(text).unwrap());
    }
    given(&store, all().into_iter().map(Change::InsertRows).collect()).await;
    assert_eq!(shown(&*store).await, expected);
    assert_eq!(store.org(org_id(2)).await.unwrap(), Some(org(2, "TWO")));
    assert_eq!(store.key(user(2), key_id(2)).await.unwrap(), Some(key(2, user(2))));
    let email = "ONE@example.com".parse().unwrap();
    assert!(store.account_by_email(&email).await.unwrap().is_some());
}

/// One row that is there already refuses all of them.
pub async fn what_is_there_already_stops_a_restore(store: AnyStore) {
    given(&store, all().into_iter().map(Change::InsertRows).collect()).await;
    let before = shown(&*store).await;
    let entities = [
        Entity::Org,
        Entity::Membership,
        Entity::Invite,
        Entity::Invite,
        Entity::Key,
        Entity::PlatformRole,
        Entity::Account,
        Entity::Group,
        Entity::GroupMember,
        Entity::GroupRole,
    ];
    for (rows, entity) in all().into_iter().zip(entities) {
        let fresh = Change::InsertOrg(org(9, "fresh"));
        let outcome = apply(&store, vec![fresh, Change::InsertRows(rows)]).await;
        let refused = matches!(&outcome, Err(Error::AlreadyExists(found)) if *found == entity);
        assert!(refused, "{entity:?} {outcome:?}");
    }
    let lost = membership(org_id(8), user(1), OrgRole::Viewer);
    let outcome = apply(&store, vec![Change::InsertRows(Rows::Memberships(vec![lost]))]).await;
    assert!(matches!(outcome, Err(Error::NotFound(Entity::Org))), "{outcome:?}");
    assert_eq!(shown(&*store).await, before);
}

/// Without a commit nothing happened, and others can write.
pub async fn a_restore_that_is_dropped_leaves_nothing(store: AnyStore) {
    let before = shown(&*store).await;
    let mut restoring = store.restoring(commit(vec![])).await.unwrap();
    for rows in all() {
        restoring.apply(&Change::InsertRows(rows)).await.unwrap();
    }
    drop(restoring);
    assert_eq!(shown(&*store).await, before);
    assert_eq!(store.revision().await.unwrap(), 0);
    given(&store, all().into_iter().map(Change::InsertRows).collect()).await;
}

/// Facts are counted through, also when they are written in several goes.
pub async fn a_restore_is_one_revision_however_much_it_brings_back(store: AnyStore) {
    let mut restoring =
        store.restoring(commit(vec![Change::InsertOrg(org(1, "one"))])).await.unwrap();
    let mut number = 0;
    for _ in 0..25 {
        let many = (0..1_000).map(|_| {
            number += 1;
            membership(org_id(1), user(number), OrgRole::Viewer)
        });
        let rows = Rows::Memberships(many.collect());
        restoring.apply(&Change::InsertRows(rows)).await.unwrap();
    }
    restoring.commit().await.unwrap();
    assert_eq!(store.revision().await.unwrap(), 1);
    let records = store.records(0, 30_000).await.unwrap();
    assert_eq!(records.len(), 25_001);
    assert!(records.iter().zip(0..).all(|(record, ordinal)| record.ordinal == ordinal));
    assert_eq!(records.last().unwrap().subject, Some(user(25_000).to_string()));
    let list = shown(&*store).await;
    assert_eq!(list[1].matches("member_id").count(), 25_000);
}

/// Guards are checked as in every commit.
pub async fn a_restore_needs_its_guards(store: AnyStore) {
    let needed = PlatformRole::Root;
    let guards = vec![Guard::OnPlatform { user: user(1), needed }];
    let guarded = || Commit { guards: guards.clone(), ..commit(vec![]) };
    let outcome = store.restoring(guarded()).await.map(drop);
    assert!(matches!(outcome, Err(Error::Forbidden)), "{outcome:?}");
    given(&store, vec![Change::PutPlatformRole { user: user(1), role: needed }]).await;
    let mut restoring = store.restoring(guarded()).await.unwrap();
    let other = Guard::OnPlatform { user: user(2), needed };
    let outcome = restoring.hold(&other).await;
    assert!(matches!(outcome, Err(Error::Forbidden)), "{outcome:?}");
}

/// What is stored is found, whatever it says, and nothing else is.
pub async fn stored_rows_are_found_by_their_places(store: AnyStore) {
    given(&store, all().into_iter().map(Change::InsertRows).collect()).await;
    let mut restoring = store.restoring(commit(vec![])).await.unwrap();
    for rows in all() {
        assert_eq!(restoring.present(&rows).await.unwrap().len(), rows.len(), "{rows:?}");
    }
    let renamed = Rows::Orgs(vec![org(2, "another name"), org(3, "nowhere")]);
    let found = restoring.present(&renamed).await.unwrap();
    assert!(matches!(found, Rows::Orgs(found) if found == [org(2, "TWO")]));
    let owners = restoring.owners(&[org_id(1), org_id(7)]).await.unwrap();
    assert_eq!(owners, [(org_id(1), user(1))]);
    let wanted = [invite(2, None).id, invite(9, None).id];
    assert_eq!(restoring.invites(&wanted).await.unwrap(), [invite(2, None).id]);
    let mut groups = restoring.groups(&[1, 3, 9].map(group_id)).await.unwrap();
    groups.sort_unstable();
    assert_eq!(groups, [(group_id(1), Some(org_id(1))), (group_id(3), None)]);
    let wanted = [(org_id(1), user(2)), (org_id(1), user(9)), (org_id(2), user(2))];
    assert_eq!(restoring.hold_members(&wanted).await.unwrap(), wanted[..1]);
}

/// By kind and group, and only those after a revision.
pub async fn what_happened_to_groups_is_found_after_a_revision(store: AnyStore) {
    given(&store, all().into_iter().map(Change::InsertRows).collect()).await;
    let thing = EntityId::stored("a thing".into());
    let unassigned = Change::UnassignMembers { group: group_id(1), members: vec![thing] };
    let taken = Change::RemoveGroupRole { group: group_id(1), user: user(2) };
    let moved = Change::MoveGroup { id: group_id(1), parent: None, at: moment(9) };
    for change in [unassigned, taken, moved] {
        given(&store, vec![change]).await;
    }
    given(&store, vec![Change::RemoveGroup { id: group_id(3), subtree: true }]).await;
    let mut restoring = store.restoring(commit(vec![])).await.unwrap();
    let asked = [1, 2, 3, 9].map(group_id);
    let mut found = async |kind, after| restoring.group_records(kind, after, &asked).await.unwrap();
    let members = serde_json::json!({ "members": ["a thing"] });
    let record = |group, user, payload| GroupRecord { group: group_id(group), user, payload };
    assert_eq!(found("group.unassign", 1).await, [record(1, None, members)]);
    assert_eq!(found("group.unassign", 2).await, []);
    let role = found("group_role.remove", 2).await;
    assert_eq!(role, [record(1, Some(user(2)), serde_json::json!({}))]);
    assert_eq!(found("group.move", 3).await.len(), 1);
    let removed = found("group.remove", 0).await;
    assert_eq!(removed.iter().map(|record| record.group).collect::<Vec<_>>(), [group_id(3)]);
    assert_eq!(found("group.create", 0).await, []);
}

/// By kind, thing and user, and only those after a revision.
pub async fn removals_are_found_after_a_revision(store: AnyStore) {
    given(&store, all().into_iter().map(Change::InsertRows).collect()).await;
    let (org, member) = (org_id(1), user(2));
    given(&store, vec![Change::RemoveMembership { org, member }]).await;
    given(&store, vec![Change::RemoveKey { id: key_id(1), issuer: user(1) }]).await;
    let mut restoring = store.restoring(commit(vec![])).await.unwrap();
    let gone = (org.uuid(), member.uuid());
    let key = (key_id(1).uuid(), user(1).uuid());
    let there = (org.uuid(), user(1).uuid());
    let asked = [gone, key, there];
    let mut removed = async |kind, after| restoring.removed(kind, after, &asked).await.unwrap();
    assert_eq!(removed("membership.remove", 0).await, [gone]);
    assert_eq!(removed("membership.remove", 1).await, [gone]);
    assert_eq!(removed("membership.remove", 2).await, []);
    assert_eq!(removed("key.revoke", 2).await, [key]);
    assert_eq!(removed("platform_role.remove", 0).await, []);
}

/// Only those that were taken back, not those that were answered, and only after a revision.
pub async fn revoked_invites_are_found_after_a_revision(store: AnyStore) {
    let expires_at = Timestamp::from_seconds(4_000_000_000);
    let open = |number| Invite { expires_at, ..invite(number, Some(number)) };
    let invites = Rows::Invites((1..=3).map(open).collect());
    let orgs = Rows::Orgs(vec![org(1, "one")]);
    given(&store, vec![Change::InsertRows(orgs), Change::InsertRows(invites)]).await;
    for (number, to) in [(1, Settlement::Revoked), (2, Settlement::Declined)] {
        let Invite { id, org, invitee, .. } = open(number);
        given(&store, vec![Change::SettleInvite { id, org, invitee, to }]).await;
    }
    let these = [1, 2, 3].map(|number| open(number).id);
    let mut restoring = store.restoring(commit(vec![])).await.unwrap();
    for (revision, expected) in [(0, vec![these[0]]), (1, vec![these[0]]), (2, vec![])] {
        assert_eq!(restoring.revoked(revision, &these).await.unwrap(), expected, "{revision}");
    }
    assert_eq!(restoring.revoked(0, &these[1..]).await.unwrap(), []);
}

/// Whether the log says all that happened since a revision.
pub async fn a_trimmed_log_is_told_from_a_whole_one(store: AnyStore) {
    for number in 1..=3 {
        given(&store, vec![Change::InsertOrg(org(number, "org"))]).await;
    }
    let whole = async |revision| {
        let mut restoring = store.restoring(commit(vec![])).await.unwrap();
        restoring.origin(revision).await.unwrap().1
    };
    for revision in 0..5 {
        assert!(whole(revision).await, "{revision}");
    }
    given(&store, vec![Change::PurgeRecords { older_than: moment(100) }]).await;
    for (revision, expected) in [(0, false), (2, false), (3, true), (9, true)] {
        assert_eq!(whole(revision).await, expected, "{revision}");
    }
}

/// The id stays, and snapshots and restores agree on it.
pub async fn every_database_has_an_id_of_its_own(store: AnyStore) {
    let taken = store.snapshot().await.unwrap().taken();
    assert_eq!(taken.revision, 0);
    assert!(!taken.instance.is_nil());
    given(&store, vec![Change::InsertOrg(org(1, "one"))]).await;
    let again = store.snapshot().await.unwrap().taken();
    assert_eq!((again.instance, again.revision), (taken.instance, 1));
    let mut restoring = store.restoring(commit(vec![])).await.unwrap();
    assert_eq!(restoring.origin(0).await.unwrap().0, taken.instance);
}
