//! Invites: who may make, see, answer and take them back, and what they are worth.
//!
//! The store judges by its own clock whether an invite's time is over, so these tests take place a hundred
//! years ahead: what is over here is so by the clock of the service.

use std::sync::Arc;
use std::time::Duration;

use auth_domain::model::{
    Direction, InviteId, InviteOrder, InviteState, KeyKind, OrgId, OrgRole, Page, PlatformRole,
    RedirectPath, ShownInvite,
};
use auth_domain::ops::invite_lists::{ListInvitesByOrg, ListInvitesByUser, Side, ViewInvite};
use auth_domain::ops::invites::{Answer, CreateInvite, RespondInvite, RevokeInvite};
use auth_domain::ops::keys::RevokeKey;
use auth_domain::ops::members::{AddMembers, Batch, Grant, LeaveOrg, RemoveMembers, UpdateMembers};
use auth_domain::ops::orgs::RemoveOrgs;
use auth_domain::ports::{Invites, Memberships};
use auth_domain::{
    Caller, Conflict, Entity, Error, Invalid, InviteClosed, Result, Rules, Unauthenticated,
};

use crate::elsewhere::{Elsewhere, Manner};
use crate::world::{World, user, world_of};

const WEEK: Duration = Duration::from_hours(168);

/// An org with its owner, user 1, an admin, user 2, an editor and a viewer, users 3 and 4.
pub struct Acme {
    pub world: World,
    pub org: OrgId,
    pub elsewhere: Arc<Elsewhere>,
}

impl Acme {
    pub async fn new() -> Self {
        Self::by(Rules::default()).await
    }

    pub async fn by(rules: Rules) -> Self {
        let elsewhere = Elsewhere::new();
        let world = world_of(rules, elsewhere.clone()).await;
        world.clock.advance(Duration::from_hours(100 * 365 * 24));
        let org = world.org(1, "acme").await;
        for (number, role) in [(2, OrgRole::Admin), (3, OrgRole::Editor), (4, OrgRole::Viewer)] {
            world.join(org, number, role).await;
        }
        Self { world, org, elsewhere }
    }

    pub async fn invite(&self, by: u128, to: u128, role: OrgRole) -> Result<InviteId> {
        self.invite_to(by, to, role, "/invites").await
    }

    async fn invite_to(&self, by: u128, to: u128, role: OrgRole, path: &str) -> Result<InviteId> {
        let email = format!("user{to}@example.com").parse().unwrap();
        let path: RedirectPath = path.parse().unwrap();
        self.world.as_user(by, CreateInvite { org: self.org, email, role, path }).await
    }

    pub async fn answer(&self, by: u128, id: InviteId, answer: Answer) -> Result<()> {
        self.world.as_user(by, RespondInvite { id, answer, path: None }).await
    }

    pub async fn accept(&self, by: u128, id: InviteId) -> Result<()> {
        self.answer(by, id, Answer::Accept).await
    }

    async fn revoke(&self, by: u128, id: InviteId) -> Result<()> {
        self.world.as_user(by, RevokeInvite { id }).await
    }

    async fn view(&self, by: u128, id: InviteId) -> Result<ShownInvite> {
        self.world.as_user(by, ViewInvite { id }).await
    }

    pub async fn state(&self, id: InviteId) -> InviteState {
        self.world.store.invite(id).await.unwrap().unwrap().invite.state
    }

    pub async fn role(&self, number: u128) -> Option<OrgRole> {
        let membership = self.world.store.membership(self.org, user(number)).await.unwrap();
        membership.map(|membership| membership.role)
    }

    async fn list(&self, by: u128, states: &[InviteState]) -> Result<Vec<ShownInvite>> {
        let (org, states, page) = (self.org, states.to_vec(), page());
        Ok(self.world.as_user(by, ListInvitesByOrg { org, states, page }).await?.items)
    }

    pub async fn list_of(&self, by: u128, of: u128, side: Side) -> Result<Vec<ShownInvite>> {
        let (user, states, page) = (user(of), InviteState::ALL.to_vec(), page());
        Ok(self.world.as_user(by, ListInvitesByUser { user, side, states, page }).await?.items)
    }

    async fn grant(&self, number: u128, role: OrgRole) {
        let email = format!("user{number}@example.com").parse().ok();
        let grants = Batch::new(vec![Grant { email, role }]).unwrap();
        self.world.as_user(1, UpdateMembers { org: self.org, grants }).await.unwrap();
    }
}

