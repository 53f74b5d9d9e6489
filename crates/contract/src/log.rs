//! The change log.

use auth_domain::change::{Change, Commit};
use auth_domain::fact::{Fact, Record};
use auth_domain::model::{Key, OrgRole, PlatformRole};

use crate::AnyStore;
use crate::sample::{
    account, commit, edit, given, key, key_id, membership, moment, org, org_id, signing_key, user,
};

/// What the log must say of a commit.
fn expected(revision: i64, commit: &Commit) -> Vec<Record> {
    let facts = commit.changes.iter().flat_map(Fact::of);
    (0..)
        .zip(facts)
        .map(|(ordinal, fact)| Record {
            revision,
            ordinal,
            kind: fact.kind.to_owned(),
            subject: fact.subject,
            object: fact.object,
            actor: commit.actor.clone(),
            payload: fact.payload,
            occurred_at: commit.at,
        })
        .collect()
}

/// Revision 0 is before everything.
pub async fn it_starts_empty(store: AnyStore) {
    assert_eq!(store.revision().await.unwrap(), 0);
    assert_eq!(store.records(0, 10).await.unwrap(), []);
}

/// Kind, subject, object and payload, by whom and when.
pub async fn every_change_is_recorded_as_its_fact(store: AnyStore) {
    let changes = vec![
        Change::InsertKey(Key { expires_at: Some(moment(5)), ..key(1, user(1)) }),
        Change::InsertKey(key(2, user(1))),
        Change::RemoveKey { id: key_id(2), issuer: user(1) },
        Change::InsertOrg(org(1, "acme")),
        Change::InsertMembership(membership(org_id(1), user(1), OrgRole::Owner)),
        Change::UpdateOrg(edit(org_id(1), "other")),
        Change::InsertMembership(membership(org_id(1), user(2), OrgRole::Viewer)),
        Change::UpdateMembership {
            org: org_id(1),
            member: user(2),
            role: OrgRole::Admin,
            at: moment(3),
        },
        Change::TransferOrg { org: org_id(1), from: user(1), to: user(2), at: moment(4) },
        Change::RemoveMembership { org: org_id(1), member: user(1) },
        Change::RemoveOrg(org_id(1)),
        Change::PutPlatformRole { user: user(1), role: PlatformRole::Root },
        Change::PutPlatformRole { user: user(2), role: PlatformRole::Admin },
        Change::RemovePlatformRole { user: user(2) },
        Change::InsertAccount(account(1, "one@example.com")),
        Change::EndSessions { user: user(1), until: moment(5) },
        Change::WithdrawSigningKey { key: signing_key(1), at: moment(6) },
    ];
    let mut records = Vec::new();
    for (revision, change) in (1..).zip(changes) {
        let alone = Commit { actor: format!("test:{revision}"), ..commit(vec![change]) };
        let alone = Commit { at: moment(revision), ..alone };
        store.commit(alone.clone()).await.unwrap();
        records.extend(expected(revision, &alone));
    }
    assert_eq!(records.len(), 17);
    assert_eq!(store.records(0, 100).await.unwrap(), records);
}

/// However many changes it has; what has no fact is not counted.
pub async fn a_commit_is_one_revision_and_its_facts_are_counted(store: AnyStore) {
    let several = commit(vec![
        Change::InsertOrg(org(1, "acme")),
        Change::PurgeKeys { expired_before: moment(0) },
        Change::InsertMembership(membership(org_id(1), user(1), OrgRole::Owner)),
    ]);
    let one = commit(vec![Change::InsertOrg(org(2, "other"))]);
    let purge = commit(vec![Change::PurgeKeys { expired_before: moment(0) }]);
    assert_eq!(store.commit(several.clone()).await.unwrap(), Some(1));
    assert_eq!(store.commit(purge).await.unwrap(), None);
    assert_eq!(store.commit(one.clone()).await.unwrap(), Some(2));
    assert_eq!(store.revision().await.unwrap(), 2);
    let records = store.records(0, 10).await.unwrap();
    assert_eq!(records, [expected(1, &several), expected(2, &one)].concat());
    let places: Vec<_> = records.iter().map(|record| (record.revision, record.ordinal)).collect();
    assert_eq!(places, [(1, 0), (1, 1), (2, 0)]);
}

/// Nobody can tell that it happened.
pub async fn purging_keys_takes_no_revision(store: AnyStore) {
    let ended = Key { expires_at: Some(moment(1)), ..key(1, user(1)) };
    given(&store, vec![Change::InsertKey(ended)]).await;
    given(&store, vec![Change::PurgeKeys { expired_before: moment(2) }]).await;
    assert_eq!(store.key(user(1), key_id(1)).await.unwrap(), None);
    assert_eq!(store.revision().await.unwrap(), 1);
    assert_eq!(store.records(1, 10).await.unwrap(), []);
}

/// Oldest first.
pub async fn records_start_after_a_revision_and_end_at_the_limit(store: AnyStore) {
    for number in 1..=4 {
        given(&store, vec![Change::InsertOrg(org(number, "acme"))]).await;
    }
    for (after, limit, expected) in [
        (0, 100, vec![1, 2, 3, 4]),
        (0, 2, vec![1, 2]),
        (2, 1, vec![3]),
        (3, 100, vec![4]),
        (4, 100, vec![]),
        (99, 100, vec![]),
        (-1, 1, vec![1]),
        (0, 0, vec![]),
    ] {
        let records = store.records(after, limit).await.unwrap();
        let revisions: Vec<_> = records.iter().map(|record| record.revision).collect();
        assert_eq!(revisions, expected, "{after} {limit}");
    }
}
