//! Invites for people without an account, and what becomes of them when they open one.

use auth_domain::model::{InviteId, InviteState, OrgId, OrgRole, PlatformInviteId, PlatformRole};
use auth_domain::ops::dormant_invites::{ActivateInvites, CreateDormantInvite, ViewDormantInvite};
use auth_domain::ops::invite_lists::Side;
use auth_domain::ports::Invites;
use auth_domain::{Entity, Error, Id, Invalid, Result, Rules, Unauthenticated};

use crate::elsewhere::Manner;
use crate::invites::Acme;
use crate::world::user;

fn platform_invite(number: u128) -> PlatformInviteId {
    Id::new(user(number).uuid())
}

impl Acme {
    async fn sleep_in(&self, org: OrgId, by: u128, role: OrgRole) -> InviteId {
        let platform_invite = platform_invite(1);
        let create = CreateDormantInvite { org, role, platform_invite };
        self.world.as_user(by, create).await.unwrap();
        // Each comes after the ones before.
        self.world.clock.advance(std::time::Duration::from_secs(1));
        let newest = self.world.store.dormant_invite(platform_invite).await.unwrap();
        newest.unwrap().invite.id
    }

    async fn sleep(&self, role: OrgRole) -> InviteId {
        self.sleep_in(self.org, 2, role).await
    }

    async fn activate(&self, invitee: u128) -> Result<()> {
        self.activate_at(1, invitee, "/welcome").await
    }

    async fn activate_at(&self, number: u128, invitee: u128, path: &str) -> Result<()> {
        let (user, path) = (user(invitee), path.parse().unwrap());
        let platform_invite = platform_invite(number);
        self.world.as_service(ActivateInvites { platform_invite, user, path }).await
    }

    async fn states(&self, ids: &[InviteId]) -> Vec<InviteState> {
        let mut states = Vec::new();
        for id in ids {
            states.push(self.state(*id).await);
        }
        states
    }
}

use InviteState::{Pending, Revoked};

#[tokio::test]
async fn d10_go13_a_dormant_invite_is_made_by_whoever_may_invite_and_never_offers_to_own() {
    let acme = Acme::new().await;
    acme.world.promote(9, PlatformRole::Admin).await;
    let create =
        |role| CreateDormantInvite { org: acme.org, role, platform_invite: platform_invite(1) };
    for by in [1, 2, 9] {
        let refused = acme.world.as_user(by, create(OrgRole::Owner)).await;
        assert!(matches!(refused, Err(Error::Invalid(Invalid::Role))), "{refused:?}");
        for role in OrgRole::GIVEN {
            acme.world.as_user(by, create(role)).await.unwrap();
        }
    }
    for by in [3, 4] {
        let refused = acme.world.as_user(by, create(OrgRole::Viewer)).await;
        assert!(matches!(refused, Err(Error::Forbidden)), "{by}");
    }
    let stranger = acme.world.as_user(5, create(OrgRole::Viewer)).await;
    assert!(matches!(stranger, Err(Error::NotFound(Entity::Org))));
    let found = acme.world.store.waiting_invites(platform_invite(1), user(11)).await.unwrap();
    assert_eq!(found.len(), 9);
}

#[tokio::test]
async fn d09_a_dormant_invite_is_in_no_list_and_its_time_has_not_begun() {
    let acme = Acme::new().await;
    let id = acme.sleep(OrgRole::Editor).await;
    assert_eq!(acme.list_of(2, 2, Side::Sent).await.unwrap(), []);
    acme.world.clock.advance(std::time::Duration::from_hours(400));
    acme.activate(11).await.unwrap();
    for (number, side) in [(2, Side::Sent), (11, Side::Received)] {
        let listed = acme.list_of(number, number, side).await.unwrap();
        assert_eq!((listed.len(), listed[0].invite.state), (1, Pending));
    }
    acme.accept(11, id).await.unwrap();
    assert_eq!(acme.role(11).await, Some(OrgRole::Editor));
    let facts = acme.world.facts().await;
    let of_invite: Vec<_> = facts.iter().filter(|kind| kind.starts_with("invite.")).collect();
    assert_eq!(of_invite, ["invite.create", "invite.activate", "invite.accept"]);
}

