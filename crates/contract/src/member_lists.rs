//! Lists of who belongs to an org.

use std::collections::BTreeSet;

use auth_domain::change::Change;
use auth_domain::model::{
    Account, AccountStatus, Direction, Member, MemberOrder, MemberQuery, OrgId, OrgRole, UserId,
};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::AnyStore;
use crate::arbitrary::{MANY, histories};
use crate::memberships::acme;
use crate::sample::{account, given, membership, org, org_id, page, user};

fn users(numbers: &[u32]) -> Vec<UserId> {
    numbers.iter().map(|number| user(*number)).collect()
}

fn query(role: Option<OrgRole>, email: &str) -> MemberQuery {
    MemberQuery { org: org_id(1), role, email: email.into() }
}

/// Acme, with accounts for three of its members, one of them disabled, and somebody outside.
async fn acme_with_accounts(store: &AnyStore) {
    acme(store).await;
    let disabled = Account { status: AccountStatus::Disabled, ..account(3, "a_c@example.com") };
    let accounts = [
        account(1, "Beta@example.com"),
        account(2, "alpha%@Example.org"),
        disabled,
        account(7, "alpha@example.com"),
    ];
    given(store, accounts.map(Change::InsertAccount).into()).await;
}

async fn search(store: &AnyStore, query: &MemberQuery, order: MemberOrder) -> Vec<Member> {
    let listing = store.members(query, page(0, 10, order, Direction::Ascending)).await.unwrap();
    assert_eq!(listing.total, listing.items.len() as u64);
    listing.items
}

fn ids(members: &[Member]) -> Vec<UserId> {
    members.iter().map(|member| member.membership.member).collect()
}

/// Both ways, in parts, of that org only.
pub async fn memberships_are_listed_by_id(store: AnyStore) {
    acme(&store).await;
    let elsewhere = membership(org_id(2), user(5), OrgRole::Owner);
    given(&store, vec![Change::InsertOrg(org(2, "other")), Change::InsertMembership(elsewhere)])
        .await;
    for (direction, all) in
        [(Direction::Ascending, [1, 2, 3, 4]), (Direction::Descending, [4, 3, 2, 1])]
    {
        for (offset, limit) in [(0, 10), (0, 1), (1, 2), (3, 10), (4, 1), (1_000_000, 200)] {
            let part = page(offset, limit, (), direction);
            let listing = store.memberships(org_id(1), None, part).await.unwrap();
            let (from, count) = (offset.try_into().unwrap(), limit.try_into().unwrap());
            let expected: Vec<_> = all.into_iter().skip(from).take(count).map(user).collect();
            let found: Vec<_> = listing.items.iter().map(|item| item.member).collect();
            assert_eq!((found, listing.total), (expected, 4), "{part:?}");
        }
    }
    let part = page(0, 10, (), Direction::Ascending);
    let nowhere = store.memberships(org_id(9), None, part).await.unwrap();
    assert_eq!((nowhere.items, nowhere.total), (vec![], 0));
}

/// In every list.
pub async fn a_role_narrows_the_list(store: AnyStore) {
    acme_with_accounts(&store).await;
    for (number, role) in (1..).zip(OrgRole::ALL.into_iter().rev()) {
        let part = page(0, 10, (), Direction::Ascending);
        let listing = store.memberships(org_id(1), Some(role), part).await.unwrap();
        let found: Vec<_> = listing.items.iter().map(|item| (item.member, item.role)).collect();
        assert_eq!((found, listing.total), (vec![(user(number), role)], 1));
        let found = search(&store, &query(Some(role), ""), MemberOrder::Email).await;
        assert_eq!(ids(&found), [user(number)]);
        let found = store.memberships_after(org_id(1), Some(role), None, 10).await.unwrap();
        assert_eq!(found.len(), 1);
    }
}

