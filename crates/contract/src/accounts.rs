//! Accounts of the built-in directory.

use auth_domain::change::Change;
use auth_domain::error::{Conflict, Entity, Error};
use auth_domain::model::{
    Account, AccountEdit, AccountFilter, AccountId, AccountOrder, AccountQuery, AccountStatus,
    Direction, Email, PlatformRole, UserId,
};
use serde_json::json;

use crate::AnyStore;
use crate::sample::{account, apply, given, metadata, moment, page, user};

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

fn disabled(number: u32, email: &str) -> Account {
    Account { status: AccountStatus::Disabled, ..account(number, email) }
}

fn query(ids: &[u32], part: &str) -> AccountQuery {
    let ids = ids.iter().map(|number| user(*number)).collect();
    let page = page(0, 10, AccountOrder::Id, Direction::Ascending);
    AccountQuery { ids, email: part.into(), page }
}

async fn ids(store: &AnyStore, query: &AccountQuery) -> (Vec<AccountId>, u64) {
    let listing = store.accounts(query).await.unwrap();
    (listing.items.iter().map(|account| account.id).collect(), listing.total)
}

async fn open(store: &AnyStore, accounts: Vec<Account>) {
    given(store, accounts.into_iter().map(Change::InsertAccount).collect()).await;
}

/// Accounts cannot be compared, so that no hash is compared by accident.
fn assert_same(read: Option<Account>, written: &Account) {
    let read = read.unwrap();
    assert_eq!(read.password.expose(), written.password.expose());
    assert_eq!(format!("{read:?}"), format!("{written:?}"));
}

fn set(user: UserId, status: AccountStatus) -> Change {
    Change::SetAccountStatus { id: user, status, at: moment(50) }
}

/// By id and by address, hash included.
pub async fn an_account_reads_back_as_written(store: AnyStore) {
    let plain = account(1, "plain@example.com");
    let full = Account {
        metadata: metadata(json!({ "profile": { "name": "Ada ☂" } })),
        updated_at: moment(99),
        ..disabled(2, "Full.Name+tag@B\u{fc}cher.example")
    };
    open(&store, vec![plain.clone(), full.clone()]).await;
    for written in [plain, full] {
        assert_same(store.account(written.id).await.unwrap(), &written);
        assert_same(store.account_by_email(&written.email).await.unwrap(), &written);
    }
    assert!(store.account(user(9)).await.unwrap().is_none());
    assert!(store.account_by_email(&email("nobody@example.com")).await.unwrap().is_none());
}

/// And shown as its owner typed it.
pub async fn an_address_is_found_however_it_is_typed(store: AnyStore) {
    open(&store, vec![account(1, "Ada@Example.COM"), account(2, "b@b\u{fc}cher.example")]).await;
    let found = store.account_by_email(&email("aDA@example.com")).await.unwrap().unwrap();
    assert_eq!(found.email.as_str(), "Ada@Example.COM");
    let found = store.account_by_email(&email("B@XN--BCHER-kva.example")).await.unwrap().unwrap();
    assert_eq!(found.id, user(2));
    for near in ["ad@example.com", "ada@example.co", "%@example.com", "_da@example.com"] {
        assert!(store.account_by_email(&email(near)).await.unwrap().is_none(), "{near}");
    }
}

/// However the address is typed, and whether or not its owner may sign in.
pub async fn a_taken_id_or_address_is_refused(store: AnyStore) {
    open(&store, vec![account(1, "one@example.com"), disabled(2, "two@example.com")]).await;
    for again in [
        account(1, "other@example.com"),
        account(3, "one@example.com"),
        account(3, "ONE@Example.com"),
        account(3, "two@example.com"),
    ] {
        let error = apply(&store, vec![Change::InsertAccount(again)]).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyExists(Entity::Account)), "{error:?}");
    }
    assert!(store.account(user(3)).await.unwrap().is_none());
}

/// Signing in must find it in order to refuse it.
pub async fn a_disabled_account_is_found_by_name_but_never_listed(store: AnyStore) {
    open(&store, vec![account(1, "on@example.com"), disabled(2, "off@example.com")]).await;
    assert!(store.account(user(2)).await.unwrap().is_some());
    assert!(store.account_by_email(&email("off@example.com")).await.unwrap().is_some());
    assert_eq!(ids(&store, &query(&[1, 2], "")).await, (vec![user(1)], 1));
    let both = [email("on@example.com"), email("off@example.com")];
    assert_eq!(store.accounts_by_emails(&both).await.unwrap().len(), 1);
}

