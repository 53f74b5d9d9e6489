//! Histories made up at random, over so few ids that changes keep meeting each other.
//!
//! Give the same history to two stores and compare, with [`look`], everything that can be read: whatever
//! differs is a promise one of them does not keep.

use auth_domain::Timestamp;
use auth_domain::change::{Change, Commit, Guard};
use auth_domain::fact::Record;
use auth_domain::model::{
    Account, AccountOrder, AccountQuery, AccountStatus, Action, Direction, Key, KeyOrder, Listing,
    Member, MemberOrder, MemberQuery, Membership, Metadata, Org, OrgEdit, OrgOrder, OrgQuery,
    OrgRole, Page, PlatformRole, RoleHolder, Standing, UserId,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use serde_json::{Value, json};

use crate::AnyStore;
use crate::sample::{account, key_id, metadata, moment, org_id, user};

/// How many users, orgs and keys there are.
const MANY: u32 = 4;

fn users() -> impl Strategy<Value = UserId> {
    (1..=MANY).prop_map(user)
}

fn numbers() -> impl Strategy<Value = u32> {
    1..=MANY
}

fn moments() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        8 => (0..5_i64).prop_map(moment),
        1 => Just(Timestamp::from_micros(i64::MIN)),
        1 => Just(Timestamp::from_micros(i64::MAX)),
    ]
}

