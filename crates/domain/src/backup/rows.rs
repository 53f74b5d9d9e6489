//! What a backup is made of.

use std::fmt;

use uuid::Uuid;

use crate::error::Entity;
use crate::model::{
    Account, Group, GroupGrant, GroupMember, Invite, InviteId, Key, Membership, Org,
    PlatformInviteId, RoleHolder,
};

/// The lists of a backup, in the order in which they are written and restored: nothing refers to
/// something that comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// Orgs.
    Orgs,
    /// Who belongs to them.
    Memberships,
    /// Invites, whatever became of them.
    Invites,
    /// Which of those wait for an invitation to the platform.
    Dormant,
    /// API keys, without their values.
    Keys,
    /// Platform roles.
    PlatformRoles,
    /// Accounts of the built-in directory.
    Accounts,
    /// Groups, each after the one above it.
    Groups,
    /// What is in them.
    GroupMembers,
    /// Who was given which role in them.
    GroupRoles,
}

impl Section {
    /// Every list, in order.
    pub const ALL: [Self; 10] = [
        Self::Orgs,
        Self::Memberships,
        Self::Invites,
        Self::Dormant,
        Self::Keys,
        Self::PlatformRoles,
        Self::Accounts,
        Self::Groups,
        Self::GroupMembers,
        Self::GroupRoles,
    ];

    /// What the list is called.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Orgs => "orgs",
            Self::Memberships => "org_memberships",
            Self::Invites => "org_invites",
            Self::Dormant => "dormant_org_invites",
            Self::Keys => "keys",
            Self::PlatformRoles => "platform_roles",
            Self::Accounts => "accounts",
            Self::Groups => "groups",
            Self::GroupMembers => "group_members",
            Self::GroupRoles => "group_roles",
        }
    }

    /// The list that is called this.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.as_str() == name)
    }

    /// What errors call one of its rows.
    #[must_use]
    pub const fn entity(self) -> Entity {
        match self {
            Self::Orgs => Entity::Org,
            Self::Memberships => Entity::Membership,
            Self::Invites | Self::Dormant => Entity::Invite,
            Self::Keys => Entity::Key,
            Self::PlatformRoles => Entity::PlatformRole,
            Self::Accounts => Entity::Account,
            Self::Groups => Entity::Group,
            Self::GroupMembers => Entity::GroupMember,
            Self::GroupRoles => Entity::GroupRole,
        }
    }
}

/// An org invite that waits for an invitation to the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DormantInvite {
    /// Which invite.
    pub invite: InviteId,
    /// What it waits for.
    pub platform_invite: PlatformInviteId,
}

/// One row of a backup.
#[derive(Clone, Debug)]
pub enum Row {
    /// An org.
    Org(Org),
    /// Somebody's place in one.
    Membership(Membership),
    /// An invite.
    Invite(Invite),
    /// What one waits for.
    Dormant(DormantInvite),
    /// An API key.
    Key(Key),
    /// A platform role.
    PlatformRole(RoleHolder),
    /// An account.
    Account(Account),
    /// A group.
    Group(Group),
    /// Something's place in one.
    GroupMember(GroupMember),
    /// A role in one.
    GroupRole(GroupGrant),
}

/// Some rows of one list.
#[derive(Clone, Debug)]
pub enum Rows {
    /// Orgs.
    Orgs(Vec<Org>),
    /// Memberships.
    Memberships(Vec<Membership>),
    /// Invites.
    Invites(Vec<Invite>),
    /// What some of them wait for.
    Dormant(Vec<DormantInvite>),
    /// API keys.
    Keys(Vec<Key>),
    /// Platform roles.
    PlatformRoles(Vec<RoleHolder>),
    /// Accounts.
    Accounts(Vec<Account>),
    /// Groups, each after the one above it.
    Groups(Vec<Group>),
    /// What is in groups.
    GroupMembers(Vec<GroupMember>),
    /// Roles in groups.
    GroupRoles(Vec<GroupGrant>),
}

