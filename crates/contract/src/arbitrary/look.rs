//! What a store says after a history, all of it at once.

use auth_domain::fact::Record;
use auth_domain::model::{
    AccountFilter, AccountOrder, AccountQuery, AccountStatus, Direction, EntityId, Group,
    GroupGrant, GroupId, GroupMember, GroupQuery, GroupStanding, GroupsFrom, GroupsOfQuery,
    InviteOrder, InviteQuery, InviteState, InvitesOf, Key, KeyOrder, Listing, Member, MemberOrder,
    MemberQuery, Membership, Metadata, Org, OrgInvite, OrgOrder, OrgQuery, OrgRole, Page, Part,
    Placed, RoleHolder, Standing, UserId, WaitingInvite,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use super::{ADDRESSES, MANY, metadatas, moments, numbers, users};
use crate::AnyStore;
use crate::sample::{
    group_id, invite_id, key_id, moment, org_id, platform_invite_id, signing_key, user,
};

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
    groups: GroupQuery,
    group_part: Part<Vec<GroupId>>,
    groups_of: GroupsOfQuery,
    holders: Page<()>,
    invites: InviteQuery,
    invite_page: Page<InviteOrder>,
    after: i64,
    limit: u32,
}

fn invite_queries() -> impl Strategy<Value = InviteQuery> {
    let whose = prop_oneof![
        numbers().prop_map(|number| InvitesOf::Org(org_id(number))),
        users().prop_map(InvitesOf::Invitee),
        users().prop_map(InvitesOf::Inviter),
    ];
    let states = prop_oneof![
        1 => Just(InviteState::ALL.to_vec()),
        1 => vec(select(InviteState::ALL.to_vec()), 0..=2),
    ];
    (whose, states, moments()).prop_map(|(of, states, at)| InviteQuery { of, states, at })
}

fn pages<O: Clone + std::fmt::Debug + 'static>(orders: Vec<O>) -> impl Strategy<Value = Page<O>> {
    (0..4_u64, 1..5_u64, select(orders), any::<bool>()).prop_map(|(offset, limit, order, up)| {
        let direction = if up { Direction::Ascending } else { Direction::Descending };
        Page { offset, limit, order, direction }
    })
}

fn group_queries() -> impl Strategy<Value = (GroupQuery, Part<Vec<GroupId>>, GroupsOfQuery)> {
    let org = || option::of((1..=2_u32).prop_map(org_id));
    let from = prop_oneof![
        numbers().prop_map(|number| GroupsFrom::Group(group_id(number))),
        org().prop_map(GroupsFrom::Roots),
        (users(), org()).prop_map(|(user, org)| GroupsFrom::SeenBy(user, org)),
    ];
    let filter = || prop_oneof![Just(Metadata::default()), metadatas()];
    let after = option::of(vec(numbers().prop_map(group_id), 1..3));
    let part = (0..3_u64, 1..5_u64, after);
    let of = (users(), option::of(users()), filter());
    (from, 1..5_usize, filter(), part, of).prop_map(|(from, levels, metadata, part, of)| {
        let (offset, limit, after) = part;
        let (member, seen_by, filter) = of;
        let member = EntityId::of_user(member);
        (
            GroupQuery { from, levels, metadata },
            Part { offset, limit, after },
            GroupsOfQuery { member, seen_by, metadata: filter },
        )
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
        (pages(vec![()]), invite_queries(), pages(InviteOrder::ALL.to_vec()), group_queries()),
        (0..10_i64, 0..10_u32),
    )
        .prop_map(|(orgs, org_page, key_page, accounts, members, others, (after, limit))| {
            let (holders, invites, invite_page, (groups, group_part, groups_of)) = others;
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
                groups,
                group_part,
                groups_of,
                holders,
                invites,
                invite_page,
                after,
                limit,
            }
        })
}

/// Accounts by what lists of orgs and accounts are asked for.
async fn account_search(store: &AnyStore, question: &Question) -> String {
    let AccountQuery { email, page, ids } = &question.accounts;
    let status = AccountStatus::ALL.get(ids.len()).copied();
    let metadata = question.orgs.metadata.clone();
    let filter = AccountFilter { email: email.clone(), metadata, status };
    format!("{:?}", store.accounts_by_filter(&filter, *page).await.unwrap())
}

