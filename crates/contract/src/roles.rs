//! Platform roles.

use auth_domain::change::Change;
use auth_domain::error::{Conflict, Entity, Error};
use auth_domain::model::{Direction, PlatformRole, RoleHolder, Standing, UserId};

use crate::AnyStore;
use crate::sample::{apply, given, org, org_id, page, user};

fn put(user: UserId, role: PlatformRole) -> Change {
    Change::PutPlatformRole { user, role }
}

fn remove(user: UserId) -> Change {
    Change::RemovePlatformRole { user }
}

async fn role(store: &AnyStore, user: UserId) -> Option<PlatformRole> {
    store.standing(user, None).await.unwrap().platform
}

/// On the platform or in an org, whether it exists or not.
pub async fn nobody_has_a_role_at_first(store: AnyStore) {
    given(&store, vec![Change::InsertOrg(org(1, "acme"))]).await;
    for (org, org_exists) in [(None, false), (Some(org_id(1)), true), (Some(org_id(2)), false)] {
        let standing = store.standing(user(1), org).await.unwrap();
        assert_eq!(standing, Standing { platform: None, org_exists, org: None });
    }
}

/// One role at a time; giving the same again changes nothing.
pub async fn a_role_is_given_replaced_and_taken(store: AnyStore) {
    given(&store, vec![put(user(9), PlatformRole::Root)]).await;
    for given_role in [
        PlatformRole::Admin,
        PlatformRole::Admin,
        PlatformRole::Root,
        PlatformRole::Root,
        PlatformRole::Admin,
    ] {
        given(&store, vec![put(user(1), given_role)]).await;
        assert_eq!(role(&store, user(1)).await, Some(given_role));
    }
    given(&store, vec![remove(user(1))]).await;
    assert_eq!(role(&store, user(1)).await, None);
    assert_eq!(role(&store, user(9)).await, Some(PlatformRole::Root));
}

/// There is nothing to take.
pub async fn no_role_cannot_be_taken(store: AnyStore) {
    let error = apply(&store, vec![remove(user(1))]).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(Entity::PlatformRole)), "{error:?}");
}

/// Neither removed nor demoted, however many admins there are; with a second root, either may.
pub async fn the_last_root_cannot_go(store: AnyStore) {
    let (root, admin) = (user(1), user(2));
    given(&store, vec![put(root, PlatformRole::Root), put(admin, PlatformRole::Admin)]).await;
    for going in [remove(root), put(root, PlatformRole::Admin)] {
        let error = apply(&store, vec![going]).await.unwrap_err();
        assert!(matches!(error, Error::Conflict(Conflict::LastRoot)), "{error:?}");
        assert_eq!(role(&store, root).await, Some(PlatformRole::Root));
    }
    // Staying root and losing an admin is no loss of a root.
    given(&store, vec![put(root, PlatformRole::Root), remove(admin)]).await;
    given(&store, vec![put(admin, PlatformRole::Root), remove(root)]).await;
    assert_eq!(
        (role(&store, root).await, role(&store, admin).await),
        (None, Some(PlatformRole::Root))
    );
}

/// The rule looks at each change by itself: a successor is named before the last root goes.
pub async fn roots_come_before_the_rule(store: AnyStore) {
    let (old, new) = (user(1), user(2));
    given(&store, vec![put(old, PlatformRole::Root)]).await;
    let backwards = vec![remove(old), put(new, PlatformRole::Root)];
    let error = apply(&store, backwards).await.unwrap_err();
    assert!(matches!(error, Error::Conflict(Conflict::LastRoot)), "{error:?}");
    given(&store, vec![put(new, PlatformRole::Root), put(old, PlatformRole::Admin)]).await;
    assert_eq!(role(&store, old).await, Some(PlatformRole::Admin));
}

/// Ascending, whatever the page says.
pub async fn holders_are_listed_by_id(store: AnyStore) {
    let all = [(5, PlatformRole::Admin), (1, PlatformRole::Root), (3, PlatformRole::Admin)];
    given(&store, all.map(|(number, role)| put(user(number), role)).into()).await;
    for direction in [Direction::Ascending, Direction::Descending] {
        for (offset, limit, expected) in
            [(0, 10, vec![1, 3, 5]), (1, 1, vec![3]), (2, 2, vec![5]), (3, 2, vec![])]
        {
            let listing = store.role_holders(page(offset, limit, (), direction)).await.unwrap();
            let expected: Vec<_> = expected
                .into_iter()
                .map(|number| RoleHolder {
                    user: user(number),
                    role: if number == 1 { PlatformRole::Root } else { PlatformRole::Admin },
                })
                .collect();
            assert_eq!((listing.items, listing.total), (expected, 3), "{offset} {limit}");
        }
    }
}