impl Rows {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Orgs(rows) => rows.len(),
            Self::Memberships(rows) => rows.len(),
            Self::Invites(rows) => rows.len(),
            Self::Dormant(rows) => rows.len(),
            Self::Keys(rows) => rows.len(),
            Self::PlatformRoles(rows) => rows.len(),
            Self::Accounts(rows) => rows.len(),
            Self::Groups(rows) => rows.len(),
            Self::GroupMembers(rows) => rows.len(),
            Self::GroupRoles(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A place in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// By two ids; the second is nil where one is enough.
    Ids(Uuid, Uuid),
    /// By an id and a text.
    Named(Uuid, String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ids(one, other) if other.is_nil() => write!(f, "{one}"),
            Self::Ids(one, other) => write!(f, "{one}/{other}"),
            Self::Named(one, name) => write!(f, "{one}/{name:?}"),
        }
    }
}

/// What can be restored: it has a place in its list, and can be compared with what is stored there.
pub trait Keep: Sized {
    /// Which list it is of.
    const SECTION: Section;

    /// Whether lists are in the order of their places. Groups are not: each comes after the one above it.
    const ORDERED: bool;

    /// Its place in the list: no two rows have the same.
    fn place(&self) -> Place;

    /// Whether it says what the stored row with its place says.
    fn same(&self, stored: &Self) -> bool;

    /// Several of them.
    fn rows(these: Vec<Self>) -> Rows;

    /// Those that `rows` holds, if it holds such.
    fn of(rows: Rows) -> Option<Vec<Self>>;
}

macro_rules! keep {
    ($row:ty, $section:ident, |$it:ident| $place:expr) => {
        keep!($row, $section, |$it| $place, Self::eq, true);
    };
    ($row:ty, $section:ident, |$it:ident| $place:expr, $same:path, $ordered:expr) => {
        impl Keep for $row {
            const SECTION: Section = Section::$section;
            const ORDERED: bool = $ordered;

            fn place(&self) -> Place {
                let $it = self;
                $place
            }

            fn same(&self, stored: &Self) -> bool {
                $same(self, stored)
            }

            fn rows(these: Vec<Self>) -> Rows {
                Rows::$section(these)
            }

            fn of(rows: Rows) -> Option<Vec<Self>> {
                match rows {
                    Rows::$section(these) => Some(these),
                    _ => None,
                }
            }
        }
    };
}

keep!(Org, Orgs, |it| one(it.id.uuid()));
keep!(Membership, Memberships, |it| Place::Ids(it.org.uuid(), it.member.uuid()));
keep!(Invite, Invites, |it| one(it.id.uuid()));
keep!(DormantInvite, Dormant, |it| Place::Ids(it.invite.uuid(), it.platform_invite.uuid()));
keep!(Key, Keys, |it| one(it.id.uuid()));
keep!(RoleHolder, PlatformRoles, |it| one(it.user.uuid()));
keep!(Account, Accounts, |it| one(it.id.uuid()), same_account, true);
keep!(Group, Groups, |it| one(it.id.uuid()), Self::eq, false);
keep!(GroupMember, GroupMembers, |it| Place::Named(it.group.uuid(), it.member.as_str().to_owned()));
keep!(GroupGrant, GroupRoles, |it| Place::Ids(it.group.uuid(), it.user.uuid()));

const fn one(id: Uuid) -> Place {
    Place::Ids(id, Uuid::nil())
}

/// A backup without password hashes says nothing of them.
fn same_account(this: &Account, stored: &Account) -> bool {
    let hash = this.password.expose();
    this.id == stored.id
        && this.email == stored.email
        && this.status == stored.status
        && this.email_verified_at == stored.email_verified_at
        && this.metadata == stored.metadata
        && this.created_at == stored.created_at
        && this.updated_at == stored.updated_at
        && (!this.password.is_usable() || hash == stored.password.expose())
}
