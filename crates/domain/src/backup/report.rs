//! What a restore has done, or would do.

use super::rows::Section;

/// How many of the rows that are left out are named.
pub const NAMED: usize = 100;

/// What a restore has done; if it was a dry run, what it would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Whether the document has a seal.
    pub sealed: bool,
    /// List by list, in their order.
    pub counts: [Counts; Section::ALL.len()],
    /// What somebody should know, a sentence each.
    pub warnings: Vec<String>,
}

/// What became of the rows of one list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many were not there and are now.
    pub created: u64,
    /// How many were there already, the same.
    pub unchanged: u64,
    /// How many were left out because they were taken away on purpose since.
    pub left_out: u64,
    /// Some of those: the first [`NAMED`].
    pub named: Vec<String>,
}

impl Counts {
    /// Counts a row that is left out.
    pub fn leave_out(&mut self, name: String) {
        self.left_out = self.left_out.saturating_add(1);
        if self.named.len() < NAMED {
            self.named.push(name);
        }
    }

    /// Counts rows that are written.
    pub fn create(&mut self, rows: usize) {
        self.created = self.created.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
    }

    /// Counts rows that are there.
    pub fn keep(&mut self, rows: usize) {
        self.unchanged = self.unchanged.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
    }
}

impl Report {
    /// The counts of a list, for counting.
    pub const fn counts(&mut self, section: Section) -> &mut Counts {
        let [
            orgs,
            memberships,
            invites,
            dormant,
            keys,
            platform_roles,
            accounts,
            groups,
            group_members,
            group_roles,
        ] = &mut self.counts;
        match section {
            Section::Orgs => orgs,
            Section::Memberships => memberships,
            Section::Invites => invites,
            Section::Dormant => dormant,
            Section::Keys => keys,
            Section::PlatformRoles => platform_roles,
            Section::Accounts => accounts,
            Section::Groups => groups,
            Section::GroupMembers => group_members,
            Section::GroupRoles => group_roles,
        }
    }

    /// The counts of a list.
    #[must_use]
    pub const fn of(&self, section: Section) -> &Counts {
        let [
            orgs,
            memberships,
            invites,
            dormant,
            keys,
            platform_roles,
            accounts,
            groups,
            group_members,
            group_roles,
        ] = &self.counts;
        match section {
            Section::Orgs => orgs,
            Section::Memberships => memberships,
            Section::Invites => invites,
            Section::Dormant => dormant,
            Section::Keys => keys,
            Section::PlatformRoles => platform_roles,
            Section::Accounts => accounts,
            Section::Groups => groups,
            Section::GroupMembers => group_members,
            Section::GroupRoles => group_roles,
        }
    }

    /// How many rows were written.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.counts.iter().map(|counts| counts.created).fold(0, u64::saturating_add)
    }

    /// How many were left out.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.counts.iter().map(|counts| counts.left_out).fold(0, u64::saturating_add)
    }
}