#[tokio::test]
async fn the_newest_dormant_invite_is_shown_to_services_only() {
    let acme = Acme::new().await;
    let view = || ViewDormantInvite { platform_invite: platform_invite(1) };
    let none = acme.world.as_service(view()).await;
    assert!(matches!(none, Err(Error::NotFound(Entity::Invite))));
    acme.sleep(OrgRole::Viewer).await;
    let id = acme.sleep(OrgRole::Editor).await;
    let shown = acme.world.as_service(view()).await.unwrap();
    assert_eq!((shown.invite.id, shown.org_name.as_str()), (id, "acme"));
    for refused in [acme.world.as_user(1, view()).await, acme.world.as_anyone(view()).await] {
        let told = matches!(refused, Err(Error::Unauthenticated(Unauthenticated::UnknownService)));
        assert!(told, "{refused:?}");
    }
}

#[tokio::test]
async fn r87_d27_activating_nothing_or_again_is_fine_and_asks_nobody() {
    let acme = Acme::new().await;
    acme.elsewhere.behave(Manner::Away);
    acme.activate(11).await.unwrap();
    acme.elsewhere.behave(Manner::Well);
    let id = acme.sleep(OrgRole::Viewer).await;
    acme.activate(11).await.unwrap();
    let revision = acme.world.facts().await.len();
    acme.elsewhere.behave(Manner::Away);
    acme.activate(11).await.unwrap();
    // Nor can anybody else have it.
    acme.activate(12).await.unwrap();
    assert_eq!(acme.world.facts().await.len(), revision);
    let invite = acme.world.store.invite(id).await.unwrap().unwrap().invite;
    assert_eq!(invite.invitee, Some(user(11)));
}

#[tokio::test]
async fn d88_an_invite_is_given_to_nobody_whom_the_directory_does_not_know() {
    let acme = Acme::new().await;
    let id = acme.sleep(OrgRole::Viewer).await;
    acme.elsewhere.forget(user(11));
    let refused = acme.activate(11).await;
    assert!(matches!(refused, Err(Error::NotFound(Entity::Account))), "{refused:?}");
    acme.elsewhere.behave(Manner::Away);
    let refused = acme.activate(12).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    let invite = acme.world.store.invite(id).await.unwrap().unwrap().invite;
    assert_eq!((invite.invitee, invite.state), (None, Pending));
    acme.elsewhere.behave(Manner::WithStrangers);
    acme.activate(12).await.unwrap();
}

#[tokio::test]
async fn d88_a_user_is_no_service() {
    let acme = Acme::new().await;
    acme.sleep(OrgRole::Viewer).await;
    let path = "/".parse().unwrap();
    let (platform_invite, user) = (platform_invite(1), user(5));
    let refused = acme.world.as_user(5, ActivateInvites { platform_invite, user, path }).await;
    let told = matches!(refused, Err(Error::Unauthenticated(Unauthenticated::UnknownService)));
    assert!(told, "{refused:?}");
}

#[tokio::test]
async fn d27_of_several_to_one_org_the_greatest_is_kept_the_newest_of_equals() {
    let acme = Acme::new().await;
    let other = acme.world.org(2, "other").await;
    let ids = [
        acme.sleep(OrgRole::Viewer).await,
        acme.sleep(OrgRole::Editor).await,
        acme.sleep(OrgRole::Editor).await,
        acme.sleep(OrgRole::Viewer).await,
        acme.sleep_in(other, 2, OrgRole::Viewer).await,
    ];
    acme.activate(11).await.unwrap();
    assert_eq!(acme.states(&ids).await, [Revoked, Revoked, Pending, Revoked, Pending]);
    let received = acme.list_of(11, 11, Side::Received).await.unwrap();
    assert_eq!(received.iter().filter(|one| one.invite.state == Pending).count(), 2);
    acme.accept(11, ids[2]).await.unwrap();
    acme.accept(11, ids[4]).await.unwrap();
}

