//! A commit is one transaction.

use auth_domain::change::{Change, Guard};
use auth_domain::error::{Entity, Error};
use auth_domain::model::{OrgRole, PlatformRole};

use crate::AnyStore;
use crate::sample::{apply, edit, given, guarded, key, key_id, membership, org, org_id, user};

/// `ping` says so.
pub async fn a_store_answers(store: AnyStore) {
    store.ping().await.unwrap();
}

/// All or nothing, the change log included.
pub async fn a_failed_change_leaves_no_trace(store: AnyStore) {
    let acme = org(1, "acme");
    let error = apply(
        &store,
        vec![
            Change::InsertKey(key(1, user(1))),
            Change::InsertOrg(acme.clone()),
            Change::InsertMembership(membership(acme.id, user(1), OrgRole::Owner)),
            Change::PutPlatformRole { user: user(1), role: PlatformRole::Root },
            Change::InsertMembership(membership(org_id(9), user(1), OrgRole::Owner)),
        ],
    )
    .await
    .unwrap_err();
    assert!(matches!(error, Error::NotFound(Entity::Org)), "{error:?}");
    assert_eq!(store.key(user(1), key_id(1)).await.unwrap(), None);
    assert_eq!(store.org(acme.id).await.unwrap(), None);
    let standing = store.standing(user(1), Some(acme.id)).await.unwrap();
    assert_eq!((standing.platform, standing.org_exists, standing.org), (None, false, None));
    assert_eq!(store.revision().await.unwrap(), 0);
    assert_eq!(store.records(0, 10).await.unwrap(), []);
}

/// Nothing is written when what was authorized no longer holds.
pub async fn a_failed_guard_leaves_no_trace(store: AnyStore) {
    let guards = vec![Guard::OnPlatform { user: user(1), needed: PlatformRole::Root }];
    let changes = vec![Change::InsertOrg(org(1, "acme"))];
    let error = store.commit(guarded(guards, changes)).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden), "{error:?}");
    assert_eq!(store.org(org_id(1)).await.unwrap(), None);
    assert_eq!(store.revision().await.unwrap(), 0);
    assert_eq!(store.records(0, 10).await.unwrap(), []);
}

/// Each change sees those before it.
pub async fn changes_apply_in_order(store: AnyStore) {
    given(
        &store,
        vec![
            Change::InsertOrg(org(1, "first")),
            Change::UpdateOrg(edit(org_id(1), "second")),
            Change::InsertOrg(org(2, "gone")),
            Change::RemoveOrg(org_id(2)),
            Change::InsertKey(key(1, user(1))),
            Change::RemoveKey { id: key_id(1), issuer: user(1) },
            Change::InsertKey(key(1, user(2))),
        ],
    )
    .await;
    let kept = store.org(org_id(1)).await.unwrap().unwrap();
    assert_eq!(kept.name.as_str(), "second");
    assert_eq!(store.org(org_id(2)).await.unwrap(), None);
    assert_eq!(store.key(user(1), key_id(1)).await.unwrap(), None);
    assert!(store.key(user(2), key_id(1)).await.unwrap().is_some());
}

/// Nothing happened, so there is nothing to tell.
pub async fn an_empty_commit_takes_no_revision(store: AnyStore) {
    given(&store, vec![]).await;
    assert_eq!(store.revision().await.unwrap(), 0);
}
