//! What a backup is made of.

use uuid::Uuid;

use crate::error::Entity;
use crate::model::{Account, Invite, InviteId, Key, Membership, Org, PlatformInviteId, RoleHolder};

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
}

impl Section {
    /// Every list, in order.
    pub const ALL: [Self; 7] = [
        Self::Orgs,
        Self::Memberships,
        Self::Invites,
        Self::Dormant,
        Self::Keys,
        Self::PlatformRoles,
        Self::Accounts,
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
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What can be restored: it has a place in its list, and can be compared with what is stored there.
pub trait Keep: Sized {
    /// Which list it is of.
    const SECTION: Section;

    /// Its place in the list: lists are in this order, and no two rows have the same.
    fn place(&self) -> (Uuid, Uuid);

    /// Whether it says what the stored row with its place says.
    fn same(&self, stored: &Self) -> bool;

    /// Several of them.
    fn rows(these: Vec<Self>) -> Rows;

    /// Those that `rows` holds, if it holds such.
    fn of(rows: Rows) -> Option<Vec<Self>>;
}

macro_rules! keep {
    ($row:ty, $section:ident, |$it:ident| $place:expr, |$this:ident, $stored:ident| $same:expr) => {
        impl Keep for $row {
            const SECTION: Section = Section::$section;

            fn place(&self) -> (Uuid, Uuid) {
                let $it = self;
                $place
            }

            fn same(&self, $stored: &Self) -> bool {
                let $this = self;
                $same
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

keep!(Org, Orgs, |it| (it.id.uuid(), Uuid::nil()), |this, stored| this == stored);
keep!(Membership, Memberships, |it| (it.org.uuid(), it.member.uuid()), |this, stored| this
    == stored);
keep!(Invite, Invites, |it| (it.id.uuid(), Uuid::nil()), |this, stored| this == stored);
keep!(
    DormantInvite,
    Dormant,
    |it| (it.invite.uuid(), it.platform_invite.uuid()),
    |this, stored| this == stored
);
keep!(Key, Keys, |it| (it.id.uuid(), Uuid::nil()), |this, stored| this == stored);
keep!(RoleHolder, PlatformRoles, |it| (it.user.uuid(), Uuid::nil()), |this, stored| this == stored);
keep!(Account, Accounts, |it| (it.id.uuid(), Uuid::nil()), |this, stored| same_account(
    this, stored
));

/// A backup without password hashes says nothing of them.
fn same_account(this: &Account, stored: &Account) -> bool {
    let hash = this.password.expose();
    this.id == stored.id
        && this.email == stored.email
        && this.status == stored.status
        && this.metadata == stored.metadata
        && this.created_at == stored.created_at
        && this.updated_at == stored.updated_at
        && (!this.password.is_usable() || hash == stored.password.expose())
}
