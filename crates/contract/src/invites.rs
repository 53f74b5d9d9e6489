//! Invites.

use std::time::Duration;

use auth_domain::Timestamp;
use auth_domain::change::Change;
use auth_domain::error::{Conflict, Entity, Error, InviteClosed};
use auth_domain::model::{Invite, InviteState, OrgRole, Rival, Settlement, UserId, WaitingInvite};

use crate::AnyStore;
use crate::memberships::acme;
use crate::sample::{
    apply, given, invite, invite_id, membership, moment, org, org_id, platform_invite_id, user,
};

/// One by user 1 to org 1, as a viewer.
fn to(number: u32, invitee: UserId) -> Invite {
    invite(number, org_id(1), Some(invitee), OrgRole::Viewer)
}

fn over(number: u32, invitee: UserId) -> Invite {
    Invite { expires_at: moment(5), ..to(number, invitee) }
}

fn dormant(number: u32, role: OrgRole) -> Change {
    let invite = invite(number, org_id(1), None, role);
    Change::InsertDormantInvite { invite, platform_invite: platform_invite_id(1) }
}

fn settle(number: u32, to: Settlement) -> Change {
    Change::SettleInvite { id: invite_id(number), org: org_id(1), invitee: None, to }
}

fn activate(number: u32, invitee: UserId) -> Change {
    let (id, org) = (invite_id(number), org_id(1));
    Change::ActivateInvite { id, org, invitee, expires_at: Timestamp::from_micros(i64::MAX) }
}

async fn state(store: &AnyStore, number: u32) -> Option<InviteState> {
    let found = store.invite(invite_id(number)).await.unwrap();
    found.map(|found| found.invite.state)
}

/// With the name the org has now.
pub async fn an_invite_reads_back_as_written(store: AnyStore) {
    acme(&store).await;
    let mut number = 0;
    for role in OrgRole::ALL {
        for state in InviteState::ALL {
            number += 1;
            let written = Invite {
                role,
                state,
                inviter: user(2),
                expires_at: moment(100),
                ..to(number, user(100 + number))
            };
            given(&store, vec![Change::InsertInvite(written.clone())]).await;
            let read = store.invite(written.id).await.unwrap().unwrap();
            assert_eq!((read.invite, read.org_name.as_str()), (written, "acme"));
        }
    }
    assert_eq!(store.invite(invite_id(99)).await.unwrap(), None);
}

/// Whoever made it and whatever it offers; to another org, or once it has ended, there can be another.
pub async fn d25_somebody_has_one_pending_invite_to_an_org(store: AnyStore) {
    acme(&store).await;
    given(&store, vec![Change::InsertOrg(org(2, "other")), Change::InsertInvite(to(1, user(8)))])
        .await;
    let by_other = Invite { inviter: user(2), role: OrgRole::Admin, ..to(2, user(8)) };
    for second in [to(2, user(8)), by_other, to(1, user(9))] {
        let error = apply(&store, vec![Change::InsertInvite(second)]).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyExists(Entity::Invite)), "{error:?}");
    }
    let elsewhere = Invite { org: org_id(2), ..to(3, user(8)) };
    given(&store, vec![Change::InsertInvite(elsewhere)]).await;
    given(&store, vec![settle(1, Settlement::Declined), Change::InsertInvite(to(4, user(8)))])
        .await;
    assert_eq!(state(&store, 1).await, Some(InviteState::Declined));
}

/// A member needs none; nobody is invited to nowhere.
pub async fn nobody_is_invited_in_vain(store: AnyStore) {
    acme(&store).await;
    let error = apply(&store, vec![Change::InsertInvite(to(1, user(4)))]).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists(Entity::Membership)), "{error:?}");
    let nowhere = Invite { org: org_id(9), ..to(1, user(8)) };
    let error = apply(&store, vec![Change::InsertInvite(nowhere.clone())]).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(Entity::Org)), "{error:?}");
    let invite = Invite { invitee: None, ..nowhere };
    let platform_invite = platform_invite_id(1);
    let lost = Change::InsertDormantInvite { invite, platform_invite };
    let error = apply(&store, vec![lost]).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(Entity::Org)), "{error:?}");
    assert_eq!(state(&store, 1).await, None);
}

/// Neither one whose time is over nor one that offers what no invite can give.
pub async fn d26_go20_s56_an_invite_nobody_can_accept_blocks_no_other(store: AnyStore) {
    acme(&store).await;
    let of_owner = Invite { role: OrgRole::Owner, ..to(2, user(9)) };
    given(&store, vec![Change::InsertInvite(over(1, user(8))), Change::InsertInvite(of_owner)])
        .await;
    for (number, invitee) in [(3, user(8)), (4, user(9))] {
        given(&store, vec![Change::InsertInvite(to(number, invitee))]).await;
        assert_eq!(state(&store, number).await, Some(InviteState::Pending));
        assert_eq!(state(&store, number - 2).await, Some(InviteState::Expired));
    }
}