fn page() -> Page<InviteOrder> {
    Page::new(0, 200, InviteOrder::Id, Direction::Ascending).unwrap()
}

#[tokio::test]
async fn s37_admins_and_the_owner_invite_and_nobody_offers_to_own() {
    let acme = Acme::new().await;
    acme.world.promote(9, PlatformRole::Admin).await;
    for (by, to) in [(1, 11), (2, 12), (9, 13)] {
        for role in OrgRole::GIVEN {
            let id = acme.invite(by, to, role).await.unwrap();
            let made = acme.world.store.invite(id).await.unwrap().unwrap().invite;
            assert_eq!((made.inviter, made.invitee), (user(by), Some(user(to))));
            assert_eq!((made.role, made.state), (role, InviteState::Pending));
            assert_eq!(made.expires_at, made.created_at.plus(WEEK));
            acme.revoke(by, id).await.unwrap();
        }
        let owner = acme.invite(by, to, OrgRole::Owner).await;
        assert!(matches!(owner, Err(Error::Invalid(Invalid::Malformed { field: "role", .. }))));
    }
    for by in [3, 4] {
        let refused = acme.invite(by, 11, OrgRole::Viewer).await;
        assert!(matches!(refused, Err(Error::Forbidden)), "{by}");
    }
    let stranger = acme.invite(5, 11, OrgRole::Viewer).await;
    assert!(matches!(stranger, Err(Error::NotFound(Entity::Org))));
    let facts = acme.world.facts().await;
    assert_eq!(facts.iter().filter(|kind| *kind == "invite.create").count(), 9);
    assert_eq!(facts.iter().filter(|kind| *kind == "invite.revoke").count(), 9);
}

#[tokio::test]
async fn s57_inviting_twice_or_a_member_is_a_conflict() {
    let acme = Acme::new().await;
    let id = acme.invite(1, 11, OrgRole::Viewer).await.unwrap();
    for by in [1, 2] {
        let again = acme.invite(by, 11, OrgRole::Admin).await;
        assert!(matches!(again, Err(Error::AlreadyExists(Entity::Invite))), "{again:?}");
    }
    let member = acme.invite(1, 4, OrgRole::Admin).await;
    assert!(matches!(member, Err(Error::AlreadyExists(Entity::Membership))), "{member:?}");
    acme.answer(11, id, Answer::Decline).await.unwrap();
    acme.invite(2, 11, OrgRole::Admin).await.unwrap();
}

#[tokio::test]
async fn s59_d31_go4_links_lead_only_below_the_paths_the_operator_allows() {
    let redirect_prefixes = vec!["/app".parse().unwrap(), "/v/invites".parse().unwrap()];
    let acme = Acme::by(Rules { redirect_prefixes, ..Rules::default() }).await;
    for (to, path) in [(11, "/app"), (12, "/app/x/y"), (13, "/v/invites/")] {
        acme.invite_to(1, to, OrgRole::Viewer, path).await.unwrap();
    }
    for path in ["/", "/application", "/v", "/v/other"] {
        let refused = acme.invite_to(1, 14, OrgRole::Viewer, path).await;
        let told = matches!(
            refused,
            Err(Error::Invalid(Invalid::Malformed { field: "redirect_path", .. }))
        );
        assert!(told, "{path} {refused:?}");
    }
}

#[tokio::test]
async fn s55_d32_every_try_counts_against_whoever_invites() {
    let acme = Acme::new().await;
    acme.elsewhere.forget(user(99));
    for number in 0..60 {
        let (to, role) = if number % 2 == 0 { (99, OrgRole::Viewer) } else { (4, OrgRole::Viewer) };
        let refused = acme.invite(1, to, role).await;
        let told = matches!(refused, Err(Error::NotFound(_) | Error::AlreadyExists(_)));
        assert!(told, "{number} {refused:?}");
    }
    acme.elsewhere.calls();
    let refused = acme.invite(1, 99, OrgRole::Viewer).await;
    assert!(matches!(refused, Err(Error::RateLimited(_))), "{refused:?}");
    assert!(acme.elsewhere.calls().is_empty(), "nobody was asked who they are");
    acme.invite(2, 11, OrgRole::Viewer).await.unwrap();
}

