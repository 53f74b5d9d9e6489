//! Invites to the platform.

use auth_domain::Timestamp;
use auth_domain::change::Change;
use auth_domain::error::{Entity, Error, InviteClosed};
use auth_domain::model::{
    Direction, InviteState, OrgRole, Page, PlatformInvite, PlatformInviteOrder,
    PlatformInviteQuery, Settlement,
};

use crate::AnyStore;
use crate::races::at_once;
use crate::sample::{
    apply, commit, given, invite, invite_id, moment, org, org_id, platform_invite,
    platform_invite_id, user,
};

fn over(number: u32, email: &str) -> PlatformInvite {
    PlatformInvite { expires_at: moment(60), ..platform_invite(number, email) }
}

fn settle(number: u32, to: Settlement) -> Change {
    Change::SettlePlatformInvite { id: platform_invite_id(number), to }
}

fn dormant(number: u32, waits_for: u32) -> Change {
    let platform_invite = platform_invite_id(waits_for);
    let invite = invite(number, org_id(1), None, OrgRole::Editor);
    Change::InsertDormantInvite { invite, platform_invite }
}

async fn state(store: &AnyStore, number: u32) -> InviteState {
    store.platform_invite(platform_invite_id(number)).await.unwrap().unwrap().state
}

async fn list(
    store: &AnyStore,
    email: &str,
    states: &[InviteState],
    at: Timestamp,
    direction: Direction,
) -> (Vec<u32>, u64) {
    let query = PlatformInviteQuery { email: email.to_owned(), states: states.to_vec(), at };
    let page = Page::new(0, 3, PlatformInviteOrder::Id, direction).unwrap();
    let found = store.platform_invites(&query, page).await.unwrap();
    let number = |invite: &PlatformInvite| {
        (1..10).find(|number| platform_invite_id(*number) == invite.id).unwrap()
    };
    (found.items.iter().map(number).collect(), found.total)
}

/// As it was made; another that is unknown is nothing.
pub async fn a_platform_invite_reads_back_as_written(store: AnyStore) {
    let made = platform_invite(1, "Ada@b\u{fc}cher.example");
    given(&store, vec![Change::InsertPlatformInvite(made.clone())]).await;
    assert_eq!(store.platform_invite(made.id).await.unwrap(), Some(made));
    assert_eq!(store.platform_invite(platform_invite_id(2)).await.unwrap(), None);
}

/// Whatever its spelling; one that has ended or whose time is over is in nobody's way.
pub async fn fw29_there_is_one_pending_platform_invite_to_an_address(store: AnyStore) {
    given(&store, vec![Change::InsertPlatformInvite(over(1, "ada@example.com"))]).await;
    let second = Change::InsertPlatformInvite(platform_invite(2, "Ada@example.com"));
    given(&store, vec![second]).await;
    assert_eq!(state(&store, 1).await, InviteState::Expired);
    let third = || Change::InsertPlatformInvite(platform_invite(3, "ADA@example.com"));
    let error = apply(&store, vec![third()]).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists(Entity::Invite)), "{error:?}");
    given(&store, vec![settle(2, Settlement::Revoked), third()]).await;
    assert_eq!(state(&store, 2).await, InviteState::Revoked);
    let other = Change::InsertPlatformInvite(platform_invite(4, "other@example.com"));
    given(&store, vec![other]).await;
}

