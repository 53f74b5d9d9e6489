//! Histories made up at random, over so few ids that changes keep meeting each other.
//!
//! Give the same history to two stores and compare, with [`look`], everything that can be read: whatever
//! differs is a promise one of them does not keep.

mod groups;
mod look;
mod sessions;

use auth_domain::Timestamp;
use auth_domain::backup::Rows;
use auth_domain::change::{Change, Commit, Guard};
use auth_domain::model::{
    Account, AccountEdit, AccountStatus, Action, Invite, InviteState, Key, Membership, Metadata,
    Org, OrgEdit, OrgRole, PasswordHash, PlatformRole, RoleHolder, Settlement, UserId,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use serde_json::{Value, json};

use crate::sample::{
    account, audit, group_id, invite_id, key_id, metadata, moment, org_id, platform_invite_id,
    signing_key, user,
};

use self::groups::{group_changes, group_roles};
pub use self::look::{Look, Question, look, questions};
use self::sessions::session_changes;

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

fn account_changes() -> impl Strategy<Value = Change> {
    let statuses = AccountStatus::ALL.to_vec();
    prop_oneof![
        (users(), metadatas(), moments()).prop_map(|(id, metadata, updated_at)| {
            Change::UpdateAccount(AccountEdit { id, metadata, updated_at })
        }),
        (users(), select(statuses), moments())
            .prop_map(|(id, status, at)| Change::SetAccountStatus { id, status, at }),
        (users(), moments()).prop_map(|(id, at)| Change::VerifyEmail { id, at }),
        (numbers(), any::<bool>()).prop_map(|(number, old)| {
            let opened = account(number, ADDRESSES[0]);
            let to = PasswordHash::new(if old { "$2a$04$old" } else { "new" }.to_owned());
            Change::RenewHash { id: opened.id, from: opened.password, to }
        }),
    ]
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

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        14 => group_changes(),
        4 => keys().prop_map(Change::InsertKey),
        1 => (numbers(), users())
            .prop_map(|(number, issuer)| Change::RemoveKey { id: key_id(number), issuer }),
        2 => (users(), moments()).prop_map(|(user, until)| Change::EndSessions { user, until }),
        3 => session_changes(),
        1 => (numbers(), moments()).prop_map(|(number, at)| Change::WithdrawSigningKey {
            key: signing_key(number),
            at,
        }),
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
        2 => account_changes(),
        2 => rows().prop_map(Change::InsertRows),
        8 => invite_changes(),
    ]
}

/// One commit: mostly a change or two, now and then guarded.
pub fn commits() -> impl Strategy<Value = Commit> {
    let guards = prop_oneof![4 => Just(Vec::new()), 1 => vec(guards(), 1..=2)];
    (guards, vec(changes(), 0..=3), moments(), users()).prop_map(|(guards, changes, at, actor)| {
        Commit { actor: format!("user:{actor}"), at, guards, changes, audit: audit() }
    })
}

/// A history.
pub fn histories() -> impl Strategy<Value = Vec<Commit>> {
    vec(commits(), 1..=40)
}

#[cfg(test)]
mod tests {
    use auth_domain::backup::format;
    use auth_domain::backup::read::{Reader, Reading, Step};
    use auth_domain::backup::{Row, Taken};
    use proptest::prelude::*;

    use super::groups::group_rows;
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
        fn r39_rows_are_read_as_they_were_written(rows in prop_oneof![2 => rows(), 1 => group_rows()], step in 1_usize..200) {
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