#[tokio::test]
async fn s55_invites_that_were_made_count_against_the_invitee() {
    let acme = Acme::new().await;
    for number in 0..5_u32 {
        let id = acme.invite(1, 11, OrgRole::Viewer).await.unwrap();
        // What was not made does not count.
        let again = acme.invite(2, 11, OrgRole::Viewer).await;
        let told = matches!(again, Err(Error::AlreadyExists(_) | Error::RateLimited(_)));
        assert!(told, "{number} {again:?}");
        acme.answer(11, id, Answer::Decline).await.unwrap();
    }
    let sixth = acme.invite(1, 11, OrgRole::Viewer).await;
    assert!(matches!(sixth, Err(Error::RateLimited(_))), "{sixth:?}");
    acme.invite(1, 12, OrgRole::Viewer).await.unwrap();
    // S-87: what one has done keeps no other from inviting.
    acme.invite(2, 11, OrgRole::Viewer).await.unwrap();
}

#[tokio::test]
async fn s55_s87_a_mailbox_is_not_flooded_and_the_invites_are_there_all_the_same() {
    let acme = Acme::by(Rules { mail: true, ..Rules::default() }).await;
    let mut made = 0;
    for inviter in 50..60 {
        acme.world.join(acme.org, inviter, OrgRole::Admin).await;
        for _ in 0..3 {
            let id = acme.invite(inviter, 11, OrgRole::Viewer).await.unwrap();
            acme.answer(11, id, Answer::Decline).await.unwrap();
            made += 1;
        }
    }
    assert_eq!((made, acme.world.seen.mails()), (30, 20));
    acme.invite(50, 12, OrgRole::Viewer).await.unwrap();
    assert_eq!(acme.world.seen.mails(), 21, "somebody else's mailbox");
}

#[tokio::test]
async fn whoever_accepts_is_a_member_by_it() {
    let acme = Acme::new().await;
    for (to, role) in [(11, OrgRole::Viewer), (12, OrgRole::Editor), (13, OrgRole::Admin)] {
        let id = acme.invite(2, to, role).await.unwrap();
        acme.accept(to, id).await.unwrap();
        assert_eq!(
            (acme.role(to).await, acme.state(id).await),
            (Some(role), InviteState::Accepted)
        );
        for again in [Answer::Accept, Answer::Decline] {
            let again = acme.answer(to, id, again).await;
            assert!(matches!(again, Err(Error::InviteClosed(InviteClosed::Settled))), "{again:?}");
        }
        let revoked = acme.revoke(2, id).await;
        assert!(matches!(revoked, Err(Error::InviteClosed(InviteClosed::Settled))), "{revoked:?}");
    }
    let facts = acme.world.facts().await;
    assert_eq!(facts[facts.len() - 2..], ["invite.accept", "membership.create"]);
}

#[tokio::test]
async fn s50_only_the_invitee_answers_and_who_they_are_counts_before_what_became_of_it() {
    let acme = Acme::new().await;
    acme.world.promote(9, PlatformRole::Root).await;
    let id = acme.invite(2, 11, OrgRole::Viewer).await.unwrap();
    for settled in [false, true] {
        for by in [1, 2, 3, 5, 9, 12] {
            for answer in [Answer::Accept, Answer::Decline] {
                let refused = acme.answer(by, id, answer).await;
                assert!(matches!(refused, Err(Error::Forbidden)), "{by} {settled} {refused:?}");
            }
        }
        if !settled {
            acme.answer(11, id, Answer::Decline).await.unwrap();
        }
    }
    assert_eq!((acme.state(id).await, acme.role(11).await), (InviteState::Declined, None));
    let unknown = acme.accept(11, InviteId::sought("zz")).await;
    assert!(matches!(unknown, Err(Error::NotFound(Entity::Invite))));
}

#[tokio::test]
async fn an_api_key_answers_for_its_owner_and_a_revoked_or_recovery_token_for_nobody() {
    let acme = Acme::new().await;
    let id = acme.invite(2, 11, OrgRole::Viewer).await.unwrap();
    let recovery = acme.world.token(11, KeyKind::Recovery);
    let lost = acme.world.key(11, None).await;
    acme.world.as_user(11, RevokeKey { id: lost.key.id }).await.unwrap();
    let answer = || RespondInvite { id, answer: Answer::Accept, path: None };
    for token in [recovery, lost.token] {
        let refused = acme.world.app.execute(Caller::Bearer(token), answer()).await;
        let told = matches!(refused, Err(Error::Unauthenticated(Unauthenticated::NotHonoured)));
        assert!(told, "{refused:?}");
    }
    let key = acme.world.key(11, None).await;
    acme.world.app.execute(Caller::Bearer(key.token), answer()).await.unwrap();
    assert_eq!(acme.role(11).await, Some(OrgRole::Viewer));
}