/// Holds how many members a list says there are against how many there are, in every role; gives that.
pub(crate) async fn counted(store: &AnyStore, org: OrgId) -> u64 {
    let mut all = 0;
    for role in [None].into_iter().chain(OrgRole::ALL.map(Some)) {
        let there = store.memberships_after(org, role, None, 100_000).await.unwrap().len() as u64;
        let listing = store.memberships(org, role, page(0, 1, (), Direction::Ascending)).await;
        assert_eq!(listing.unwrap().total, there, "{org} {role:?}");
        all = all.max(there);
    }
    all
}

/// a total is not counted when it is asked for, and right all the same.
///
/// Few of the changes that are made up find an org to join. So it begins with one that has members, and goes
/// on until totals of several sizes were seen.
pub async fn a_total_is_what_there_is_after_any_history(store: AnyStore) {
    let mut runner = TestRunner::default();
    acme(&store).await;
    let mut totals = BTreeSet::new();
    let mut tried = 0;
    while tried < 20 || totals.len() < 3 {
        assert!(tried < 500, "there were members to count: {totals:?}");
        tried += 1;
        let history = histories().new_tree(&mut runner).unwrap().current();
        for commit in history {
            // Some are refused, which has to leave the totals alone.
            drop(store.commit(commit.clone()).await);
            for number in 1..=MANY {
                totals.insert(counted(&store, org_id(number)).await);
            }
        }
    }
}

/// Ascending, as many as asked for.
pub async fn everybody_comes_after_somebody_or_nobody(store: AnyStore) {
    acme(&store).await;
    for (after, limit, expected) in [
        (None, 10, vec![1, 2, 3, 4]),
        (None, 2, vec![1, 2]),
        (Some(2), 10, vec![3, 4]),
        (Some(2), 1, vec![3]),
        (Some(4), 10, vec![]),
        (None, 0, vec![]),
    ] {
        let after = after.map(user);
        let found = store.memberships_after(org_id(1), None, after, limit).await.unwrap();
        let found: Vec<_> = found.iter().map(|membership| membership.member).collect();
        assert_eq!(found, users(&expected), "{after:?} {limit}");
    }
}

/// In any case; wildcards mean themselves.
pub async fn members_are_searched_and_ordered_by_address(store: AnyStore) {
    acme_with_accounts(&store).await;
    for (part, expected) in [
        ("example", vec![2, 1]),
        ("EXAMPLE.com", vec![1]),
        ("%", vec![2]),
        ("_", vec![]),
        ("\0", vec![]),
        ("nobody", vec![]),
    ] {
        let found = search(&store, &query(None, part), MemberOrder::Email).await;
        assert_eq!(ids(&found), users(&expected), "{part}");
    }
}

/// Those without an enabled account have no address and come first.
pub async fn nobody_is_left_out_for_want_of_an_account(store: AnyStore) {
    acme_with_accounts(&store).await;
    let found = search(&store, &query(None, ""), MemberOrder::Email).await;
    assert_eq!(ids(&found), users(&[3, 4, 2, 1]));
    let addresses: Vec<_> = found.iter().map(|member| member.email.as_str()).collect();
    assert_eq!(addresses, ["", "", "alpha%@Example.org", "Beta@example.com"]);
    assert_eq!(found[0].membership, membership(org_id(1), user(3), OrgRole::Editor));
}

/// Every order both ways.
pub async fn members_are_paged(store: AnyStore) {
    acme_with_accounts(&store).await;
    for (order, ascending) in [(MemberOrder::Id, [1, 2, 3, 4]), (MemberOrder::Email, [3, 4, 2, 1])]
    {
        let mut descending = ascending;
        descending.reverse();
        for (direction, all) in
            [(Direction::Ascending, ascending), (Direction::Descending, descending)]
        {
            for (offset, limit) in [(0, 2), (1, 2), (3, 5), (4, 1)] {
                let part = page(offset, limit, order, direction);
                let listing = store.members(&query(None, ""), part).await.unwrap();
                let (from, count) = (offset.try_into().unwrap(), limit.try_into().unwrap());
                let expected: Vec<_> = all.into_iter().skip(from).take(count).map(user).collect();
                assert_eq!((ids(&listing.items), listing.total), (expected, 4), "{part:?}");
            }
        }
    }
}