/// Letters differing in case only, wildcards, quotes, and other scripts.
const NAMES: [&str; 10] =
    ["a", "A", "ab", "Ab c", "%", "_", r"\", "'\"", "日本", "longer name with blanks"];

fn values() -> impl Strategy<Value = Value> {
    select(vec![
        json!(1),
        json!(-0.5),
        json!(9_007_199_254_740_993_i64),
        json!(true),
        json!(null),
        json!("x"),
        json!([]),
        json!([1, "x", { "a": 1 }]),
        json!({}),
        json!({ "a": 1, "b": [1] }),
    ])
}

fn metadatas() -> impl Strategy<Value = Metadata> {
    let of = |names: [&'static str; 2]| {
        proptest::collection::btree_map(select(names.to_vec()), values(), 0..=2)
    };
    of(["a", "b"]).prop_map(|map| {
        metadata(map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    })
}

fn actions() -> impl Strategy<Value = Action> {
    select(Action::ALL.to_vec())
}

fn platform_roles() -> impl Strategy<Value = PlatformRole> {
    select(PlatformRole::ALL.to_vec())
}

fn guards() -> impl Strategy<Value = Guard> {
    prop_oneof![
        (numbers(), users())
            .prop_map(|(number, issuer)| Guard::KeyExists { key: key_id(number), issuer }),
        (users(), numbers(), actions()).prop_map(|(user, org, action)| Guard::InOrg {
            user,
            org: org_id(org),
            action
        }),
        (users(), platform_roles()).prop_map(|(user, needed)| Guard::OnPlatform { user, needed }),
    ]
}

fn keys() -> impl Strategy<Value = Key> {
    (numbers(), users(), select(NAMES.to_vec()), moments(), option::of(moments())).prop_map(
        |(number, issuer, subject, issued_at, expires_at)| Key {
            id: key_id(number),
            issuer,
            subject: subject.to_owned(),
            issued_at,
            expires_at,
        },
    )
}

fn edits() -> impl Strategy<Value = OrgEdit> {
    (numbers(), select(NAMES.to_vec()), select(NAMES.to_vec()), metadatas(), moments()).prop_map(
        |(number, name, description, metadata, updated_at)| OrgEdit {
            id: org_id(number),
            name: name.parse().unwrap(),
            description: description.parse().unwrap(),
            metadata,
            updated_at,
        },
    )
}

fn orgs() -> impl Strategy<Value = Org> {
    (edits(), users(), moments()).prop_map(|(edit, owner, created_at)| Org {
        id: edit.id,
        owner,
        name: edit.name,
        description: edit.description,
        metadata: edit.metadata,
        created_at,
        updated_at: edit.updated_at,
    })
}

fn memberships() -> impl Strategy<Value = Membership> {
    (numbers(), users(), select(OrgRole::ALL.to_vec()), moments(), moments()).prop_map(
        |(org, member, role, created_at, updated_at)| Membership {
            org: org_id(org),
            member,
            role,
            created_at,
            updated_at,
        },
    )
}

const ADDRESSES: [&str; 5] = [
    "a@example.com",
    "A@example.com",
    "b_c@example.org",
    "b%c@example.org",
    "d@b\u{fc}cher.example",
];

fn accounts() -> impl Strategy<Value = Account> {
    let statuses = [AccountStatus::Enabled, AccountStatus::Disabled];
    (numbers(), select(ADDRESSES.to_vec()), select(statuses.to_vec()), metadatas(), moments())
        .prop_map(|(number, email, status, metadata, created_at)| Account {
            status,
            metadata,
            created_at,
            ..account(number, email)
        })
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => keys().prop_map(Change::InsertKey),
        1 => (numbers(), users())
            .prop_map(|(number, issuer)| Change::RemoveKey { id: key_id(number), issuer }),
        2 => (users(), moments()).prop_map(|(user, until)| Change::EndSessions { user, until }),
        2 => moments().prop_map(|expired_before| Change::PurgeKeys { expired_before }),
        1 => moments().prop_map(|older_than| Change::PurgeRecords { older_than }),
        4 => orgs().prop_map(Change::InsertOrg),
        2 => edits().prop_map(Change::UpdateOrg),
        1 => numbers().prop_map(|number| Change::RemoveOrg(org_id(number))),
        6 => memberships().prop_map(Change::InsertMembership),
        4 => (numbers(), users(), select(OrgRole::ALL.to_vec()), moments()).prop_map(
            |(org, member, role, at)| Change::UpdateMembership {
                org: org_id(org),
                member,
                role,
                at,
            }
        ),
        2 => (numbers(), users())
            .prop_map(|(org, member)| Change::RemoveMembership { org: org_id(org), member }),
        3 => (numbers(), users(), users(), moments()).prop_map(|(org, from, to, at)| {
            Change::TransferOrg { org: org_id(org), from, to, at }
        }),
        3 => (users(), platform_roles())
            .prop_map(|(user, role)| Change::PutPlatformRole { user, role }),
        1 => users().prop_map(|user| Change::RemovePlatformRole { user }),
        3 => accounts().prop_map(Change::InsertAccount),
    ]
}

/// One commit: mostly a change or two, now and then guarded.
pub fn commits() -> impl Strategy<Value = Commit> {
    let guards = prop_oneof![4 => Just(Vec::new()), 1 => vec(guards(), 1..=2)];
    (guards, vec(changes(), 0..=3), moments(), users()).prop_map(|(guards, changes, at, actor)| {
        Commit { actor: format!("user:{actor}"), at, guards, changes }
    })
}

/// A history.
pub fn histories() -> impl Strategy<Value = Vec<Commit>> {
    vec(commits(), 1..=30)
}

/// A question that has not the same answer in every state: which part of which list.
#[derive(Clone, Debug)]
pub struct Question {
    orgs: OrgQuery,
    org_page: Page<OrgOrder>,
    key_page: Page<KeyOrder>,
    accounts: AccountQuery,
    members: MemberQuery,
    member_page: Page<MemberOrder>,
    after_member: Option<UserId>,
    holders: Page<()>,
    after: i64,
    limit: u32,
}

fn pages<O: Clone + std::fmt::Debug + 'static>(orders: Vec<O>) -> impl Strategy<Value = Page<O>> {
    (0..4_u64, 1..5_u64, select(orders), any::<bool>()).prop_map(|(offset, limit, order, up)| {
        let direction = if up { Direction::Ascending } else { Direction::Descending };
        Page { offset, limit, order, direction }
    })
}