/// Unknown ones are left out; naming nobody finds nobody.
pub async fn lists_hold_the_known_ones_once(store: AnyStore) {
    open(&store, (1..=3).map(|n| account(n, &format!("u{n}@example.com"))).collect()).await;
    assert_eq!(ids(&store, &query(&[3, 1, 1, 9, 3], "")).await, (vec![user(1), user(3)], 2));
    assert_eq!(ids(&store, &query(&[], "")).await, (vec![], 0));
}

/// In any case; wildcards mean themselves.
pub async fn lists_filter_by_a_part_of_the_address(store: AnyStore) {
    let all = ["a_b@example.com", "A%b@example.com", "axb@Example.org", "z@b\u{fc}cher.example"];
    open(&store, (1..).zip(all).map(|(number, email)| account(number, email)).collect()).await;
    for (part, expected) in [
        ("EXAMPLE", vec![1, 2, 3, 4]),
        ("@example.ORG", vec![3]),
        ("_", vec![1]),
        ("%", vec![2]),
        ("a_b", vec![1]),
        (r"\", vec![]),
        ("b\u{fc}ch", vec![4]),
        ("B\u{dc}CH", vec![4]),
        ("nobody", vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(user).collect();
        let total = expected.len() as u64;
        assert_eq!(ids(&store, &query(&[1, 2, 3, 4], part)).await, (expected, total), "{part}");
    }
}

/// Every order both ways; the total does not depend on the page.
pub async fn lists_are_ordered_and_paged(store: AnyStore) {
    let all = ["Beta@example.com", "alpha@example.com", "gamma@example.com"];
    open(&store, (1..).zip(all).map(|(number, email)| account(number, email)).collect()).await;
    for (order, ascending) in [(AccountOrder::Id, [1, 2, 3]), (AccountOrder::Email, [2, 1, 3])] {
        let ascending = ascending.map(user);
        let mut descending = ascending;
        descending.reverse();
        for (direction, expected) in
            [(Direction::Ascending, ascending), (Direction::Descending, descending)]
        {
            for (offset, limit) in [(0, 10), (0, 1), (1, 1), (2, 5), (3, 1), (1_000_000, 200)] {
                let query = AccountQuery {
                    page: page(offset, limit, order, direction),
                    ..query(&[1, 2, 3], "")
                };
                let (from, count) = (offset.try_into().unwrap(), limit.try_into().unwrap());
                let part: Vec<_> = expected.iter().copied().skip(from).take(count).collect();
                assert_eq!(ids(&store, &query).await, (part, 3), "{query:?}");
            }
        }
    }
}

/// Repeated in whatever spelling, unknown ones left out.
pub async fn addresses_find_enabled_accounts_once(store: AnyStore) {
    open(&store, (1..=3).map(|n| account(n, &format!("u{n}@example.com"))).collect()).await;
    let wanted = ["u1@example.com", "U1@EXAMPLE.com", "u3@example.com", "u9@example.com"];
    let mut found: Vec<_> = store
        .accounts_by_emails(&wanted.map(email))
        .await
        .unwrap()
        .iter()
        .map(|account| account.id)
        .collect();
    found.sort_unstable();
    assert_eq!(found, [user(1), user(3)]);
    assert!(store.accounts_by_emails(&[]).await.unwrap().is_empty());
}

/// As a whole, and nothing else with it.
pub async fn what_is_attached_is_replaced(store: AnyStore) {
    let before = Account { metadata: metadata(json!({ "a": 1 })), ..account(1, "one@example.com") };
    open(&store, vec![before.clone(), account(2, "two@example.com")]).await;
    for value in [json!({ "b": [2] }), json!({})] {
        let metadata = metadata(value);
        let edit = AccountEdit { id: user(1), metadata: metadata.clone(), updated_at: moment(50) };
        given(&store, vec![Change::UpdateAccount(edit)]).await;
        let after = Account { metadata, updated_at: moment(50), ..before.clone() };
        assert_same(store.account(user(1)).await.unwrap(), &after);
    }
    let nobody = AccountEdit { id: user(9), metadata: metadata(json!({})), updated_at: moment(1) };
    let error = apply(&store, vec![Change::UpdateAccount(nobody)]).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(Entity::Account)), "{error:?}");
}

