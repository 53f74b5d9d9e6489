//! What a commit was based on is checked again when it is applied.

use auth_domain::change::{Change, Guard};
use auth_domain::error::{Error, Unauthenticated};
use auth_domain::model::{Action, OrgRole, PlatformRole, Standing, UserId};
use auth_domain::policy;

use crate::AnyStore;
use crate::sample::{given, guarded, key, key_id, membership, org, org_id, outcome, user};

/// Every kind of person: in org 1 with a role, with a platform role, with neither.
async fn people(store: &AnyStore) -> Vec<(UserId, Option<PlatformRole>, Option<OrgRole>)> {
    let mut changes = vec![Change::InsertOrg(org(1, "acme"))];
    let mut people = vec![(user(1), None, None)];
    for (number, role) in (2..).zip(OrgRole::ALL) {
        changes.push(Change::InsertMembership(membership(org_id(1), user(number), role)));
        people.push((user(number), None, Some(role)));
    }
    for (number, role) in (6..).zip(PlatformRole::ALL) {
        changes.push(Change::PutPlatformRole { user: user(number), role });
        people.push((user(number), Some(role), None));
    }
    given(store, changes).await;
    people
}

/// Every kind of person, every action, an org that exists and one that does not.
pub async fn in_org_decides_by_the_policy(store: AnyStore) {
    for (user, platform, role) in people(&store).await {
        for action in Action::ALL {
            for (org, org_exists) in [(org_id(1), true), (org_id(2), false)] {
                let standing = Standing { platform, org_exists, org: role.filter(|_| org_exists) };
                let guards = vec![Guard::InOrg { user, org, action }];
                let result = store.commit(guarded(guards, vec![])).await;
                let expected = policy::in_org(&standing, action);
                assert_eq!(outcome(&result), outcome(&expected), "{standing:?} {action:?}");
            }
        }
    }
}

/// Every kind of person, an org that exists and one that does not.
pub async fn s52_may_invite_decides_by_the_policy(store: AnyStore) {
    for (user, platform, role) in people(&store).await {
        for (org, org_exists) in [(org_id(1), true), (org_id(2), false)] {
            let standing = Standing { platform, org_exists, org: role.filter(|_| org_exists) };
            let result = store.commit(guarded(vec![Guard::MayInvite { user, org }], vec![])).await;
            let expected = policy::may_invite(&standing);
            assert_eq!(outcome(&result), outcome(&expected), "{standing:?}");
        }
    }
}

/// A platform role is none.
pub async fn is_member_asks_for_a_membership(store: AnyStore) {
    for (user, _, role) in people(&store).await {
        for org in [org_id(1), org_id(2)] {
            let result = store.commit(guarded(vec![Guard::IsMember { user, org }], vec![])).await;
            let expected = if role.is_some() && org == org_id(1) { "ok" } else { "not_found" };
            assert_eq!(outcome(&result), expected, "{user} {role:?}");
        }
    }
}

/// Every platform role against every need.
pub async fn on_platform_decides_by_the_policy(store: AnyStore) {
    let (root, admin, nobody) = (user(1), user(2), user(3));
    given(
        &store,
        vec![
            Change::PutPlatformRole { user: root, role: PlatformRole::Root },
            Change::PutPlatformRole { user: admin, role: PlatformRole::Admin },
        ],
    )
    .await;
    for (user, role) in
        [(root, Some(PlatformRole::Root)), (admin, Some(PlatformRole::Admin)), (nobody, None)]
    {
        for needed in PlatformRole::ALL {
            let guards = vec![Guard::OnPlatform { user, needed }];
            let result = store.commit(guarded(guards, vec![])).await;
            let expected = policy::on_platform(role, needed);
            assert_eq!(outcome(&result), outcome(&expected), "{role:?} {needed:?}");
        }
    }
}

/// Roots are left alone, and nobody else is.
pub async fn is_no_root_refuses_roots_only(store: AnyStore) {
    let (root, admin, nobody) = (user(1), user(2), user(3));
    let put = |user, role| Change::PutPlatformRole { user, role };
    given(&store, vec![put(root, PlatformRole::Root), put(admin, PlatformRole::Admin)]).await;
    for (user, refused) in [(root, true), (admin, false), (nobody, false)] {
        let result = store.commit(guarded(vec![Guard::IsNoRoot { user }], vec![])).await;
        assert_eq!(matches!(result, Err(Error::Forbidden)), refused, "{result:?}");
    }
}

/// A key is good until it is removed, and never after.
pub async fn a_revoked_key_is_refused(store: AnyStore) {
    given(&store, vec![Change::InsertKey(key(1, user(1)))]).await;
    let guards = vec![Guard::KeyExists { key: key_id(1), issuer: user(1) }];
    let founding = |number| vec![Change::InsertOrg(org(number, "acme"))];
    store.commit(guarded(guards.clone(), founding(1))).await.unwrap();
    given(&store, vec![Change::RemoveKey { id: key_id(1), issuer: user(1) }]).await;
    let error = store.commit(guarded(guards, founding(2))).await.unwrap_err();
    assert!(matches!(error, Error::Unauthenticated(Unauthenticated::NotHonoured)), "{error:?}");
    assert_eq!(store.org(org_id(2)).await.unwrap(), None);
}

/// The id alone is not enough.
pub async fn a_key_of_somebody_else_is_refused(store: AnyStore) {
    given(&store, vec![Change::InsertKey(key(1, user(1)))]).await;
    let guards = vec![Guard::KeyExists { key: key_id(1), issuer: user(2) }];
    let error = store.commit(guarded(guards, vec![])).await.unwrap_err();
    assert!(matches!(error, Error::Unauthenticated(Unauthenticated::NotHonoured)), "{error:?}");
}

/// One that does not hold outweighs any number that do.
pub async fn every_guard_must_hold(store: AnyStore) {
    given(
        &store,
        vec![
            Change::InsertOrg(org(1, "mine")),
            Change::InsertOrg(org(2, "not mine")),
            Change::InsertMembership(membership(org_id(1), user(1), OrgRole::Owner)),
            Change::InsertMembership(membership(org_id(2), user(1), OrgRole::Admin)),
        ],
    )
    .await;
    let owner_of = |org| Guard::InOrg { user: user(1), org, action: Action::Owner };
    let removals = vec![Change::RemoveOrg(org_id(1)), Change::RemoveOrg(org_id(2))];
    let guards = vec![owner_of(org_id(1)), owner_of(org_id(2))];
    let error = store.commit(guarded(guards, removals)).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden), "{error:?}");
    assert!(store.org(org_id(1)).await.unwrap().is_some());
    assert!(store.org(org_id(2)).await.unwrap().is_some());
}

/// Nobody authorizes a commit with what the commit itself brings.
pub async fn guards_see_nothing_of_their_own_commit(store: AnyStore) {
    let guards = vec![Guard::KeyExists { key: key_id(1), issuer: user(1) }];
    let changes = vec![Change::InsertKey(key(1, user(1)))];
    let error = store.commit(guarded(guards, changes)).await.unwrap_err();
    assert!(matches!(error, Error::Unauthenticated(_)), "{error:?}");
    assert_eq!(store.key(user(1), key_id(1)).await.unwrap(), None);
}