/// Everything that can be read of a store, in words where it cannot be compared.
#[derive(Debug, PartialEq)]
pub struct Look {
    orgs: Vec<Option<Org>>,
    keys: Vec<Option<Key>>,
    key_lists: Vec<Listing<Key>>,
    standings: Vec<Standing>,
    cut_offs: Vec<Option<i64>>,
    withdrawn: Vec<bool>,
    sessions: Vec<String>,
    keys_alive: Vec<u64>,
    holders: Listing<RoleHolder>,
    accounts: Vec<String>,
    org_list: Listing<Org>,
    account_list: String,
    account_search: String,
    has_bcrypt: bool,
    membership_list: Listing<Membership>,
    member_list: Listing<Member>,
    members_after: Vec<Membership>,
    memberships: Vec<Option<Membership>>,
    invites: Vec<Option<OrgInvite>>,
    invite_list: Listing<OrgInvite>,
    dormant_invites: Vec<Option<OrgInvite>>,
    waiting_invites: Vec<Vec<WaitingInvite>>,
    group_list: Listing<Placed>,
    groups_of: Listing<Group>,
    group_members: Vec<Listing<GroupMember>>,
    group_roles: Vec<Listing<GroupGrant>>,
    group_standings: Vec<GroupStanding>,
    revision: i64,
    records: Vec<Record>,
    some_records: Vec<Record>,
    snapshot: Vec<String>,
}

/// Reads everything there is, and asks the question.
pub async fn look(store: &AnyStore, question: &Question) -> Look {
    let mut look = Look {
        orgs: Vec::new(),
        keys: Vec::new(),
        key_lists: Vec::new(),
        standings: Vec::new(),
        cut_offs: Vec::new(),
        withdrawn: Vec::new(),
        sessions: super::sessions::look(store).await,
        keys_alive: Vec::new(),
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
        invites: Vec::new(),
        invite_list: store.invites(&question.invites, question.invite_page).await.unwrap(),
        dormant_invites: Vec::new(),
        waiting_invites: Vec::new(),
        group_list: store.group_tree(&question.groups, &question.group_part).await.unwrap(),
        groups_of: {
            let part = Part { offset: question.group_part.offset, limit: 3, after: None };
            store.groups_of(&question.groups_of, &part).await.unwrap()
        },
        group_members: Vec::new(),
        group_roles: Vec::new(),
        group_standings: Vec::new(),
        account_list: format!("{:?}", store.accounts(&question.accounts).await.unwrap()),
        account_search: account_search(store, question).await,
        has_bcrypt: store.has_bcrypt().await.unwrap(),
        revision: store.revision().await.unwrap(),
        records: store.records(0, 1_000).await.unwrap(),
        some_records: store.records(question.after, question.limit).await.unwrap(),
        snapshot: crate::backups::shown(&**store).await,
    };
    for user in (1..=MANY).map(user) {
        for number in 1..=MANY {
            look.keys.push(store.key(user, key_id(number)).await.unwrap());
            look.standings.push(store.standing(user, Some(org_id(number))).await.unwrap());
            look.memberships.push(store.membership(org_id(number), user).await.unwrap());
            let waiting = store.waiting_invites(platform_invite_id(number), user).await.unwrap();
            look.waiting_invites.push(waiting);
        }
        look.standings.push(store.standing(user, None).await.unwrap());
        look.cut_offs.push(store.cut_off(user).await.unwrap());
        let groups: Vec<_> = (1..=MANY).map(group_id).collect();
        let mut standings = store.group_standings(user, &groups).await.unwrap();
        standings.sort_by_key(|standing| standing.group);
        look.group_standings.extend(standings);
        look.key_lists.push(store.keys(user, question.key_page).await.unwrap());
        look.accounts.push(format!("{:?}", store.account(user).await.unwrap()));
    }
    for number in 1..=MANY {
        look.orgs.push(store.org(org_id(number)).await.unwrap());
        look.withdrawn.push(store.is_withdrawn(signing_key(number)).await.unwrap());
        let (at, never) = (moment(i64::from(number)), moment(1_000_000));
        look.keys_alive.push(store.keys_alive(at, never, at).await.unwrap());
        let dormant = store.dormant_invite(platform_invite_id(number)).await.unwrap();
        look.dormant_invites.push(dormant);
    }
    for number in 1..=2 * MANY {
        look.invites.push(store.invite(invite_id(number)).await.unwrap());
        let part = Part { offset: 0, limit: 9, after: None };
        let members = store.group_members(group_id(number), None, &part).await.unwrap();
        look.group_members.push(members);
        look.group_roles.push(store.group_roles(group_id(number), question.holders).await.unwrap());
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
