//! What of a document is written, and what is not.

mod groups;

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::Existing;
use crate::Timestamp;
use crate::app::{Actor, Cx};
use crate::backup::ports::PART;
use crate::backup::read::Reading;
use crate::backup::rows::Keep;
use crate::backup::{DormantInvite, Place, Report, Restoring, Row, Section, Taken};
use crate::change::{Change, Guard};
use crate::error::{Conflict, Entity, Error, Invalid, Result};
use crate::model::{
    Account, Group, GroupGrant, GroupId, GroupMember, Invite, InviteId, InviteState, Key,
    Membership, Org, OrgId, OrgRole, PlatformRole, RoleHolder, UserId,
};

/// How many of the people or orgs that a warning is about are named in it.
const NAMED: usize = 20;

/// Two ids that a record of the change log is about.
type Pair = (Uuid, Uuid);

/// Sorts the rows of a document into those to write and the others, and writes them.
pub(super) struct Sorting<'a, 'c> {
    cx: &'a Cx<'c>,
    restoring: Box<dyn Restoring>,
    reading: Reading,
    existing: Existing,
    revive: bool,
    report: Report,
    /// Where and when the document was taken, if it says so.
    taken: Option<Taken>,
    /// After which revision of our change log something can have been taken away since.
    since: i64,
    /// Whether the revisions of the document are ours.
    ours: bool,
    pending: Pending,
    /// How many rows of the list were written or passed over.
    before: u64,
    /// The last place in the list.
    last: Option<Place>,
    /// Those of a document without a seal, which has no order.
    places: HashSet<Place>,
    /// Memberships that came before the orgs.
    early: Vec<Membership>,
    had_orgs: bool,
    /// Orgs that were created, of which no owner came yet.
    ownerless: HashMap<OrgId, (UserId, Timestamp, Timestamp)>,
    /// All that were created.
    created: HashSet<OrgId>,
    /// Who does not come back where.
    gone: HashSet<(OrgId, UserId)>,
    /// Owners who come back although they had been removed.
    owners_back: Vec<String>,
    no_passwords: u64,
    /// The groups that do not come back: they were removed, or lay below one that was.
    lost: HashSet<GroupId>,
}

/// Rows of one list that wait until there are enough of them.
#[derive(Default)]
struct Pending {
    orgs: Vec<Org>,
    memberships: Vec<Membership>,
    invites: Vec<Invite>,
    dormant: Vec<DormantInvite>,
    keys: Vec<Key>,
    roles: Vec<RoleHolder>,
    accounts: Vec<Account>,
    groups: Vec<Group>,
    group_members: Vec<GroupMember>,
    group_roles: Vec<GroupGrant>,
}

impl<'a, 'c> Sorting<'a, 'c> {
    pub(super) async fn begin(
        cx: &'a Cx<'c>,
        reading: Reading,
        existing: Existing,
        revive: bool,
    ) -> Result<Self> {
        let restoring = cx.restoring().await?;
        let mut sorting = Self {
            cx,
            restoring,
            reading,
            existing,
            revive,
            report: Report { sealed: reading.sealed, ..Report::default() },
            taken: None,
            since: 0,
            ours: false,
            pending: Pending::default(),
            before: 0,
            last: None,
            places: HashSet::new(),
            early: Vec::new(),
            had_orgs: reading.sealed,
            ownerless: HashMap::new(),
            created: HashSet::new(),
            gone: HashSet::new(),
            owners_back: Vec::new(),
            no_passwords: 0,
            lost: HashSet::new(),
        };
        if !reading.sealed && !sorting.restoring.origin(0).await?.1 {
            sorting.warn(
                "the change log does not go back to the beginning: what was taken away before it begins \
                 cannot be known, and came back if the document has it"
                    .into(),
            );
        }
        Ok(sorting)
    }

    pub(super) const fn origin(&self) -> Option<Taken> {
        self.taken
    }

    fn warn(&mut self, warning: String) {
        self.report.warnings.push(warning);
    }

    /// Where and when the document was taken.
    pub(super) async fn taken(&mut self, taken: Taken) -> Result<()> {
        let (instance, whole) = self.restoring.origin(taken.revision).await?;
        self.taken = Some(taken);
        self.ours = instance == taken.instance;
        if !self.ours {
            self.warn(
                "the backup is of another database: what was taken away there since cannot be known, and \
                 came back"
                    .into(),
            );
            return Ok(());
        }
        self.since = taken.revision;
        if !whole {
            self.warn(
                "the change log does not go back to the backup: what was taken away before the log begins \
                 cannot be known, and came back"
                    .into(),
            );
        }
        Ok(())
    }