/// By accepting, by revoking, or by its time; once.
pub async fn go44_a_platform_invite_ends_once(store: AnyStore) {
    let made = |number: u32, invite: PlatformInvite| {
        given(
            &store,
            vec![Change::InsertPlatformInvite(PlatformInvite {
                id: platform_invite_id(number),
                ..invite
            })],
        )
    };
    made(1, platform_invite(1, "one@example.com")).await;
    made(2, over(2, "two@example.com")).await;
    given(&store, vec![settle(1, Settlement::Accepted)]).await;
    for (number, expected) in [
        (1, Error::InviteClosed(InviteClosed::Settled)),
        (2, Error::InviteClosed(InviteClosed::Expired)),
        (9, Error::NotFound(Entity::Invite)),
    ] {
        let error = apply(&store, vec![settle(number, Settlement::Revoked)]).await.unwrap_err();
        assert_eq!(format!("{error:?}"), format!("{expected:?}"), "{number}");
    }
    assert_eq!(state(&store, 1).await, InviteState::Accepted);
    for round in 3..8_u32 {
        made(round, platform_invite(round, &format!("{round}@example.com"))).await;
        let attempts = [Settlement::Accepted, Settlement::Revoked, Settlement::Accepted];
        let attempts = attempts.map(|to| commit(vec![settle(round, to)]));
        let outcomes = at_once(&store, attempts.into()).await;
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == "ok").count(), 1, "{outcomes:?}");
    }
}

/// What waits for one that has expired has expired, too, and waits no more.
pub async fn go46_what_waits_for_a_platform_invite_ends_with_it(store: AnyStore) {
    given(
        &store,
        vec![
            Change::InsertOrg(org(1, "acme")),
            Change::InsertPlatformInvite(over(1, "one@example.com")),
            dormant(1, 1),
            Change::InsertPlatformInvite(platform_invite(2, "two@example.com")),
            dormant(2, 2),
            // Of a users service elsewhere.
            dormant(3, 3),
        ],
    )
    .await;
    given(&store, vec![Change::ExpirePlatformInvites]).await;
    let states = async |number: u32| {
        let found = store.invite(invite_id(number)).await.unwrap().unwrap().invite.state;
        let waits = store.waiting_invites(platform_invite_id(number), user(7)).await.unwrap();
        (found, waits.len())
    };
    assert_eq!(states(1).await, (InviteState::Expired, 0));
    assert_eq!(states(2).await, (InviteState::Pending, 1));
    assert_eq!(states(3).await, (InviteState::Pending, 1));
    assert_eq!(state(&store, 1).await, InviteState::Expired);
    assert_eq!(state(&store, 2).await, InviteState::Pending);
}

/// By state at a moment and by a part of the address, whose wildcards mean themselves.
pub async fn go60_platform_invites_are_listed_by_state_and_address(store: AnyStore) {
    given(
        &store,
        vec![
            Change::InsertPlatformInvite(platform_invite(1, "One@example.com")),
            Change::InsertPlatformInvite(over(2, "two@example.com")),
            Change::InsertPlatformInvite(platform_invite(3, "th%ree@example.com")),
            Change::InsertPlatformInvite(platform_invite(4, "four@b\u{dc}cher.example")),
        ],
    )
    .await;
    given(&store, vec![settle(3, Settlement::Revoked)]).await;
    let (up, down) = (Direction::Ascending, Direction::Descending);
    let all = InviteState::ALL;
    assert_eq!(list(&store, "", &all, moment(50), up).await, (vec![1, 2, 3], 4));
    assert_eq!(list(&store, "", &all, moment(50), down).await, (vec![4, 3, 2], 4));
    let pending = [InviteState::Pending];
    assert_eq!(list(&store, "", &pending, moment(50), up).await, (vec![1, 2, 4], 3));
    assert_eq!(list(&store, "", &pending, moment(60), up).await, (vec![1, 4], 2));
    assert_eq!(list(&store, "", &[InviteState::Expired], moment(60), up).await, (vec![2], 1));
    assert_eq!(list(&store, "", &[], moment(60), up).await, (vec![], 0));
    for (part, found) in [
        ("oNe@", vec![1]),
        ("h%r", vec![3]),
        ("_", vec![]),
        ("B\u{fc}CHER", vec![4]),
        ("\0", vec![]),
    ] {
        let total = u64::try_from(found.len()).unwrap();
        assert_eq!(list(&store, part, &all, moment(60), up).await, (found, total), "{part:?}");
    }
}