/// By each of its three ends, and by none of them again.
pub async fn s51_an_invite_ends_once(store: AnyStore) {
    use Settlement::{Accepted, Declined, Revoked};
    acme(&store).await;
    for (number, first) in (1..).zip([Accepted, Declined, Revoked]) {
        given(&store, vec![Change::InsertInvite(to(number, user(8)))]).await;
        given(&store, vec![settle(number, first)]).await;
        for second in [Accepted, Declined, Revoked] {
            let error = apply(&store, vec![settle(number, second)]).await.unwrap_err();
            let told = matches!(error, Error::Conflict(Conflict::InviteAnswered));
            assert!(told, "{first:?} {second:?} {error:?}");
        }
        assert_eq!(state(&store, number).await, Some(first.into()));
    }
}

/// The org is part of what names it.
pub async fn s36_an_invite_is_settled_in_its_own_org_only(store: AnyStore) {
    acme(&store).await;
    given(&store, vec![Change::InsertOrg(org(2, "other")), Change::InsertInvite(to(1, user(8)))])
        .await;
    for (id, org) in [(invite_id(1), org_id(2)), (invite_id(9), org_id(1))] {
        let to = Settlement::Accepted;
        let foreign = Change::SettleInvite { id, org, invitee: None, to };
        let error = apply(&store, vec![foreign]).await.unwrap_err();
        assert!(matches!(error, Error::NotFound(Entity::Invite)), "{error:?}");
    }
    assert_eq!(state(&store, 1).await, Some(InviteState::Pending));
}

/// Its time is over by the store's clock, not by anybody else's, and all of the commit fails.
pub async fn s52_an_invite_whose_time_is_over_ends_no_other_way(store: AnyStore) {
    acme(&store).await;
    given(&store, vec![Change::InsertInvite(over(1, user(8)))]).await;
    for to in [Settlement::Accepted, Settlement::Declined, Settlement::Revoked] {
        let joined = membership(org_id(1), user(8), OrgRole::Viewer);
        let changes = vec![settle(1, to), Change::InsertMembership(joined)];
        let error = apply(&store, changes).await.unwrap_err();
        assert!(matches!(error, Error::InviteClosed(InviteClosed::Expired)), "{error:?}");
    }
    assert_eq!(store.membership(org_id(1), user(8)).await.unwrap(), None);
    assert_eq!(state(&store, 1).await, Some(InviteState::Pending), "as stored");
}

/// Those that could still be accepted, dormant ones too; nobody else's, to no other org, none that ended.
pub async fn s41_go16_a_member_who_goes_takes_the_invites_they_sent_along(store: AnyStore) {
    acme(&store).await;
    let by_2 = |invite: Invite| Invite { inviter: user(2), ..invite };
    let elsewhere = Invite { org: org_id(2), ..by_2(to(5, user(8))) };
    let declined = Invite { state: InviteState::Declined, ..by_2(to(6, user(10))) };
    let asleep =
        by_2(Invite { expires_at: moment(5), ..invite(2, org_id(1), None, OrgRole::Viewer) });
    given(
        &store,
        vec![
            Change::InsertOrg(org(2, "other")),
            Change::InsertInvite(by_2(to(1, user(8)))),
            Change::InsertDormantInvite { invite: asleep, platform_invite: platform_invite_id(1) },
            Change::InsertInvite(by_2(over(3, user(9)))),
            Change::InsertInvite(to(4, user(11))),
            Change::InsertInvite(elsewhere),
            Change::InsertInvite(declined),
            Change::RemoveMembership { org: org_id(1), member: user(2) },
        ],
    )
    .await;
    let expected = [
        InviteState::Revoked,
        InviteState::Revoked,
        InviteState::Pending,
        InviteState::Pending,
        InviteState::Pending,
        InviteState::Declined,
    ];
    for (number, expected) in (1..).zip(expected) {
        assert_eq!(state(&store, number).await, Some(expected), "{number}");
    }
    assert_eq!(store.dormant_invite(platform_invite_id(1)).await.unwrap(), None);
}

/// Dormant ones, too.
pub async fn removing_an_org_takes_its_invites(store: AnyStore) {
    acme(&store).await;
    given(
        &store,
        vec![
            Change::InsertInvite(to(1, user(8))),
            dormant(2, OrgRole::Viewer),
            Change::RemoveOrg(org_id(1)),
        ],
    )
    .await;
    assert_eq!((state(&store, 1).await, state(&store, 2).await), (None, None));
    assert_eq!(store.waiting_invites(platform_invite_id(1), user(8)).await.unwrap(), []);
}