    /// The next row of the document.
    pub(super) async fn take(&mut self, row: Row) -> Result<()> {
        let pending = &mut self.pending;
        let full = match row {
            Row::Org(row) => push(&mut pending.orgs, row),
            Row::Membership(row) if !self.had_orgs => {
                self.early.push(row);
                false
            }
            Row::Membership(row) => push(&mut pending.memberships, row),
            Row::Invite(row) => push(&mut pending.invites, row),
            Row::Dormant(row) => push(&mut pending.dormant, row),
            Row::Key(row) => push(&mut pending.keys, row),
            Row::PlatformRole(row) => push(&mut pending.roles, row),
            Row::Account(row) => push(&mut pending.accounts, row),
            Row::Group(row) => push(&mut pending.groups, row),
            Row::GroupMember(row) => push(&mut pending.group_members, row),
            Row::GroupRole(row) => push(&mut pending.group_roles, row),
        };
        if full { self.write().await } else { Ok(()) }
    }

    /// A list of the document ends.
    pub(super) async fn ended(&mut self, section: Section) -> Result<()> {
        self.write().await?;
        self.begin_list();
        if section == Section::Orgs {
            self.had_orgs = true;
            self.take_early().await?;
        }
        Ok(())
    }

    fn begin_list(&mut self) {
        self.before = 0;
        self.last = None;
        self.places.clear();
    }

    async fn take_early(&mut self) -> Result<()> {
        let mut early = std::mem::take(&mut self.early).into_iter();
        loop {
            let part: Vec<Membership> = early.by_ref().take(PART).collect();
            if part.is_empty() {
                self.begin_list();
                return Ok(());
            }
            self.pending.memberships = part;
            self.write().await?;
        }
    }

    /// Writes what waits; at most one list has something.
    async fn write(&mut self) -> Result<()> {
        let Pending {
            orgs,
            memberships,
            invites,
            dormant,
            keys,
            roles,
            accounts,
            groups,
            group_members,
            group_roles,
        } = std::mem::take(&mut self.pending);
        if !orgs.is_empty() {
            self.orgs(orgs).await?;
        }
        if !memberships.is_empty() {
            self.memberships(memberships).await?;
        }
        if !invites.is_empty() {
            self.invites(invites).await?;
        }
        if !dormant.is_empty() {
            self.dormant(dormant).await?;
        }
        if !keys.is_empty() {
            self.keys(keys).await?;
        }
        if !roles.is_empty() {
            self.roles(roles).await?;
        }
        if !accounts.is_empty() {
            self.accounts(accounts).await?;
        }
        if !groups.is_empty() {
            self.groups(groups).await?;
        }
        if !group_members.is_empty() {
            self.group_members(group_members).await?;
        }
        if !group_roles.is_empty() {
            self.group_roles(group_roles).await?;
        }
        Ok(())
    }

    /// The rest, and what is to be told. Whoever calls this decides whether it becomes true.
    pub(super) async fn finish(mut self) -> Result<(Report, Box<dyn Restoring>)> {
        self.had_orgs = true;
        self.take_early().await?;
        self.add_owners().await?;
        let rows: u64 = self
            .report
            .counts
            .iter()
            .flat_map(|counts| [counts.created, counts.unchanged, counts.left_out])
            .fold(0, u64::saturating_add);
        if rows == 0 && !self.reading.sealed {
            return Err(Invalid::EmptyList.into());
        }
        if !self.owners_back.is_empty() {
            let (count, named) = (self.owners_back.len(), self.owners_back.join(", "));
            self.warn(format!(
                "{count} orgs came back with an owner who had been removed from them since: {named}"
            ));
        }
        if self.no_passwords > 0 {
            let count = self.no_passwords;
            self.warn(format!(
                "{count} accounts came back without a password, which the backup does not hold: it has \
                 to be set anew"
            ));
        }
        Ok((self.report, self.restoring))
    }

