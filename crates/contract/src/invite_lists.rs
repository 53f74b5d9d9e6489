//! Lists of invites.

use auth_domain::change::Change;
use auth_domain::model::{
    Direction, Invite, InviteOrder, InviteQuery, InviteState, InvitesOf, Listing, OrgInvite,
    OrgRole,
};

use crate::AnyStore;
use crate::sample::{given, invite, moment, org, org_id, page, platform_invite_id, user};

/// Two orgs and seven invites: whom from, whom to, where, and what became of it. The last is dormant.
async fn scene(store: &AnyStore) {
    use InviteState::{Accepted, Declined, Expired, Pending, Revoked};
    let mut changes =
        vec![Change::InsertOrg(org(1, "acme")), Change::InsertOrg(org(2, "umbrella"))];
    for (number, org, from, to, state, end) in [
        (1, 1, 1, 5, Pending, 100),
        (2, 1, 2, 6, Pending, 10),
        (3, 2, 1, 5, Declined, 100),
        (4, 1, 1, 7, Accepted, 10),
        (5, 2, 2, 6, Revoked, 100),
        (6, 2, 1, 7, Expired, 10),
    ] {
        let one = invite(number, org_id(org), Some(user(to)), OrgRole::Viewer);
        let created_at = moment(i64::from(number) % 4);
        let expires_at = moment(end);
        let inviter = user(from);
        changes.push(Change::InsertInvite(Invite {
            inviter,
            state,
            created_at,
            expires_at,
            ..one
        }));
    }
    let asleep = invite(7, org_id(1), None, OrgRole::Viewer);
    let platform_invite = platform_invite_id(1);
    changes.push(Change::InsertDormantInvite { invite: asleep, platform_invite });
    given(store, changes).await;
}

async fn listed(
    store: &AnyStore,
    of: InvitesOf,
    states: &[InviteState],
    (order, direction): (InviteOrder, Direction),
) -> Listing<OrgInvite> {
    let query = InviteQuery { of, states: states.to_vec(), at: moment(50) };
    store.invites(&query, page(0, 200, order, direction)).await.unwrap()
}

fn numbers(listing: &Listing<OrgInvite>) -> Vec<u8> {
    listing.items.iter().map(|found| found.invite.id.uuid().as_bytes()[15]).collect()
}

const UP: (InviteOrder, Direction) = (InviteOrder::Id, Direction::Ascending);

/// Of an org, of whoever got them and of whoever sent them, each with the name of its org.
pub async fn d09_everybodys_invites_are_listed_and_no_dormant_ones(store: AnyStore) {
    scene(&store).await;
    for (of, expected) in [
        (InvitesOf::Org(org_id(1)), vec![1, 2, 4]),
        (InvitesOf::Org(org_id(2)), vec![3, 5, 6]),
        (InvitesOf::Org(org_id(3)), vec![]),
        (InvitesOf::Invitee(user(5)), vec![1, 3]),
        (InvitesOf::Invitee(user(1)), vec![]),
        (InvitesOf::Inviter(user(1)), vec![1, 3, 4, 6]),
        (InvitesOf::Inviter(user(5)), vec![]),
    ] {
        let listing = listed(&store, of, &InviteState::ALL, UP).await;
        assert_eq!(numbers(&listing), expected, "{of:?}");
        assert_eq!(listing.total, expected.len() as u64, "{of:?}");
        for found in &listing.items {
            let name = if found.invite.org == org_id(1) { "acme" } else { "umbrella" };
            assert_eq!(found.org_name.as_str(), name);
            let alone = store.invite(found.invite.id).await.unwrap();
            assert_eq!(alone.as_ref(), Some(found));
        }
    }
}

/// By what an invite is at the moment of the question, whatever is written down.
pub async fn d28_lists_filter_by_the_state_of_the_moment(store: AnyStore) {
    use InviteState::{Accepted, Declined, Expired, Pending, Revoked};
    scene(&store).await;
    for (states, expected) in [
        (vec![Pending], vec![1]),
        (vec![Expired], vec![2]),
        (vec![Accepted], vec![4]),
        (vec![Declined], vec![]),
        (vec![Pending, Expired, Revoked], vec![1, 2]),
        (vec![], vec![]),
    ] {
        let listing = listed(&store, InvitesOf::Org(org_id(1)), &states, UP).await;
        assert_eq!(numbers(&listing), expected, "{states:?}");
        assert_eq!(listing.total, expected.len() as u64, "{states:?}");
        assert!(listing.items.iter().all(|one| states.contains(&one.invite.state_at(moment(50)))));
    }
    let query = |at| InviteQuery {
        of: InvitesOf::Org(org_id(1)),
        states: vec![InviteState::Pending],
        at: moment(at),
    };
    for (at, expected) in [(9, vec![1, 2]), (10, vec![1]), (100, vec![])] {
        let listing = store.invites(&query(at), page(0, 10, UP.0, UP.1)).await.unwrap();
        assert_eq!(numbers(&listing), expected, "{at}");
    }
}

/// In every order there is, both ways.
pub async fn d41_lists_are_ordered_and_ties_broken_by_id(store: AnyStore) {
    scene(&store).await;
    for (of, order, expected) in [
        (InvitesOf::Inviter(user(1)), InviteOrder::Id, [1, 3, 4, 6]),
        (InvitesOf::Inviter(user(1)), InviteOrder::InviterId, [1, 3, 4, 6]),
        (InvitesOf::Inviter(user(1)), InviteOrder::InviteeId, [1, 3, 4, 6]),
        (InvitesOf::Inviter(user(1)), InviteOrder::OrgId, [1, 4, 3, 6]),
        (InvitesOf::Inviter(user(1)), InviteOrder::State, [4, 3, 6, 1]),
        (InvitesOf::Inviter(user(1)), InviteOrder::CreatedAt, [4, 1, 6, 3]),
    ] {
        for direction in Direction::ALL {
            let listing = listed(&store, of, &InviteState::ALL, (order, direction)).await;
            let mut expected = expected.to_vec();
            if direction == Direction::Descending {
                expected.reverse();
            }
            assert_eq!(numbers(&listing), expected, "{order:?} {direction:?}");
        }
    }
    // An invite that has expired is among its like, whether or not that was written down.
    let listing =
        listed(&store, InvitesOf::Org(org_id(1)), &InviteState::ALL, (InviteOrder::State, UP.1));
    assert_eq!(numbers(&listing.await), [4, 2, 1]);
}

/// The total is of all that match.
pub async fn invites_are_paged(store: AnyStore) {
    scene(&store).await;
    for (offset, limit, expected) in
        [(0, 2, vec![1, 3]), (2, 1, vec![4]), (3, 9, vec![6]), (4, 9, vec![])]
    {
        let query = InviteQuery {
            of: InvitesOf::Inviter(user(1)),
            states: InviteState::ALL.to_vec(),
            at: moment(50),
        };
        let part = page(offset, limit, InviteOrder::Id, Direction::Ascending);
        let listing = store.invites(&query, part).await.unwrap();
        assert_eq!((numbers(&listing), listing.total), (expected, 4), "{offset} {limit}");
    }
}