#[tokio::test]
async fn d28_s52_an_invite_expires_by_itself_wherever_it_is_looked_at() {
    let acme = Acme::new().await;
    let id = acme.invite(2, 11, OrgRole::Viewer).await.unwrap();
    let last = Duration::from_millis(1);
    acme.world.clock.advance(WEEK.saturating_sub(last));
    assert_eq!(acme.view(11, id).await.unwrap().invite.state, InviteState::Pending);
    assert_eq!(acme.list(1, &[InviteState::Pending]).await.unwrap().len(), 1);
    acme.world.clock.advance(last);
    assert_eq!(acme.view(11, id).await.unwrap().invite.state, InviteState::Expired);
    assert_eq!(acme.list(1, &[InviteState::Pending]).await.unwrap(), []);
    let expired = acme.list(1, &[InviteState::Expired]).await.unwrap();
    assert_eq!(expired[0].invite.state, InviteState::Expired);
    let received = acme.list_of(11, 11, Side::Received).await.unwrap();
    assert_eq!(received[0].invite.state, InviteState::Expired);
    for answer in [Answer::Accept, Answer::Decline] {
        let refused = acme.answer(11, id, answer).await;
        assert!(matches!(refused, Err(Error::InviteClosed(InviteClosed::Expired))), "{refused:?}");
    }
    let refused = acme.revoke(2, id).await;
    assert!(matches!(refused, Err(Error::InviteClosed(InviteClosed::Expired))), "{refused:?}");
    assert_eq!(acme.role(11).await, None);
}

fn is_void(answer: &Result<()>) {
    assert!(matches!(answer, Err(Error::InviteClosed(InviteClosed::Void))), "{answer:?}");
}

#[tokio::test]
async fn s52_d29_go19_an_invite_is_worth_what_its_inviter_may_give_when_it_is_accepted() {
    let acme = Acme::new().await;
    let id = acme.invite(2, 11, OrgRole::Admin).await.unwrap();
    for role in [OrgRole::Editor, OrgRole::Viewer] {
        acme.grant(2, role).await;
        is_void(&acme.accept(11, id).await);
    }
    // A platform role counts, and so does getting the role back.
    acme.world.promote(2, PlatformRole::Admin).await;
    acme.accept(11, id).await.unwrap();

    let id = acme.invite(2, 12, OrgRole::Viewer).await.unwrap();
    acme.world
        .commit(auth_domain::change::Change::RemovePlatformRole { user: user(2) })
        .await
        .unwrap();
    is_void(&acme.accept(12, id).await);
    acme.grant(2, OrgRole::Admin).await;
    acme.accept(12, id).await.unwrap();
    assert_eq!(
        (acme.role(11).await, acme.role(12).await),
        (Some(OrgRole::Admin), Some(OrgRole::Viewer))
    );
}

#[tokio::test]
async fn s52_an_inviter_whom_nobody_knows_any_more_invites_nobody() {
    let acme = Acme::new().await;
    let id = acme.invite(2, 11, OrgRole::Viewer).await.unwrap();
    acme.elsewhere.forget(user(2));
    is_void(&acme.accept(11, id).await);
    acme.elsewhere.remember();
    for manner in [Manner::Empty, Manner::Short] {
        acme.elsewhere.behave(manner);
        is_void(&acme.accept(11, id).await);
    }
    acme.elsewhere.behave(Manner::Away);
    let refused = acme.accept(11, id).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert_eq!((acme.state(id).await, acme.role(11).await), (InviteState::Pending, None));
    acme.elsewhere.behave(Manner::WithStrangers);
    acme.accept(11, id).await.unwrap();
}