/// And set again, as often as anybody likes.
pub async fn a_status_is_set(store: AnyStore) {
    open(&store, vec![account(1, "one@example.com"), account(2, "two@example.com")]).await;
    for status in [AccountStatus::Disabled, AccountStatus::Disabled, AccountStatus::Enabled] {
        given(&store, vec![set(user(1), status)]).await;
        let found = store.account(user(1)).await.unwrap().unwrap();
        assert_eq!((found.status, found.updated_at), (status, moment(50)));
        let other = store.account(user(2)).await.unwrap().unwrap();
        assert_eq!(other.status, AccountStatus::Enabled);
        let error = apply(&store, vec![set(user(9), status)]).await.unwrap_err();
        assert!(matches!(error, Error::NotFound(Entity::Account)), "{error:?}");
    }
}

/// Nor may a root go who is the only one whose account is not disabled. Somebody without an account here is
/// taken to be able to sign in elsewhere.
pub async fn go40_the_last_root_is_not_disabled(store: AnyStore) {
    let root = |user| Change::PutPlatformRole { user, role: PlatformRole::Root };
    open(&store, (1..=3).map(|n| account(n, &format!("u{n}@example.com"))).collect()).await;
    given(&store, vec![root(user(1)), set(user(3), AccountStatus::Disabled)]).await;
    let last = async |change: Change| {
        let error = apply(&store, vec![change]).await.unwrap_err();
        assert!(matches!(error, Error::Conflict(Conflict::LastRoot)), "{error:?}");
    };
    last(set(user(1), AccountStatus::Disabled)).await;
    given(&store, vec![root(user(2)), set(user(1), AccountStatus::Disabled)]).await;
    last(set(user(2), AccountStatus::Disabled)).await;
    last(Change::RemovePlatformRole { user: user(2) }).await;
    last(Change::PutPlatformRole { user: user(2), role: PlatformRole::Admin }).await;
    given(&store, vec![Change::RemovePlatformRole { user: user(1) }, root(user(8))]).await;
    given(&store, vec![set(user(2), AccountStatus::Disabled)]).await;
}

/// By address in any case with wildcards as themselves, by what is attached, by status, and all of it together.
pub async fn go63_accounts_are_listed_by_filter(store: AnyStore) {
    let attached = |number, email: &str| Account {
        metadata: metadata(json!({ "team": number % 2, "tags": ["a", number] })),
        ..account(number, email)
    };
    let all = ["a_b@example.com", "A%b@example.com", "axb@Example.org"];
    let mut accounts: Vec<_> =
        (1..).zip(all).map(|(number, email)| attached(number, email)).collect();
    accounts.push(Account { status: AccountStatus::Disabled, ..attached(4, "off@example.com") });
    open(&store, accounts).await;
    let (enabled, disabled) = (Some(AccountStatus::Enabled), Some(AccountStatus::Disabled));
    for (email, attached, status, expected) in [
        ("", json!({}), enabled, vec![1, 2, 3]),
        ("", json!({}), disabled, vec![4]),
        ("", json!({}), None, vec![1, 2, 3, 4]),
        ("EXAMPLE.com", json!({}), None, vec![1, 2, 4]),
        ("_", json!({}), None, vec![1]),
        ("%", json!({}), None, vec![2]),
        ("\0", json!({}), None, vec![]),
        ("", json!({ "team": 0 }), None, vec![2, 4]),
        ("", json!({ "team": 0 }), enabled, vec![2]),
        ("", json!({ "tags": [3] }), None, vec![3]),
        ("a", json!({ "team": 1 }), enabled, vec![1, 3]),
    ] {
        let metadata = metadata(attached);
        let filter = AccountFilter { email: email.into(), metadata, status };
        let up = page(0, 10, AccountOrder::Id, Direction::Ascending);
        let found = store.accounts_by_filter(&filter, up).await.unwrap();
        let ids: Vec<_> = found.items.iter().map(|account| account.id).collect();
        let expected: Vec<_> = expected.into_iter().map(user).collect();
        assert_eq!((ids, found.total), (expected.clone(), expected.len() as u64), "{filter:?}");
        let part = page(1, 1, AccountOrder::Email, Direction::Descending);
        let found = store.accounts_by_filter(&filter, part).await.unwrap();
        assert_eq!(found.total, expected.len() as u64, "{filter:?}");
        assert_eq!(found.items.len(), usize::from(expected.len() > 1), "{filter:?}");
    }
}