    /// Orgs whose owner is no member in the document: whoever owns one is.
    async fn add_owners(&mut self) -> Result<()> {
        let mut missing: Vec<Membership> = std::mem::take(&mut self.ownerless)
            .into_iter()
            .map(|(org, (member, created_at, updated_at))| Membership {
                org,
                member,
                role: OrgRole::Owner,
                created_at,
                updated_at,
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        missing.sort_unstable_by_key(|row| (row.org, row.member));
        self.warn(format!("{} orgs had an owner who was no member, and is one now", missing.len()));
        for part in missing.chunks(PART) {
            self.insert(part.to_vec()).await?;
        }
        Ok(())
    }

    async fn insert<T: Keep>(&mut self, rows: Vec<T>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.report.counts(T::SECTION).create(rows.len());
        self.restoring.apply(&Change::InsertRows(T::rows(rows))).await
    }

    /// Checks that no two rows have the same place; in a document with a seal, that those are in order that
    /// have one.
    fn check_places<T: Keep>(&mut self, rows: &[T]) -> Result<()> {
        for (row, at) in rows.iter().zip(self.before..) {
            let place = row.place();
            let fresh = if self.reading.sealed && T::ORDERED {
                let later = self.last.as_ref().is_none_or(|last| *last < place);
                self.last = Some(place);
                later
            } else {
                self.places.insert(place)
            };
            if !fresh {
                return Err(refused::<T>(at, "is there twice"));
            }
        }
        Ok(())
    }

    /// Those that are not there yet, with their numbers in the list. Fails if others are there that must not.
    async fn absent<T: Keep + Clone>(&mut self, rows: Vec<T>) -> Result<Vec<T>> {
        self.check_places(&rows)?;
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        self.before = self.before.saturating_add(count);
        let stored = self.restoring.present(&T::rows(rows.clone())).await?;
        let stored: HashMap<Place, T> =
            T::of(stored).into_iter().flatten().map(|row| (row.place(), row)).collect();
        let mut absent = Vec::with_capacity(rows.len());
        let mut unchanged = 0_usize;
        for row in rows {
            let Some(there) = stored.get(&row.place()) else {
                absent.push(row);
                continue;
            };
            let same = row.same(there);
            if same && self.existing == Existing::Skip {
                unchanged = unchanged.saturating_add(1);
                continue;
            }
            let (list, place) = (T::SECTION.as_str(), row.place());
            tracing::info!(list, %place, same, "a row of a backup is there");
            return Err(match self.existing {
                Existing::Refuse => Error::AlreadyExists(T::SECTION.entity()),
                Existing::Skip => Conflict::Differs.into(),
            });
        }
        self.report.counts(T::SECTION).keep(unchanged);
        Ok(absent)
    }

    async fn orgs(&mut self, rows: Vec<Org>) -> Result<()> {
        let absent = self.absent(rows).await?;
        for org in &absent {
            self.ownerless.insert(org.id, (org.owner, org.created_at, org.updated_at));
            self.created.insert(org.id);
        }
        self.insert(absent).await
    }

    async fn memberships(&mut self, rows: Vec<Membership>) -> Result<()> {
        let owners = self.owners(rows.iter().map(|row| row.org)).await?;
        for (row, at) in rows.iter().zip(self.before..) {
            let owner = owners.get(&row.org).ok_or(Error::NotFound(Entity::Org))?;
            match (row.role, row.member == *owner) {
                (OrgRole::Owner, false) => {
                    return Err(refused::<Membership>(
                        at,
                        "names an owner who does not own the org",
                    ));
                }
                (OrgRole::Owner, true) => drop(self.ownerless.remove(&row.org)),
                (_, true) => {
                    return Err(refused::<Membership>(at, "names the owner of the org as less"));
                }
                (_, false) => {}
            }
        }
        let absent = self.absent(rows).await?;
        let pairs = absent.iter().map(|row| (row.org.uuid(), row.member.uuid())).collect();
        let removed = self.removed("membership.remove", pairs).await?;
        let mut back = Vec::with_capacity(absent.len());
        for row in absent {
            // What went with its org comes back with it. Without a common revision that cannot be told from
            // what went before.
            let was_removed = removed.contains(&(row.org.uuid(), row.member.uuid()))
                && (self.ours || !self.created.contains(&row.org));
            match (was_removed, row.role) {
                (false, _) => back.push(row),
                (true, OrgRole::Owner) => {
                    if self.owners_back.len() < NAMED {
                        self.owners_back.push(format!("{}/{}", row.org, row.member));
                    }
                    back.push(row);
                }
                (true, _) => {
                    self.gone.insert((row.org, row.member));
                    let name = format!("{}/{}", row.org, row.member);
                    self.report.counts(Section::Memberships).leave_out(name);
                }
            }
        }
        self.insert(back).await
    }

    async fn owners(
        &mut self,
        orgs: impl Iterator<Item = OrgId>,
    ) -> Result<HashMap<OrgId, UserId>> {
        let mut orgs: Vec<OrgId> = orgs.collect();
        orgs.sort_unstable();
        orgs.dedup();
        Ok(self.restoring.owners(&orgs).await?.into_iter().collect())
    }

    /// Which of these were taken away since, unless they are to come back all the same.
    async fn removed(&mut self, kind: &'static str, these: Vec<Pair>) -> Result<HashSet<Pair>> {
        if self.revive || these.is_empty() {
            return Ok(HashSet::new());
        }
        Ok(self.restoring.removed(kind, self.since, &these).await?.into_iter().collect())
    }

    async fn invites(&mut self, rows: Vec<Invite>) -> Result<()> {
        let owners = self.owners(rows.iter().map(|row| row.org)).await?;
        if rows.iter().any(|row| !owners.contains_key(&row.org)) {
            return Err(Error::NotFound(Entity::Org));
        }
        let absent = self.absent(rows).await?;
        let is_open = |row: &&Invite| row.state == InviteState::Pending;
        let open: Vec<InviteId> = absent.iter().filter(is_open).map(|row| row.id).collect();
        let revoked = if self.revive || open.is_empty() {
            Vec::new()
        } else {
            self.restoring.revoked(self.since, &open).await?
        };
        let revoked: HashSet<InviteId> = revoked.into_iter().collect();
        let mut back = Vec::with_capacity(absent.len());
        for row in absent {
            // Whoever is removed takes their open invites along.
            let sent_by_nobody = self.gone.contains(&(row.org, row.inviter));
            if is_open(&&row) && (sent_by_nobody || revoked.contains(&row.id)) {
                self.report.counts(Section::Invites).leave_out(row.id.to_string());
            } else {
                back.push(row);
            }
        }
        self.insert(back).await
    }

    async fn dormant(&mut self, rows: Vec<DormantInvite>) -> Result<()> {
        let absent = self.absent(rows).await?;
        let ids: Vec<InviteId> = absent.iter().map(|row| row.invite).collect();
        let known: HashSet<InviteId> = self.restoring.invites(&ids).await?.into_iter().collect();
        let (back, lost): (Vec<_>, Vec<_>) =
            absent.into_iter().partition(|row| known.contains(&row.invite));
        for row in lost {
            // Its invite was left out.
            self.report.counts(Section::Dormant).leave_out(row.invite.to_string());
        }
        self.insert(back).await
    }

    async fn keys(&mut self, rows: Vec<Key>) -> Result<()> {
        let absent = self.absent(rows).await?;
        let pairs = absent.iter().map(|row| (row.id.uuid(), row.issuer.uuid())).collect();
        let revoked = self.removed("key.revoke", pairs).await?;
        let mut back = Vec::with_capacity(absent.len());
        for row in absent {
            if revoked.contains(&(row.id.uuid(), row.issuer.uuid())) {
                self.report.counts(Section::Keys).leave_out(row.id.to_string());
            } else {
                back.push(row);
            }
        }
        self.insert(back).await
    }

    async fn roles(&mut self, rows: Vec<RoleHolder>) -> Result<()> {
        let absent = self.absent(rows).await?;
        let pairs = absent.iter().map(|row| (row.user.uuid(), row.user.uuid())).collect();
        let taken = self.removed("platform_role.remove", pairs).await?;
        let mut back = Vec::with_capacity(absent.len());
        for row in absent {
            if taken.contains(&(row.user.uuid(), row.user.uuid())) {
                self.report.counts(Section::PlatformRoles).leave_out(row.user.to_string());
            } else {
                back.push(row);
            }
        }
        // Nobody brings back more than they may give.
        if let (Actor::User(identity), false) = (&self.cx.actor, back.is_empty()) {
            let guard = Guard::OnPlatform { user: identity.user, needed: PlatformRole::Root };
            self.restoring.hold(&guard).await?;
        }
        self.insert(back).await
    }

    async fn accounts(&mut self, rows: Vec<Account>) -> Result<()> {
        let absent = self.absent(rows).await?;
        let without = absent.iter().filter(|row| !row.password.is_usable()).count();
        let without = u64::try_from(without).unwrap_or(u64::MAX);
        self.no_passwords = self.no_passwords.saturating_add(without);
        match self.insert(absent).await {
            // None has one of their ids.
            Err(Error::AlreadyExists(Entity::Account)) => Err(Conflict::AddressTaken.into()),
            other => other,
        }
    }
}

/// Groups: a removed one takes what lay below it along, and whoever leaves an org has no part in its groups.
/// Whether there are enough of them.
fn push<T>(rows: &mut Vec<T>, row: T) -> bool {
    rows.push(row);
    rows.len() >= PART
}

fn refused<T: Keep>(row: u64, problem: &'static str) -> Error {
    Invalid::Row { list: T::SECTION.as_str(), row, problem }.into()
}