#[tokio::test]
async fn s41_s52_whoever_leaves_or_is_removed_takes_their_invites_along() {
    let acme = Acme::new().await;
    acme.world.join(acme.org, 6, OrgRole::Admin).await;
    let by_2 = acme.invite(2, 11, OrgRole::Viewer).await.unwrap();
    let by_6 = acme.invite(6, 12, OrgRole::Viewer).await.unwrap();
    let by_1 = acme.invite(1, 13, OrgRole::Viewer).await.unwrap();
    let members = Batch::new(vec![user(2)]).unwrap();
    acme.world.as_user(1, RemoveMembers { org: acme.org, members }).await.unwrap();
    acme.world.as_user(6, LeaveOrg { org: acme.org }).await.unwrap();
    for (invitee, id) in [(11, by_2), (12, by_6)] {
        assert_eq!(acme.view(invitee, id).await.unwrap().invite.state, InviteState::Revoked);
        let refused = acme.accept(invitee, id).await;
        assert!(matches!(refused, Err(Error::InviteClosed(InviteClosed::Settled))), "{refused:?}");
    }
    acme.accept(13, by_1).await.unwrap();
    acme.world.as_user(1, RemoveOrgs { ids: vec![acme.org] }).await.unwrap();
    let gone = acme.view(13, by_1).await;
    assert!(matches!(gone, Err(Error::NotFound(Entity::Invite))), "{gone:?}");
}

#[tokio::test]
async fn d30_a_member_who_accepts_keeps_their_role_and_the_invite_is_used_up() {
    let acme = Acme::new().await;
    let id = acme.invite(2, 11, OrgRole::Admin).await.unwrap();
    let email = "user11@example.com".parse().ok();
    let grants = Batch::new(vec![Grant { email, role: OrgRole::Viewer }]).unwrap();
    acme.world.as_user(1, AddMembers { org: acme.org, grants }).await.unwrap();
    let told = acme.accept(11, id).await;
    assert!(matches!(told, Err(Error::AlreadyExists(Entity::Membership))), "{told:?}");
    assert_eq!(
        (acme.state(id).await, acme.role(11).await),
        (InviteState::Accepted, Some(OrgRole::Viewer))
    );
    let again = acme.accept(11, id).await;
    assert!(matches!(again, Err(Error::InviteClosed(InviteClosed::Settled))), "{again:?}");
}

#[tokio::test]
async fn s53_go19_the_inviter_every_admin_and_platform_roles_revoke() {
    let acme = Acme::new().await;
    acme.world.promote(9, PlatformRole::Admin).await;
    for by in [1, 2, 9] {
        let id = acme.invite(2, 11, OrgRole::Viewer).await.unwrap();
        for other in [3, 4, 5, 11] {
            let refused = acme.revoke(other, id).await;
            assert!(matches!(refused, Err(Error::Forbidden)), "{other} {refused:?}");
        }
        acme.revoke(by, id).await.unwrap();
        let refused = acme.accept(11, id).await;
        assert!(matches!(refused, Err(Error::InviteClosed(InviteClosed::Settled))), "{refused:?}");
    }
    // Whoever made it can, whatever became of them.
    let id = acme.invite(2, 11, OrgRole::Viewer).await.unwrap();
    acme.grant(2, OrgRole::Viewer).await;
    acme.revoke(2, id).await.unwrap();
}

#[tokio::test]
async fn r60_an_invite_is_shown_to_the_two_it_is_between_and_to_admins() {
    let acme = Acme::new().await;
    acme.world.promote(9, PlatformRole::Admin).await;
    let id = acme.invite(2, 11, OrgRole::Editor).await.unwrap();
    for by in [1, 2, 9, 11] {
        acme.elsewhere.calls();
        let shown = acme.view(by, id).await.unwrap();
        assert_eq!(shown.invitee_email, "user11@example.com");
        assert_eq!(shown.inviter_email, "user2@example.com");
        assert_eq!((shown.org_name.as_str(), shown.invite.role), ("acme", OrgRole::Editor));
        assert_eq!(acme.elsewhere.calls(), [2], "one call");
    }
    for by in [3, 4, 5] {
        let refused = acme.view(by, id).await;
        assert!(matches!(refused, Err(Error::Forbidden)), "{by} {refused:?}");
        assert!(acme.elsewhere.calls().is_empty(), "{by}: nobody was asked");
    }
    // Neither is known: two empty addresses, and no error.
    acme.elsewhere.forget(user(2));
    acme.elsewhere.forget(user(11));
    let shown = acme.view(11, id).await.unwrap();
    assert_eq!((shown.invitee_email.as_str(), shown.inviter_email.as_str()), ("", ""));
}

