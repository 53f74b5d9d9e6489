//! Histories made up at random, over so few ids that changes keep meeting each other.
//!
//! Give the same history to two stores and compare, with [`look`], everything that can be read: whatever
//! differs is a promise one of them does not keep.

use auth_domain::Timestamp;
use auth_domain::backup::Rows;
use auth_domain::change::{Change, Commit, Guard};
use auth_domain::fact::Record;
use auth_domain::model::{
    Account, AccountOrder, AccountQuery, AccountStatus, Action, Direction, EntityId, EntityType,
    Group, GroupEdit, GroupGrant, GroupId, GroupMember, GroupQuery, GroupRole, GroupStanding,
    GroupsFrom, GroupsOfQuery, Invite, InviteOrder, InviteQuery, InviteState, InvitesOf, Key,
    KeyOrder, Listing, Member, MemberOrder, MemberQuery, Membership, Metadata, Org, OrgEdit,
    OrgInvite, OrgOrder, OrgQuery, OrgRole, Page, Part, Placed, PlatformRole, RoleHolder,
    Settlement, Standing, UserId, WaitingInvite,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use serde_json::{Value, json};

use crate::AnyStore;
use crate::sample::{
    account, grant, group, group_edit, group_id, invite_id, key_id, metadata, moment, org_id,
    platform_invite_id, user,
};

/// How many users, orgs and keys there are.
pub const MANY: u32 = 4;

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
        (users(), numbers(), group_roles()).prop_map(|(user, number, needed)| Guard::InGroup {
            user,
            group: group_id(number),
            needed
        }),
        (numbers(), option::of(numbers())).prop_map(|(number, parent)| Guard::LiesBelow {
            group: group_id(number),
            parent: parent.map(group_id)
        }),
        (users(), platform_roles()).prop_map(|(user, needed)| Guard::OnPlatform { user, needed }),
        (users(), numbers()).prop_map(|(user, org)| Guard::MayInvite { user, org: org_id(org) }),
        (users(), numbers()).prop_map(|(user, org)| Guard::IsMember { user, org: org_id(org) }),
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

/// Both stores ask their own clock whether its time is over, so that is long ago or far ahead.
fn ends() -> impl Strategy<Value = Timestamp> {
    select(vec![moment(3), Timestamp::from_micros(i64::MAX)])
}

/// More of them, because each ends once.
fn invite_numbers() -> impl Strategy<Value = u32> {
    1..=2 * MANY
}

fn invites() -> impl Strategy<Value = Invite> {
    let states =
        prop_oneof![4 => Just(InviteState::Pending), 1 => select(InviteState::ALL.to_vec())];
    let roles = select(OrgRole::ALL.to_vec());
    let people = (users(), users());
    (invite_numbers(), numbers(), people, roles, states, moments(), ends()).prop_map(
        |(number, org, (from, to), role, state, created_at, expires_at)| Invite {
            id: invite_id(number),
            org: org_id(org),
            inviter: from,
            invitee: Some(to),
            role,
            state,
            created_at,
            expires_at,
        },
    )
}

fn invite_changes() -> impl Strategy<Value = Change> {
    let settlements = vec![Settlement::Accepted, Settlement::Declined, Settlement::Revoked];
    prop_oneof![
        4 => invites().prop_map(Change::InsertInvite),
        2 => (invites(), numbers()).prop_map(|(invite, number)| Change::InsertDormantInvite {
            invite: Invite { invitee: None, ..invite },
            platform_invite: platform_invite_id(number),
        }),
        3 => (invite_numbers(), numbers(), users(), ends()).prop_map(
            |(number, org, invitee, expires_at)| Change::ActivateInvite {
                id: invite_id(number),
                org: org_id(org),
                invitee,
                expires_at,
            }
        ),
        4 => (invite_numbers(), numbers(), option::of(users()), select(settlements)).prop_map(
            |(number, org, invitee, to)| Change::SettleInvite {
                id: invite_id(number),
                org: org_id(org),
                invitee,
                to,
            }
        ),
    ]
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

/// Those that say what an invite can say, dormant ones among them.
fn kept_invites() -> impl Strategy<Value = Invite> {
    (invites(), any::<bool>()).prop_map(|(invite, dormant)| Invite {
        invitee: invite.invitee.filter(|_| !dormant),
        role: invite.role.min(OrgRole::Admin),
        ..invite
    })
}

/// Some rows of one list.
pub fn rows() -> impl Strategy<Value = Rows> {
    let holder = (users(), platform_roles()).prop_map(|(user, role)| RoleHolder { user, role });
    prop_oneof![
        vec(orgs(), 0..3).prop_map(Rows::Orgs),
        vec(memberships(), 0..3).prop_map(Rows::Memberships),
        vec(kept_invites(), 0..3).prop_map(Rows::Invites),
        vec(keys(), 0..3).prop_map(Rows::Keys),
        vec(holder, 0..3).prop_map(Rows::PlatformRoles),
        vec(accounts(), 0..3).prop_map(Rows::Accounts),
    ]
}

/// Some rows of one list, those of groups among them, which are no tree of any kind.
#[cfg(test)]
fn any_rows() -> impl Strategy<Value = Rows> {
    let member = (numbers(), entities(), moments()).prop_map(|(group, (kind, members), at)| {
        let member = |member| GroupMember {
            group: group_id(group),
            kind: kind.clone(),
            member,
            created_at: at,
        };
        Rows::GroupMembers(members.into_iter().map(member).collect())
    });
    let grants =
        (numbers(), users(), group_roles()).prop_map(|(id, user, role)| grant(id, user, role));
    prop_oneof![
        6 => rows(),
        1 => vec(groups(), 0..3).prop_map(Rows::Groups),
        1 => member,
        1 => vec(grants, 0..3).prop_map(Rows::GroupRoles),
    ]
}

fn group_roles() -> impl Strategy<Value = GroupRole> {
    select(GroupRole::ALL.to_vec())
}

/// One of each kind: users by their ids, and things by the same.
fn entities() -> impl Strategy<Value = (EntityType, Vec<EntityId>)> {
    let kind = select(vec!["users", "things"]);
    (kind, proptest::collection::btree_set(users(), 0..3)).prop_map(|(kind, users)| {
        let members = users.into_iter().map(EntityId::of_user).collect();
        (EntityType::stored(kind.into()), members)
    })
}

fn groups() -> impl Strategy<Value = Group> {
    let home = (option::weighted(0.6, 1..=2_u32), users(), option::weighted(0.6, numbers()));
    (numbers(), home, select(NAMES.to_vec()), metadatas(), moments()).prop_map(
        |(number, (org, owner, parent), name, metadata, at)| Group {
            owner,
            org: org.map(org_id),
            name: name.parse().unwrap(),
            metadata,
            created_at: at,
            ..group(number, parent)
        },
    )
}

fn group_changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => groups().prop_map(Change::InsertGroup),
        1 => (numbers(), select(NAMES.to_vec()), metadatas()).prop_map(|(number, name, metadata)| {
            Change::UpdateGroup(GroupEdit { metadata, ..group_edit(number, name) })
        }),
        3 => (numbers(), option::of(numbers()), moments()).prop_map(|(id, parent, at)| {
            Change::MoveGroup { id: group_id(id), parent: parent.map(group_id), at }
        }),
        1 => (numbers(), any::<bool>())
            .prop_map(|(id, subtree)| Change::RemoveGroup { id: group_id(id), subtree }),
        3 => (numbers(), entities(), moments()).prop_map(|(id, (kind, members), at)| {
            Change::AssignMembers { group: group_id(id), kind, members, at }
        }),
        1 => (numbers(), entities()).prop_map(|(id, (_, members))| {
            Change::UnassignMembers { group: group_id(id), members }
        }),
        3 => (numbers(), users(), group_roles())
            .prop_map(|(id, user, role)| Change::PutGroupRole(grant(id, user, role))),
        1 => (numbers(), users())
            .prop_map(|(id, user)| Change::RemoveGroupRole { group: group_id(id), user }),
    ]
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        14 => group_changes(),
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
        2 => rows().prop_map(Change::InsertRows),
        8 => invite_changes(),
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
    vec(commits(), 1..=40)
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

#[cfg(test)]
mod tests {
    use auth_domain::backup::format;
    use auth_domain::backup::read::{Reader, Reading, Step};
    use auth_domain::backup::{Row, Taken};
    use proptest::prelude::*;

    use super::*;

    fn single(row: Row) -> Rows {
        match row {
            Row::Org(row) => Rows::Orgs(vec![row]),
            Row::Membership(row) => Rows::Memberships(vec![row]),
            Row::Invite(row) => Rows::Invites(vec![row]),
            Row::Dormant(row) => Rows::Dormant(vec![row]),
            Row::Key(row) => Rows::Keys(vec![row]),
            Row::PlatformRole(row) => Rows::PlatformRoles(vec![row]),
            Row::Account(row) => Rows::Accounts(vec![row]),
            Row::Group(row) => Rows::Groups(vec![row]),
            Row::GroupMember(row) => Rows::GroupMembers(vec![row]),
            Row::GroupRole(row) => Rows::GroupRoles(vec![row]),
        }
    }

    fn written(rows: &Rows, first: bool) -> String {
        let mut text = Vec::new();
        format::rows(rows, first, true, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    proptest! {
        /// R-39: whatever is written into a backup is read back as it was.
        #[test]
        fn r39_rows_are_read_as_they_were_written(rows in any_rows(), step in 1_usize..200) {
            let section = match &rows {
                Rows::Orgs(_) => auth_domain::backup::Section::Orgs,
                Rows::Memberships(_) => auth_domain::backup::Section::Memberships,
                Rows::Invites(_) => auth_domain::backup::Section::Invites,
                Rows::Dormant(_) => auth_domain::backup::Section::Dormant,
                Rows::Keys(_) => auth_domain::backup::Section::Keys,
                Rows::PlatformRoles(_) => auth_domain::backup::Section::PlatformRoles,
                Rows::Accounts(_) => auth_domain::backup::Section::Accounts,
                Rows::Groups(_) => auth_domain::backup::Section::Groups,
                Rows::GroupMembers(_) => auth_domain::backup::Section::GroupMembers,
                Rows::GroupRoles(_) => auth_domain::backup::Section::GroupRoles,
            };
            let taken = Taken { instance: uuid::Uuid::from_u128(7), revision: 9 };
            let text = [
                format::head(taken, moment(1)),
                format::opening(section),
                written(&rows, true),
                "]}".to_owned(),
            ]
            .concat();
            let mut reader =
                Reader::new(Reading { sealed: true, now: moment(2), max_rows: None });
            let mut parts = text.as_bytes().chunks(step);
            let mut again = String::new();
            loop {
                match reader.step().unwrap() {
                    Some(Step::Taken(found)) => prop_assert_eq!(found, taken),
                    Some(Step::Row(row)) => again += &written(&single(*row), again.is_empty()),
                    Some(Step::Ended(ended)) => prop_assert_eq!(ended, section),
                    Some(Step::End) => break,
                    None => match parts.next() {
                        Some(part) => reader.feed(part),
                        None => reader.end(),
                    },
                }
            }
            prop_assert_eq!(again, written(&rows, true));
        }
    }
}