#[tokio::test]
async fn d27_one_they_have_already_counts_among_them() {
    let acme = Acme::new().await;
    let had = acme.invite(1, 11, OrgRole::Editor).await.unwrap();
    let lesser = acme.sleep(OrgRole::Viewer).await;
    acme.activate(11).await.unwrap();
    assert_eq!(acme.states(&[had, lesser]).await, [Pending, Revoked]);
    let greater = acme.sleep(OrgRole::Admin).await;
    acme.activate(11).await.unwrap();
    assert_eq!(acme.states(&[had, greater]).await, [Revoked, Pending]);
    let newer = acme.sleep(OrgRole::Admin).await;
    acme.activate(11).await.unwrap();
    assert_eq!(acme.states(&[greater, newer]).await, [Revoked, Pending]);
    acme.accept(11, newer).await.unwrap();
}

#[tokio::test]
async fn d27_members_need_none() {
    let acme = Acme::new().await;
    let ids = [acme.sleep(OrgRole::Admin).await, acme.sleep(OrgRole::Editor).await];
    acme.activate(4).await.unwrap();
    assert_eq!(acme.states(&ids).await, [Revoked, Revoked]);
    assert_eq!(acme.role(4).await, Some(OrgRole::Viewer));
}

#[tokio::test]
async fn s41_an_inviter_who_goes_takes_dormant_invites_along() {
    let acme = Acme::new().await;
    let id = acme.sleep(OrgRole::Viewer).await;
    let leave = auth_domain::ops::members::LeaveOrg { org: acme.org };
    acme.world.as_user(2, leave).await.unwrap();
    acme.activate(11).await.unwrap();
    assert_eq!(acme.states(&[id]).await, [Revoked]);
    assert_eq!(acme.list_of(11, 11, Side::Received).await.unwrap(), []);
}

#[tokio::test]
async fn s59_the_mail_of_an_activation_leads_nowhere_else_either() {
    let redirect_prefixes = vec!["/app".parse().unwrap()];
    let acme = Acme::by(Rules { redirect_prefixes, ..Rules::default() }).await;
    acme.activate_at(1, 11, "/other").await.unwrap();
    let id = acme.sleep(OrgRole::Viewer).await;
    let refused = acme.activate_at(1, 11, "/other").await;
    assert!(matches!(refused, Err(Error::Invalid(Invalid::Malformed { .. }))), "{refused:?}");
    assert_eq!(acme.world.store.invite(id).await.unwrap().unwrap().invite.invitee, None);
    acme.activate_at(1, 11, "/app/welcome").await.unwrap();
}

#[tokio::test]
async fn r26_of_two_who_answer_a_platform_invite_at_once_one_gets_it() {
    let acme = Acme::new().await;
    for _ in 0..20 {
        acme.world.throttle.forget();
        let id = acme.sleep(OrgRole::Viewer).await;
        let (one, other) = tokio::join!(acme.activate(11), acme.activate(12));
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
        let invite = acme.world.store.invite(id).await.unwrap().unwrap().invite;
        assert!([Some(user(11)), Some(user(12))].contains(&invite.invitee));
    }
}

/// Whoever answers gets a mail for each org in the end.
#[tokio::test]
async fn s55_dormant_invites_are_limited_by_whom_they_are_from_and_to() {
    let acme = Acme::new().await;
    let create = |number| CreateDormantInvite {
        org: acme.org,
        role: OrgRole::Viewer,
        platform_invite: platform_invite(number),
    };
    for _ in 0..5 {
        acme.world.as_user(2, create(1)).await.unwrap();
    }
    let sixth = acme.world.as_user(2, create(1)).await;
    assert!(matches!(sixth, Err(Error::RateLimited(_))), "{sixth:?}");
    acme.world.as_user(1, create(1)).await.unwrap();
    for number in 2..56 {
        acme.world.as_user(2, create(number)).await.unwrap();
    }
    let sixtieth = acme.world.as_user(2, create(56)).await;
    assert!(matches!(sixtieth, Err(Error::RateLimited(_))), "{sixtieth:?}");
}