#[tokio::test]
async fn d34_s84_a_page_of_invites_is_one_call_to_the_directory_whatever_it_says() {
    let acme = Acme::new().await;
    for to in 11..=20 {
        acme.invite(1 + to % 2, to, OrgRole::Viewer).await.unwrap();
    }
    acme.elsewhere.calls();
    for (manner, known) in [
        (Manner::Well, 10),
        (Manner::Reversed, 10),
        (Manner::Twice, 10),
        (Manner::WithStrangers, 10),
        (Manner::Short, 9),
        (Manner::Empty, 0),
    ] {
        acme.elsewhere.behave(manner);
        let listed = acme.list(1, &InviteState::ALL).await.unwrap();
        assert_eq!((listed.len(), acme.elsewhere.calls()), (10, vec![12]), "{manner:?}");
        let shown = listed.iter().filter(|shown| !shown.invitee_email.is_empty());
        assert_eq!(shown.count(), known, "{manner:?}");
        for shown in &listed {
            let invitee = shown.invite.invitee.unwrap().uuid().as_u128();
            let expected = format!("user{invitee}@example.com");
            assert!(shown.invitee_email.is_empty() || shown.invitee_email == expected);
        }
    }
    acme.elsewhere.behave(Manner::Away);
    for answer in [
        acme.list(1, &InviteState::ALL).await,
        acme.list_of(11, 11, Side::Received).await,
        acme.list_of(1, 1, Side::Sent).await,
    ] {
        assert!(matches!(answer, Err(Error::Unavailable(_))));
    }
    // An empty page needs nobody.
    assert_eq!(acme.list(1, &[InviteState::Declined]).await.unwrap(), []);
}

#[tokio::test]
async fn r67_lists_are_for_admins_and_for_whom_they_are_of() {
    let acme = Acme::new().await;
    acme.world.promote(9, PlatformRole::Admin).await;
    let first = acme.invite(1, 11, OrgRole::Viewer).await.unwrap();
    let second = acme.invite(2, 12, OrgRole::Viewer).await.unwrap();
    let ids =
        |listed: Vec<ShownInvite>| -> Vec<_> { listed.iter().map(|one| one.invite.id).collect() };
    for by in [1, 2, 9] {
        assert_eq!(ids(acme.list(by, &InviteState::ALL).await.unwrap()), [first, second]);
    }
    for by in [3, 4] {
        assert!(matches!(acme.list(by, &InviteState::ALL).await, Err(Error::Forbidden)));
    }
    let stranger = acme.list(5, &InviteState::ALL).await;
    assert!(matches!(stranger, Err(Error::NotFound(Entity::Org))));
    for (of, side, expected) in [
        (11, Side::Received, vec![first]),
        (11, Side::Sent, vec![]),
        (2, Side::Sent, vec![second]),
        (2, Side::Received, vec![]),
    ] {
        for by in [of, 9] {
            assert_eq!(ids(acme.list_of(by, of, side).await.unwrap()), expected, "{by} {of}");
        }
        for by in [1, 3, 5] {
            let refused = acme.list_of(by, of, side).await;
            assert!(matches!(refused, Err(Error::Forbidden)), "{by} {of}");
        }
    }
}

#[tokio::test]
async fn r26_go15_whoever_was_slower_is_told_so_and_nothing_is_half_done() {
    let acme = Acme::new().await;
    for round in 0..40_u32 {
        let to = 100 + u128::from(round);
        let id = acme.invite(1 + u128::from(round % 2), to, OrgRole::Viewer).await.unwrap();
        let (accepted, declined, revoked) = tokio::join!(
            acme.accept(to, id),
            acme.answer(to, id, Answer::Decline),
            acme.revoke(1, id)
        );
        let outcomes = [accepted, declined, revoked];
        let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(won, 1, "{outcomes:?}");
        for lost in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            let told = matches!(
                lost,
                Error::Conflict(Conflict::InviteAnswered)
                    | Error::InviteClosed(InviteClosed::Settled)
            );
            assert!(told, "{lost:?}");
        }
        let is_member = acme.role(to).await.is_some();
        assert_eq!(acme.state(id).await == InviteState::Accepted, is_member);
    }
}
