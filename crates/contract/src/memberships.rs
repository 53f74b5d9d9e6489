//! Memberships.

use auth_domain::change::Change;
use auth_domain::error::{Entity, Error};
use auth_domain::model::{OrgRole, Standing};

use crate::AnyStore;
use crate::sample::{apply, given, membership, org, org_id, user};

/// In that org and in no other.
pub async fn a_member_has_the_role_they_were_given(store: AnyStore) {
    given(&store, vec![Change::InsertOrg(org(1, "acme")), Change::InsertOrg(org(2, "other"))])
        .await;
    for (number, role) in (1..).zip(OrgRole::ALL) {
        let joined = membership(org_id(1), user(number), role);
        given(&store, vec![Change::InsertMembership(joined)]).await;
        let here = store.standing(user(number), Some(org_id(1))).await.unwrap();
        assert_eq!(here, Standing { platform: None, org_exists: true, org: Some(role) });
        let there = store.standing(user(number), Some(org_id(2))).await.unwrap();
        assert_eq!(there, Standing { platform: None, org_exists: true, org: None });
    }
}

/// Their role stays what it was.
pub async fn a_member_cannot_be_added_again(store: AnyStore) {
    let joined = |role| Change::InsertMembership(membership(org_id(1), user(2), role));
    given(&store, vec![Change::InsertOrg(org(1, "acme")), joined(OrgRole::Viewer)]).await;
    for role in [OrgRole::Viewer, OrgRole::Admin] {
        let error = apply(&store, vec![joined(role)]).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyExists(Entity::Membership)), "{error:?}");
    }
    let standing = store.standing(user(2), Some(org_id(1))).await.unwrap();
    assert_eq!(standing.org, Some(OrgRole::Viewer));
}

/// Not even one that is founded later in the same commit.
pub async fn nobody_joins_an_org_that_does_not_exist(store: AnyStore) {
    let joined = || Change::InsertMembership(membership(org_id(1), user(2), OrgRole::Viewer));
    for changes in [vec![joined()], vec![joined(), Change::InsertOrg(org(1, "acme"))]] {
        let error = apply(&store, changes).await.unwrap_err();
        assert!(matches!(error, Error::NotFound(Entity::Org)), "{error:?}");
    }
    let standing = store.standing(user(2), Some(org_id(1))).await.unwrap();
    assert_eq!(standing, Standing::default());
}