/// Questions of every kind.
pub fn questions() -> impl Strategy<Value = Question> {
    let org_orders = vec![OrgOrder::Id, OrgOrder::Name, OrgOrder::CreatedAt, OrgOrder::UpdatedAt];
    let parts = select(vec!["", "", "A", "b", "%", "_", r"\", "日", "\0"]);
    (
        (option::of(users()), parts.clone(), prop_oneof![Just(Metadata::default()), metadatas()]),
        pages(org_orders),
        pages(vec![KeyOrder::Id, KeyOrder::IssuedAt]),
        (vec(users(), 0..5), parts.clone(), pages(vec![AccountOrder::Id, AccountOrder::Email])),
        (
            (numbers(), option::of(select(OrgRole::ALL.to_vec())), parts),
            pages(vec![MemberOrder::Id, MemberOrder::Email]),
            option::of(users()),
        ),
        pages(vec![()]),
        (0..10_i64, 0..10_u32),
    )
        .prop_map(|(orgs, org_page, key_page, accounts, members, holders, (after, limit))| {
            let (ids, email, page) = accounts;
            let ((org, role, part), member_page, after_member) = members;
            Question {
                members: MemberQuery { org: org_id(org), role, email: part.into() },
                member_page,
                after_member,
                orgs: OrgQuery { member: orgs.0, name: orgs.1.into(), metadata: orgs.2 },
                org_page,
                key_page,
                accounts: AccountQuery { ids, email: email.into(), page },
                holders,
                after,
                limit,
            }
        })
}

/// Everything that can be read of a store, in words where it cannot be compared.
#[derive(Debug, PartialEq)]
pub struct Look {
    orgs: Vec<Option<Org>>,
    keys: Vec<Option<Key>>,
    key_lists: Vec<Listing<Key>>,
    standings: Vec<Standing>,
    cut_offs: Vec<Option<i64>>,
    holders: Listing<RoleHolder>,
    accounts: Vec<String>,
    org_list: Listing<Org>,
    account_list: String,
    membership_list: Listing<Membership>,
    member_list: Listing<Member>,
    members_after: Vec<Membership>,
    memberships: Vec<Option<Membership>>,
    revision: i64,
    records: Vec<Record>,
    some_records: Vec<Record>,
}

/// Reads everything there is, and asks the question.
pub async fn look(store: &AnyStore, question: &Question) -> Look {
    let mut look = Look {
        orgs: Vec::new(),
        keys: Vec::new(),
        key_lists: Vec::new(),
        standings: Vec::new(),
        cut_offs: Vec::new(),
        holders: store.role_holders(question.holders).await.unwrap(),
        accounts: Vec::new(),
        org_list: store.orgs(&question.orgs, question.org_page).await.unwrap(),
        membership_list: {
            let Page { offset, limit, direction, .. } = question.member_page;
            let page = Page { offset, limit, order: (), direction };
            let MemberQuery { org, role, .. } = question.members;
            store.memberships(org, role, page).await.unwrap()
        },
        member_list: store.members(&question.members, question.member_page).await.unwrap(),
        members_after: {
            let MemberQuery { org, role, .. } = question.members;
            let limit = question.limit;
            store.memberships_after(org, role, question.after_member, limit).await.unwrap()
        },
        memberships: Vec::new(),
        account_list: format!("{:?}", store.accounts(&question.accounts).await.unwrap()),
        revision: store.revision().await.unwrap(),
        records: store.records(0, 1_000).await.unwrap(),
        some_records: store.records(question.after, question.limit).await.unwrap(),
    };
    for user in (1..=MANY).map(user) {
        for number in 1..=MANY {
            look.keys.push(store.key(user, key_id(number)).await.unwrap());
            look.standings.push(store.standing(user, Some(org_id(number))).await.unwrap());
            look.memberships.push(store.membership(org_id(number), user).await.unwrap());
        }
        look.standings.push(store.standing(user, None).await.unwrap());
        look.cut_offs.push(store.cut_off(user).await.unwrap());
        look.key_lists.push(store.keys(user, question.key_page).await.unwrap());
        look.accounts.push(format!("{:?}", store.account(user).await.unwrap()));
    }
    for number in 1..=MANY {
        look.orgs.push(store.org(org_id(number)).await.unwrap());
    }
    let emails = ADDRESSES.map(|address| address.parse().unwrap());
    for email in &emails {
        look.accounts.push(format!("{:?}", store.account_by_email(email).await.unwrap()));
    }
    let mut listed = store.accounts_by_emails(&emails).await.unwrap();
    listed.sort_unstable_by_key(|account| account.id);
    look.accounts.push(format!("{listed:?}"));
    look
}
