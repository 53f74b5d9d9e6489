//! Memberships.

use auth_domain::change::Change;
use auth_domain::error::{Conflict, Entity, Error};
use auth_domain::model::{OrgRole, Standing, UserId};

use crate::AnyStore;
use crate::sample::{apply, given, membership, moment, org, org_id, user};

fn updated(member: UserId, role: OrgRole) -> Change {
    Change::UpdateMembership { org: org_id(1), member, role, at: moment(50) }
}

fn removed(member: UserId) -> Change {
    Change::RemoveMembership { org: org_id(1), member }
}

fn transfer(from: UserId, to: UserId) -> Change {
    Change::TransferOrg { org: org_id(1), from, to, at: moment(50) }
}

/// Org 1 with its owner, user 1, and an admin, an editor and a viewer, users 2 to 4.
pub(crate) async fn acme(store: &AnyStore) {
    let roles = OrgRole::ALL.into_iter().rev();
    let joined = (1..).zip(roles).map(|(number, role)| membership(org_id(1), user(number), role));
    let mut changes = vec![Change::InsertOrg(org(1, "acme"))];
    changes.extend(joined.map(Change::InsertMembership));
    given(store, changes).await;
}

async fn role(store: &AnyStore, member: UserId) -> Option<OrgRole> {
    store.standing(member, Some(org_id(1))).await.unwrap().org
}

/// Where and who, as what, since when and until when unchanged.
pub async fn a_membership_reads_back_as_written(store: AnyStore) {
    acme(&store).await;
    let written = membership(org_id(1), user(3), OrgRole::Editor);
    let read = store.membership(org_id(1), user(3)).await.unwrap();
    assert_eq!(read, Some(written));
    assert_eq!(store.membership(org_id(1), user(9)).await.unwrap(), None);
    assert_eq!(store.membership(org_id(2), user(3)).await.unwrap(), None);
}

/// The role and the time, and nothing else.
pub async fn a_member_is_given_another_role(store: AnyStore) {
    acme(&store).await;
    for (place, other) in [OrgRole::Viewer, OrgRole::Admin, OrgRole::Admin].iter().enumerate() {
        let at = moment(60 + i64::try_from(place).unwrap());
        let (org, member, role) = (org_id(1), user(3), *other);
        given(&store, vec![Change::UpdateMembership { org, member, role, at }]).await;
        let read = store.membership(org, member).await.unwrap().unwrap();
        assert_eq!((read.role, read.created_at, read.updated_at), (role, moment(1), at));
    }
    assert_eq!(role(&store, user(4)).await, Some(OrgRole::Viewer));
}

/// They can come back.
pub async fn a_member_is_removed_once(store: AnyStore) {
    acme(&store).await;
    given(&store, vec![removed(user(3))]).await;
    assert_eq!(role(&store, user(3)).await, None);
    assert_eq!(store.membership(org_id(1), user(3)).await.unwrap(), None);
    for change in [removed(user(3)), updated(user(3), OrgRole::Viewer)] {
        let error = apply(&store, vec![change]).await.unwrap_err();
        assert!(matches!(error, Error::NotFound(Entity::Membership)), "{error:?}");
    }
    let again = membership(org_id(1), user(3), OrgRole::Viewer);
    given(&store, vec![Change::InsertMembership(again)]).await;
    assert_eq!(role(&store, user(3)).await, Some(OrgRole::Viewer));
}

/// Whether the org names them or the role does.
pub async fn an_owner_is_neither_changed_nor_removed(store: AnyStore) {
    acme(&store).await;
    let second = membership(org_id(1), user(5), OrgRole::Owner);
    let unnamed = membership(org_id(2), user(1), OrgRole::Viewer);
    given(
        &store,
        vec![
            Change::InsertMembership(second),
            Change::InsertOrg(org(2, "named")),
            Change::InsertMembership(unnamed),
        ],
    )
    .await;
    let in_other = Change::RemoveMembership { org: org_id(2), member: user(1) };
    for change in [
        removed(user(1)),
        removed(user(5)),
        updated(user(1), OrgRole::Owner),
        updated(user(5), OrgRole::Viewer),
        in_other,
    ] {
        let error = apply(&store, vec![removed(user(4)), change]).await.unwrap_err();
        assert!(matches!(error, Error::Forbidden), "{error:?}");
    }
    assert_eq!(role(&store, user(1)).await, Some(OrgRole::Owner));
    assert_eq!(role(&store, user(4)).await, Some(OrgRole::Viewer), "all or nothing");
}

/// The org and both memberships, in one.
pub async fn an_org_is_given_to_a_member(store: AnyStore) {
    acme(&store).await;
    given(&store, vec![transfer(user(1), user(4))]).await;
    let org = store.org(org_id(1)).await.unwrap().unwrap();
    assert_eq!((org.owner, org.updated_at), (user(4), moment(50)));
    for (number, expected) in
        [(1, OrgRole::Admin), (2, OrgRole::Admin), (3, OrgRole::Editor), (4, OrgRole::Owner)]
    {
        assert_eq!(role(&store, user(number)).await, Some(expected), "{number}");
    }
    given(&store, vec![removed(user(1))]).await;
}

/// Not by or to somebody else than is named; two owners become one.
pub async fn an_org_is_given_only_by_its_owner_to_a_member(store: AnyStore) {
    acme(&store).await;
    let error = apply(&store, vec![transfer(user(2), user(3))]).await.unwrap_err();
    assert!(matches!(error, Error::Conflict(Conflict::Contention)), "{error:?}");
    let error = apply(&store, vec![transfer(user(1), user(9))]).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(Entity::Membership)), "{error:?}");
    let nowhere =
        Change::TransferOrg { org: org_id(9), from: user(1), to: user(2), at: moment(50) };
    let error = apply(&store, vec![nowhere]).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(Entity::Org)), "{error:?}");
    assert_eq!(store.org(org_id(1)).await.unwrap().unwrap().owner, user(1));
    assert_eq!(role(&store, user(1)).await, Some(OrgRole::Owner));

    let second = membership(org_id(1), user(5), OrgRole::Owner);
    given(&store, vec![Change::InsertMembership(second), transfer(user(1), user(1))]).await;
    assert_eq!(role(&store, user(1)).await, Some(OrgRole::Owner));
    assert_eq!(role(&store, user(5)).await, Some(OrgRole::Admin));
}

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