/// Its time begins then, and it waits no more.
pub async fn a_dormant_invite_is_given_to_somebody_once(store: AnyStore) {
    acme(&store).await;
    let invite = Invite { expires_at: moment(5), ..invite(1, org_id(1), None, OrgRole::Editor) };
    let platform_invite = platform_invite_id(1);
    given(&store, vec![Change::InsertDormantInvite { invite: invite.clone(), platform_invite }])
        .await;
    let found = store.dormant_invite(platform_invite).await.unwrap().unwrap();
    assert_eq!((found.invite.clone(), found.org_name.as_str()), (invite.clone(), "acme"));
    assert_eq!(found.invite.state_at(moment(9)), InviteState::Pending);

    let expires_at = moment(50).plus(Duration::from_secs(1));
    let (id, org, invitee) = (invite_id(1), org_id(1), user(8));
    given(&store, vec![Change::ActivateInvite { id, org, invitee, expires_at }]).await;
    let activated = Invite { invitee: Some(invitee), expires_at, ..invite };
    assert_eq!(store.invite(id).await.unwrap().unwrap().invite, activated);
    assert_eq!(store.dormant_invite(platform_invite).await.unwrap(), None);
    assert_eq!(store.waiting_invites(platform_invite, user(8)).await.unwrap(), []);

    let error = apply(&store, vec![activate(1, user(9))]).await.unwrap_err();
    assert!(matches!(error, Error::Conflict(Conflict::InviteAnswered)), "{error:?}");
    assert_eq!(store.invite(id).await.unwrap().unwrap().invite.invitee, Some(user(8)));
    let error = apply(&store, vec![activate(2, user(9))]).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(Entity::Invite)), "{error:?}");
}

/// What was revoked while it slept stays so.
pub async fn d27_only_a_pending_invite_is_activated(store: AnyStore) {
    acme(&store).await;
    given(&store, vec![dormant(1, OrgRole::Viewer), settle(1, Settlement::Revoked)]).await;
    assert_eq!(store.waiting_invites(platform_invite_id(1), user(8)).await.unwrap(), []);
    let error = apply(&store, vec![activate(1, user(8))]).await.unwrap_err();
    assert!(matches!(error, Error::Conflict(Conflict::InviteAnswered)), "{error:?}");
    assert_eq!(state(&store, 1).await, Some(InviteState::Revoked));
}

/// A member, another pending one; one that is over makes way.
pub async fn nothing_is_activated_beside_what_is_there(store: AnyStore) {
    acme(&store).await;
    given(
        &store,
        vec![
            dormant(1, OrgRole::Viewer),
            dormant(2, OrgRole::Viewer),
            Change::InsertInvite(to(3, user(8))),
            Change::InsertInvite(over(4, user(9))),
        ],
    )
    .await;
    let error = apply(&store, vec![activate(1, user(4))]).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists(Entity::Membership)), "{error:?}");
    for rivals in [vec![activate(1, user(8))], vec![activate(1, user(10)), activate(2, user(10))]] {
        let error = apply(&store, rivals).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyExists(Entity::Invite)), "{error:?}");
    }
    given(&store, vec![activate(1, user(9))]).await;
    assert_eq!(state(&store, 4).await, Some(InviteState::Expired));
    assert_eq!(state(&store, 2).await, Some(InviteState::Pending));
}

/// By org and id, with what stands beside each; those for other platform invites are not there, nor what no
/// invite can give.
pub async fn d10_waiting_invites_are_found_with_what_stands_beside_them(store: AnyStore) {
    acme(&store).await;
    let in_other = |number, role| Change::InsertDormantInvite {
        invite: invite(number, org_id(2), None, role),
        platform_invite: platform_invite_id(1),
    };
    let for_other = Change::InsertDormantInvite {
        invite: invite(9, org_id(1), None, OrgRole::Admin),
        platform_invite: platform_invite_id(2),
    };
    given(
        &store,
        vec![
            Change::InsertOrg(org(2, "other")),
            in_other(3, OrgRole::Admin),
            in_other(4, OrgRole::Owner),
            dormant(2, OrgRole::Editor),
            dormant(1, OrgRole::Viewer),
            for_other,
            Change::InsertInvite(Invite { org: org_id(2), ..to(5, user(4)) }),
            Change::InsertInvite(Invite { org: org_id(2), ..over(6, user(8)) }),
        ],
    )
    .await;
    let seen = |waiting: Vec<WaitingInvite>| -> Vec<_> {
        let seen = waiting.into_iter().map(|one| (one.invite.id, one.is_member, one.rival));
        seen.collect()
    };
    let by_stranger = store.waiting_invites(platform_invite_id(1), user(8)).await.unwrap();
    let nothing = |number| (invite_id(number), false, None);
    assert_eq!(seen(by_stranger), [nothing(1), nothing(2), nothing(3)]);
    let by_member = store.waiting_invites(platform_invite_id(1), user(4)).await.unwrap();
    let rival = Rival { id: invite_id(5), role: OrgRole::Viewer, created_at: moment(5) };
    let expected = [
        (invite_id(1), true, None),
        (invite_id(2), true, None),
        (invite_id(3), false, Some(rival)),
    ];
    assert_eq!(seen(by_member), expected);
    let newest = store.dormant_invite(platform_invite_id(1)).await.unwrap().unwrap();
    assert_eq!(newest.invite.id, invite_id(3));
}
